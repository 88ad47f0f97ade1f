"""Kinetics-400 and -600 (Kay et al., 2017), 256x256 color, four frames to four.

Layout: `kinetics400/{train,val,test}/ID_SSSSSS_EEEEEE.mp4` (identifier, first and last second) and
`kinetics400/annotations/{train,val,test}.csv` with columns `youtube_id, time_start, time_end`; likewise `kinetics600/`.
"""

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor

from subband.data.dataset_files import existing
from subband.data.random import uniform
from subband.data.spec import Clips, ClipSpec, VideoData, check_index, image_size
from subband.data.video.folder import Video, read_fitted
from subband.media.sources import open_clip


class KineticsClips(Clips):
    """One clip of every video: from a random frame on for training, from the middle otherwise.

    Videos are first looked at when a clip of theirs is asked for; there are too many to do it at the start.

    Args:
        paths: Video files.
        spec: Shape of the clips.
        stride: Distance between the frames of a clip.
        seed: Chooses the first frames; None: the clip in the middle.
    """

    def __init__(self, paths: Sequence[Path], spec: ClipSpec, *, stride: int, seed: int | None) -> None:
        self.paths = paths
        self.spec = spec
        self._stride = stride
        self._seed = seed

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.paths)

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Inputs `(T, 3, H, W)` and targets `(T', 3, H, W)` in [0, 1].

        Raises:
            ValueError: If the video is damaged or too short.
        """
        path = self.paths[check_index(key) % len(self)]
        with open_clip(path) as reader:
            count = reader.info.num_frames
            spare = count - (self.spec.num_frames - 1) * self._stride
            if spare < 1:
                raise ValueError(f"{path} has {count} frames, too few for {self.spec.num_frames} at this stride")
            first = spare // 2 if self._seed is None else int(uniform(self._seed, [key], 1)[0, 0] * spare)
            video = Video(path, count, reader.height, reader.width)
            frames = read_fitted(video, self.spec, first, self.spec.num_frames, self._stride, "crop", reader=reader)
        inputs, targets = frames.split((self.spec.in_frames, self.spec.out_frames))
        return inputs, targets


def kinetics(
    *,
    root: str,
    version: Literal["400", "600"] = "400",
    in_frames: int = 4,
    out_frames: int = 4,
    img_size: int | tuple[int, int] = 256,
    stride: int = 1,
    seed: int = 0,
) -> VideoData:
    """Kinetics with its own three splits; frames are plain RGB, not normalized.

    Args:
        root: Data folder with `kinetics400/` or `kinetics600/`.
        version: Which of them.
        in_frames: Input frames.
        out_frames: Target frames.
        img_size: Side of the frames, or (H, W); the shorter side is resized and the center cropped.
        stride: Distance between the frames of a clip.
        seed: Chooses the training clips.

    Returns:
        Clips of 3 channels in [0, 1].

    Raises:
        FileNotFoundError: If a folder or list is missing, or no video of a list is there.
        ValueError: If a list lacks a column.
    """
    height, width = image_size(img_size)
    spec = ClipSpec(in_frames=in_frames, out_frames=out_frames, channels=3, height=height, width=width)
    folder = existing(Path(root) / f"kinetics{version}", "Kinetics folder")
    splits = {split: _listed_videos(folder, split) for split in ("train", "val", "test")}
    train, val, test = (
        KineticsClips(paths, spec, stride=stride, seed=seed if split == "train" else None)
        for split, paths in splits.items()
    )
    return VideoData(train, val, test, spec)


def _listed_videos(folder: Path, split: str) -> list[Path]:
    """Videos of a list that are there; the number of missing ones is warned of, since many have left the web."""
    table = existing(folder / "annotations" / f"{split}.csv", "Kinetics list")
    with table.open(newline="") as file:
        try:
            names = [
                f"{row['youtube_id']}_{int(row['time_start']):06d}_{int(row['time_end']):06d}.mp4"
                for row in csv.DictReader(file)
            ]
        except (KeyError, ValueError) as error:
            raise ValueError(f"{table} must have the columns youtube_id, time_start, time_end: {error}") from error
    videos = existing(folder / split, "Kinetics folder")
    present = {path.name for path in videos.iterdir()}
    paths = [videos / name for name in names if name in present]
    if not paths:
        raise FileNotFoundError(f"none of the {len(names)} videos of {table} is in {videos}")
    if len(paths) < len(names):
        warnings.warn(
            f"{len(names) - len(paths)} of the {len(names)} videos of {table} are not in {videos}", stacklevel=2
        )
    return paths
