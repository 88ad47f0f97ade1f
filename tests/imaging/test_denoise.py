"""Numbers against scikit-image, and what denoising gains on photographs."""

import numpy as np
import pytest
import torch
from skimage import restoration
from torch import Tensor

from subband.imaging import denoise_wavelet, estimate_sigma

METHODS = {"bayes": "BayesShrink", "visu": "VisuShrink"}


def noisy(x: Tensor, sigma: float, rng: torch.Generator) -> Tensor:
    return x + sigma * torch.randn(x.shape, generator=rng, dtype=x.dtype)


def psnr(x: Tensor, y: Tensor) -> float:
    return -10 * torch.log10((x - y).square().mean()).item()


def reference(x: Tensor, **options: object) -> Tensor:
    """scikit-image on `(C, H, W)`."""
    result = restoration.denoise_wavelet(x.permute(1, 2, 0).numpy(), channel_axis=-1, rescale_sigma=True, **options)
    return torch.from_numpy(np.ascontiguousarray(result)).permute(2, 0, 1)


@pytest.mark.parametrize("is_clipped", [False, True])
def test_estimate_equals_scikit_image(astronaut, rng, is_clipped):
    x = noisy(astronaut, 0.2, rng)
    if is_clipped:  # makes coefficients that are exactly zero
        x = (x * 3 - 1).clamp(0, 1)
        x[:, :70] = 0
    expected = restoration.estimate_sigma(x.permute(1, 2, 0).numpy(), channel_axis=-1)
    torch.testing.assert_close(estimate_sigma(x), torch.tensor(expected, dtype=x.dtype), rtol=1e-12, atol=0)


def test_estimate_is_near_the_truth_and_zero_without_noise(camera, rng):
    assert estimate_sigma(noisy(camera, 0.1, rng)).item() == pytest.approx(0.1, rel=0.1)
    assert estimate_sigma(torch.full((2, 3, 9, 9), 0.5)).amax() < 1e-6
    assert estimate_sigma(torch.zeros(2, 3, 9, 9)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert estimate_sigma(torch.zeros(1, 1)).item() == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threshold", ["soft", "hard"])
@pytest.mark.parametrize(("wavelet", "sigma", "level"), [("db1", None, None), ("sym4", 0.1, None), ("db2", 0.1, 2)])
def test_equals_scikit_image(camera, rng, method, threshold, wavelet, sigma, level):
    x = noisy(camera[:, :, :-1], 0.1, rng)
    options = {"wavelet": wavelet, "sigma": sigma}
    expected = reference(x, method=METHODS[method], mode=threshold, wavelet_levels=level, **options)
    result = denoise_wavelet(x, method=method, threshold=threshold, level=level, **options)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sigma", [None, 0.1])
def test_color_equals_scikit_image(astronaut, rng, sigma):
    x = noisy(astronaut, 0.1, rng)
    expected = reference(x, convert2ycbcr=True, wavelet="db2", sigma=sigma)
    # The entries of scikit-image's matrix are rounded to 1e-5.
    torch.testing.assert_close(denoise_wavelet(x, sigma, color="ycbcr"), expected, rtol=0, atol=5e-6)


@pytest.mark.filterwarnings("ignore:The optional dask")
def test_cycle_spinning_equals_scikit_image(camera, rng):
    x = noisy(camera, 0.1, rng)
    options = {"sigma": 0.1, "wavelet": "haar", "rescale_sigma": False}
    expected = restoration.cycle_spin(
        x[0].numpy(), restoration.denoise_wavelet, max_shifts=2, func_kw=options, channel_axis=None
    )
    result = denoise_wavelet(x, 0.1, wavelet="haar", cycle_spins=2)
    torch.testing.assert_close(result[0], torch.from_numpy(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.05, 0.15])
def test_gain_on_photographs(camera, astronaut, rng, sigma):
    gray, color = noisy(camera, sigma, rng), noisy(astronaut, sigma, rng)
    once = psnr(denoise_wavelet(gray), camera)
    spun = psnr(denoise_wavelet(gray, cycle_spins=3), camera)
    assert psnr(gray, camera) + 2 < once < spun - 0.4
    by_channel, by_ycbcr = (psnr(denoise_wavelet(color, color=space), astronaut) for space in ("rgb", "ycbcr"))
    assert psnr(color, astronaut) + 2 < by_channel < by_ycbcr - 0.3


def test_visu_leaves_less_and_bayes_is_closer(camera, rng):
    x = noisy(camera, 0.1, rng)
    bayes, visu = denoise_wavelet(x, method="bayes"), denoise_wavelet(x, method="visu")
    variations = [y.diff(dim=-1).abs().mean() for y in (x, bayes, visu)]
    assert variations[2] < 0.9 * variations[1]
    assert psnr(bayes, camera) > psnr(visu, camera)


def test_a_batch_is_every_image_by_itself(astronaut, rng):
    batch = torch.stack((noisy(astronaut, 0.05, rng), noisy(astronaut, 0.2, rng))).float()
    result = denoise_wavelet(batch, color="ycbcr", cycle_spins=1)
    for image, denoised in zip(batch, result, strict=True):
        torch.testing.assert_close(denoise_wavelet(image, color="ycbcr", cycle_spins=1), denoised)
    sigma = torch.tensor([[0.05] * 3, [0.2] * 3])
    torch.testing.assert_close(denoise_wavelet(batch, sigma)[1], denoise_wavelet(batch[1], 0.2))
    assert denoise_wavelet(batch[:0]).shape == (0, *batch.shape[1:])


def test_no_noise_changes_nothing(camera):
    torch.testing.assert_close(denoise_wavelet(camera, 0.0, wavelet="sym4"), camera, rtol=0, atol=1e-12)
    flat = torch.full((1, 3, 16, 16), 0.25)
    torch.testing.assert_close(denoise_wavelet(flat), flat)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 5), (7, 2)])
