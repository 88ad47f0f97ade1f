"""The dual-tree complex wavelet transform of pytorch_wavelets."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from subband.compat._filters import FilterModule, numbers
from subband.transforms.arguments import check_real, common_dtype, integer, without_autocast
from subband.transforms.dtcwt_filters import FirstLevel, LaterLevels, first_level, later_levels
from subband.transforms.dtcwt_levels import even_sided, merge_level, split_level

__all__ = ["DTCWTForward", "DTCWTInverse"]

Taps = tuple[float, ...]

# Names that pytorch_wavelets takes, and then fills the borders with zeros.
_ZERO_NAMES = ("zero", "per", "periodization", "constant", "reflect", "replicate", "periodic")
_TOLERANCE = 1e-6  # between the taps of a symmetric filter, of trees that mirror each other


class _DualTree(FilterModule):
    """Filters, and where the six directions and the real and imaginary parts are."""

    def __init__(self, biort: Any, qshift: Any, o_dim: int, ri_dim: int, mode: str, *, is_inverse: bool) -> None:
        super().__init__()
        self.biort, self.qshift, self.o_dim, self.ri_dim, self.mode = biort, qshift, o_dim, ri_dim, mode
        _places(o_dim, ri_dim)
        self.border = _border(mode)
        low, high = _first_filters(biort, is_inverse)
        trees = _later_filters(qshift, is_inverse)
        letter = "g" if is_inverse else "h"
        names = [f"{letter}{part}" for part in ("0o", "1o", "0a", "0b", "1a", "1b")]
        filters = {name: taps[::-1] for name, taps in zip(names, (low, high, *trees), strict=True)}
        self.keep_filters((1, 1, -1, 1), filters)
        width = max(len(low), len(high))
        low, high = _widened(low, width), _widened(high, width)
        self.first = FirstLevel(low, high, low, high)
        width = len(trees[0]) + 2 * (len(trees[0]) % 4 == 0)  # half of it must be odd
        low_a, low_b, high_a, high_b = (_widened(taps, width) for taps in trees)
        bank = LaterLevels(low_a, low_b, high_a, high_b)
        self.later = LaterLevels(low_b, low_a, high_b, high_a) if is_inverse else bank  # those of the analysis

    def extra_repr(self) -> str:
        return (
            f"biort={self.biort!r}, qshift={self.qshift!r}, o_dim={self.o_dim}, ri_dim={self.ri_dim}, "
            f"mode={self.mode!r}"
        )


class DTCWTForward(_DualTree):
    """Dual-tree complex wavelet transform of images over `J` levels.

    Args:
        biort: Filters of level 1: `antonini`, `legall`, `near_sym_a` or `near_sym_b`, or a pair of low-pass and
            high-pass taps, symmetric and of odd lengths.
        qshift: Filters of the later levels: `qshift_06`, `qshift_a`, `qshift_b`, `qshift_c` or `qshift_d`, or four
            lists of taps of one even length: low-pass of tree a and of tree b, high-pass of tree a and of tree b, where
            tree b is tree a in reversed time.
        J: Number of levels; 0 gives the pair of the images and `None`.
        skip_hps: Whether to leave out the bands, for all levels or for each one, the finest first.
        include_scale: Whether to return the low-pass images, of all levels or of each one, the finest first.
        o_dim: Axis of the six directions in `yh`, whose tensors have six axes.
        ri_dim: Axis of real and imaginary part in `yh`.
        mode: How level 1 goes on beyond the borders, `symmetric` or `zero`; later levels are always symmetric. The
            other names that pytorch_wavelets takes mean `zero` there and here, with a warning.

    Shape:
        `(N, C, H, W)`, real, to the pair `yl`, `(N, C, h, w)`, and `yh`, a list of `(N, C, 6, h_j, w_j, 2)` per level,
        the finest first, if `o_dim` and `ri_dim` do not put it otherwise; the directions are 15, 45, 75, 105, 135 and
        165 degrees. Bands left out are tensors without axes. With `include_scale`, `yl` is a list of the low-pass
        images of all levels, those not asked for without axes.

    Raises:
        ValueError: If a name is unknown, taps do not fit, `J` is negative, there are fewer entries than levels, or
            `o_dim` and `ri_dim` are one axis or not among the six.

    Example:
        >>> yl, yh = DTCWTForward(J=2)(torch.rand(2, 3, 32, 20))
        >>> yl.shape, [high.shape for high in yh]
        (torch.Size([2, 3, 16, 10]), [torch.Size([2, 3, 6, 16, 10, 2]), torch.Size([2, 3, 6, 8, 5, 2])])
    """

    def __init__(
        self,
        biort: Any = "near_sym_a",
        qshift: Any = "qshift_a",
        J: int = 3,
        skip_hps: bool | Sequence[bool] = False,
        include_scale: bool | Sequence[bool] = False,
        o_dim: int = 2,
        ri_dim: int = -1,
        mode: str = "symmetric",
    ) -> None:
        super().__init__(biort, qshift, o_dim, ri_dim, mode, is_inverse=False)
        self.J = integer(J, "J")
        if self.J < 0:
            raise ValueError(f"J must not be negative, got {J}")
        self.skip_hps = _per_level(skip_hps, self.J, "skip_hps")
        self.include_scale = _per_level(include_scale, self.J, "include_scale")

    def extra_repr(self) -> str:
        """Options that a printed model shows."""
        return f"J={self.J}, {super().extra_repr()}"

    def forward(self, x: Tensor) -> tuple[Any, list[Tensor] | None]:
        """Transform images `(N, C, H, W)`."""
        check_real(x, "x")
        if x.ndim != 4 or 0 in x.shape[2:]:
            raise ValueError(f"x must be (N, C, H, W) with at least one pixel, got {tuple(x.shape)}")
        if self.J == 0:
            return x, None
        dtype, nothing = x.dtype, x.new_zeros([])
        low = even_sided(x.to(torch.promote_types(dtype, torch.float32)))
        scales, highs = [nothing] * self.J, [nothing] * self.J
        with without_autocast(x.device):
            for level, (is_skipped, is_kept) in enumerate(zip(self.skip_hps, self.include_scale, strict=True)):
                low, high = split_level(
                    low, level + 1, self.first, self.later, mode=self.border, with_high=not is_skipped
                )
                if high is not None:
                    highs[level] = self._in_place(torch.view_as_real(high)).to(dtype)
                if is_kept:
                    scales[level] = low.to(dtype).contiguous()
        return (scales if any(self.include_scale) else low.to(dtype).contiguous()), highs

    def _in_place(self, high: Tensor) -> Tensor:
        """Bands `(N, C, 6, h, w, 2)` with their axes where they shall be."""
        return high.movedim((2, 5), _places(self.o_dim, self.ri_dim)).contiguous()


class DTCWTInverse(_DualTree):
    """Inverse of `DTCWTForward`; odd sizes come back one larger.

    Args:
        biort: As for `DTCWTForward`; a pair holds synthesis taps.
        qshift: As for `DTCWTForward`; four lists hold synthesis taps.
        o_dim: Axis of the six directions in `yh`.
        ri_dim: Axis of real and imaginary part in `yh`.
        mode: How level 1 goes on beyond the borders; as in pytorch_wavelets always `symmetric` where the bands of
            level 1 are missing.

    Shape:
        The pair of the last low-pass image `yl` and the list `yh` of `DTCWTForward` to `(N, C, H, W)`. `None` or a
        tensor without values stands for zeros.

    Raises:
        ValueError: If a name is unknown, taps or bands do not fit, `o_dim` and `ri_dim` are one axis or not among the
            six, or all bands are missing.

    Example:
        >>> x = torch.rand(2, 3, 32, 20)
        >>> torch.allclose(DTCWTInverse()(DTCWTForward()(x)), x, atol=1e-5)
        True
    """

    def __init__(
        self,
        biort: Any = "near_sym_a",
        qshift: Any = "qshift_a",
        o_dim: int = 2,
        ri_dim: int = -1,
        mode: str = "symmetric",
    ) -> None:
        super().__init__(biort, qshift, o_dim, ri_dim, mode, is_inverse=True)

    def forward(self, coeffs: tuple[Tensor | None, Sequence[Tensor | None] | None]) -> Tensor:
        """Reconstruct images."""
        low, highs = _given(coeffs[0]), [_given(high) for high in coeffs[1] or ()]
        present = [band for band in (low, *highs) if band is not None]
        if not present:
            raise ValueError("coeffs must hold at least one band, got none")
        for band in present:
            check_real(band, "every band in coeffs")
        dtype = common_dtype(present)
        precise = torch.promote_types(dtype, torch.float32)
        low = None if low is None else self._checked(low.to(precise))
        with without_autocast(present[0].device):
            for number in range(len(highs), 0, -1):
                high = highs[number - 1]
                bands = None if high is None else self._complex(high.to(precise), number)
                low = self._merged(low, bands, number, is_coarsest=number == len(highs))
        assert low is not None
        return low.to(dtype).contiguous()

    def _merged(self, low: Tensor | None, high: Tensor | None, number: int, is_coarsest: bool) -> Tensor | None:
        if low is None:
            if high is None:
                return None
            sides = [2 * side for side in high.shape[-2:]]
            low = high.real.new_zeros((*high.shape[:2], *sides))
        border = "symmetric" if high is None else self.border
        return merge_level(low, high, number, self.first, self.later, mode=border, is_coarsest=is_coarsest)

    def _complex(self, high: Tensor, number: int) -> Tensor:
        """Complex bands `(N, C, 6, h, w)`."""
        places = _places(self.o_dim, self.ri_dim)
        if high.ndim != 6 or tuple(high.shape[place] for place in places) != (6, 2):
            rule = f"six axes, 6 directions along axis {places[0]}, and real and imaginary part along axis {places[1]}"
            raise ValueError(f"yh of level {number} must have {rule}, got {tuple(high.shape)}")
        return torch.view_as_complex(high.movedim(places, (2, 5)).contiguous())

    @staticmethod
    def _checked(low: Tensor) -> Tensor:
        if low.ndim != 4:
            raise ValueError(f"yl must be the low-pass image (N, C, h, w) of the last level, got {tuple(low.shape)}")
        return low


def _places(o_dim: int, ri_dim: int) -> tuple[int, int]:
    """Both axes counted from the front of a tensor of six axes."""
    places = integer(o_dim, "o_dim"), integer(ri_dim, "ri_dim")
    if any(not -6 <= place < 6 for place in places) or places[0] % 6 == places[1] % 6:
        raise ValueError(f"o_dim and ri_dim must be two different axes of six, got {o_dim} and {ri_dim}")
    return places[0] % 6, places[1] % 6


def _border(mode: str) -> str:
    """Boundary mode of level 1."""
    if mode == "symmetric":
        return mode
    if mode not in _ZERO_NAMES:
        raise ValueError(f"mode must be one of symmetric, {', '.join(_ZERO_NAMES)}, got {mode!r:.60}")
    if mode != "zero":
        warnings.warn(f"mode {mode!r} fills borders with zeros at level 1, as in pytorch_wavelets", stacklevel=4)
    return "zero"


def _first_filters(biort: Any, is_inverse: bool) -> tuple[Taps, Taps]:
    """Low-pass and high-pass taps of level 1."""
    if isinstance(biort, str):
        bank = first_level(biort)
        pair = (bank.rec_lo, bank.rec_hi) if is_inverse else (bank.dec_lo, bank.dec_hi)
        return _without_zeros(pair[0]), _without_zeros(pair[1])
    if not isinstance(biort, tuple | list) or len(biort) != 2:
        raise ValueError(f"biort must be a name or two lists of taps, got {biort!r:.60}")
    low, high = numbers(biort[0]), numbers(biort[1])
    if any(len(taps) % 2 == 0 or not _are_close(taps, taps[::-1]) for taps in (low, high)):
        raise ValueError("filters in biort must be symmetric and have an odd number of taps")
    return low, high


def _later_filters(qshift: Any, is_inverse: bool) -> tuple[Taps, Taps, Taps, Taps]:
    """Taps of the later levels: low-pass of both trees, high-pass of both trees."""
    if isinstance(qshift, str):
        bank: Any = [_without_zeros(taps) for taps in later_levels(qshift)]
        low_a, low_b, high_a, high_b = bank
        return (low_b, low_a, high_b, high_a) if is_inverse else (low_a, low_b, high_a, high_b)
    if not isinstance(qshift, tuple | list) or len(qshift) != 4:
        raise ValueError(f"qshift must be a name or four lists of taps, got {qshift!r:.60}")
    low_a, low_b, high_a, high_b = map(numbers, qshift)
    are_mirrored = _are_close(low_a, low_b[::-1]) and _are_close(high_a, high_b[::-1])
    if not are_mirrored or len(low_a) != len(high_a) or len(low_a) % 2 or not low_a:
        raise ValueError("filters in qshift must have one even number of taps, and tree b be tree a in reversed time")
    return low_a, low_b, high_a, high_b


def _are_close(taps: Taps, others: Taps) -> bool:
    return len(taps) == len(others) and all(abs(a - b) <= _TOLERANCE for a, b in zip(taps, others, strict=True))


def _without_zeros(taps: Taps) -> Taps:
    """A filter without the zeros that it has on both ends."""
    while len(taps) > 2 and taps[0] == taps[-1] == 0.0:
        taps = taps[1:-1]
    return taps


def _widened(taps: Taps, width: int) -> Taps:
    zeros = (0.0,) * ((width - len(taps)) // 2)
    return (*zeros, *taps, *zeros)


def _per_level(flags: Any, num_levels: int, name: str) -> list[bool]:
    """One flag per level."""
    if isinstance(flags, bool) or not hasattr(flags, "__len__"):
        return [bool(flags)] * num_levels
    if len(flags) < num_levels:
        raise ValueError(f"{name} must have an entry for each of the {num_levels} levels, got {len(flags)}")
    return [bool(flag) for flag in flags][:num_levels]


def _given(band: Tensor | None) -> Tensor | None:
    """A band, or `None` for one that is left out; a band of a batch without items has all its axes."""
    return None if band is None or band.ndim < 2 else band
