"""Pairs of clips on disk: crops and flips for training, whole frames for evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from subband.data.dataset_files import SPLITS, deal_out, has_split_folders, listed_problems
from subband.data.restoration.draws import Draws
from subband.data.restoration.paired_files import CropBox, PairedClip, find_pairs, read_frames
from subband.data.restoration.pairs import ClipPairs, PairData, PairSource, PairSpec
from subband.data.spec import check_index, image_size, reading_files

DEGRADED_NAMES = ("blur", "blurred", "blurry", "degraded", "input", "lq")
SHARP_NAMES = ("sharp", "gt", "target", "hq")


@dataclass(frozen=True, kw_only=True)
class PairAugmentation:
    """How training pairs are changed, both clips of a pair alike, every change with probability 1/2.

    Args:
        flip: Mirror left and right, and upside down.
        transpose: Exchange rows and columns; with the flips, turns by 90 degrees.
        reverse: Play backwards.
    """

    flip: bool = True
    transpose: bool = True
    reverse: bool = False


class TrainingPairs(ClipPairs):
    """Crops of pairs at random places, beginning with any frame.

    A sample per frame and epoch: it begins with this frame, or with a random one where too few follow. Crop and flips
    are common to all frames of both clips.

    Args:
        pairs: Clips, each at least as long and as large as `spec` says.
        spec: Shape of the pairs; its frames and sides must be given.
        augmentation: Further changes.
        middle: Height and width of the middle of every degraded frame, which is taken for the frame.
        seed: Chooses starts, crops and changes.
    """

    def __init__(
        self,
        pairs: Sequence[PairedClip],
        spec: PairSpec,
        *,
        augmentation: PairAugmentation,
        middle: tuple[int, int] | None = None,
        seed: int = 0,
    ) -> None:
        assert spec.frames
        assert spec.height
        assert spec.width
        self.spec, self.pairs, self.seed = spec, tuple(pairs), seed
        self._num_frames, self._size = spec.frames, (spec.height, spec.width)
        self._augmentation, self._middle = augmentation, middle
        self._starts = [(index, first) for index, pair in enumerate(pairs) for first in range(pair.num_frames)]

    def __len__(self) -> int:
        """Frames of all clips."""
        return len(self._starts)

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Degraded `(T, 3, H, W)` and sharp `(T', 3, scale * H, scale * W)` in [0, 1].

        Raises:
            DamagedFileError: If a frame cannot be read.
        """
        pair, first, draws = self._chosen(key)
        is_transposed = self._augmentation.transpose and draws.happens(0.5)
        height, width = self._size[::-1] if is_transposed else self._size
        window = CropBox(draws.below(pair.height - height + 1), draws.below(pair.width - width + 1), height, width)
        axes = [axis for axis in (-1, -2) if self._augmentation.flip and draws.happens(0.5)]
        axes += [0] if self._augmentation.reverse and draws.happens(0.5) else []
        with reading_files():
            clips = read_pair(pair, first, self._num_frames, self.spec.scale, window, self._middle)
        degraded, sharp = ((clip.mT if is_transposed else clip).flip(axes).contiguous() for clip in clips)
        return degraded, self.spec.with_targets(sharp)

    def source(self, key: int) -> PairSource:
        """Clip and first frame of a key."""
        pair, first, _ = self._chosen(key)
        return PairSource(pair.name, first)

    def _chosen(self, key: int) -> tuple[PairedClip, int, Draws]:
        index, first = self._starts[check_index(key) % len(self)]
        draws, pair = Draws(self.seed, key), self.pairs[index]
        last = pair.num_frames - self._num_frames
        return pair, first if first <= last else draws.below(last + 1), draws


