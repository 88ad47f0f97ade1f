"""What every transform does with its arguments before it computes."""

import operator
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "Names",
    "check_complex",
    "check_dtype",
    "check_real",
    "check_tensor",
    "common_dtype",
    "exactly",
    "height_and_width",
    "in_float32",
    "integer",
    "integers",
    "negative_axes",
    "per_axis",
    "without_autocast",
]

Names = str | Sequence[str]
_COUNTS = {1: "one axis", 2: "two axes", 3: "three axes"}


def integer(value: Any, name: str) -> int:
    """A whole number as a Python integer; NumPy's integers and tensors of one integer are such numbers, too.

    Args:
        value: What the user gave. The symbolic sizes of a compiler stay what they are.
        name: What the value is called in the error message.

    Raises:
        TypeError: If `value` is no integer.

    Example:
        >>> integer(torch.tensor(3), "level")
        3
    """
    if isinstance(value, int | torch.SymInt):
        return value  # type: ignore[return-value]
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r:.60}") from None


def integers(values: Any, name: str) -> tuple[int, ...]:
    """Whole numbers as a tuple of Python integers.

    Args:
        values: One number, or a sequence, an array or a tensor of several.
        name: What the values are called in the error message.

    Raises:
        TypeError: If a value is no integer.

    Example:
        >>> integers(2, "axes"), integers(torch.tensor([0, 1]), "axes")
        ((2,), (0, 1))
    """
    if isinstance(values, tuple):
        return tuple([value if type(value) is int else integer(value, name) for value in values])
    if hasattr(values, "tolist"):  # arrays, tensors, and numbers of NumPy
        values = values.tolist()
    if isinstance(values, Iterable):
        return tuple(integer(value, name) for value in values)
    return (integer(values, name),)


def per_axis(value: Any, num_axes: int, name: str) -> tuple[str, ...]:
    """One value per axis from either a single value or one per axis.

    Args:
        value: A wavelet or mode name, or a sequence with one per axis.
        num_axes: Number of transformed axes.
        name: What the value is called in the error message.

    Raises:
        TypeError: If `value` is neither a name nor a sequence.
        ValueError: If a sequence does not have `num_axes` entries.

    Example:
        >>> per_axis("haar", 2, "wavelet"), per_axis(["db2", "haar"], 2, "wavelet")
        (('haar', 'haar'), ('db2', 'haar'))
    """
    if isinstance(value, str):
        return (value,) * num_axes
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} must be one name or one per axis ({num_axes}), got {value!r:.60}")
    values = tuple(value)
    if len(values) != num_axes:
        raise ValueError(f"{name} must be one name or one per axis ({num_axes}), got {len(values)}")
    return values


def check_tensor(x: Any, name: str) -> None:
    """Refuse anything but tensors.

    Raises:
        TypeError: If `x` is no tensor; the message says how to make one.
    """
    if isinstance(x, Tensor):
        return
    hint = ""
    if isinstance(x, list | tuple | int | float | complex):
        hint = "; convert it with torch.tensor"
    elif hasattr(x, "__array_interface__"):
        hint = "; convert it with torch.from_numpy"
    raise TypeError(f"{name} must be a torch.Tensor, got {type(x).__name__}{hint}")


def check_dtype(x: Any, name: str) -> None:
    """Refuse integer tensors and anything but tensors.

    Raises:
        TypeError: If `x` is no tensor, or neither floating nor complex.
    """
    check_tensor(x, name)
    if not (x.is_floating_point() or x.is_complex()):
        raise TypeError(f"{name} must be floating or complex, got {x.dtype}; convert it with .float()")


def check_real(x: Tensor, name: str) -> None:
    """Refuse integer and complex tensors.

    Raises:
        TypeError: If `x` is not real and floating.
    """
    check_dtype(x, name)
    if x.is_complex():
        raise TypeError(f"{name} must be real, got {x.dtype}")


def check_complex(x: Tensor, name: str) -> None:
    """Refuse real tensors.

    Raises:
        TypeError: If `x` is not complex.
    """
    check_tensor(x, name)
    if not x.is_complex():
        raise TypeError(f"{name} must be complex, got {x.dtype}")


