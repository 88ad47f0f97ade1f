"""Fourier transforms of real images for networks and losses, and filters.

Transforms are orthonormal, so that spectra have the energy of the image whatever its size, and are computed in at least
float32. Spectra are half spectra, `(..., H, W // 2 + 1)`: the rest of a real image's spectrum is its mirror image.
`subband.transforms.spectrum` weighs and counts their entries, `subband.transforms.polar` takes amplitudes and phases.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from subband.transforms._parts import check_complex, check_real
from subband.transforms.arguments import in_float32, negative_axes
from subband.transforms.spectrum import half_spectrum_weights

__all__ = [
    "fourier_filter",
    "irfft2",
    "irfft2_parts",
    "irfftn",
    "rfft2",
    "rfft2_parts",
    "rfftn",
]

_LONGEST_MATRIX = 128


def rfft2(x: Tensor) -> Tensor:
    """Orthonormal Fourier transform of real images.

    Args:
        x: `(..., H, W)`, real, any range; half precision is computed in float32, also under autocast.

    Returns:
        Half spectrum, `(..., H, W // 2 + 1)`, complex128 for float64, else complex64.

    Raises:
        TypeError: If `x` is not real and floating.
        ValueError: If an axis is empty.

    Example:
        >>> rfft2(torch.ones(3, 4, 5)).shape, rfft2(torch.ones(4, 4))[0, 0]
        (torch.Size([3, 4, 3]), tensor(4.+0.j))
    """
    return rfftn(x, (-2, -1))


def irfft2(spectrum: Tensor, size: tuple[int, int]) -> Tensor:
    """Inverse of `rfft2`.

    Args:
        spectrum: Half spectrum, `(..., H, W // 2 + 1)`, complex.
        size: Height and width of the image; a half spectrum does not tell an odd width from an even one.

    Returns:
        Images, `(..., H, W)`, float64 for complex128, else float32.

    Raises:
        TypeError: If `spectrum` is not complex.
        ValueError: If `size` does not fit the spectrum.

    Example:
        >>> x = torch.rand(3, 4, 5)
        >>> torch.allclose(irfft2(rfft2(x), (4, 5)), x, atol=1e-6)
        True
    """
    return irfftn(spectrum, size, (-2, -1))


def rfftn(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """Orthonormal Fourier transform of a real tensor along any axes.

    Args:
        x: Any shape, real, any range; half precision is computed in float32, also under autocast.
        axes: Transformed axes, all if not given; only half of the frequencies of the last one are returned.

    Returns:
        Half spectrum, complex128 for float64, else complex64; `n // 2 + 1` entries along the last of `axes`.

    Raises:
        TypeError: If `x` is not real and floating.
        ValueError: If an axis is empty, repeated or absent.

    Example:
        >>> rfftn(torch.ones(2, 5, 3, 8, 9), axes=(1, 3, 4)).shape
        torch.Size([2, 5, 3, 8, 5])
    """
    check_real(x, "x")
    axes = negative_axes(axes, x.ndim)
    if any(x.shape[axis] == 0 for axis in axes):
        raise ValueError(f"x must have at least one sample along axes {axes}, got shape {tuple(x.shape)}")
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    if x.numel() == 0:  # the library refuses empty batches
        return torch.complex(x, x).narrow(axes[-1], 0, x.shape[axes[-1]] // 2 + 1)
    return torch.fft.rfftn(x, dim=axes, norm="ortho")


def irfftn(spectrum: Tensor, size: Sequence[int], axes: Sequence[int] | None = None) -> Tensor:
    """Inverse of `rfftn`.

    Spectra of real tensors are symmetric in the first and, for even lengths, the last entry of the halved axis. If a
    filter broke that symmetry, only the symmetric part counts, on every device alike.

    Args:
        spectrum: Half spectrum, complex.
        size: Lengths of the result along `axes`.
        axes: Transformed axes, all if not given; the last one is the halved one.

    Returns:
        Real tensor, float64 for complex128, else float32.

    Raises:
        TypeError: If `spectrum` is not complex.
        ValueError: If `size` does not fit the spectrum, or an axis is repeated or absent.

    Example:
        >>> clip = torch.rand(2, 5, 3, 8, 9)
        >>> again = irfftn(rfftn(clip, axes=(1, 3, 4)), (5, 8, 9), axes=(1, 3, 4))
        >>> torch.allclose(again, clip, atol=1e-6)
        True
    """
    check_complex(spectrum, "spectrum")
    *outer, last = negative_axes(axes, spectrum.ndim)
    if len(size) != len(outer) + 1:
        raise ValueError(f"size must have one length per axis ({len(outer) + 1}), got {tuple(size)}")
    shape = tuple(spectrum.shape[axis] for axis in (*outer, last))
    if size[-1] < 1 or shape != (*size[:-1], size[-1] // 2 + 1):
        raise ValueError(f"size {tuple(size)} does not belong to a half spectrum of {shape}")
    if spectrum.numel() == 0:
        index = torch.zeros(size[-1], dtype=torch.long, device=spectrum.device)
        return spectrum.real.index_select(last, index)
    # In one go, libraries for GPUs would rely on a symmetry that filtered spectra do not have.
    if outer:
        spectrum = torch.fft.ifftn(spectrum, dim=outer, norm="ortho")
    return torch.fft.irfft(spectrum, size[-1], dim=last, norm="ortho")


def rfft2_parts(x: Tensor) -> Tensor:
    """`rfft2` as real numbers and by matrix products, for exporters and devices without complex tensors.

    Args:
        x: Images, `(..., H, W)`, real, sides of at most 128.

    Returns:
        Real and imaginary parts, `(..., H, W // 2 + 1, 2)`, in the dtype of `x`; what `torch.view_as_real` makes of
        `rfft2(x)`.

    Raises:
        TypeError: If `x` is not real and floating.
        ValueError: If a side is empty or longer than 128.

    Example:
        >>> x = torch.rand(3, 4, 5)
        >>> torch.allclose(rfft2_parts(x), torch.view_as_real(rfft2(x)), atol=1e-6)
        True
    """
    check_real(x, "x")
    _check_matrix_size(x.shape[-2], x.shape[-1])
    return in_float32(_parts_by_matrix, x)


def irfft2_parts(parts: Tensor, size: tuple[int, int]) -> Tensor:
    """Inverse of `rfft2_parts`.

    Args:
        parts: Real and imaginary parts, `(..., H, W // 2 + 1, 2)`, real dtype.
        size: Height and width of the image, at most 128.

    Returns:
        Images, `(..., H, W)`, in the dtype of `parts`.

    Raises:
        TypeError: If `parts` is not real and floating.
        ValueError: If `size` does not fit the spectrum, or a side is longer than 128.

    Example:
        >>> x = torch.rand(3, 4, 5)
        >>> torch.allclose(irfft2_parts(rfft2_parts(x), (4, 5)), x, atol=1e-6)
        True
    """
    check_real(parts, "parts")
    _check_matrix_size(*size)
    if parts.ndim < 3 or tuple(parts.shape[-3:]) != (size[0], size[1] // 2 + 1, 2):
        raise ValueError(f"size {tuple(size)} does not belong to parts of a half spectrum of {tuple(parts.shape)}")
    return in_float32(_image_by_matrix, parts, width=size[1])


def fourier_filter(
    x: Tensor,
    weight: Tensor,
    *,
    axes: tuple[int, int] = (-2, -1),
    method: Literal["fft", "matrix"] = "fft",
) -> Tensor:
    """Multiply the spectrum of images by a filter: a circular convolution as large as the image.

    Args:
        x: Images, `(..., H, W)` or with other `axes`, real, any range.
        weight: Real and imaginary parts of the filter, broadcastable to `(*spectrum.shape, 2)` for the half spectrum of
            `x`, that is `(H, W // 2 + 1, 2)` for one filter, `(C, H, W // 2 + 1, 2)` for channels before the image
            axes, `(H, W // 2 + 1, C, 2)` for channels behind them.
        axes: Height and width.
        method: Fast Fourier transform, or matrix products without complex numbers for export, sides up to 128.

    Returns:
        Filtered images, shape and dtype of `x`; computed in at least float32.

    Raises:
        TypeError: If `x` or `weight` is not real and floating.
        ValueError: If `method` is unknown, `weight` does not fit, or a side is empty or too long for the matrix.

    Example:
        >>> x = torch.rand(2, 3, 4, 5)
        >>> identity = torch.tensor([1.0, 0.0]).expand(4, 3, 2)
        >>> torch.allclose(fourier_filter(x, identity), x, atol=1e-6)
        True
    """
    check_real(x, "x")
    check_real(weight, "weight")
    if method not in ("fft", "matrix"):
        raise ValueError(f"method must be 'fft' or 'matrix', got {method!r}")
    rows, columns = negative_axes(axes, x.ndim)
    half = list(x.shape)
    half[columns] = half[columns] // 2 + 1
    if weight.shape[-1:] != (2,) or not _broadcasts(weight.shape[:-1], half):
        raise ValueError(f"weight must be broadcastable to {(*half, 2)}, got {tuple(weight.shape)}")
    function = _filter_by_fft if method == "fft" else _filter_by_matrix
    return in_float32(lambda part: function(part, weight.to(part.dtype), (rows, columns)), x)


def _check_matrix_size(height: int, width: int) -> None:
    if not (1 <= height <= _LONGEST_MATRIX and 1 <= width <= _LONGEST_MATRIX):
        raise ValueError(f"matrix transforms need sides between 1 and {_LONGEST_MATRIX}, got {height}x{width}")


def _broadcasts(shape: Sequence[int], target: Sequence[int]) -> bool:
    missing = len(target) - len(shape)
    return missing >= 0 and all(a in (1, b) for a, b in zip(shape, target[missing:], strict=True))


def _filter_by_fft(x: Tensor, weight: Tensor, axes: tuple[int, int]) -> Tensor:
    spectrum = rfftn(x, axes) * torch.view_as_complex(weight.contiguous())
    return irfftn(spectrum, (x.shape[axes[0]], x.shape[axes[1]]), axes)


def _filter_by_matrix(x: Tensor, weight: Tensor, axes: tuple[int, int]) -> Tensor:
    weight = weight.reshape(*(1,) * (x.ndim + 1 - weight.ndim), *weight.shape)
    weight = weight.movedim([axis - 1 for axis in axes], (-3, -2))
    real, imag = rfft2_parts(x.movedim(axes, (-2, -1))).unbind(-1)
    factor_real, factor_imag = weight.unbind(-1)
    product = torch.stack([real * factor_real - imag * factor_imag, real * factor_imag + imag * factor_real], -1)
    return irfft2_parts(product, (x.shape[axes[0]], x.shape[axes[1]])).movedim((-2, -1), axes)


def _waves(frequencies: int, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the orthonormal transform of `length` samples, `(frequencies, length)`."""
    index = torch.arange(length, device=like.device)
    turns = index[:frequencies, None] * index % length
    precise = torch.float32 if like.device.type == "mps" else torch.float64
    angles = turns.to(precise) * (2 * math.pi / length)
    cosine, sine = ((wave / math.sqrt(length)).to(like.dtype) for wave in (angles.cos(), angles.sin()))
    return cosine, sine


def _parts_by_matrix(x: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    cosine, sine = _waves(width // 2 + 1, width, x)
    real, minus_imag = x @ cosine.mT, x @ sine.mT
    cosine, sine = _waves(height, height, x)
    return torch.stack([cosine @ real - sine @ minus_imag, -(cosine @ minus_imag + sine @ real)], -1)


def _image_by_matrix(parts: Tensor, *, width: int) -> Tensor:
    real, imag = parts.unbind(-1)
    cosine, sine = _waves(real.shape[-2], real.shape[-2], parts)
    real, imag = cosine @ real - sine @ imag, cosine @ imag + sine @ real
    cosine, sine = _waves(real.shape[-1], width, parts)
    weights = half_spectrum_weights(width, parts)[:, None]
    return real @ (weights * cosine) - imag @ (weights * sine)
