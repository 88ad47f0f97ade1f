"""Numbers against scikit-image, and what denoising gains on photographs."""

import warnings

import numpy as np
import pytest
import pywt
import torch
from skimage import restoration
from torch import Tensor

from subband.imaging import _cycle_spinning, _shrinkage, denoise_wavelet, estimate_sigma
from subband.transforms import MODES, Wavelet

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


def spun_one_by_one(x: Tensor, num_spins: int, **options: object) -> Tensor:
    """Cycle spinning by its definition: one transform per shift."""
    shifts = [(down, right) for down in range(num_spins + 1) for right in range(num_spins + 1)]
    total = sum(
        denoise_wavelet(x.roll(shift, (-2, -1)), **options).roll((-shift[0], -shift[1]), (-2, -1)) for shift in shifts
    )
    return total / len(shifts)


def test_shared_shifts_give_the_numbers_of_single_shifts(rng, case):
    """All boundary modes, odd and even sides, filters of several lengths, both methods; some sides too short to share.

    The wavelets are such that the extension of `periodization` is odd and even.
    """
    for mode in MODES:
        for wavelet, num_spins, size in (
            ("haar", 3, (21, 16)),
            ("db2", 2, (17, 16)),
            (("bior4.4", "db3"), 3, (41, 26)),
            ("haar", 4, (3, 9)),
        ):
            x = 2 * torch.rand(2, *size, generator=rng, dtype=torch.float64)
            sigma = torch.tensor([0.1, 0.7], dtype=torch.float64)
            method = "visu" if wavelet == "haar" else "bayes"
            options = {"sigma": sigma, "wavelet": wavelet, "mode": mode, "level": 2, "method": method}
            options["threshold"] = "hard" if num_spins == 2 else "soft"
            with case(mode, wavelet, num_spins, size), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = spun_one_by_one(x, num_spins, **options)
                result = denoise_wavelet(x, cycle_spins=num_spins, **options)
                torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)
                if options["threshold"] == "soft":  # hard thresholds keep or drop by a rounding error
                    single = denoise_wavelet(x.float(), cycle_spins=num_spins, **options | {"sigma": sigma.float()})
                    torch.testing.assert_close(single, expected.float(), rtol=0, atol=1e-5)


