"""Boundary extension by concatenation, and padding of images to a multiple.

Every extension is linear in the signal. It is built from slices of the signal joined by one `cat`, which is faster than
gathering by index, works in every dtype, and leaves the adjoint to autograd.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = ["MODES", "BoundaryMode", "check_mode", "crop", "extend", "pad_to_multiple"]

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


def check_mode(mode: str) -> None:
    """Refuse anything that is not one of the boundary modes.

    Raises:
        ValueError: If `mode` is not in `MODES`.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")


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
    check_mode(mode)
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
        before, after = _copies_before(x, left, mode, axis), _copies_after(x, right, mode, axis)
    pieces = [*before, x, *after]
    return x if len(pieces) == 1 else torch.cat(pieces, axis)


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
    steps = torch.arange(1, count + 1, device=x.device, dtype=x.dtype)
    steps = (steps if end else steps.flip(0)).reshape([-1] + [1] * (-axis - 1 if axis < 0 else x.ndim - axis - 1))
    return [edge + steps * slope]


def _copies_before(x: Tensor, count: int, mode: str, axis: int) -> list[Tensor]:
    """The last `count` samples before the signal, as slices of its copies number -1, -2, ..."""
    period = _period(x, mode, axis)
    pieces: list[Tensor] = []
    while count > 0:
        taken = min(count, period)
        pieces.insert(0, _segment(x, -1 - len(pieces), period - taken, taken, mode, axis))
        count -= taken
    return pieces


def _copies_after(x: Tensor, count: int, mode: str, axis: int) -> list[Tensor]:
    """The first `count` samples after the signal, as slices of its copies number 1, 2, ..."""
    period = _period(x, mode, axis)
    first = x.shape[axis] - period  # a reflected signal shares its last sample with its first copy
    pieces: list[Tensor] = []
    while count > 0:
        taken = min(count, period - first)
        pieces.append(_segment(x, 1 + len(pieces), first, taken, mode, axis))
        count -= taken
        first = 0
    return pieces


def _period(x: Tensor, mode: str, axis: int) -> int:
    return x.shape[axis] - 1 if mode in ("reflect", "antireflect") else x.shape[axis]


def _segment(x: Tensor, segment: int, first: int, count: int, mode: str, axis: int) -> Tensor:
    """`count` samples from `first` on of the copy number `segment` of the signal; odd copies run backwards."""
    length = x.shape[axis]
    turned = segment % 2 == 1 and mode != "periodic"
    piece = x.narrow(axis, length - first - count, count).flip(axis) if turned else x.narrow(axis, first, count)
    if mode == "antisymmetric" and turned:
        return -piece
    if mode == "antireflect":
        head, tail = x.narrow(axis, 0, 1), x.narrow(axis, length - 1, 1)
        # Copies continue each other point-symmetrically, so copy q starts q times the rise of the signal higher.
        offset = segment * (tail - head)
        return (head + tail - piece if turned else piece) + offset
    return piece


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
    multiples = (multiple, multiple) if isinstance(multiple, int) else tuple(multiple)
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
    height, width = size
    if x.shape[-2] < height or x.shape[-1] < width:
        raise ValueError(f"size {height}x{width} is larger than the image {x.shape[-2]}x{x.shape[-1]}")
    return x[..., :height, :width]
