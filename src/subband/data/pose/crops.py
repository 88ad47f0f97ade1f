"""From the box of a person to the crop that a network sees, and back.

Coordinates are pixels, x to the right, y down, 0 in the middle of the first pixel. Two conventions are published: UDP
(Huang et al., The Devil is in the Details: Delving into Unbiased Data Processing for Human Pose Estimation, CVPR 2020),
which measures between middles of pixels and which ViTPose uses, and the classic one of HRNet, which counts pixels.
Published code also turns the two in opposite directions for the same angle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Convention", "CropFrame", "crop_frame", "crop_matrix", "points_to_image", "warp_crop"]

Convention: TypeAlias = Literal["udp", "classic"]
CONVENTIONS = ("udp", "classic")


class CropFrame(NamedTuple):
    """The part of an image that becomes a crop.

    Attributes:
        center: x and y of its middle.
        sides: Width and height, in the ratio of the crop's.
    """

    center: tuple[float, float]
    sides: tuple[float, float]


def crop_frame(box: Sequence[float], size: tuple[int, int], *, padding: float = 1.25) -> CropFrame:
    """A person's box, widened to the shape of a crop and enlarged.

    Args:
        box: x and y of the upper left corner, width and height.
        size: `(H, W)` of the crop.
        padding: Factor of both sides.

    Raises:
        ValueError: If the box has no area or a number that is not finite.

    Example:
        >>> crop_frame((120.5, 60.25, 80, 210), (256, 192))
        CropFrame(center=(160.5, 165.25), sides=(196.875, 262.5))
    """
    x, y, width, height = (float(value) for value in box)
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise ValueError(f"box must be x, y, width, height with positive sides, got {[x, y, width, height]}.")
    ratio = size[1] / size[0]
    wide = (width, width / ratio) if width > ratio * height else (ratio * height, height)
    return CropFrame((x + width / 2, y + height / 2), (padding * wide[0], padding * wide[1]))


def crop_matrix(
    frame: CropFrame, size: tuple[int, int], *, degrees: float = 0.0, convention: Convention = "udp"
) -> Tensor:
    """Where points of the image are in the crop: `crop = M[:, :2] @ (x, y) + M[:, 2]`.

    Args:
        frame: Of `crop_frame`.
        size: `(H, W)` of the crop.
        degrees: Turns the crop about the frame's middle.
        convention: `udp` or `classic`; the two turn in opposite directions.

    Returns:
        `(2, 3)`, float64.

    Raises:
        ValueError: If the convention is unknown.
    """
    _check_convention(convention)
    (height, width), (sw, sh) = size, frame.sides
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if convention == "udp":
        across, down = (width - 1) / sw, (height - 1) / sh
        turn = torch.tensor([[across * cosine, -across * sine], [down * sine, down * cosine]], dtype=torch.float64)
        middle = torch.tensor([across * sw / 2, down * sh / 2], dtype=torch.float64)
    else:
        scale = width / sw
        turn = scale * torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
        middle = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    shift = middle - turn @ torch.tensor(frame.center, dtype=torch.float64)
    return torch.cat([turn, shift[:, None]], 1)


def warp_crop(images: Tensor, matrix: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut a crop out of images by exact bilinear interpolation; outside of them all is zero.

    Args:
        images: `(..., C, H, W)`, floating, any range, all cut alike, such as the frames of a clip.
        matrix: `(2, 3)`, of `crop_matrix`.
        size: `(H', W')` of the crop.

    Returns:
        `(..., C, H', W')`.

    Raises:
        TypeError: If the images are not floating.
        ValueError: If they have fewer than three axes.

    Example:
        >>> matrix = torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
        >>> warp_crop(torch.arange(6.0).view(1, 2, 3), matrix, (2, 3))[0].tolist()
        [[1.0, 2.0, 0.0], [4.0, 5.0, 0.0]]
    """
    if not images.is_floating_point():
        raise TypeError(f"images must be floating, got {images.dtype}.")
    if images.ndim < 3:
        raise ValueError(f"images must be (..., C, H, W), got {tuple(images.shape)}.")
    wide = matrix.double()
    back = torch.linalg.inv(wide[:, :2])
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in size), indexing="ij")
    places = (torch.stack([x, y], -1).to(wide.device) - wide[:, 2]) @ back.mT  # (H', W', 2) in pixels of the images
    # Middles of pixels are whole numbers, and the grid has -1 and 1 at the outer edges.
    sides = places.new_tensor([images.shape[-1], images.shape[-2]])
    precise = images.to(torch.promote_types(images.dtype, torch.float32))  # places in half precision are too coarse
    grid = ((2 * places + 1) / sides - 1).to(precise)
    stacked = precise.reshape(-1, *images.shape[-3:])
    found = F.grid_sample(
        stacked, grid.expand(len(stacked), -1, -1, -1), mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return found.view(*images.shape[:-2], *size).to(images.dtype)


def points_to_image(
    points: Tensor, frame: CropFrame, map_size: tuple[int, int], *, convention: Convention = "udp"
) -> Tensor:
    """Points of a heatmap in pixels of the image that an unturned crop was cut from.

    Args:
        points: x and y in entries of the map, `(..., 2)`.
        frame: Of `crop_frame`.
        map_size: `(H, W)` of the map.
        convention: That of the crop.

    Returns:
        `(..., 2)`.

    Raises:
        ValueError: If the convention is unknown.
    """
    _check_convention(convention)
    height, width = map_size
    counted = (width - 1, height - 1) if convention == "udp" else (width, height)
    sides, center = points.new_tensor(frame.sides), points.new_tensor(frame.center)
    return points / points.new_tensor(counted) * sides + center - sides / 2


def _check_convention(convention: str) -> None:
    if convention not in CONVENTIONS:
        raise ValueError(f"convention must be {' or '.join(CONVENTIONS)}, got {convention!r}.")
