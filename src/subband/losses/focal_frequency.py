"""Losses that look at what a prediction gets wrong in the high frequencies.

`spectrum` is the loss WaST was published with: Fourier spectra of the low-pass Haar band without their lowest
frequencies. `subband` weighs the errors of the high-pass Haar bands by how much detail the target has there.

Nie et al., Wavelet-Driven Spatiotemporal Predictive Learning: Bridging Frequency and Time Variations, AAAI 2024; the
weighting by the error itself is that of Jiang et al., Focal Frequency Loss, ICCV 2021.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from subband.transforms import dwt2, dwtn
from subband.transforms.arguments import check_real, common_dtype

__all__ = [
    "HighFocalFrequencyLoss",
    "focal_frequency_loss",
    "high_focal_frequency_loss",
    "high_frequency_mask",
    "subband_focal_loss",
]


def high_frequency_mask(height: int, width: int, tau: float, like: Tensor) -> Tensor:
    """Mask that drops the corners of an unshifted spectrum, where the low frequencies are.

    Args:
        height: Rows of the spectrum.
        width: Columns of the spectrum.
        tau: Radius of the dropped corners as a fraction of the longer side.
        like: Tensor whose device and dtype the mask takes.

    Returns:
        `(H, W)`: 0 up to a distance of `tau * max(H, W)` from any corner, 1 elsewhere.

    Example:
        >>> high_frequency_mask(4, 4, 0.1, torch.zeros(())).int().tolist()
        [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]]
    """
    rows = torch.arange(height, device=like.device)
    columns = torch.arange(width, device=like.device)
    to_row_end = torch.minimum(rows, height - 1 - rows).to(like.dtype)
    to_column_end = torch.minimum(columns, width - 1 - columns).to(like.dtype)
    distance = torch.hypot(to_row_end[:, None], to_column_end[None, :])
    return (distance > tau * max(height, width)).to(like.dtype)


def high_focal_frequency_loss(
    pred: Tensor,
    target: Tensor,
    *,
    level: int = 1,
    tau: float = 0.1,
    alpha: float = 1.0,
    patch_factor: int = 1,
    ave_spectrum: bool = False,
    log_matrix: bool = True,
    batch_matrix: bool = False,
    matrix: Tensor | None = None,
) -> Tensor:
    """High focal frequency loss of WaST, without its weight of 0.001.

    At every level the images are replaced by their low-pass Haar band. With `D` the difference of the orthonormal
    Fourier spectra of prediction and target, the level adds the mean of `W |D|^2 M`: `W = log(1 + |D|^alpha)`, scaled
    to a maximum of 1 and without gradient, and `M` is `high_frequency_mask`. The mean counts the masked entries too.

    Args:
        pred: Predicted images or frames, `(..., C, H, W)`, any range.
        target: True ones of the same shape.
        level: Number of levels, each on the low band of the one before.
        tau: Radius of the dropped low frequencies as a fraction of the longer side.
        alpha: Exponent of the error in the weight.
        patch_factor: Patches per side that the band is cut into before the Fourier transform.
        ave_spectrum: Average the spectra over all images first.
        log_matrix: Take the logarithm in the weight.
        batch_matrix: Scale the weight by its maximum over everything instead of per spectrum.
        matrix: The weight `W`, broadcastable to `(N, P, C, h, w)` for N images and P patches, instead of the computed
            one.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        ValueError: If shapes differ, `level` or `patch_factor` is below one, or the band does not divide into patches.

    Example:
        >>> target = torch.rand(2, 5, 1, 16, 16)
        >>> high_focal_frequency_loss(target, target)
        tensor(0.)
    """
    difference = _difference(pred, target, level)
    if patch_factor < 1:
        raise ValueError(f"patch_factor must be at least 1, got {patch_factor}")
    if difference.numel() == 0:
        return difference.sum()
    # Transforms are linear: one pass over the difference instead of one over each.
    band = difference.flatten(end_dim=-4) if difference.ndim > 3 else difference[None]  # (N, C, H, W)
    loss = band.new_zeros(())
    for _ in range(level):
        band = dwt2(band, mode="zero", stack=None)[0]
        spectrum = torch.fft.fft2(_patches(band, patch_factor), norm="ortho")  # (N, P, C, h, w)
        if ave_spectrum:
            spectrum = spectrum.mean(0, keepdim=True)
        power = spectrum.real.square() + spectrum.imag.square()
        weight = _error_weight(power.detach(), alpha, log_matrix, batch_matrix) if matrix is None else matrix
        mask = high_frequency_mask(power.shape[-2], power.shape[-1], tau, power)
        loss = loss + (weight * power * mask).mean()
    return loss


def focal_frequency_loss(
    pred: Tensor,
    target: Tensor,
    *,
    alpha: float = 1.0,
    patch_factor: int = 1,
    ave_spectrum: bool = False,
    log_matrix: bool = False,
    batch_matrix: bool = False,
) -> Tensor:
    """Focal frequency loss of Jiang et al.: squared errors of spectra, the larger ones weighted more.

    With `D` the difference of the orthonormal Fourier spectra, the mean of `W |D|^2`; `W = |D|^alpha`, scaled to a
    maximum of 1 and without gradient.

    Args:
        pred: Predicted images or frames, `(..., C, H, W)`, any range.
        target: True ones of the same shape.
        alpha: Exponent of the error in the weight.
        patch_factor: Patches per side that images are cut into before the Fourier transform.
        ave_spectrum: Average the spectra over all images first.
        log_matrix: Take `log(1 + |D|^alpha)` as weight.
        batch_matrix: Scale the weight by its maximum over everything instead of per spectrum.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        ValueError: If shapes differ, `patch_factor` is below one, or the image does not divide into patches.

    Example:
        >>> target = torch.rand(2, 5, 1, 16, 16)
        >>> focal_frequency_loss(target, target)
        tensor(0.)
    """
    difference = _difference(pred, target, 1)
    if patch_factor < 1:
        raise ValueError(f"patch_factor must be at least 1, got {patch_factor}")
    if difference.numel() == 0:
        return difference.sum()
    images = difference.flatten(end_dim=-4) if difference.ndim > 3 else difference[None]  # (N, C, H, W)
    spectrum = torch.fft.fft2(_patches(images, patch_factor), norm="ortho")  # (N, P, C, h, w)
    if ave_spectrum:
        spectrum = spectrum.mean(0, keepdim=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return (_error_weight(power.detach(), alpha, log_matrix, batch_matrix) * power).mean()


def subband_focal_loss(
    pred: Tensor,
    target: Tensor,
    *,
    level: int = 1,
    alpha: float = 1.0,
    dims: Literal[2, 3] = 2,
    include_low: bool = False,
) -> Tensor:
    """Absolute error of Haar bands, larger where the target has large coefficients.

    `sum_b mean((1 + alpha |b(target)|) |b(target) - b(pred)|)` over the high bands `b` of all levels. The weight has no
    gradient.

    Args:
        pred: Predicted images, `(..., C, H, W)`, or for `dims=3` clips, `(..., T, C, H, W)`, any range.
        target: True ones of the same shape.
        level: Number of levels, each on the low band of the one before.
        alpha: How much the target's coefficients count.
        dims: Transform over height and width, or over time as well.
        include_low: Add the low band of the last level.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        ValueError: If shapes differ, `level` is below one, or `dims` is neither 2 nor 3.

    Example:
        >>> target = torch.rand(2, 4, 1, 16, 16)
        >>> subband_focal_loss(target, target, dims=3)
        tensor(0.)
    """
    if dims not in (2, 3):
        raise ValueError(f"dims must be 2 or 3, got {dims}")
    axes = (-2, -1) if dims == 2 else (-4, -2, -1)
    low_error = _difference(pred, target, level)
    if low_error.numel() == 0:
        return low_error.sum()
    low = target.detach().to(low_error.dtype)
    loss = low_error.new_zeros(())
    for number in range(level):
        errors = dwtn(low_error, mode="zero", axes=axes, stack=0)  # (S, ...)
        bands = dwtn(low, mode="zero", axes=axes, stack=0)
        low_error, low = errors[0], bands[0]
        first = 0 if include_low and number == level - 1 else 1
        weighted = (1 + alpha * bands[first:].abs()) * errors[first:].abs()
        loss = loss + weighted.flatten(1).mean(1).sum()
    return loss


class HighFocalFrequencyLoss(nn.Module):
    """Weighted `high_focal_frequency_loss` or `subband_focal_loss`.

    In the published training it is added to the mean squared error with a weight of 0.001, which makes it nearly inert:
    about 0.05 % of the squared error for a prediction that is off by 0.14 per pixel. In `subband.losses.LOSSES` the
    weight is 1, because recipes weigh every term themselves.

    An option left at `None` takes the default of the function; an option of the other mode is an error.

    Args:
        mode: `spectrum`, the published loss, or `subband`.
        loss_weight: Factor of the loss, by default the published one.
        level: Number of decomposition levels.
        alpha: Exponent of the weight (`spectrum`) or its slope (`subband`).
        tau: Radius of the dropped low frequencies (`spectrum`).
        patch_factor: Patches per side (`spectrum`).
        ave_spectrum: Average spectra over all images (`spectrum`).
        log_matrix: Logarithm in the weight (`spectrum`).
        batch_matrix: One maximum for all weights (`spectrum`).
        dims: 2 for images, 3 for clips (`subband`).
        include_low: Add the low band (`subband`).

    Shape:
        - pred, target: `(B, T, C, H, W)` or `(B, C, H, W)`
        - output: scalar

    Raises:
        ValueError: If `mode` is unknown or an option belongs to the other mode.

    Example:
        >>> loss = HighFocalFrequencyLoss("subband", dims=3, include_low=True)
        >>> loss(torch.zeros(1, 4, 1, 8, 8), torch.zeros(1, 4, 1, 8, 8))
        tensor(0.)
    """

    def __init__(
        self,
        mode: Literal["spectrum", "subband"] = "spectrum",
        *,
        loss_weight: float = 0.001,
        level: int = 1,
        alpha: float = 1.0,
        tau: float | None = None,
        patch_factor: int | None = None,
        ave_spectrum: bool | None = None,
        log_matrix: bool | None = None,
        batch_matrix: bool | None = None,
        dims: Literal[2, 3] | None = None,
        include_low: bool | None = None,
    ) -> None:
        super().__init__()
        options: dict[str, dict[str, Any]] = {
            "spectrum": {
                "tau": tau,
                "patch_factor": patch_factor,
                "ave_spectrum": ave_spectrum,
                "log_matrix": log_matrix,
                "batch_matrix": batch_matrix,
            },
            "subband": {"dims": dims, "include_low": include_low},
        }
        if mode not in options:
            raise ValueError(f"mode must be 'spectrum' or 'subband', got {mode!r}")
        own = {name: value for name, value in options.pop(mode).items() if value is not None}
        foreign = [name for group in options.values() for name, value in group.items() if value is not None]
        if foreign:
            raise ValueError(f"{', '.join(foreign)} does not belong to mode {mode!r}")
        function = high_focal_frequency_loss if mode == "spectrum" else subband_focal_loss
        self.loss: Callable[[Tensor, Tensor], Tensor] = partial(function, level=level, alpha=alpha, **own)
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Weighted loss of a prediction against its target."""
        return self.loss_weight * self.loss(pred, target)


