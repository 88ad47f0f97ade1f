"""The table of losses that recipes name."""

import pytest
import torch

from subband.losses import LOSSES, HighFocalFrequencyLoss, build_loss


def test_every_loss_is_a_function_of_two_clips(rng: torch.Generator) -> None:
    fourier = ["fft_amplitude_phase", "fft_charbonnier", "fft_l1", "fft_modulus", "focal_frequency"]
    assert sorted(LOSSES) == [
        "charbonnier",
        "differential_divergence",
        *fourier,
        "heatmap_fourier",
        "heatmap_mse",
        "high_focal_frequency",
        "l1",
        "mse",
        "psnr",
    ]
    pred, target = torch.rand(2, 1, 4, 1, 16, 16, generator=rng)
    for name in LOSSES:
        loss = build_loss(name, {})(pred, target)
        assert loss.shape == ()
        assert loss < 0 if name == "psnr" else loss > 0  # dB of an error below 1


def test_table_losses_are_not_weighted(rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 1, 4, 1, 16, 16, generator=rng)
    unweighted = build_loss("high_focal_frequency", {"tau": 0.2})(pred, target)
    torch.testing.assert_close(0.001 * unweighted, HighFocalFrequencyLoss(tau=0.2)(pred, target))
    assert build_loss("mse", {})(pred, target) == (pred - target).square().mean()
    assert build_loss("l1", {})(pred, target) == (pred - target).abs().mean()


def test_errors() -> None:
    with pytest.raises(ValueError, match="unknown loss 'mes'; did you mean 'mse'"):
        build_loss("mes", {})
    with pytest.raises(ValueError, match="known: charbonnier, differential_divergence, fft_amplitude_phase, "):
        build_loss("perceptual", {})
    with pytest.raises(TypeError, match="loss 'differential_divergence' has no argument 'alpha'; it takes tau, eps"):
        build_loss("differential_divergence", {"alpha": 1})
    with pytest.raises(TypeError, match="loss 'charbonnier' has no argument 'epsilon'; it takes eps, over_colors"):
        build_loss("charbonnier", {"epsilon": 1})
    with pytest.raises(TypeError, match="it takes none"):
        build_loss("mse", {"reduction": "sum"})
