"""Filters of the dual-tree complex wavelet transform.

Level 1 uses odd, symmetric biorthogonal filters in both trees, later levels the orthogonal quarter-shift ("Q-shift")
filters of Kingsbury. The numbers below are published facts; everything that follows from them is derived:

* the second half of a symmetric filter;
* its high-pass partners: the other low-pass filter with every second sign turned;
* tree b of a Q-shift filter: tree a in reversed time;
* the synthesis filters of a Q-shift pair: the analysis filters in reversed time.

Sources: Kingsbury, Image processing with complex wavelets, Phil. Trans. R. Soc. A 357, 1999 (`near_sym_a`,
`near_sym_b`) and Complex wavelets for shift invariant analysis and filtering of signals, ACHA 10, 2001 (Q-shift);
Kingsbury, Design of Q-shift complex wavelets for image processing using frequency domain energy minimization, ICIP 2003
(`qshift_c`, `qshift_d`); Antonini et al., Image coding using wavelet transform, IEEE TIP 1, 1992 (`antonini`, the 9/7
filters of JPEG 2000); Le Gall and Tabatabai, Sub-band coding of digital images using symmetric short kernel filters,
ICASSP 1988 (`legall`, the 5/3 filters).
"""

from typing import NamedTuple

__all__ = ["FIRST_LEVEL", "LATER_LEVELS", "FirstLevel", "LaterLevels", "first_level", "later_levels"]

Taps = tuple[float, ...]

# From the middle outwards: low-pass analysis taps, low-pass synthesis taps, both with sum 1.
FIRST_LEVEL: dict[str, tuple[Taps, Taps]] = {
    "antonini": (
        (0.6029490182363593, 0.2668641184428749, -0.07822326652898946, -0.0168641184428750, 0.026748757410809876),
        (0.5575435262285023, 0.2956358815571257, -0.02877176311425116, -0.0456358815571256),
    ),
    "legall": ((0.75, 0.25, -0.125), (0.5, 0.25)),
    "near_sym_a": ((0.6, 0.25, -0.05), (170 / 280, 73 / 280, -15 / 280, -3 / 280)),
    "near_sym_b": (
        (0.55546875, 0.296875, -0.0482421875, -0.046875, 0.022265625, 0.0, -0.0017578125),
        (
            0.5594308035714286,
            0.29975760323660716,
            -0.05168805803571428,
            -0.05564313616071428,
            0.023856026785714284,
            0.007156808035714285,
            -0.0018833705357142855,
            -0.0013419015066964285,
            0.0,
            7.062639508928571e-05,
        ),
    ),
}

# Low-pass analysis taps of tree a.
LATER_LEVELS: dict[str, Taps] = {
    "qshift_06": (
        0.03516383657149474,
        0.0,
        -0.08832942445107285,
        0.23389032060723564,
        0.7602723690661257,
        0.5875182977235605,
        0.0,
        -0.11430183714424873,
        0.0,
        0.0,
    ),
    "qshift_a": (
        0.051130405283831656,
        -0.013975370246888838,
        -0.10983605166597087,
        0.26383956105893763,
        0.7666284677930372,
        0.5636557101270515,
        0.0008736226952170968,
        -0.1002312195074762,
        -0.0016896812725281543,
        -0.006181881892116438,
    ),
    "qshift_b": (
        0.003253142763653182,
        -0.00388321199915849,
        0.03466034684485349,
        -0.03887280126882779,
        -0.11720388769911527,
        0.27529538466888204,
        0.7561456438925225,
        0.5688104207121227,
        0.011866092033797,
        -0.1067118046866654,
        0.023825384794920298,
        0.01702522388155399,
        -0.005439475937274115,
        -0.004556895628475491,
    ),
    "qshift_c": (
        -0.0047616119384559135,
        -0.00044602278926228516,
        -7.144197327965012e-05,
        0.034914612306842195,
        -0.03727389579989796,
        -0.11591145742744076,
        0.2763686431330317,
        0.7563937651990367,
        0.567134484100133,
        0.01463740596447335,
        -0.11255888425752203,
        0.02228926326692271,
        0.018498682724156248,
        -0.0072026778782583465,
        -0.0002276522058977718,
        0.002430349945148675,
    ),
    "qshift_d": (
        -0.002284127440270531,
        0.0012098941630734423,
        -0.011834794515430786,
        0.0012834569993443994,
        0.044365221606616996,
        -0.05327610880304726,
        -0.1133058863621428,
        0.2809028632221865,
        0.7528160380878561,
        0.5658080673964587,
        0.024550152433666563,
        -0.12018854471079482,
        0.018156493945546453,
        0.03152637712208465,
        -0.006628794612430063,
        -0.0025761743066007948,
        0.0012775586538069982,
        0.002411869456666278,
    ),
}


