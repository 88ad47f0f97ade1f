"""Published sets of small and large video: REDS, Vimeo-90K, Vid4 and UDM10, in the layouts they are passed around in.

All enlarge four times. None of the sets is downloaded.

- REDS: Nah et al., "NTIRE 2019 Challenge on Video Deblurring and Super-Resolution", CVPR Workshops 2019. Networks are
  compared on four of its training clips, as Wang et al. began, "EDVR", CVPR Workshops 2019.
- Vimeo-90K: Xue et al., "Video Enhancement with Task-Oriented Flow", IJCV 2019.
- Vid4: Liu and Sun, "On Bayesian Adaptive Video Super Resolution", TPAMI 2014.
- UDM10: Yi et al., "Progressive Fusion Video Super-Resolution Network", ICCV 2019.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from subband.data.dataset_files import existing, hold_out_last
from subband.data.restoration.paired_clips import (
    EvaluationPairs,
    PairAugmentation,
    TrainingPairs,
    pair_data,
)
from subband.data.restoration.paired_files import PairedClip, find_pairs, pair_folders
from subband.data.restoration.pairs import PairData, PairSpec
from subband.data.spec import image_size

SCALE = 4
REDS4 = ("000", "011", "015", "020")  # of the training clips, for tests
REDS_VAL4 = ("000", "001", "006", "017")  # of the validation clips, for choices; the others are trained on, too
SEPTUPLET, SMALL_SIZE = 7, (64, 112)  # frames of Vimeo-90K, and their height and width when small
_VAL_SHARE = 0.002  # of the septuplets for training, which have no validation set

Published = Literal["BI", "BD"]


def reds(
    *,
    root: str,
    frames: int = 15,
    crop: int | tuple[int, int] = 64,
    eval_frames: int = 100,
    flip: bool = True,
    transpose: bool = True,
    reverse: bool = True,
    seed: int = 0,
) -> PairData:
    """REDS: 262 training, 4 validation and 4 test clips of 100 frames, from 320 x 180 to 1280 x 720 pixels.

    Args:
        root: Folder with `train_sharp/000/00000000.png`, `train_sharp_bicubic/X4/000/`, and the same for `val`.
        frames: Frames of a training clip.
        crop: Side of the training crops of small frames, or (H, W).
        eval_frames: Frames of a window in validation and test.
        flip: Mirror training clips at random, left and right and upside down.
        transpose: Exchange rows and columns of training clips at random.
        reverse: Play training clips backwards at random.
        seed: Chooses the training samples.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If clips have no partner or another size, or an argument is out of range.
    """
    folder = existing(Path(root), "REDS")
    pairs = {}
    for name in ("train", "val"):
        small, large = folder / f"{name}_sharp_bicubic" / f"X{SCALE}", folder / f"{name}_sharp"
        pairs[name] = pair_folders(small, large, scale=SCALE)
    test = [pair for pair in pairs["train"] if pair.name in REDS4]
    val = [pair for pair in pairs["val"] if pair.name in REDS_VAL4]
    train = [pair for pair in (*pairs["train"], *pairs["val"]) if pair not in test and pair not in val]
    return pair_data(
        {"train": train, "val": val, "test": test},
        frames=frames,
        crop=crop,
        eval_frames=eval_frames,
        scale=SCALE,
        past_frames=0,
        future_frames=0,
        augmentation=PairAugmentation(flip=flip, transpose=transpose, reverse=reverse),
        seed=seed,
    )


def vimeo90k(
    *,
    root: str,
    degradation: Published = "BI",
    crop: int | tuple[int, int] = 64,
    flip: bool = True,
    transpose: bool = True,
    reverse: bool = True,
    mirrored: bool = True,
    seed: int = 0,
) -> PairData:
    """Vimeo-90K: 64,612 training and 7,824 test clips of 7 frames, from 112 x 64 to 448 x 256 pixels.

    In the test the middle frame counts, of which networks see all seven, there and back.

    Args:
        root: Folder with `sep_trainlist.txt`, `sep_testlist.txt`, `GT/00001/0001/im1.png` and `BIx4/` or `BDx4/` alike.
        degradation: How frames became small: `BI`, MATLAB's bicubic, or `BD`, a Gaussian and every fourth pixel.
        crop: Side of the training crops of small frames, or (H, W).
        flip: Mirror training clips at random, left and right and upside down.
        transpose: Exchange rows and columns of training clips at random.
        reverse: Play training clips backwards at random.
        mirrored: Networks see the seven frames there and back, as fourteen, in training and tests, as those of the
            BasicVSR family are trained and compared.
        seed: Chooses the training samples.

    Raises:
        FileNotFoundError: If a folder or list is missing.
        ValueError: If a list is empty, or an argument is out of range.
    """
    folder, name = existing(Path(root), "Vimeo-90K"), _folder_name(degradation)
    for part in ("GT", name):
        existing(folder / part, f"Vimeo-90K {part}")
    train, test = (_septuplets(folder, name, f"sep_{split}list.txt") for split in ("train", "test"))
    kept, held_out = hold_out_last(len(train), max(_VAL_SHARE, 1 / len(train)))
    height, width = image_size(crop, "crop")
    spec = PairSpec(frames=SEPTUPLET, height=height, width=width, scale=SCALE, mirrored=mirrored)
    reach = SEPTUPLET // 2
    middle = replace(spec, height=None, width=None, past_frames=reach, future_frames=reach)
    if max((height, width) if not transpose else (max(height, width),) * 2) > SMALL_SIZE[0]:
        raise ValueError(f"crop must be at most {SMALL_SIZE[0]} pixels, the height of small frames, got {crop}.")
    augmentation = PairAugmentation(flip=flip, transpose=transpose, reverse=reverse)
    return PairData(
        TrainingPairs(train[kept], spec, augmentation=augmentation, seed=seed),
        EvaluationPairs(train[held_out], spec),
        EvaluationPairs(test, middle),
        spec,
    )


def vid4(*, root: str, degradation: Published = "BI", eval_frames: int = 49, seed: int = 0) -> PairData:
    """Vid4: the test clips calendar, city, foliage and walk, of 34 to 49 frames.

    Args:
        root: Folder with `GT/calendar/00000000.png` and so on, and `BIx4/` or `BDx4/` alike.
        degradation: See `vimeo90k`.
        eval_frames: Frames of a window.
        seed: As of every data set; nothing is drawn here.

    Raises:
        FileNotFoundError: If the folder is missing.
        ValueError: If there are no pairs, or an argument is out of range.
    """
    return _test_set(find_pairs(Path(root), [_folder_name(degradation)], ["GT"], scale=SCALE), eval_frames, seed)


def udm10(*, root: str, eval_frames: int = 32, seed: int = 0) -> PairData:
    """UDM10: ten test clips of 32 frames, 318 x 180 pixels when small, by the degradation BD.

    Args:
        root: Folder with `GT/archpeople/0000.png` and so on beside `BDx4/`, or the original `archpeople/truth/` beside
            `archpeople/blur4/`.
        eval_frames: Frames of a window.
        seed: As of every data set; nothing is drawn here.

    Raises:
        FileNotFoundError: If the folder is missing.
        ValueError: If there are no pairs, or an argument is out of range.
    """
    return _test_set(find_pairs(Path(root), ["BDx4", "blur4"], ["GT", "truth"], scale=SCALE), eval_frames, seed)


def _test_set(pairs: list[PairedClip], eval_frames: int, seed: int) -> PairData:
    """Pairs for scores only."""
    return pair_data(
        {"test": pairs},
        frames=1,
        crop=64,
        eval_frames=eval_frames,
        scale=SCALE,
        past_frames=0,
        future_frames=0,
        augmentation=PairAugmentation(),
        seed=seed,
    )


def _folder_name(degradation: Published) -> str:
    if degradation not in ("BI", "BD"):
        raise ValueError(f"degradation must be 'BI' or 'BD', got {degradation!r}.")
    return f"{degradation}x{SCALE}"


def _septuplets(folder: Path, small: str, list_name: str) -> list[PairedClip]:
    """Clips that a list names; their files are looked at when they are read, since there are so many."""
    path = folder / list_name
    if not path.is_file():
        raise FileNotFoundError(f"list of clips not found: {path}")
    names = path.read_text("utf-8").split()
    if not names:
        raise ValueError(f"{path} names no clips.")
    return [PairedClip(name, folder / small / name, folder / "GT" / name, SEPTUPLET, *SMALL_SIZE) for name in names]
