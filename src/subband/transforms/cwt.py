"""Continuous wavelet transform of signals, with the numbers of PyWavelets.

One scale is one convolution of the signal with the sampled wavelet. All scales share the Fourier transform of the
signal.
"""

import difflib
import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from subband.transforms._compiling import constant_result
from subband.transforms.arguments import check_dtype, exactly, in_float32, integer, negative_axes

if TYPE_CHECKING:
    import pywt

__all__ = ["central_frequency", "cwt", "frequency2scale", "scale2frequency"]

ContinuousWaveletLike: TypeAlias = "str | pywt.ContinuousWavelet"
AnyWaveletLike: TypeAlias = "str | pywt.ContinuousWavelet | pywt.Wavelet"
Lags = tuple[Tensor, int]  # taps of all scales (S, K), and the column of lag 0

_LARGEST_CACHED = 1 << 12  # scales times the largest: taps that are longer take less time to make than to use
_CHUNK = 1 << 18  # spectrum values worked on at a time: what a core keeps in its own cache


def cwt(
    data: Tensor,
    scales: float | Iterable[float],
    wavelet: ContinuousWaveletLike,
    sampling_period: float = 1.0,
    method: Literal["fft", "conv"] = "fft",
    axis: int = -1,
    *,
    precision: int = 12,
) -> tuple[Tensor, Tensor]:
    """Continuous wavelet transform along one axis.

    Equal to `pywt.cwt` in float64. In float32 it is closer to the float64 result than PyWavelets, which also samples
    the wavelet in single precision. Gradients flow to `data`, not to the scales: a scale picks entries from a table of
    the integrated wavelet, so the result is a step function of it.

    Args:
        data: Signals, any shape, any range; real or complex.
        scales: S positive scales; a larger scale is a lower frequency.
        wavelet: `mexh`, `morl`, `gaus1` to `gaus8`, `cgau1` to `cgau8`, `cmorB-C`, `shanB-C` or `fbspM-B-C` with
            bandwidth B, center frequency C and order M as numbers, such as `cmor1.5-1.0`; or a
            `pywt.ContinuousWavelet`.
        sampling_period: Time between two samples; matters for the frequencies only.
        method: `fft` multiplies spectra; `conv` convolves directly, which is slower at large scales but made of
            operations that every exporter knows.
        axis: Axis of time.
        precision: The wavelet is tabulated at `2**precision` points.

    Returns:
        coefficients: `(S, *data.shape)`; complex for complex wavelets (complex64 for half precision) or complex
            `data`, otherwise in the dtype of `data`.
        frequencies: Center frequency of every scale in cycles per unit of `sampling_period`, `(S,)`.

    Raises:
        ValueError: If a scale is not positive, too small to sample the wavelet twice, or asks for a gradient, if
            `wavelet` is not a continuous wavelet, `method` is unknown, or the axis is empty.
        TypeError: If `data` is no tensor, or neither floating nor complex.

    Example:
        >>> time = torch.arange(256) / 256
        >>> tone = torch.sin(2 * torch.pi * 16 * time)
        >>> coefficients, frequencies = cwt(tone, [4, 8, 13, 32], "morl", 1 / 256)
        >>> coefficients.shape, frequencies.round().tolist()
        (torch.Size([4, 256]), [52.0, 26.0, 16.0, 6.0])
        >>> coefficients.square().mean(-1).argmax()
        tensor(2)

    Source: Torrence and Compo, A Practical Guide to Wavelet Analysis, BAMS 79, 1998; discretized as in PyWavelets.
    """
    check_dtype(data, "data")
    if method not in ("fft", "conv"):
        raise ValueError(f"method must be fft or conv, got {method!r}")
    (axis,) = negative_axes(exactly(1, axis, "axis"), data.ndim, "axis")
    if data.shape[axis] == 0:
        raise ValueError(f"data must have at least one sample along axis {axis}, got shape {tuple(data.shape)}")
    numbers = _check_scales(scales)
    signal = data.to(torch.promote_types(data.dtype, torch.float32)).movedim(axis, -1)
    precision = integer(precision, "precision")
    taps, center = _lags(wavelet, numbers, precision)
    transform = _by_fft if method == "fft" else _by_convolution
    coefficients = in_float32(transform, signal, taps=taps, center=center)
    if not coefficients.is_complex():
        coefficients = coefficients.to(data.dtype)
    frequency = central_frequency(wavelet, precision) / sampling_period
    frequencies = torch.tensor([frequency / s for s in numbers], dtype=signal.real.dtype, device=data.device)
    return coefficients.movedim(-1, axis), frequencies


