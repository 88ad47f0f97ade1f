"""Pairs of clips made from the user's own sharp videos: neighboring frames, and frames in between, are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from subband.data.restoration.draws import Draws
from subband.data.restoration.moving_video import Passage, exposed, reach_of
from subband.data.restoration.pairs import ClipPairs, PairData, PairSource, PairSpec
from subband.data.restoration.response import to_linear
from subband.data.restoration.sensor import Sensor, Shutter
from subband.data.restoration.settings import BlurSettings
from subband.data.restoration.video_parts import VideoParts
from subband.data.spec import check_index, image_size, reading_files
from subband.data.video.folder import Video, split_videos

_VAL_SEED, _TEST_SEED = 1, 2  # fixed, so that runs with different seeds are scored on the same clips
_MARGIN = 24  # pixels around a crop, where things come from that enter it


class BlurredVideos(ClipPairs):
    """Pairs of clips of videos, made afresh for every key.

    Args:
        videos: Where to read; each long enough (`frames_needed`).
        spec: Shape of the pairs; its frames and sides must be given, its scale be 1.
        settings: Ranges of all that is drawn; those of the camera's path have no effect.
        stride: Frames of the video from one frame of a clip to the next; the exposure is a share of them.
        interpolate: Add frames in between where things move by more than a pixel from one frame to the next.
        max_side: Reduces videos to this longer side.
        in_memory: Decode all videos now and keep them, reduced, as 8-bit frames; those that cannot be decoded are left
            out with a warning.
        length: Samples of one epoch.
        seed: Chooses the clips.

    Raises:
        ValueError: If `length` is not positive, or a reduced video is smaller than the frames.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        spec: PairSpec,
        settings: BlurSettings,
        *,
        stride: int,
        interpolate: bool,
        max_side: int | None,
        in_memory: bool,
        length: int,
        seed: int,
    ) -> None:
        if length < 1:
            raise ValueError(f"length must be positive, got {length}")
        assert spec.frames
        assert spec.height
        assert spec.width
        self.spec, self.settings, self.seed = spec, settings, seed
        self._num_frames, self._stride, self._interpolate, self._length = spec.frames, stride, interpolate, length
        needed, size = frames_needed(spec.frames, stride), (spec.height, spec.width)
        self._parts = VideoParts(videos, size, needed, margin=_MARGIN, max_side=max_side, in_memory=in_memory)
        self.videos = self._parts.videos

    def __len__(self) -> int:
        """Samples of one epoch."""
        return self._length

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Degraded `(T, 3, H, W)` and sharp `(T', 3, H, W)` of one key, in [0, 1].

        Raises:
            DamagedFileError: If the video turns out to be damaged.
        """
        index, first, draws = self._chosen(key)
        outer, inner = self._parts.place(draws, index)
        sensor = Sensor(draws, self.settings)
        shutter = Shutter(draws, self.settings)
        with reading_files():
            stored = self._parts.read(index, first, outer)
        light = list(sensor.light(to_linear(stored, self.settings.response)))
        passages = [Passage(*pair, self.settings.response) for pair in pairwise(light)]
        reach = reach_of(self._stride)
        degraded, sharp = [], []
        for number in range(self._num_frames):
            center, length = reach + number * self._stride, shutter.exposure(number) * self._stride
            blurred = exposed(light, passages, center, length, interpolate=self._interpolate)
            degraded.append(sensor.degraded(inner.of(blurred), number))
            sharp.append(sensor.sharp(inner.of(light[center])))
        return torch.stack(degraded), self.spec.with_targets(torch.stack(sharp))

    def source(self, key: int) -> PairSource:
        """Video and first frame of a key."""
        index, first, _ = self._chosen(key)
        return PairSource(self.videos[index].path.name, first)

    def _chosen(self, key: int) -> tuple[int, int, Draws]:
        draws = Draws(self.seed, check_index(key))
        return *self._parts.choose(draws), draws


def frames_needed(num_frames: int, stride: int) -> int:
    """Frames of a video that a clip needs: from the beginning of its first exposure to the end of its last one."""
    return 2 * reach_of(stride) + (num_frames - 1) * stride + 1


def blurred_videos(
    *,
    path: str,
    frames: int = 8,
    img_size: int | tuple[int, int] = 64,
    past_frames: int = 0,
    future_frames: int = 0,
    stride: int = 2,
    interpolate: bool = True,
    blur: dict | None = None,
    max_side: int | None = None,
    in_memory: bool = False,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    num_train: int = 10_000,
    num_val: int = 100,
    num_test: int = 200,
    seed: int = 0,
) -> PairData:
    """Blurred and sharp clips made from sharp videos, afresh for every key.

    An exposure is the mean light of `stride` times its share of the video's frames, and of frames in between that are
    made by optical flow; the sharp frame is the video's own at the center. What else is drawn for a clip, and its
    ranges, is explained at `BlurSettings`. Whole videos are split.

    Args:
        path: Folder of videos or folders of frames; if it holds `train/`, `val/` and `test/`, these are the splits,
            otherwise videos are dealt out by their names.
        frames: Frames of a clip, `T`.
        img_size: Side of the frames, cut out at random places, or (H, W).
        past_frames: Degraded frames at the beginning that have no sharp one.
        future_frames: The same at the end.
        stride: Frames of the video from one frame of a clip to the next.
        interpolate: Add frames in between; without them an exposure is an odd number of frames, and fast things leave
            ghosts.
        blur: Settings of `BlurSettings` that are not to be the usual ones, by name, but for those of the camera.
        max_side: Reduces videos to this longer side, which makes compressed ones sharper and movement smaller.
        in_memory: Decode all videos now and keep them: fast for small collections.
        fractions: Shares of the splits where there are no folders for them.
        num_train: Training clips per epoch, new ones every epoch.
        num_val: Validation clips, always the same.
        num_test: Test clips, always the same.
        seed: Chooses the training clips.

    Returns:
        Pairs in [0, 1].

    Raises:
        FileNotFoundError: If there is no such folder.
        ImportError: If PyAV is not installed and there are video files.
        TypeError: If `blur` names a setting that there is not.
        ValueError: If fewer than three videos can be used, or an argument is out of range.
    """
    settings = BlurSettings.from_dict(blur, has_camera=False)
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"video folder not found: {folder}")
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    height, width = image_size(img_size)
    spec = PairSpec(frames=frames, height=height, width=width, past_frames=past_frames, future_frames=future_frames)
    splits = split_videos(folder, frames_needed(frames, stride), fractions)
    train, val, test = (
        BlurredVideos(
            splits[name],
            spec,
            settings,
            stride=stride,
            interpolate=interpolate,
            max_side=max_side,
            in_memory=in_memory,
            length=length,
            seed=split_seed,
        )
        for name, length, split_seed in (
            ("train", num_train, seed),
            ("val", num_val, _VAL_SEED),
            ("test", num_test, _TEST_SEED),
        )
    )
    return PairData(train, val, test, spec)
