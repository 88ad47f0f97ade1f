"""Frequency-enhanced features of clips, and their aggregation by the energy of frames."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.fourier_unit import image_from_spectrum_channels, spectrum_channels
from subband.layers.global_filter import resize_centered_filter
from subband.layers.temporal_energy import temporal_energy_weights
from subband.transforms.arguments import in_float32

__all__ = ["ClipFilter", "FrameAggregation", "FrequencyClipBlock"]

BASE = (16, 9)  # rows and columns of a stored filter, that of 16 x 16 maps
TAPS = 3  # frames and sides of the local branch
SQUEEZE = 4
LEAST_HIDDEN = 4


class ClipFilter(nn.Module):
    """Multiply the spectrum over time, rows and columns of every channel by a learned filter; the identity at first.

    The filter is stored for maps of 16 x 16 and interpolated to others; its length in time is fixed.

    Args:
        channels: Channels C.
        num_frames: Frames T.

    Shape:
        `(B, T, C, H, W)` to the same.
    """

    waves: Tensor

    def __init__(self, channels: int, num_frames: int) -> None:
        super().__init__()
        weight = torch.zeros(2, channels, num_frames, *BASE)
        weight[0] = 1
        self.weight = nn.Parameter(weight)  # real and imaginary parts
        angles = 2 * math.pi / num_frames * torch.outer(torch.arange(num_frames), torch.arange(num_frames))
        self.register_buffer("waves", torch.stack([angles.cos(), angles.sin()]), persistent=False)

    def forward(self, clip: Tensor) -> Tensor:
        """Filter `(B, T, C, H, W)`."""
        filtered: Tensor = in_float32(_filtered, clip, self.weight, self.waves)
        return filtered


def _filtered(clip: Tensor, weight: Tensor, waves: Tensor) -> Tensor:
    """The transform along time is a product of small matrices, which also export without complex numbers."""
    num_frames, size = clip.shape[1], (clip.shape[-2], clip.shape[-1])
    parts = spectrum_channels(clip.flatten(0, 1)).unflatten(0, (-1, num_frames)).unflatten(2, (-1, 2))
    re, im = parts.unbind(3)  # (B, T, C, H, W // 2 + 1)
    cosines, sines = waves
    over_time = "kt,btchw->bkchw"
    spectrum_re = torch.einsum(over_time, cosines, re) + torch.einsum(over_time, sines, im)
    spectrum_im = torch.einsum(over_time, cosines, im) - torch.einsum(over_time, sines, re)
    factor_re, factor_im = resize_centered_filter(weight, size).transpose(1, 2)  # (T, C, H, W // 2 + 1) each
    re = spectrum_re * factor_re - spectrum_im * factor_im
    im = spectrum_re * factor_im + spectrum_im * factor_re
    back_re = torch.einsum(over_time, cosines, re) - torch.einsum(over_time, sines, im)
    back_im = torch.einsum(over_time, cosines, im) + torch.einsum(over_time, sines, re)
    joined = torch.stack([back_re, back_im], 3).flatten(2, 3).flatten(0, 1) / num_frames
    return image_from_spectrum_channels(joined, size).unflatten(0, (-1, num_frames))


class FrequencyClipBlock(nn.Module):
    """A `ClipFilter` with an instance norm beside depthwise convolutions in space and time; residual, silent at first.

    Args:
        channels: Channels C.
        num_frames: Frames T.

    Shape:
        `(B, T, C, H, W)` to the same.
    """

    def __init__(self, channels: int, num_frames: int) -> None:
        super().__init__()
        self.filter = ClipFilter(channels, num_frames)
        self.norm = nn.GroupNorm(channels, channels)  # an instance norm, for clips of one frame and pixel as well
        self.space = nn.Conv2d(channels, channels, TAPS, padding=TAPS // 2, groups=channels)
        self.time = nn.Conv1d(channels, channels, TAPS, groups=channels)  # its weights; see `_over_time`
        self.fuse = nn.Conv2d(2 * channels, channels, 1)
        nn.init.zeros_(self.fuse.weight)
        nn.init.zeros_(self.fuse.bias)  # type: ignore[arg-type]

    def forward(self, clip: Tensor) -> Tensor:
        """One block on `(B, T, C, H, W)`."""
        num_frames = clip.shape[1]
        spectral = self.norm(self.filter(clip).transpose(1, 2)).transpose(1, 2)
        local = self._over_time(self.space(clip.flatten(0, 1)).unflatten(0, (-1, num_frames)))
        both = torch.cat([spectral.to(local.dtype), local], 2)
        return clip + self.fuse(both.flatten(0, 1)).unflatten(0, (-1, num_frames))

    def _over_time(self, clip: Tensor) -> Tensor:
        """Depthwise convolution along time, as a sum of three frames: five times as fast as PyTorch's on a CPU."""
        num_frames, margin = clip.shape[1], TAPS // 2
        wide = F.pad(clip, (0, 0, 0, 0, 0, 0, margin, margin))
        assert self.time.bias is not None
        found = self.time.bias.to(clip.dtype).view(-1, 1, 1)
        for tap, weight in enumerate(self.time.weight.to(clip.dtype).unbind(2)):
            found = found + wide[:, tap : tap + num_frames] * weight.view(-1, 1, 1)
        return found


class FrameAggregation(nn.Module):
    """Fuses the features of frames: each weighed by its energy above the low frequencies, its channels by a gate.

    Args:
        channels: Channels C.
        num_frames: Frames T.

    Shape:
        `(B, T, C, H, W)` to `(B, C, H, W)`, and the frames' weights `(B, T)`, sum 1.
    """

    def __init__(self, channels: int, num_frames: int) -> None:
        super().__init__()
        hidden = max(channels // SQUEEZE, LEAST_HIDDEN)
        self.gamma = nn.Parameter(torch.ones(()))
        self.gate = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())
        self.fuse = nn.Conv2d(num_frames * channels, channels, 1)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse `(B, T, C, H, W)`."""
        num_frames, width = clip.shape[1], clip.shape[-1]
        parts = spectrum_channels(clip.flatten(0, 1)).unflatten(1, (-1, 2)).unflatten(0, (-1, num_frames))
        weights = temporal_energy_weights(parts, width, self.gamma, mode="frame")  # (B, T, 1, 1, 1)
        weighed = clip * (num_frames * weights).to(clip.dtype)
        gated = weighed * self.gate(weighed.mean((-2, -1)))[..., None, None]
        return self.fuse(gated.flatten(1, 2)), weights.flatten(1)