def central_frequency(wavelet: AnyWaveletLike, precision: int = 8) -> float:
    """Frequency at which the spectrum of a wavelet is largest, in cycles per sample at scale 1.

    Args:
        wavelet: As in `cwt`, or the name of a discrete wavelet or a `pywt.Wavelet`.
        precision: The wavelet is tabulated at `2**precision` points.

    Raises:
        ValueError: If `wavelet` is unknown.

    Example:
        >>> central_frequency("morl"), central_frequency("cmor1.5-2.0")
        (0.8125, 2.0)
    """
    precision = integer(precision, "precision")
    return _central_frequency_of_name(wavelet, precision) if isinstance(wavelet, str) else _center(wavelet, precision)


def scale2frequency(wavelet: AnyWaveletLike, scale: float | Tensor, precision: int = 8) -> Any:
    """Frequency, in cycles per sample, that a scale of a wavelet responds to.

    Args:
        wavelet: As in `central_frequency`.
        scale: A positive number, or a tensor of them.
        precision: The wavelet is tabulated at `2**precision` points.

    Returns:
        A number for a number, a tensor of the same shape for a tensor.

    Raises:
        ValueError: If `wavelet` is unknown.

    Example:
        >>> scale2frequency("morl", 2.0), scale2frequency("mexh", torch.tensor([1.0, 4.0]))
        (0.40625, tensor([0.2500, 0.0625]))
    """
    return central_frequency(wavelet, precision) / scale


def frequency2scale(wavelet: AnyWaveletLike, freq: float | Tensor, precision: int = 8) -> Any:
    """Scale of a wavelet that responds to a frequency; the inverse of `scale2frequency`.

    Args:
        wavelet: As in `central_frequency`.
        freq: A positive frequency in cycles per sample, or a tensor of them.
        precision: The wavelet is tabulated at `2**precision` points.

    Returns:
        A number for a number, a tensor of the same shape for a tensor.

    Raises:
        ValueError: If `wavelet` is unknown.

    Example:
        >>> frequency2scale("morl", 0.40625), frequency2scale("mexh", torch.tensor([0.25, 0.0625]))
        (2.0, tensor([1., 4.]))
    """
    return central_frequency(wavelet, precision) / freq


def _check_scales(scales: float | Iterable[float]) -> tuple[float, ...]:
    if isinstance(scales, Tensor) and scales.requires_grad:
        raise ValueError("scales must not require a gradient: the transform is a step function of them; use .detach()")
    if hasattr(scales, "tolist"):  # an array or a tensor
        scales = scales.tolist()
    numbers = tuple(float(s) for s in scales) if isinstance(scales, Iterable) else (float(scales),)
    if not numbers or not all(s > 0 and math.isfinite(s) for s in numbers):
        raise ValueError(f"scales must be one or more positive numbers, got {numbers}")
    return numbers


