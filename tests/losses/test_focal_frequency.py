"""High focal frequency loss: the published numbers, its options one by one, and the sub-band variant."""

from pathlib import Path

import numpy as np
import pytest
import pywt
import torch
from fill import make_input
from torch import Tensor
from torch.autograd import gradcheck

from subband.losses import (
    HighFocalFrequencyLoss,
    focal_frequency_loss,
    high_focal_frequency_loss,
    high_frequency_mask,
    subband_focal_loss,
)

SHAPE = [2, 3, 1, 32, 32]
CASES = {"default": {}, "level2": {"level": 2}, "nolog_alpha2": {"log_matrix": False, "alpha": 2.0}}


@pytest.fixture
def published(golden: Path) -> dict[str, np.ndarray]:
    return dict(np.load(golden / "video_prediction" / "wast_hffl.npz"))


@pytest.mark.parametrize("case", CASES)
def test_published_loss_and_gradient(case: str, published: dict[str, np.ndarray]) -> None:
    pred = make_input("wast_hffl.pred", SHAPE).requires_grad_()
    loss = HighFocalFrequencyLoss(**CASES[case])(pred, make_input("wast_hffl.true", SHAPE))
    assert loss.item() == pytest.approx(published[f"loss_{case}"].item(), rel=1e-5)
    (grad,) = torch.autograd.grad(loss, pred)
    expected = torch.from_numpy(published[f"grad_{case}"])
    torch.testing.assert_close(1e6 * grad[..., ::2, ::2], expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_published_mask(published: dict[str, np.ndarray]) -> None:
    mask = high_frequency_mask(16, 16, 0.1, torch.zeros(()))
    assert np.array_equal(mask.numpy(), published["mask"])
    assert int((mask == 0).sum()) == 16


def reference(pred: np.ndarray, target: np.ndarray, options: dict) -> float:
    """The loss as published: both spectra of every patch, averaged spectra, weights by loops. Images (N, C, H, W)."""
    total = 0.0
    factor, tau, alpha = options.get("patch_factor", 1), options.get("tau", 0.1), options.get("alpha", 1.0)
    for _ in range(options.get("level", 1)):
        pred, target = pywt.dwt2(pred, "haar", "zero")[0], pywt.dwt2(target, "haar", "zero")[0]
        height, width = pred.shape[-2] // factor, pred.shape[-1] // factor
        cuts = [(slice(None), slice(None), slice(i * height, (i + 1) * height), slice(j * width, (j + 1) * width))
                for i in range(factor) for j in range(factor)]  # fmt: skip
        spectra = [np.stack([np.fft.fft2(x[cut], norm="ortho") for cut in cuts], 1) for x in (pred, target)]
        if options.get("ave_spectrum"):
            spectra = [spectrum.mean(0, keepdims=True) for spectrum in spectra]
        distance = np.abs(spectra[0] - spectra[1])
        weight = distance**alpha
        if options.get("log_matrix", True):
            weight = np.log(1 + weight)
        weight = weight / (weight.max() if options.get("batch_matrix") else weight.max((-2, -1), keepdims=True))
        yy, xx = np.mgrid[:height, :width]
        corners = [(y, x) for y in (0, height - 1) for x in (0, width - 1)]
        nearest = np.min([np.hypot(yy - y, xx - x) for y, x in corners], 0)
        total += (weight * distance**2 * (nearest > tau * max(height, width))).mean()
    return float(total)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patch_factor": 2},
        {"ave_spectrum": True},
        {"batch_matrix": True, "alpha": 1.5},
        {"log_matrix": False, "tau": 0.3},
        {"level": 2, "patch_factor": 2, "batch_matrix": True},
    ],
)
def test_every_option_does_what_it_says(options: dict, rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 2, 3, 2, 16, 24, generator=rng, dtype=torch.float64)
    expected = reference(pred.flatten(0, 1).numpy(), target.flatten(0, 1).numpy(), options)
    assert high_focal_frequency_loss(pred, target, **options).item() == pytest.approx(expected, rel=1e-10)


def test_given_matrix_replaces_the_weight(rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 3, 1, 16, 16, generator=rng, dtype=torch.float64)
    whole = high_focal_frequency_loss(pred, target, matrix=torch.tensor(1.0), tau=-1.0)
    low = pywt.dwt2((pred - target).numpy(), "haar", "zero")[0]
    assert whole.item() == pytest.approx(np.mean(low**2), rel=1e-10)  # Parseval
    assert high_focal_frequency_loss(pred, target, matrix=torch.tensor(2.0), tau=-1.0) == 2 * whole


def test_equal_frames_cost_nothing_and_have_no_gradient(rng: torch.Generator) -> None:
    target = torch.rand(2, 3, 1, 16, 16, generator=rng)
    pred = target.clone().requires_grad_()
    loss = high_focal_frequency_loss(pred, target)
    assert loss.item() == 0
    assert torch.count_nonzero(torch.autograd.grad(loss, pred)[0]) == 0