def test_shifts_share_the_finest_level(camera, monkeypatch):
    """The work itself is counted: samples that are transformed, and the largest tensor of a large picture."""
    counts = []
    for name in ("dwt2", "swt2"):
        for module in (_shrinkage, _cycle_spinning):
            if hasattr(module, name):
                function = getattr(module, name)
                factor = 4 if name == "swt2" else 1

                def counted(x: Tensor, *args: object, run=function, factor=factor, **options: object) -> object:
                    counts.append(factor * x.numel())
                    return run(x, *args, **options)

                monkeypatch.setattr(module, name, counted)
    x = camera.repeat(1, 2, 2).float()
    denoise_wavelet(x, 0.1, cycle_spins=3, level=1)
    shared, _ = sum(counts), counts.clear()
    denoise_wavelet(x, 0.1, level=1)
    assert shared < 7 * sum(counts)  # 16 shifts
    counts.clear()
    monkeypatch.setattr(_cycle_spinning, "_CHUNK", x.numel() // 4)
    small = denoise_wavelet(x, 0.1, cycle_spins=3, level=2)
    assert max(counts) <= 4.3 * x.numel()
    monkeypatch.undo()
    torch.testing.assert_close(small, denoise_wavelet(x, 0.1, cycle_spins=3, level=2))


def test_gradient_of_shared_shifts(rng):
    x = torch.rand(1, 17, 16, generator=rng, dtype=torch.float64, requires_grad=True)
    sigma = torch.tensor([0.1], dtype=torch.float64, requires_grad=True)
    options = {"wavelet": "db2", "level": 1}
    found = torch.autograd.grad(denoise_wavelet(x, sigma, cycle_spins=2, **options).square().sum(), (x, sigma))
    wanted = torch.autograd.grad(spun_one_by_one(x, 2, sigma=sigma, **options).square().sum(), (x, sigma))
    torch.testing.assert_close(found, wanted)
    batch = x.detach().repeat(3, 1, 1, 1) * torch.tensor([1.0, 2.0, 3.0]).view(-1, 1, 1, 1)
    mapped = torch.func.vmap(lambda y: denoise_wavelet(y, 0.1, cycle_spins=2, **options))(batch)
    torch.testing.assert_close(mapped, denoise_wavelet(batch, 0.1, cycle_spins=2, **options))


def test_units_do_not_matter(camera, astronaut, rng, case):
    """`denoise(s x) / s` is the same for all scales s, also of an image that is black in places."""
    gray = noisy(camera[:, :48, :40], 0.1, rng)
    gray[:, :20] = 0
    color = noisy(astronaut[:, :48, :40], 0.02, rng)
    for dtype, atol in ((torch.float32, 2e-5), (torch.float64, 1e-12)):
        for x, options in (
            (gray, {}),
            (gray, {"sigma": 0.1, "cycle_spins": 2}),
            (gray, {"method": "visu"}),
            (gray, {"wavelet": "haar", "level": 3}),
            (color, {"color": "ycbcr"}),
            (color, {"cycle_spins": 1, "wavelet": "sym4"}),
        ):
            expected, sigma = denoise_wavelet(x.to(dtype), **options), options.pop("sigma", None)
            for scale in (1e-12, 1e-5, 1e-3, 255.0, 1e5, 1e12):
                scaled = None if sigma is None else scale * sigma
                with case(dtype, options, scale):
                    result = denoise_wavelet((scale * x).to(dtype), scaled, **options) / scale
                    torch.testing.assert_close(result, expected, rtol=0, atol=atol)


def test_thin_pictures_are_those_of_scikit_image(rng, case):
    """The default level is one at least, and nothing warns of it; a noise estimate exists for single rows, too."""
    for size in ((1, 64), (64, 1), (2, 100), (3, 5), (7, 200), (1, 3), (2, 2)):
        x = torch.rand(*size, generator=rng, dtype=torch.float64)
        for wavelet in ("haar", "db2", "sym4"):
            for method, name in METHODS.items():
                with case(size, wavelet, method), warnings.catch_warnings():
                    warnings.simplefilter("error")
                    result = denoise_wavelet(x, 0.1, wavelet=wavelet, method=method)
                    warnings.simplefilter("ignore")
                    expected = restoration.denoise_wavelet(x.numpy(), 0.1, wavelet=wavelet, method=name)
                    torch.testing.assert_close(result, torch.from_numpy(expected), rtol=0, atol=1e-12)
                    assert (denoise_wavelet(x, 0.1, wavelet=wavelet) - x).abs().max() > 1e-3
    row = torch.linspace(0, 1, 256, dtype=torch.float64) + 0.1 * torch.randn(256, generator=rng, dtype=torch.float64)
    for x in (row[None], row[:, None]):
        assert estimate_sigma(x).item() == pytest.approx(restoration.estimate_sigma(row.numpy()), rel=1e-12)
        smooth = torch.linspace(0, 1, 256, dtype=torch.float64).view(x.shape)
        assert psnr(denoise_wavelet(x), smooth) > psnr(x, smooth) + 1


def test_taps_are_a_wavelet(camera, rng):
    x = noisy(camera[:, :40, :48], 0.1, rng)
    taps = Wavelet("db2").filter_bank
    expected = denoise_wavelet(x, cycle_spins=2)
    learnable = tuple(torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in taps)
    for wavelet in (tuple(map(list, taps)), learnable, Wavelet("mine", taps), pywt.Wavelet("db2"), ("db2", "db2")):
        torch.testing.assert_close(denoise_wavelet(x, wavelet=wavelet, cycle_spins=2), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(estimate_sigma(x, wavelet), estimate_sigma(x))
    denoise_wavelet(x, 0.02, wavelet=learnable).square().sum().backward()
    assert all(values.grad.abs().sum() > 0 for values in learnable)


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
        ({"sigma": -0.1}, r"sigma must be finite and not negative, got -0.1"),
        ({"sigma": float("nan")}, r"sigma must be finite"),
        ({"sigma": torch.zeros(2)}, r"sigma must be one number or of shape \(1,\), got \(2,\)"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        denoise_wavelet(torch.rand(1, 8, 8), **options)


def test_wrong_images():
    for function in (estimate_sigma, denoise_wavelet):
        with pytest.raises(TypeError, match=r"torch.from_numpy"):
            function(np.zeros((1, 8, 8), np.float32))
        with pytest.raises(ValueError, match=r"x must be finite, but 2 of its 64 values are NaN or infinite"):
            function(torch.tensor([0.0, float("nan"), float("inf"), 1.0] + 60 * [0.5]).view(1, 8, 8))
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
