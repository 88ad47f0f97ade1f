"""The filter steps of the dual-tree transform along one axis: shapes, inverse, adjoint, compiled form."""

import pytest
import torch

from subband.transforms._dtcwt_axis import MergeFirst, MergeTrees, SplitFirst, SplitTrees, interleave
from subband.transforms._linear import LinearMap
from subband.transforms.dtcwt_filters import FIRST_LEVEL, LATER_LEVELS, first_level, later_levels

FIRST = [first_level(name) for name in FIRST_LEVEL]
LATER = [later_levels(name) for name in LATER_LEVELS]
AXES = [-1, -2, -3]


def splits(axis: int) -> list[LinearMap]:
    firsts: list[LinearMap] = [SplitFirst(bank.dec_lo, bank.dec_hi, axis) for bank in FIRST]
    return firsts + [SplitTrees(bank, axis) for bank in LATER]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("length", [4, 8, 36])
def test_inverse(axis: int, length: int, rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 5, length, generator=rng, dtype=torch.float64).transpose(axis, -1)
    merges = [MergeFirst(bank.rec_lo, bank.rec_hi, axis) for bank in FIRST] + [MergeTrees(bank, axis) for bank in LATER]
    for split, merge in zip(splits(axis), merges, strict=True):
        torch.testing.assert_close(merge.eager(*split.eager(x)), x, rtol=0, atol=1e-11)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("mode", ["symmetric", "zero"])
def test_adjoint_of_other_borders_and_of_the_low_band_alone(axis: int, mode: str, rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 5, 12, generator=rng, dtype=torch.float64).transpose(axis, -1)
    firsts = [SplitFirst(bank.dec_lo, bank.dec_hi, axis, mode, high) for bank in FIRST for high in (False, True)]
    for split in [*firsts, *(SplitTrees(bank, axis, with_high=False) for bank in LATER)]:
        bands = split.eager(x)
        assert len(bands) == 1 + split.with_high
        others = [torch.randn(band.shape, generator=rng, dtype=band.dtype) for band in bands]
        expected = sum((band * other).sum() for band, other in zip(bands, others, strict=True))
        merge = split.adjoint(x.shape)
        torch.testing.assert_close((x * merge.eager(*others)).sum(), expected, rtol=0, atol=1e-11)
        assert merge.adjoint(x.shape) == split


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("length", [4, 8, 36])
def test_adjoint(axis: int, length: int, rng: torch.Generator) -> None:
    """`<T x, y> = <x, T' y>`, in both directions."""
    x = torch.randn(2, 3, 5, length, generator=rng, dtype=torch.float64).transpose(axis, -1)
    for split in splits(axis):
        low, high = split.eager(x)
        other_low, other_high = (torch.randn(low.shape, generator=rng, dtype=low.dtype) for _ in range(2))
        merge = split.adjoint(x.shape)
        expected = (low * other_low).sum() + (high * other_high).sum()
        torch.testing.assert_close((x * merge.eager(other_low, other_high)).sum(), expected, rtol=0, atol=1e-11)
        assert merge.adjoint(low.shape, high.shape) == split


def test_interleave() -> None:
    x = torch.arange(24).view(2, 3, 4)
    for axis in AXES:
        parts = [x.index_select(axis, torch.arange(k, x.shape[axis], 1)[:1]) for k in range(2)]
        assert torch.equal(interleave(parts, axis), torch.cat(parts, axis))
    assert torch.equal(interleave([x[..., 0::2], x[..., 1::2]], -1), x)
