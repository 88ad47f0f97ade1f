"""What an encoder says of the coefficients of an image: independent Gaussians, or Laplaces where they pay."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.generation.distributions import (
    kl_gaussian_laplace,
    kl_laplace_laplace,
    laplace_from_normal,
)
from subband.models.generation.pyramid import BANDS, Pyramid

__all__ = ["BandUnits", "Family", "NoiseScale", "Posterior", "positive_scale"]

Family: TypeAlias = Literal["auto", "gauss", "laplace", "gauss_shared"]
UNIT_SOFTPLUS = math.log(math.e - 1)  # softplus of it is 1
SCALE_RANGE = (1e-5, 1e2)
FIRST_NOISE = 0.1  # standard deviation in units of a band


def positive_scale(raw: Tensor, factor: float = 1.0) -> Tensor:
    """A scale from a raw number, `factor` at 0.

    Args:
        raw: Any shape.
        factor: The scale that 0 stands for.

    Example:
        >>> positive_scale(torch.tensor([0.0, -100.0]), 0.1)
        tensor([1.0000e-01, 1.0000e-05])
    """
    return (factor * F.softplus(raw + UNIT_SOFTPLUS)).clamp(*SCALE_RANGE)


class Posterior(NamedTuple):
    """Independent distributions of the coefficients that are coded.

    Attributes:
        mean: Their centres.
        scale: Their scales, of the shapes of the centres or broadcast to them; standard deviations of Gaussians.
        is_laplace: For every level of details, the coarsest first, whether they are Laplaces; the approximation is
            Gaussian.
    """

    mean: Pyramid
    scale: Pyramid
    is_laplace: Sequence[bool | Tensor]

    def sample(self, noise: Pyramid) -> Pyramid:
        """Values at the ranks of standard normal ones.

        Args:
            noise: Standard normal numbers, of the shapes of the centres.
        """
        details = [
            _either(flag, lambda n=n: laplace_from_normal(n), lambda n=n: n)  # type: ignore[misc]
            for flag, n in zip(self.is_laplace, noise.details, strict=True)
        ]
        unit = Pyramid(noise.approx, tuple(details))
        return self.mean.map(lambda mean, scale, n: mean + scale * n, self.scale, unit)

    def divergence(self, level: int, prior_mean: Tensor, prior_scale: Tensor) -> Tensor:
        """Divergence of the details of one level from a Laplace, in nats, `(B,)`.

        Args:
            level: Place in `mean.details`, 0 for the coarsest.
            prior_mean: Centres of the Laplace.
            prior_scale: Its scales.
        """
        return self.divergence_map(level, prior_mean, prior_scale).flatten(1).sum(1)

    def divergence_map(self, level: int, prior_mean: Tensor, prior_scale: Tensor) -> Tensor:
        """The same of every coefficient, `(B, 3C, H, W)`.

        Args:
            level: Place in `mean.details`, 0 for the coarsest.
            prior_mean: Centres of the Laplace.
            prior_scale: Its scales.
        """
        inputs = self.mean.details[level], self.scale.details[level], prior_mean, prior_scale
        return _either(
            self.is_laplace[level], lambda: kl_laplace_laplace(*inputs), lambda: kl_gaussian_laplace(*inputs)
        )

    def log_prob(self, values: Pyramid) -> Tensor:
        """Log density of coefficients in nats, `(B,)`."""
        flags = (False, *self.is_laplace)
        bands = zip(flags, values.bands, self.mean.bands, self.scale.bands, strict=True)
        return torch.stack([_log_density(*band).flatten(1).sum(1) for band in bands]).sum(0)


class NoiseScale(nn.Module):
    """A learned noise scale that all images share: one number, or one per level.

    Args:
        levels: Levels of details.
        kind: `scalar`, or `level` for one number for every level and one for the approximation.
        on: `all`, or `details` for an approximation without noise.
        first: The scale to begin with, in units of orthonormal coefficients.
        is_learned: Whether it is a parameter.
        param: `log` learns the logarithm, `raw` the number itself, whose magnitude counts.

    Raises:
        ValueError: If an option is unknown, or the first scale is not positive.
    """

    def __init__(
        self,
        levels: int,
        *,
        kind: Literal["scalar", "level"] = "level",
        on: Literal["all", "details"] = "all",
        first: float = FIRST_NOISE,
        is_learned: bool = True,
        param: Literal["log", "raw"] = "log",
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("noise", kind, ("scalar", "level")),
            ("noise_on", on, ("all", "details")),
            ("noise_param", param, ("log", "raw")),
        ):
            if value not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, got {value!r}.")
        if not first >= 0 or (param == "log" and first == 0):
            raise ValueError(f"noise_init must be positive, or 0 with noise_param raw, got {first}.")
        self.levels, self.on, self.is_log = levels, on, param == "log"
        count = 1 if kind == "scalar" else levels + (on == "all")
        start = torch.full((count,), math.log(first) if self.is_log else float(first))
        self.value = nn.Parameter(start, requires_grad=is_learned)

    def forward(self) -> Pyramid:
        """The scales of the approximation and of every level, each `(1, 1, 1, 1)`."""
        scales = (self.value.exp() if self.is_log else self.value.abs()).view(-1, 1, 1, 1, 1)
        if len(scales) == 1:
            scales = scales.expand(self.levels + (self.on == "all"), -1, -1, -1, -1)
        bands = list(scales.unbind(0))
        return Pyramid.of(bands if self.on == "all" else [torch.zeros_like(bands[0]), *bands])


class BandUnits(nn.Module):
    """The size of the coefficients of every band and color, in which networks count them.

    Until `set` is called, an approximation is counted in units of `2^J`, so that it has the range of the images, and
    details in units of 1.

    Args:
        in_chans: Channels C of the images.
        levels: Levels J.
    """

    approx: Tensor
    details: Tensor

    def __init__(self, in_chans: int, levels: int) -> None:
        super().__init__()
        self.register_buffer("approx", torch.full((1, in_chans, 1, 1), 2.0**levels))
        self.register_buffer("details", torch.ones(levels, 1, BANDS * in_chans, 1, 1))

    def set(self, approx: Tensor, details: Tensor) -> None:
        """Take over standard deviations.

        Args:
            approx: `(C,)`, of the approximation.
            details: `(J, 3C)`, of the details, the coarsest level first.
        """
        self.approx.copy_(approx.view_as(self.approx))
        self.details.copy_(details.view_as(self.details))

    def forward(self, levels: int | None = None) -> Pyramid:
        """The units as a pyramid of `(1, C, 1, 1)` and `(1, 3C, 1, 1)`, of the coarsest levels only if so many."""
        return Pyramid(self.approx, tuple(self.details.unbind(0))[:levels])


def _either(flag: bool | Tensor, first: Callable[[], Tensor], second: Callable[[], Tensor]) -> Tensor:
    """One of two tensors; both are computed where a tensor decides."""
    if isinstance(flag, Tensor):
        return torch.where(flag, first(), second())
    return first() if flag else second()


def _log_density(is_laplace: bool | Tensor, value: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    deviation = (value - mean) / scale
    shape = _either(
        is_laplace,
        lambda: -deviation.abs() - math.log(2),
        lambda: -0.5 * deviation.square() - 0.5 * math.log(2 * math.pi),
    )
    return shape - scale.log()
