"""Folders of pictures of any kind, and of gray ones with more than eight bits, as medical images are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from subband.data.dataset_files import SPLITS, deal_out, existing, has_split_folders
from subband.data.images.gray_files import GrayPicture, gray_files_below, pictures_of, read_gray
from subband.data.images.unlabelled import UnlabelledData, UnlabelledImages, UnlabelledSpec, resized
from subband.data.restoration.blurred_photos import photos_below
from subband.data.spec import image_size, reading_files
from subband.media.images import on_white, read_image

Order = Literal["shuffled", "sorted"]


def unlabelled_folder(
    *,
    path: str,
    img_size: int | tuple[int, int] = 128,
    gray: bool = False,
    flip: bool = True,
    order: Order = "shuffled",
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> UnlabelledData:
    """Pictures of a folder, such as CelebA-HQ in one flat folder: their largest central part, resized.

    A picture that cannot be read is left out, named and counted.

    Args:
        path: Folder of pictures, searched with the folders inside it. If it holds `train/`, `val/` and `test/`, these
            are the splits; otherwise pictures are dealt out.
        img_size: Side of the images, or height and width.
        gray: 1 channel instead of 3.
        flip: Mirror half of the training images.
        order: How pictures are dealt out: `shuffled` by their names, always in the same way, or `sorted`, the first
            names for training and the last ones for the test.
        fractions: Shares of training, validation and test.
        seed: Chooses which images are mirrored.

    Returns:
        Images in [0, 1]; transparent parts are white.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If it holds fewer than three pictures or some split folders only, or an argument is out of range.

    Example:
        >>> from subband.media.images import write_image
        >>> folder = getfixture("tmp_path")
        >>> for number in range(10):
        ...     write_image(folder / f"{number}.png", torch.rand(3, 20, 30))
        >>> data = unlabelled_folder(path=str(folder), img_size=16, order="sorted")
        >>> len(data.train), len(data.val), len(data.test), data.train[0].shape
        (8, 1, 1, torch.Size([3, 16, 16]))
    """
    size = image_size(img_size)
    spec = UnlabelledSpec(channels=1 if gray else 3, height=size[0], width=size[1])
    return _folder_data(Path(path), order, fractions, spec, None, flip=flip, seed=seed)


def gray_folder(
    *,
    path: str,
    img_size: int | tuple[int, int] = 128,
    percentiles: tuple[float, float] = (0.1, 99.9),
    flip: bool = False,
    order: Order = "shuffled",
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> UnlabelledData:
    """Gray pictures of a folder whose brightness has no fixed range, as medical images (16-bit PNG, TIFF, DICOM).

    Of every picture the values between two percentiles of its pixels become [0, 1], and those beyond are clipped; one
    without contrast becomes 0. Then it is cut and resized as by `unlabelled_folder`. Color pictures count by their
    luma.

    DICOM files need the package pydicom, the extra `dicom`. Every frame of a file is a picture, seen through the
    window that the file recommends, bright where a screen is bright; a file is dealt out as a whole.

    Args:
        path: Folder of pictures, as for `unlabelled_folder`; DICOM files are found by their content.
        img_size: Side of the images, or height and width.
        percentiles: What becomes 0 and 1.
        flip: Mirror half of the training images.
        order: As for `unlabelled_folder`.
        fractions: Shares of training, validation and test.
        seed: Chooses which images are mirrored.

    Returns:
        Images of one channel in [0, 1], not rounded to bytes.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If it holds fewer than three pictures or some split folders only, or an argument is out of range.
    """
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise ValueError(f"percentiles must be (low, high) with 0 <= low < high <= 100, got {tuple(percentiles)}")
    size = image_size(img_size)
    spec = UnlabelledSpec(channels=1, height=size[0], width=size[1])
    return _folder_data(Path(path), order, fractions, spec, (low, high), flip=flip, seed=seed)


def stretched(image: Tensor, percentiles: tuple[float, float]) -> Tensor:
    """The values between two percentiles as [0, 1], those beyond clipped.

    Args:
        image: Any shape.
        percentiles: What becomes 0 and 1; if both are one value, everything becomes 0.

    Example:
        >>> stretched(torch.tensor([0.0, 0.2, 0.3, 0.4, 5.0]), (25, 75))
        tensor([0.0000, 0.0000, 0.5000, 1.0000, 1.0000])
    """
    low, high = np.percentile(image.numpy(), percentiles)
    return ((image - low) / (high - low)).clamp(0, 1) if high > low else torch.zeros_like(image)


class _Pictures:
    """Pictures of files by index; an object, not a closure, so that worker processes can be started afresh with it.

    Args:
        members: The pictures.
        spec: Shape they get.
        percentiles: See `stretched`; None leaves the values as they are.
    """

    def __init__(
        self, members: Sequence[GrayPicture], spec: UnlabelledSpec, percentiles: tuple[float, float] | None
    ) -> None:
        self.members, self.spec, self.percentiles = tuple(members), spec, percentiles

    def __call__(self, index: int) -> Tensor:
        member = self.members[index]
        if self.spec.channels == 1:
            image = read_gray(member)
        else:
            with reading_files():
                image = on_white(read_image(member.path))
        if self.percentiles is not None:
            image = stretched(image, self.percentiles)
        return resized(image, (self.spec.height, self.spec.width)).expand(self.spec.channels, -1, -1)


def _folder_data(
    folder: Path,
    order: Order,
    fractions: tuple[float, float, float],
    spec: UnlabelledSpec,
    percentiles: tuple[float, float] | None,
    *,
    flip: bool,
    seed: int,
) -> UnlabelledData:
    # Values of DICOM files have no fixed range, so they are for those who ask for percentiles.
    find, open_up = (photos_below, _whole) if percentiles is None else (gray_files_below, pictures_of)
    paths = _dealt_out(existing(folder, "folder of pictures"), order, fractions, find)
    members = {name: [picture for path in paths[name] for picture in open_up(path)] for name in SPLITS}
    train, val, test = (
        UnlabelledImages(
            _Pictures(members[name], spec, percentiles),
            len(members[name]),
            spec,
            flip=flip and name == "train",
            seed=seed,
        )
        for name in SPLITS
    )
    return UnlabelledData(train, val, test, spec)


def _whole(path: Path) -> list[GrayPicture]:
    return [GrayPicture(path)]


def _dealt_out(
    folder: Path, order: Order, fractions: tuple[float, float, float], find: Callable[[Path], list[Path]]
) -> dict[str, list[Path]]:
    if has_split_folders(folder):
        return {name: find(folder / name) for name in SPLITS}
    paths = find(folder)  # in natural order of their names
    names = [path.relative_to(folder).as_posix() for path in paths]
    dealt = deal_out(paths, names, fractions, "pictures", folder)
    if order == "shuffled":
        return dealt
    ends = np.cumsum([len(dealt[name]) for name in SPLITS]).tolist()
    return dict(zip(SPLITS, (paths[: ends[0]], paths[ends[0] : ends[1]], paths[ends[1] :]), strict=True))
