"""TAU: configurations and the published odd points of its block."""

import pytest
import torch

import subband


@pytest.mark.parametrize(
    ("name", "count"), [("tau", 44_656_001), ("tau_mmnist", 44_656_001), ("tau_taxibj", 9_545_442)]
)
def test_parameter_counts(name, count):
    assert count_parameters(name) == count


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("tau_kth", 15.0),
        ("tau_kitticaltech", 14.96),
        ("tau_human", 37.65),
        ("tau_weather_t2m", 12.22),
        ("tau_weather_mv_4_s6", 9.55),
    ],
)
def test_parameter_counts_in_published_tables(name, millions):
    digits = len(str(millions).split(".")[1])
    assert round(count_parameters(name) / 1e6, digits) == millions


def count_parameters(name: str) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in subband.create_model(name).parameters())


@pytest.mark.parametrize(("dim", "squeezed"), [(640, 16), (512, 16), (128, 16), (32, 8)])
def test_squeezed_width_hardly_depends_on_the_width(dim, squeezed):
    model = subband.create_model("tau", in_shape=(1, 1, 8, 8), hid_S=dim, hid_T=32, N_T=2)
    assert model.translator.stages[0].block.attn.gate.squeeze.out_features == squeezed


def test_attention_keeps_the_default_initialization():
    model = subband.create_model("tau", in_shape=(4, 1, 16, 16), hid_S=32, hid_T=64, N_T=2)
    block = model.translator.stages[0].block
    assert block.attn.proj_in.bias.any()
    assert not block.mlp.fc1.bias.any()
