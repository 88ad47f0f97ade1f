"""Wavelet transforms whose filters are parameters.

Free taps reconstruct the signal only as long as they satisfy the two conditions of a two-channel filter bank; their
residuals are losses to add to that of the task. With filters of even length L as polynomials in `1/z`, analysis `H0,
H1` and synthesis `G0, G1`, no distortion means `H0(z) G0(z) + H1(z) G1(z) = 2 z^-(L-1)` and no aliasing means
`H0(-z) G0(z) + H1(-z) G1(z) = 0`.

Source: M. Vetterli, Filter banks allowing perfect reconstruction, Signal Processing 10 (1986); G. Strang and T. Nguyen,
Wavelets and Filter Banks, 1996, chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers._wavelet_base import FilterBankModule, Names, Size
from subband.layers.band_layout import Layout
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks

__all__ = ["LearnableDWT1d", "LearnableDWT2d", "LearnableDWT3d", "alias_loss", "reconstruction_loss"]


def reconstruction_loss(bank: FilterBank) -> Tensor:
    """How far synthesis after analysis is from a pure delay, aliasing aside.

    Args:
        bank: Filters of L taps each, as tensors.

    Returns:
        Sum of squares of the coefficients of `H0(z) G0(z) + H1(z) G1(z) - 2 z^-(L-1)`, a scalar.

    Example:
        >>> haar = torch.tensor([[0.5, 0.5], [-0.5, 0.5], [1.0, 1.0], [1.0, -1.0]])
        >>> float(reconstruction_loss(FilterBank(*haar))), float(reconstruction_loss(FilterBank(*(2 * haar))))
        (0.0, 36.0)
    """
    lo, hi, rec_lo, rec_hi = bank
    product = _convolve(lo, rec_lo) + _convolve(hi, rec_hi)
    delay = torch.zeros_like(product)
    delay[lo.shape[0] - 1] = 2
    return (product - delay).square().sum()


def alias_loss(bank: FilterBank) -> Tensor:
    """How much of the aliasing that subsampling makes is left after synthesis.

    Args:
        bank: Filters of L taps each, as tensors.

    Returns:
        Sum of squares of the coefficients of `H0(-z) G0(z) + H1(-z) G1(z)`, a scalar.

    Example:
        >>> haar = torch.tensor([[0.5, 0.5], [-0.5, 0.5], [1.0, 1.0], [1.0, -1.0]])
        >>> without_high = FilterBank(haar[0], 0 * haar[1], haar[2], haar[3])
        >>> float(alias_loss(FilterBank(*haar))), float(alias_loss(without_high))
        (0.0, 0.5)
    """
    lo, hi, rec_lo, rec_hi = bank
    signs = torch.ones_like(lo)
    signs[1::2] = -1
    return (_convolve(signs * lo, rec_lo) + _convolve(signs * hi, rec_hi)).square().sum()


def _convolve(a: Tensor, b: Tensor) -> Tensor:
    """Product of two polynomials of equal length."""
    return F.conv1d(a[None, None], b.flip(0)[None, None], padding=b.shape[0] - 1)[0, 0]


class LearnableFilterBank(nn.Module):
    """The four filters of a bank as parameters.

    Args:
        bank: Initial taps, as numbers or tensors.
        dtype: Of the parameters.

    Example:
        >>> from subband.transforms.filters import HAAR
        >>> [name for name, _ in LearnableFilterBank(HAAR).named_parameters()]
        ['dec_lo', 'dec_hi', 'rec_lo', 'rec_hi']
    """

    def __init__(self, bank: FilterBank, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.dec_lo, self.dec_hi, self.rec_lo, self.rec_hi = (
            nn.Parameter(torch.as_tensor(taps, dtype=dtype or torch.get_default_dtype()).detach().clone())
            for taps in bank
        )

    def forward(self) -> FilterBank:
        """The filters."""
        return FilterBank(self.dec_lo, self.dec_hi, self.rec_lo, self.rec_hi)


class _LearnableDWT(FilterBankModule):
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
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(mode, levels, layout, order, signs, scale)
        banks = filter_banks(wavelet, self.num_axes)
        is_shared = all(bank is banks[0] for bank in banks)
        self.filters = nn.ModuleList(LearnableFilterBank(bank, dtype) for bank in banks[: 1 if is_shared else None])

    def forward(self, x: Tensor) -> Any:
        """Transform `x`, `(B, C, *)`, floating or complex, any range."""
        return self._analyze(x)

    def inverse(self, coeffs: Any, size: Size | None = None) -> Tensor:
        """Synthesis with the same bank; the inverse as long as both losses are zero.

        Args:
            coeffs: What the module returned.
            size: Samples to keep along the transformed axes, the size before the transform; one number for one axis. If
                not given, odd sizes come back one larger, except that `Coeffs` remember their size.

        Returns:
            The signal, `(B, C, *)`.

        Raises:
            ValueError: If `coeffs` or `size` do not fit.
        """
        return self._synthesize(coeffs, size)

    def reconstruction_loss(self) -> Tensor:
        """Distortion of the bank, see `reconstruction_loss`; summed over the banks if every axis has its own."""
        return torch.stack([reconstruction_loss(bank) for bank in self._own_banks()]).sum()

    def alias_loss(self) -> Tensor:
        """Aliasing of the bank, see `alias_loss`; summed over the banks if every axis has its own."""
        return torch.stack([alias_loss(bank) for bank in self._own_banks()]).sum()

    def _own_banks(self) -> tuple[FilterBank, ...]:
        return tuple(filters() for filters in self.filters)

    def _filter_banks(self) -> tuple[FilterBank, ...]:
        banks = self._own_banks()
        return banks * (self.num_axes // len(banks))


class LearnableDWT1d(_LearnableDWT):
    """Wavelet transform of signals along the last axis, and its inverse, with taps as parameters.

    Args:
        wavelet: Initial taps: a wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet` or four lists of taps.
        mode: Boundary mode, one of `subband.transforms.MODES`.
        levels: Number of levels.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape` of `subband.layers.wavelet.DWT1d`.
        order: Order of the bands, `("a", "d")` if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of both bands, applied at every level.
        dtype: Of the parameters. Taps are used in the dtype of the input.

    Shape:
        That of `DWT1d`. `Coeffs` of several levels remember no wavelet, `inverse` knows it.

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> module, x = LearnableDWT1d("db2"), torch.rand(2, 3, 16)
        >>> module(x).shape, torch.allclose(module.inverse(module(x)), x, atol=1e-5)
        (torch.Size([2, 3, 2, 9]), True)
        >>> bool(module.reconstruction_loss() + module.alias_loss() < 1e-12)
        True
    """

    num_axes = 1


class LearnableDWT2d(_LearnableDWT):
    """Wavelet transform of images along the last two axes, and its inverse, with taps as parameters.

    Args:
        wavelet: Initial taps: a wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet` or four lists of taps;
            both axes share them, unless one of these is given per axis.
        mode: Boundary mode, one of `subband.transforms.MODES`, or one per axis.
        levels: Number of levels.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape` of `subband.layers.wavelet.DWT2d`.
        order: Order of the bands, `("aa", "ad", "da", "dd")` if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of all bands, applied at every level.
        dtype: Of the parameters. Taps are used in the dtype of the input.

    Shape:
        That of `DWT2d`. `Coeffs` of several levels remember no wavelet, `inverse` knows it.

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> module = LearnableDWT2d("bior2.2", levels=2, layout="split")
        >>> low, highs = module(torch.rand(2, 3, 16, 16))
        >>> module.inverse((low, highs), size=(16, 16)).shape, len(list(module.parameters()))
        (torch.Size([2, 3, 16, 16]), 4)
    """

    num_axes = 2


class LearnableDWT3d(_LearnableDWT):
    """Wavelet transform of clips or volumes along the last three axes, and its inverse, with taps as parameters.

    Args:
        wavelet: Initial taps: a wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet` or four lists of taps;
            all axes share them, unless one of these is given per axis.
        mode: Boundary mode, one of `subband.transforms.MODES`, or one per axis.
        levels: Number of levels.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape` of `subband.layers.wavelet.DWT3d`.
        order: Order of the bands, sorted by their letters if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of all bands, applied at every level.
        dtype: Of the parameters. Taps are used in the dtype of the input.

    Shape:
        That of `DWT3d`. `Coeffs` of several levels remember no wavelet, `inverse` knows it.

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> LearnableDWT3d(("db2", "haar", "haar"))(torch.rand(1, 2, 6, 8, 8)).shape
        torch.Size([1, 2, 8, 4, 4, 4])
    """

    num_axes = 3
