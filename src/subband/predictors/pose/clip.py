"""People in every frame of a clip, followed over time and drawn into a copy of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from subband.joints import JointSet
from subband.predictors.fingerprint import fingerprint
from subband.predictors.frame_notes import FrameNotes, frame_notes
from subband.predictors.pose.following import PoseFollower
from subband.predictors.pose.found import FoundPoses
from subband.predictors.pose.persons import PersonSource, WholeImage
from subband.predictors.pose.predictor import PosePredictor
from subband.predictors.progress import Progress
from subband.predictors.streaming import SceneCuts, stream_clip
from subband.predictors.streaming.span import DEFAULT_FPS, Seconds
from subband.predictors.windows import Window

__all__ = ["FramePoses", "pose_clip"]

WHITE = 255
FRAMES = 8  # of a clip in memory at once, beside those that a network for clips sees around them


class FramePoses(NamedTuple):
    """Who is in one frame.

    Attributes:
        number: Of the frame, from 0.
        seconds: When it is shown; None in a clip without times.
        found: The people, with the numbers by which they are followed.
        is_cut: Whether a new scene begins with it, whose people are new.
    """

    number: int
    seconds: float | None
    found: FoundPoses
    is_cut: bool = False


def pose_clip(
    predictor: PosePredictor,
    source: Path,
    target: Path,
    draw: Callable[[Tensor, FoundPoses], Tensor],
    *,
    persons: PersonSource | None = None,
    smooth: bool = False,
    scene_cuts: SceneCuts = "auto",
    duration: Seconds | None = None,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> list[FramePoses]:
    """Find people in every frame of a clip, follow them, and write a copy of it with them, in bounded memory.

    A job that was stopped goes on when it is called again: what was found until then lies beside its finished segments
    (see `stream_clip`), and people are followed through it once more, so that their numbers and smoothed joints are
    those of a job that was not stopped.

    Args:
        predictor: The network.
        source: Video file or animated image.
        target: What to write.
        draw: Draws people into a frame `(3, H, W)`, uint8.
        persons: What says where people are; by default each frame is one person.
        smooth: Makes joints steady (`PoseFollower`).
        scene_cuts: `auto` looks for hard cuts, as `stream_clip` does: nobody is followed across one, and networks for
            clips see one side of it alone. `off` takes the clip for one scene.
        duration: How much of the clip to take, as `stream_clip` does; None for all.
        settings: What else drawing depends on; compared when a job goes on.
        overwrite: Replaces an existing output.
        progress: Called after every batch of frames.

    Returns:
        Who is in each frame, in their order.

    Raises:
        FileExistsError: If there is an output and `overwrite` is False.
        ValueError: If the clip cannot be read, or an unfinished job has other settings.
    """
    with frame_notes(target) as notes:
        finder = _Finder(predictor, persons or WholeImage(), notes, draw, smooth=smooth)
        stream_clip(
            source,
            target,
            finder,
            scene_cuts=scene_cuts,
            duration=duration,
            settings=settings,
            overwrite=overwrite,
            progress=progress,
        )
        return list(_followed(notes.read(), PoseFollower(predictor.joint_set, smooth=smooth), predictor.joint_set))


def _followed(lines: Iterable[dict[str, Any]], follow: PoseFollower, joint_set: JointSet) -> Iterator[FramePoses]:
    """What was noted, with the numbers of people."""
    for line in lines:
        number, seconds, is_cut = line["number"], line["seconds"], line["is_cut"]
        if is_cut:
            follow.begin_scene()
        yield FramePoses(number, seconds, follow(_from_line(line, joint_set), _time(number, seconds)), is_cut)


class _Finder:
    """What is done to the frames of a window; who was found is noted line by line, before people are followed."""

    def __init__(
        self,
        predictor: PosePredictor,
        persons: PersonSource,
        notes: FrameNotes,
        draw: Callable[[Tensor, FoundPoses], Tensor],
        *,
        smooth: bool,
    ) -> None:
        self.margins = predictor.margins
        self.window = FRAMES + sum(self.margins)
        self._predictor, self._persons, self._notes, self._draw = predictor, persons, notes, draw
        self._smooth = smooth
        self._follow: PoseFollower | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What results depend on."""
        predictor = self._predictor
        return {
            "window": self.window,
            "weights": fingerprint(predictor.model),
            "joints": predictor.joint_set.names,
            "preprocessing": predictor.preprocessing.to_dict(),
            "stride": predictor.stride,
            "smooth": self._smooth,
            **{name: getattr(predictor, name) for name in ("flip_test", "refinement", "half")},
            **self._persons.facts,
        }

    def begin(self, notes: Mapping[str, Any], note: Callable[[str, Any], None]) -> None:
        """Needs nothing: people are followed through all earlier frames once the first window tells which they are."""

    def __call__(self, frames: Tensor, window: Window) -> Tensor:
        """Frames that are kept of `(T, 3, H, W)`, with the people in them."""
        first = window.first + window.keep.start
        pixels = list((frames[window.keep] * WHITE).round().to(torch.uint8))
        persons = self._persons.find(pixels, range(first, first + len(pixels)))
        found = self._predictor.find_in_clip(frames, persons, keep=window.keep)
        follow = self._follower(first)
        lines, drawn = [], []
        for number, (image, poses, frame) in enumerate(
            zip(pixels, found, window.frames[window.keep], strict=True), first
        ):
            seconds = None if frame.time is None else float(frame.time)
            is_cut = window.starts_scene and number == window.first > 0
            if is_cut:
                follow.begin_scene()
            lines.append(_as_line(number, seconds, poses, is_cut))
            drawn.append(self._draw(image, follow(poses, _time(number, seconds))))
        self._notes.add(lines)
        return torch.stack(drawn) / WHITE

    def _follower(self, first: int) -> PoseFollower:
        """It has seen all frames before the first one of this job."""
        if self._follow is None:
            joint_set = self._predictor.joint_set
            self._follow = PoseFollower(joint_set, smooth=self._smooth)
            before = [line for line in self._notes.read() if line["number"] < first]
            for _ in _followed(before, self._follow, joint_set):
                pass
        return self._follow


def _time(number: int, seconds: float | None) -> float:
    """When a frame is shown, also in a clip without times."""
    return number / DEFAULT_FPS if seconds is None else seconds


_PARTS = ("joints", "scores", "boxes", "box_scores")


def _as_line(number: int, seconds: float | None, found: FoundPoses, is_cut: bool) -> dict[str, Any]:
    parts = {name: getattr(found, name).tolist() for name in _PARTS}
    return {"number": number, "seconds": seconds, "is_cut": is_cut, "size": found.size, **parts}


def _from_line(line: Mapping[str, Any], joint_set: JointSet) -> FoundPoses:
    """Inverse of `_as_line`, to the last bit: JSON keeps all digits."""
    count, num_joints = len(line["boxes"]), len(joint_set.names)
    shapes = ((count, num_joints, 2), (count, num_joints), (count, 4), (count,))
    parts = {
        name: torch.tensor(line[name], dtype=torch.float32).reshape(shape)
        for name, shape in zip(_PARTS, shapes, strict=True)
    }
    return FoundPoses(**parts, ids=None, size=(line["size"][0], line["size"][1]), joint_set=joint_set)
