"""TaxiBJ (Zhang, Zheng and Qi, AAAI 2017): taxi in-flow and out-flow of Beijing on a 32x32 grid, four frames to four.

Layout: `taxibj/dataset.npz` with `X_train`, `Y_train`, `X_test`, `Y_test`, each `(N, 4, 2, 32, 32)` in [-1, 1].
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from subband.data.dataset_files import existing, hold_out_last, reading_as
from subband.data.random import uniform
from subband.data.spec import BatchedClips, ClipSpec, VideoData, check_index

_SPEC = ClipSpec(in_frames=4, out_frames=4, channels=2, height=32, width=32)


class TaxiClips(BatchedClips):
    """Pairs of input and target clips stored in [-1, 1], given in [0, 1].

    Args:
        inputs: `(N, 4, 2, 32, 32)`; only the clips of a batch are read.
        targets: Likewise.
        augment: Mirror every other clip, chosen at random.
        seed: Chooses them.

    Raises:
        ValueError: If the arrays have another shape.
    """

    spec = _SPEC

    def __init__(self, inputs: np.ndarray, targets: np.ndarray, *, augment: bool = False, seed: int = 0) -> None:
        for array in (inputs, targets):
            if array.shape != (len(inputs), *_SPEC.in_shape):
                raise ValueError(f"TaxiBJ arrays must be {('N', *_SPEC.in_shape)}, got {array.shape}")
        self._inputs = inputs
        self._targets = targets
        self._augment = augment
        self._seed = seed

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._inputs)

    def batch(self, keys: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Inputs and targets `(B, 4, 2, 32, 32)` in [0, 1]."""
        chosen = [check_index(key) % len(self) for key in keys]
        inputs, targets = (
            (torch.from_numpy(np.asarray(array[chosen], dtype=np.float32)).to(device) + 1) / 2
            for array in (self._inputs, self._targets)
        )
        if self._augment:
            mirrored = torch.from_numpy(uniform(self._seed, keys, 1) < 0.5)[:, :, None, None, None].to(device)
            inputs, targets = (torch.where(mirrored, clips.flip(-1), clips) for clips in (inputs, targets))
        return inputs, targets


def taxibj(*, root: str, augment: bool = False, val_fraction: float = 0.05, seed: int = 0) -> VideoData:
    """TaxiBJ with its published test set (the last weeks).

    Args:
        root: Data folder with `taxibj/`.
        augment: Mirror training clips at random.
        val_fraction: Share of the training clips, the last in time, held out for validation. The seven clips before
            them, which share frames with them, are left out.
        seed: Chooses the mirrored clips.

    Returns:
        Clips of 2 channels, 32x32, in [0, 1].

    Raises:
        FileNotFoundError: If the archive is missing.
        ValueError: If it does not hold the four arrays.
    """
    path = existing(Path(root) / "taxibj" / "dataset.npz", "TaxiBJ archive")
    inputs, targets, test_inputs, test_targets = _arrays(path)
    train, val = hold_out_last(len(inputs), val_fraction, gap=_SPEC.num_frames - 1)
    return VideoData(
        TaxiClips(inputs[train], targets[train], augment=augment, seed=seed),
        TaxiClips(inputs[val], targets[val]),
        TaxiClips(test_inputs, test_targets),
        _SPEC,
    )


def _arrays(path: Path) -> list[np.ndarray]:
    """The four arrays of the archive as float32, half of what it stores."""
    names = ("X_train", "Y_train", "X_test", "Y_test")
    with reading_as(path, "cannot be read as an npz archive"), np.load(path, allow_pickle=False) as archive:
        lacking = [name for name in names if name not in archive]
        arrays = [archive[name].astype(np.float32) for name in names if name in archive]
    if lacking:
        raise ValueError(f"{path} lacks an array: {', '.join(lacking)}")
    return arrays
