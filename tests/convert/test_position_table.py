"""Resized position tables against timm."""

import pytest
import torch

from subband.convert.position_table import resize_position_table


@pytest.mark.parametrize(
    ("given", "wanted"), [((7, 7), (12, 12)), ((7, 7), (8, 8)), ((12, 12), (7, 7)), ((7, 8), (10, 7))]
)
def test_tables_equal_those_of_timm(rng, given, wanted):
    reference = pytest.importorskip("timm.layers").resize_rel_pos_bias_table
    table = torch.randn(3, *(2 * side - 1 for side in given), generator=rng)
    size = tuple(2 * side - 1 for side in wanted)
    expected = reference(table, new_window_size=wanted, new_bias_shape=(3, *size))
    torch.testing.assert_close(resize_position_table(table, size), expected, rtol=1e-5, atol=1e-6)


def test_the_same_size_changes_nothing(rng):
    table = torch.randn(2, 5, 7, generator=rng)
    assert torch.equal(resize_position_table(table, (5, 7)), table)


def test_zero_distance_stays_in_the_middle(rng):
    table = torch.randn(2, 13, 13, generator=rng)
    for side in (1, 3, 15, 23):
        assert torch.equal(resize_position_table(table, (side, side))[:, side // 2, side // 2], table[:, 6, 6])


def test_a_single_distance_is_spread_over_all():
    assert torch.equal(resize_position_table(torch.full((1, 1, 1), 3.0), (3, 5)), torch.full((1, 3, 5), 3.0))


def test_even_sides_are_refused():
    with pytest.raises(ValueError, match=r"sides of position tables are odd, got \(4, 3\)"):
        resize_position_table(torch.zeros(1, 4, 3), (5, 5))
