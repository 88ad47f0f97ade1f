"""The step of the dual-tree transform from real bands of four trees to complex bands of six directions, and back.

The four trees lie side by side in blocks of 2x2 values; sum and difference of two of them cancel one of the two
quadrants of the spectrum each, which is what makes the six bands directional. The step is orthonormal, so that the way
back is its adjoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from subband.transforms._dtcwt_axis import interleave
from subband.transforms._linear import LinearMap

__all__ = ["JoinDirections", "SplitDirections"]

_S = math.sqrt(0.5)


@dataclass(frozen=True)
class SplitDirections(LinearMap):
    """Horizontal, diagonal and vertical band `(..., 2h, 2w)` to complex bands `(..., 6, h, w)`."""

    def eager(self, *tensors: Tensor) -> Tensor:
        """From three real bands to one complex tensor, written in place."""
        *batch, height, width = tensors[0].shape
        result = tensors[0].new_empty((*batch, 6, height // 2, width // 2, 2))
        for position, band in enumerate(tensors):
            a, b, c, d = _corners(band)
            mirrored = result[..., 5 - position, :, :, :]
            torch.sub(a, d, out=result[..., position, :, :, 0])
            torch.add(b, c, out=result[..., position, :, :, 1])
            torch.add(a, d, out=mirrored[..., 0])
            torch.sub(b, c, out=mirrored[..., 1])
        return torch.view_as_complex(result.mul_(_S))

    def traced(self, *tensors: Tensor) -> Tensor:
        """The same without writing in place."""
        real: list[Tensor] = []
        imag: list[Tensor] = []
        for position, band in enumerate(tensors):
            a, b, c, d = _corners(band)
            real[position:position] = [a - d, a + d]
            imag[position:position] = [b + c, b - c]
        return torch.complex(_S * torch.stack(real, -3), _S * torch.stack(imag, -3))

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        """The inverse."""
        return JoinDirections()


@dataclass(frozen=True)
class JoinDirections(LinearMap):
    """Inverse of `SplitDirections`."""

    def eager(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """From one complex tensor to three real bands, written in place."""
        parts = torch.view_as_real(tensors[0]) * _S
        *batch, _, height, width, _ = parts.shape
        bands = []
        for position in range(3):
            one, mirrored = parts[..., position, :, :, :], parts[..., 5 - position, :, :, :]
            band = parts.new_empty((*batch, height, 2, width, 2))
            torch.add(one, mirrored, out=band[..., 0, :, :])
            torch.sub(one[..., 1], mirrored[..., 1], out=band[..., 1, :, 0])
            torch.sub(mirrored[..., 0], one[..., 0], out=band[..., 1, :, 1])
            bands.append(band.flatten(-2).flatten(-3, -2))
        return tuple(bands)

    def traced(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The same without writing in place."""
        real, imag = (_S * tensors[0].real).unbind(-3), (_S * tensors[0].imag).unbind(-3)
        bands = []
        for i in range(3):
            a, d = real[i] + real[5 - i], real[5 - i] - real[i]
            b, c = imag[i] + imag[5 - i], imag[i] - imag[5 - i]
            bands.append(interleave([interleave([a, b], -1), interleave([c, d], -1)], -2))
        return tuple(bands)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        """The inverse."""
        return SplitDirections()


def _corners(band: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four values of every block of 2x2: upper left, upper right, lower left, lower right."""
    (a, b), (c, d) = ((band[..., i::2, 0::2], band[..., i::2, 1::2]) for i in (0, 1))
    return a, b, c, d
