"""Losses between heatmaps: the table of their reference, joints that do not count, and what is refused."""

import pytest
import torch

from subband.data.pose.heatmaps import heatmap_targets
from subband.losses import build_loss, heatmap_fourier_loss, heatmap_mse_loss


# A Gaussian of spread 2 at entry (8, 8) of a 16 x 16 map, and one that is so many pixels, of four an entry, beside it.
@pytest.mark.parametrize(
    ("shift", "mse", "phase", "charbonnier"),
    [
        (0, 0.0, 0.000992, 0.0),
        (4, 0.0059481, 0.118196, 0.0228336),
        (8, 0.0217145, 0.393355, 0.0431548),
        (16, 0.0617775, 0.831523, 0.0706184),
    ],
)
def test_the_reference_table(shift, mse, phase, charbonnier):
    points = torch.tensor([[[32.0, 32.0]], [[32.0 + shift, 32.0]]], dtype=torch.float64)
    maps, _ = heatmap_targets(points, torch.ones(2, 1), (64, 64))
    target, pred = maps[:1], maps[1:]
    plain = heatmap_fourier_loss(pred, target, beta=0, phase_weight=0)
    with_phase = heatmap_fourier_loss(pred, target, beta=0, phase_weight=1)
    assert heatmap_mse_loss(pred, target).item() == pytest.approx(mse, abs=5e-8)
    assert plain.item() == pytest.approx(charbonnier, abs=5e-8)
    assert (with_phase - plain).item() == pytest.approx(phase, abs=5e-7)


def test_only_labelled_joints_count(rng):
    pred, target = torch.rand(2, 2, 3, 8, 7, generator=rng)
    visible = torch.tensor([[2, 0, 1], [0, 0, 1]])
    for loss in (heatmap_mse_loss, heatmap_fourier_loss):
        each = torch.stack([loss(pred[b : b + 1, k], target[b : b + 1, k]) for b, k in ((0, 0), (0, 2), (1, 2))])
        torch.testing.assert_close(loss(pred, target, visible), each.mean())
        wild = pred.clone()
        wild[visible == 0] = 100
        torch.testing.assert_close(loss(wild, target, visible), loss(pred, target, visible))
        assert loss(pred, target, torch.zeros(2, 3)).item() == 0


def test_high_frequencies_weigh_more(rng):
    pred, target = torch.rand(2, 1, 1, 8, 8, generator=rng)
    found = [heatmap_fourier_loss(pred, target, beta=beta, phase_weight=0).item() for beta in (0, 1, 2)]
    assert found[0] < found[1] < found[2]
    assert found[2] - found[1] == pytest.approx(found[1] - found[0], rel=1e-4)


def test_gradients_are_finite_on_empty_maps():
    pred = torch.zeros(1, 2, 8, 8, requires_grad=True)
    heatmap_fourier_loss(pred, torch.zeros(1, 2, 8, 8)).backward()
    assert pred.grad.isfinite().all()


def test_recipes_name_them(rng):
    pred, target = torch.rand(2, 1, 2, 8, 8, generator=rng)
    loss = build_loss("heatmap_fourier", {"beta": 0.0})
    assert torch.equal(loss(pred, target), heatmap_fourier_loss(pred, target, beta=0.0))
    assert torch.equal(build_loss("heatmap_mse", {})(pred, target), heatmap_mse_loss(pred, target))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: heatmap_mse_loss(x, x, torch.ones(2)), "visible must be"),
        (lambda x: heatmap_fourier_loss(x, x, eps=0), "eps must be positive"),
        (lambda x: heatmap_mse_loss(x[0, 0, 0], x[0, 0, 0]), r"must be \(..., H, W\)"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(torch.zeros(1, 2, 4, 4))
