"""The user's own images: one folder per class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from subband.data.dataset_files import existing
from subband.data.labelled.augmentation import TrainInterpolation
from subband.data.labelled.images import (
    Augment,
    Augmentation,
    ImageData,
    ImageSpec,
    LabelledImages,
    Preprocessing,
    hold_out_per_class,
)
from subband.data.labelled.preprocessing import IMAGENET_MEAN, IMAGENET_STD, CropMode, Interpolation
from subband.data.spec import reading_files
from subband.files import shown
from subband.media.frames import natural_key
from subband.media.images import on_white, read_image
from subband.media.picture_files import PictureList, find_pictures, warn_animated, warn_left_out

_MAX_NAMED = 5


class _Files(NamedTuple):
    paths: list[Path]
    labels: list[int]
    classes: tuple[str, ...]

    def select(self, indices: Sequence[int]) -> _Files:
        return _Files([self.paths[i] for i in indices], [self.labels[i] for i in indices], self.classes)


def image_folder(
    *,
    path: str,
    img_size: int | tuple[int, int] = 224,
    crop_ratio: float = 0.875,
    crop_mode: CropMode = "center",
    interpolation: Interpolation = "bicubic",
    antialias: bool = True,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
    augment: Augment = "resized_crop",
    flip: bool = True,
    rand_augment: str = "",
    color_jitter: float = 0.0,
    erasing: float = 0.0,
    train_interpolation: TrainInterpolation = "bicubic",
    val_fraction: float = 0.1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> ImageData:
    """Images in a folder per class, or in the layout of ImageNet: `train/CLASS/*`, `val/CLASS/*` and `test/CLASS/*`.

    With the layout of ImageNet the images in `test` are the test set, or those in `val` where there is no `test`;
    either alone does for evaluation. What is held out is always the same. Images in folders inside a class folder
    belong to the class; a warning names other files, and animated ones, of which the first image counts.

    Args:
        path: Folder of class folders, or folder with `train`, `val` and `test`, of which some may be missing.
        img_size: Side or sides (height, width) of the inputs.
        crop_ratio: Share of a resized image, along one side, that is kept for validation and test.
        crop_mode: `center` keeps the shape of an image before the crop, `squash` does not.
        interpolation: How images are resized for validation and test.
        antialias: Smooth before shrinking, in training too.
        mean: Subtracted from red, green and blue.
        std: Divides red, green and blue.
        augment: What part of a training image is seen: all of it, unchanged; the usual crop, shifted; or any part,
            resized.
        flip: Mirror half of the training images.
        rand_augment: RandAugment of the training images in timm's notation, e.g. `rand-m9-mstd0.5-inc1`.
        color_jitter: Changes of brightness, contrast and saturation of the training images, instead of RandAugment.
        erasing: Share of the training images that lose a rectangle.
        train_interpolation: How training images are resized, where any part may be seen.
        val_fraction: Share of the training images of each class held out for validation, where `val` is not for it.
        test_fraction: Share of all images of each class held out for the test; 1 is for evaluation and leaves nothing
            to train on. With a `val` or `test` folder it has no effect but this one.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If it holds no class folders, one of them holds no images, `val` or `test` has other classes than
            `train`, a class has too few images for the split, or an argument is out of its range.
        ImportError: If `rand_augment` or `erasing` is asked for and timm is not installed.

    Example:
        >>> import torch
        >>> from subband.media.images import write_image
        >>> folder = getfixture("tmp_path")
        >>> for number in range(8):
        ...     name = folder / ("cat", "dog")[number % 2]
        ...     name.mkdir(exist_ok=True)
        ...     write_image(name / f"{number}.png", torch.rand(3, 20, 30))
        >>> data = image_folder(path=str(folder), img_size=16)
        >>> data.spec.classes, len(data.train), len(data.val), len(data.test)
        (('cat', 'dog'), 4, 2, 2)
    """
    train, val, test = _splits(existing(Path(path), "folder of images"), val_fraction, test_fraction)
    size = [img_size] * 2 if isinstance(img_size, int) else list(img_size)
    fields = {"size": size, "crop_ratio": crop_ratio, "crop_mode": crop_mode, "antialias": antialias}
    fields |= {"interpolation": interpolation, "mean": list(mean), "std": list(std)}
    spec = ImageSpec(classes=train.classes, preprocessing=Preprocessing.from_dict(fields))
    augmentation = Augmentation(
        crop=augment,
        flip=flip,
        rand_augment=rand_augment,
        color_jitter=color_jitter,
        erasing=erasing,
        interpolation=train_interpolation,
    )
    changed, plain = _labelled(train, spec, augmentation, seed), Augmentation()
    return ImageData(changed, _labelled(val, spec, plain, seed), _labelled(test, spec, plain, seed), spec)


class _Reader:
    """Images by index; an object, not a closure, so that worker processes can be started afresh with it."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __call__(self, index: int) -> Tensor:
        with reading_files():
            return on_white(read_image(self.paths[index])).expand(3, -1, -1)


