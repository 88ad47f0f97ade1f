"""Published sets of blurred and sharp video: GoPro, DVD, BSD and RealBlur, in the layouts they are passed around in.

Frames count in the order of their names, whatever number they begin with. None of the sets is downloaded; validation
clips are the last of the training clips where a set has none.

- GoPro: Nah et al., "Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring", CVPR 2017.
- DVD: Su et al., "Deep Video Deblurring for Hand-held Cameras", CVPR 2017.
- BSD: Zhong et al., "Efficient Spatio-Temporal Recurrent Neural Network for Video Deblurring", ECCV 2020.
- RealBlur: Rim et al., "Real-World Blur Dataset for Learning and Benchmarking Deblurring Algorithms", ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from subband.data.dataset_files import existing, hold_out_last
from subband.data.restoration.paired_clips import PairAugmentation, pair_data
from subband.data.restoration.paired_files import PairedClip, find_pairs
from subband.data.restoration.pairs import PairData

REAL_BLUR_CROP = (736, 640)
"""Height and width that frames of RealBlur, about 772 x 676 pixels, are cropped to by networks for video."""

_VAL_FRACTION = 0.1


def gopro(
    *,
    root: str,
    blur: Literal["blur", "blur_gamma"] = "blur",
    frames: int = 15,
    crop: int | tuple[int, int] = 256,
    eval_frames: int = 30,
    past_frames: int = 0,
    future_frames: int = 0,
    flip: bool = True,
    transpose: bool = True,
    reverse: bool = False,
    seed: int = 0,
) -> PairData:
    """GoPro: 22 training and 11 test clips of 1280 x 720 pixels.

    Args:
        root: Folder with `train/` and `test/` (alone: for scores only), and in each either
            `blur/CLIP/000000.png` beside `sharp/CLIP/`, or the original `CLIP/blur/` beside `CLIP/sharp/`.
        blur: Which blur: the mean of stored values, as networks for video are trained on, or that of a gamma of 2.2.
        frames: Frames of a training clip.
        crop: Side of the training crops, or (H, W).
        eval_frames: Frames of a window in validation and test, which see whole frames.
        past_frames: Degraded frames at the beginning that have no sharp one.
        future_frames: The same at the end.
        flip: Mirror training clips at random, left and right and upside down.
        transpose: Exchange rows and columns of training clips at random.
        reverse: Play training clips backwards at random.
        seed: Chooses the training samples.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If there are no pairs, or an argument is out of range.
    """
    return pair_data(
        _train_and_test(Path(root), "GoPro", [blur], ["sharp"]),
        frames=frames,
        crop=crop,
        eval_frames=eval_frames,
        scale=1,
        past_frames=past_frames,
        future_frames=future_frames,
        augmentation=PairAugmentation(flip=flip, transpose=transpose, reverse=reverse),
        seed=seed,
    )


def dvd(
    *,
    root: str,
    frames: int = 15,
    crop: int | tuple[int, int] = 256,
    eval_frames: int = 30,
    past_frames: int = 0,
    future_frames: int = 0,
    flip: bool = True,
    transpose: bool = True,
    reverse: bool = False,
    seed: int = 0,
) -> PairData:
    """DVD: 61 training and 10 test clips, mostly of 1280 x 720 pixels, some larger or upright.

    Args:
        root: Folder with `train/` and `test/` (alone: for scores only), and in each either
            `blur/CLIP/00000.jpg` beside `sharp/CLIP/`, or the original `CLIP/input/` beside `CLIP/GT/`.
        frames: Frames of a training clip.
        crop: Side of the training crops, or (H, W).
        eval_frames: Frames of a window in validation and test, which see whole frames.
        past_frames: Degraded frames at the beginning that have no sharp one.
        future_frames: The same at the end.
        flip: Mirror training clips at random, left and right and upside down.
        transpose: Exchange rows and columns of training clips at random.
        reverse: Play training clips backwards at random.
        seed: Chooses the training samples.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If there are no pairs, or an argument is out of range.
    """
    return pair_data(
        _train_and_test(Path(root), "DVD", ["blur", "input"], ["sharp", "gt"]),
        frames=frames,
        crop=crop,
        eval_frames=eval_frames,
        scale=1,
        past_frames=past_frames,
        future_frames=future_frames,
        augmentation=PairAugmentation(flip=flip, transpose=transpose, reverse=reverse),
        seed=seed,
    )


def bsd(
    *,
    root: str,
    setting: Literal["1ms8ms", "2ms16ms", "3ms24ms"] = "2ms16ms",
    frames: int = 8,
    crop: int | tuple[int, int] = 256,
    eval_frames: int = 20,
    past_frames: int = 0,
    future_frames: int = 0,
    flip: bool = True,
    transpose: bool = False,
    reverse: bool = False,
    seed: int = 0,
) -> PairData:
    """BSD: real blur of 640 x 480 pixels, by two cameras that look through one beam splitter.

    Args:
        root: Folder with `BSD_2ms16ms/` and so on, each with `train/`, `valid/` and `test/`, in which the frames are
            `CLIP/Blur/RGB/00000000.png` and `CLIP/Sharp/RGB/`.
        setting: Exposure of the sharp and of the blurred frames.
        frames: Frames of a training clip.
        crop: Side of the training crops, or (H, W).
        eval_frames: Frames of a window in validation and test, which see whole frames.
        past_frames: Degraded frames at the beginning that have no sharp one.
        future_frames: The same at the end.
        flip: Mirror training clips at random, left and right and upside down.
        transpose: Exchange rows and columns of training clips at random.
        reverse: Play training clips backwards at random.
        seed: Chooses the training samples.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If there are no pairs, or an argument is out of range.
    """
    folder = existing(Path(root) / f"BSD_{setting}", f"BSD {setting}")
    places = {"train": "train", "val": "valid", "test": "test"} if (folder / "train").is_dir() else {"test": "test"}
    splits = {
        name: find_pairs(existing(folder / place, f"BSD {setting} {place}"), ["blur"], ["sharp"], inside="RGB")
        for name, place in places.items()
    }
    return pair_data(
        splits,
        frames=frames,
        crop=crop,
        eval_frames=eval_frames,
        scale=1,
        past_frames=past_frames,
        future_frames=future_frames,
        augmentation=PairAugmentation(flip=flip, transpose=transpose, reverse=reverse),
        seed=seed,
    )


def realblur(
    *,
    root: str,
    frames: int = 15,
    crop: int | tuple[int, int] = 256,
    eval_frames: int = 30,
    past_frames: int = 0,
    future_frames: int = 0,
    flip: bool = True,
    transpose: bool = True,
    reverse: bool = False,
    seed: int = 0,
) -> PairData:
    """RealBlur, J or R: photographs of 232 scenes, each scene taken as a clip, 182 of them for training.

    Frames differ in size, also within a scene, by some pixels; the middle 640 x 736 pixels of every frame count.

    Args:
        root: Folder with `train/` and `test/` (alone: for scores only), and in each either
            `blur/SCENE/000000.png` beside `sharp/SCENE/`, or the original `SCENE/blur/` beside `SCENE/gt/`.
        frames: Frames of a training clip.
        crop: Side of the training crops, or (H, W).
        eval_frames: Frames of a window in validation and test.
        past_frames: Degraded frames at the beginning that have no sharp one.
        future_frames: The same at the end.
        flip: Mirror training clips at random, left and right and upside down.
        transpose: Exchange rows and columns of training clips at random.
        reverse: Play training clips backwards at random.
        seed: Chooses the training samples.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If there are no pairs, or an argument is out of range.
    """
    return pair_data(
        _train_and_test(Path(root), "RealBlur", ["blur"], ["sharp", "gt"]),
        frames=frames,
        crop=crop,
        eval_frames=eval_frames,
        scale=1,
        past_frames=past_frames,
        future_frames=future_frames,
        augmentation=PairAugmentation(flip=flip, transpose=transpose, reverse=reverse),
        middle=REAL_BLUR_CROP,
        seed=seed,
    )


def _train_and_test(
    root: Path, name: str, degraded: Sequence[str], sharp: Sequence[str]
) -> dict[str, list[PairedClip]]:
    """Clips of the splits; without `val/`, the last training clips are for it; without `train/`, those of the test."""
    test = find_pairs(existing(root / "test", f"{name} test"), degraded, sharp)
    if not (root / "train").is_dir():
        return {"test": test}
    train = find_pairs(root / "train", degraded, sharp)
    if (root / "val").is_dir():
        return {"train": train, "val": find_pairs(root / "val", degraded, sharp), "test": test}
    kept, held_out = hold_out_last(len(train), max(_VAL_FRACTION, 1 / len(train)))
    return {"train": train[kept], "val": train[held_out], "test": test}