def test_small_images(size, rng):
    x = torch.rand(2, *size, generator=rng)
    result = denoise_wavelet(x, cycle_spins=1)
    assert result.shape == x.shape
    assert result.isfinite().all()


def test_half_precision(camera, rng):
    x = noisy(camera, 0.1, rng).to(torch.bfloat16)
    result = denoise_wavelet(x)
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result, denoise_wavelet(x.float()).to(torch.bfloat16))
    assert estimate_sigma(x).dtype == torch.bfloat16


@pytest.mark.parametrize("method", METHODS)
def test_gradient(camera, rng, method):
    x = noisy(camera[:, :8, :7], 0.1, rng).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: denoise_wavelet(y, 0.1, method=method, level=1), x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "sure"}, r"method must be one of bayes, visu, got 'sure'"),
        ({"threshold": "firm"}, r"threshold must be one of soft, hard"),
        ({"color": "lab"}, r"color must be one of rgb, ycbcr"),
        ({"color": "ycbcr"}, r"needs x of shape \(..., 3, H, W\), got \(1, 8, 8\)"),
        ({"cycle_spins": -1}, r"cycle_spins must not be negative"),
        ({"level": -1}, r"level"),
        ({"wavelet": "dbx"}, r"dbx"),
        ({"mode": "wrap"}, r"mode"),
        ({"sigma": -0.1}, r"sigma must not be negative"),
        ({"sigma": torch.zeros(2)}, r"sigma must be one number or of shape \(1,\), got \(2,\)"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        denoise_wavelet(torch.rand(1, 8, 8), **options)


def test_wrong_images():
    for function in (estimate_sigma, denoise_wavelet):
        with pytest.raises(TypeError, match=r"convert it with .float\(\)"):
            function(torch.zeros(1, 8, 8, dtype=torch.uint8))
        with pytest.raises(TypeError, match=r"x must be real"):
            function(torch.zeros(1, 8, 8, dtype=torch.complex64))
        with pytest.raises(ValueError, match=r"at least one pixel"):
            function(torch.zeros(1, 0, 8))


@pytest.mark.parametrize(
    "function", [estimate_sigma, lambda y: denoise_wavelet(y, level=1), lambda y: denoise_wavelet(y, 0.1)]
)
def test_vmap_and_jvp(function, rng):
    x, tangent = torch.rand(2, 4, 1, 20, 18, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(torch.func.vmap(function)(x), torch.stack([function(item) for item in x]))
    _, found = torch.func.jvp(function, (x,), (tangent,))
    expected = (function(x + 1e-6 * tangent) - function(x - 1e-6 * tangent)) / 2e-6
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
