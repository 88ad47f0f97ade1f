"""WADT, the wavelet-aware dynamic transformer: restores a clip, given a prior for every frame; and, to compare it with,
the same network with strided convolutions where it has wavelets.

Same function as the published graph, arranged for memory and speed: Haar transforms and the linear layers beside them
are one convolution each (`wavelet`), the fine bands are made again when a frame is put together instead of being held
for all frames, and every frame is put together as soon as the last recurrence reaches it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.memory_format import channels_last_on_cpu, channels_last_weights
from subband.models.fresh_weights import zero_weights
from subband.models.vd_diff.layers import SLOPE, leaky_relu, to_clip, to_frames
from subband.models.vd_diff.propagation import Propagation
from subband.models.vd_diff.transformer import PriorTransformer
from subband.models.vd_diff.wavelet import NUM_BANDS, analysis_weight, inverse_haar, synthesis_weight

__all__ = ["ClipTransformer", "StridedTransformer", "WaveletTransformer"]

COLORS = 3
HIGH_BANDS = NUM_BANDS - 1


class FrameConv(nn.Conv3d):
    """Weights of a 3x3 convolution inside frames, in the shape that published files have.

    Args:
        in_chans: Channels C.
        out_chans: Channels D.
    """

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__(in_chans, out_chans, (1, 3, 3), padding=(0, 1, 1))

    @property
    def plane(self) -> Tensor:
        """The weight of a two-dimensional convolution, `(D, C, 3, 3)`."""
        return self.weight.squeeze(2)


class ClipTransformer(nn.Module):
    """Transformer at a quarter of the resolution, recurrences at half of it, and what frames enter and leave them by.

    Args:
        num_feat: Channels C.
        propagation_blocks: Residual blocks of each recurrence.
        num_blocks: Transformer blocks at a quarter and at an eighth of the resolution.
        heads: Their heads.
        prior_dim: Width P of the prior.
        cross_attention_heads: Attention in the recurrences with so many heads; None for convolutions.
        dynamic_conv: Kernels of the recurrences are predicted for every pixel; else they are fixed.
        bias: Biases of the transformer and of that attention.

    A fresh network corrects nothing: with random corrections it would first have to unlearn those.

    Shape:
        frames `(B, T, 3, H, W)`, sides multiples of 16, priors `(B * T, P)`; the correction of the frames, like them.
    """

    head: nn.Module

    def __init__(
        self,
        num_feat: int,
        *,
        propagation_blocks: int,
        num_blocks: Sequence[int],
        heads: Sequence[int],
        prior_dim: int,
        cross_attention_heads: int | None,
        dynamic_conv: bool,
        bias: bool,
    ) -> None:
        super().__init__()
        self.build_ends(num_feat)
        zero_weights(self.head)
        self.transformer = PriorTransformer(num_feat, num_blocks, heads, prior_dim, bias=bias)
        self.backward_propagation, self.forward_propagation = (
            Propagation(
                num_feat,
                propagation_blocks,
                cross_attention_heads=cross_attention_heads,
                dynamic_conv=dynamic_conv,
                bias=bias,
            )
            for _ in range(2)
        )
        channels_last_weights(self)

    @abstractmethod
    def build_ends(self, num_feat: int) -> None:
        """Make the layers by which frames enter and leave."""

    @abstractmethod
    def half_size(self, frames: Tensor, prior: Tensor, run: Callable[..., Tensor]) -> list[Tensor]:
        """Features of every frame at half of its resolution, `(B, C, H / 2, W / 2)`, before the recurrences."""

    @abstractmethod
    def assembly(self) -> Callable[[Tensor, Tensor], Tensor]:
        """What gives a frame's correction `(B, 3, H, W)` from the frame and its features at half the resolution."""

    def forward(self, frames: Tensor, prior: Tensor, run: Callable[..., Tensor]) -> Tensor:
        """Correct clips; `run(part, *tensors)` runs a part, perhaps under gradient checkpointing."""
        states = list(self.backward_propagation(reversed(self.half_size(frames, prior, run)), run))
        put_together = self.assembly()
        visits = (states.pop() for _ in range(frames.shape[1]))  # forgotten as soon as they are used
        restored = self.forward_propagation(visits, run)
        pairs = zip(frames.unbind(1), restored, strict=True)
        return torch.stack([put_together(frame, state) for frame, state in pairs], 1)


