"""Clips stored as numbered image files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.spec import Clips, ClipSpec, check_index
from subband.media.pixels import open_image


class NumberedFrames(NamedTuple):
    """One clip's files.

    Attributes:
        folder: Where they are.
        name: File name with the number's format, for example `image_{:04d}.jpg`.
        start: Number of the first frame.
        step: Distance of the numbers.
    """

    folder: Path
    name: str
    start: int
    step: int

    def path(self, frame: int) -> Path:
        """File of the frame counted from 0."""
        return self.folder / self.name.format(self.start + frame * self.step)


class NumberedFrameClips(Clips):
    """Reads the frames of a clip when it is asked for, and resizes them.

    Args:
        clips: The clips' files.
        spec: Shape of the clips; with one channel the first channel of the files is taken.
        resize: Interpolation, without antialiasing, as the published readers have it.
        bgr: Order the channels blue, green, red.
    """

    def __init__(
        self,
        clips: Sequence[NumberedFrames],
        spec: ClipSpec,
        *,
        resize: Literal["bilinear", "bicubic"],
        bgr: bool = False,
    ) -> None:
        self.clips = clips
        self.spec = spec
        self._resize = resize
        self._bgr = bgr

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Inputs `(T, C, H, W)` and targets `(T', C, H, W)` in [0, 1].

        Raises:
            FileNotFoundError: If a frame is missing.
            ValueError: If a file is no image.
        """
        clip = self.clips[check_index(key) % len(self)]
        frames = torch.stack([self._frame(clip.path(frame)) for frame in range(self.spec.num_frames)])
        inputs, targets = frames.split((self.spec.in_frames, self.spec.out_frames))
        return inputs, targets

    def _frame(self, path: Path) -> Tensor:
        pixels = read_frame(path)[: self.spec.channels].float() / 255
        size = (self.spec.height, self.spec.width)
        if pixels.shape[1:] != size:
            pixels = F.interpolate(pixels[None], size=size, mode=self._resize, align_corners=False)[0].clamp(0, 1)
        return pixels.flip(0) if self._bgr else pixels


def read_frame(path: Path) -> Tensor:
    """Red, green and blue of an image file, `(3, H, W)` uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image.
    """
    try:
        with open_image(path) as image:
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    except FileNotFoundError:
        raise FileNotFoundError(f"frame not found: {path}") from None
