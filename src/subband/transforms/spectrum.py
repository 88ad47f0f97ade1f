"""Energies and frequencies of two-dimensional Fourier spectra.

Spectra are half spectra of `rfft2`, `(..., H, W // 2 + 1)`: the other half of a real image's spectrum is its mirror
image, so most columns stand for two. Frequencies are in cycles per pixel.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from subband.transforms._parts import check_real
from subband.transforms.arguments import check_dtype, in_float32

__all__ = ["half_spectrum_weights", "radial_bins", "radial_frequency", "radial_spectrum", "spectral_energy"]


def radial_frequency(height: int, width: int, like: Tensor | None = None) -> Tensor:
    """Distance of every entry of a half spectrum from zero frequency.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        like: Tensor whose device and dtype the result takes; float32 on the CPU if not given.

    Returns:
        `(H, W // 2 + 1)`, cycles per pixel, from 0 to at most `sqrt(0.5)`.

    Example:
        >>> radial_frequency(4, 4)[:, 0].tolist()
        [0.0, 0.25, 0.5, 0.25]
    """
    device, dtype = (None, None) if like is None else (like.device, like.dtype)
    rows = torch.fft.fftfreq(height, device=device, dtype=dtype)
    columns = torch.fft.rfftfreq(width, device=device, dtype=dtype)
    return torch.hypot(rows[:, None], columns[None, :])


def half_spectrum_weights(width: int, like: Tensor | None = None) -> Tensor:
    """How many entries of the full spectrum each column of a half spectrum stands for.

    Args:
        width: Columns of the image.
        like: Tensor whose device and dtype the result takes; float32 on the CPU if not given.

    Returns:
        `(W // 2 + 1,)`: 1 for zero frequency and, if W is even, for the last column; 2 for all others.

    Example:
        >>> half_spectrum_weights(6).tolist(), half_spectrum_weights(5).tolist()
        ([1.0, 2.0, 2.0, 1.0], [1.0, 2.0, 2.0])
    """
    device, dtype = (None, None) if like is None else (like.device, like.dtype)
    weights = torch.full((width // 2 + 1,), 2.0, device=device, dtype=dtype)
    weights[0] = 1.0
    if width % 2 == 0:
        weights[-1] = 1.0
    return weights


def radial_bins(height: int, width: int, num_bins: int | None = None) -> Tensor:
    """Center frequencies of the rings that `radial_spectrum` averages over.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        num_bins: Number of rings; `max(H, W) // 2 + 1` if not given.

    Returns:
        `(num_bins,)`, cycles per pixel, evenly spaced from 0 to the highest frequency of the image.

    Raises:
        ValueError: If `num_bins` is below two or finer than the spectrum.

    Example:
        >>> radial_bins(8, 8).tolist()
        [0.0, 0.176776..., 0.353553..., 0.530330..., 0.707106...]
    """
    finest = max(height, width) // 2 + 1
    num_bins = finest if num_bins is None else num_bins
    if not 2 <= num_bins <= finest:
        raise ValueError(f"num_bins must lie between 2 and {finest} for images of {height}x{width}, got {num_bins}")
    highest = ((height // 2 / height) ** 2 + (width // 2 / width) ** 2) ** 0.5
    return torch.linspace(0.0, highest, num_bins)


def radial_spectrum(x: Tensor, num_bins: int | None = None) -> Tensor:
    """Power spectrum averaged over rings of equal frequency.

    The power is that of the orthonormal transform, so its mean over all frequencies is the mean square of the image.
    An entry belongs to the ring of the nearest center of `radial_bins`.

    Args:
        x: Images, `(..., H, W)`, real, any range, at least two pixels long in one direction.
        num_bins: Number of rings K; `max(H, W) // 2 + 1` if not given.

    Returns:
        Mean power per ring, `(..., K)`; 0 for a ring without any entry, which only very elongated images have.

    Raises:
        TypeError: If `x` is not floating.
        ValueError: If `num_bins` does not fit the image.

    Example:
        >>> x = torch.ones(1, 8, 8)
        >>> radial_spectrum(x, 3).tolist()
        [[7.11111..., 0.0, 0.0]]
    """
    check_real(x, "x")
    return in_float32(_ring_means, x, num_bins=num_bins)


def spectral_energy(spectrum: Tensor, width: int, edges: Sequence[float] | None = None) -> Tensor:
    """Energy of images from their half spectra: sum of squares, total or per frequency band.

    For the orthonormal `rfft2` the total is the sum of squares of the image (Parseval).

    Args:
        spectrum: Half spectrum, `(..., H, W // 2 + 1)`, complex, or its amplitudes.
        width: Columns W of the image.
        edges: Radial frequencies in cycles per pixel, increasing, where one band ends and the next begins.

    Returns:
        `(...)`, or for K edges `(..., K + 1)`: energy below the first edge, from each edge on, from the last edge on.

    Raises:
        TypeError: If `spectrum` is an integer tensor.
        ValueError: If `width` does not fit the spectrum or `edges` are not increasing.

    Example:
        >>> x = torch.ones(4, 6)
        >>> spectrum = torch.fft.rfft2(x, norm="ortho")
        >>> spectral_energy(spectrum, 6).round(), spectral_energy(spectrum, 6, [0.1, 0.25]).round()
        (tensor(24.), tensor([24.,  0.,  0.]))
    """
    check_dtype(spectrum, "spectrum")
    if spectrum.ndim < 2 or spectrum.shape[-1] != width // 2 + 1:
        raise ValueError(f"width {width} does not belong to a half spectrum of shape {tuple(spectrum.shape)}")
    power = spectrum.real.square() + spectrum.imag.square() if spectrum.is_complex() else spectrum.square()
    weighted = power * half_spectrum_weights(width, power)
    if edges is None:
        return weighted.sum((-2, -1))
    if not edges or list(edges) != sorted(set(edges)):
        raise ValueError(f"edges must be increasing frequencies, got {list(edges)}")
    radius = radial_frequency(spectrum.shape[-2], width, power).flatten()
    bands = torch.bucketize(radius, torch.tensor(edges, dtype=radius.dtype, device=radius.device), right=True)
    return _sum_per_ring(weighted.flatten(-2), bands, len(edges) + 1)


def _ring_means(x: Tensor, *, num_bins: int | None) -> Tensor:
    height, width = x.shape[-2:]
    centers = radial_bins(height, width, num_bins)
    spacing = float(centers[1])
    # Frequencies half-way between two rings go to the lower one, whatever the rounding errors of the device.
    rings = (radial_frequency(height, width, x) / spacing - 1e-4).round().long().flatten()
    weights = half_spectrum_weights(width, x).expand(height, -1).flatten()
    power = torch.fft.rfft2(x, norm="ortho").abs().square().flatten(-2) * weights
    return _sum_per_ring(power, rings, len(centers)) / _sum_per_ring(weights, rings, len(centers)).clamp(min=1.0)


def _sum_per_ring(values: Tensor, rings: Tensor, count: int) -> Tensor:
    return values.new_zeros(*values.shape[:-1], count).index_add(-1, rings, values)
