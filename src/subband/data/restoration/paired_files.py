"""Which degraded clip belongs to which sharp one, and the frames of both."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from subband.data.dataset_files import listed_problems
from subband.data.restoration.pair_folder import finished_clips
from subband.data.restoration.pairs import as_frames
from subband.files import shown
from subband.media.frame_folders import find_mismatch, list_frames
from subband.media.picture_files import NO_PICTURE, find_pictures, is_animated
from subband.media.pixels import as_frame, read_pixels, upright_size
from subband.media.sources import open_clip

_TEXT_SUFFIXES = frozenset({".csv", ".json", ".md", ".txt", ".yaml", ".yml"})


class CropBox(NamedTuple):
    """Part of a frame in pixels."""

    top: int
    left: int
    height: int
    width: int

    def scaled(self, scale: int) -> CropBox:
        """The same part of a frame that is so many times as large."""
        return CropBox(*(scale * value for value in self))

    def shrunk(self, scale: int) -> CropBox:
        """The same part of a frame that is so many times as small; its numbers divide by it."""
        return CropBox(*(value // scale for value in self))

    def of(self, frames: Tensor) -> Tensor:
        """This part of frames `(..., H, W)`."""
        return frames[..., self.top : self.top + self.height, self.left : self.left + self.width]


class PairedClip(NamedTuple):
    """Two clips that show the same, frame by frame in their order.

    Attributes:
        name: What it is called.
        degraded: Folder of frames or video.
        sharp: Likewise.
        num_frames: Frames of both.
        height: Rows of a degraded frame; of a folder, of its first one.
        width: Columns, likewise.
    """

    name: str
    degraded: Path
    sharp: Path
    num_frames: int
    height: int
    width: int


def find_pairs(
    folder: Path, degraded: Sequence[str], sharp: Sequence[str], *, inside: str = "", scale: int = 1
) -> list[PairedClip]:
    """Pairs of clips in either arrangement: `blur/CLIP` beside `sharp/CLIP`, or `CLIP/blur` beside `CLIP/sharp`.

    A clip is a folder of frames or a video. Clips are matched by their names, suffixes left out, frames by their order.
    One warning names what is left out: clips without a partner or with another number of frames, clips whose names of
    frames contradict their order, and what `synthesize-blur` has not finished. A second one names clips whose sides
    count from different numbers, or have no names in common.

    Args:
        folder: Where to look.
        degraded: Names that the folder of degraded frames may have, upper and lower case being one.
        sharp: Names of the folder of sharp frames.
        inside: Folder inside these that holds the frames, for example `RGB`.
        scale: Side of a sharp frame over that of a degraded one.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are no pairs.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"folder of pairs not found: {folder}")
    problems: list[str] = []
    by_order: list[str] = []
    pairs = []
    finished = finished_clips(folder)
    for name, first, second in _candidates(folder, degraded, sharp, inside, problems):
        try:
            if finished is not None and name not in finished:
                raise ValueError("not finished, give the same command of synthesize-blur again")
            pair = _pair(name, first, second, scale)
            by_order += _check_names(pair)
        except (ValueError, OSError) as error:
            problems.append(f"{name}: {' '.join(str(error).split()).rstrip('.')}")
        else:
            pairs.append(pair)
    listed = listed_problems(problems)
    if not pairs:
        names = f"{'|'.join(degraded)}/ and {'|'.join(sharp)}/"
        raise ValueError(
            f"{shown(folder)} holds no pairs of clips: neither {names} with clips in them, nor clips with {names} in "
            "them" + (f"; {listed}" if listed else "")
        )
    if problems:
        warnings.warn(f"left out in {shown(folder)}: {listed}", stacklevel=2)
    if by_order:
        warnings.warn(f"matched by their order only in {shown(folder)}: {listed_problems(by_order)}", stacklevel=2)
    return pairs


def pair_folders(degraded: Path, sharp: Path, *, scale: int) -> list[PairedClip]:
    """Pairs of the clips of two folders, by their names; all must be there in both.

    Args:
        degraded: Folder of clips, each a folder of frames or a video.
        sharp: Likewise.
        scale: Side of a sharp frame over that of a degraded one.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If a clip has no partner, or one that does not fit.
    """
    for folder in (degraded, sharp):
        if not folder.is_dir():
            raise FileNotFoundError(f"folder of clips not found: {folder}")
    ours, theirs = _clips(degraded, ""), _clips(sharp, "")
    alone = sorted({*ours} ^ {*theirs})
    if alone or not ours:
        what = f"{alone[0]} has no partner" if alone else "there are no clips"
        raise ValueError(f"{shown(degraded)} and {shown(sharp)} do not hold the same clips: {what}")
    pairs = []
    for name in sorted(ours):
        try:
            pairs.append(_pair(name, ours[name], theirs[name], scale))
        except ValueError as error:
            raise ValueError(f"{shown(sharp)}, clip {name}: {error}") from None
    return pairs


def read_frames(
    clip: Path,
    first: int,
    num_frames: int,
    window: CropBox | None = None,
    *,
    middle: tuple[int, int] | None = None,
) -> Tensor:
    """Frames of a clip, of which only the wanted part is kept.

    Args:
        clip: Folder of frames or video.
        first: Number of the first one.
        num_frames: How many.
        window: Part of every frame; None for all of it.
        middle: Height and width of the middle of every frame, which is taken for the frame; frames of a folder may
            then differ in size.

    Returns:
        `(T, 3, H, W)` in [0, 1].

    Raises:
        ValueError: If the clip is damaged or ends early, or a frame is of another size than the others or too small.
    """
    frames = []
    for index, pixels in enumerate(_pixels(clip, first, num_frames, is_ragged=middle is not None)):
        try:
            part = pixels if middle is None else _part(pixels, _middle(pixels, middle))
            frames.append(torch.from_numpy((part if window is None else _part(part, window)).copy()))
        except ValueError as error:
            raise ValueError(f"{shown(clip)}: frame {first + index} {error}") from None
    if len(frames) < num_frames:
        raise ValueError(
            f"{shown(clip)} ends after {first + len(frames)} frames, frame {first + num_frames - 1} is needed"
        )
    return as_frames(torch.stack(frames))


