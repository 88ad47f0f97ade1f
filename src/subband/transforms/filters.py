"""Wavelet filter banks as plain Python numbers.

Taps stay Python floats until a transform turns them into a tensor of its input's dtype and device, so float64 input is
filtered with float64 taps and nothing has to be moved or registered. Taps that shall be learned are tensors.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from functools import lru_cache
from numbers import Real
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from subband.transforms._compiling import constant_result

__all__ = ["HAAR", "FilterBank", "Wavelet", "WaveletLike", "filter_banks"]

_S = math.sqrt(0.5)
_FILTERS = ("dec_lo", "dec_hi", "rec_lo", "rec_hi")


class FilterBank(NamedTuple):
    """The four filters of a two-channel bank, all of the same even length L.

    Attributes:
        dec_lo: Low-pass analysis taps, numbers or a 1-D tensor.
        dec_hi: High-pass analysis taps.
        rec_lo: Low-pass synthesis taps.
        rec_hi: High-pass synthesis taps.
    """

    dec_lo: Any
    dec_hi: Any
    rec_lo: Any
    rec_hi: Any

    @property
    def is_learnable(self) -> bool:
        """Whether the taps are tensors."""
        return any(isinstance(taps, Tensor) for taps in self)

    @property
    def is_haar(self) -> bool:
        """Whether these are the taps of the Haar wavelet."""
        # A compiler for any size takes numbers that it looks at for variables, so it shall look at few.
        return self is HAAR or (len(self.dec_lo) == 2 and self == HAAR)

    @property
    def num_taps(self) -> int:
        """Filter length L."""
        return len(self.dec_lo)

    def __repr__(self) -> str:
        return f"FilterBank({self.num_taps} taps)"

    def time_reversed(self) -> FilterBank:
        """The bank whose synthesis is the transposed analysis of this one, and the other way round."""
        lo, hi, rec_lo, rec_hi = (taps[::-1] for taps in self)
        return FilterBank(rec_lo, rec_hi, lo, hi)


class Wavelet:
    """A named filter bank, found by its PyWavelets name or made of four lists of taps.

    Args:
        name: PyWavelets name in lower or upper case, or any name when `filter_bank` is given.
        filter_bank: `(dec_lo, dec_hi, rec_lo, rec_hi)`, lists or arrays of numbers, or an object that has these as its
            `filter_bank`; all of the same length. As in PyWavelets, an odd length gets a zero at the end.

    Attributes:
        name: As given.
        filter_bank: The four filters.

    Raises:
        ValueError: If the name is not one of the discrete wavelets of PyWavelets, or the taps do not fit together.

    Example:
        >>> wavelet = Wavelet("db2")
        >>> wavelet.dec_len, round(sum(wavelet.dec_lo), 6)
        (4, 1.414214)
        >>> Wavelet("mine", filter_bank=([0.5, 0.5], [-0.5, 0.5], [1, 1], [1, -1])).rec_hi
        (1.0, -1.0)
    """

    def __init__(self, name: str = "", filter_bank: Any = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name must be a name, got {type(name).__name__}; taps are given as filter_bank=")
        self.name = name
        self.filter_bank = _resolve_one(name if filter_bank is None else filter_bank)

    @property
    def dec_lo(self) -> tuple[float, ...]:
        """Low-pass analysis taps."""
        return self.filter_bank.dec_lo

    @property
    def dec_hi(self) -> tuple[float, ...]:
        """High-pass analysis taps."""
        return self.filter_bank.dec_hi

    @property
    def rec_lo(self) -> tuple[float, ...]:
        """Low-pass synthesis taps."""
        return self.filter_bank.rec_lo

    @property
    def rec_hi(self) -> tuple[float, ...]:
        """High-pass synthesis taps."""
        return self.filter_bank.rec_hi

    @property
    def dec_len(self) -> int:
        """Number of analysis taps."""
        return self.filter_bank.num_taps

    @property
    def rec_len(self) -> int:
        """Number of synthesis taps."""
        return self.filter_bank.num_taps

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wavelet) and (self.name, self.filter_bank) == (other.name, other.filter_bank)

    def __hash__(self) -> int:
        return hash((self.name, self.filter_bank))

    def __repr__(self) -> str:
        return f"Wavelet({self.name!r})"


# A name, a Wavelet, a pywt.Wavelet, four lists or tensors of taps, or a sequence of these with one per axis. PyWavelets
# is not imported for the sake of a type, hence Any.
WaveletLike: TypeAlias = str | Wavelet | Sequence[Any] | Any

HAAR = FilterBank((_S, _S), (-_S, _S), (_S, _S), (_S, -_S))
_HAAR_NAMES = ("haar", "db1", "bior1.1", "rbio1.1")


def filter_banks(wavelet: WaveletLike, num_axes: int) -> tuple[FilterBank, ...]:
    """Filter banks, one per axis.

    Haar needs no lookup; all other names are read from PyWavelets, which is imported on first use.

    Args:
        wavelet: A PyWavelets name in lower or upper case, a `Wavelet`, a `pywt.Wavelet`, four lists, arrays or 1-D
            tensors of taps `(dec_lo, dec_hi, rec_lo, rec_hi)`, or a sequence of these with one per axis.
        num_axes: Number of transformed axes.

    Raises:
        ValueError: If a name is not one of the discrete wavelets of PyWavelets, taps do not fit together, or a sequence
            does not have `num_axes` entries.
        TypeError: If `wavelet` is nothing of the above.

    Example:
        >>> [bank.num_taps for bank in filter_banks(("haar", "db2"), 2)]
        [2, 4]
    """
    if _is_one(wavelet):
        return (_resolve_one(wavelet),) * num_axes
    wavelets = _rows(wavelet)
    if len(wavelets) != num_axes:
        raise ValueError(f"wavelet must be one wavelet or one per axis ({num_axes}), got {len(wavelets)}")
    return tuple(map(_resolve_one, wavelets))


def _is_one(wavelet: WaveletLike) -> bool:
    """Whether this is a single wavelet rather than one per axis."""
    if isinstance(wavelet, str | FilterBank) or hasattr(wavelet, "filter_bank"):
        return True
    rows = _rows(wavelet)
    return len(rows) == 4 and all(map(_is_taps, rows))


def _rows(wavelet: Any) -> Sequence[Any]:
    """The entries of a sequence, or the rows of an array or a tensor."""
    if isinstance(wavelet, Sequence) and not isinstance(wavelet, str):
        return wavelet
    rows: Any = wavelet
    if getattr(rows, "ndim", 0):
        return list(rows)
    raise TypeError(f"wavelet must be a name, a Wavelet or four lists of taps, got {type(wavelet).__name__}")


def _is_taps(value: Any) -> bool:
    """Whether this is a list, an array or a tensor of numbers."""
    if isinstance(value, Tensor):
        return True
    if hasattr(value, "tolist"):
        value = value.tolist()
    return (
        isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(t, Real | Tensor) for t in value)
    )


def _resolve_one(wavelet: WaveletLike) -> FilterBank:
    if isinstance(wavelet, str):
        name = wavelet.lower()
        return HAAR if name in _HAAR_NAMES else FilterBank(*_lookup(name))
    if isinstance(wavelet, FilterBank) and all(isinstance(taps, tuple | Tensor) for taps in wavelet):
        return wavelet
    return _bank_of_taps(_rows(getattr(wavelet, "filter_bank", wavelet)))


def _bank_of_taps(filters: Sequence[Any]) -> FilterBank:
    if len(filters) != 4 or not all(map(_is_taps, filters)):
        raise ValueError("a filter bank must be four lists of taps: dec_lo, dec_hi, rec_lo, rec_hi")
    filters = [_joined(taps) for taps in filters]
    learnable = any(isinstance(taps, Tensor) for taps in filters)
    for name, taps in zip(_FILTERS, filters, strict=True):
        if learnable and not (isinstance(taps, Tensor) and taps.ndim == 1):
            raise ValueError(f"{name} must be a 1-D tensor, as the other filters are tensors")
        if len(taps) == 0:
            raise ValueError(f"{name} must have at least one tap, got none")
    lengths = [len(taps) for taps in filters]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"the four filters must have the same number of taps, got {lengths}; fill them up with zeros "
            "such that their delays fit, as in bior4.4"
        )
    missing = lengths[0] % 2
    if learnable:
        return FilterBank(*(functional.pad(taps, (0, missing)) for taps in filters))
    return FilterBank(*((*map(float, taps), *(0.0,) * missing) for taps in filters))


def _joined(taps: Any) -> Any:
    """A list of numbers that are tensors as one tensor, which keeps their gradients."""
    is_list = not isinstance(taps, Tensor) and any(isinstance(tap, Tensor) for tap in taps)
    return torch.stack([torch.as_tensor(tap) for tap in taps]) if is_list else taps


# The name decides the result, so the taps become constants of a compiled graph. They are plain tuples there, since the
# compiler loses the properties of a named tuple that it did not see being made.
@constant_result
def _lookup(wavelet: str) -> tuple[tuple[float, ...], ...]:
    return _published_taps(wavelet)


@lru_cache(maxsize=256)  # PyWavelets has half as many
def _published_taps(wavelet: str) -> tuple[tuple[float, ...], ...]:
    import pywt

    names = pywt.wavelist(kind="discrete")
    if wavelet not in names:
        closest = difflib.get_close_matches(str(wavelet), names, n=3, cutoff=0.3)
        hint = f"closest are {', '.join(closest)}" if closest else "see pywt.wavelist(kind='discrete')"
        raise ValueError(f"wavelet {wavelet!r} is not a discrete wavelet; {hint}")
    return tuple(tuple(taps) for taps in pywt.Wavelet(wavelet).filter_bank)
