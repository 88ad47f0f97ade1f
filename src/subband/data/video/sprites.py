"""Images that move in the synthetic data sets: read from MNIST files or arrays, or taken from scikit-learn."""

import gzip
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.dataset_files import map_array, reading_as
from subband.extras import names_extra

_IDX_UINT8_3D = 0x00000803  # two zero bytes, type 8 (uint8), 3 dimensions
_MAX_BYTES = 2**31  # far above MNIST's 47 MB; a header asking for more is broken or hostile


class SpriteSplits(NamedTuple):
    """Disjoint sprites for the three splits, each `(N, h, w)` uint8."""

    train: Tensor
    val: Tensor
    test: Tensor


def read_sprites(path: str | Path) -> Tensor:
    """Read gray images of one size from a file.

    Args:
        path: An idx file as MNIST comes in (`train-images-idx3-ubyte`, also `.gz`), an `.npy` array, or an `.npz`
            archive (its `x_train`, or else its only 3-D array).

    Returns:
        `(N, h, w)` uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds no uint8 array `(N, h, w)`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"sprite file not found: {path}")
    if path.suffix == ".npy":
        array = map_array(path)
    elif path.suffix == ".npz":
        array = _read_npz(path)
    else:
        array = _read_idx(path)
    return as_sprites(array, str(path))


def as_sprites(array: np.ndarray | Tensor, where: str = "sprites") -> Tensor:
    """Check an array of gray images.

    Args:
        array: `(N, h, w)` uint8.
        where: Its name in the error message.

    Returns:
        The same values as a tensor of its own.

    Raises:
        ValueError: If the array is empty or of another shape or type.
    """
    if array.ndim != 3 or 0 in array.shape or array.dtype not in (np.uint8, torch.uint8):
        raise ValueError(
            f"{where} must be an array (N, h, w) of uint8, got shape {tuple(array.shape)} of {array.dtype}"
        )
    return torch.from_numpy(np.array(array))


def split_sprites(sprites: Tensor, held_out: int, *, with_test: bool) -> SpriteSplits:
    """Hold out the last sprites, so that neither validation nor test shows a sprite of the training set.

    Args:
        sprites: `(N, h, w)` uint8.
        held_out: How many to hold out.
        with_test: Give the second half of them to the test set; otherwise all are for validation (a test file is used).

    Returns:
        The splits; `test` is empty without `with_test`.

    Raises:
        ValueError: If a split would be empty.
    """
    least = 2 if with_test else 1
    if not least <= held_out < len(sprites):
        raise ValueError(
            f"held_out must be between {least} and {len(sprites) - 1} of the {len(sprites)} sprites, got {held_out}"
        )
    num_train = len(sprites) - held_out
    num_val = held_out // 2 if with_test else held_out
    return SpriteSplits(sprites[:num_train], sprites[num_train : num_train + num_val], sprites[num_train + num_val :])


def handwritten_digits(size: int) -> Tensor:
    """The 1,797 handwritten digits inside scikit-learn, enlarged from 8x8.

    They are the test half of the UCI set "Optical recognition of handwritten digits"; neighbors in the file are often
    of one hand, so splits should be contiguous blocks (as `split_sprites` makes them).

    Args:
        size: Side of the enlarged sprites, bicubic.

    Returns:
        `(1797, size, size)` uint8, 0 background.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    with names_extra("the handwritten digits need"):
        from sklearn.datasets import load_digits
    digits = torch.from_numpy(load_digits().images).float() * (255 / 16)  # stored as 0..16
    digits = F.interpolate(digits[:, None], size=(size, size), mode="bicubic", align_corners=False)[:, 0]
    return digits.round().clamp(0, 255).to(torch.uint8)


def _read_idx(path: Path) -> np.ndarray:
    """Images of an idx3 file of uint8, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with reading_as(path, "cannot be unpacked"), opener(path, "rb") as file:
        header = file.read(16)
        if len(header) < 16 or struct.unpack(">I", header[:4])[0] != _IDX_UINT8_3D:
            raise ValueError("it is not an idx file of images (idx3-ubyte), .npy or .npz")
        shape = struct.unpack(">III", header[4:])
        num_bytes = shape[0] * shape[1] * shape[2]
        if num_bytes > _MAX_BYTES:
            raise ValueError(f"it announces {num_bytes} bytes of images, more than the {_MAX_BYTES} that are read")
        pixels = file.read(num_bytes)
        if len(pixels) < num_bytes:
            raise ValueError(f"it is cut off: {len(pixels)} of {num_bytes} bytes of images are there")
    return np.frombuffer(pixels, dtype=np.uint8).reshape(shape)


def _read_npz(path: Path) -> np.ndarray:
    """`x_train`, or the only 3-D array of the archive."""
    with reading_as(path, "cannot be read as an npz archive"), np.load(path, allow_pickle=False) as archive:
        if "x_train" in archive.files:
            return archive["x_train"]
        arrays = {name: array for name in archive.files if (array := archive[name]).ndim == 3}
    if len(arrays) != 1:
        raise ValueError(f"{path} must hold `x_train` or exactly one 3-D array, found {sorted(arrays) or 'none'}")
    return next(iter(arrays.values()))
