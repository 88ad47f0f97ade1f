"""Per-frame scores against scikit-image and closed forms."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from subband.metrics.image import (
    combine_channels,
    denormalize,
    error_sums,
    psnr,
    psnr_legacy_uint8,
    snr,
    ssim,
)


@pytest.fixture
def frames(rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    target = torch.rand(3, 2, 3, 17, 24, generator=rng, dtype=torch.float64)
    noise = torch.randn(target.shape, generator=rng, dtype=torch.float64)
    return (target + 0.2 * noise).clamp(0, 1), target


@pytest.mark.parametrize("data_range", [1.0, 2.0, 255.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ssim_and_psnr_equal_scikit_image(frames: tuple, data_range: float, dtype: torch.dtype) -> None:
    pred, target = (x.to(dtype) * data_range for x in frames)
    ours = ssim(pred, target, data_range), psnr(pred, target, data_range)
    for i in range(3):
        for j in range(2):
            pair = pred[i, j].numpy(), target[i, j].numpy()
            expected = structural_similarity(*pair, channel_axis=0, data_range=data_range)
            assert ours[0][i, j].item() == pytest.approx(expected, abs=1e-12 if dtype == torch.float64 else 2e-6)
            expected = peak_signal_noise_ratio(pair[1], pair[0], data_range=data_range)
            assert ours[1][i, j].item() == pytest.approx(expected, rel=1e-6)


def test_ssim_of_the_smallest_frame_and_below(frames: tuple) -> None:
    pred, target = (x[..., :7, :7] for x in frames)
    expected = structural_similarity(pred[0, 0].numpy(), target[0, 0].numpy(), channel_axis=0, data_range=1.0)
    assert ssim(pred, target)[0, 0].item() == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match="at least 7x7 pixels, got 6x7"):
        ssim(pred[..., :6, :], target[..., :6, :])


def test_snr_closed_form() -> None:
    target = torch.full((2, 1, 4, 4), 2.0)
    torch.testing.assert_close(snr(target + 0.2, target), torch.tensor([20.0, 20.0]), rtol=1e-5, atol=0)


def test_equal_frames_are_infinitely_good() -> None:
    x = torch.ones(1, 8, 8)
    assert psnr(x, x) == snr(x, x) == psnr_legacy_uint8(x, x) == math.inf
    assert ssim(x, x) == 1


def test_legacy_psnr_wraps_around(frames: tuple) -> None:
    pred, target = frames
    bytes_p, bytes_t = (255 * pred.numpy()).astype(np.uint8), (255 * target.numpy()).astype(np.uint8)
    error = ((bytes_p - bytes_t) ** 2).mean((-3, -2, -1))
    expected = 20 * np.log10(255) - 10 * np.log10(error)
    np.testing.assert_allclose(psnr_legacy_uint8(pred, target).numpy(), expected, rtol=1e-6)
    assert (psnr_legacy_uint8(pred, target) > psnr(pred, target) + 3).all()


def test_denormalize_is_per_channel() -> None:
    x = torch.ones(2, 3, 4, 4)
    values = denormalize(x, (0.0, 1.0, 2.0), (1.0, 2.0, 3.0))
    torch.testing.assert_close(values, torch.tensor([1.0, 3.0, 5.0])[:, None, None].expand(2, 3, 4, 4))


def test_error_sums_and_groups(frames: tuple) -> None:
    pred, target = frames
    squared, absolute = error_sums(pred, target)
    torch.testing.assert_close(squared.sum(-1), (pred - target).square().sum((-3, -2, -1)))
    torch.testing.assert_close(absolute[..., 1], (pred - target)[:, :, 1].abs().sum((-2, -1)))
    num_pixels = 17 * 24
    assert torch.equal(combine_channels(squared, num_pixels, None, False)[""], squared.sum(-1))
    groups = combine_channels(squared, num_pixels, {"u": (2, 0), "v": (1,)}, True)
    torch.testing.assert_close(groups["u"], (pred - target)[:, :, [0, 2]].square().mean((-3, -2, -1)))
    torch.testing.assert_close(groups["v"], (pred - target)[:, :, 1].square().mean((-2, -1)))
