"""The user's own images: one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from subband.data._video_sources import natural_key
from subband.data.classification import (
    Augment,
    ImageData,
    ImageSpec,
    LabelledImages,
    Preprocessing,
    hold_out_per_class,
)
from subband.data.images import list_images, read_image
from subband.data.layout import existing


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
    augment: Augment = "resized_crop",
    flip: bool = True,
    val_fraction: float = 0.1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> ImageData:
    """Images in a folder per class, or in the layout of ImageNet: `train/CLASS/*` and `val/CLASS/*`.

    With the layout of ImageNet the images in `val` are the test set. What is held out is always the same.

    Args:
        path: Folder of class folders, or folder with `train` and `val`.
        img_size: Side or sides (height, width) of the inputs.
        crop_ratio: Share of a resized image, along one side, that is kept for validation and test.
        augment: Augmentation of the training images.
        flip: Mirror half of the training images.
        val_fraction: Share of the training images of each class held out for validation.
        test_fraction: Share of all images of each class held out for the test; without effect if there is a `val` folder.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If it holds no class folders, one of them holds no images, `val` has other classes than `train`, or a
            class has too few images for the split.

    Example:
        >>> import torch
        >>> from subband.data.images import write_image
        >>> folder = getfixture("tmp_path")
        >>> for number in range(8):
        ...     name = folder / ("cat", "dog")[number % 2]
        ...     name.mkdir(exist_ok=True)
        ...     write_image(name / f"{number}.png", torch.rand(3, 20, 30))
        >>> data = image_folder(path=str(folder), img_size=16)
        >>> data.spec.classes, len(data.train), len(data.val), len(data.test)
        (('cat', 'dog'), 4, 2, 2)
    """
    root = existing(Path(path), "folder of images")
    size = (img_size, img_size) if isinstance(img_size, int) else (img_size[0], img_size[1])
    prepare = Preprocessing(size=size, crop_ratio=crop_ratio)
    if (root / "train").is_dir() and (root / "val").is_dir():
        rest, test = _list_classes(root / "train"), _list_classes(root / "val")
        unlike = sorted(set(rest.classes) ^ set(test.classes))
        if unlike:
            raise ValueError(
                f"{root}: train and val must have the same classes, but only one of them has {unlike[0]!r}."
            )
    else:
        files = _list_classes(root)
        rest, test = (files.select(part) for part in _split(files, test_fraction, root))
    train, val = (rest.select(part) for part in _split(rest, val_fraction, root))
    spec = ImageSpec(classes=rest.classes, preprocessing=prepare)

    def split(files: _Files, how: Augment) -> LabelledImages:
        return LabelledImages(_Reader(files.paths), files.labels, spec, augment=how, flip=flip, seed=seed)

    return ImageData(split(train, augment), split(val, "none"), split(test, "none"), spec)


class _Reader:
    """Images by index; an object, not a closure, so that worker processes can be started afresh with it."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __call__(self, index: int) -> Tensor:
        return read_image(self.paths[index]).pixels.expand(3, -1, -1)


def _list_classes(folder: Path) -> _Files:
    folders = sorted((item for item in folder.iterdir() if item.is_dir() and item.name[0] != "."), key=natural_key)
    if len(folders) < 2:
        raise ValueError(f"{folder} holds {len(folders)} class folder(s); it needs at least two, one per class.")
    listed = [list_images(item) for item in folders]
    paths = [path for members in listed for path in members]
    labels = [label for label, members in enumerate(listed) for _ in members]
    return _Files(paths, labels, tuple(item.name for item in folders))


def _split(files: _Files, fraction: float, root: Path) -> tuple[list[int], list[int]]:
    try:
        return hold_out_per_class(files.labels, fraction)
    except ValueError as error:
        raise ValueError(f"{root}: {error}") from None
