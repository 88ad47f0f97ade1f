"""What every transform does with its arguments before it computes."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["Names", "check_dtype", "in_float32", "negative_axes", "per_axis"]

Names = str | Sequence[str]


def per_axis(value: str | Sequence[str], num_axes: int, name: str) -> tuple[str, ...]:
    """One value per axis from either a single value or one per axis.

    Args:
        value: A wavelet or mode name, or a sequence with one per axis.
        num_axes: Number of transformed axes.
        name: What the value is called in the error message.

    Raises:
        ValueError: If a sequence does not have `num_axes` entries.

    Example:
        >>> per_axis("haar", 2, "wavelet"), per_axis(["db2", "haar"], 2, "wavelet")
        (('haar', 'haar'), ('db2', 'haar'))
    """
    if isinstance(value, str):
        return (value,) * num_axes
    values = tuple(value)
    if len(values) != num_axes:
        raise ValueError(f"{name} must be one name or one per axis ({num_axes}), got {len(values)}")
    return values


def check_dtype(x: Tensor, name: str) -> None:
    """Refuse integer tensors.

    Raises:
        TypeError: If `x` is neither floating nor complex.
    """
    if not (x.is_floating_point() or x.is_complex()):
        raise TypeError(f"{name} must be floating or complex, got {x.dtype}; convert it with .float()")


def negative_axes(axes: Sequence[int] | None, ndim: int, name: str = "axes") -> tuple[int, ...]:
    """Axis numbers counted from the end; all axes for `None`.

    Raises:
        ValueError: If an axis does not exist or is repeated.

    Example:
        >>> negative_axes((0, -1), 3), negative_axes(None, 2)
        ((-3, -1), (-2, -1))
    """
    axes = tuple(range(ndim)) if axes is None else tuple(axes)
    if not axes or not all(-ndim <= axis < ndim for axis in axes):
        raise ValueError(f"{name} must lie within the {ndim} axes of the tensor, got {axes}")
    negative = tuple(axis if axis < 0 else axis - ndim for axis in axes)
    if len(set(negative)) != len(negative):
        raise ValueError(f"{name} must be different from each other, got {axes}")
    return negative


def in_float32(function: Callable[..., Any], *tensors: Tensor, **options: Any) -> Any:
    """Run a transform outside autocast, half precision in float32, and cast the result back.

    Args:
        function: Takes the tensors and the options, returns a tensor or a dictionary of tensors.
        tensors: Tensors of one dtype.
        options: Passed on.

    Returns:
        What `function` returns, in the dtype of `tensors`.

    Example:
        >>> in_float32(torch.cumsum, torch.ones(3, dtype=torch.bfloat16), dim=0)
        tensor([1., 2., 3.], dtype=torch.bfloat16)
    """
    dtype, device = tensors[0].dtype, tensors[0].device.type
    half = dtype in (torch.float16, torch.bfloat16)
    arguments = tuple(t.float() for t in tensors) if half else tensors
    if torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            result = function(*arguments, **options)
    else:  # no context in exported graphs that do not need it
        result = function(*arguments, **options)
    if not half:
        return result
    return {key: band.to(dtype) for key, band in result.items()} if isinstance(result, dict) else result.to(dtype)
