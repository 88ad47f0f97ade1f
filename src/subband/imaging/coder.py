"""A wavelet coder that keeps the largest coefficients, with its true size in bits.

The image is transformed, its coefficients are quantized uniformly with a dead zone around zero, and the whole numbers
are written without further loss. The step of the quantizer is the magnitude of the smallest coefficient that is kept,
so that just the coefficients below it become zero. Colors are turned into orthonormal opponents first; with a wavelet
that is (nearly) orthonormal too, the largest coefficients are the ones whose loss would cost the most (Mallat, "A
Wavelet Tour of Signal Processing", chapters 9 and 10).

The code of an image is a complete file (`.sbw`): a header, then the numbers. The header holds magic bytes, the version
of the format, a checksum of everything after it, the length of the file, the size of the image, the step and the
names of the wavelet and the boundary mode.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from subband.imaging._color import from_opponents, to_opponents
from subband.imaging._entropy import pack_bands, unpack_bands
from subband.transforms import Coeffs, Details, dwt_max_level, wavedec2, waverec2
from subband.transforms.coefficient_arrays import from_vector, to_vector

__all__ = ["RatePoint", "decode_file", "decode_image", "encode_image", "rate_distortion"]

MIN_STEP = 2.0**-12
"""Finest quantizer step, a sixteenth of a step between 8-bit brightnesses; nobody sees what it loses."""

MAX_PIXELS = 120_000_000
"""Largest image that is coded or decoded; a decoder knows from the header, before it needs any memory."""

_MAGIC, _VERSION = b"sbw", 1
_START = struct.Struct("<3sBI")  # magic, version, checksum of everything after it
_SHAPE = struct.Struct("<IBBHHf8s14s")  # length of the file, channels, level, height, width, step, wavelet, mode
_HEADER_SIZE = _START.size + _SHAPE.size
# Position inside a bin; below its middle, since small coefficients are more frequent than large ones.
_RECONSTRUCTION = 0.45
_MAX_SIDE = 65535


class _Header(NamedTuple):
    checksum: int
    num_bytes: int
    channels: int
    level: int
    height: int
    width: int
    step: float
    wavelet: str
    mode: str


class RatePoint(NamedTuple):
    """What an image costs and how good it is, for one share of kept coefficients.

    Attributes:
        keep: Share of coefficients that was asked for.
        num_kept: Coefficients that are not zero after quantization.
        step: Step of the quantizer.
        num_bytes: Length of `data`.
        bits_per_pixel: `8 * num_bytes / (H * W)`, for all channels together.
        psnr: Peak signal-to-noise ratio of the decoded image in decibels, peak 1, over all channels; infinite if
            equal.
        data: The code, header included, as it is written to a file; `decode_image` makes an image of it and of
            nothing else.
    """

    keep: float
    num_kept: int
    step: float
    num_bytes: int
    bits_per_pixel: float
    psnr: float
    data: bytes


def rate_distortion(
    x: Tensor,
    keep: Sequence[float] = (0.01, 0.02, 0.05, 0.1, 0.2),
    wavelet: str = "bior4.4",
    level: int | None = None,
    *,
    mode: str = "periodization",
) -> list[RatePoint]:
    """Bits per pixel and quality of an image for several shares of kept coefficients.

    The bits are counted on the finished code, from which the image is decoded before its quality is measured.

    Args:
        x: Image, `(C, H, W)` with C = 1 or 3, real floating dtype, in `[0, 1]`.
        keep: Shares of the coefficients to keep, each in `(0, 1]`.
        wavelet: PyWavelets name.
        level: Levels of the transform; by default five, or as many as make sense.
        mode: Boundary mode; `periodization` is the one that has no more coefficients than pixels (for even sides).

    Returns:
        One point per share, in the order of `keep`.

    Raises:
        TypeError: If `x` is not real and floating.
        ValueError: If `x` has another shape, a share lies outside `(0, 1]`, or a name is unknown.

    Example:
        >>> ramp = torch.linspace(0, 1, 64).expand(1, 64, 64)
        >>> low, high = rate_distortion(ramp, [0.01, 0.1])
        >>> low.num_bytes < high.num_bytes, low.psnr < high.psnr
        (True, True)
    """
    points = []
    for share in keep:
        data = encode_image(x, share, wavelet, level, mode=mode)
        numbers, step = _read(data)
        decoded = _reconstruct(numbers, step).to(x.device)
        error = (decoded - x.float().clamp(0, 1)).square().mean().item()
        psnr = -10 * math.log10(error) if error > 0 else math.inf
        bits = 8 * len(data) / (x.shape[-2] * x.shape[-1])
        points.append(RatePoint(share, int(to_vector(numbers).count_nonzero()), step, len(data), bits, psnr, data))
    return points


def encode_image(
    x: Tensor, keep: float, wavelet: str = "bior4.4", level: int | None = None, *, mode: str = "periodization"
) -> bytes:
    """Code an image by its largest wavelet coefficients.

    The quantized coefficients go through an adaptive arithmetic coder that predicts the magnitude of each from those of
    its neighbors. On photographs the result is a tenth to a third shorter than the entropy of the coefficients, each
    band by itself. It is not an exchange format: other versions may differ.

    Args:
        x: Image, `(C, H, W)` with C = 1 or 3, real floating dtype; values are clipped to `[0, 1]`.
        keep: Share of the coefficients to keep, in `(0, 1]`. Coefficients below `MIN_STEP` are dropped in any case.
        wavelet: PyWavelets name.
        level: Levels of the transform; by default five, or as many as make sense.
        mode: Boundary mode.

    Returns:
        The code, with a header of 44 bytes; written to a file as it is, it is what `decode_file` reads.

    Raises:
        TypeError: If `x` is not real and floating.
        ValueError: If `x` has another shape, `keep` lies outside `(0, 1]`, or a name is unknown.

    Example:
        >>> code = encode_image(torch.zeros(3, 64, 64), keep=0.1)
        >>> len(code) < 100, decode_image(code).shape
        (True, torch.Size([3, 64, 64]))
    """
    _check(x, keep)
    if level is None:
        level = min(5, *(dwt_max_level(length, wavelet) for length in x.shape[-2:]))
    coeffs = _transform(x.detach().float().cpu().clamp(0, 1), wavelet, mode, level)
    vector = to_vector(coeffs)
    count = max(1, round(keep * vector.numel()))
    smallest = vector.abs().flatten().topk(count).values[-1].item()
    step = struct.unpack("<f", struct.pack("<f", max(smallest, MIN_STEP)))[0]
    # A hair above one, so that the smallest kept coefficient does not fall into the dead zone by rounding.
    numbers = ((vector.abs() / step) * (1 + 1e-6)).floor().mul(vector.sign())
    code = pack_bands(*_arrays(from_vector(numbers, coeffs)))
    num_bytes = _HEADER_SIZE + len(code)
    shape = _SHAPE.pack(num_bytes, x.shape[0], level, *x.shape[1:], step, wavelet.encode(), mode.encode())
    return _START.pack(_MAGIC, _VERSION, zlib.crc32(shape + code)) + shape + code


def decode_image(data: bytes) -> Tensor:
    """The image of a code.

    Args:
        data: What `encode_image` returned.

    Returns:
        `(C, H, W)` float32 in `[0, 1]`.

    Raises:
        ValueError: If `data` is something else, cut off or damaged.

    Example:
        >>> ramp = torch.linspace(0, 1, 64).expand(1, 64, 64)
        >>> bool((decode_image(encode_image(ramp, keep=0.5)) - ramp).abs().max() < 0.01)
        True
    """
    return _reconstruct(*_read(data))


def decode_file(path: Path | str) -> Tensor:
    """The image of a file that holds a code.

    Args:
        path: File with what `encode_image` returned, as `subband compress` writes it.

    Returns:
        `(C, H, W)` float32 in `[0, 1]`.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If the file is something else, cut off or damaged, or its image has more than `MAX_PIXELS`.

    Example:
        >>> code = encode_image(torch.linspace(0, 1, 64).expand(1, 64, 64), keep=0.1)
        >>> path = getfixture("tmp_path") / "ramp.sbw"
        >>> path.write_bytes(code) == len(code), torch.equal(decode_file(path), decode_image(code))
        (True, True)
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not the code of an image.")
    try:
        with open(path, "rb") as file:
            start = file.read(_HEADER_SIZE)
            header = _parse(start)
            # One byte more than there should be, so that a longer file is noticed, however long it is.
            return decode_image(start + file.read(header.num_bytes - _HEADER_SIZE + 1))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _reconstruct(numbers: Coeffs, step: float) -> Tensor:
    def values(band: Tensor) -> Tensor:
        return torch.where(band == 0, 0, (band.abs() + _RECONSTRUCTION) * band.sign()) * step

    colors = waverec2(numbers.map_all(values))
    return (from_opponents(colors) if len(colors) == 3 else colors).clamp(0, 1)


