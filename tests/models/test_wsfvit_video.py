"""The WSF-ViT video model: parameter count, and the border rule of its stem."""

import pytest
import torch

import subband
from subband.models._simvp_spatial import WaveletStem
from subband.transforms import undecimated_haar2


@pytest.mark.parametrize("name", subband.list_models("wsfvit_video*"))
def test_parameter_count(name):
    with torch.device("meta"):
        assert sum(p.numel() for p in subband.create_model(name).parameters()) == 37_571_249


@pytest.mark.parametrize(
    ("size", "border"), [((16, 16), "periodic"), ((12, 12), "zero"), ((16, 8), "zero"), ((12, 16), "zero")]
)
def test_border_is_periodic_on_square_powers_of_two_only(rng, size, border):
    stem = WaveletStem(2).eval()
    frames = torch.rand(3, 2, *size, generator=rng)
    expected = torch.relu(stem.norm(undecimated_haar2(frames, border)))
    torch.testing.assert_close(stem(frames), expected)
    other = "zero" if border == "periodic" else "periodic"
    assert not torch.allclose(stem(frames), torch.relu(stem.norm(undecimated_haar2(frames, other))))


def test_stochastic_depth_covers_every_branch_of_a_block():
    model = subband.create_model("wsfvit_video", in_shape=(4, 1, 32, 32), hid_S=8, hid_T=32, drop_path=0.3)
    rates = [
        [part.drop_path.rate for part in (stage.block.mbconv, stage.block.local, stage.block.channel, stage.block.grid)]
        for stage in model.translator.stages
    ]
    assert rates == [pytest.approx([0.01] * 4), pytest.approx([0.3] * 4)]
