"""A plain residual U-Net over a window of frames: what networks for restoration are compared with."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.exporting import is_exporting
from subband.layers.memory_format import channels_last_on_cpu, channels_last_weights
from subband.models.fresh_weights import he_weights, zero_weights
from subband.models.protocols.restoration import RestorationModel

__all__ = ["FrameGate", "ResidualUNet"]

COLORS = 3


class UNetBlock(nn.Module):
    """`x + conv(relu(conv(x)))` with 3x3 convolutions.

    Args:
        channels: Channels C.

    Shape:
        `(B, C, H, W)` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    @property
    def end(self) -> nn.Conv2d:
        """The last convolution."""
        return cast(nn.Conv2d, self.body[-1])

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, C, H, W)`."""
        return x + self.body(x)


class FrameGate(nn.Module):
    """How much of each channel counts, told by the whole frame: a shutter is open equally long for all parts of it.

    As squeeze and excitation (Hu et al., CVPR 2018), but over the features of all resolutions together. A fresh gate
    changes nothing.

    Args:
        dims: Channels C of every resolution.
        hidden: Channels in between.

    Shape:
        features `(B, C, h, w)` of every resolution, the coarsest last; factors in (0, 2), `(B, C, 1, 1)`, for the
        coarsest and for the finest one.
    """

    def __init__(self, dims: Sequence[int], hidden: int = 64) -> None:
        super().__init__()
        self.sizes = (dims[-1], dims[0])
        self.mix = nn.Linear(2 * sum(dims), hidden)
        self.head = nn.Linear(hidden, sum(self.sizes))
        zero_weights(self.head)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Factors for the coarsest and the finest resolution."""
        means = [values.mean((2, 3)) for x in features for values in (x, x.abs())]
        factors = 2 * torch.sigmoid(self.head(torch.relu(self.mix(torch.cat(means, 1)))))
        coarsest, finest = factors[..., None, None].split(self.sizes, 1)
        return coarsest, finest


class ResidualUNet(RestorationModel):
    """Convolutions alone: the frames of a window side by side, down and up again, added to the middle frame.

    A fresh network returns the middle frame as it is.

    Args:
        dims: Channels of every resolution, each half of the one before.
        depth: Residual blocks at each, on the way down and on the way up.
        frames: Frames of a window; the middle one is number `frames // 2`.
        patch: Side of the squares of pixels that the network handles as one place; 2 makes it four times as fast.
        gated: Let the whole frame decide how much of each channel counts.

    Shape:
        frames `(B, T, 3, H, W)` in [0, 1], RGB, T at least `frames`; result `(B, T - frames + 1, 3, H, W)`, not
        clipped.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> clip = torch.rand(1, 4, 3, 9, 10)
        >>> torch.equal(ResidualUNet(dims=(4, 8), depth=1, frames=3)(clip), clip[:, 1:3])
        True
    """

    def __init__(
        self,
        *,
        dims: Sequence[int] = (48, 96, 192),
        depth: int = 2,
        frames: int = 5,
        patch: int = 1,
        gated: bool = False,
    ) -> None:
        super().__init__(past_frames=frames // 2, future_frames=max(frames - 1 - frames // 2, 0))
        if not dims or min(*dims, depth, frames, patch) < 1:
            raise ValueError(
                f"dims, depth, frames and patch must be positive, got {tuple(dims)}, {depth}, {frames} and {patch}."
            )
        self.patch, self.multiple = patch, patch * 2 ** (len(dims) - 1)

        def blocks(dim: int) -> nn.Sequential:
            return nn.Sequential(*(UNetBlock(dim) for _ in range(depth)))

        pairs = list(itertools.pairwise(dims))
        self.embed = nn.Conv2d(self.num_inputs(frames) * patch**2, dims[0], 3, padding=1)
        self.encoder = nn.ModuleList(blocks(dim) for dim in dims)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairs)
        self.decoder = nn.ModuleList(blocks(dim) for dim in dims[:-1])
        self.gate = FrameGate(dims) if gated else None
        self.head = nn.Conv2d(dims[0], COLORS * patch**2, 3, padding=1)
        zero_weights(self.head)
        he_weights(self, (part.end for part in self.modules() if isinstance(part, UNetBlock)))
        channels_last_weights(self)

    @property
    def size_multiple(self) -> int:  # type: ignore[override]
        """H and W are filled up to multiples of it."""
        return self.multiple

    def num_inputs(self, frames: int) -> int:
        """Channels of `inputs` for a window of so many frames."""
        return frames * COLORS

    def inputs(self, window: Tensor) -> Tensor:
        """What the convolutions see of a window `(B, frames, 3, H, W)`, `(B, num_inputs, H, W)`: all its frames."""
        return window.flatten(1, 2)

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Restore the middle frames of all windows of `(B, T, 3, H, W)`."""
        size = self.min_frames
        if is_exporting():  # one batch, since a graph with every window of its own takes the exporter minutes
            windows = frames.unfold(1, size, 1).movedim(-1, 2)  # (B, windows, size, 3, H, W)
            restored = self.correct(windows.flatten(0, 1)).unflatten(0, (-1, windows.shape[1]))
        else:
            starts = range(frames.shape[1] - size + 1)
            restored = torch.stack([self.correct(frames[:, start : start + size]) for start in starts], 1)
        return restored + frames[:, self.past_frames : frames.shape[1] - self.future_frames]

    def correct(self, window: Tensor) -> Tensor:
        """Correction of the middle frame, `(B, 3, H, W)`, of a window `(B, frames, 3, H, W)`."""
        x, skips = F.pixel_unshuffle(self.inputs(window), self.patch), []
        x = self.embed(channels_last_on_cpu(x))
        for blocks, down in zip(self.encoder, self.down, strict=False):
            x = self.checkpointed(blocks, x)
            skips.append(x)
            x = down(x)
        x = self.checkpointed(self.encoder[-1], x)
        factors = None if self.gate is None else self.gate([*skips, x])
        x = x if factors is None else x * factors[0]
        for blocks, up, skip in reversed(list(zip(self.decoder, self.up, skips, strict=True))):
            x = self.checkpointed(blocks, up(x) + skip)
        return F.pixel_shuffle(self.head(x if factors is None else x * factors[1]), self.patch)