def _transform(x: Tensor, wavelet: str, mode: str, level: int) -> Coeffs:
    return wavedec2(to_opponents(x) if len(x) == 3 else x, wavelet, mode, level)


def _parse(data: bytes) -> _Header:
    """The header of a code; refuses what no encoder writes, before memory for an image is needed."""
    if len(data) < _HEADER_SIZE or data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("data must be the code of an image as encode_image returns it")
    _, version, checksum = _START.unpack_from(data)
    if version != _VERSION:
        raise ValueError(f"data is a code of version {version}, this is a decoder of version {_VERSION}")
    *numbers, wavelet, mode = _SHAPE.unpack_from(data, _START.size)
    names = [name.rstrip(b"\0").decode("ascii", "replace") for name in (wavelet, mode)]
    header = _Header(checksum, *numbers, *names)
    is_possible = header.channels in (1, 3) and header.height and header.width and 0 < header.step < math.inf
    if not is_possible or header.num_bytes < _HEADER_SIZE:
        raise ValueError("data is cut off or damaged: its header is no header of an image")
    if header.height * header.width > MAX_PIXELS:
        size = f"{header.height} x {header.width}"
        raise ValueError(f"data is the code of {size} pixels; more than {MAX_PIXELS:,} are not decoded")
    return header


def _read(data: bytes) -> tuple[Coeffs, float]:
    """Quantized coefficients and the step of the quantizer."""
    header = _parse(data)
    if len(data) != header.num_bytes:
        raise ValueError(f"data is cut off or damaged: it does not have {header.num_bytes} bytes, as its header says")
    if zlib.crc32(memoryview(data)[_START.size :]) != header.checksum:
        raise ValueError("data is cut off or damaged: its checksum is wrong")
    zeros = torch.zeros(header.channels, header.height, header.width)
    like = _transform(zeros, header.wavelet, header.mode, header.level)
    try:
        approx, details = unpack_bands(data[_HEADER_SIZE:], *_arrays(like))
    except ValueError as error:
        raise ValueError(f"data is cut off or damaged: {error}") from error
    levels = tuple(Details({key: torch.from_numpy(bands[key]).float() for key in sorted(bands)}) for bands in details)
    return replace(like, approx=torch.from_numpy(approx).float(), details=levels), header.step


def _arrays(coeffs: Coeffs) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
    details = [{key: band.long().numpy() for key, band in bands.items()} for bands in coeffs.details]
    return coeffs.approx.long().numpy(), details


def _check(x: Tensor, keep: float) -> None:
    if not x.is_floating_point():
        raise TypeError(f"x must be real and floating, got {x.dtype}; convert it with .float()")
    if x.ndim != 3 or x.shape[0] not in (1, 3) or 0 in x.shape:
        raise ValueError(f"x must be (C, H, W) with C = 1 or 3 and at least one pixel, got {tuple(x.shape)}")
    if max(x.shape[1:]) > _MAX_SIDE:
        raise ValueError(f"x must have sides of at most {_MAX_SIDE} pixels, got {x.shape[1]} x {x.shape[2]}")
    if x.shape[1] * x.shape[2] > MAX_PIXELS:
        raise ValueError(f"x must have at most {MAX_PIXELS:,} pixels, got {x.shape[1]} x {x.shape[2]}")
    if not 0 < keep <= 1:
        raise ValueError(f"keep must lie in (0, 1], got {keep}")
