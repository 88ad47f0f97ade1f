"""Priors of pyramids of clips: that of the coarsest approximation, and that of the details of every level given it.

They are those of images (`PyramidPrior`), with three axes and as many bands as a level of a clip has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.generation.approximations import GaussianApproximation
from subband.models.generation.blocks import RefineNet
from subband.models.generation.distributions import laplace_from_normal
from subband.models.generation.posteriors import SCALE_RANGE, UNIT_SOFTPLUS, Posterior
from subband.models.generation.priors import SMALLEST
from subband.models.generation.pyramid import Pyramid
from subband.models.generation.video_pyramid import ClipTransform

__all__ = ["CLIP_PRIORS", "ClipPrior", "ClipUnits"]

CLIP_PRIORS = ("factorised", "conditional")


class ClipUnits(nn.Module):
    """The size of the coefficients of every band and color, in which networks count them.

    Until `set` is called, an approximation is counted so that it has the range of the frames, and details in units of
    1.

    Args:
        in_chans: Channels C of the clips.
        transform: Their transform.
    """

    approx: Tensor

    def __init__(self, in_chans: int, transform: ClipTransform) -> None:
        super().__init__()
        self.register_buffer("approx", torch.full((1, in_chans, 1, 1, 1), transform.unit))
        self.levels = transform.levels
        for place, channels in enumerate(detail_channels(in_chans, transform)):
            self.register_buffer(f"details_{place}", torch.ones(1, channels, 1, 1, 1))

    def set(self, approx: Tensor, details: Sequence[Tensor]) -> None:
        """Take over standard deviations.

        Args:
            approx: `(C,)`, of the approximation.
            details: One number per channel of every level, the coarsest first.
        """
        for own, values in zip(self().bands, (approx, *details), strict=True):
            own.copy_(values.view_as(own))

    def forward(self, levels: int | None = None) -> Pyramid:
        """The units as a pyramid of `(1, C, 1, 1, 1)`, of the coarsest levels only if so many."""
        count = self.levels if levels is None else levels
        return Pyramid(self.approx, tuple(getattr(self, f"details_{place}") for place in range(count)))


class ClipPrior(nn.Module):
    """A Gaussian for the approximation, Laplaces for the details of every level given what is coarser.

    Args:
        kind: `factorised`: details around 0 with a learned scale for every band and color; `conditional`: a network of
            every level tells centres and scales from the approximation that the details are added to.
        in_chans: Channels C of the clips.
        size: Their `(T, H, W)`.
        transform: Their transform.
        width: Channels of the networks of `conditional`, a multiple of 8.
        blocks: Their residual blocks.

    Raises:
        ValueError: If the kind is unknown.
    """

    def __init__(
        self, kind: str, *, in_chans: int, size: tuple[int, int, int], transform: ClipTransform, width: int, blocks: int
    ) -> None:
        super().__init__()
        if kind not in CLIP_PRIORS:
            raise ValueError(f"prior must be one of {', '.join(CLIP_PRIORS)}, got {kind!r}.")
        self.transform, self.size, self.is_conditional = transform, size, kind == "conditional"
        self.units = ClipUnits(in_chans, transform)
        self.approx = GaussianApproximation((in_chans, *transform.size_of(transform.levels, size)), transform.unit)
        channels = detail_channels(in_chans, transform)
        if self.is_conditional:
            self.nets = nn.ModuleList(
                RefineNet(in_chans, width, blocks, out_chans=2 * count, dims=3) for count in channels
            )
        else:
            self.log_scales = nn.ParameterList(torch.zeros(count, 1, 1, 1) for count in channels)

    def details(self, place: int, approx: Tensor) -> tuple[Tensor, Tensor]:
        """Centres and scales of the details of a level, of the shape of the details or broadcast to it.

        Args:
            place: The level, 0 for the coarsest.
            approx: The approximation that they are added to, `(B, C, T', H', W')`.
        """
        if not self.is_conditional:
            return approx.new_zeros(()), self.log_scales[place].exp().clamp(*SCALE_RANGE)
        units = self.units().details[place]
        known = approx / self.transform.unit_of(self.transform.levels - place)
        raw_centre, raw_scale = self.nets[place](known).chunk(2, 1)
        return units * raw_centre, units * F.softplus(raw_scale + UNIT_SOFTPLUS).clamp(min=SMALLEST)

    def divergences(self, posterior: Posterior, sample: Pyramid) -> Tensor:
        """Divergence of a posterior from the prior, in nats, `(B, 1 + L)`: of the approximation and of every level.

        Args:
            posterior: Of L levels, the coarsest ones.
            sample: Values drawn from it. What is coarser than a level decides its prior, which keeps the bound valid.

        Raises:
            ValueError: If they are of clips of another size.
        """
        if tuple(sample.approx.shape[1:]) != self.approx.size:
            shapes = "x".join(map(str, self.approx.size)), "x".join(map(str, sample.approx.shape[1:]))
            raise ValueError(f"the prior is one of approximations of {shapes[0]}, got {shapes[1]}.")
        approx, parts = sample.approx, [self.approx.divergence(posterior.mean.approx, posterior.scale.approx)]
        for place, detail in enumerate(sample.details):
            parts.append(posterior.divergence(place, *self.details(place, approx)))
            approx = self.transform.join(approx, detail)
        return torch.stack(parts, 1)

    def sample(self, noise: Pyramid, temperature: float = 1.0) -> Pyramid:
        """Coefficients drawn coarse to fine.

        Args:
            noise: Standard normal numbers of all levels.
            temperature: Multiplies all scales; 0 gives the centres.
        """
        start = Pyramid(self.approx.sample(noise.approx, temperature), ())
        return self.extended(start, noise=noise.details, temperature=temperature)

    def extended(
        self, pyramid: Pyramid, *, noise: tuple[Tensor, ...] | None = None, temperature: float = 1.0
    ) -> Pyramid:
        """The pyramid with the levels that it lacks, down to the finest.

        Args:
            pyramid: Some levels, the coarsest ones.
            noise: Standard normal numbers for as many levels that it lacks; the centres of all of them are taken if
                not given.
            temperature: Multiplies the scales.
        """
        approx, details = pyramid.approx, list(pyramid.details)
        for detail in details:
            approx = self.transform.join(approx, detail)
        end = self.transform.levels if noise is None else pyramid.levels + len(noise)
        for place in range(pyramid.levels, end):
            centre, scale = self.details(place, approx)
            channels = self.units().details[place].shape[1]
            detail = centre.expand(len(approx), channels, *approx.shape[2:])
            if noise is not None:
                detail = centre + temperature * scale * laplace_from_normal(noise[place - pyramid.levels])
            details.append(detail)
            approx = self.transform.join(approx, detail)
        return Pyramid(pyramid.approx, tuple(details))

    @torch.no_grad()
    def fit(self, approximations: Tensor, magnitudes: Sequence[Tensor]) -> None:
        """Take over what a data set says of the approximation and, for independent details, of their sizes.

        Args:
            approximations: `(N, C, T', H', W')`.
            magnitudes: Mean magnitudes of the details, one number per channel of every level, the coarsest first.
        """
        self.approx.fit(approximations)
        if not self.is_conditional:
            for own, values in zip(self.log_scales, magnitudes, strict=True):
                own.copy_(values.clamp(*SCALE_RANGE).log().view_as(own))


def detail_channels(in_chans: int, transform: ClipTransform) -> list[int]:
    """Channels of the details of every level, the coarsest first.

    Args:
        in_chans: Channels C of the clips.
        transform: Their transform.
    """
    return [(math.prod(stride) - 1) * in_chans for stride in reversed(transform.strides)]
