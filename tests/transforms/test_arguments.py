"""Checks and conversions shared by the transforms."""

import pytest
import torch

from subband.transforms.arguments import check_dtype, in_float32, negative_axes, per_axis


def test_axes_are_counted_from_the_end() -> None:
    assert negative_axes((2, -3), 3) == (-1, -3)
    assert negative_axes(None, 3) == (-3, -2, -1)


@pytest.mark.parametrize(("axes", "message"), [((3,), "within the 3 axes"), ((), "within"), ((0, -3), "different")])
def test_impossible_axes(axes: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        negative_axes(axes, 3)


def test_one_value_or_one_per_axis() -> None:
    assert per_axis("zero", 3, "mode") == ("zero",) * 3
    assert per_axis(["zero", "smooth"], 2, "mode") == ("zero", "smooth")
    with pytest.raises(ValueError, match=r"mode must be one name or one per axis \(3\), got 2"):
        per_axis(["zero", "smooth"], 3, "mode")


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"convert it with \.float\(\)"):
        check_dtype(torch.zeros(3, dtype=torch.uint8), "x")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    seen = []

    def double(x: torch.Tensor) -> torch.Tensor:
        seen.append((x.dtype, torch.is_autocast_enabled("cpu")))
        return 2 * x

    with torch.autocast("cpu", torch.bfloat16):
        result = in_float32(double, torch.ones(2, dtype=dtype))
    assert result.dtype == dtype
    assert seen == [(torch.promote_types(dtype, torch.float32), False)]
