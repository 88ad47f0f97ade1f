"""How the bands of a wavelet transform are laid out for a network: axis, order, signs, scale, memory format.

All wavelet modules share these options. `*` stands for the transformed axes of a signal `(B, C, *)` and K for the
number of bands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = ["BandLayout", "Layout", "band_layout", "is_channels_last"]

Layout = Literal["bands", "channels", "interleaved", "split", "batch"]
_LAYOUTS: tuple[str, ...] = get_args(Layout)
_KEEP_CHANNELS_LAST = ("channels", "split", "batch")


def is_channels_last(x: Tensor, axis: int) -> bool:
    """Whether the channels are the fastest axis in memory, with everything else in order.

    Args:
        x: Any shape.
        axis: The channel axis.

    Returns:
        False where both memory formats are the same, such as for one channel.

    Example:
        >>> x = torch.zeros(2, 3, 4, 4)
        >>> is_channels_last(x, 1), is_channels_last(x.to(memory_format=torch.channels_last), 1)
        (False, True)
    """
    return not x.is_contiguous() and x.movedim(axis, -1).is_contiguous()


@dataclass(frozen=True)
class BandLayout:
    """Checked layout options; made by `band_layout`.

    Attributes:
        num_axes: Transformed axes n, the last ones of the signal.
        layout: See `band_layout`.
        order: All `2^n` keys in the order of the result.
        weights: Factor of every key.
    """

    num_axes: int
    layout: str
    order: tuple[str, ...]
    weights: Mapping[str, float]

    @property
    def low(self) -> str:
        """Key of the approximation."""
        return "a" * self.num_axes

    @property
    def high(self) -> tuple[str, ...]:
        """All other keys, in the order of the result."""
        return tuple(key for key in self.order if key != self.low)

    @property
    def is_plain(self) -> bool:
        """Whether the bands are those of the transform, in its order."""
        return self.order == _keys(self.num_axes) and self.is_unweighted

    @property
    def is_unweighted(self) -> bool:
        """Whether no band changes its sign or scale."""
        return all(weight == 1 for weight in self.weights.values())

    def weighted(self, bands: Mapping[str, Tensor], *, inverse: bool = False) -> dict[str, Tensor]:
        """Bands times their factors, or divided by them."""
        if self.is_unweighted:
            return dict(bands)
        weights = {key: 1 / weight if inverse else weight for key, weight in self.weights.items()}
        return {key: band if weights[key] == 1 else band * weights[key] for key, band in bands.items()}

    def signal_first(self, x: Tensor) -> tuple[Tensor, bool]:
        """The signal as the transform shall see it.

        Returns:
            x: `(B, *, C)` for a channels-last signal whose layout keeps that format, else `(B, C, *)`.
            last: Whether the channels were moved.
        """
        last = self.is_last(x)
        return (x.movedim(-self.num_axes - 1, -1) if last else x), last

    def is_last(self, x: Tensor) -> bool:
        """Whether `x`, `(B, C, *)`, is channels-last and the layout keeps that format."""
        channels = -self.num_axes - 1
        return self.layout in _KEEP_CHANNELS_LAST and x.ndim > self.num_axes and is_channels_last(x, channels)

    def signal_last(self, x: Tensor, last: bool) -> Tensor:
        """Inverse of `signal_first`."""
        return x.movedim(-1, -self.num_axes - 1) if last else x

    def axes(self, last: bool) -> tuple[int, ...]:
        """Transformed axes of what `signal_first` returns."""
        return tuple(range(-self.num_axes - last, -last))

    def band_axis(self, ndim: int, last: bool) -> int:
        """Where the bands of signals of `ndim` axes have to be stacked for `fold`, as a negative axis of the result."""
        if self.layout == "batch":
            return -ndim - 1
        if self.layout == "channels":
            return -2 if last else -self.num_axes - 2
        return -self.num_axes - 1 - last

    def fold(self, stacked: Tensor, last: bool) -> Tensor:
        """Bands stacked at `band_axis` to the layout."""
        channels = -self.num_axes - 1
        if self.layout == "batch":
            return self.signal_last(stacked.flatten(0, 1), last)
        if self.layout == "channels":
            return self.signal_last(stacked.flatten(-2, -1) if last else stacked.flatten(channels - 1, channels), last)
        if self.layout == "interleaved":
            return stacked.flatten(channels - 1, channels)
        return stacked.movedim(-1, channels - 1) if last else stacked

    def unfold(self, folded: Tensor, num_bands: int, last: bool) -> Tensor:
        """Inverse of `fold` for `num_bands` bands.

        Raises:
            ValueError: If the axis that holds the bands does not divide by their number.
        """
        channels = -self.num_axes - 1
        if self.layout in ("bands", "split"):
            _check_bands(folded, channels, num_bands, exact=True)
            return folded.movedim(channels - 1, -1) if last else folded
        axis = 0 if self.layout == "batch" else channels
        _check_bands(folded, axis, num_bands, exact=False)
        each = folded.shape[axis] // num_bands
        if last:
            folded = folded.movedim(channels, -1)
            axis = 0 if self.layout == "batch" else -1
        return folded.unflatten(axis, (each, num_bands) if self.layout == "interleaved" else (num_bands, each))

    def join(self, bands: Sequence[Tensor], last: bool) -> Tensor:
        """Bands of equal shape, as the transform returns them, to the layout."""
        return self.fold(torch.stack(list(bands), self.band_axis(bands[0].ndim, last)), last)

    def part(self, folded: Tensor, num_bands: int, last: bool) -> tuple[Tensor, ...]:
        """Inverse of `join`."""
        return self.unfold(folded, num_bands, last).unbind(self.band_axis(folded.ndim - self.has_band_axis, last))

    @property
    def has_band_axis(self) -> bool:
        """Whether the bands have an axis of their own in the result."""
        return self.layout in ("bands", "split")


def band_layout(
    num_axes: int,
    layout: Layout,
    order: Sequence[str] | None,
    signs: Sequence[int] | None,
    scale: float,
) -> BandLayout:
    """Check the layout options of a wavelet module.

    Args:
        num_axes: Transformed axes n.
        layout: `bands` `(B, C, K, *)` | `channels` `(B, K * C, *)`, all channels of a band together | `interleaved`
            `(B, C * K, *)`, all bands of a channel together | `split` the pair low `(B, C, *)` and high
            `(B, C, K - 1, *)` | `batch` `(K * B, C, *)`, all images of a band together.
        order: Keys in the order of the result; sorted if not given.
        signs: +1 or -1 for every key of `order`; all +1 if not given.
        scale: Factor of all bands.

    Returns:
        The checked options.

    Raises:
        ValueError: If an option does not fit the number of axes.

    Example:
        >>> layout = band_layout(2, "batch", None, (1, -1, -1, 1), 0.5)
        >>> layout.order, layout.weights["ad"]
        (('aa', 'ad', 'da', 'dd'), -0.5)
    """
    keys = _keys(num_axes)
    if layout not in _LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(_LAYOUTS)}, got {layout!r}")
    names = keys if order is None else tuple(order)
    if sorted(names) != list(keys):
        raise ValueError(f"order must hold each of {', '.join(keys)} once, got {names}")
    factors = (1,) * len(keys) if signs is None else tuple(signs)
    if len(factors) != len(keys) or any(factor not in (1, -1) for factor in factors):
        raise ValueError(f"signs must be {len(keys)} numbers 1 or -1, one per band, got {factors}")
    if scale == 0:
        raise ValueError("scale must be different from 0, got 0")
    weights = {key: float(scale * factor) for key, factor in zip(names, factors, strict=True)}
    return BandLayout(num_axes, layout, names, weights)


def _keys(num_axes: int) -> tuple[str, ...]:
    return tuple("".join(letters) for letters in product("ad", repeat=num_axes))


def _check_bands(folded: Tensor, axis: int, num_bands: int, *, exact: bool) -> None:
    length = folded.shape[axis]
    if length != num_bands if exact else length % num_bands:
        rule = "equal" if exact else "be a multiple of"
        raise ValueError(
            f"axis {axis} of coeffs must {rule} the number of bands {num_bands}, got shape {tuple(folded.shape)}"
        )
