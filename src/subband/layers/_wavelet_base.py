"""What the modules of decimated transforms have in common: the layout options and the loop over levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from subband.layers.band_layout import BandLayout, Layout, band_layout
from subband.transforms.arguments import per_axis
from subband.transforms.dwt import dwtn, idwtn
from subband.transforms.filters import FilterBank
from subband.transforms.multilevel import wavedec, wavedecn, waverecn
from subband.transforms.padding import check_mode

__all__ = ["FilterBankModule", "Names", "Size", "WaveletModule", "as_tuple", "check_levels", "check_modes"]

Size = int | Sequence[int]
Names = str | tuple[str, ...]


def check_levels(levels: int) -> int:
    """Refuse fewer than one level.

    Raises:
        ValueError: If `levels` is below 1.
    """
    if levels < 1:
        raise ValueError(f"levels must be at least 1, got {levels}")
    return levels


def check_modes(mode: Names, num_axes: int) -> None:
    """Refuse unknown boundary modes.

    Raises:
        ValueError: If a mode is unknown, or there is neither one nor one per axis.
    """
    for name in per_axis(mode, num_axes, "mode"):
        check_mode(name)


def as_tuple(size: Size | None) -> tuple[int, ...] | None:
    """Lengths of all axes from the size argument of a synthesis."""
    if size is None:
        return None
    return tuple(size) if isinstance(size, Sequence) else (size,)


class WaveletModule(nn.Module, ABC):
    """Analysis and synthesis over several levels around a transform of one level.

    Args:
        mode: Boundary mode, one for all axes or one per axis; the transform checks it.
        levels: Number of levels.
        layout: Layout of the bands, see `subband.layers.band_layout.band_layout`.
        order: Order of the bands; sorted by their letters if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of all bands, applied at every level.

    Raises:
        ValueError: If an option is unknown, or `order`, `signs` or `scale` are given where the result is `Coeffs`.
    """

    num_axes: ClassVar[int]

    def __init__(
        self,
        mode: Names,
        levels: int,
        layout: Layout,
        order: Sequence[str] | None,
        signs: Sequence[int] | None,
        scale: float,
    ) -> None:
        super().__init__()
        check_modes(mode, self.num_axes)
        self.mode = mode
        self.levels = check_levels(levels)
        self.layout: BandLayout = band_layout(self.num_axes, layout, order, signs, scale)
        self.has_container = levels > 1 and layout == "bands"
        if self.has_container and not self.layout.is_plain:
            raise ValueError("order, signs and scale need one level or another layout than 'bands', got both")

    def extra_repr(self) -> str:
        """Options that a printed model shows."""
        return f"mode={self.mode!r}, levels={self.levels}, layout={self.layout.layout!r}"

    @abstractmethod
    def _transform(self, x: Tensor, axes: tuple[int, ...], stack: int | None) -> Any:
        """One level: a dictionary of bands, or all stacked in sorted order along a new axis `stack`."""

    @abstractmethod
    def _inverse_transform(
        self,
        bands: Mapping[str, Tensor] | Tensor,
        axes: tuple[int, ...],
        size: tuple[int, ...] | None,
        stack: int | None,
    ) -> Tensor:
        """Inverse of `_transform`."""

    def _analyze(self, x: Tensor) -> Any:
        layout = self.layout
        x, last = layout.signal_first(x)
        axes = layout.axes(last)
        if layout.layout != "split" and self.levels == 1:
            if layout.is_plain:
                return layout.fold(self._transform(x, axes, layout.band_axis(x.ndim, last)), last)
            bands = layout.weighted(self._transform(x, axes, None))
            return layout.join([bands[key] for key in layout.order], last)
        highs: list[Tensor] = []
        for _ in range(self.levels):
            bands = layout.weighted(self._transform(x, axes, None))
            x = bands[layout.low]
            highs.insert(0, layout.join([bands[key] for key in layout.high], last))
        return layout.signal_last(x, last), highs[0] if self.levels == 1 else tuple(highs)

    def _synthesize(self, coeffs: Any, size: Size | None) -> Tensor:
        layout, sizes = self.layout, as_tuple(size)
        if layout.layout != "split" and self.levels == 1:
            return self._synthesize_one(coeffs, sizes)
        low, highs = self._low_and_highs(coeffs)
        low, last = layout.signal_first(low)
        for level, folded in enumerate(highs, 1):
            parts = dict(zip(layout.high, layout.part(folded, len(layout.high), last), strict=True))
            low = self._join_level(low, parts, last, sizes if level == self.levels else None)
        return layout.signal_last(low, last)

    def _synthesize_one(self, folded: Tensor, size: tuple[int, ...] | None) -> Tensor:
        """One level from a single tensor."""
        layout = self.layout
        num_bands = len(layout.order)
        last = layout.is_last(folded)
        axes = layout.axes(last)
        if layout.is_plain:
            stack = layout.band_axis(folded.ndim - layout.has_band_axis, last)
            x = self._inverse_transform(layout.unfold(folded, num_bands, last), axes, size, stack)
        else:
            bands = dict(zip(layout.order, layout.part(folded, num_bands, last), strict=True))
            x = self._inverse_transform(layout.weighted(bands, inverse=True), axes, size, None)
        return layout.signal_last(x, last)

    def _join_level(self, low: Tensor, high: Mapping[str, Tensor], last: bool, size: tuple[int, ...] | None) -> Tensor:
        axes = self.layout.axes(last)
        some = next(iter(high.values()))
        for axis in axes:
            if low.shape[axis] == some.shape[axis] + 1:  # the signal of the coarser level was odd
                low = low.narrow(axis, 0, some.shape[axis])
        bands = self.layout.weighted({self.layout.low: low, **high}, inverse=True)
        return self._inverse_transform(bands, axes, size, None)

    def _low_and_highs(self, coeffs: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        low, highs = coeffs
        highs = (highs,) if isinstance(highs, Tensor) else tuple(highs)
        if len(highs) != self.levels:
            raise ValueError(f"coeffs must have {self.levels} levels of high bands, got {len(highs)}")
        return low, highs


class FilterBankModule(WaveletModule):
    """A transform by a filter bank per axis."""

    @abstractmethod
    def _filter_banks(self) -> tuple[FilterBank, ...]:
        """One filter bank per axis."""

    def _transform(self, x: Tensor, axes: tuple[int, ...], stack: int | None) -> Any:
        return dwtn(x, self._filter_banks(), self.mode, axes, stack)

    def _inverse_transform(
        self,
        bands: Mapping[str, Tensor] | Tensor,
        axes: tuple[int, ...],
        size: tuple[int, ...] | None,
        stack: int | None,
    ) -> Tensor:
        return idwtn(bands, self._filter_banks(), self.mode, axes, size, stack)

    def _analyze(self, x: Tensor) -> Any:
        if not self.has_container:
            return super()._analyze(x)
        banks = self._filter_banks()
        if self.num_axes == 1:  # details without a dictionary around them, as in PyWavelets
            return wavedec(x, banks[0], per_axis(self.mode, 1, "mode")[0], self.levels)
        return wavedecn(x, banks, self.mode, self.levels, self.layout.axes(last=False))

    def _synthesize(self, coeffs: Any, size: Size | None) -> Tensor:
        if not self.has_container:
            return super()._synthesize(coeffs, size)
        return waverecn(coeffs, self._filter_banks(), self.mode, self.layout.axes(last=False), as_tuple(size))
