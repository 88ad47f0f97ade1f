"""How a person in an image becomes the input of a network for pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from subband.data.labelled.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from subband.data.pose.crops import CONVENTIONS, Convention, CropFrame, crop_frame, crop_matrix, warp_crop

__all__ = ["PosePreprocessing"]


@dataclass(frozen=True, kw_only=True)
class PosePreprocessing:
    """From an image and the box of a person to a crop; it is stored beside the weights. The defaults are ViTPose's.

    Args:
        size: `(H, W)` of the crop.
        mean: Subtracted from red, green and blue in [0, 1]; what lies outside the image is black before that.
        std: Divides them after that.
        padding: Factor of both sides of the box.
        convention: How pixels are counted, `udp` or `classic`; see `subband.data.pose.crops`.

    Raises:
        ValueError: If a number is not positive, or the convention is unknown.

    Example:
        >>> import torch
        >>> prepare = PosePreprocessing(size=(64, 48))
        >>> prepare(torch.rand(3, 90, 120), (10.0, 20.0, 40.0, 80.0)).shape
        torch.Size([3, 64, 48])
        >>> PosePreprocessing.from_dict(prepare.to_dict()) == prepare
        True
    """

    size: tuple[int, int] = (256, 192)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    padding: float = 1.25
    convention: Convention = "udp"

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(*self.size, *self.std, self.padding) <= 0:
            raise ValueError(
                "size must be (H, W), and it, std and padding positive, "
                f"got {self.size}, {self.std} and {self.padding}."
            )
        if self.convention not in CONVENTIONS:
            raise ValueError(f"convention must be {' or '.join(CONVENTIONS)}, got {self.convention!r}.")

    def frame(self, box: Sequence[float]) -> CropFrame:
        """The part of the image that becomes the crop of a person.

        Args:
            box: Corners x1, y1, x2, y2 in pixels of the image.

        Raises:
            ValueError: If the box has no area.
        """
        left, top, right, bottom = box
        return crop_frame((left, top, right - left, bottom - top), self.size, padding=self.padding)

    def __call__(self, images: Tensor, box: Sequence[float]) -> Tensor:
        """Cut and normalize.

        Args:
            images: `(..., 3, H, W)` in [0, 1], all cut alike.
            box: Corners x1, y1, x2, y2 in pixels of the images.

        Returns:
            `(..., 3, *self.size)`, normalized.

        Raises:
            ValueError: If the box has no area.
        """
        matrix = crop_matrix(self.frame(box), self.size, convention=self.convention)
        crops = warp_crop(images, matrix, self.size)
        return (crops - crops.new_tensor(self.mean)[:, None, None]) / crops.new_tensor(self.std)[:, None, None]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a model's `config.json`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PosePreprocessing:
        """Inverse of `to_dict`; lists are taken for tuples, and what is not there has its default."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)
