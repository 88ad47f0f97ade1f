"""The WSF-ViT video model: parameter count, and the border rule of its stem."""

import pytest
import torch

import subband
from subband.layers.stationary import SWT2d
from subband.models.simvp.spatial import WaveletStem


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
    found = {}
    for mode in ("periodic", "zero"):
        transform = SWT2d(mode=mode, layout="channels", order=("aa", "da", "ad", "dd"), signs=(1, -1, -1, 1))
        found[mode] = torch.allclose(stem(frames), torch.relu(stem.norm(transform(frames))), atol=1e-6)
    assert found == {mode: mode == border for mode in found}
    assert list(stem.state_dict()) == [f"norm.{name}" for name in stem.norm.state_dict()]


def test_stochastic_depth_covers_every_branch_of_a_block():
    model = subband.create_model("wsfvit_video", in_shape=(4, 1, 32, 32), hid_S=8, hid_T=32, drop_path=0.3)
    rates = [
        [part.drop_path.rate for part in (stage.block.mbconv, stage.block.local, stage.block.channel, stage.block.grid)]
        for stage in model.translator.stages
    ]
    assert rates == [pytest.approx([0.01] * 4), pytest.approx([0.3] * 4)]
