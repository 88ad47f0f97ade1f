"""CIFAR-10 without its labels, from the files torchvision unpacks or from archives of pictures."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from subband.data.cifar_files import read_labelled_batch
from subband.data.dataset_files import existing, listed_problems, reading_as
from subband.data.images.unlabelled import StoredImages, UnlabelledData, UnlabelledImages, UnlabelledSpec
from subband.data.labelled.images import hold_out_per_class
from subband.data.spec import image_size
from subband.files import shown
from subband.media.frames import natural_key
from subband.media.picture_files import DAMAGE, READ_SUFFIXES

_SIDE = 32
_ARCHIVES = {"train": "train.zip", "test": "test.zip"}


def cifar10_images(
    *, path: str, img_size: int = _SIDE, flip: bool = True, val_fraction: float = 0.1, seed: int = 0
) -> UnlabelledData:
    """The images of CIFAR-10, 32 x 32 pixels.

    Args:
        path: Folder `cifar-10-batches-py`, or a folder with `train.zip` and `test.zip`, which hold `CLASS/NAME.jpg` or
            `.png`. A warning names pictures of an archive that are damaged.
        img_size: Side the images are enlarged to (bicubic, antialiased).
        flip: Mirror half of the training images.
        val_fraction: Share of the training images of each class held out for validation, always the same ones.
        seed: Chooses which images are mirrored.

    Returns:
        Images in [0, 1].

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged or holds no picture that can be read, or an argument is out of its range.
    """
    size = image_size(img_size)
    spec = UnlabelledSpec(channels=3, height=size[0], width=size[1])
    folder = existing(Path(path), "folder of CIFAR-10")
    if (folder / _ARCHIVES["train"]).is_file():
        (pixels, labels), (tested, _) = (
            _read_archive(existing(folder / name, "archive")) for name in _ARCHIVES.values()
        )
    else:
        parts = [read_labelled_batch(folder / f"data_batch_{number}", "labels") for number in range(1, 6)]
        pixels, labels = torch.cat([part[0] for part in parts]), [label for part in parts for label in part[1]]
        tested, _ = read_labelled_batch(folder / "test_batch", "labels")
    kept, held_out = hold_out_per_class(labels, val_fraction)

    def split(own: Tensor, is_mirrored: bool = False) -> UnlabelledImages:
        return UnlabelledImages(StoredImages(own, 255, size), len(own), spec, flip=is_mirrored, seed=seed)

    return UnlabelledData(split(pixels[kept], flip), split(pixels[held_out]), split(tested), spec)


def _read_archive(path: Path) -> tuple[Tensor, list[int]]:
    """Pictures `(N, 3, 32, 32)` uint8 of an archive in the order of their names, and numbers of their folders."""
    pixels: list[np.ndarray] = []
    folders: list[str] = []
    problems: list[str] = []
    with reading_as(path, "cannot be read as an archive (.zip)"), zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if Path(name).suffix.lower() in READ_SUFFIXES]
        for name in sorted(names, key=lambda name: [natural_key(Path(part)) for part in Path(name).parts]):
            try:
                pixels.append(_decoded(archive.read(name)))
                folders.append(str(Path(name).parent))
            except (*DAMAGE, zipfile.BadZipFile) as error:
                problems.append(f"{shown(path)}/{shown(name)}: {' '.join(str(error).split())}")
    if not pixels:
        found = listed_problems(problems) if problems else "it holds no pictures"
        raise ValueError(f"{shown(path)} has no picture that can be read: {found}")
    if problems:
        count = f"{len(problems)} of {len(names)} pictures"
        warnings.warn(f"left out {count} of {shown(path)}: {listed_problems(problems)}", stacklevel=4)
    classes = sorted(set(folders))
    return torch.from_numpy(np.stack(pixels)).movedim(-1, 1), [classes.index(folder) for folder in folders]


def _decoded(content: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        if image.size != (_SIDE, _SIDE):
            raise ValueError(f"it has {image.size[0]} x {image.size[1]} pixels, those of CIFAR-10 have 32 x 32")
        return np.asarray(image.convert("RGB"))
