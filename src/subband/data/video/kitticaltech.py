"""KITTI for training and Caltech Pedestrian for test, 128x160 color, ten frames to one.

Either layout below the data folder:

    kitticaltech_npy/train_data.npy, train_idx.npy, test_data.npy, test_idx.npy    frames and first frames of the clips
    kitti_hkl/X_train.hkl, sources_train.hkl                                       frames and recording of each frame
    caltech/data_cache.npy, indices_cache.npy                                      the same two arrays as in the first
    line

Frames are `(N, 128, 160, 3)` uint8, or floats in [0, 1]. Arrays are mapped, not loaded, except `.hkl` files.
"""

from functools import partial
from pathlib import Path

import numpy as np

from subband.data.dataset_files import existing, hold_out_last, map_array, reading_as
from subband.data.spec import ClipSpec, VideoData
from subband.data.video.series import SeriesClips
from subband.extras import names_extra


def kitticaltech(
    *,
    root: str,
    in_frames: int = 10,
    out_frames: int = 1,
    caltech_bgr: bool = False,
    val_fraction: float = 0.05,
) -> VideoData:
    """KITTI and Caltech Pedestrian.

    Args:
        root: Data folder with `kitticaltech_npy/`, or with `kitti_hkl/` and `caltech/`.
        in_frames: Input frames.
        out_frames: Target frames.
        caltech_bgr: Leave the test frames in the blue-green-red order they are stored in, as the published scores did.
        val_fraction: Share of the training clips, the last ones, held out for validation. Clips do not overlap.

    Returns:
        Clips of 3 channels, 128x160, in [0, 1].

    Raises:
        FileNotFoundError: If a file is missing.
        ImportError: If a `.hkl` file is there and hickle is not installed.
        ValueError: If the arrays do not fit together.
    """
    spec = ClipSpec(in_frames=in_frames, out_frames=out_frames, channels=3, height=128, width=160)
    folder = Path(root)
    if (folder / "kitticaltech_npy").is_dir():
        train_frames, listed = (_map(folder / "kitticaltech_npy" / f"train_{part}.npy") for part in ("data", "idx"))
        test_frames, test_starts = (_map(folder / "kitticaltech_npy" / f"test_{part}.npy") for part in ("data", "idx"))
    else:
        train_frames, sources = (_read_hickle(folder / "kitti_hkl" / f"{name}_train.hkl") for name in ("X", "sources"))
        listed = starts_within_sources(sources, spec.num_frames)
        test_frames, test_starts = (_map(folder / "caltech" / f"{name}_cache.npy") for name in ("data", "indices"))
    clips = partial(
        SeriesClips,
        in_offsets=range(in_frames),
        out_offsets=range(in_frames, spec.num_frames),
        spec=spec,
        channels_last=True,
    )
    train_starts = np.asarray(listed)
    train, val = (clips(train_frames, train_starts[part]) for part in hold_out_last(len(train_starts), val_fraction))
    test = clips(test_frames, np.asarray(test_starts), reverse_channels=not caltech_bgr)
    return VideoData(train, val, test, spec)


def starts_within_sources(sources: np.ndarray, num_frames: int) -> np.ndarray:
    """First frames of clips that follow each other and lie in one recording each.

    Args:
        sources: Name of each frame's recording, `(N,)`.
        num_frames: Frames of a clip.

    Example:
        >>> starts_within_sources(np.array(list("aaaaabbb")), 2).tolist()
        [0, 2, 5]
    """
    starts, first = [], 0
    while first + num_frames <= len(sources):
        if sources[first] == sources[first + num_frames - 1]:
            starts.append(first)
            first += num_frames
        else:
            first += 1
    return np.array(starts, dtype=np.int64)


def _map(path: Path) -> np.ndarray:
    return map_array(existing(path, "KITTI/Caltech array"))


def _read_hickle(path: Path) -> np.ndarray:
    existing(path, "KITTI file")
    with names_extra(f"{path} needs"):
        import hickle
    with reading_as(path, "cannot be read by hickle"):
        return np.asarray(hickle.load(str(path)))
