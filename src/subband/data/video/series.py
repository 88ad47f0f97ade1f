"""Clips that are windows of one long series of frames, in memory or mapped from disk."""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from subband.data.spec import BatchedClips, ClipSpec, check_index


class SeriesClips(BatchedClips):
    """Windows of a series.

    Args:
        series: `(N, C, H, W)`, or `(N, H, W, C)` with `channels_last`; uint8 values are divided by 255, others are used
            as they are. Only the frames of a batch are read, so it may be a memory map.
        starts: Index of the frame that offset 0 means, for every clip.
        in_offsets: Input frames relative to the start.
        out_offsets: Target frames relative to the start.
        spec: Shape of the clips.
        channels_last: Order of the axes of `series`.
        reverse_channels: Turn blue-green-red frames into red-green-blue ones or back.

    Raises:
        ValueError: If a clip reaches beyond the series, or the frames do not have the declared shape.
    """

    def __init__(
        self,
        series: np.ndarray,
        starts: np.ndarray,
        *,
        in_offsets: Sequence[int],
        out_offsets: Sequence[int],
        spec: ClipSpec,
        channels_last: bool = False,
        reverse_channels: bool = False,
    ) -> None:
        shape = (spec.height, spec.width, spec.channels) if channels_last else spec.in_shape[1:]
        if series.shape[1:] != shape:
            raise ValueError(f"frames of the series are {series.shape[1:]}, expected {shape}")
        offsets = np.array([*in_offsets, *out_offsets])
        if len(starts) == 0:
            raise ValueError(f"{len(series)} frames are too few for a clip over {np.ptp(offsets) + 1}")
        if np.min(starts) + offsets.min() < 0 or np.max(starts) + offsets.max() >= len(series):
            raise ValueError(f"a clip reaches beyond the {len(series)} frames of the series")
        self.spec = spec
        self.starts = starts
        self._series = series
        self._offsets = offsets
        self._axes = "B T H W C -> B T C H W" if channels_last else "B T C H W -> B T C H W"
        self._reverse_channels = reverse_channels

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.starts)

    def batch(self, keys: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Inputs `(B, T, C, H, W)` and targets `(B, T', C, H, W)`."""
        chosen = self.starts[[check_index(key) % len(self) for key in keys]]
        frames = self._series[chosen[:, None] + self._offsets]
        clips = rearrange(torch.from_numpy(frames).to(device), self._axes)
        clips = clips.float() / 255 if frames.dtype == np.uint8 else clips.float()
        if self._reverse_channels:
            clips = clips.flip(2)
        inputs, targets = clips.split((self.spec.in_frames, self.spec.out_frames), dim=1)
        return inputs, targets
