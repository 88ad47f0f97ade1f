"""BAIR robot pushing (Ebert et al., CoRL 2017), 64x64 color, four frames to twelve.

Layout: `softmotion30_44k/{train,test}/*.tfrecords` with raw 64x64 frames under `K/image_aux1/encoded`, K = 0, 1, ...
TensorFlow is not needed.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from subband.data.dataset_files import existing, hold_out_last
from subband.data.spec import Clips, ClipSpec, VideoData, check_index, reading_files
from subband.data.video.tfrecord import read_features, record_offsets

_SIZE = 64


class Recording(NamedTuple):
    """Where one recording is stored."""

    path: Path
    offset: int
    length: int


class BairClips(Clips):
    """Every window of every recording.

    Args:
        recordings: Where they are; each has as many frames as the first.
        spec: Shape of the clips.

    Raises:
        ValueError: If the recordings are shorter than a clip.
    """

    def __init__(self, recordings: list[Recording], spec: ClipSpec) -> None:
        self.spec = spec
        self._recordings = recordings
        num_frames = sum(name.endswith("/image_aux1/encoded") for name in read_features(*recordings[0]))
        self._windows = num_frames - spec.num_frames + 1
        if self._windows < 1:
            raise ValueError(
                f"{recordings[0].path} has recordings of {num_frames} frames, too few for {spec.num_frames}"
            )

    def __len__(self) -> int:
        """Number of windows."""
        return len(self._recordings) * self._windows

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Inputs `(T, 3, 64, 64)` and targets `(T', 3, 64, 64)` in [0, 1].

        Raises:
            DamagedFileError: If the record is damaged, or a frame is missing or has another size.
        """
        recording, start = divmod(check_index(key) % len(self), self._windows)
        source = self._recordings[recording]
        with reading_files():
            features = read_features(*source)
            frames = torch.stack(
                [_frame(features, start + frame, source.path) for frame in range(self.spec.num_frames)]
            )
        inputs, targets = frames.split((self.spec.in_frames, self.spec.out_frames))
        return inputs, targets


def _frame(features: dict[str, memoryview], number: int, path: Path) -> Tensor:
    pixels = features.get(f"{number}/image_aux1/encoded", memoryview(b""))
    if len(pixels) != _SIZE * _SIZE * 3:
        raise ValueError(
            f"{path} holds a record whose frame {number} has {len(pixels)} bytes, expected {_SIZE * _SIZE * 3}"
        )
    array = np.frombuffer(pixels, dtype=np.uint8).reshape(_SIZE, _SIZE, 3)
    return torch.from_numpy(array.copy()).permute(2, 0, 1).float() / 255


def bair(*, root: str, in_frames: int = 4, out_frames: int = 12, val_fraction: float = 0.05) -> VideoData:
    """BAIR robot pushing; recordings are read when a clip is asked for.

    Args:
        root: Data folder with `softmotion30_44k/`.
        in_frames: Input frames.
        out_frames: Target frames.
        val_fraction: Share of the training recordings, the last ones, held out for validation.

    Returns:
        Clips of 3 channels, 64x64, in [0, 1].

    Raises:
        FileNotFoundError: If a folder is missing or holds no record file.
        ValueError: If a record file cannot be read.
    """
    spec = ClipSpec(in_frames=in_frames, out_frames=out_frames, channels=3, height=_SIZE, width=_SIZE)
    folder = Path(root) / "softmotion30_44k"
    recordings = _recordings(folder / "train")
    train, val = (BairClips(recordings[part], spec) for part in hold_out_last(len(recordings), val_fraction))
    return VideoData(train, val, BairClips(_recordings(folder / "test"), spec), spec)


def _recordings(folder: Path) -> list[Recording]:
    files = sorted(existing(folder, "BAIR folder").glob("*.tfrecords"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no .tfrecords file")
    return [Recording(file, *position) for file in files for position in record_offsets(file)]
