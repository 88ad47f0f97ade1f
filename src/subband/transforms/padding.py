"""Boundary extension by concatenation, and padding of images to a multiple.

Every extension is linear in the signal. It is built from slices of the signal joined by one `cat`, which is faster than
gathering by index, works in every dtype, and leaves the adjoint to autograd.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from subband.transforms.arguments import (
    check_dtype,
    check_tensor,
    height_and_width,
    in_float32,
    integer,
    integers,
    negative_axes,
    per_axis,
)

__all__ = [
    "MODES",
    "BoundaryMode",
    "boundary_mode",
    "boundary_modes",
    "crop",
    "extend",
    "fold",
    "pad",
    "pad_to_multiple",
]

BoundaryMode = Literal[
    "zero",
    "constant",
    "symmetric",
    "antisymmetric",
    "periodic",
    "reflect",
    "antireflect",
    "smooth",
    "periodization",
]
MODES: tuple[str, ...] = get_args(BoundaryMode)

_PAD_MODES = {"replicate": "constant", "reflect": "reflect", "zero": "zero"}

# The short names of MATLAB, which PyWavelets lists beside its own and once used itself.
_SHORT_NAMES = {
    "zpd": "zero",
    "sp0": "constant",
    "cpd": "constant",
    "sp1": "smooth",
    "sym": "symmetric",
    "symh": "symmetric",
    "symw": "reflect",
    "asym": "antisymmetric",
    "asymh": "antisymmetric",
    "asymw": "antireflect",
    "ppd": "periodic",
    "per": "periodization",
}


def boundary_mode(mode: str) -> str:
    """A boundary mode by its full name.

    Args:
        mode: One of `MODES`, or MATLAB's short name of one, such as `per` or `sym`.

    Raises:
        ValueError: If there is no such mode.

    Example:
        >>> boundary_mode("smooth"), boundary_mode("per")
        ('smooth', 'periodization')
    """
    if mode in MODES:
        return mode
    if not isinstance(mode, str) or mode not in _SHORT_NAMES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r:.60}")
    return _SHORT_NAMES[mode]


def boundary_modes(mode: Any, num_axes: int) -> tuple[str, ...]:
    """Boundary modes of all axes by their full names.

    Args:
        mode: One mode, or one per axis.
        num_axes: Number of axes.

    Raises:
        TypeError: If `mode` is neither a name nor a sequence.
        ValueError: If there is no such mode, or there is neither one nor one per axis.

    Example:
        >>> boundary_modes("per", 2), boundary_modes(("zero", "sym"), 2)
        (('periodization', 'periodization'), ('zero', 'symmetric'))
    """
    if isinstance(mode, str):
        return (boundary_mode(mode),) * num_axes
    return tuple(boundary_mode(name) for name in per_axis(mode, num_axes, "mode"))


def extend(x: Tensor, left: int, right: int, mode: str, axis: int) -> Tensor:
    """Extend a signal beyond both ends, by any distance.

    The rules are those of PyWavelets' signal extension modes. `periodization` extends periodically after an odd length
    was made even by repeating the last sample.

    Args:
        x: Signal, any shape, at least one sample along `axis`.
        left: Samples to add before the first one.
        right: Samples to add after the last one; after the repeated one in mode `periodization`.
        mode: Boundary mode, see `MODES`.
        axis: Axis to extend.

    Returns:
        The extended signal; `x` itself if nothing has to be added.

    Raises:
        ValueError: If `mode` is unknown, or is `reflect` or `antireflect` and there is only one sample.

    Example:
        >>> extend(torch.tensor([1.0, 2.0, 3.0]), 2, 1, "symmetric", -1).tolist()
        [2.0, 1.0, 1.0, 2.0, 3.0, 3.0]
    """
    check_tensor(x, "x")
    left, right, axis = integer(left, "left"), integer(right, "right"), integer(axis, "axis")
    mode = boundary_mode(mode)
    if mode == "periodization":
        if x.shape[axis] % 2:
            x = extend(x, 0, 1, "constant", axis)
        mode = "periodic"
    length = x.shape[axis]
    if mode in ("reflect", "antireflect") and length == 1 and left + right:
        raise ValueError(f"mode {mode!r} needs at least two samples along axis {axis}")
    if mode in ("zero", "constant", "smooth"):
        before, after = _ramp(x, left, mode, axis, end=False), _ramp(x, right, mode, axis, end=True)
    else:
        before, after = (
            [_segment(x, *copy, mode, axis) for copy in _copies(length, count, mode, end=end)]
            for count, end in ((left, False), (right, True))
        )
    pieces = [*before, x, *after]
    return x if len(pieces) == 1 else torch.cat(pieces, axis)


def fold(before: Tensor, x: Tensor, after: Tensor, mode: str, axis: int) -> None:
    """Adjoint of `extend`: add what lies beyond the ends of a signal to the samples it was made from, in place.

    Args:
        before: What lies before the first sample, as many samples as `extend` added there.
        x: The signal, any shape.
        after: What lies after the last sample.
        mode: Boundary mode; `periodization` for signals of even length only.
        axis: Extended axis.

    Example:
        >>> x = torch.tensor([2.0, 3.0])
        >>> fold(torch.tensor([1.0]), x, torch.tensor([4.0]), "symmetric", -1)
        >>> x.tolist()
        [3.0, 7.0]
    """
    if mode == "zero":
        return
    for beyond, end in ((before, False), (after, True)):
        if beyond.shape[axis] == 0:
            continue
        if mode in ("constant", "smooth"):
            _fold_ramp(x, beyond, mode, axis, end=end)
        else:
            _fold_copies(x, beyond, "periodic" if mode == "periodization" else mode, axis, end=end)


def _ramp(x: Tensor, count: int, mode: str, axis: int, *, end: bool) -> list[Tensor]:
    """The part beyond one end for the modes that need only the outermost samples."""
    if count == 0:
        return []
    length = x.shape[axis]
    edge = x.narrow(axis, length - 1 if end else 0, 1)
    shape = list(x.shape)
    shape[axis] = count
    if mode == "zero":
        return [x.new_zeros(shape)]
    if mode == "constant" or length == 1:
        return [edge.expand(shape)]
    slope = edge - x.narrow(axis, length - 2 if end else 1, 1)  # outwards
    return [edge + _steps(x, count, axis, end=end) * slope]


def _steps(x: Tensor, count: int, axis: int, *, end: bool) -> Tensor:
    """Distances of the samples beyond one end from that end, along `axis`."""
    steps = torch.arange(1, count + 1, device=x.device).to(x.dtype)  # arange itself knows no complex numbers
    return (steps if end else steps.flip(0)).reshape([-1] + [1] * (-axis - 1 if axis < 0 else x.ndim - axis - 1))


def _copies(length: int, count: int, mode: str, *, end: bool) -> list[tuple[int, int, int]]:
    """The `count` samples beyond one end as slices `(copy, first, count)` of copies of the signal, in order.

    The signal is copy 0, those after it have the numbers 1, 2, ..., those before it -1, -2, ...; odd copies are run
    through backwards, and `first` counts in the direction of the copy.
    """
    period = length - 1 if mode in ("reflect", "antireflect") else length
    slices: list[tuple[int, int, int]] = []
    skipped = length - period if end else 0  # a reflected signal shares its last sample with its first copy
    while count > 0:
        rest = period - skipped
        taken = count if count <= rest else rest  # not `min`, which symbolic sizes would carry along unresolved
        copy = len(slices) + 1 if end else -len(slices) - 1
        slices.append((copy, skipped if end else period - taken, taken))
        count = count - taken  # not in place: to `torch.jit.trace` sizes are tensors
        skipped = 0
    return slices if end else slices[::-1]


def _segment(x: Tensor, copy: int, first: int, count: int, mode: str, axis: int) -> Tensor:
    """`count` samples from `first` on of one copy of the signal, see `_copies`."""
    length = x.shape[axis]
    turned = copy % 2 == 1 and mode != "periodic"
    piece = x.narrow(axis, length - first - count, count).flip(axis) if turned else x.narrow(axis, first, count)
    if mode == "antisymmetric" and turned:
        return -piece
    if mode == "antireflect":
        head, tail = x.narrow(axis, 0, 1), x.narrow(axis, length - 1, 1)
        # Copies continue each other point-symmetrically, so copy q starts q times the rise of the signal higher.
        offset = copy * (tail - head)
        return (head + tail - piece if turned else piece) + offset
    return piece


def _fold_ramp(target: Tensor, beyond: Tensor, mode: str, axis: int, *, end: bool) -> None:
    length = target.shape[axis]
    edge = target.narrow(axis, length - 1 if end else 0, 1)
    edge += beyond.sum(axis, keepdim=True)
    if mode == "smooth" and length > 1:
        rise = (beyond * _steps(beyond, beyond.shape[axis], axis, end=end)).sum(axis, keepdim=True)
        edge += rise
        target.narrow(axis, length - 2 if end else 1, 1).sub_(rise)


def _fold_copies(target: Tensor, beyond: Tensor, mode: str, axis: int, *, end: bool) -> None:
    length, position = target.shape[axis], 0
    head, tail = target.narrow(axis, 0, 1), target.narrow(axis, length - 1, 1)
    for copy, first, count in _copies(length, beyond.shape[axis], mode, end=end):
        piece = beyond.narrow(axis, position, count)
        position += count
        turned = copy % 2 == 1 and mode != "periodic"
        if mode == "antireflect":
            total = piece.sum(axis, keepdim=True)
            tail += (copy + turned) * total
            head += (turned - copy) * total
        if turned:
            start = length - first - count
            target.narrow(axis, start, count).add_(piece.flip(axis), alpha=-1 if mode.startswith("anti") else 1)
        else:
            target.narrow(axis, first, count).add_(piece)


def pad(
    x: Tensor,
    pad_widths: int | Sequence[int] | Sequence[Sequence[int]],
    mode: str = "symmetric",
    *,
    axes: int | Sequence[int] | None = None,
) -> Tensor:
    """Extend a signal beyond the ends of several axes.

    Args:
        x: Signal, floating or complex, any range.
        pad_widths: Samples to add: one number for all ends, `(before, after)` for all axes, or one such pair per axis.
        mode: Boundary mode, see `MODES`. `periodization` first makes odd lengths even by repeating the last sample.
        axes: Axes to extend, each at most once; all axes if not given.

    Returns:
        The extended signal.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If a width is negative or there are not as many as axes, `mode` or an axis is unknown, an axis is
            repeated or empty, or is too short for the mode.

    Example:
        >>> pad(torch.tensor([1.0, 2.0, 3.0]), (2, 1), "antireflect").tolist()
        [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0]
        >>> pad(torch.rand(2, 3, 5, 5), ((1, 1), (0, 2)), axes=(-2, -1)).shape
        torch.Size([2, 3, 7, 7])
    """
    check_dtype(x, "x")
    mode = boundary_mode(mode)
    axes = negative_axes(axes, x.ndim)
    pairs = _pairs(pad_widths, len(axes))
    if min(min(pair) for pair in pairs) < 0:
        raise ValueError(f"pad_widths must not be negative, got {pad_widths}")
    for axis in axes:
        if x.shape[axis] == 0:
            raise ValueError(f"x must have at least one sample along axis {axis}, got shape {tuple(x.shape)}")
    result: Tensor = in_float32(_pad, x, pairs=pairs, mode=mode, axes=axes)
    return result


def _pad(x: Tensor, *, pairs: list[tuple[int, int]], mode: str, axes: tuple[int, ...]) -> Tensor:
    for axis, (before, after) in zip(axes, pairs, strict=True):
        x = extend(x, before, after, mode, axis)
    return x


def _pairs(widths: Any, num_axes: int) -> list[tuple[int, int]]:
    """One `(before, after)` per axis, by NumPy's rules for `pad_width`."""
    if hasattr(widths, "tolist"):  # an array or a tensor
        widths = widths.tolist()
    if not isinstance(widths, Sequence):
        widths = (widths,)
    is_flat = not any(isinstance(item, Sequence) or getattr(item, "ndim", 0) for item in widths)
    rows = [integers(row, "pad_widths") for row in ([widths] if is_flat else widths)]
    if len(rows) not in (1, num_axes) or not all(1 <= len(row) <= 2 for row in rows):
        raise ValueError(f"pad_widths must be a number, a pair, or one pair per axis ({num_axes}), got {widths}")
    pairs = [(row[0], row[-1]) for row in rows]
    return pairs * num_axes if len(pairs) == 1 else pairs


