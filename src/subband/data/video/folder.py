"""Any folder of videos, animated images or folders of frames."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from subband.data.random import uniform
from subband.data.spec import Clips, ClipSpec, VideoData, check_index, image_size
from subband.media.frames import IMAGE_SUFFIXES, ClipReader
from subband.media.sources import open_clip
from subband.media.video import probe, read_clip

Fit = Literal["crop", "stretch"]

_SPLITS = ("train", "val", "test")
_TEXT_SUFFIXES = frozenset({".csv", ".json", ".md", ".txt", ".yaml", ".yml"})
_FRAMES_AT_ONCE = 256
_MAX_LISTED = 20  # problems named in a message


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
        in_memory: Decode all videos now and keep them, resized, as 8-bit frames.
        seed: Chooses the random clips.

    Raises:
        ValueError: If a video cannot be decoded.
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
        seed: int = 0,
    ) -> None:
        self.spec = spec
        self.videos = videos
        self._stride = stride
        self._fit = fit
        self._seed = seed
        self._is_random = clips_per_video is not None
        span = (spec.num_frames - 1) * stride + 1
        self._clips = [
            (index, first)
            for index, video in enumerate(videos)
            for first in ([0] * clips_per_video if clips_per_video else range(0, video.num_frames - span + 1, span))
        ]
        self._span = span
        self._frames = [self._decode(video) for video in videos] if in_memory else None

    def __len__(self) -> int:
        """Clips of one epoch."""
        return len(self._clips)

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Inputs `(T, C, H, W)` and targets `(T', C, H, W)` in [0, 1].

        Raises:
            ValueError: If the video turns out to be damaged.
        """
        index, first = self._clips[check_index(key) % len(self)]
        video = self.videos[index]
        if self._is_random:
            first = int(uniform(self._seed, [key], 1)[0, 0] * (video.num_frames - self._span + 1))
        if self._frames is not None:
            frames = self._frames[index][first : first + self._span : self._stride].float() / 255
        else:
            frames = read_fitted(video, self.spec, first, self.spec.num_frames, self._stride, self._fit)
        inputs, targets = frames.split((self.spec.in_frames, self.spec.out_frames))
        return inputs, targets

    def _decode(self, video: Video) -> Tensor:
        """All frames, `(T, C, H, W)` uint8."""
        parts = []
        with open_clip(video.path) as reader:
            for first in range(0, video.num_frames, _FRAMES_AT_ONCE):
                count = min(_FRAMES_AT_ONCE, video.num_frames - first)
                frames = read_fitted(video, self.spec, first, count, 1, self._fit, reader=reader)
                parts.append(frames.mul_(255).round_().to(torch.uint8))
        return torch.cat(parts)


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
    train = clips(splits["train"], clips_per_video=clips_per_video, seed=seed)
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
    named = [name for name in _SPLITS if (folder / name).is_dir()]
    if named:
        if absent := set(_SPLITS) - set(named):
            raise ValueError(
                f"{folder} has the folder {named[0]}/ but not {', '.join(sorted(absent))}/; give all three or none"
            )
        return {name: find_videos(folder / name, num_frames) for name in _SPLITS}
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"fractions must be three positive numbers with sum 1, got {fractions}")
    videos = find_videos(folder, num_frames)
    if len(videos) < 3:
        raise ValueError(f"{folder} has {len(videos)} usable videos, three splits need at least 3")
    videos.sort(key=lambda video: hashlib.sha256(video.path.relative_to(folder).as_posix().encode()).digest())
    num_val, num_test = (max(1, round(len(videos) * share)) for share in fractions[1:])
    num_train = max(1, len(videos) - num_val - num_test)
    num_val = min(num_val, len(videos) - num_train - 1)
    return {
        "train": videos[:num_train],
        "val": videos[num_train : num_train + num_val],
        "test": videos[num_train + num_val :],
    }


def find_videos(folder: Path, num_frames: int) -> list[Video]:
    """Videos below a folder, by path; those that cannot be used are left out with a warning that names them.

    Args:
        folder: Where to look, in all sub-folders.
        num_frames: Shortest usable length.

    Raises:
        ValueError: If nothing can be used.
    """
    videos, problems = [], []
    for path in _candidates(folder):
        if path.suffix.lower() in _TEXT_SUFFIXES:  # known without PyAV, which a folder of frames does not need
            problems.append(f"{path} is no video")
            continue
        try:
            info = probe(path)
        except ValueError as error:
            problems.append(str(error).rstrip("."))
            continue
        if info.num_frames < num_frames:
            problems.append(f"{path} has {info.num_frames} frames, {num_frames} are needed")
        else:
            videos.append(Video(path, info.num_frames, info.height, info.width))
    listed = "; ".join([*problems[:_MAX_LISTED], *(["..."] if len(problems) > _MAX_LISTED else [])])
    if not videos:
        raise ValueError(f"{folder} holds no usable video" + (f": {listed}" if listed else ""))
    if problems:
        warnings.warn(f"left out {len(problems)} of {len(videos) + len(problems)} files: {listed}", stacklevel=2)
    return videos


def _candidates(folder: Path) -> list[Path]:
    """What may be a video: files that are no images, and folders with images in them; nothing hidden."""
    visible = [
        path for path in folder.rglob("*") if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    folders = {path.parent for path in visible if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()}
    others = {path for path in visible if path.suffix.lower() not in IMAGE_SUFFIXES and path.is_file()}
    return sorted(folders | others)
