"""Levels that a function chooses by itself: at least one, also for pictures thinner than the filter is long."""

from __future__ import annotations

from torch import Tensor

from subband.transforms import Coeffs, Details, WaveletLike, dwt2, dwt_max_level
from subband.transforms.filters import filter_banks

__all__ = ["default_level", "levels_of"]


def default_level(x: Tensor, wavelet: WaveletLike) -> int:
    """Levels that make sense for images, at least one.

    Args:
        x: Images, `(..., H, W)`.
        wavelet: Wavelet, or one per axis.
    """
    lengths = zip(x.shape[-2:], filter_banks(wavelet, 2), strict=True)
    return max(1, min(dwt_max_level(length, bank.num_taps) for length, bank in lengths))


def levels_of(x: Tensor, wavelet: WaveletLike, mode: str, level: int) -> Coeffs:
    """`wavedec2` without its warning about many levels, for a number of levels that no user has chosen.

    Args:
        x: Images, `(..., H, W)`.
        wavelet: Wavelet, or one per axis.
        mode: Boundary mode.
        level: Levels.
    """
    banks, details, sizes = filter_banks(wavelet, 2), [], []
    for _ in range(level):
        sizes.append((x.shape[-2], x.shape[-1]))
        x, (da, ad, dd) = dwt2(x, banks, mode, stack=None)
        details.append(Details({"ad": ad, "da": da, "dd": dd}))
    name = wavelet if isinstance(wavelet, str) else None
    return Coeffs(x, tuple(details[::-1]), name, mode, (-2, -1), tuple(sizes[::-1]))
