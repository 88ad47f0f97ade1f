"""The correlation kernel."""

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from subband.transforms._correlate import BlockFilter, RowFilter, correlate, filtered_length, shifted_sum


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-12), (torch.complex128, 1e-12)]
)
def test_every_layout_agrees_with_the_definition(
    dtype: torch.dtype, tolerance: float, rng: torch.Generator, case: Callable
) -> None:
    banks = [(2, 2), (8, 2), (5, 1), (7, 3), (30, 2)]
    signals = [((3, 77), -1), ((2, 70, 3), -2), ((2, 80, 9), -2), ((70,), -1)]
    for (num_taps, num_filters), (shape, axis) in itertools.product(banks, signals):
        filters = [tuple(torch.randn(num_taps, generator=rng).tolist()) for _ in range(num_filters)]
        x = torch.randn(shape, generator=rng, dtype=dtype)
        with case(f"{num_filters} filters of {num_taps} taps", shape, axis):
            check_definition(x, filters, axis, tolerance)


def check_definition(x: torch.Tensor, filters: list[tuple[float, ...]], axis: int, tolerance: float) -> None:
    num_taps, dtype = len(filters[0]), x.dtype
    for stride, dilation in ((1, 1), (2, 1), (1, 2), (3, 2)):
        results = correlate(x, filters, axis, stride=stride, dilation=dilation)
        assert len(results) == len(filters)
        for result, taps in zip(results, filters, strict=True):
            windows = x.movedim(axis, -1).unfold(-1, (num_taps - 1) * dilation + 1, stride)[..., ::dilation]
            expected = (windows * torch.tensor(taps, dtype=dtype)).sum(-1).movedim(-1, axis)
            assert expected.shape[axis] == filtered_length(x.shape[axis], num_taps, stride, dilation)
            torch.testing.assert_close(result, expected, rtol=tolerance, atol=tolerance)
            plain = shifted_sum(x, taps, axis, stride=stride, dilation=dilation)
            torch.testing.assert_close(plain, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_with_padding(dtype: torch.dtype, rng: torch.Generator) -> None:
    x = torch.randn(2, 9, 4, generator=rng, dtype=dtype)
    taps = (0.5, -1.0, 2.0, 0.0)
    padded = F.pad(x, (0, 0, 3, 3))
    (result,) = RowFilter([taps], stride=2, padding=3)(x)
    torch.testing.assert_close(result, shifted_sum(padded, taps, -2, stride=2))


def test_a_filter_serves_tensors_of_any_number_of_channels(rng: torch.Generator) -> None:
    rows = RowFilter([(1.0, 2.0)])
    for channels in (3, 5):
        x = torch.randn(1, 6, channels, generator=rng)
        torch.testing.assert_close(rows(x)[0], x[:, :-1] + 2 * x[:, 1:])


def test_interleaved_blocks_are_in_order(rng: torch.Generator) -> None:
    x = torch.randn(2, 50, generator=rng)
    blocks = BlockFilter([(1.0, 0.0), (0.0, 1.0)], stride=2, interleaved=True)(x)
    torch.testing.assert_close(blocks.flatten(1)[:, :50], x, rtol=0, atol=0)


def test_learnable_taps_receive_gradients(rng: torch.Generator) -> None:
    x = torch.randn(2, 9, generator=rng, dtype=torch.float64)
    taps = torch.randn(4, generator=rng, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: shifted_sum(x, t, -1, stride=2), (taps,))
