"""How an image of any size becomes the input of a detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from subband.data.labelled.preprocessing import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["DetectionPreprocessing"]

WHITE = 255


@dataclass(frozen=True, kw_only=True)
class DetectionPreprocessing:
    """From an image of any size to the input of a detector; it is stored beside the weights.

    Both sides are changed by one factor, up or down, so that the image just fits. As published (MMDetection 2.11 on
    OpenCV), images have 8 bits before and after that, and nothing is smoothed; OpenCV's own rounding differs by one of
    255 steps at most.

    Args:
        short_side: Most pixels along the shorter side.
        long_side: Most pixels along the longer side.
        mean: Subtracted from red, green and blue in [0, 1].
        std: Divides them after that.

    Raises:
        ValueError: If a side or a standard deviation is not positive, or `short_side` exceeds `long_side`.

    Example:
        >>> import torch
        >>> prepare = DetectionPreprocessing()
        >>> prepare.size(427, 640), prepare(torch.rand(3, 40, 50)).shape
        ((747, 1120), torch.Size([3, 896, 1120]))
        >>> DetectionPreprocessing.from_dict(prepare.to_dict()) == prepare
        True
    """

    short_side: int = 896
    long_side: int = 1120
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if not 1 <= self.short_side <= self.long_side or min(self.std) <= 0:
            raise ValueError(
                "short_side and std must be positive and long_side at least short_side, "
                f"got {self.short_side}, {self.std} and {self.long_side}."
            )

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the input for an image."""
        scale = min(self.long_side / max(height, width), self.short_side / min(height, width))
        return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))

    def __call__(self, image: Tensor) -> Tensor:
        """Resize and normalize.

        Args:
            image: `(3, H, W)` in [0, 1].

        Returns:
            `(3, *self.size(H, W))`, normalized.
        """
        return self.normalize(self.resize(image, self.size(image.shape[-2], image.shape[-1])))

    @staticmethod
    def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
        """An image of another size, of 8 bits.

        Args:
            image: `(3, H, W)` in [0, 1].
            size: Height and width of the result.
        """
        levels = (image.float() * WHITE).round()
        if size != tuple(image.shape[-2:]):
            levels = F.interpolate(levels[None], size, mode="bilinear", align_corners=False)[0].round()
        return levels.clamp(0, WHITE) / WHITE

    def normalize(self, pixels: Tensor) -> Tensor:
        """What the network sees of `pixels`, `(3, H, W)` in [0, 1]."""
        return (pixels - pixels.new_tensor(self.mean)[:, None, None]) / pixels.new_tensor(self.std)[:, None, None]

    def denormalize(self, inputs: Tensor) -> Tensor:
        """Inverse of `normalize`, for `(3, H, W)`."""
        return inputs * inputs.new_tensor(self.std)[:, None, None] + inputs.new_tensor(self.mean)[:, None, None]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a model's `config.json`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DetectionPreprocessing:
        """Inverse of `to_dict`; lists are taken for tuples, and what is not there has its default."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)
