"""The discrete wavelet transforms of pytorch_wavelets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from subband.compat._filters import FilterModule, numbers
from subband.transforms.arguments import check_dtype, integer, without_autocast
from subband.transforms.dwt import dwt, dwt2, idwt, idwt2
from subband.transforms.filters import FilterBank, filter_banks
from subband.transforms.padding import boundary_mode

__all__ = ["DWT1DForward", "DWT1DInverse", "DWTForward", "DWTInverse"]

Coefficients = tuple[Tensor | None, Sequence[Tensor | None]]


class _WaveletModule(FilterModule):
    """Filters and boundary mode; `banks` are those of the rows axis and of the columns axis, or the only one."""

    def __init__(self, wave: Any, mode: str, num_axes: int, *, is_inverse: bool) -> None:
        super().__init__()
        boundary_mode(mode)  # an unknown name is an error here already
        self.wave, self.mode = wave, mode
        along_columns, *others = _banks(wave, num_axes, is_inverse)
        self.banks = (*others, along_columns)
        letter, place = ("g", 2) if is_inverse else ("h", 0)
        # Correlation, by which pytorch_wavelets computes the analysis, wants its filters in reversed time.
        order = slice(None) if is_inverse else slice(None, None, -1)
        names = [""] if num_axes == 1 else ["_col", "_row"]
        shapes = [(1, 1, -1)] if num_axes == 1 else [(1, 1, -1, 1), (1, 1, 1, -1)]
        for name, shape, bank in zip(names, shapes, (along_columns, *others), strict=True):
            low, high = bank[place : place + 2]
            self.keep_filters(shape, {f"{letter}0{name}": low[order], f"{letter}1{name}": high[order]})

    def extra_repr(self) -> str:
        return f"wave={self.wave!r}, mode={self.mode!r}"


class _Forward(_WaveletModule):
    def __init__(self, J: int, wave: Any, mode: str, num_axes: int) -> None:
        super().__init__(wave, mode, num_axes, is_inverse=False)
        self.J = integer(J, "J")
        if self.J < 0:
            raise ValueError(f"J must not be negative, got {J}")

    def extra_repr(self) -> str:
        return f"J={self.J}, {super().extra_repr()}"


class DWTForward(_Forward):
    """Wavelet transform of images over `J` levels.

    Args:
        J: Number of levels; 0 gives the images back.
        wave: PyWavelets name, `pywt.Wavelet` or `subband.Wavelet`, or a tuple of analysis taps, each a list or array of
            one even length: `(h0, h1)`, or `(h0_col, h1_col, h0_row, h1_row)`, of which pytorch_wavelets, whatever
            their names, and so this module apply the first two along the width and the last two along the height.
        mode: Boundary mode, one of `subband.transforms.MODES`, or `per`.

    Shape:
        `(N, C, H, W)`, floating or complex, to the pair `yl`, `(N, C, h, w)`, and `yh`, a list of `(N, C, 3, h_j, w_j)`
        per level, the finest first, with the bands `lh, hl, hh` = PyWavelets' cH, cV, cD.

    Raises:
        ValueError: If `J` is negative, a name is unknown or taps do not fit together.

    Example:
        >>> yl, yh = DWTForward(J=2, wave="db2", mode="symmetric")(torch.rand(2, 3, 32, 20))
        >>> yl.shape, [high.shape for high in yh]
        (torch.Size([2, 3, 10, 7]), [torch.Size([2, 3, 3, 17, 11]), torch.Size([2, 3, 3, 10, 7])])
    """

    def __init__(self, J: int = 1, wave: Any = "db1", mode: str = "zero") -> None:
        super().__init__(J, wave, mode, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Transform images `(N, C, H, W)`."""
        _check_shape(x, "x", "(N, C, H, W)")
        yh = []
        with without_autocast(x.device):  # which would give the stacked bands a dtype of its own
            for _ in range(self.J):
                x, details = dwt2(x, self.banks, self.mode, stack=None)
                yh.append(torch.stack(details, 2))
        return x.contiguous(), yh


class DWTInverse(_WaveletModule):
    """Inverse of `DWTForward`; odd sizes come back one larger.

    Args:
        wave: As for `DWTForward`; tuples hold synthesis taps, `(g0, g1)` or `(g0_col, g1_col, g0_row, g1_row)`.
        mode: Boundary mode of the analysis.

    Shape:
        The pair `(yl, yh)` of `DWTForward` to `(N, C, H, W)`. `None` in `yh`, or for `yl`, stands for zeros.

    Raises:
        ValueError: If a name is unknown, taps or bands do not fit together, or all bands are missing.

    Example:
        >>> x = torch.rand(2, 3, 32, 20)
        >>> coeffs = DWTForward(J=2, wave="db2", mode="symmetric")(x)
        >>> torch.allclose(DWTInverse(wave="db2", mode="symmetric")(coeffs), x, atol=1e-5)
        True
    """

    def __init__(self, wave: Any = "db1", mode: str = "zero") -> None:
        super().__init__(wave, mode, 2, is_inverse=True)

    def forward(self, coeffs: Coefficients) -> Tensor:
        """Reconstruct images."""
        yl, yh = coeffs
        for high in reversed(list(yh)):
            if high is None:
                yl = yl if yl is None else idwt2((yl, None), self.banks, self.mode)
                continue
            _check_shape(high, "every entry of yh", "(N, C, 3, h, w)")
            if high.shape[2] != 3:
                raise ValueError(f"every entry of yh must be (N, C, 3, h, w), got {tuple(high.shape)}")
            lh, hl, hh = high.unbind(2)
            if yl is not None:
                yl = _without_surplus(yl, lh, (-2, -1))
            yl = idwt2((yl, (lh, hl, hh)), self.banks, self.mode)
        return _found(yl, "(N, C, H, W)").contiguous()