def _pixels(clip: Path, first: int, num_frames: int, *, is_ragged: bool) -> Iterator[np.ndarray]:
    """Pixels `(H, W, 3)` uint8 of frames."""
    if clip.is_dir() and is_ragged:
        for file in list_frames(clip)[first : first + num_frames]:
            yield as_frame(read_pixels(file))
        return
    with open_clip(clip) as reader:
        yield from reader.frames(range(first, first + num_frames))


def _middle(pixels: np.ndarray, size: tuple[int, int]) -> CropBox:
    top, left = ((have - want) // 2 for have, want in zip(pixels.shape[:2], size, strict=True))
    return CropBox(max(top, 0), max(left, 0), *size)


def _part(pixels: np.ndarray, window: CropBox) -> np.ndarray:
    part = pixels[window.top : window.top + window.height, window.left : window.left + window.width]
    if part.shape[:2] != (window.height, window.width):
        raise ValueError(
            f"has {pixels.shape[1]} x {pixels.shape[0]} pixels, too few for {window.width} x {window.height} pixels "
            f"from column {window.left}, row {window.top} on"
        )
    return part


def _candidates(
    folder: Path, degraded: Sequence[str], sharp: Sequence[str], inside: str, problems: list[str]
) -> Iterator[tuple[str, Path, Path]]:
    """Names of clips and where their two sides should be."""
    first, second = _named(folder, degraded), _named(folder, sharp)
    if first and second:
        ours, theirs = _clips(first, inside), _clips(second, inside)
        if {""} == set(ours) == set(theirs):  # frames at once: a single clip
            yield folder.name, ours[""], theirs[""]
            return
        for name in sorted({*ours, *theirs}):
            if name in ours and name in theirs:
                yield name, ours[name], theirs[name]
            else:
                has, lacks = (first, second) if name in ours else (second, first)
                problems.append(f"{shown(name) or 'frames'} is in {has.name}/ but not in {lacks.name}/")
        return
    for item in sorted(folder.iterdir()):
        if not item.is_dir() or item.name.startswith("."):
            continue
        first, second = _named(item, degraded), _named(item, sharp)
        if first and second:
            yield item.name, first / inside, second / inside
        else:
            lacking = [names[0] for names, found in ((degraded, first), (sharp, second)) if not found]
            problems.append(f"{shown(item.name)} has no {'/ and no '.join(lacking)}/")


def _named(folder: Path, names: Sequence[str]) -> Path | None:
    """The first folder inside a folder that has one of the names."""
    folders = {item.name.lower(): item for item in folder.iterdir() if item.is_dir()}
    return next((folders[name.lower()] for name in names if name.lower() in folders), None)


def _clips(folder: Path, inside: str) -> dict[str, Path]:
    """Clips of a folder by their names without suffix; `""` for frames that lie there at once."""
    found = find_pictures(folder)
    moving = [path for path in found.files if is_animated(path)]
    videos = [path for path in found.left_out.get(NO_PICTURE, []) if path.suffix.lower() not in _TEXT_SUFFIXES]
    clips = {path.stem: path for path in [*moving, *videos]} | {item.name: item / inside for item in found.folders}
    return clips | ({"": folder} if len(found.files) > len(moving) else {})


def _pair(name: str, degraded: Path, sharp: Path, scale: int) -> PairedClip:
    (num_frames, height, width), (num_sharp, sharp_height, sharp_width) = map(_facts, (degraded, sharp))
    if num_frames != num_sharp:
        raise ValueError(f"{num_frames} degraded but {num_sharp} sharp frames")
    if (sharp_height, sharp_width) != (scale * height, scale * width):
        times = f" {scale} times" if scale > 1 else ""
        raise ValueError(
            f"sharp frames of {sharp_width} x {sharp_height} pixels are not{times} the size of the degraded ones, "
            f"{width} x {height}"
        )
    return PairedClip(name, degraded, sharp, num_frames, height, width)


def _check_names(pair: PairedClip) -> list[str]:
    """What is to be said of two folders of frames that only their order matches; nothing if their names do.

    Raises:
        ValueError: If frames have a partner by their names, and it is not the one by their order.
    """
    if not (pair.degraded.is_dir() and pair.sharp.is_dir()):
        return []
    degraded, sharp = list_frames(pair.degraded), list_frames(pair.sharp)
    mismatch = find_mismatch(degraded, sharp)
    if mismatch is None:
        return []
    ours, theirs = (shown(files[mismatch.place].name) for files in (degraded, sharp))
    if mismatch.is_contradiction:
        raise ValueError(f"names of frames contradict their order, degraded {ours} meets sharp {theirs}")
    return [f"{pair.name} (degraded {ours} meets sharp {theirs})"]


def _facts(clip: Path) -> tuple[int, int, int]:
    """Number, height and width of the frames; of a folder, the size of the first one."""
    if clip.is_dir():
        files = list_frames(clip)
        return len(files), *upright_size(files[0])
    with open_clip(clip) as reader:
        return reader.count, reader.height, reader.width
