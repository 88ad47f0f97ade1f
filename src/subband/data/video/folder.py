"""Any folder of videos, animated images or folders of frames."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.dataset_files import SPLITS, deal_out, has_split_folders, listed_problems
from subband.data.random import uniform
from subband.data.spec import Clips, ClipSpec, DamagedFileError, VideoData, check_index, image_size, reading_files
from subband.files import shown
from subband.media.frames import ClipReader
from subband.media.picture_files import NO_PICTURE, find_pictures, is_animated
from subband.media.sources import open_clip
from subband.media.video import read_clip

Fit = Literal["crop", "stretch"]

_TEXT_SUFFIXES = frozenset({".csv", ".json", ".md", ".txt", ".yaml", ".yml"})
_FRAMES_AT_ONCE = 256


class Video(NamedTuple):
    """A video that is long enough."""

    path: Path
    num_frames: int
    height: int
    width: int


class VideoClips(Clips):
    """Clips of videos: from a random frame on for training, otherwise one after the other.

    Args:
        videos: Where to read, each at least `spec.num_frames` strides long.
        spec: Shape of the clips.
        stride: Distance between the frames of a clip.
        fit: `"crop"` resizes the shorter side and crops the center, `"stretch"` resizes both sides.
        clips_per_video: Random clips of each video per epoch; None: fixed clips that do not overlap.
        in_memory: Decode all videos now and keep them, resized, as 8-bit frames; those that cannot be decoded are left
            out with a warning.
        augment: Enlarge clips up to twice, cut them out anywhere, mirror them, turn their time, repeat frames.
        seed: Chooses the random clips.

    Raises:
        ValueError: If no video can be decoded.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        spec: ClipSpec,
        *,
        stride: int,
        fit: Fit,
        clips_per_video: int | None,
        in_memory: bool,
        augment: bool = False,
        seed: int = 0,
    ) -> None:
        self.spec = spec
        self._augment = augment
        # What may be enlarged twice is cut out of frames of twice the size.
        self._stored = replace(spec, height=2 * spec.height, width=2 * spec.width) if augment else spec
        self._stride = stride
        self._fit = fit
        self._seed = seed
        self._is_random = clips_per_video is not None
        self._frames: list[Tensor] | None = None
        if in_memory:
            videos, self._frames = self._decode_all(videos)
        self.videos = videos
        span = (spec.num_frames - 1) * stride + 1
        self._clips = [
            (index, first)
            for index, video in enumerate(videos)
            for first in ([0] * clips_per_video if clips_per_video else range(0, video.num_frames - span + 1, span))
        ]
        self._span = span

    def __len__(self) -> int:
        """Clips of one epoch."""
        return len(self._clips)

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Inputs `(T, C, H, W)` and targets `(T', C, H, W)` in [0, 1].

        Raises:
            DamagedFileError: If the video turns out to be damaged.
        """
        index, first = self._clips[check_index(key) % len(self)]
        video = self.videos[index]
        draws = uniform(self._seed, [key], 8)[0].tolist() if self._is_random else []
        if draws:
            first = int(draws[0] * (video.num_frames - self._span + 1))
        if self._frames is not None:
            frames = self._frames[index][first : first + self._span : self._stride].float() / 255
        else:
            with reading_files():
                frames = read_fitted(video, self._stored, first, self.spec.num_frames, self._stride, self._fit)
        if self._augment:
            frames = _varied(frames, (self.spec.height, self.spec.width), draws[1:])
        inputs, targets = frames.split((self.spec.in_frames, self.spec.out_frames))
        return inputs, targets

    def _decode_all(self, videos: Sequence[Video]) -> tuple[list[Video], list[Tensor]]:
        """The videos that can be decoded, and their frames."""
        decoded, problems = [], []
        for video in videos:
            try:
                with reading_files():
                    decoded.append((video, self._decode(video)))
            except DamagedFileError as error:
                problems.append(str(error))
        if not decoded:
            raise ValueError(f"no video can be decoded: {listed_problems(problems)}")
        if problems:
            warnings.warn(
                f"left out {len(problems)} of {len(videos)} videos: {listed_problems(problems)}", stacklevel=2
            )
        return [video for video, _ in decoded], [frames for _, frames in decoded]

    def _decode(self, video: Video) -> Tensor:
        """All frames, `(T, C, H, W)` uint8."""
        parts = []
        with open_clip(video.path) as reader:
            for first in range(0, video.num_frames, _FRAMES_AT_ONCE):
                count = min(_FRAMES_AT_ONCE, video.num_frames - first)
                frames = read_fitted(video, self._stored, first, count, 1, self._fit, reader=reader)
                parts.append(frames.mul_(255).round_().to(torch.uint8))
        return torch.cat(parts)


def _varied(frames: Tensor, size: tuple[int, int], draws: Sequence[float]) -> Tensor:
    """A window of frames `(T, C, 2H, 2W)`, as `(T, C, H, W)`, half of the time mirrored, half of the time backwards.

    In a quarter of the clips some frames or all of them come twice, as where somebody raised the rate of a video.
    """
    window = [round(side * (1 + draws[0])) for side in size]
    top, left = (int(draw * (2 * side - part + 1)) for draw, side, part in zip(draws[1:3], size, window, strict=True))
    frames = frames[..., top : top + window[0], left : left + window[1]]
    frames = F.interpolate(frames, size, mode="bilinear", antialias=True, align_corners=False)
    turned = [axis for axis, draw in ((-1, draws[3]), (0, draws[4])) if draw < 0.5]
    frames = frames.flip(turned)
    if draws[5] >= 0.25:
        return frames
    pace = 0.5 + max(0.0, draws[6] - 0.5)  # one half of them half as fast, the others up to the full pace
    steps = torch.arange(len(frames)) * pace + draws[5] * 4  # a phase that no pace knows
    return frames[(steps - int(steps[0])).long()]


def read_fitted(
    video: Video,
    spec: ClipSpec,
    first: int,
    num_frames: int,
    stride: int,
    fit: Fit,
    *,
    reader: ClipReader | None = None,
) -> Tensor:
    """Frames of a video at the size of a data set.

    Args:
        video: Where to read.
        spec: Gives size and channels.
        first: First frame.
        num_frames: How many.
        stride: Distance between them.
        fit: `"crop"` resizes the shorter side and crops the center, `"stretch"` resizes both sides.
        reader: The opened video, where more than one part of it is read; otherwise it is opened here.

    Returns:
        `(T, C, H, W)` in [0, 1].

    Raises:
        ValueError: If the video is damaged.
    """
    height, width = spec.height, spec.width
    size = (height, width)
    if fit == "crop":
        scale = max(height / video.height, width / video.width)
        size = (max(height, round(video.height * scale)), max(width, round(video.width * scale)))
    frames = read_clip(reader or video.path, first, num_frames, stride, size, gray=spec.channels == 1)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return frames[..., top : top + height, left : left + width]


def video_folder(
    *,
    path: str,
    in_frames: int = 10,
    out_frames: int = 10,
    img_size: int | tuple[int, int] = 64,
    fit: Fit = "crop",
    augment: bool = False,
    gray: bool = False,
    stride: int = 1,
    clips_per_video: int = 10,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    in_memory: bool = False,
    seed: int = 0,
) -> VideoData:
    """Clips of the user's own videos.

    Every video file and every folder of frames below `path` is one video. If `path` holds `train/`, `val/` and
    `test/`, these are the splits. Otherwise whole videos are dealt out, in an order that depends on nothing but their
    names.

    Args:
        path: Folder of videos.
        in_frames: Input frames.
        out_frames: Target frames.
        img_size: Side of the frames, or (H, W).
        fit: `"crop"` resizes the shorter side and crops the center, `"stretch"` resizes both sides.
        augment: Vary the training clips: enlarged up to twice, cut out anywhere, mirrored, backwards, with frames that
            come twice.
        gray: 1 channel instead of 3.
        stride: Distance between the frames of a clip.
        clips_per_video: Training clips of each video per epoch, at random starts; validation and test take all clips
            that do not overlap.
        fractions: Shares of training, validation and test videos, where there are no folders for them; each gets at
            least one.
        in_memory: Decode all videos at the start and keep them, resized, as 8-bit frames: fast for small collections.
        seed: Chooses the training clips.

    Returns:
        Clips of 1 or 3 channels in [0, 1].

    Raises:
        FileNotFoundError: If there is no such folder.
        ImportError: If PyAV is not installed and there are video files.
        ValueError: If fewer than three videos can be used, or an argument is out of range.
    """
    if stride < 1 or clips_per_video < 1:
        raise ValueError(f"stride and clips_per_video must be at least 1, got {stride} and {clips_per_video}")
    if fit not in ("crop", "stretch"):
        raise ValueError(f"fit must be 'crop' or 'stretch', got {fit!r}")
    height, width = image_size(img_size)
    spec = ClipSpec(in_frames=in_frames, out_frames=out_frames, channels=1 if gray else 3, height=height, width=width)
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"video folder not found: {folder}")
    splits = split_videos(folder, (spec.num_frames - 1) * stride + 1, fractions)
    clips = partial(VideoClips, spec=spec, stride=stride, fit=fit, in_memory=in_memory)
    train = clips(splits["train"], clips_per_video=clips_per_video, augment=augment, seed=seed)
    val, test = (clips(splits[name], clips_per_video=None) for name in ("val", "test"))
    return VideoData(train, val, test, spec)


def split_videos(
    folder: Path, num_frames: int, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
) -> Mapping[str, list[Video]]:
    """Usable videos of the three splits.

    Args:
        folder: Holds videos, or `train/`, `val/` and `test/` with videos.
        num_frames: Shortest usable length.
        fractions: Shares of the splits where there are no folders for them.

    Raises:
        ValueError: If a split would be empty.
    """
    if has_split_folders(folder):
        return {name: find_videos(folder / name, num_frames) for name in SPLITS}
    videos = find_videos(folder, num_frames)
    names = [video.path.relative_to(folder).as_posix() for video in videos]
    return deal_out(videos, names, fractions, "videos", folder)


def find_videos(folder: Path, num_frames: int) -> list[Video]:
    """Videos below a folder, by path; those that cannot be used are left out with a warning that names them.

    Args:
        folder: Where to look, in all sub-folders.
        num_frames: Shortest usable length.

    Raises:
        ValueError: If nothing can be used.
    """
    videos = []
    candidates, problems = _candidates(folder)
    for path in candidates:
        if path.suffix.lower() in _TEXT_SUFFIXES:  # known without PyAV, which a folder of frames does not need
            problems.append(f"{shown(path)} is no video")
            continue
        try:
            with warnings.catch_warnings():
                # Files and folders beside frames are candidates themselves.
                warnings.filterwarnings("ignore", "left out in")
                with open_clip(path) as reader:
                    video = Video(path, reader.count, reader.height, reader.width)
        except ValueError as error:
            problems.append(str(error).rstrip("."))
            continue
        if video.num_frames < num_frames:
            problems.append(f"{shown(path)} has {video.num_frames} frames, {num_frames} are needed")
        else:
            videos.append(video)
    listed = listed_problems(problems)
    if not videos:
        raise ValueError(f"{folder} holds no usable video" + (f": {listed}" if listed else ""))
    if problems:
        warnings.warn(f"left out {len(problems)} of {len(videos) + len(problems)} files: {listed}", stacklevel=2)
    return videos


def _candidates(folder: Path) -> tuple[list[Path], list[str]]:
    """What may be a video, and why other files cannot be; nothing hidden.

    Folders with still pictures in them, animated pictures, and files that are no pictures.
    """
    found = find_pictures(folder, with_subfolders=True)
    animated = {path for path in found.files if is_animated(path)}
    folders = {path.parent for path in found.files if path not in animated}
    others = set(found.left_out.pop(NO_PICTURE, []))
    problems = [f"{shown(path)}: {reason}" for reason, files in found.left_out.items() for path in files]
    return sorted(folders | animated | others), problems
