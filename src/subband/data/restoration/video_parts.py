"""Parts of sharp videos, in place and time, for pairs that are made of them afresh."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from subband.data.dataset_files import listed_problems
from subband.data.restoration.draws import Draws
from subband.data.restoration.paired_files import CropBox
from subband.data.spec import DamagedFileError, reading_files
from subband.data.video.folder import Video
from subband.media.frames import Frame, working_size
from subband.media.sources import open_clip

__all__ = ["VideoParts"]


class VideoParts:
    """Clips of one size and length, cut out of videos at random.

    Args:
        videos: Where to read; each long enough.
        size: Height and width of a clip.
        num_frames: Frames of a clip.
        margin: Pixels around a clip that are read with it, where there are any; a multiple of `grid`.
        grid: Clips begin at rows and columns that are multiples of it.
        max_side: Reduces videos to this longer side.
        in_memory: Decode all videos now and keep them, reduced, as 8-bit frames; those that cannot be decoded are left
            out with a warning.

    Raises:
        ValueError: If a clip is larger than every reduced video, or no video can be decoded.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        size: tuple[int, int],
        num_frames: int,
        *,
        margin: int,
        grid: int = 1,
        max_side: int | None,
        in_memory: bool,
    ) -> None:
        self._size, self._num_frames, self._max_side = size, num_frames, max_side
        self._margin, self._grid = margin, grid
        self.videos = _large_enough(videos, size, max_side)
        self._stored: list[Tensor] | None = None
        if in_memory:
            self.videos, self._stored = self._decode_all()

    def choose(self, draws: Draws) -> tuple[int, int]:
        """Number of a video, and of the first frame of a clip in it."""
        index = draws.below(len(self.videos))
        return index, draws.below(self.videos[index].num_frames - self._num_frames + 1)

    def place(self, draws: Draws, index: int) -> tuple[CropBox, CropBox]:
        """The part of a video's frames that is read, and the clip inside that part."""
        video, crop, starts, lengths = self.videos[index], [], [], []
        sides = working_size(video.height, video.width, self._max_side)
        for side, wanted in zip(sides, self._size, strict=True):
            first = self._grid * draws.below((side - wanted) // self._grid + 1)
            start = max(first - self._margin, 0)
            crop.append(first - start)
            starts.append(start)
            lengths.append(min(first + wanted + self._margin, side) - start)
        return CropBox(starts[0], starts[1], lengths[0], lengths[1]), CropBox(crop[0], crop[1], *self._size)

    def read(self, index: int, first: int, window: CropBox) -> Tensor:
        """The part `window` of a clip's frames, `(T, 3, h, w)` uint8.

        Raises:
            ValueError: If the video ends before.
        """
        count = self._num_frames
        if self._stored is not None:
            return window.of(self._stored[index][first : first + count])
        video = self.videos[index]
        size = working_size(video.height, video.width, self._max_side)
        with open_clip(video.path) as reader:
            parts = [window.of(frame) for frame in islice(_frames(reader.stream(first, size)), count)]
        if len(parts) < count:
            raise ValueError(f"{video.path} ends after {first + len(parts)} frames, {first + count} are needed")
        return torch.stack(parts)

    def _decode_all(self) -> tuple[list[Video], list[Tensor]]:
        """The videos that can be decoded, and their frames."""
        decoded, problems = [], []
        for video in self.videos:
            size = working_size(video.height, video.width, self._max_side)
            try:
                with reading_files(), open_clip(video.path) as reader:
                    frames = torch.stack(list(_frames(reader.stream(None, size))))
            except DamagedFileError as error:
                problems.append(str(error))
            else:
                decoded.append((video._replace(num_frames=min(video.num_frames, len(frames))), frames))
        if not decoded:
            raise ValueError(f"no video can be decoded: {listed_problems(problems)}")
        if problems:
            warnings.warn(
                f"left out {len(problems)} of {len(self.videos)} videos: {listed_problems(problems)}", stacklevel=4
            )
        return [video for video, _ in decoded], [frames for _, frames in decoded]


def _frames(stream: Iterator[Frame]) -> Iterator[Tensor]:
    """Frames `(3, H, W)` uint8 of a stream."""
    return (torch.from_numpy(frame.pixels.copy()).movedim(-1, 0) for frame in stream)


def _large_enough(videos: Sequence[Video], size: tuple[int, int], max_side: int | None) -> list[Video]:
    small = [
        video
        for video in videos
        if any(have < want for have, want in zip(working_size(video.height, video.width, max_side), size, strict=True))
    ]
    named = listed_problems([str(video.path) for video in small])
    if len(small) == len(videos):
        raise ValueError(f"frames of {size[1]} x {size[0]} pixels do not fit into any video: {named}")
    if small:
        warnings.warn(f"left out, smaller than {size[1]} x {size[0]} pixels: {named}", stacklevel=4)
    return [video for video in videos if video not in small]
