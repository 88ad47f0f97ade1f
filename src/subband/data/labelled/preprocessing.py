"""How an image of any size becomes the input of a classifier."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from torch import Tensor
from torch.nn import functional as F

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "CropMode", "Interpolation", "Preprocessing"]

Interpolation = Literal["bilinear", "bicubic"]
CropMode = Literal["center", "squash"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """From an image of any size to the input of a network; it is stored beside the weights.

    Sizes and places are those of torchvision and timm, pixel for pixel.

    Args:
        size: Height and width of the input.
        crop_ratio: Share of the resized image, along one side, that the central crop keeps.
        interpolation: How the image is resized.
        mean: Subtracted from red, green and blue.
        std: Divides red, green and blue.
        crop_mode: `center` resizes both sides alike until the crop just fits; `squash` resizes each side to that of the
            crop over `crop_ratio`, whatever the shape of the image.
        antialias: Smooth before shrinking, as Pillow does; OpenCV does not.

    Raises:
        ValueError: If a size or a standard deviation is not positive, the ratio is outside (0, 1], or a mode is
            unknown.

    Example:
        >>> import torch
        >>> prepare = Preprocessing(size=(32, 32), crop_ratio=0.875)
        >>> prepare(torch.rand(3, 50, 70)).shape
        torch.Size([3, 32, 32])
        >>> Preprocessing.from_dict(prepare.to_dict()) == prepare
        True
    """

    size: tuple[int, int] = (224, 224)
    crop_ratio: float = 0.875
    interpolation: Interpolation = "bicubic"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    crop_mode: CropMode = "center"
    antialias: bool = True

    def __post_init__(self) -> None:
        if min(self.size) < 1 or not 0 < self.crop_ratio <= 1 or min(self.std) <= 0:
            raise ValueError(
                "size and std must be positive and crop_ratio in (0, 1], "
                f"got {self.size}, {self.std}, {self.crop_ratio}."
            )
        for name, value, known in (
            ("interpolation", self.interpolation, get_args(Interpolation)),
            ("crop_mode", self.crop_mode, get_args(CropMode)),
        ):
            if value not in known:
                raise ValueError(f"{name} must be {' or '.join(map(repr, known))}, got {value!r}.")

    def __call__(self, image: Tensor) -> Tensor:
        """Resize, crop the center, normalize.

        Args:
            image: `(3, H, W)` in [0, 1].

        Returns:
            `(3, *size)`, normalized.
        """
        return self.normalize(self.fit(image))

    def fit(self, image: Tensor) -> Tensor:
        """The central crop of the resized image `(3, H, W)`: `(3, *size)` in [0, 1], not normalized."""
        image = self.resize(image, self._resized_sides(image.shape[-2], image.shape[-1]))
        top, left = (round((side - own) / 2) for side, own in zip(image.shape[-2:], self.size, strict=True))
        return image[:, top : top + self.size[0], left : left + self.size[1]]

    def resize(self, image: Tensor, size: Sequence[int], interpolation: Interpolation | None = None) -> Tensor:
        """The image `(3, H, W)` at another size, in [0, 1]; by another interpolation than usual if one is given."""
        if tuple(image.shape[-2:]) == tuple(size):
            return image
        mode = interpolation or self.interpolation
        resized = F.interpolate(image[None], tuple(size), mode=mode, antialias=self.antialias, align_corners=False)
        return resized[0].clamp(0, 1)

    def normalize(self, image: Tensor) -> Tensor:
        """`(image - mean) / std` per channel."""
        return (image - image.new_tensor(self.mean)[:, None, None]) / image.new_tensor(self.std)[:, None, None]

    def denormalize(self, images: Tensor) -> Tensor:
        """Inverse of `normalize` for `(..., 3, H, W)`."""
        return images * images.new_tensor(self.std)[:, None, None] + images.new_tensor(self.mean)[:, None, None]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a model's `config.json`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Inverse of `to_dict`; lists are taken for tuples, and what an older file lacks has its default."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)

    def _resized_sides(self, height: int, width: int) -> tuple[int, int]:
        """Height and width before the crop."""
        rows, columns = (math.floor(side / self.crop_ratio) for side in self.size)
        if self.crop_mode == "squash":
            return rows, columns
        if rows == columns:  # torchvision cuts the longer side off to whole pixels
            short = min(height, width)
            return int(rows * height / short), int(rows * width / short)
        ratio = min(height / rows, width / columns)  # timm rounds it for inputs that are not square
        return round(height / ratio), round(width / ratio)
