"""Drawn people that move: clips with known joints, without any download.

Left arms and legs are warm, right ones cool, since nothing else tells a figure from its mirror image. Parts may be
hidden by a rectangle, and frames are exposed for a while, so that what moves is blurred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from subband.data.pose.figures import (
    Figure,
    Occluder,
    Swing,
    background,
    draw_figures,
    figure_joints,
    head_boxes,
)
from subband.data.pose.preprocessing import PosePreprocessing
from subband.data.pose.samples import PoseData, PoseSample, PoseSpec, PoseTruth
from subband.data.spec import check_index, image_size
from subband.joints import POSETRACK

__all__ = ["DrawnFigures", "DrawnVideo", "drawn_figures", "drawn_video"]

NUM_SUBFRAMES, EXPOSURE = 5, 0.6  # of a blurred frame
NOISE = 0.02  # standard deviation
MAX_CLIPS = 10_000  # of a split, so that no number is in two of them
FIRST_TEST, FIRST_VAL, NEXT_SEED = 10_000, 20_000, 100_000
USUAL_SIDE = 64  # that the random ranges are said for
WARM, COOL, NEUTRAL, HEAD = (0.9, 0.45, 0.2), (0.25, 0.55, 0.9), (0.75, 0.75, 0.75), (0.9, 0.8, 0.65)
JITTER = 0.1


class DrawnVideo(NamedTuple):
    """Frames with the joints of the figure in them.

    Attributes:
        frames: `(L, 3, H, W)` uint8.
        joints: x and y in pixels, exactly in the middle of the exposure, `(L, 15, 2)`.
        visible: 0 out of the frame, 1 behind the rectangle, 2 otherwise, `(L, 15)`; what hides behind the figure's own
            limbs counts as visible.
    """

    frames: Tensor
    joints: np.ndarray
    visible: np.ndarray


def drawn_video(
    number: int,
    times: Sequence[int],
    size: tuple[int, int],
    *,
    hard: bool = False,
    occluder: bool = True,
    blur: bool = True,
    noise: bool = True,
) -> DrawnVideo:
    """The video of one number, the same on every call.

    Args:
        number: Chooses the figure, its movement and all else.
        times: Numbers of the frames; the figure is near the middle at 0, and may walk out of the frame later.
        size: `(H, W)`.
        hard: Colors that do not tell left from right.
        occluder: A rectangle moves over the figure.
        blur: A frame is the mean of five pictures over 0.6 of the time between frames.
        noise: Normal noise of standard deviation 0.02.

    Example:
        >>> video = drawn_video(0, range(5), (64, 64))
        >>> video.frames.shape, video.joints.shape
        (torch.Size([5, 3, 64, 64]), (5, 15, 2))
    """
    rng = np.random.default_rng(number)
    figure, hider = _random_figure(size, rng), _random_occluder(size, rng)
    colors, behind = _random_colors(hard, rng), background(size, rng)
    middles = np.asarray(times, float)
    offsets = EXPOSURE * ((np.arange(NUM_SUBFRAMES) + 0.5) / NUM_SUBFRAMES - 0.5) if blur else np.zeros(1)
    moments = (middles[:, None] + offsets).ravel()
    drawn = draw_figures(
        figure_joints(figure, moments), figure.height, colors, behind, hider if occluder else None, moments
    )
    frames = drawn.reshape(len(middles), -1, *drawn.shape[1:]).mean(1)
    if noise:
        frames = frames + rng.normal(0, NOISE, frames.shape)
    joints = figure_joints(figure, middles)
    inside = ((joints >= 0) & (joints <= np.asarray(size)[::-1] - 1)).all(-1)
    hidden = hider.hides(joints, middles) if occluder else np.zeros_like(inside)
    pixels = torch.from_numpy((255 * np.clip(frames, 0, 1)).round().astype(np.uint8))
    return DrawnVideo(pixels, joints, np.where(inside, np.where(hidden, 1, 2), 0))


def _random_figure(size: tuple[int, int], rng: np.random.Generator) -> Figure:
    unit = size[1] / USUAL_SIDE
    height = rng.uniform(0.7, 0.9) * size[0]
    start = (size[1] / 2 + rng.uniform(-4, 4) * unit, 0.52 * size[0])
    speed = (rng.uniform(-1.5, 1.5) * unit, 0.0)

    def swing(middle: float, reach: tuple[float, float]) -> Swing:
        return Swing(
            rng.uniform(-middle, middle), rng.uniform(*reach), rng.uniform(0.3, 0.9), rng.uniform(0, 2 * np.pi)
        )

    def pair() -> tuple[Swing, Swing]:
        return swing(0.5, (0.2, 0.8)), swing(0.5, (0.2, 0.8))

    lean = swing(0.1, (0.0, 0.2))
    return Figure(
        height=height,
        start=start,
        speed=speed,
        lean=lean,
        upper_arms=pair(),
        forearms=pair(),
        thighs=pair(),
        shanks=pair(),
    )


def _random_occluder(size: tuple[int, int], rng: np.random.Generator) -> Occluder:
    height, width = size
    middle = (rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height)
    speed = tuple(rng.uniform(-2, 2, 2) * width / USUAL_SIDE)
    return Occluder((0.25 * height, 0.2 * width), middle, (speed[0], speed[1]), tuple(rng.uniform(0.1, 0.9, 3)))


def _random_colors(hard: bool, rng: np.random.Generator) -> np.ndarray:
    """Of all limbs and the head, `(15, 3)`."""
    sides = [
        {name.split("_")[0] for name in (POSETRACK.names[first], POSETRACK.names[second])}
        for first, second in POSETRACK.limbs
    ]
    plain = [
        NEUTRAL if {"left", "right"} <= both else WARM if "left" in both else COOL if "right" in both else NEUTRAL
        for both in sides
    ]
    jitter = rng.uniform(-JITTER, JITTER, (len(plain) + 1, 3))
    random = rng.uniform(0.2, 1.0, jitter.shape)
    return random if hard else np.clip(np.array([*plain, HEAD]) + jitter, 0, 1)


class DrawnFigures:
    """A map-style data set of clips with one figure, the whole frame being its crop.

    A sample is one scored frame with those around it. All samples of a clip are frames of one video.

    Args:
        numbers: Of the videos.
        spec: Size and number of frames.
        scored_frames: Samples of each video, one after the other in time.
        with_truth: Whether samples are scored.
        still: Repeat the middle frame instead of showing those around it.
        in_memory: Keep videos that were drawn, in 8 bits.
        hard: See `drawn_video`, as those below.
        occluder: Likewise.
        blur: Likewise.
        noise: Likewise.
    """

    def __init__(
        self,
        numbers: range,
        spec: PoseSpec,
        *,
        scored_frames: int = 1,
        with_truth: bool,
        still: bool,
        in_memory: bool,
        hard: bool,
        occluder: bool,
        blur: bool,
        noise: bool,
    ) -> None:
        self.numbers, self.spec = numbers, spec
        self._scored_frames, self._with_truth, self._still, self._in_memory = (
            scored_frames,
            with_truth,
            still,
            in_memory,
        )
        self._looks = {"hard": hard, "occluder": occluder, "blur": blur, "noise": noise}
        self._kept: dict[int, DrawnVideo] = {}

    def __len__(self) -> int:
        """Samples of one epoch."""
        return len(self.numbers) * self._scored_frames

    def __getitem__(self, key: int) -> PoseSample:
        """The sample of one key; every epoch has the same."""
        index, place = divmod(check_index(key) % len(self), self._scored_frames)
        video, count = self._video(index), self.spec.num_frames
        middle = place + count // 2
        shown = [middle] * count if self._still else list(range(place, place + count))
        frames = self.spec.normalize(video.frames[shown].float() / 255)
        joints, visible = (torch.from_numpy(part[middle]).float() for part in (video.joints, video.visible))
        truth = self._truth(video, index, middle) if self._with_truth else None
        return PoseSample(frames, joints, visible, index, truth)

    def _truth(self, video: DrawnVideo, index: int, middle: int) -> PoseTruth:
        points = video.joints[middle]
        low, high = points.min(0), points.max(0)
        width, height = (high - low).tolist()
        return PoseTruth(
            to_image=torch.eye(2, 3, dtype=torch.float64),
            joints=torch.from_numpy(points).float(),
            visible=torch.from_numpy(video.visible[middle]).float(),
            box=(float(low[0]), float(low[1]), width, height),
            area=width * height,
            head_box=tuple(head_boxes(video.joints[middle : middle + 1])[0].tolist()),
            clip=f"figure {self.numbers[index]}",
            frame=middle,
            person=0,
        )

    def _video(self, index: int) -> DrawnVideo:
        video = self._kept.get(index)
        if video is None:
            # The middle of what is scored lies where it does in a video of a single clip.
            first = -((self._scored_frames - 1) // 2)
            times = range(first, first + self.spec.num_frames + self._scored_frames - 1)
            video = drawn_video(self.numbers[index], times, self.spec.crop_size, **self._looks)
            if not self._in_memory:
                self._kept.clear()  # samples that follow each other are of one video
            self._kept[index] = video
        return video


def drawn_figures(
    *,
    num_train: int = 2000,
    num_val: int = 100,
    num_test: int = 200,
    frames: int = 5,
    img_size: int | tuple[int, int] = 64,
    scored_frames: int = 1,
    still: bool = False,
    hard: bool = False,
    occluder: bool = True,
    blur: bool = True,
    noise: bool = True,
    in_memory: bool = False,
    sigma: float = 2.0,
    seed: int = 0,
) -> PoseData:
    """Drawn people that swing their arms and legs, with the fifteen joints of PoseTrack.

    Validation and test clips are the same for every seed.

    Args:
        num_train: Training clips, the same in every epoch.
        num_val: Validation clips.
        num_test: Test clips.
        frames: Of a clip; the joints of number `frames // 2` count.
        img_size: Side of the frames, or (H, W), multiples of 4.
        scored_frames: How many frames of every validation and test video are scored, one after the other.
        still: Repeat the middle frame of each clip, to see what the others are worth.
        hard: Colors that do not tell left from right.
        occluder: A rectangle hides a part.
        blur: What moves is blurred.
        noise: Frames have noise.
        in_memory: Keep videos that were drawn, in 8 bits, so that later epochs need not draw them; 60 kB for each of
            five frames of 64 pixels.
        sigma: Spread of a joint in entries of a heatmap.
        seed: Chooses the training clips.

    Raises:
        ValueError: If a number is out of its range.
    """
    for name, count in (("num_train", num_train), ("num_val", num_val), ("num_test", num_test)):
        if not 1 <= count <= MAX_CLIPS:
            raise ValueError(f"{name} must be between 1 and {MAX_CLIPS}, got {count}.")
    if scored_frames < 1 or seed < 0:
        raise ValueError(f"scored_frames must be at least 1 and seed at least 0, got {scored_frames} and {seed}.")
    prepare = PosePreprocessing(size=image_size(img_size), convention="classic")
    spec = PoseSpec(joints=POSETRACK, preprocessing=prepare, num_frames=frames, sigma=sigma)

    def split(first: int, count: int, scored: int, with_truth: bool) -> DrawnFigures:
        return DrawnFigures(
            range(first, first + count),
            spec,
            scored_frames=scored,
            with_truth=with_truth,
            still=still,
            in_memory=in_memory,
            hard=hard,
            occluder=occluder,
            blur=blur,
            noise=noise,
        )

    return PoseData(
        split(NEXT_SEED * seed, num_train, 1, False),
        split(FIRST_VAL, num_val, scored_frames, True),
        split(FIRST_TEST, num_test, scored_frames, True),
        spec,
    )
