"""Pairs of small and large clips made from the user's own videos, for super-resolution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from subband.data.dataset_files import existing
from subband.data.restoration.downscaling import Degradation, Downscaling, check_degradation
from subband.data.restoration.draws import Draws
from subband.data.restoration.pairs import ClipPairs, PairData, PairSource, PairSpec
from subband.data.restoration.video_parts import VideoParts
from subband.data.spec import check_index, image_size, reading_files
from subband.data.video.folder import Video, split_videos

__all__ = ["DownscaledVideos", "downscaled_videos"]

_VAL_SEED, _TEST_SEED = 1, 2  # fixed, so that runs with different seeds are scored on the same clips
_MARGIN = 8  # small pixels around a crop, which kernels reach into


class DownscaledVideos(ClipPairs):
    """Pairs of small and large clips of videos, made afresh for every key.

    Args:
        videos: Where to read; each with as many frames as a clip.
        spec: Shape of the pairs; its frames and sides must be given.
        degradation: See `Downscaling`.
        flip: Mirror clips at random, left and right and upside down, and exchange rows and columns of square ones.
        max_side: Reduces videos to this longer side.
        in_memory: Decode all videos now and keep them, reduced, as 8-bit frames.
        length: Samples of one epoch.
        seed: Chooses the clips.

    Raises:
        ValueError: If `length` is not positive, or no reduced video is as large as the frames.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        spec: PairSpec,
        degradation: Degradation,
        *,
        flip: bool,
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
        self.spec, self.seed = spec, seed
        self._degradation, self._flip, self._length = degradation, flip, length
        scale, size = spec.scale, (spec.scale * spec.height, spec.scale * spec.width)
        margin = _MARGIN * scale
        self._parts = VideoParts(
            videos, size, spec.frames, margin=margin, grid=scale, max_side=max_side, in_memory=in_memory
        )
        self.videos = self._parts.videos

    def __len__(self) -> int:
        """Samples of one epoch."""
        return self._length

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Small `(T, 3, H, W)` and large `(T', 3, scale * H, scale * W)` frames of one key, in [0, 1].

        Raises:
            DamagedFileError: If the video turns out to be damaged.
        """
        draws, scale = Draws(self.seed, check_index(key)), self.spec.scale
        index, first = self._parts.choose(draws)
        outer, inner = self._parts.place(draws, index)
        downscaling = Downscaling(self._degradation, scale, draws)
        is_square = self.spec.height == self.spec.width
        is_transposed, *axes = (draws.happens(0.5) and self._flip for _ in range(3))
        flipped = [axis for axis, is_mirrored in zip((-1, -2), axes, strict=True) if is_mirrored]
        with reading_files():
            frames = self._parts.read(index, first, outer).float() / 255
        pair = (inner.shrunk(scale).of(downscaling(frames)), self.spec.with_targets(inner.of(frames)))
        degraded, sharp = (
            (clip.mT if is_transposed and is_square else clip).flip(flipped).contiguous() for clip in pair
        )
        return degraded, sharp

    def source(self, key: int) -> PairSource:
        """Video and first frame of a key."""
        index, first = self._parts.choose(Draws(self.seed, check_index(key)))
        return PairSource(self.videos[index].path.name, first)


def downscaled_videos(
    *,
    path: str,
    scale: int = 4,
    degradation: Degradation = "bicubic",
    frames: int = 8,
    img_size: int | tuple[int, int] = 32,
    flip: bool = True,
    max_side: int | None = None,
    in_memory: bool = False,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    num_train: int = 10_000,
    num_val: int = 100,
    num_test: int = 200,
    seed: int = 0,
) -> PairData:
    """Small and large clips made from videos, afresh for every key. Whole videos are split.

    Args:
        path: Folder of videos or folders of frames; if it holds `train/`, `val/` and `test/`, these are the splits,
            otherwise videos are dealt out by their names.
        scale: Side of a large frame over that of a small one, at least 2.
        degradation: How frames get small: `bicubic` (published as BI), `gaussian` (BD) or `camera`, see `Downscaling`.
        frames: Frames of a clip, `T`.
        img_size: Side of the small frames, cut out at random places, or (H, W).
        flip: Mirror training clips at random, and exchange rows and columns of square ones.
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
        ValueError: If fewer than three videos can be used, or an argument is out of range.
    """
    check_degradation(degradation)
    if scale < 2:
        raise ValueError(f"scale must be at least 2, got {scale}")
    height, width = image_size(img_size)
    spec = PairSpec(frames=frames, height=height, width=width, scale=scale)
    splits = split_videos(existing(Path(path), "video folder"), frames, fractions)
    train, val, test = (
        DownscaledVideos(
            splits[name],
            spec,
            degradation,
            flip=flip and name == "train",
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
