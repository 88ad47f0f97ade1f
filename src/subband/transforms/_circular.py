"""One level of the undecimated wavelet transform over several axes, and the transposed map.

The algorithm "à trous" (M. Holschneider et al., 1989) filters the approximation of the level before with taps that
stand `step` samples apart, periodically continued. Analysis and synthesis are both sums of circular correlations and
each is the other's adjoint with the taps in reverse, so that one pair of maps is the transform, its inverse and both
gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from subband.transforms._circular_kernels import (
    as_keys_of,
    haar_analysis,
    haar_synthesis,
    merge_axis,
    outermost_first,
    split_axis,
    wrap,
)
from subband.transforms._correlate import shifted_sum
from subband.transforms._linear import LinearMap, apply
from subband.transforms.arguments import in_float32

__all__ = ["CircularAnalysis", "CircularSynthesis", "circular"]


@dataclass(frozen=True)
class _Circular(LinearMap):
    """Filters along every axis, and the distance of their taps.

    Attributes:
        filters: Per axis the low-pass and the high-pass taps as they are correlated, numbers or 1-D tensors.
        axes: Different negative axis numbers.
        step: Distance of the taps.
    """

    filters: tuple[tuple[Any, Any], ...]
    axes: tuple[int, ...]
    step: int

    @property
    def is_learnable(self) -> bool:
        """Whether taps are tensors."""
        return any(isinstance(taps, Tensor) for pair in self.filters for taps in pair)

    def haar_scale(self, sign: float) -> float | None:
        """The common factor if all filters are sums `(c, c)` and differences `(sign c, -sign c)`."""
        scale = 1.0
        for low, high in self.filters:
            if len(low) != 2 or low[0] != low[1] or tuple(high) != (sign * low[0], -sign * low[0]):
                return None
            scale *= low[0]
        return scale

    def reversed_filters(self) -> tuple[tuple[Any, Any], ...]:
        """The filters of the adjoint."""
        return tuple((low[::-1], high[::-1]) for low, high in self.filters)


class CircularAnalysis(_Circular):
    """Bands in sorted key order: `band[k] = sum_m taps[m] * x[(k + step * (m - L / 2 + 1)) mod N]` along every axis."""

    def eager(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `LinearMap`."""
        (x,) = tensors
        if x.device.type != "cpu" or not x.numel():
            return self.traced(x)
        x = x.contiguous()
        scale = self.haar_scale(1.0)
        if scale is not None:
            return haar_analysis(x, self.axes, self.step, scale)
        parts = [x]
        filters = dict(zip(self.axes, self.filters, strict=True))
        for axis in sorted(self.axes, reverse=True):  # the contiguous axis costs most, so it gets the fewest tensors
            pairs = [split_axis(part, filters[axis], axis, self.step) for part in parts]
            parts = [low for low, _ in pairs] + [high for _, high in pairs]
        return as_keys_of(parts, self.axes)

    def traced(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `LinearMap`."""
        parts = list(tensors)
        for pair, axis in zip(self.filters, self.axes, strict=True):
            wrapped = [wrap(part, len(pair[0]), axis, self.step, advance=1) for part in parts]
            parts = [shifted_sum(part, taps, axis, dilation=self.step) for part in wrapped for taps in pair]
        return tuple(parts)

    def adjoint(self, *_: torch.Size) -> CircularSynthesis:
        """See `LinearMap`."""
        return CircularSynthesis(self.reversed_filters(), self.axes, self.step)


class CircularSynthesis(_Circular):
    """Adds up the bands along every axis.

    `y[k] = sum over bands and m of taps[m] * band[(k + step * (m - L / 2)) mod N]`.
    """

    def eager(self, *bands: Tensor) -> Tensor:
        """See `LinearMap`."""
        if bands[0].device.type != "cpu" or not bands[0].numel():
            return self.traced(*bands)
        bands = tuple(band.contiguous() for band in bands)
        scale = self.haar_scale(-1.0)
        if scale is not None:
            return haar_synthesis(bands, self.axes, self.step, scale)
        parts = outermost_first(bands, self.axes)
        filters = dict(zip(self.axes, self.filters, strict=True))
        for axis in sorted(self.axes):
            half = len(parts) // 2
            pairs = zip(parts[:half], parts[half:], strict=True)
            parts = tuple(merge_axis(low, high, filters[axis], axis, self.step) for low, high in pairs)
        return parts[0]

    def traced(self, *bands: Tensor) -> Tensor:
        """See `LinearMap`."""
        parts: Sequence[Tensor] = bands
        for (low, high), axis in zip(self.filters[::-1], self.axes[::-1], strict=True):
            wrapped = [wrap(part, len(low), axis, self.step, advance=0) for part in parts]
            parts = [
                shifted_sum(a, low, axis, dilation=self.step) + shifted_sum(d, high, axis, dilation=self.step)
                for a, d in zip(wrapped[::2], wrapped[1::2], strict=True)
            ]
        return parts[0]

    def adjoint(self, *_: torch.Size) -> CircularAnalysis:
        """See `LinearMap`."""
        return CircularAnalysis(self.reversed_filters(), self.axes, self.step)


def circular(circular_map: CircularAnalysis | CircularSynthesis, *tensors: Tensor) -> Any:
    """Compute a map outside autocast such that it can be differentiated, also with respect to taps that are tensors.

    Example:
        >>> split = CircularAnalysis((((0.5, 0.5), (0.5, -0.5)),), axes=(-1,), step=1)
        >>> circular(split, torch.tensor([1.0, 3.0, 5.0, 1.0]))
        (tensor([2., 4., 3., 1.]), tensor([-1., -1.,  2.,  0.]))
    """
    return in_float32(_compute, *tensors, circular_map=circular_map)


def _compute(*tensors: Tensor, circular_map: CircularAnalysis | CircularSynthesis) -> Any:
    return circular_map.traced(*tensors) if circular_map.is_learnable else apply(circular_map, *tensors)