def pad_to_multiple(
    x: Tensor, multiple: int | tuple[int, int], mode: Literal["replicate", "reflect", "zero"] = "replicate"
) -> tuple[Tensor, tuple[int, int]]:
    """Pad the last two axes at the end until they are multiples of given numbers.

    Args:
        x: Images or clips, `(..., H, W)`, any range.
        multiple: Number that H and W shall be divisible by, or one for each.
        mode: Repeat the last row and column, mirror without repeating them, or fill with zeros.

    Returns:
        padded: `(..., H', W')`; `x` itself if it fits already.
        size: The original `(H, W)`, for `crop`.

    Raises:
        ValueError: If `mode` is unknown, a multiple is below one, or a side is empty.

    Example:
        >>> padded, size = pad_to_multiple(torch.rand(1, 3, 30, 33), 8)
        >>> padded.shape, size, crop(padded, size).shape
        (torch.Size([1, 3, 32, 40]), (30, 33), torch.Size([1, 3, 30, 33]))
    """
    if mode not in _PAD_MODES:
        raise ValueError(f"mode must be one of {', '.join(_PAD_MODES)}, got {mode!r}")
    check_tensor(x, "x")
    multiples = integers(multiple, "multiple")
    multiples = multiples * 2 if len(multiples) == 1 else multiples
    if len(multiples) != 2 or min(multiples) < 1:
        raise ValueError(f"multiple must be one or two positive integers, got {multiple!r}")
    height, width = x.shape[-2:]
    if height == 0 or width == 0:
        raise ValueError(f"x must have at least one row and one column, got {height}x{width}")
    for axis, number in zip((-2, -1), multiples, strict=True):
        x = extend(x, 0, -x.shape[axis] % number, _PAD_MODES[mode], axis)
    return x, (height, width)


def crop(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Keep the first `size` rows and columns of the last two axes.

    Args:
        x: Images or clips, `(..., H', W')`.
        size: `(H, W)` to keep.

    Returns:
        A view, `(..., H, W)`.

    Raises:
        ValueError: If `x` is smaller than `size`.

    Example:
        >>> crop(torch.zeros(1, 8, 8), (5, 7)).shape
        torch.Size([1, 5, 7])
    """
    check_tensor(x, "x")
    height, width = height_and_width(size)
    if x.shape[-2] < height or x.shape[-1] < width:
        raise ValueError(f"size {height}x{width} is larger than the image {x.shape[-2]}x{x.shape[-1]}")
    return x[..., :height, :width]