def negative_axes(axes: Any, ndim: int, name: str = "axes") -> tuple[int, ...]:
    """Axis numbers counted from the end; all axes for `None`.

    Args:
        axes: One axis or several, see `integers`.
        ndim: Axes of the tensor.
        name: What the axes are called in the error message.

    Raises:
        TypeError: If an axis is no integer.
        ValueError: If an axis does not exist or is repeated.

    Example:
        >>> negative_axes((0, -1), 3), negative_axes(None, 2)
        ((-3, -1), (-2, -1))
    """
    numbers = tuple(range(ndim)) if axes is None else integers(axes, name)
    if not numbers or not all(-ndim <= axis < ndim for axis in numbers):
        raise ValueError(f"{name} must lie within the {ndim} axes of the tensor, got {numbers}")
    negative = tuple(axis if axis < 0 else axis - ndim for axis in numbers)
    if len(set(negative)) != len(negative):
        raise ValueError(f"{name} must be different from each other, got {numbers}")
    return negative


def exactly(num_axes: int, axes: Any, name: str = "axes") -> tuple[int, ...]:
    """So many axes and no others.

    Args:
        num_axes: 1, 2 or 3.
        axes: What the user gave, see `integers`.
        name: What the axes are called in the error message.

    Raises:
        TypeError: If an axis is no integer.
        ValueError: If there are more or fewer axes, or none are given.

    Example:
        >>> exactly(2, [0, 1])
        (0, 1)
    """
    numbers = () if axes is None else integers(axes, name)
    if len(numbers) != num_axes:
        raise ValueError(f"{name} must be {_COUNTS[num_axes]}, got {axes!r:.60}")
    return numbers


def height_and_width(size: Any, name: str = "size") -> tuple[int, int]:
    """The two sides of an image.

    Args:
        size: What the user gave, see `integers`.
        name: What the size is called in the error message.

    Raises:
        TypeError: If a side is no integer.
        ValueError: If there are not two sides.

    Example:
        >>> height_and_width(torch.tensor([3, 4]))
        (3, 4)
    """
    sides = integers(size, name)
    if len(sides) != 2:
        raise ValueError(f"{name} must be height and width, got {size!r:.60}")
    return sides[0], sides[1]


def common_dtype(tensors: Iterable[Tensor]) -> torch.dtype:
    """The dtype that holds the numbers of all tensors, by PyTorch's rules of promotion.

    Args:
        tensors: One or more.

    Example:
        >>> common_dtype([torch.ones(1, dtype=torch.bfloat16), torch.ones(1)])
        torch.float32
    """
    first, *others = tensors
    dtype = first.dtype
    for tensor in others:
        if tensor.dtype != dtype:
            dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """A region without autocast; nothing at all where it is off, since exported graphs would keep a region.

    Args:
        device: Where the tensors are.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16), without_autocast(torch.device("cpu")):
        ...     (torch.eye(2) @ torch.eye(2)).dtype
        torch.float32
    """
    is_on = device.type != "meta" and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if is_on else nullcontext()


def in_float32(function: Callable[..., Any], *tensors: Tensor, **options: Any) -> Any:
    """Run a transform outside autocast, half precision in float32, and cast the result back.

    Args:
        function: Takes the tensors and the options, returns a tensor or a dictionary of tensors.
        tensors: Tensors, which are promoted to one dtype.
        options: Passed on.

    Returns:
        What `function` returns, in the common dtype of `tensors`.

    Example:
        >>> in_float32(torch.cumsum, torch.ones(3, dtype=torch.bfloat16), dim=0)
        tensor([1., 2., 3.], dtype=torch.bfloat16)
    """
    dtype, device = common_dtype(tensors), tensors[0].device.type
    precise = torch.promote_types(dtype, torch.float32)
    arguments = tuple(tensor.to(precise) for tensor in tensors)  # which is nothing for most
    if device != "meta" and torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            result = function(*arguments, **options)
    else:  # no context in exported graphs that do not need it
        result = function(*arguments, **options)
    if precise == dtype:
        return result
    return {key: band.to(dtype) for key, band in result.items()} if isinstance(result, dict) else result.to(dtype)