class DWT1DForward(_Forward):
    """Wavelet transform of signals over `J` levels.

    Args:
        J: Number of levels; 0 gives the signals back.
        wave: PyWavelets name, `pywt.Wavelet` or `subband.Wavelet`, or the analysis taps `(h0, h1)`, two lists or arrays
            of one even length.
        mode: Boundary mode, one of `subband.transforms.MODES`, or `per`.

    Shape:
        `(N, C, L)`, floating or complex, to the pair `yl`, `(N, C, n)`, and `yh`, a list of `(N, C, n_j)` per level,
        the finest first.

    Raises:
        ValueError: If `J` is negative, a name is unknown or taps do not fit together.

    Example:
        >>> yl, yh = DWT1DForward(J=2, wave="db2")(torch.rand(2, 3, 32))
        >>> yl.shape, [high.shape for high in yh]
        (torch.Size([2, 3, 10]), [torch.Size([2, 3, 17]), torch.Size([2, 3, 10])])
    """

    def __init__(self, J: int = 1, wave: Any = "db1", mode: str = "zero") -> None:
        super().__init__(J, wave, mode, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Transform signals `(N, C, L)`."""
        _check_shape(x, "x", "(N, C, L)")
        yh = []
        for _ in range(self.J):
            x, high = dwt(x, self.banks[0], self.mode)
            yh.append(high.contiguous())
        return x.contiguous(), yh


class DWT1DInverse(_WaveletModule):
    """Inverse of `DWT1DForward`; odd lengths come back one larger.

    Args:
        wave: As for `DWT1DForward`; a tuple holds the synthesis taps `(g0, g1)`.
        mode: Boundary mode of the analysis.

    Shape:
        The pair `(yl, yh)` of `DWT1DForward` to `(N, C, L)`. `None` in `yh`, or for `yl`, stands for zeros.

    Raises:
        ValueError: If a name is unknown, taps or bands do not fit together, or all bands are missing.

    Example:
        >>> x = torch.rand(2, 3, 32)
        >>> coeffs = DWT1DForward(J=2, wave="db2")(x)
        >>> torch.allclose(DWT1DInverse(wave="db2")(coeffs), x, atol=1e-5)
        True
    """

    def __init__(self, wave: Any = "db1", mode: str = "zero") -> None:
        super().__init__(wave, mode, 1, is_inverse=True)

    def forward(self, coeffs: Coefficients) -> Tensor:
        """Reconstruct signals."""
        yl, yh = coeffs
        for high in reversed(list(yh)):
            if yl is None and high is None:
                continue
            if yl is not None and high is not None:
                yl = _without_surplus(yl, high, (-1,))
            yl = idwt(yl, high, self.banks[0], self.mode)
        return _found(yl, "(N, C, L)").contiguous()


def _banks(wave: Any, num_axes: int, is_inverse: bool) -> tuple[FilterBank, ...]:
    """Filter banks, the one along the width first."""
    if isinstance(wave, str) or hasattr(wave, "filter_bank"):
        return filter_banks(wave, num_axes)
    if not isinstance(wave, tuple | list) or len(wave) not in {2, 2 * num_axes}:
        allowed = "two lists of taps" if num_axes == 1 else "two or four lists of taps"
        raise ValueError(f"wave must be the name of a wavelet, a Wavelet or {allowed}, got {wave!r:.60}")
    taps = [numbers(one) for one in wave]
    pairs = [_pair(low, high, is_inverse) for low, high in zip(taps[::2], taps[1::2], strict=True)]
    return tuple(pairs * num_axes)[:num_axes]


def _pair(low: tuple[float, ...], high: tuple[float, ...], is_inverse: bool) -> FilterBank:
    """A bank of which one direction is known; the other, which is not used, is its adjoint."""
    if len(low) != len(high) or len(low) % 2 or not low:
        raise ValueError(f"filters in wave must have one even number of taps, got {len(low)} and {len(high)}")
    if is_inverse:
        return FilterBank(low[::-1], high[::-1], low, high)
    return FilterBank(low, high, low[::-1], high[::-1])


def _check_shape(x: Any, name: str, shape: str) -> None:
    check_dtype(x, name)
    if x.ndim != shape.count(",") + 1:
        raise ValueError(f"{name} must be {shape}, got {tuple(x.shape)}")


def _without_surplus(low: Tensor, high: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The low band without the last sample that an odd size of the finer level left."""
    for axis in axes:
        if low.shape[axis] == high.shape[axis] + 1:
            low = low.narrow(axis, 0, high.shape[axis])
    return low


def _found(low: Tensor | None, shape: str) -> Tensor:
    if low is None:
        raise ValueError("coeffs must hold at least one band, got None for all")
    _check_shape(low, "yl", shape)
    return low
