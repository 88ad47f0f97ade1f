"""The mean square error in dB."""

import math

import pytest
import torch

from subband.losses import harm_loss, psnr_loss
from subband.metrics import psnr


def test_value_is_psnr_with_a_minus_sign(rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 3, 4, 3, 8, 9, generator=rng, dtype=torch.float64)
    wanted = torch.stack([10 * (a - b).square().mean().log10() for a, b in zip(pred, target, strict=True)]).mean()
    torch.testing.assert_close(psnr_loss(pred, target, eps=1e-12), wanted)
    assert float(psnr_loss(pred[:1, 0], target[:1, 0])) == pytest.approx(
        -float(psnr(pred[:1, 0], target[:1, 0]).mean())
    )


def test_samples_count_alike_and_perfect_ones_are_finite() -> None:
    target = torch.zeros(2, 5)
    pred = torch.tensor([[0.1], [0.001]]).expand(2, 5).clone().requires_grad_()
    loss = psnr_loss(pred, target)
    assert float(loss.detach()) == pytest.approx(-(20 + 59.957) / 2, abs=1e-3)  # eps takes 0.043 of 60 dB
    loss.backward()
    assert pred.grad is not None
    assert float(pred.grad[1, 0]) > 50 * float(pred.grad[0, 0])
    perfect = torch.zeros(1, 5, requires_grad=True)
    loss = psnr_loss(perfect, torch.zeros(1, 5))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-80)
    assert perfect.grad is not None
    assert not perfect.grad.any()


def test_what_is_refused() -> None:
    assert psnr_loss(torch.zeros(0, 3), torch.zeros(0, 3)) == 0
    assert psnr_loss(torch.zeros(2, 0), torch.zeros(2, 0)) == 0
    with pytest.raises(ValueError, match="eps must be positive, got 0"):
        psnr_loss(torch.zeros(2), torch.zeros(2), eps=0)
    with pytest.raises(ValueError, match=r"pred must be \(B, \.\.\.\)"):
        psnr_loss(torch.tensor(0.0), torch.tensor(0.0))
    with pytest.raises(ValueError, match="pred and target must have one shape"):
        psnr_loss(torch.zeros(2), torch.zeros(3))


def test_harm_counts_what_became_worse_only(rng: torch.Generator) -> None:
    target = torch.rand(3, 2, 4, 4, generator=rng)
    given = target + torch.tensor([0.1, 0.1, 0.1]).view(3, 1, 1, 1)
    pred = (target + torch.tensor([0.01, 0.1, 0.2]).view(3, 1, 1, 1)).requires_grad_()
    loss = harm_loss(pred, target, given)
    assert float(loss.detach()) == pytest.approx((0 + 0 + 20 * math.log10(2)) / 3, rel=1e-4)
    loss.backward()
    assert pred.grad is not None
    assert not pred.grad[0].any()
    assert pred.grad[2].all()
    assert harm_loss(target[:0], target[:0], given[:0]) == 0
    with pytest.raises(ValueError, match="given must have the shape of target"):
        harm_loss(target, target, given[:, :1])
