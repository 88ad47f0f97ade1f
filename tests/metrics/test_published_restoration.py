"""Published scores of restored frames, against the published code and scikit-image."""

import numpy as np
import pytest
import torch
from fill import make_input
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from subband.metrics import psnr, psnr_estrnn, psnr_vddiff, psnr_y, ssim_estrnn, ssim_vddiff, ssim_y


@pytest.fixture
def pair():
    shape = (1, 2, 3, 48, 64)
    return tuple(make_input(f"vddiff_losses_metrics{end}", shape, 0, "unit")[0] for end in ("", ":gt"))


def test_published_values_of_vd_diff(pair, golden):
    stored = np.load(golden / "video_deblurring" / "vddiff_losses_metrics.npz")
    torch.testing.assert_close(psnr_vddiff(*pair), torch.from_numpy(stored["psnr"]), rtol=0, atol=1e-4)
    torch.testing.assert_close(ssim_vddiff(*pair), torch.from_numpy(stored["ssim3d"]), rtol=0, atol=1e-5)
    # The two-dimensional SSIM of the same file is ESTRNN's, but for rounding.
    rounded = [(255 * frames.clamp(0, 1)).round() / 255 for frames in pair]
    wanted = torch.from_numpy(stored["ssim2d_all_channels"])
    torch.testing.assert_close(ssim_estrnn(*rounded), wanted, rtol=0, atol=1e-5)


def as_bytes(frames):
    return [frame.movedim(0, -1).numpy() for frame in frames.to(torch.uint8)]


def test_estrnn_cuts_off_where_vd_diff_rounds(pair):
    pred, target = pair[0].clamp(0, 1), (255 * pair[1].clamp(0, 1)).round() / 255
    true = as_bytes((255 * target).round())
    for score, levels in ((psnr_estrnn, (255 * pred).floor()), (psnr_vddiff, (255 * pred).round())):
        wanted = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(true, as_bytes(levels), strict=True)]
        np.testing.assert_allclose(score(pred, target), wanted, rtol=1e-5)
    assert (psnr_estrnn(pred, target) != psnr_vddiff(pred, target)).all()
    wanted = [
        structural_similarity(
            a, b, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
        )
        for a, b in zip(true, as_bytes((255 * pred).floor()), strict=True)
    ]
    np.testing.assert_allclose(ssim_estrnn(pred, target), wanted, atol=1e-5)


def test_luma_is_that_of_television(pair):
    pred, target = ((255 * frames.clamp(0, 1)).round() / 255 for frames in pair)
    lumas = [
        [rgb2ycbcr(frame.movedim(0, -1).double().numpy())[..., 0] for frame in frames] for frames in (target, pred)
    ]
    wanted = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(*lumas, strict=True)]
    np.testing.assert_allclose(psnr_y(pred, target), wanted, rtol=1e-5)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    wanted = [structural_similarity(a, b, **options) for a, b in zip(*lumas, strict=True)]
    np.testing.assert_allclose(ssim_y(pred, target), wanted, atol=1e-5)
    gray, colored = (
        (pred[:, :1], target[:, :1]),
        (pred[:, :1].expand(-1, 3, -1, -1), target[:, :1].expand(-1, 3, -1, -1)),
    )
    assert torch.allclose(psnr_y(*gray), psnr_y(*colored))
    with pytest.raises(ValueError, match="pred must be gray or RGB frames"):
        psnr_y(pred[:, :2], target[:, :2])


def test_bytes_survive_the_cut():
    """Every byte divided by 255 is that byte again, in single precision too."""
    frames = torch.arange(256, dtype=torch.float32).view(1, 16, 16) / 255
    assert psnr_estrnn(frames, frames).isinf()
    assert ssim_estrnn(frames, frames) == 1


def test_values_outside_of_the_range_are_clipped(pair):
    pred, target = 3 * pair[0] - 1, pair[1]
    for score in (psnr_estrnn, psnr_vddiff, psnr_y, ssim_estrnn, ssim_vddiff, ssim_y):
        assert torch.equal(score(pred, target), score(pred.clamp(0, 1), target))


def test_the_standard_psnr_is_neither(pair):
    values = [score(pair[0].clamp(0, 1), pair[1]) for score in (psnr, psnr_vddiff, psnr_estrnn)]
    assert len({round(value[0].item(), 5) for value in values}) == 3


def test_errors(pair):
    small = pair[0][..., :10, :]
    with pytest.raises(ValueError, match="at least 11x11 pixels, got 10x64"):
        ssim_estrnn(small, small)
    with pytest.raises(ValueError, match="alike, got"):
        ssim_vddiff(pair[0], small)
    with pytest.raises(TypeError, match="pred must be"):
        psnr_vddiff(pair[0].int(), pair[1])