class _NoImages(LabelledImages):
    """In place of the training images of a folder that has test images only; asking for its length says so."""

    def __init__(self, spec: ImageSpec) -> None:
        self.spec, self.labels = spec, ()

    def __len__(self) -> int:
        raise ValueError(
            "every image of the folder is a test image (it has val without train, or test_fraction is 1), so there is "
            "nothing to train on."
        )


def _labelled(files: _Files, spec: ImageSpec, augmentation: Augmentation, seed: int) -> LabelledImages:
    if not files.paths:
        return _NoImages(spec)
    return LabelledImages(_Reader(files.paths), files.labels, spec, augmentation=augmentation, seed=seed)


def _splits(root: Path, val_fraction: float, test_fraction: float) -> tuple[_Files, _Files, _Files]:
    """Images for training, validation and test, in either layout; the first two are empty if all are for the test."""
    named = _named_splits(root)
    test_name = next((name for name in ("test", "val", "train") if name in named), "")
    is_all_test = test_fraction == 1 or (bool(named) and "train" not in named)
    if "test" in named and len(named) > 1:
        uses = "" if is_all_test or "val" not in named else ", val/ chooses the checkpoint"
        warnings.warn(f"{shown(root)}: test/ is the test set{uses}.", stacklevel=4)
    if is_all_test:
        test = _list_classes(root / test_name)
        return test.select([]), test.select([]), test
    if named <= {"train"}:
        files = _list_classes(root / test_name)
        rest, test = (files.select(part) for part in _split(files, test_fraction, root))
    else:
        rest, test = _list_classes(root / "train"), _list_classes(root / test_name)
        _check_classes(root, rest, test, test_name)
    if {"train", "val", "test"} <= named:
        val = _list_classes(root / "val")
        _check_classes(root, rest, val, "val")
        return rest, val, test
    train, val = (rest.select(part) for part in _split(rest, val_fraction, root))
    return train, val, test


def _named_splits(root: Path) -> set[str]:
    """Which of `train`, `val` and `test` hold class folders; none if they are classes themselves."""
    folders = {item.name for item in _visible_folders(root)}
    named = {name for name in ("train", "val", "test") if _holds_folders(root / name)}
    if "train" in named and (alias := folders & {"valid", "validation", "dev"}):
        raise ValueError(f"{shown(root)} holds train/ and {min(alias)}/; rename {min(alias)}/ to val/.")
    is_layout = bool(named) if folders <= {"train", "val", "test"} else bool(named & {"val", "test"})
    if not is_layout or (named == {"test"} and len(folders) > 1) or ("train" in folders - named):
        return set()
    found = find_pictures(root)
    beside = PictureList([], {**found.left_out}, [item for item in found.folders if item.name not in named])
    if found.files:
        beside.left_out["not in a class folder"] = found.files
    warn_left_out(root, beside)
    return named


def _check_classes(root: Path, train: _Files, other: _Files, name: str) -> None:
    for has, lacks, files, others in (("train", name, train, other), (name, "train", other, train)):
        if unlike := [label for label in files.classes if label not in others.classes]:
            raise ValueError(
                f"{shown(root)}: train and {name} must have the same classes, but only {has} has "
                f"{', '.join(map(repr, unlike[:_MAX_NAMED]))}{', ...' * (len(unlike) > _MAX_NAMED)}; add or remove "
                f"{lacks}/{unlike[0]}."
            )


def _visible_folders(path: Path) -> list[Path]:
    return [item for item in find_pictures(path).folders if item.is_dir()]


def _holds_folders(path: Path) -> bool:
    return path.is_dir() and bool(_visible_folders(path))


def _list_classes(folder: Path) -> _Files:
    found = find_pictures(folder)
    folders = sorted(found.folders, key=natural_key)
    if len(folders) < 2:
        raise ValueError(f"{shown(folder)} holds {len(folders)} class folder(s); it needs at least two, one per class.")
    left_out = {reason: list(files) for reason, files in found.left_out.items()}
    if found.files:
        left_out["not in a class folder"] = found.files
    listed = []
    for item in folders:
        members = find_pictures(item, with_subfolders=True)
        for reason, files in members.left_out.items():
            left_out.setdefault(reason, []).extend(files)
        if not members.files:
            beside = f"; it holds {members.summary()}" if members.summary() else ""
            raise ValueError(f"the class folder {shown(item)} holds no photographs{beside}.")
        listed.append(members.files)
    paths = [path for members in listed for path in members]
    warn_left_out(folder, PictureList(paths, left_out, []))
    warn_animated(paths)
    labels = [label for label, members in enumerate(listed) for _ in members]
    return _Files(paths, labels, tuple(shown(item.name) for item in folders))


def _split(files: _Files, fraction: float, root: Path) -> tuple[list[int], list[int]]:
    try:
        return hold_out_per_class(files.labels, fraction, files.classes)
    except ValueError as error:
        raise ValueError(f"{shown(root)}: {error}") from None
