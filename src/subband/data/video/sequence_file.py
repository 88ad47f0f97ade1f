"""Ready-made test sequences in one array file, as Moving MNIST's published test set comes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from subband.data.dataset_files import map_array
from subband.data.spec import BatchedClips, ClipSpec, check_index


class SequenceFile(BatchedClips):
    """Sequences of an `.npy` file, read from disk as they are asked for.

    Args:
        path: uint8 array (frames, sequences, H, W), or (frames, sequences, H, W, C).
        in_frames: Input frames, `T`: the first ones.
        out_frames: Target frames, `T'`: those that follow.
        length: Use only so many sequences; all when None.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the array has another form, too few frames or too few sequences.
    """

    def __init__(
        self, path: str | Path, *, in_frames: int = 10, out_frames: int = 10, length: int | None = None
    ) -> None:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"test sequences not found: {path}")
        array = map_array(path)
        if array.ndim not in (4, 5) or array.dtype != np.uint8:
            raise ValueError(
                f"{path} must be uint8 (frames, sequences, H, W) or (frames, sequences, H, W, C), "
                f"got {array.shape} of {array.dtype}"
            )
        if array.shape[0] < in_frames + out_frames:
            raise ValueError(
                f"{path} has {array.shape[0]} frames, in_frames + out_frames asks for {in_frames + out_frames}"
            )
        if length is not None and not 1 <= length <= array.shape[1]:
            raise ValueError(f"{path} has {array.shape[1]} sequences, asked for {length}")
        self._array = array if array.ndim == 5 else array[..., None]
        self._length = length or array.shape[1]
        _, _, height, width, channels = self._array.shape
        self.spec = ClipSpec(in_frames=in_frames, out_frames=out_frames, channels=channels, height=height, width=width)

    def __len__(self) -> int:
        """Number of sequences."""
        return self._length

    def batch(self, keys: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Inputs `(B, T, C, H, W)` and targets `(B, T', C, H, W)` in [0, 1]."""
        chosen = [check_index(key) % self._length for key in keys]
        frames = torch.from_numpy(self._array[: self.spec.num_frames, chosen]).to(device)
        frames = rearrange(frames, "T B H W C -> B T C H W").float() / 255
        inputs, targets = frames.split((self.spec.in_frames, self.spec.out_frames), dim=1)
        return inputs, targets
