"""Learned down- and upsampling of clips around one level of the 3-D Haar transform.

Source: Nie et al., Wavelet-Driven Spatiotemporal Predictive Learning (WaST), AAAI 2024.
Letters of a band name follow an order of axes that is an option; `LLH` is low, low, high along the first, second,
third.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from subband.models.wast.conv3d import Conv3d, ConvNormGELU
from subband.transforms import dwtn, idwtn

__all__ = [
    "Carry",
    "Embedded",
    "SubbandAxes",
    "SubbandGate",
    "WaveletEmbedding",
    "WaveletReconstruction",
    "num_carried",
]

NUM_BANDS = 8
AXES = {"thw": (1, 2, 3), "hwt": (2, 3, 1)}  # of a clip with the channels last, (B, T, H, W, C)
Carry = Literal["LLL+LLH", "LLL"]
SubbandAxes = Literal["thw", "hwt"]
GateKind = Literal["conv", "channel", "scalar", "none"]


class Embedded(NamedTuple):
    """Result of `WaveletEmbedding`."""

    low: Tensor
    """What goes on, `(B, 2D, T', H/2, W/2)`; T' is T, or T/2 (rounded up) if only `LLL` is carried."""
    frames: Tensor
    """The carried bands of the frames, `(B, C, T', H/2, W/2)`."""
    kept: Tensor
    """The other bands, for the reconstruction, `(B, S, T/2, H/2, W/2, D)`."""


def num_carried(carry: Carry) -> int:
    """How many of the eight bands go on.

    Example:
        >>> num_carried("LLL+LLH")
        2
    """
    return carry.count("+") + 1


class WaveletEmbedding(nn.Module):
    """Halve rows and columns by a Haar transform, and mix in the same transform of the input frames.

    Of the eight bands some go on, laid one after the other along time, the others are kept for the reconstruction.

    Args:
        dim: Channels D of the features.
        frame_chans: Channels C of the frames.
        carry: Bands that go on.
        subband_axes: Axes of the three letters of a band.

    Shape:
        Features `(B, D, T, H, W)` and frames `(B, C, T, H, W)` to `Embedded`; H and W even, and T if two bands go on.
    """

    def __init__(self, dim: int, frame_chans: int, *, carry: Carry, subband_axes: SubbandAxes) -> None:
        super().__init__()
        self.axes = AXES[subband_axes]
        self.num_carried = num_carried(carry)
        self.before = ConvNormGELU(dim, dim)
        self.after = ConvNormGELU(dim, 2 * dim)
        self.frames = Conv3d(NUM_BANDS // self.num_carried * frame_chans, 2 * dim)

    def forward(self, x: Tensor, frames: Tensor) -> Embedded:
        """Embed features `(B, D, T, H, W)` and frames `(B, C, T, H, W)`."""
        frame_bands = self._analyze(frames)
        by_last = rearrange(frame_bands, "b (s l) t h w c -> b (s c) (l t) h w", l=self.num_carried)
        carried, kept = self._split(self._analyze(self.before(x)))
        return Embedded(self.after(carried) + self.frames(by_last), self._split(frame_bands)[0], kept)

    def _analyze(self, clip: Tensor) -> Tensor:
        """`(B, D, T, H, W)` to `(B, 8, T/2, H/2, W/2, D)`.

        Not a `DWT3d`: its layouts keep the channels of a band in the second axis or the bands next to each other in
            memory.
        Here every band lies in one piece with the channels last, in which everything that follows is fastest.
        """
        return dwtn(clip.movedim(1, -1), axes=self.axes, stack=1)

    def _split(self, bands: Tensor) -> tuple[Tensor, Tensor]:
        """What goes on, `(B, D, T', H, W)`, and what stays, `(B, S, T, H, W, D)`."""
        carried, kept = bands.tensor_split([self.num_carried], 1)
        return rearrange(carried, "b s t h w d -> b d (s t) h w"), kept


class SubbandGate(nn.Module):
    """Learned weighting of the kept bands.

    Args:
        dim: Channels D.
        num_bands: Bands S.
        kind: `conv` a 3x3x3 convolution within every band with batch norm and GELU; `channel` one factor per channel
            and band; `scalar` one factor per band; `none` leaves the bands as they are. Factors start at 1.

    Shape:
        Input and output `(B, S, T, H, W, D)`.
    """

    def __init__(self, dim: int, num_bands: int, kind: GateKind) -> None:
        super().__init__()
        self.kind = kind
        if kind == "conv":
            self.conv = ConvNormGELU(num_bands * dim, num_bands * dim, groups=num_bands)
        elif kind != "none":
            self.factors = nn.Parameter(torch.ones(num_bands, 1, 1, 1, dim if kind == "channel" else 1))

    def forward(self, bands: Tensor) -> Tensor:
        """Weight bands `(B, S, T, H, W, D)`."""
        if self.kind == "none":
            return bands
        if self.kind == "conv":
            merged = self.conv(rearrange(bands, "b s t h w d -> b (s d) t h w"))
            return rearrange(merged, "b (s d) t h w -> b s t h w d", s=bands.shape[1])
        return self.factors * bands


class WaveletReconstruction(nn.Module):
    """Inverse Haar transform of refined low bands and weighted kept bands.

    Args:
        dim: Channels D of the result.
        carry: Bands that went on at the embedding.
        subband_axes: Axes of the three letters of a band.
        gate: Weighting of the kept bands, see `SubbandGate`.

    Shape:
        Features `(B, 2D, T', H/2, W/2)` and bands `(B, S, T/2, H/2, W/2, D)` to `(B, D, T, H, W)`.
    """

    def __init__(self, dim: int, *, carry: Carry, subband_axes: SubbandAxes, gate: GateKind) -> None:
        super().__init__()
        self.axes = AXES[subband_axes]
        self.num_carried = num_carried(carry)
        self.low = ConvNormGELU(2 * dim, dim)
        self.gate = SubbandGate(dim, NUM_BANDS - self.num_carried, gate)

    def forward(self, x: Tensor, kept: Tensor, num_frames: int) -> Tensor:
        """Join features `(B, 2D, T', H/2, W/2)` with the kept bands to `num_frames` = T frames."""
        low = rearrange(self.low(x), "b d (s t) h w -> b s t h w d", s=self.num_carried)
        clip = idwtn(torch.cat([low, self.gate(kept)], 1), axes=self.axes, stack=1)
        return clip[:, :num_frames].movedim(-1, 1)
