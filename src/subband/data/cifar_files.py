"""CIFAR images and labels from the files torchvision unpacks."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.data.dataset_files import reading_as

_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


class _ArrayUnpickler(pickle.Unpickler):
    """Reads pickled containers and numpy arrays and refuses everything else, so that a file cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        rebuild_array = np.empty(0).__reduce__()[0]
        allowed = {"_reconstruct": rebuild_array, "ndarray": np.ndarray, "dtype": np.dtype}
        if module.split(".")[0] == "numpy" and name in allowed:
            return allowed[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def read_cifar10(root: str | Path) -> Tensor:
    """The 60,000 images: training batches in order, then the test batch.

    Args:
        root: Folder with `cifar10/cifar-10-batches-py/`.

    Returns:
        `(60000, 3, 32, 32)` uint8.

    Raises:
        FileNotFoundError: If a batch is missing.
        ValueError: If a batch is not what it should be.
    """
    folder = Path(root) / "cifar10" / "cifar-10-batches-py"
    return torch.cat([_read_batch(folder / name) for name in _FILES])


def read_labelled_batch(path: Path, key: str) -> tuple[Tensor, list[int]]:
    """Images and labels of one file of CIFAR-10 or CIFAR-100.

    Args:
        path: The file.
        key: Its entry with the labels: `labels` or `fine_labels`.

    Returns:
        `(N, 3, 32, 32)` uint8, and N labels.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is not what it should be.
    """
    content = _read_dict(path)
    labels = content.get(key.encode())
    if not isinstance(labels, list):
        raise ValueError(f"{path} is not a CIFAR batch: it has no {key}")
    pixels = _pixels(content, path)
    if len(pixels) != len(labels):
        raise ValueError(f"{path} is not a CIFAR batch: {len(pixels)} images, {len(labels)} labels")
    return pixels, labels


def read_names(path: Path, key: str) -> tuple[str, ...]:
    """Names of the classes, from the file beside the batches.

    Args:
        path: `batches.meta` or `meta`.
        key: Its entry: `label_names` or `fine_label_names`.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is not what it should be.
    """
    names = _read_dict(path).get(key.encode())
    if not isinstance(names, list):
        raise ValueError(f"{path} is not a CIFAR file of class names: it has no {key}")
    return tuple(name.decode() if isinstance(name, bytes) else name for name in names)


def _read_batch(path: Path) -> Tensor:
    return _pixels(_read_dict(path), path)


def _read_dict(path: Path) -> dict[bytes, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"CIFAR batch not found: {path}")
    with reading_as(path, "is not a CIFAR batch"), path.open("rb") as file:  # a damaged pickle may raise anything
        content = _ArrayUnpickler(file, encoding="bytes").load()
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a CIFAR batch: it holds a {type(content).__name__}")
    return content


def _pixels(content: dict[bytes, Any], path: Path) -> Tensor:
    try:
        return torch.from_numpy(np.array(content[b"data"], dtype=np.uint8)).view(-1, 3, 32, 32)
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is not a CIFAR batch: {error}") from error
