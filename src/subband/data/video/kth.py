"""KTH human actions (Schuldt, Laptev and Caputo, ICPR 2004), 128x128 gray.

Layout: `kth/ACTION/personNN_ACTION_dK_uncomp/image_XXXX.jpg` for six actions and 25 persons.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from subband.data.dataset_files import existing
from subband.data.spec import ClipSpec, VideoData
from subband.data.video.numbered_frames import NumberedFrameClips, NumberedFrames

_SIZE = 128
_ACTIONS = ("boxing", "handclapping", "handwaving", "walking", "jogging", "running")
_FAST_ACTIONS = ("jogging", "running")  # sequences with empty frames between the runs: published clips overlap there
_FAST_STEP = 3
_LAST_TRAIN_PERSON = 16
_PERSON = re.compile(r"person(\d\d)_")
_FRAME = re.compile(r"image_(\d+)\.jpg")


def kth(*, root: str, in_frames: int = 10, out_frames: int = 20, num_val_persons: int = 2, seed: int = 0) -> VideoData:
    """KTH actions: persons 1 to 16 for training, 17 to 25 for test, as published.

    Clips of the slow actions do not overlap; those of jogging and running start every third frame. Frames are decoded
    when a clip is read.

    Args:
        root: Data folder with `kth/`.
        in_frames: Input frames.
        out_frames: Target frames: 20 and 40 are benchmarked.
        num_val_persons: The last of the training persons, held out for validation.

    Returns:
        Clips of 1 channel, 128x128, in [0, 1].

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If a split has no clip.
    """
    spec = ClipSpec(in_frames=in_frames, out_frames=out_frames, channels=1, height=_SIZE, width=_SIZE)
    folder = existing(Path(root) / "kth", "KTH folder")
    clips: dict[str, list[NumberedFrames]] = {"train": [], "val": [], "test": []}
    for action in _ACTIONS:
        for sequence in sorted(existing(folder / action, f"KTH action {action!r}").iterdir()):
            if person := _PERSON.match(sequence.name):
                split = _split(int(person[1]), num_val_persons)
                clips[split] += sequence_clips(sequence, spec.num_frames, is_fast=action in _FAST_ACTIONS)
    for split, found in clips.items():
        if not found:
            raise ValueError(f"{folder} holds no clip of {spec.num_frames} frames for the {split} split")
    train, val, test = (NumberedFrameClips(found, spec, resize="bilinear") for found in clips.values())
    return VideoData(train, val, test, spec)


def sequence_clips(sequence: Path, num_frames: int, *, is_fast: bool) -> list[NumberedFrames]:
    """Clips of one recording: consecutive frame numbers, taken from the last frame backwards.

    Args:
        sequence: Folder of the recording.
        num_frames: Frames of a clip.
        is_fast: Whether the next clip starts three frames before this one, instead of ending before it.
    """
    numbers = sorted(int(match[1]) for file in sequence.iterdir() if (match := _FRAME.fullmatch(file.name)))
    starts = clip_starts(numbers, num_frames, _FAST_STEP if is_fast else num_frames)
    return [NumberedFrames(sequence, "image_{:04d}.jpg", start, 1) for start in starts]


def clip_starts(numbers: Sequence[int], num_frames: int, step: int) -> list[int]:
    """First frame numbers of clips without a gap, scanning backwards.

    Args:
        numbers: Frame numbers that exist, ascending.
        num_frames: Frames of a clip.
        step: How far to go back after a clip was found; 1 where there is none.

    Example:
        >>> clip_starts([1, 2, 3, 7, 8, 9, 10], num_frames=3, step=3)
        [8, 1]
    """
    starts = []
    last = len(numbers) - 1
    while last >= num_frames - 1:
        first = last - num_frames + 1
        if numbers[last] - numbers[first] == num_frames - 1:
            starts.append(numbers[first])
            last -= step
        else:
            last -= 1
    return starts


def _split(person: int, num_val_persons: int) -> str:
    if person > _LAST_TRAIN_PERSON:
        return "test"
    return "val" if person > _LAST_TRAIN_PERSON - num_val_persons else "train"
