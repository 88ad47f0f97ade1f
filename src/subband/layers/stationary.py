"""The stationary (undecimated) wavelet transform as modules: every band has the size of the signal.

The options are those of `subband.layers.wavelet`. All levels fit into one tensor: for n axes and J levels there are
`1 + J (2^n - 1)` bands, the approximation and the details of the coarsest level first, then the details of the finer
levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch  # noqa: F401  the examples below use it
from torch import Tensor, nn

from subband.layers._wavelet_base import check_levels
from subband.layers.band_layout import BandLayout, Layout, band_layout
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks
from subband.transforms.padding import MODES, extend
from subband.transforms.stationary import iswtn, swtn

__all__ = ["ISWT1d", "ISWT2d", "ISWT3d", "SWT1d", "SWT2d", "SWT3d"]

_MODES = tuple(mode for mode in MODES if mode != "periodization")


class _Stationary(nn.Module):
    num_axes: ClassVar[int]

    def __init__(
        self,
        wavelet: WaveletLike,
        levels: int,
        layout: Layout,
        order: Sequence[str] | None,
        signs: Sequence[int] | None,
        scale: float,
    ) -> None:
        super().__init__()
        self.wavelet = wavelet
        self.banks: tuple[FilterBank, ...] = filter_banks(wavelet, self.num_axes)
        self.levels = check_levels(levels)
        self.layout: BandLayout = band_layout(self.num_axes, layout, order, signs, scale)
        first = [(levels, key) for key in self.layout.order]
        finer = [(level, key) for level in range(levels - 1, 0, -1) for key in self.layout.high]
        self.names = (*first, *finer)  # level and key of every band of the result

    def extra_repr(self) -> str:
        return f"wavelet={self.wavelet!r}, levels={self.levels}, layout={self.layout.layout!r}"

    def _weight(self, level: int, key: str) -> float:
        """Factor of a band: every level takes its input from the weighted approximation of the level before."""
        return self.layout.weights[self.layout.low] ** (level - 1) * self.layout.weights[key]


class _SWT(_Stationary):
    def __init__(
        self,
        wavelet: WaveletLike = "haar",
        mode: str = "periodic",
        levels: int = 1,
        layout: Layout = "bands",
        *,
        order: Sequence[str] | None = None,
        signs: Sequence[int] | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__(wavelet, levels, layout, order, signs, scale)
        if mode not in _MODES:
            raise ValueError(f"mode must be one of {', '.join(_MODES)}, got {mode!r}")
        self.mode = mode

    def forward(self, x: Tensor) -> Any:
        """Transform `x`, `(B, C, *)`, floating or complex, any range."""
        layout = self.layout
        x, last = layout.signal_first(x)
        axes = layout.axes(last)
        approx, *details = swtn(self._extended(x, axes), self.banks, self.levels, axes=axes, trim_approx=True)
        bands = {(self.levels, layout.low): approx}
        for level, named in zip(range(self.levels, 0, -1), details, strict=True):
            bands |= {(level, key): band for key, band in named.items()}
        bands = self._finished(bands, x, axes)
        if layout.layout != "split":
            return layout.join([bands[name] for name in self.names], last)
        low = bands.pop((self.levels, layout.low))
        return layout.signal_last(low, last), layout.join([bands[name] for name in self.names if name in bands], last)

    def _finished(
        self, bands: Mapping[tuple[int, str], Tensor], x: Tensor, axes: tuple[int, ...]
    ) -> dict[tuple[int, str], Tensor]:
        """Bands without the extension of the signal, with their signs and scales."""
        finished = {}
        for name, band in bands.items():
            for axis, bank in zip(axes, self.banks, strict=True):
                if band.shape[axis] != x.shape[axis]:
                    band = band.narrow(axis, self._reach(bank)[0], x.shape[axis])
            weight = self._weight(*name)
            finished[name] = band if weight == 1 else band * weight
        return finished

    def _extended(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        """The signal with all samples that its bands depend on, so that the periodic transform does not wrap around."""
        if self.mode == "periodic":
            return x
        for axis, bank in zip(axes, self.banks, strict=True):
            left, right = self._reach(bank)
            fill = -(x.shape[axis] + left + right) % (1 << self.levels)
            x = extend(x, left, right + fill, self.mode, axis)
        return x

    def _reach(self, bank: FilterBank) -> tuple[int, int]:
        """How far the coarsest band looks to the left and to the right."""
        steps, half = (1 << self.levels) - 1, bank.num_taps // 2
        return steps * (half - 1), steps * half


class _ISWT(_Stationary):
    def __init__(
        self,
        wavelet: WaveletLike = "haar",
        levels: int = 1,
        layout: Layout = "bands",
        *,
        order: Sequence[str] | None = None,
        signs: Sequence[int] | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__(wavelet, levels, layout, order, signs, scale)

    def forward(self, coeffs: Any) -> Tensor:
        """Invert what the analysis module with the same options and mode `periodic` returned; `(B, C, *)`."""
        layout = self.layout
        if layout.layout == "split":
            low, high = coeffs
            low, last = layout.signal_first(low)
            names = [name for name in self.names if name[1] != layout.low]
            bands = {(self.levels, layout.low): low}
        else:
            high, last, names, bands = coeffs, layout.is_last(coeffs), list(self.names), {}
        bands |= dict(zip(names, layout.part(high, len(names), last), strict=True))
        if not layout.is_unweighted:
            bands = {name: band / self._weight(*name) for name, band in bands.items()}
        details = [{key: bands[level, key] for key in layout.high} for level in range(self.levels, 0, -1)]
        x = iswtn([bands[self.levels, layout.low], *details], self.banks, axes=layout.axes(last))
        return layout.signal_last(x, last)


class SWT1d(_SWT):
    """Stationary wavelet transform of signals along the last axis.

    Args:
        wavelet: Wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet` or four lists of taps.
        mode: What lies beyond the ends. `periodic` is the transform of PyWavelets, which has an inverse and needs
            lengths that divide by `2^levels`; all other modes but `periodization` take any length.
        levels: Number of levels J.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape` of `subband.layers.wavelet.DWT1d`.
        order: Order of the bands within a level, `("a", "d")` if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of both bands, applied at every level. `2 ** -0.5` keeps the energy (PyWavelets' `norm=True`).

    Shape:
        `(B, C, N)` to `(B, C, 1 + J, N)` in layout `bands`, and accordingly in the others.

    Raises:
        ValueError: If an option is unknown, or a length does not divide in mode `periodic`.

    Example:
        >>> SWT1d("db2", levels=3)(torch.rand(2, 3, 16)).shape
        torch.Size([2, 3, 4, 16])
    """

    num_axes = 1


class SWT2d(_SWT):
    """Stationary wavelet transform of images along the last two axes.

    Args:
        wavelet: Wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet`, four lists of taps, or one of these per
            axis.
        mode: What lies beyond the borders. `periodic` is the transform of PyWavelets, which has an inverse and needs
            sides that divide by `2^levels`; all other modes but `periodization` take any side.
        levels: Number of levels J.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape` of `subband.layers.wavelet.DWT2d`.
        order: Order of the bands within a level, `("aa", "ad", "da", "dd")` if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of all bands, applied at every level. 0.5 keeps the energy (PyWavelets' `norm=True`).

    Shape:
        `(B, C, H, W)` to `(B, C, 1 + 3J, H, W)` in layout `bands`, and accordingly in the others.

    Raises:
        ValueError: If an option is unknown, or a side does not divide by `2^J` in mode `periodic`.

    Example:
        >>> SWT2d(levels=2, layout="channels")(torch.rand(2, 3, 16, 12)).shape
        torch.Size([2, 21, 16, 12])
        >>> SWT2d("db2", mode="symmetric")(torch.rand(2, 3, 7, 5)).shape
        torch.Size([2, 3, 4, 7, 5])
    """

    num_axes = 2


class SWT3d(_SWT):
    """Stationary wavelet transform of clips or volumes along the last three axes.

    Args:
        wavelet: Wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet`, four lists of taps, or one of these per
            axis.
        mode: What lies beyond the borders. `periodic` is the transform of PyWavelets, which has an inverse and needs
            sides that divide by `2^levels`; all other modes but `periodization` take any side.
        levels: Number of levels J.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape` of `subband.layers.wavelet.DWT3d`.
        order: Order of the bands within a level, sorted by their letters (time, rows, columns) if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of all bands, applied at every level. `2 ** -1.5` keeps the energy (PyWavelets' `norm=True`).

    Shape:
        `(B, C, T, H, W)` to `(B, C, 1 + 7J, T, H, W)` in layout `bands`, and accordingly in the others.

    Raises:
        ValueError: If an option is unknown, or a length does not divide by `2^J` in mode `periodic`.

    Example:
        >>> SWT3d()(torch.rand(1, 2, 4, 8, 8)).shape
        torch.Size([1, 2, 8, 4, 8, 8])
    """

    num_axes = 3


class ISWT1d(_ISWT):
    """Inverse of `SWT1d` in mode `periodic` with the same options.

    The arguments are those of `SWT1d` and mean the same; the bands are divided by `scale`.

    Shape:
        What `SWT1d` returns, to `(B, C, N)`.

    Example:
        >>> x = torch.rand(2, 3, 16)
        >>> torch.allclose(ISWT1d("db2", levels=2)(SWT1d("db2", levels=2)(x)), x, atol=1e-5)
        True
    """

    num_axes = 1


class ISWT2d(_ISWT):
    """Inverse of `SWT2d` in mode `periodic` with the same options.

    The arguments are those of `SWT2d` and mean the same; the bands are divided by `scale`.

    Shape:
        What `SWT2d` returns, to `(B, C, H, W)`.

    Example:
        >>> x, options = torch.rand(2, 3, 8, 8), {"levels": 2, "layout": "split", "scale": 0.5}
        >>> torch.allclose(ISWT2d(**options)(SWT2d(**options)(x)), x, atol=1e-6)
        True
    """

    num_axes = 2


class ISWT3d(_ISWT):
    """Inverse of `SWT3d` in mode `periodic` with the same options.

    The arguments are those of `SWT3d` and mean the same; the bands are divided by `scale`.

    Shape:
        What `SWT3d` returns, to `(B, C, T, H, W)`.

    Example:
        >>> x = torch.rand(1, 2, 4, 8, 8)
        >>> torch.allclose(ISWT3d()(SWT3d()(x)), x, atol=1e-6)
        True
    """

    num_axes = 3
