"""People drawn into the image they were found in: limbs, joints, boxes and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from subband.predictors.pose import FoundPoses
from subband.visual.colors import series_styles
from subband.visual.marks import DARK, draw_box, draw_name, pens, rgb

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["draw_poses"]

# Warm for the person's left, cool for the right, pale between: told apart by color-blind readers, too.
LEFT, RIGHT, MIDDLE = (255, 143, 63), (77, 179, 240), (240, 240, 225)
PEOPLE = 6  # colors of people; they repeat after that, numbers do not


def draw_poses(image: Tensor, found: FoundPoses, *, min_score: float = 0.3) -> Tensor:
    """Draw people, the last one of the list first.

    Limbs of the left and the right side have a color each, joints and boxes that of their person; all lines are cased
    in dark, so that they are seen on any ground, and grow with the image. Beyond six people colors repeat.

    Args:
        image: `(3, H, W)`, uint8.
        found: People in pixels of this image.
        min_score: Joints with less are not drawn, nor limbs that end in them.

    Returns:
        `(3, H, W)`, uint8.

    Example:
        >>> from subband.joints import COCO
        >>> joints = torch.zeros(1, 17, 2)
        >>> joints[0, 5], joints[0, 7] = torch.tensor([20.0, 20.0]), torch.tensor([20.0, 50.0])
        >>> scores = torch.zeros(1, 17).index_fill(1, torch.tensor([5, 7]), 1.0)
        >>> whole = torch.tensor([[0.0, 0.0, 96.0, 64.0]])
        >>> found = FoundPoses(
        ...     joints=joints,
        ...     scores=scores,
        ...     boxes=whole,
        ...     box_scores=torch.ones(1),
        ...     ids=None,
        ...     size=(64, 96),
        ...     joint_set=COCO,
        ... )
        >>> drawn = draw_poses(torch.zeros(3, 64, 96, dtype=torch.uint8), found)
        >>> drawn[:, 35, 20].tolist(), bool(drawn[:, 35, 60].any())
        ([255, 143, 63], False)
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy().copy())
    draw = ImageDraw.Draw(picture)
    width, font = pens(picture.size)
    numbers = list(range(len(found))) if found.ids is None else found.ids.tolist()
    colors = [rgb(style.dark) for style in series_styles([str(number) for number in range(PEOPLE)]).values()]
    colors = colors[2:] + colors[:2]  # those like the sides' last
    order = [index for index in range(len(found) - 1, -1, -1) if bool((found.scores[index] >= min_score).any())]
    whole = torch.tensor([0.0, 0.0, picture.width, picture.height])
    boxed = [index for index in order if not torch.equal(found.boxes[index], whole)]
    for index in boxed:
        draw_box(draw, found.boxes[index].tolist(), colors[numbers[index] % PEOPLE], width)
    for index in order:
        _draw_person(draw, found, index, colors[numbers[index] % PEOPLE], width, min_score)
    for index in boxed if found.ids is not None else ():
        box, color = found.boxes[index].tolist(), colors[numbers[index] % PEOPLE]
        draw_name(draw, f"person {numbers[index]}", box, color, width, font)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def _draw_person(
    draw: ImageDraw, found: FoundPoses, index: int, color: tuple[int, int, int], width: int, min_score: float
) -> None:
    """The limbs of a person below its joints; all dark cases below all colors, so that crossing limbs stay whole."""
    names = found.joint_set.names
    is_seen = (found.scores[index] >= min_score).tolist()
    points = [(float(x), float(y)) for x, y in found.joints[index].tolist()]
    limbs = [(first, second) for first, second in found.joint_set.limbs if is_seen[first] and is_seen[second]]
    case, radius = max(1, width // 2), 1.5 * width
    thick = width + 1 | 1  # of an even width, one side would have no case
    for grown in (case, 0):
        for first, second in limbs:
            paint = DARK if grown else _side_color(names[first], names[second])
            draw.line((points[first], points[second]), fill=paint, width=thick + 2 * grown)
    for grown, paint in ((case, DARK), (0, color)):
        for (x, y), seen in zip(points, is_seen, strict=True):
            if seen:
                draw.ellipse((x - radius - grown, y - radius - grown, x + radius + grown, y + radius + grown), paint)


def _side_color(first: str, second: str) -> tuple[int, int, int]:
    """That of the side that a limb belongs to: the side of its joints, or of the one that has a side."""
    sides = {name.partition("_")[0] for name in (first, second)} & {"left", "right"}
    return {"left": LEFT, "right": RIGHT}[sides.pop()] if len(sides) == 1 else MIDDLE
