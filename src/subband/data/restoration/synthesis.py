"""Pairs made from a photograph or a video one frame at a time, in constant memory, from any frame on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from subband.data.restoration.draws import Draws
from subband.data.restoration.moving_photo import MovingPhoto
from subband.data.restoration.moving_video import Passage, exposed, reach_of
from subband.data.restoration.photo_library import DrawnScenes, PhotoLibrary
from subband.data.restoration.response import to_linear
from subband.data.restoration.sensor import Sensor, Shutter
from subband.data.restoration.settings import BlurSettings
from subband.files import shown
from subband.media.frames import working_size
from subband.media.sources import open_clip

FramePairs = Iterator[tuple[Tensor, Tensor]]
"""Degraded and sharp frames, `(3, H, W)` in [0, 1], of 8 bits."""

_SCENE_SEED, _NUM_SCENES = 104, 30
_SEEN = 0.8  # of the sides of a photograph, so that the camera can move
_SMALLEST = 16


def photo_size(photo: Tensor) -> tuple[int, int]:
    """Height and width, multiples of 4, of the frames that a camera sees that moves over a photograph.

    Args:
        photo: `(3, h, w)`.
    """
    height, width = (max(int(_SEEN * side) // 4 * 4, _SMALLEST) for side in photo.shape[1:])
    return height, width


def photo_pairs(
    photo: Tensor,
    others: PhotoLibrary,
    settings: BlurSettings,
    *,
    num_frames: int,
    size: tuple[int, int],
    seed: int,
    clip: int,
    start: int = 0,
    device: torch.device | str = "cpu",
) -> FramePairs:
    """Frames of a photograph that a hand-held camera moves over.

    Args:
        photo: `(3, h, w)` uint8.
        others: Photographs that objects are cut from, besides drawn scenes.
        settings: Ranges of all that is drawn.
        num_frames: Frames of the clip.
        size: `(H, W)` of the frames.
        seed: Chooses, with `clip`, all that is drawn.
        clip: Number of the clip.
        start: First frame that is wanted.
        device: Where frames are made.

    Yields:
        Degraded and sharp frames from `start` on.
    """
    draws = Draws(seed, clip)
    scenes = DrawnScenes(_SCENE_SEED, _NUM_SCENES)
    cutouts = [
        (scenes if draws.happens(0.5) else others).choose(draws, min(size))
        for _ in range(draws.below(settings.max_objects + 1))
    ]
    moving = MovingPhoto(photo, cutouts, draws, settings, num_frames=num_frames, size=size, device=device)
    for number in range(start, num_frames):
        degraded, sharp = moving.frame(number)
        yield degraded.cpu(), sharp.cpu()


def video_pairs(
    path: Path,
    settings: BlurSettings,
    *,
    stride: int,
    interpolate: bool,
    max_side: int | None,
    seed: int,
    clip: int,
    start: int = 0,
    device: torch.device | str = "cpu",
) -> FramePairs:
    """Frames of a video, exposed for longer.

    The first and last frames of the video, whose exposure would reach beyond its ends, have no pair.

    Args:
        path: Video file, animated image or folder of frames.
        settings: Ranges of all that is drawn; those of the camera's path have no effect.
        stride: Frames of the video from one pair to the next.
        interpolate: Add frames in between where things move by more than a pixel.
        max_side: Reduces frames to this longer side.
        seed: Chooses, with `clip`, all that is drawn.
        clip: Number of the clip.
        start: First pair that is wanted.
        device: Where frames are made.

    Yields:
        Degraded and sharp frames from `start` on.

    Raises:
        ValueError: If the video is damaged, or too short for a single pair.
    """
    draws = Draws(seed, clip)
    sensor, shutter, reach = Sensor(draws, settings), Shutter(draws, settings), reach_of(stride)
    frames: deque[Tensor] = deque(maxlen=2 * reach + 1)
    passages: deque[Passage] = deque(maxlen=2 * reach)
    number = -1
    with open_clip(path) as reader:
        size = working_size(reader.height, reader.width, max_side)
        for index, frame in enumerate(reader.stream(start * stride or None, size)):
            pixels = torch.from_numpy(frame.pixels.copy()).movedim(-1, 0).to(device)
            frames.append(sensor.light(to_linear(pixels, settings.response)))
            if len(frames) > 1:
                passages.append(Passage(frames[-2], frames[-1], settings.response))
            number, rest = divmod(index - 2 * reach, stride)
            if number < 0 or rest:
                continue
            length = shutter.exposure(start + number) * stride
            light = exposed(list(frames), list(passages), reach, length, interpolate=interpolate)
            yield sensor.degraded(light, start + number).cpu(), sensor.sharp(frames[reach]).cpu()
    if number < 0 and not start:
        raise ValueError(f"{shown(path)} has too few frames for an exposure of {stride}; {2 * reach + 1} are needed.")


def num_video_pairs(num_frames: int, stride: int) -> int:
    """Pairs that `video_pairs` makes of a video of so many frames."""
    return max((num_frames - 2 * reach_of(stride) - 1) // stride + 1, 0)