class FirstLevel(NamedTuple):
    """Symmetric filters of level 1, analysis and synthesis each of one odd length.

    Attributes:
        dec_lo: Low-pass analysis taps.
        dec_hi: High-pass analysis taps.
        rec_lo: Low-pass synthesis taps.
        rec_hi: High-pass synthesis taps.
    """

    dec_lo: Taps
    dec_hi: Taps
    rec_lo: Taps
    rec_hi: Taps


class LaterLevels(NamedTuple):
    """Q-shift filters of level 2 and all later ones, L taps each with L / 2 odd.

    Attributes:
        low_a: Low-pass analysis taps of tree a.
        low_b: Low-pass analysis taps of tree b.
        high_a: High-pass analysis taps of tree a.
        high_b: High-pass analysis taps of tree b.
    """

    low_a: Taps
    low_b: Taps
    high_a: Taps
    high_b: Taps


def first_level(biort: str) -> FirstLevel:
    """Filters of level 1 by name.

    Args:
        biort: A key of `FIRST_LEVEL`.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> bank = first_level("legall")
        >>> bank.dec_lo, bank.dec_hi
        ((-0.125, 0.25, 0.75, 0.25, -0.125), (0.0, -0.25, 0.5, -0.25, 0.0))
    """
    if biort not in FIRST_LEVEL:
        raise ValueError(f"biort must be one of {', '.join(FIRST_LEVEL)}, got {biort!r}")
    analysis, synthesis = FIRST_LEVEL[biort]
    half = max(len(analysis), len(synthesis))
    return FirstLevel(
        _mirrored(analysis, half),
        _mirrored(_alternated(synthesis), half),
        _mirrored(synthesis, half),
        _mirrored(_alternated(analysis), half),
    )


def later_levels(qshift: str) -> LaterLevels:
    """Filters of level 2 and later by name.

    Args:
        qshift: A key of `LATER_LEVELS`.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> bank = later_levels("qshift_a")
        >>> bank.low_b == bank.low_a[::-1], round(sum(bank.low_a), 6), round(sum(bank.high_a), 6)
        (True, 1.414214, 0.0)
    """
    if qshift not in LATER_LEVELS:
        raise ValueError(f"qshift must be one of {', '.join(LATER_LEVELS)}, got {qshift!r}")
    low = LATER_LEVELS[qshift]
    high = _alternated(low[::-1])
    if len(low) % 4 == 0:  # a zero on both ends makes half the length odd, which spares the inverse a case
        low, high = (0.0, *low, 0.0), (0.0, *high, 0.0)
    return LaterLevels(low, low[::-1], high, high[::-1])


def _alternated(taps: Taps) -> Taps:
    return tuple(-tap if index % 2 else tap for index, tap in enumerate(taps))


def _mirrored(taps: Taps, half: int) -> Taps:
    """A symmetric filter of `2 * half - 1` taps from its right half."""
    right = taps + (0.0,) * (half - len(taps))
    return right[:0:-1] + right