def _difference(pred: Tensor, target: Tensor, level: int) -> Tensor:
    """Error in at least float32, since spectra of half-precision numbers lose the small errors."""
    check_real(pred, "pred")
    check_real(target, "target")
    if pred.shape != target.shape or pred.ndim < 3:
        raise ValueError(
            f"pred and target must be (..., C, H, W) alike, got {tuple(pred.shape)}, {tuple(target.shape)}"
        )
    if level < 1:
        raise ValueError(f"level must be at least 1, got {level}")
    dtype = torch.promote_types(common_dtype((pred, target)), torch.float32)
    return pred.to(dtype) - target.to(dtype)


def _patches(x: Tensor, factor: int) -> Tensor:
    height, width = x.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(f"patch_factor {factor} does not divide the {height}x{width} band")
    return rearrange(x, "n c (p h) (q w) -> n (p q) c h w", p=factor, q=factor)


def _error_weight(power: Tensor, alpha: float, log_matrix: bool, batch_matrix: bool) -> Tensor:
    """Weight from the squared error, scaled to a maximum of 1; all zeros where there is no error."""
    weight = power ** (alpha / 2)
    if log_matrix:
        weight = torch.log1p(weight)
    highest = weight.amax() if batch_matrix else weight.amax((-2, -1), keepdim=True)
    return torch.where(highest > 0, weight / highest, torch.zeros_like(weight))