class EvaluationPairs(ClipPairs):
    """Whole frames of pairs, one window of time after the other.

    Of what is left at the end of a clip, the window is the last frames of the clip, some of which were in the window
    before; a clip that is shorter than a window is one window.

    Args:
        pairs: Clips.
        spec: Scale and frames that count; its frames are those of a window, its sides do not matter.
        middle: Height and width of the middle of every degraded frame, which is taken for the frame.
    """

    def __init__(self, pairs: Sequence[PairedClip], spec: PairSpec, *, middle: tuple[int, int] | None = None) -> None:
        assert spec.frames
        self.pairs, self._middle = tuple(pairs), middle
        self._windows = [
            (index, first, min(spec.frames, pair.num_frames))
            for index, pair in enumerate(pairs)
            for first in window_starts(pair.num_frames, spec.frames)
        ]
        lengths = {count for _, _, count in self._windows}
        sizes = {(pair.height, pair.width) for pair in pairs}
        height, width = next(iter(sizes)) if len(sizes) == 1 else (None, None)
        self.spec = PairSpec(
            frames=lengths.pop() if len(lengths) == 1 else None,
            height=height,
            width=width,
            scale=spec.scale,
            past_frames=spec.past_frames,
            future_frames=spec.future_frames,
            mirrored=spec.mirrored,
        )

    def __len__(self) -> int:
        """Windows of all clips."""
        return len(self._windows)

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Degraded `(T, 3, H, W)` and sharp `(T', 3, scale * H, scale * W)` in [0, 1].

        Raises:
            DamagedFileError: If a frame cannot be read.
        """
        index, first, count = self._windows[check_index(key) % len(self)]
        with reading_files():
            degraded, sharp = read_pair(self.pairs[index], first, count, self.spec.scale, None, self._middle)
        return degraded, self.spec.with_targets(sharp)

    def source(self, key: int) -> PairSource:
        """Clip and first frame of a key."""
        index, first, _ = self._windows[check_index(key) % len(self)]
        return PairSource(self.pairs[index].name, first)


class NoPairs(ClipPairs):
    """In place of training pairs of a folder that has test pairs only; asking for its length says so.

    Args:
        spec: Shape of the pairs.
    """

    def __init__(self, spec: PairSpec) -> None:
        self.spec = spec

    def __len__(self) -> int:
        """Refused.

        Raises:
            ValueError: Always.
        """
        raise ValueError("the folder holds test pairs only (test/ without train/), so there is nothing to train on.")

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Refused, as the length."""
        raise IndexError(f"there is no pair {key} of {len(self)}")

    def source(self, key: int) -> PairSource:
        """Refused, as the length."""
        raise IndexError(f"there is no pair {key} of {len(self)}")


def read_pair(
    pair: PairedClip,
    first: int,
    num_frames: int,
    scale: int,
    window: CropBox | None,
    middle: tuple[int, int] | None,
) -> tuple[Tensor, Tensor]:
    """Degraded `(T, 3, H, W)` and sharp `(T, 3, scale * H, scale * W)` frames of a pair, in [0, 1].

    Args:
        pair: The clips.
        first: Number of the first frame.
        num_frames: How many.
        scale: Side of a sharp frame over that of a degraded one.
        window: Part of the degraded frames; None for all of them.
        middle: Height and width of the middle of every degraded frame, which is taken for the frame.

    Raises:
        ValueError: If a frame cannot be read.
    """
    larger = None if middle is None else (scale * middle[0], scale * middle[1])
    degraded = read_frames(pair.degraded, first, num_frames, window, middle=middle)
    return degraded, read_frames(pair.sharp, first, num_frames, window and window.scaled(scale), middle=larger)


def window_starts(num_frames: int, length: int) -> list[int]:
    """First frames of windows that cover a clip, the last one moved back so that it ends with the clip.

    Example:
        >>> window_starts(100, 30), window_starts(60, 30), window_starts(7, 30)
        ([0, 30, 60, 70], [0, 30], [0])
    """
    starts = list(range(0, max(num_frames - length, 0) + 1, length))
    return [*starts, num_frames - length] if starts[-1] + length < num_frames else starts


def pair_data(
    splits: Mapping[str, Sequence[PairedClip]],
    *,
    frames: int,
    crop: int | tuple[int, int],
    eval_frames: int,
    scale: int,
    past_frames: int,
    future_frames: int,
    augmentation: PairAugmentation,
    middle: tuple[int, int] | None = None,
    seed: int,
) -> PairData:
    """The three splits of pairs on disk; what cannot be used is left out with a warning that names it.

    Args:
        splits: Clips of `train`, `val` and `test`; of `test` only where there is nothing to train on.
        frames: Frames of a training clip.
        crop: Side of the training crops of degraded frames, or (H, W).
        eval_frames: Frames of a window in validation and test.
        scale: Side of a sharp frame over that of a degraded one.
        past_frames: Degraded frames at the beginning that have no sharp one.
        future_frames: The same at the end.
        augmentation: Changes of training pairs.
        middle: Height and width of the middle of every degraded frame, which is taken for the frame, for sets whose
            frames differ in size even within a clip.
        seed: Chooses the training samples.

    Raises:
        ValueError: If an argument is out of range, or nothing is left of a split.
    """
    height, width = image_size(crop, "crop")
    context: dict[str, Any] = {"scale": scale, "past_frames": past_frames, "future_frames": future_frames}
    spec = PairSpec(frames=frames, height=height, width=width, **context)
    if middle is not None:
        splits = {
            name: [pair._replace(height=middle[0], width=middle[1]) for pair in usable(pairs, 1, middle, name)]
            for name, pairs in splits.items()
        }
    window = PairSpec(frames=eval_frames, height=None, width=None, **context)
    shortest = past_frames + future_frames + 1
    evaluated = {
        name: EvaluationPairs(usable(splits[name], shortest, (1, 1), name), window, middle=middle)
        for name in ("val", "test")
        if name in splits
    }
    if "train" not in splits:
        return PairData(NoPairs(spec), NoPairs(spec), evaluated["test"], spec)
    sides = (max(height, width),) * 2 if augmentation.transpose else (height, width)
    fits = usable(splits["train"], frames, sides, "train")
    train = TrainingPairs(fits, spec, augmentation=augmentation, middle=middle, seed=seed)
    return PairData(train, evaluated["val"], evaluated["test"], spec)