def test_weights_have_no_gradient(rng: torch.Generator) -> None:
    """With fixed weights the loss is quadratic, so its gradient is that of the same weights given as a matrix."""
    pred, target = torch.rand(2, 1, 1, 8, 8, generator=rng, dtype=torch.float64)
    power = torch.fft.fft2(torch.from_numpy(pywt.dwt2((pred - target).numpy(), "haar", "zero")[0]), norm="ortho").abs()
    weight = torch.log1p(power) / torch.log1p(power).amax()
    pred.requires_grad_()
    grads = [
        torch.autograd.grad(high_focal_frequency_loss(pred, target, matrix=matrix), pred)[0]
        for matrix in (None, weight[:, None])
    ]
    torch.testing.assert_close(*grads)


def test_half_precision_and_odd_sizes(rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 2, 3, 1, 15, 21, generator=rng).bfloat16()
    for loss in (high_focal_frequency_loss, subband_focal_loss):
        assert torch.equal(loss(pred, target), loss(pred.float(), target.float()))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(loss(pred, target), loss(pred.float(), target.float()))


def subband_reference(pred: Tensor, target: Tensor, level: int, alpha: float, axes: tuple, include_low: bool) -> float:
    low_p, low_t, total = pred.numpy(), target.numpy(), 0.0
    for number in range(level):
        bands_p, bands_t = (pywt.dwtn(x, "haar", "zero", axes) for x in (low_p, low_t))
        key = "a" * len(axes)
        low_p, low_t = bands_p[key], bands_t[key]
        for name, band in bands_t.items():
            if name != key or (include_low and number == level - 1):
                total += np.mean((1 + alpha * np.abs(band)) * np.abs(band - bands_p[name]))
    return total


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("include_low", [False, True])
def test_subband_loss_equals_the_formula(dims: int, level: int, include_low: bool, rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 2, 4, 3, 8, 12, generator=rng, dtype=torch.float64)
    axes = (-2, -1) if dims == 2 else (1, 3, 4)
    expected = subband_reference(pred, target, level, 0.7, axes, include_low)
    loss = HighFocalFrequencyLoss(
        "subband", loss_weight=3.0, alpha=0.7, level=level, dims=dims, include_low=include_low
    )
    assert loss(pred, target).item() == pytest.approx(3 * expected, rel=1e-10)


def test_subband_gradient(rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 1, 2, 1, 4, 4, generator=rng, dtype=torch.float64)
    assert gradcheck(lambda p: subband_focal_loss(p, target, dims=3), (pred.requires_grad_(),))
    target.requires_grad_()
    assert subband_focal_loss(pred, target).requires_grad


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ("spectrum", {"dims": 3}, "dims does not belong to mode 'spectrum'"),
        ("spectrum", {"include_low": False, "dims": 2}, "dims, include_low does not belong"),
        ("subband", {"tau": 0.1}, "tau does not belong to mode 'subband'"),
        ("subband", {"log_matrix": False}, "log_matrix does not belong"),
        ("wavelet", {}, "mode must be 'spectrum' or 'subband'"),
    ],
)
def test_options_of_the_other_mode_are_errors(mode: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HighFocalFrequencyLoss(mode, **options)


def test_errors() -> None:
    x = torch.zeros(2, 1, 12, 12)
    with pytest.raises(ValueError, match="patch_factor 4 does not divide the 6x6 band"):
        high_focal_frequency_loss(x, x, patch_factor=4)
    with pytest.raises(ValueError, match="patch_factor must be at least 1"):
        high_focal_frequency_loss(x, x, patch_factor=0)
    with pytest.raises(ValueError, match="level must be at least 1"):
        subband_focal_loss(x, x, level=0)
    with pytest.raises(ValueError, match="dims must be 2 or 3"):
        subband_focal_loss(x, x, dims=1)
    with pytest.raises(ValueError, match="alike"):
        high_focal_frequency_loss(x, x[:1])


def test_plain_focal_loss_of_patches_and_of_the_mean_spectrum(rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 2, 1, 6, 6, generator=rng, dtype=torch.float64)

    def spectrum(rows: slice, columns: slice) -> torch.Tensor:
        return torch.fft.fft2((pred - target)[..., rows, columns], norm="ortho")

    mean = spectrum(slice(None), slice(None)).mean(0).abs()
    found = focal_frequency_loss(pred, target, ave_spectrum=True)
    torch.testing.assert_close(found, (mean / mean.max() * mean**2).mean())
    halves = slice(0, 3), slice(3, 6)
    patches = [spectrum(rows, columns).abs() for rows in halves for columns in halves]
    wanted = sum((patch**3 / patch.amax((-2, -1), keepdim=True)).mean() for patch in patches) / 4
    torch.testing.assert_close(focal_frequency_loss(pred, target, patch_factor=2), wanted)
