"""Shrinking the wavelet coefficients of images whose noise has a standard deviation of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from subband.transforms import FilterBank, dwt2, idwt2

__all__ = ["Shrinkage"]


@dataclass(frozen=True)
class Shrinkage:
    """A rule that makes coefficients smaller, and the transform that they come from.

    Attributes:
        banks: Filters along rows and columns of pixels.
        modes: Boundary modes, likewise.
        noise: Standard deviation of the noise in every one of P planes, 1, or 0 where there is none, `(P, 1, 1)`.
        universal: One threshold for all coefficients as a multiple of `noise`; `None` for that of BayesShrink.
        is_hard: Whether what is kept stays as it is.
    """

    banks: tuple[FilterBank, ...]
    modes: tuple[str, ...]
    noise: Tensor
    universal: float | None
    is_hard: bool

    def denoised(self, x: Tensor, level: int) -> Tensor:
        """Transform, shrink and transform back.

        Args:
            x: Images, `(..., P, H, W)`.
            level: Levels of the transform.
        """
        if level == 0:
            return x
        approx, details = self.analysis(x)
        shrunk = tuple(self.shrunk(band, self.limit(band.square().mean((-2, -1), keepdim=True))) for band in details)
        return self.synthesis((self.denoised(approx, level - 1), shrunk), x)

    def analysis(self, x: Tensor) -> Any:
        """Approximation and the three details of one level."""
        return dwt2(x, self.banks, self.modes, stack=None)

    def synthesis(self, bands: Any, like: Tensor) -> Tensor:
        """Inverse of `analysis` for images of the size of `like`."""
        return idwt2(bands, self.banks, self.modes, size=(like.shape[-2], like.shape[-1]))

    def limit(self, power: Tensor) -> Tensor:
        """Threshold of a band from its mean square, `(..., P, 1, 1)` both.

        BayesShrink is Chang et al. 2000, equations 12 to 14; a band no stronger than the noise keeps nothing.
        """
        if self.universal is not None:
            return (self.noise * self.universal).expand_as(power)
        signal = power - self.noise.square()
        is_strong = signal > 0
        return torch.where(is_strong, self.noise.square() / torch.where(is_strong, signal, 1).sqrt(), torch.inf)

    def shrunk(self, band: Tensor, limit: Tensor) -> Tensor:
        """Coefficients moved towards zero by a threshold, or those below it set to zero."""
        if self.is_hard:
            return torch.where(band.abs() < limit, 0, band)
        return band - band.clamp(-limit, limit)