class WaveletTransformer(ClipTransformer):
    """The restoration network of VD-Diff: the transformer sees the low band of two levels of the Haar wavelet."""

    head: FrameConv

    def build_ends(self, num_feat: int) -> None:
        """Make the layers beside the wavelet transforms."""
        self.embed = FrameConv(COLORS, num_feat)
        self.head = FrameConv(num_feat, COLORS)
        # Convolutions of the high bands, each of its own: fine ones of the first level, coarse ones of the second.
        self.fine, self.coarse = (
            nn.ModuleList(
                nn.Conv2d(HIGH_BANDS * num_feat, HIGH_BANDS * num_feat, 1, groups=HIGH_BANDS) for _ in range(2)
            )
            for _ in range(2)
        )

    def half_size(self, frames: Tensor, prior: Tensor, run: Callable[..., Tensor]) -> list[Tensor]:
        """Features of every frame at half of its resolution, `(B, C, H / 2, W / 2)`, before the recurrences."""
        num_frames = frames.shape[1]
        weight = analysis_weight(self.embed.plane, 2)
        convs: Any = self.coarse
        first, second = convs
        high, high_bias = _through(weight[1:], first)
        weight = torch.cat([weight[:1].flatten(0, 1), high.flatten(0, 1)])
        bias = torch.cat([self.embed.bias, high_bias])  # type: ignore[list-item]
        bands = F.conv2d(channels_last_on_cpu(frames.flatten(0, 1)), weight, bias, stride=4, padding=1)
        low, high = bands.split([bands.shape[1] // NUM_BANDS, bands.shape[1] // NUM_BANDS * HIGH_BANDS], 1)
        low = to_frames(self.transformer(to_clip(low, num_frames), prior, run))
        high = second(F.leaky_relu(high, SLOPE))
        clip = inverse_haar(torch.cat([low.to(high.dtype), high], 1)).unflatten(0, (-1, num_frames))
        return [channels_last_on_cpu(frame) for frame in clip.unbind(1)]

    def assembly(self) -> Callable[[Tensor, Tensor], Tensor]:
        """What puts frames together, with its weights made once for all of them."""
        return partial(self._put_together, weights=self._fine_weights())

    def _fine_weights(self) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor, Tensor]:
        """What puts a frame together: weight and bias from frame to fine bands; from half-size features; from fine
        bands after their activation; and from a map of ones, which carries the biases in between.
        """
        convs: Any = self.fine
        first, second = convs
        analysis, bias = _through(analysis_weight(self.embed.plane, 1)[1:], first)
        low, high = synthesis_weight(self.head.plane).split([1, HIGH_BANDS], 1)
        mixing = second.weight.flatten(1).unflatten(0, (HIGH_BANDS, -1))  # (3, C, C)
        merged = torch.einsum("obkyx,bkm->obmyx", high, mixing).flatten(1, 2)
        ones = torch.einsum("obkyx,bk->oyx", high, second.bias.unflatten(0, (HIGH_BANDS, -1))).unsqueeze(1)
        return (analysis.flatten(0, 1), bias), low.squeeze(1), merged, ones

    def _put_together(
        self, frame: Tensor, features: Tensor, weights: tuple[tuple[Tensor, Tensor], Tensor, Tensor, Tensor]
    ) -> Tensor:
        """A frame's correction `(B, 3, H, W)` from its features at half the resolution and its own fine bands."""
        analysis, low, high, ones = weights
        bands = leaky_relu(F.conv2d(channels_last_on_cpu(frame), *analysis, stride=2, padding=1))
        inside = F.conv2d(torch.ones_like(features[:1, :1]), ones, padding=1)
        bias = self.head.bias.repeat_interleave(NUM_BANDS)  # type: ignore[union-attr]
        blocks = F.conv2d(features, low, bias, padding=1) + F.conv2d(bands, high, padding=1) + inside
        return F.pixel_shuffle(blocks, 2)


class StridedTransformer(ClipTransformer):
    """Without wavelets: strided convolutions down, a skip, and pixel shuffles up; about as many parameters."""

    head: nn.Conv2d

    def build_ends(self, num_feat: int) -> None:
        """Make the convolutions down and up."""
        self.embed = nn.Conv2d(COLORS, num_feat, 3, stride=2, padding=1)
        self.down = nn.Conv2d(num_feat, num_feat, 3, stride=2, padding=1)
        self.up = nn.Conv2d(num_feat, 4 * num_feat, 1)
        self.fine = nn.Conv2d(COLORS, num_feat, 3, stride=2, padding=1)
        self.head = nn.Conv2d(2 * num_feat, 4 * COLORS, 3, padding=1)

    def half_size(self, frames: Tensor, prior: Tensor, run: Callable[..., Tensor]) -> list[Tensor]:
        """Features of every frame at half of its resolution, `(B, C, H / 2, W / 2)`, before the recurrences."""
        num_frames = frames.shape[1]
        half = self.embed(channels_last_on_cpu(frames.flatten(0, 1)))
        low = to_clip(self.down(F.leaky_relu(half, SLOPE)), num_frames)
        clip = half + F.pixel_shuffle(self.up(to_frames(self.transformer(low, prior, run))), 2)
        return [channels_last_on_cpu(frame) for frame in clip.unflatten(0, (-1, num_frames)).unbind(1)]

    def assembly(self) -> Callable[[Tensor, Tensor], Tensor]:
        """What puts frames together."""
        return self._put_together

    def _put_together(self, frame: Tensor, features: Tensor) -> Tensor:
        own = leaky_relu(self.fine(channels_last_on_cpu(frame)))
        return F.pixel_shuffle(self.head(torch.cat([features, own.to(features.dtype)], 1)), 2)


def _through(weight: Tensor, conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """A convolution to three high bands, `(3, C, I, K, K)`, followed by a 1x1 one of each band: weight and bias.

    High bands of a constant are zero, so the bias of what came before the transform has no effect on them.
    """
    mixing = conv.weight.flatten(1).unflatten(0, (HIGH_BANDS, -1))  # (3, C, C)
    assert conv.bias is not None
    return torch.einsum("bok,bkiyx->boiyx", mixing, weight), conv.bias