def _by_fft(x: Tensor, *, taps: Tensor, center: int) -> Tensor:
    """`(..., N)` to `(S, ..., N)`."""
    kernel, center = _within_reach(x, taps, center)
    if x.numel() == 0:  # the FFT library refuses an empty batch
        return torch.empty_like(x, dtype=torch.result_type(x, kernel)).expand(kernel.shape[0], *x.shape)
    length = x.shape[-1]
    # Long enough that what wraps around stays clear of the N samples kept.
    size = _fast_length(length + max(center, kernel.shape[-1] - 1 - center))
    is_real = not (x.is_complex() or kernel.is_complex())
    forward, backward = (torch.fft.rfft, torch.fft.irfft) if is_real else (torch.fft.fft, torch.fft.ifft)
    response = forward(kernel, size).view(-1, *[1] * (x.ndim - 1), size // 2 + 1 if is_real else size)
    spectrum = forward(x, size)
    parts = response.split(max(1, _CHUNK // max(1, spectrum.numel())))
    return torch.cat([backward(spectrum * part, size).narrow(-1, center, length) for part in parts])


def _by_convolution(x: Tensor, *, taps: Tensor, center: int) -> Tensor:
    """`(..., N)` to `(S, ..., N)`."""
    if x.is_complex():
        real, imag = (_by_convolution(part, taps=taps, center=center) for part in (x.real, x.imag))
        return real + 1j * imag
    if taps.is_complex():
        return torch.complex(*(_by_convolution(x, taps=part, center=center) for part in (taps.real, taps.imag)))
    kernel, center = _within_reach(x, taps, center)
    padded = functional.pad(x, (kernel.shape[-1] - 1 - center, center))
    rows = padded.reshape(math.prod(x.shape[:-1]), 1, padded.shape[-1])
    bands = functional.conv1d(rows, kernel.flip(-1)[:, None])  # (B, S, N)
    return bands.movedim(1, 0).reshape(kernel.shape[0], *x.shape)


def _within_reach(x: Tensor, taps: Tensor, center: int) -> tuple[Tensor, int]:
    """The taps in the precision and place of `x`, without lags so large that they never meet a sample."""
    length = x.shape[-1]
    first, last = max(0, center - length + 1), min(taps.shape[-1], center + length)
    dtype = x.real.dtype
    if taps.is_complex():
        dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    return taps[:, first:last].to(device=x.device, dtype=dtype), center - first


def _fast_length(minimum: int) -> int:
    """Smallest even length from `minimum` on whose prime factors are 2, 3 and 5."""
    minimum = integer(minimum, "minimum")  # `torch.jit.trace` hands tensors
    best = 1 << max(1, minimum.bit_length())
    for odd in (3**i * 5**j for i in range(5) for j in range(4)):
        length = 2 * odd
        while length < minimum:
            length *= 2
        best = min(best, length)
    return best


# The compiler does not trace these two calls; plain numbers decide the result, so it becomes a constant of the graph.
# Only arrays and numbers are kept for later calls: a tensor would belong to the mode, such as that of an exporter or of
# inference, in which it was made.
@constant_result
def _lags(wavelet: ContinuousWaveletLike, scales: tuple[float, ...], precision: int) -> Lags:
    is_small = len(scales) * max(scales) <= _LARGEST_CACHED
    sample = _cached_sample if isinstance(wavelet, str) and is_small else _sample
    taps, center = sample(wavelet, scales, precision)
    return torch.from_numpy(taps.copy()), center


@constant_result
def _central_frequency_of_name(wavelet: str, precision: int) -> float:
    return _cached_center(wavelet, precision)


@lru_cache(maxsize=8)
def _cached_sample(wavelet: str, scales: tuple[float, ...], precision: int) -> tuple[Any, int]:
    return _sample(wavelet, scales, precision)


@lru_cache(maxsize=128)
def _cached_center(wavelet: str, precision: int) -> float:
    return _center(wavelet, precision)


def _center(wavelet: AnyWaveletLike, precision: int) -> float:
    import pywt

    if isinstance(wavelet, str) and wavelet in pywt.wavelist(kind="discrete"):
        wavelet = pywt.Wavelet(wavelet)
    return float(pywt.central_frequency(wavelet if isinstance(wavelet, pywt.Wavelet) else _resolve(wavelet), precision))


def _sample(wavelet: ContinuousWaveletLike, scales: tuple[float, ...], precision: int) -> tuple[Any, int]:
    """Impulse responses of all scales in float64 as an array, aligned at lag 0, and its column of lag 0.

    The coefficient of scale s is `-sqrt(s)` times the difference of the signal convolved with the integrated wavelet,
    stretched by s and reversed; the difference is taken of the taps instead of the signal.
    """
    import numpy as np
    import pywt

    resolved = _resolve(wavelet)
    integral, grid = pywt.integrate_wavelet(resolved, precision=precision)
    support, step = grid[-1] - grid[0], grid[1] - grid[0]
    responses = []
    for scale in scales:
        picked = (np.arange(scale * support + 1) / (scale * step)).astype(int)
        picked = picked[picked < integral.size]
        if picked.size < 2:
            raise ValueError(f"scales must be larger than {1 / support:.3g} for wavelet {resolved.name}, got {scale}")
        responses.append(-np.sqrt(scale) * np.diff(integral[picked[::-1]].conj(), prepend=0, append=0))
    center = max(response.size // 2 for response in responses)
    taps = np.zeros((len(scales), 2 * center + 1), integral.dtype)
    for row, response in zip(taps, responses, strict=True):
        first = center - (response.size - 1) // 2
        row[first : first + response.size] = response
    return taps, center


def _resolve(wavelet: ContinuousWaveletLike) -> Any:
    import pywt

    if isinstance(wavelet, pywt.ContinuousWavelet):
        return wavelet
    names = pywt.wavelist(kind="continuous")
    try:
        return pywt.ContinuousWavelet(wavelet)
    except (ValueError, TypeError, AttributeError) as error:
        closest = difflib.get_close_matches(str(wavelet), names, n=3, cutoff=0.3)
        hint = f"closest are {', '.join(closest)}" if closest else f"choose from {', '.join(names)}"
        raise ValueError(f"wavelet {wavelet!r} is not a continuous wavelet; {hint}") from error
