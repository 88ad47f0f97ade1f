"""Single levels of the dual-tree transform: what is left out, other borders, the real step to complex bands."""

import pytest
import torch

from subband.transforms._dtcwt_directions import JoinDirections, SplitDirections
from subband.transforms.dtcwt_filters import first_level, later_levels
from subband.transforms.dtcwt_levels import even_sided, merge_level, split_level

BANKS = first_level("near_sym_a"), later_levels("qshift_c")


def normal(rng: torch.Generator, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=rng, dtype=dtype)


def test_even_sides_repeat_the_last_rows_and_columns() -> None:
    x = torch.arange(6.0).view(2, 3)
    assert even_sided(x).tolist() == [[0, 1, 2, 2], [3, 4, 5, 5]]
    assert even_sided(x.mT).tolist() == [[0, 3], [1, 4], [2, 5], [2, 5]]


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("mode", ["symmetric", "zero"])
def test_bands_left_out_are_zeros(number: int, mode: str, rng: torch.Generator) -> None:
    x = normal(rng, 2, 3, 12, 10)
    low, high = split_level(x, number, *BANKS, mode=mode)
    alone, nothing = split_level(x, number, *BANKS, mode=mode, with_high=False)
    assert nothing is None
    torch.testing.assert_close(alone, low, rtol=0, atol=1e-12)
    assert high is not None
    expected = merge_level(low, torch.zeros_like(high), number, *BANKS, mode=mode)
    torch.testing.assert_close(merge_level(low, None, number, *BANKS, mode=mode), expected, rtol=0, atol=1e-12)


def test_zeros_beyond_the_border(rng: torch.Generator) -> None:
    """An image within a frame of zeros that is wider than the filters has the same bands in both modes."""
    x = normal(rng, 6, 8)
    framed = torch.nn.functional.pad(x, (8, 8, 8, 8))
    low, high = split_level(x, 1, *BANKS, mode="zero")
    wide, wide_high = split_level(framed, 1, *BANKS)
    torch.testing.assert_close(low, wide[8:-8, 8:-8], rtol=0, atol=1e-12)
    torch.testing.assert_close(high, wide_high[:, 4:-4, 4:-4], rtol=0, atol=1e-12)


def test_directions_are_an_orthonormal_step(rng: torch.Generator) -> None:
    bands = tuple(normal(rng, 2, 6, 8) for _ in range(3))
    split, join = SplitDirections(), JoinDirections()
    high = split.eager(*bands)
    torch.testing.assert_close(split.traced(*bands), high, rtol=0, atol=1e-14)
    assert float(high.abs().square().sum()) == pytest.approx(sum(float(band.square().sum()) for band in bands))
    for way in (join.eager, join.traced):
        torch.testing.assert_close(way(high), bands, rtol=0, atol=1e-14)
    assert split.adjoint() == join
    assert join.adjoint() == split


def test_odd_sides_are_refused_where_bands_are_missing() -> None:
    with pytest.raises(ValueError, match=r"low-pass image of level 2 must have even sides, got \(3, 4\)"):
        merge_level(torch.zeros(3, 4), None, 2, *BANKS)