def usable(pairs: Sequence[PairedClip], num_frames: int, size: tuple[int, int], split: str) -> list[PairedClip]:
    """Clips that are long and large enough.

    Args:
        pairs: Clips.
        num_frames: Shortest length.
        size: Smallest height and width.
        split: What they are for, for the message.

    Raises:
        ValueError: If there are none.
    """
    problems = {}
    for pair in pairs:
        if pair.num_frames < num_frames:
            problems[pair] = f"{pair.name} has {pair.num_frames} frames, {num_frames} are needed"
        elif pair.height < size[0] or pair.width < size[1]:
            problems[pair] = (
                f"{pair.name} has frames of {pair.width} x {pair.height} pixels, {size[1]} x {size[0]} are needed"
            )
    listed = listed_problems(list(problems.values()))
    if len(problems) == len(pairs):
        raise ValueError(f"no clip can be used for {split}: {listed or 'there is none'}")
    if problems:
        warnings.warn(f"left out {len(problems)} of {len(pairs)} {split} clips: {listed}", stacklevel=3)
    return [pair for pair in pairs if pair not in problems]


def paired_folder(
    *,
    path: str,
    frames: int = 8,
    crop: int | tuple[int, int] = 128,
    eval_frames: int = 30,
    scale: int = 1,
    past_frames: int = 0,
    future_frames: int = 0,
    flip: bool = True,
    transpose: bool = True,
    reverse: bool = False,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> PairData:
    """Pairs of the user's own: `blur/` and `sharp/` with clips of the same names, or clips with these folders inside.

    A clip is a folder of frames or a video. The degraded folder may also be called blurred, blurry, degraded, input or
    lq, the sharp one gt, target or hq. `subband synthesize-blur` writes this layout.

    Args:
        path: Folder of pairs; if it holds `train/`, `val/` and `test/` with pairs, these are the splits (`test/` alone
            serves for scores only), otherwise clips are dealt out by their names.
        frames: Frames of a training clip.
        crop: Side of the training crops of degraded frames, or (H, W).
        eval_frames: Frames of a window in validation and test, which see whole frames.
        scale: Side of a sharp frame over that of a degraded one: 1 for deblurring, 2 or 4 for super-resolution.
        past_frames: Degraded frames at the beginning that have no sharp one.
        future_frames: The same at the end.
        flip: Mirror training clips at random, left and right and upside down.
        transpose: Exchange rows and columns of training clips at random.
        reverse: Play training clips backwards at random.
        fractions: Shares of the splits where there are no folders for them.
        seed: Chooses the training samples.

    Returns:
        Pairs in [0, 1].

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds no pairs, nothing is left of a split, or an argument is out of range.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"folder of pairs not found: {folder}")
    named = [name for name in SPLITS if (folder / name).is_dir()]
    if named == ["test"] or has_split_folders(folder):
        splits = {name: find_pairs(folder / name, DEGRADED_NAMES, SHARP_NAMES, scale=scale) for name in named}
    else:
        pairs = find_pairs(folder, DEGRADED_NAMES, SHARP_NAMES, scale=scale)
        splits = deal_out(pairs, [pair.name for pair in pairs], fractions, "pairs", folder)
    return pair_data(
        splits,
        frames=frames,
        crop=crop,
        eval_frames=eval_frames,
        scale=scale,
        past_frames=past_frames,
        future_frames=future_frames,
        augmentation=PairAugmentation(flip=flip, transpose=transpose, reverse=reverse),
        seed=seed,
    )
