"""CIFAR-10 pictures from the files torchvision unpacks, without labels."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
    """The 60,000 pictures: training batches in order, then the test batch.

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


def _read_batch(path: Path) -> Tensor:
    if not path.is_file():
        raise FileNotFoundError(f"CIFAR-10 batch not found: {path}")
    try:
        with path.open("rb") as file:
            pixels = _ArrayUnpickler(file, encoding="bytes").load()[b"data"]
        return torch.from_numpy(np.array(pixels, dtype=np.uint8)).view(-1, 3, 32, 32)
    except (pickle.UnpicklingError, KeyError, TypeError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} is not a CIFAR-10 batch: {error}") from error
