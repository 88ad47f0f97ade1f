"""TAU's differential divergence."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch.autograd import gradcheck

from subband.losses import DifferentialDivergence, differential_divergence


def reference(pred: np.ndarray, target: np.ndarray, tau: float = 0.1, eps: float = 1e-12) -> float:
    """The formula frame by frame in NumPy."""
    terms = []
    for p_clip, t_clip in zip(pred, target, strict=True):
        for i in range(len(p_clip) - 1):
            p = softmax((p_clip[i + 1] - p_clip[i]).ravel() / tau)
            q = softmax((t_clip[i + 1] - t_clip[i]).ravel() / tau)
            terms.append(p * np.log(p / (q + eps) + eps))
    return float(np.mean(terms))


@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_equals_the_formula(tau: float, rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 2, 5, 3, 6, 4, generator=rng, dtype=torch.float64)
    expected = reference(pred.numpy(), target.numpy(), tau)
    assert differential_divergence(pred, target, tau).item() == pytest.approx(expected, rel=1e-10)
    single = DifferentialDivergence(tau=tau)(pred.float(), target.float()).item()
    assert single == pytest.approx(expected, rel=1e-4)


def test_zero_for_equal_differences_and_short_clips(rng: torch.Generator) -> None:
    target = torch.rand(2, 4, 1, 5, 5, generator=rng, dtype=torch.float64)
    assert abs(differential_divergence(target + 0.3, target).item()) < 1e-12  # a constant offset moves nothing
    short = differential_divergence(target[:, :2], 1 - target[:, :2])
    assert short.shape == ()
    assert short.item() == 0


def test_gradient(rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 1, 3, 1, 3, 3, generator=rng, dtype=torch.float64)
    assert gradcheck(lambda p: differential_divergence(p, target), (pred.requires_grad_(),))


def test_half_precision_is_computed_in_float32(rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 1, 4, 1, 8, 8, generator=rng).bfloat16()
    loss = differential_divergence(pred, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, differential_divergence(pred.float(), target.float()))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"\(B, T, C, H, W\)"):
        differential_divergence(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match="alike"):
        differential_divergence(torch.zeros(1, 3, 1, 4, 4), torch.zeros(1, 4, 1, 4, 4))
    with pytest.raises(ValueError, match="tau must be positive"):
        differential_divergence(torch.zeros(1, 3, 1, 4, 4), torch.zeros(1, 3, 1, 4, 4), tau=0.0)
