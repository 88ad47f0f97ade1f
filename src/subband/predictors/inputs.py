"""What predictors take as images and frames: files, Pillow's images, NumPy arrays and tensors, under the same rules.

Layout: a NumPy array is `(H, W)` or `(H, W, C)`, as Pillow and OpenCV have it; a tensor is `(C, H, W)`, as networks
have it. Values: `uint8` is divided by 255; floating point must lie in `[0, 1]`. One channel is gray, three are red,
green and blue. Frames may have any number of channels that their network takes. Transparent parts of files and of
Pillow's images count as white.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from subband.media.images import on_white, read_image

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FrameInput", "ImageInput", "as_frames", "as_image"]

ImageInput: TypeAlias = "str | Path | Image | np.ndarray | Tensor"
"""One image: a file, or its pixels."""

FrameInput: TypeAlias = "np.ndarray | Tensor | Sequence[ImageInput]"
"""Frames of one size: an array `(T, H, W)` or `(T, H, W, C)`, a tensor `(T, C, H, W)`, or a list of images."""

COLORS = (1, 3)
TOLERANCE = 0.01  # interpolation and codecs may overshoot a little


def as_image(image: ImageInput, name: str = "image") -> Tensor:
    """One image as a tensor.

    Args:
        image: File, Pillow image, array `(H, W)` or `(H, W, C)`, or tensor `(C, H, W)`; C = 1 or 3.
        name: What messages call it.

    Returns:
        `(C, H, W)` float in [0, 1], of the type of the input where that is floating point, on its device.

    Raises:
        ValueError: If shape or type do not fit, values are not finite, or a file cannot be read.
        TypeError: If it is none of these kinds.

    Example:
        >>> as_image(np.full((2, 4, 3), 255, dtype=np.uint8)).shape
        torch.Size([3, 2, 4])
        >>> as_image(torch.tensor([[[0, 51]]], dtype=torch.uint8))
        tensor([[[0.0000, 0.2000]]])
    """
    if isinstance(image, str | Path):
        return on_white(read_image(image))
    if isinstance(image, Tensor):
        _check_shape(tuple(image.shape), name, "(C, H, W)", channel_axis=0)
        return _scaled(image, name)
    array = _array(image, name)
    if array.ndim == 2:
        array = array[..., None]
    _check_shape(array.shape, name, "(H, W) or (H, W, C)", channel_axis=2)
    return _scaled(_to_tensor(array, name).movedim(-1, 0), name)


def as_frames(frames: FrameInput, name: str = "frames") -> Tensor:
    """Frames of one size as a tensor.

    Args:
        frames: Array `(T, H, W)` or `(T, H, W, C)`, tensor `(T, C, H, W)`, or a list of what `as_image` takes.
        name: What messages call them.

    Returns:
        `(T, C, H, W)` float in [0, 1].

    Raises:
        ValueError: If shape or type do not fit, values are not finite, sizes differ, or a file cannot be read.
        TypeError: If it is none of these kinds.

    Example:
        >>> as_frames(np.zeros((5, 8, 8), dtype=np.uint8)).shape
        torch.Size([5, 1, 8, 8])
        >>> as_frames([np.zeros((8, 8)), torch.zeros(1, 8, 8)]).shape
        torch.Size([2, 1, 8, 8])
    """
    if isinstance(frames, Tensor):
        _check_shape(tuple(frames.shape), name, "(T, C, H, W)")
        return _scaled(frames, name)
    if isinstance(frames, np.ndarray):
        array = frames[..., None] if frames.ndim == 3 else frames
        _check_shape(array.shape, name, "(T, H, W) or (T, H, W, C)")
        if array.shape[1] in COLORS and array.shape[3] not in COLORS:
            raise ValueError(f"{name} of shape {array.shape} look like (T, C, H, W); pass torch.from_numpy({name}).")
        return _scaled(_to_tensor(array, name).movedim(-1, 1), name)
    if not isinstance(frames, Sequence) or isinstance(frames, str | bytes) or not frames:
        raise TypeError(f"{name} must be an array, a tensor or a list of images, not {_kind(frames)}.")
    images = [as_image(frame, f"{name}[{index}]") for index, frame in enumerate(frames)]
    channels = max(len(image) for image in images)
    sizes = {tuple(image.shape[1:]) for image in images}
    if len(sizes) > 1:
        raise ValueError(f"{name} must be of one size, got {' and '.join(f'{w} x {h}' for h, w in sorted(sizes))}.")
    return torch.stack([image.to(images[0]).expand(channels, -1, -1) for image in images])


def _array(image: Any, name: str) -> np.ndarray:
    if isinstance(image, np.ndarray):
        return image
    from PIL import Image, ImageOps

    if not isinstance(image, Image.Image):
        raise TypeError(f"{name} must be a path, a Pillow image, a NumPy array or a tensor, not {_kind(image)}.")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return np.asarray(image, dtype=np.float32) / 65535
    if image.mode in ("L", "1"):
        return np.asarray(image.convert("L"))
    if image.mode in ("I", "F"):
        raise ValueError(f"{name} is a Pillow image of mode {image.mode}, whose range is not known; convert it first.")
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))


def _to_tensor(array: np.ndarray, name: str) -> Tensor:
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise ValueError(_type_message(name, array.dtype))
    return torch.from_numpy(np.array(array, np.uint8 if array.dtype == np.uint8 else np.float32))


def _scaled(values: Tensor, name: str) -> Tensor:
    """In [0, 1] by their type; floating point is looked at."""
    if values.dtype == torch.uint8:
        return values.float() / 255
    if not values.is_floating_point():
        raise ValueError(_type_message(name, values.dtype))
    low, high = (bound.item() for bound in values.aminmax())
    if not (low > -float("inf") and high < float("inf")):
        raise ValueError(f"{name} must hold numbers in [0, 1], but some are not finite.")
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        fix = "divide 8-bit values by 255" if low >= 0 else "map [-1, 1] to [0, 1] by (x + 1) / 2"
        warnings.warn(
            f"{name} should lie in [0, 1] but reach from {low:.3g} to {high:.3g}; {fix}, or the result means nothing.",
            stacklevel=4,
        )
    return values


def _check_shape(shape: tuple[int, ...], name: str, wanted: str, channel_axis: int | None = None) -> None:
    axes = wanted.rpartition("(")[2].count(",") + 1
    colors = "" if channel_axis is None else " with C = 1 or 3"
    fits = len(shape) == axes and 0 not in shape
    if not fits or (channel_axis is not None and shape[channel_axis] not in COLORS):
        raise ValueError(f"{name} must be {wanted}{colors}, got {tuple(shape)}.")


def _type_message(name: str, kind: object) -> str:
    return f"{name} must be uint8, or floating point in [0, 1], got {kind}."


def _kind(value: object) -> str:
    return "an empty list" if isinstance(value, Sequence) and not value else type(value).__name__
