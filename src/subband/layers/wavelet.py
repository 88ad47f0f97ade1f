r"""The discrete wavelet transform in one, two and three dimensions as modules, with the layouts that networks use.

The modules have no parameters and nothing in the state dict. `levels=1` gives tensors in the layout asked for. Several
levels give `subband.transforms.Coeffs` in layout `bands`, and in every other layout a pair of the coarsest
approximation and a tuple of the detail bands of every level, coarsest first, each laid out without the approximation.

Published layers are these modules with options:

| layer | options |
| --- | --- |
| WaST (OpenSTL) `WaveletTransform2D` | `DWT2d(mode="zero", order=("aa", "da", "ad", "dd"))`, bands `LL, LH, HL, HH` |
| WaST (OpenSTL) `WaveletTransform3D` | `DWT3d(mode="zero")` |
| VD-Diff `dwt_init` | `DWT2d(layout="batch", signs=(1, -1, -1, 1))`, bands `LL, HL, LH, HH` |
| VD-Diff `HaarDownsampling` | `DWT2d(layout="channels", scale=0.5)`, low bands are the first C channels |
| WSF-ViT `DWT_2D_FFT_L2` | `SWT2d(layout="channels", order=("aa", "da", "ad", "dd"), signs=(1, -1, -1, 1))`,
`mode="zero"` \ unless the image is a square power of two |
| pytorch_wavelets `DWTForward(J)` | `DWT2d(mode="zero", levels=J, layout="split", order=("aa", "da", "ad", "dd"))`,
there \ finest first |
| ptwt `wavedec2` | `DWT2d(mode="reflect", levels=J)` |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch  # noqa: F401  the examples below use it
from torch import Tensor

from subband.layers._wavelet_base import FilterBankModule, Names, Size
from subband.layers.band_layout import Layout
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks

__all__ = ["DWT1d", "DWT2d", "DWT3d", "IDWT1d", "IDWT2d", "IDWT3d"]


class _FixedFilters(FilterBankModule):
    num_axes: ClassVar[int]

    def __init__(
        self,
        wavelet: WaveletLike = "haar",
        mode: Names = "symmetric",
        levels: int = 1,
        layout: Layout = "bands",
        *,
        order: Sequence[str] | None = None,
        signs: Sequence[int] | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__(mode, levels, layout, order, signs, scale)
        self.wavelet = wavelet
        self.banks = filter_banks(wavelet, self.num_axes)

    def _filter_banks(self) -> tuple[FilterBank, ...]:
        return self.banks

    def extra_repr(self) -> str:
        return f"wavelet={self.wavelet!r}, {super().extra_repr()}"


class _DWT(_FixedFilters):
    def forward(self, x: Tensor) -> Any:
        """Transform `x`, `(B, C, *)`, floating or complex, any range."""
        return self._analyze(x)


class _IDWT(_FixedFilters):
    def forward(self, coeffs: Any, size: Size | None = None) -> Tensor:
        """Inverse of the analysis module with the same options.

        Args:
            coeffs: What the analysis module returned.
            size: Samples to keep along the transformed axes, the size before the transform; one number for one axis. If
                not given, odd sizes come back one larger, except that `Coeffs` remember their size.

        Returns:
            The signal, `(B, C, *)`.

        Raises:
            ValueError: If `coeffs` or `size` do not fit.
        """
        return self._synthesize(coeffs, size)


class DWT1d(_DWT):
    """Wavelet transform of signals along the last axis.

    Args:
        wavelet: Wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet` or four lists of taps.
        mode: Boundary mode, one of `subband.transforms.MODES`.
        levels: Number of levels.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape`.
        order: Order of the bands, `("a", "d")` if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of both bands, applied at every level.

    Shape:
        `(B, C, N)` to, for one level and n coefficients: `bands` `(B, C, 2, n)`; `channels` `(B, 2C, n)`, all channels
        of a band together; `interleaved` `(B, 2C, n)`, both bands of a channel together; `split` low `(B, C, n)` and
        high `(B, C, 1, n)`; `batch` `(2B, C, n)`. For several levels see the module docstring.

    Raises:
        ValueError: If an option is unknown, or `order`, `signs` or `scale` are given for several levels of `bands`.

    Example:
        >>> DWT1d("db2")(torch.rand(2, 3, 16)).shape
        torch.Size([2, 3, 2, 9])
        >>> DWT1d(layout="channels", scale=0.5)(torch.rand(2, 3, 16)).shape
        torch.Size([2, 6, 8])
    """

    num_axes = 1


class DWT2d(_DWT):
    """Wavelet transform of images along the last two axes.

    Bands are named by one letter for the rows axis and one for the columns axis: `aa, ad, da, dd` = `ll, hl, lh, hh`,
    PyWavelets' `cA, cV, cH, cD`.

    Args:
        wavelet: Wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet`, four lists of taps, or one of these per
            axis.
        mode: Boundary mode, one of `subband.transforms.MODES`, or one per axis.
        levels: Number of levels.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape`.
        order: Order of the bands, `("aa", "ad", "da", "dd")` if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of all bands, applied at every level; 0.5 turns the low band of Haar into the local average.

    Shape:
        `(B, C, H, W)` to, for one level: `bands` `(B, C, 4, h, w)`; `channels` `(B, 4C, h, w)`, all channels of a band
        together; `interleaved` `(B, 4C, h, w)`, all bands of a channel together; `split` low `(B, C, h, w)` and high
        `(B, C, 3, h, w)`; `batch` `(4B, C, h, w)`, all images of a band together. In `bands` and `split` there may be
        any leading axes. Channels-last input gives channels-last output in `channels`, `split` and `batch`, contiguous
        input contiguous output. For several levels see the module docstring.

    Raises:
        ValueError: If an option is unknown, or `order`, `signs` or `scale` are given for several levels of `bands`.

    Example:
        >>> DWT2d()(torch.rand(2, 3, 8, 8)).shape
        torch.Size([2, 3, 4, 4, 4])
        >>> low, highs = DWT2d("db2", levels=2, layout="split")(torch.rand(2, 3, 32, 32))
        >>> low.shape, [high.shape[2:] for high in highs]
        (torch.Size([2, 3, 10, 10]), [torch.Size([3, 10, 10]), torch.Size([3, 17, 17])])
        >>> DWT2d(levels=3)(torch.rand(2, 3, 32, 32)).approx.shape
        torch.Size([2, 3, 4, 4])
    """

    num_axes = 2


class DWT3d(_DWT):
    """Wavelet transform of clips or volumes along the last three axes.

    Args:
        wavelet: Wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet`, four lists of taps, or one of these per
            axis.
        mode: Boundary mode, one of `subband.transforms.MODES`, or one per axis.
        levels: Number of levels.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape`.
        order: Order of the bands, `("aaa", "aad", "ada", "add", "daa", "dad", "dda", "ddd")` if not given; the letters
            stand for time, rows, columns.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of all bands, applied at every level.

    Shape:
        `(B, C, T, H, W)` to, for one level: `bands` `(B, C, 8, t, h, w)`; `channels` and `interleaved`
        `(B, 8C, t, h, w)`; `split` low `(B, C, t, h, w)` and high `(B, C, 7, t, h, w)`; `batch` `(8B, C, t, h, w)`;
        all as in `DWT2d`.

    Raises:
        ValueError: If an option is unknown, or `order`, `signs` or `scale` are given for several levels of `bands`.

    Example:
        >>> DWT3d(layout="channels")(torch.rand(1, 2, 4, 8, 8)).shape
        torch.Size([1, 16, 2, 4, 4])
    """

    num_axes = 3


class IDWT1d(_IDWT):
    """Inverse of `DWT1d` with the same options.

    The arguments are those of `DWT1d` and mean the same; the bands are divided by `scale`.

    Shape:
        What `DWT1d` returns, to `(B, C, N)`.

    Example:
        >>> x = torch.rand(2, 3, 15)
        >>> torch.allclose(IDWT1d("db2")(DWT1d("db2")(x), size=15), x, atol=1e-5)
        True
    """

    num_axes = 1


class IDWT2d(_IDWT):
    """Inverse of `DWT2d` with the same options.

    The arguments are those of `DWT2d` and mean the same; the bands are divided by `scale`.

    Shape:
        What `DWT2d` returns, to `(B, C, H, W)`.

    Example:
        >>> x = torch.rand(2, 3, 15, 20)
        >>> options = {"wavelet": "bior2.2", "layout": "batch", "signs": (1, -1, -1, 1)}
        >>> torch.allclose(IDWT2d(**options)(DWT2d(**options)(x), size=(15, 20)), x, atol=1e-5)
        True
    """

    num_axes = 2


class IDWT3d(_IDWT):
    """Inverse of `DWT3d` with the same options.

    The arguments are those of `DWT3d` and mean the same; the bands are divided by `scale`.

    Shape:
        What `DWT3d` returns, to `(B, C, T, H, W)`.

    Example:
        >>> x = torch.rand(1, 2, 5, 8, 8)
        >>> torch.allclose(IDWT3d()(DWT3d()(x), size=(5, 8, 8)), x, atol=1e-6)
        True
    """

    num_axes = 3
