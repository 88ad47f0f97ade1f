"""Test people in the report, with their true joints and with those that every model found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from markupsafe import Markup

from subband.joints import JointSet
from subband.predictors.pose import FoundPoses
from subband.visual.found_poses import draw_poses
from subband.visual.html import figure, findings, image, plots, stack
from subband.visual.report.runs import Samples
from subband.visual.strips import strip_png

SIDE = 256  # pixels of the longer side of a tile, at least
MIN_SCORE = 0.2  # of joints that are drawn
FAR = 0.1  # of the longer side of a crop: joints farther off are wrong


def pose_figures(samples: Samples, joints: JointSet) -> Markup:
    """Test people twice and more: with their true joints, then with those of every model.

    Those with most wrong joints come first.

    Args:
        samples: Crops `(N, 3, H, W)`, true joints `(N, K, 3)` with visibility, found ones with a score, in pixels.
        joints: Their names and limbs.
    """
    if not len(samples.inputs) or not samples.predictions:
        return Markup()
    counts = [
        sum(wrong_joints(samples.targets[index], found[index], FAR * max(samples.inputs.shape[2:])) for found in rows)
        for rows in [list(samples.predictions.values())]
        for index in range(len(samples.inputs))
    ]
    figures = []
    for index in sorted(range(len(counts)), key=lambda place: (-counts[place], place)):
        tiles = [_drawn(samples.inputs[index], samples.targets[index], joints, min_score=0.5)]
        tiles += [
            _drawn(samples.inputs[index], found[index], joints, min_score=MIN_SCORE)
            for found in samples.predictions.values()
        ]
        words = f"{counts[index]} wrong joints" if counts[index] else "no wrong joint"
        figures.append(figure(words, image(strip_png(np.stack(tiles)), "image/png", "a test person with joints")))
    order = ", then ".join(["the true joints", *(f"those of {label}" for label in samples.predictions)])
    return stack(findings([f"From left to right: {order}."]), plots(figures))


def wrong_joints(true: np.ndarray, found: np.ndarray, far: float) -> int:
    """Labelled joints that were found too far away.

    Args:
        true: x, y and visibility, `(K, 3)`.
        found: x, y and score, `(K, 3)`.
        far: Distance in pixels from which a joint is wrong.

    Example:
        >>> true = np.array([[0.0, 0, 2], [9, 9, 1], [5, 5, 0]])
        >>> wrong_joints(true, np.array([[0.0, 1, 0.9], [0, 0, 0.8], [90, 90, 0.7]]), 6.4)
        1
    """
    distances = np.linalg.norm(true[:, :2] - found[:, :2], axis=1)
    return int(((distances > far) & (true[:, 2] > 0)).sum())


def joint_set(data: dict[str, Any]) -> JointSet:
    """Joints as the facts about a test set name them."""
    names: Sequence[str] = data["joints"]
    return JointSet(tuple(names), tuple((first, second) for first, second in data["limbs"]), (0.0,) * len(names))


def _drawn(crop: np.ndarray, joints: np.ndarray, names: JointSet, *, min_score: float) -> np.ndarray:
    """A crop `(3, H, W)`, enlarged, with joints `(K, 3)`, as a tile `(H', W', 3)`."""
    factor = max(1, -(-SIDE // max(crop.shape[1:])))
    large = torch.from_numpy(crop).repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    height, width = large.shape[1:]
    found = FoundPoses(
        joints=torch.from_numpy(factor * joints[None, :, :2] + (factor - 1) / 2).float(),
        scores=torch.from_numpy(joints[None, :, 2]).float(),
        boxes=torch.tensor([[0.0, 0.0, width, height]]),
        box_scores=torch.ones(1),
        ids=None,
        size=(height, width),
        joint_set=names,
    )
    return draw_poses(large, found, min_score=min_score).movedim(0, -1).numpy()
