"""Encoders from images to pyramids: by a network, by a network beside the transform, by the transform alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from subband.models.generation.blocks import NormedBlock, check_widths, conv3, head, in_single_precision
from subband.models.generation.pyramid import BANDS, Pyramid, PyramidTransform
from subband.models.generation.video_pyramid import ClipTransform
from subband.transforms import threshold

__all__ = ["AnalyticEncoder", "NetEncoder", "PyramidTrunk", "ResidualEncoder", "new_encoder"]

Encoded = tuple[Pyramid, Pyramid | None]
FIRST_THRESHOLD = 0.01  # in units of orthonormal coefficients of images in [-1, 1]


class PyramidTrunk(nn.Module):
    """Convolutions down to the coarsest level, with a head for the details of every level and for the approximation.

    Args:
        in_chans: Channels C of the images.
        widths: Channels at full resolution, then at every level from the finest to the coarsest.
        blocks: Residual blocks of every level.
        with_scales: Whether the heads also give raw scales.
        keep_levels: The finest level that has a head, 1 for all.
        is_zero: Whether the heads give zeros until they are trained.
        strides: By which every level shrinks along every axis, from the finest to the coarsest; images are halved if
            not given. The details of a level have as many bands as a wavelet transform that shrinks so.

    Shape:
        images `(B, C, H, W)`, or volumes `(B, C, T, H, W)` with strides of three numbers, to a pyramid of means and one
        of raw scales, or None.
    """

    def __init__(
        self,
        in_chans: int,
        widths: Sequence[int],
        blocks: int,
        *,
        with_scales: bool,
        keep_levels: int = 1,
        is_zero: bool = False,
        strides: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        super().__init__()
        check_widths(widths)
        strides = [(2, 2)] * (len(widths) - 1) if strides is None else strides
        dims = len(strides[0])
        self.keep_levels, self.with_scales = keep_levels, with_scales
        outputs = in_chans * (2 if with_scales else 1)
        self.stem = conv3(in_chans, widths[0], dims=dims)
        self.down = nn.ModuleList(
            conv3(*pair, stride, dims=dims) for pair, stride in zip(itertools.pairwise(widths), strides, strict=True)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(NormedBlock(width, dims=dims) for _ in range(blocks))) for width in widths[1:]
        )
        levels = list(zip(widths[1:], strides, strict=True))[keep_levels - 1 :]
        self.details = nn.ModuleList(
            head(width, (math.prod(stride) - 1) * outputs, is_zero=is_zero, dims=dims) for width, stride in levels
        )
        self.approx = head(widths[-1], outputs, is_zero=is_zero, dims=dims)

    def forward(self, images: Tensor) -> Encoded:
        """Means and raw scales for `images`."""
        x, maps = self.stem(images), []
        for level, (down, blocks) in enumerate(zip(self.down, self.blocks, strict=True), 1):
            x = blocks(down(x))
            if level >= self.keep_levels:
                maps.append(self.details[level - self.keep_levels](x))
        maps = [in_single_precision(band) for band in (self.approx(x), *reversed(maps))]
        if not self.with_scales:
            return Pyramid.of(maps), None
        pairs = [band.chunk(2, 1) for band in maps]
        return Pyramid.of([mean for mean, _ in pairs]), Pyramid.of([raw for _, raw in pairs])


class NetEncoder(nn.Module):
    """Coefficients as a network sees them; nothing tells it that the transform exists.

    Args:
        trunk: The network.

    Shape:
        images `(B, C, H, W)` and the units of the bands to a pyramid of means and one of raw scales, or None.
    """

    def __init__(self, trunk: PyramidTrunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, images: Tensor, units: Pyramid) -> Encoded:
        """Means in `units`, and raw scales, for `images` `(B, C, H, W)`."""
        means, raw = self.trunk(images)
        return means.map(torch.mul, units), raw


class ResidualEncoder(nn.Module):
    """The coefficients of the transform, and what a network adds to them; nothing until it is trained.

    Args:
        trunk: The network, with heads of zeros.
        transform: The transform, of images or of clips.

    Shape:
        As for `NetEncoder`.
    """

    def __init__(self, trunk: PyramidTrunk, transform: PyramidTransform | ClipTransform) -> None:
        super().__init__()
        self.trunk, self.transform = trunk, transform

    def forward(self, images: Tensor, units: Pyramid) -> Encoded:
        """Means and raw scales for `images` `(B, C, H, W)`."""
        means, raw = self.trunk(images)
        exact = _kept(self.transform.analyze(images), means.levels)
        return exact.map(torch.add, means.map(torch.mul, units)), raw


class AnalyticEncoder(nn.Module):
    """The coefficients of the transform, the details moved towards zero by a learned threshold per band.

    Under the squared error and an L1 penalty this is the exact optimum that a network would have to find.

    Args:
        in_chans: Channels C of the images.
        transform: The transform.
        with_scales: Whether there is a learned raw scale per band.
        keep_levels: The finest level that is kept, 1 for all.

    Shape:
        As for `NetEncoder`.
    """

    def __init__(self, in_chans: int, transform: PyramidTransform, *, with_scales: bool, keep_levels: int = 1) -> None:
        super().__init__()
        self.transform, self.in_chans, self.levels = transform, in_chans, transform.levels + 1 - keep_levels
        self.log_threshold = nn.Parameter(torch.full((self.levels, BANDS), math.log(FIRST_THRESHOLD)))
        self.raw_scale = nn.Parameter(torch.zeros(1 + BANDS * self.levels)) if with_scales else None

    def forward(self, images: Tensor, units: Pyramid) -> Encoded:
        """Means and raw scales for `images` `(B, C, H, W)`; `units` make no difference here."""
        exact = _kept(self.transform.analyze(images), self.levels)
        limits = self._per_channel(self.log_threshold.exp().flatten())
        details = [threshold(d, limit) for d, limit in zip(exact.details, limits, strict=True)]
        means = Pyramid(exact.approx, tuple(details))
        if self.raw_scale is None:
            return means, None
        raw = Pyramid(self.raw_scale[0], tuple(self._per_channel(self.raw_scale[1:])))
        return means, means.map(lambda mean, value: value.expand_as(mean), raw)

    def _per_channel(self, values: Tensor) -> list[Tensor]:
        """A value per band as one per channel, `(3C, 1, 1)` for every level."""
        return [row.repeat_interleave(self.in_chans)[:, None, None] for row in values.view(self.levels, BANDS)]


def new_encoder(
    kind: str,
    in_chans: int,
    transform: PyramidTransform,
    *,
    widths: Sequence[int],
    blocks: int,
    with_scales: bool,
    keep_levels: int,
) -> nn.Module:
    """An encoder by its name.

    Args:
        kind: `net`, `residual` or `analytic`.
        in_chans: Channels C of the images.
        transform: The transform.
        widths: See `PyramidTrunk`; not for `analytic`.
        blocks: See `PyramidTrunk`; not for `analytic`.
        with_scales: Whether it gives raw scales.
        keep_levels: The finest level that is kept, 1 for all.
    """
    if kind == "analytic":
        return AnalyticEncoder(in_chans, transform, with_scales=with_scales, keep_levels=keep_levels)
    is_residual = kind == "residual"
    trunk = PyramidTrunk(
        in_chans, widths, blocks, with_scales=with_scales, keep_levels=keep_levels, is_zero=is_residual
    )
    return ResidualEncoder(trunk, transform) if is_residual else NetEncoder(trunk)


def _kept(pyramid: Pyramid, levels: int) -> Pyramid:
    return Pyramid(pyramid.approx, pyramid.details[:levels])
