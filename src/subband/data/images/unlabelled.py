"""Images without labels: what such a data set promises, and its three splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

from subband.data.random import uniform
from subband.data.spec import check_finite, check_index, check_range

__all__ = [
    "StoredImages",
    "UnlabelledData",
    "UnlabelledImages",
    "UnlabelledSource",
    "UnlabelledSpec",
    "luma",
    "resized",
]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_FLIP_STREAM = 0x666C6970  # apart from whatever else is drawn with the same seed and key


@dataclass(frozen=True, kw_only=True)
class UnlabelledSpec:
    """Shape of the images of a data set; their values lie in [0, 1].

    Args:
        channels: C, 1 or 3.
        height: Rows of an image, H.
        width: Columns, W.

    Raises:
        ValueError: If a size is not positive, or C is another number.

    Example:
        >>> UnlabelledSpec(channels=3, height=32, width=48).shape
        (3, 32, 48)
    """

    channels: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}")
        if min(self.height, self.width) < 1:
            raise ValueError(f"height and width must be at least 1, got {self.height} and {self.width}")

    @property
    def data_range(self) -> tuple[float, float]:
        """Smallest and largest value of an image."""
        return 0.0, 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image, `(C, H, W)`."""
        return self.channels, self.height, self.width


class UnlabelledSource(Protocol):
    """What a task needs of a split; `UnlabelledImages` is one."""

    spec: UnlabelledSpec

    def __len__(self) -> int:
        """Images of one epoch."""

    def __getitem__(self, key: int) -> Tensor:
        """Image `(C, H, W)` of one key, float32 in [0, 1]."""


class UnlabelledImages:
    """A map-style data set of images.

    A key may exceed the length: the image's index is `key % len`, its epoch `key // len`. Whether it is mirrored is a
    pure function of (seed, key), so a run can be repeated and resumed, and worker processes agree.

    Args:
        read: The image of an index, `(C, H, W)` in [0, 1], of the size of `spec`.
        length: How many there are.
        spec: Shape of the images.
        flip: Mirror half of them.
        seed: Chooses which.

    Raises:
        ValueError: If there is no image.
    """

    def __init__(
        self, read: Callable[[int], Tensor], length: int, spec: UnlabelledSpec, *, flip: bool = False, seed: int = 0
    ) -> None:
        if length < 1:
            raise ValueError("a split holds no image; hold out less of the images, or add some.")
        self.spec, self.seed = spec, seed
        self._read, self._length, self._flip = read, length, flip

    def __len__(self) -> int:
        """Images of one epoch."""
        return self._length

    def __getitem__(self, key: int) -> Tensor:
        """Image `(C, H, W)` of one key, float32 in [0, 1].

        Raises:
            DamagedFileError: If it cannot be read, or has pixels that are no numbers.
        """
        index = check_index(key) % len(self)
        image = check_finite(self._read(index), f"image {index}")
        is_mirrored = self._flip and uniform(self.seed ^ _FLIP_STREAM, [key], 1)[0, 0] < 0.5
        return image.flip(-1) if is_mirrored else image

    def check_batch(self, batch: Tensor) -> None:
        """Warn when the images of a batch leave [0, 1]."""
        check_range(batch, self.spec, "images")


class StoredImages:
    """Images that are held in memory, for `UnlabelledImages(read=...)`.

    An object, not a closure, so that worker processes can be started afresh with it.

    Args:
        pixels: `(N, C, h, w)`, any dtype.
        white: Value of white.
        size: Height and width they are resized to.
    """

    def __init__(self, pixels: Tensor, white: float, size: tuple[int, int]) -> None:
        self.pixels, self.white, self.size = pixels, white, size

    def __call__(self, index: int) -> Tensor:
        """Image of an index, `(C, *size)` in [0, 1]."""
        return resized(self.pixels[index].float() / self.white, self.size)


@dataclass(frozen=True)
class UnlabelledData:
    """The three splits of a data set; no image of one is in another.

    Args:
        train: Training images.
        val: Images for choosing a checkpoint.
        test: Images for the reported figures.
        spec: Shape common to all three.

    Raises:
        ValueError: If a split has images of another shape.
    """

    train: UnlabelledSource
    val: UnlabelledSource
    test: UnlabelledSource
    spec: UnlabelledSpec

    def __post_init__(self) -> None:
        for name in ("train", "val", "test"):
            spec = getattr(self, name).spec
            if spec != self.spec:
                raise ValueError(f"images of the {name} split are {spec}, expected {self.spec}")


def luma(image: Tensor) -> Tensor:
    """The brightness of a color image.

    Args:
        image: `(3, H, W)`, any range.

    Returns:
        `(1, H, W)`.

    Example:
        >>> import torch
        >>> luma(torch.ones(3, 1, 1)).item()
        1.0
    """
    return (image * image.new_tensor(_LUMA)[:, None, None]).sum(0, keepdim=True)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest central part of an image that has the shape of `size`, resized to it (bicubic, antialiased).

    Args:
        image: `(C, h, w)` in [0, 1].
        size: H and W.

    Returns:
        `(C, H, W)` in [0, 1].

    Example:
        >>> import torch
        >>> resized(torch.rand(3, 20, 30), (8, 8)).shape
        torch.Size([3, 8, 8])
    """
    height, width = image.shape[-2:]
    scale = min(height / size[0], width / size[1])
    rows, columns = (max(1, min(side, round(own * scale))) for side, own in zip((height, width), size, strict=True))
    top, left = (height - rows) // 2, (width - columns) // 2
    part = image[:, top : top + rows, left : left + columns]
    if (rows, columns) == tuple(size):
        return part
    return F.interpolate(part[None], size, mode="bicubic", antialias=True, align_corners=False)[0].clamp(0, 1)
