"""Wavelet filter banks as plain Python numbers.

Taps stay Python floats until a transform turns them into a tensor of its input's dtype and device, so float64 input is
filtered with float64 taps and nothing has to be moved or registered.
"""

import difflib
import math
from functools import cache
from typing import NamedTuple

import torch

__all__ = ["HAAR", "FilterBank", "filter_bank", "filter_banks"]

_S = math.sqrt(0.5)


class FilterBank(NamedTuple):
    """The four filters of a two-channel bank, all of the same even length L.

    Attributes:
        dec_lo: Low-pass analysis taps.
        dec_hi: High-pass analysis taps.
        rec_lo: Low-pass synthesis taps.
        rec_hi: High-pass synthesis taps.
    """

    dec_lo: tuple[float, ...]
    dec_hi: tuple[float, ...]
    rec_lo: tuple[float, ...]
    rec_hi: tuple[float, ...]


HAAR = FilterBank((_S, _S), (-_S, _S), (_S, _S), (_S, -_S))
_HAAR_NAMES = ("haar", "db1", "bior1.1", "rbio1.1")


def filter_bank(wavelet: str) -> FilterBank:
    """Filter bank of a discrete wavelet, with the taps of PyWavelets.

    Haar needs no lookup; all other names are read from PyWavelets, which is imported on first use.

    Args:
        wavelet: PyWavelets name, such as `haar`, `db4`, `sym8`, `bior4.4`.

    Raises:
        ValueError: If `wavelet` is not one of the discrete wavelets of PyWavelets.

    Example:
        >>> bank = filter_bank("db2")
        >>> len(bank.dec_lo), round(sum(bank.dec_lo), 6)
        (4, 1.414214)
    """
    return filter_banks((wavelet,))[0]


def filter_banks(wavelets: tuple[str, ...]) -> tuple[FilterBank, ...]:
    """Filter banks of several wavelets, one per axis; see `filter_bank`.

    Args:
        wavelets: PyWavelets names.

    Raises:
        ValueError: If a name is not one of the discrete wavelets of PyWavelets.

    Example:
        >>> [len(bank.dec_lo) for bank in filter_banks(("haar", "db2"))]
        [2, 4]
    """
    if all(wavelet in _HAAR_NAMES for wavelet in wavelets):
        return (HAAR,) * len(wavelets)
    return _lookup_all(wavelets)


# The compiler does not trace this call; names decide the result, so the taps become constants of the graph.
@torch.compiler.assume_constant_result
def _lookup_all(wavelets: tuple[str, ...]) -> tuple[FilterBank, ...]:
    return tuple(HAAR if wavelet in _HAAR_NAMES else _lookup(wavelet) for wavelet in wavelets)


@cache
def _lookup(wavelet: str) -> FilterBank:
    import pywt

    names = pywt.wavelist(kind="discrete")
    if wavelet not in names:
        closest = difflib.get_close_matches(str(wavelet), names, n=3, cutoff=0.3)
        hint = f"closest are {', '.join(closest)}" if closest else "see pywt.wavelist(kind='discrete')"
        raise ValueError(f"wavelet {wavelet!r} is not a discrete wavelet; {hint}")
    return FilterBank(*(tuple(taps) for taps in pywt.Wavelet(wavelet).filter_bank))
