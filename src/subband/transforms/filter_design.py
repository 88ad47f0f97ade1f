"""Filters made from filters: the mirror filter of a low-pass filter, and the orthogonal bank it stands for.

Taps may be tensors, through which gradients flow; the bank is then a wavelet with learned taps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from subband.transforms.filters import FilterBank

__all__ = ["orthogonal_filter_bank", "qmf"]


def qmf(filt: Sequence[float] | Tensor) -> Any:
    """Quadrature mirror filter: the taps in reverse, every second one with the other sign.

    Args:
        filt: Numbers, or a 1-D tensor.

    Returns:
        As many taps, of the same kind.

    Example:
        >>> qmf([1.0, 2.0, 3.0, 4.0])
        (4.0, -3.0, 2.0, -1.0)
    """
    if isinstance(filt, Tensor):
        signs = filt.new_ones(len(filt))
        signs[1::2] = -1
        return filt.flip(0) * signs
    return tuple((-1) ** i * float(tap) for i, tap in enumerate(reversed(filt)))


def orthogonal_filter_bank(scaling_filter: Sequence[float] | Tensor) -> FilterBank:
    """The orthogonal filter bank of a scaling filter, which is a wavelet for every transform of this package.

    Args:
        scaling_filter: Numbers, or a 1-D tensor that may require a gradient; an even number of taps, any scale.

    Returns:
        `(dec_lo, dec_hi, rec_lo, rec_hi)`. It reconstructs if the even shifts of the scaling filter are orthogonal.

    Raises:
        ValueError: If the number of taps is odd.

    Example:
        >>> bank = orthogonal_filter_bank([1.0, 1.0])
        >>> [round(tap, 4) for tap in bank.dec_hi]
        [-0.7071, 0.7071]
    """
    if len(scaling_filter) % 2 or not len(scaling_filter):
        raise ValueError(f"scaling_filter must have an even number of taps, got {len(scaling_filter)}")
    if isinstance(scaling_filter, Tensor):
        low = scaling_filter * (math.sqrt(2) / scaling_filter.sum())
        high = qmf(low)
        return FilterBank(low.flip(0), high.flip(0), low, high)
    taps = [float(tap) for tap in scaling_filter]
    factor = math.sqrt(2) / math.fsum(taps)
    scaled = tuple(factor * tap for tap in taps)
    mirrored = qmf(scaled)
    return FilterBank(scaled[::-1], mirrored[::-1], scaled, mirrored)
