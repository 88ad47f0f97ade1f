"""Coefficients of clips: Haar pyramids that halve time as well, on their finest levels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from subband.layers.wavelet import DWT2d, DWT3d, IDWT2d, IDWT3d
from subband.models.generation.pyramid import MODE, Pyramid

__all__ = ["ClipTransform"]


class ClipTransform(nn.Module):
    """Clips to Haar pyramids and back.

    The finest levels split time, rows and columns, into details of seven bands: `aad, ada, add, daa, dad, dda, ddd` in
    PyWavelets' keys for these axes, each of all C colors. The coarser ones split the rows and columns of every frame,
    into `ad, da, dd`. Both are rotations.

    A causal transform takes `1 + k * 2^n` frames, n the levels that split time: the first frame stands in place of
    `2^n` equal ones, so that it has coefficients of its own, and a photograph is a clip of one frame.

    Args:
        levels: Number of levels J.
        time_levels: How many of them split time, the finest ones; 0 to J.
        causal: Whether the first frame is repeated.

    Attributes:
        strides: By which every level shrinks (time, rows, columns), from the finest to the coarsest.

    Shape:
        clips `(B, T, C, H, W)` to a pyramid of `(B, C, T', H', W')`.

    Raises:
        ValueError: If the numbers of levels do not fit.

    Example:
        >>> transform, clips = ClipTransform(levels=3, time_levels=2, causal=True), torch.rand(1, 5, 1, 16, 16)
        >>> pyramid = transform.analyze(clips)
        >>> pyramid.approx.shape, [detail.shape[1:3] for detail in pyramid.details]
        (torch.Size([1, 1, 2, 2, 2]), [torch.Size([3, 2]), torch.Size([7, 2]), torch.Size([7, 4])])
        >>> torch.allclose(transform(pyramid), clips, atol=1e-6)
        True
    """

    def __init__(self, *, levels: int, time_levels: int, causal: bool = False) -> None:
        super().__init__()
        if levels < 1 or not 0 <= time_levels <= levels:
            raise ValueError(
                f"levels must be positive and time_levels lie within 0 and levels, got {levels} and {time_levels}."
            )
        self.levels, self.time_levels, self.causal = levels, time_levels, causal
        self.strides = ((2, 2, 2),) * time_levels + ((1, 2, 2),) * (levels - time_levels)
        self.dwt2, self.idwt2 = DWT2d("haar", MODE, layout="channels"), IDWT2d("haar", MODE, layout="channels")
        self.dwt3, self.idwt3 = DWT3d("haar", MODE, layout="channels"), IDWT3d("haar", MODE, layout="channels")

    @property
    def unit(self) -> float:
        """What an approximation is divided by to have the range of frames."""
        return self.unit_of(self.levels)

    def unit_of(self, level: int) -> float:
        """The same for the approximation after some levels, 0 to J."""
        return math.sqrt(math.prod(math.prod(stride) for stride in self.strides[:level]))

    def size_of(self, level: int, size: tuple[int, int, int]) -> tuple[int, int, int]:
        """Frames, rows and columns of the approximation after some levels.

        Args:
            level: 0 to J.
            size: Those of the clip, `(T, H, W)`.
        """
        frames, height, width = size
        frames += self.repeated
        return frames >> min(level, self.time_levels), height >> level, width >> level

    @property
    def repeated(self) -> int:
        """Times that the first frame is repeated."""
        return 2**self.time_levels - 1 if self.causal else 0

    def volume(self, clips: Tensor) -> Tensor:
        """What is transformed of clips `(B, T, C, H, W)`: `(B, C, T', H, W)`, the first frame repeated if causal."""
        first = clips[:, :1].expand(-1, self.repeated, -1, -1, -1)
        return torch.cat((first, clips), 1).transpose(1, 2)

    def analyze(self, clips: Tensor) -> Pyramid:
        """Transform clips `(B, T, C, H, W)`.

        Raises:
            ValueError: If a side is no multiple of `2^J`, or the number of frames does not fit.
        """
        self.check_size(clips)
        approx, details = self.volume(clips), list[Tensor]()
        for level in range(self.levels):
            channels, dwt = approx.shape[1], self.dwt3 if level < self.time_levels else self._split_frames
            bands = dwt(approx)
            approx, detail = bands.split((channels, bands.shape[1] - channels), 1)
            details.insert(0, detail)
        return Pyramid(approx, tuple(details))

    def forward(self, pyramid: Pyramid) -> Tensor:
        """Inverse of `analyze`: the clips `(B, T, C, H, W)`."""
        volume = pyramid.approx
        for detail in pyramid.details:
            volume = self.join(volume, detail)
        return volume.transpose(1, 2)[:, self.repeated :]

    def join(self, approx: Tensor, details: Tensor) -> Tensor:
        """Inverse of one level: `(B, C, T', H', W')` and its details to the approximation of the level below."""
        bands = torch.cat((approx, details), 1)
        if bands.shape[1] == 8 * approx.shape[1]:
            return self.idwt3(bands)
        return _unfold(self.idwt2(_fold(bands)), bands.shape[2])

    def check_size(self, clips: Tensor) -> None:
        """Refuse what does not divide.

        Raises:
            ValueError: If a side is no multiple of `2^J`, or the number of frames does not fit.
        """
        multiple, frames = 2**self.levels, 2**self.time_levels
        rule = f"1 + a multiple of {frames}" if self.causal else f"a multiple of {frames}"
        is_clip = clips.ndim == 5 and clips.shape[1] > 0 and (clips.shape[1] + self.repeated) % frames == 0
        if not is_clip or clips.shape[-2] % multiple or clips.shape[-1] % multiple:
            raise ValueError(
                f"clips must be (B, T, C, H, W) with sides that are multiples of {multiple} and {rule} frames, got "
                f"{tuple(clips.shape)}."
            )

    def _split_frames(self, volume: Tensor) -> Tensor:
        return _unfold(self.dwt2(_fold(volume)), volume.shape[2])


def _fold(volume: Tensor) -> Tensor:
    """The frames of `(B, C, T, H, W)` as images `(B T, C, H, W)`."""
    return volume.transpose(1, 2).flatten(0, 1)


def _unfold(images: Tensor, frames: int) -> Tensor:
    return images.unflatten(0, (-1, frames)).transpose(1, 2)
