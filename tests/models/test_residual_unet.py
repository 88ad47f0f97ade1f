"""The plain residual U-Net: which frames it sees, and what its options change."""

import pytest
import torch

from subband.models.residual_unet import FrameGate, ResidualUNet, UNetBlock


def trained(**args):
    """A network whose last layer is not zero."""
    torch.manual_seed(0)
    model = ResidualUNet(dims=(4, 8), depth=1, **args)
    torch.nn.init.normal_(model.head.weight, std=0.1)
    return model.eval()


@pytest.mark.parametrize("patch", [1, 2, 3])
def test_any_size_and_squares_of_pixels_of_any_side(patch, rng):
    model = trained(frames=3, patch=patch)
    assert model.size_multiple == 2 * patch
    for height, width in ((12, 18), (13, 17)):
        assert model(torch.rand(2, 5, 3, height, width, generator=rng)).shape == (2, 3, 3, height, width)


@torch.no_grad()
def test_a_frame_depends_on_its_window_alone(rng):
    model, clip = trained(frames=3, patch=2), torch.rand(1, 6, 3, 16, 16, generator=rng)
    restored = model(clip)
    changed = clip.clone()
    changed[:, 5] += 0.1
    again = model(changed)
    assert torch.equal(again[:, :3], restored[:, :3])
    assert not torch.allclose(again[:, 3], restored[:, 3])


@torch.no_grad()
def test_squares_of_pixels_move_with_the_frame(rng):
    model, clip = trained(frames=3, patch=2), torch.rand(1, 3, 3, 16, 112, generator=rng)
    restored, moved = model(clip), model(clip.roll(4, -1))  # by one place of the coarsest maps
    assert torch.allclose(moved[..., 56:60], restored.roll(4, -1)[..., 56:60], atol=1e-5)


def test_fresh_features_keep_their_size(rng):
    torch.manual_seed(0)
    blocks = ResidualUNet(dims=(32, 64), depth=4).encoder[0]
    assert all(isinstance(block, UNetBlock) for block in blocks)
    x = torch.randn(2, 32, 16, 16, generator=rng)
    assert 0.8 < (blocks(x).std() / x.std()).item() < 1.6


def test_what_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"patch must be positive, got \(4,\), 1, 3 and 0"):
        ResidualUNet(dims=(4,), depth=1, frames=3, patch=0)


@torch.no_grad()
def test_a_gate_begins_open_and_sees_the_whole_frame(rng):
    model, clip = trained(frames=3, gated=True), torch.rand(1, 3, 3, 16, 112, generator=rng)
    plain = ResidualUNet(dims=(4, 8), depth=1, frames=3).eval()
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if "gate" not in name})
    assert torch.equal(model(clip), plain(clip))
    torch.nn.init.normal_(model.gate.head.weight)
    far = clip.clone()
    far[..., 100:] = 0.5
    assert torch.equal(plain(far)[..., :8], plain(clip)[..., :8])  # too far for convolutions
    assert not torch.allclose(model(far)[..., :8], model(clip)[..., :8], atol=1e-4)


def test_factors_of_a_gate(rng):
    gate = FrameGate((2, 3), hidden=5)
    features = [torch.randn(4, 2, 8, 6, generator=rng), torch.randn(4, 3, 4, 3, generator=rng)]
    assert all(
        torch.equal(factor, torch.ones(4, dim, 1, 1)) for factor, dim in zip(gate(features), (3, 2), strict=True)
    )
    torch.nn.init.normal_(gate.head.weight, std=9)
    coarsest, finest = gate(features)
    assert (coarsest.shape, finest.shape) == ((4, 3, 1, 1), (4, 2, 1, 1))
    assert 0 <= torch.cat([coarsest, finest], 1).min() < 0.9
    assert 1.1 < torch.cat([coarsest, finest], 1).max() <= 2
