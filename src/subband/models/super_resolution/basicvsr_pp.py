"""BasicVSR++: recurrent video super-resolution, and restoration at the same size, with optical flow and deformable
alignment.

Source: Chan et al., BasicVSR++: Improving Video Super-Resolution with Enhanced Propagation and Alignment, CVPR 2022.
Its checkpoints load, and are written back (`subband.convert.basicvsr_pp`).

Same graph as the published code. Different: any size and any device; flows in both directions come from one pyramid of
every frame; maps run channels last on CPUs, and every frame is reconstructed as it leaves the last pass, in bands of
rows where no gradients are wanted.
"""

from __future__ import annotations

from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.memory_format import channels_last_on_cpu, channels_last_weights
from subband.layers.residual_block import SpatialResidualBlock
from subband.models.fresh_weights import he_weights
from subband.models.protocols.restoration import RestorationModel
from subband.models.super_resolution.alignment import SLOPE, StateAlignment
from subband.models.super_resolution.recurrence import PASSES, Direction, FrameFlows, run_pass
from subband.models.super_resolution.spynet import SPyNet
from subband.models.super_resolution.upsampling import (
    COLORS,
    FULL_CHANNELS,
    Base,
    Upsampler,
    check_base,
    enlarged,
    residual_trunk,
)
from subband.transforms.optical_flow import optical_flow

__all__ = ["BasicVSRPP"]

FlowKind = Literal["learned", "classical"]
HEAD_BLOCKS = 5  # of the features of a frame, and of its reconstruction
FLOW_SHRINKAGE = 4  # of frames that come out as large as they went in, before their flow is found
SCALES = (1, 2, 4)


class BasicVSRPP(RestorationModel):
    """Features of every frame, four passes over the clip, reconstruction; a fresh network only enlarges.

    Args:
        channels: Channels C.
        blocks: Residual blocks of a pass.
        scale: S: 4, the published one for super-resolution; 2; or 1 for restoration at the same size, with features at
            a quarter of it.
        groups: Offset groups of each state in the alignment; they divide C.
        flow: Optical flow by SPyNet, which is `learned` along (1.4 million parameters), or by least squares
            (`classical`), for small networks.
        full_channels: Channels at full size, 64 in all published networks; fewer make small networks faster.
        base: How frames are enlarged that the network adds to: bilinearly, as published, or bicubically.

    Shape:
        frames `(B, T, 3, H, W)` in [0, 1], RGB, any T; result `(B, T, 3, S H, S W)`, not clipped.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> model = BasicVSRPP(channels=8, blocks=1, groups=2)
        >>> model(torch.rand(1, 2, 3, 9, 7)).shape
        torch.Size([1, 2, 3, 36, 28])
    """

    window_frames: ClassVar[int] = 30
    settle_frames: ClassVar[int] = 5
    example_shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)

    def __init__(
        self,
        *,
        channels: int = 64,
        blocks: int = 7,
        scale: int = 4,
        groups: int = 8,
        flow: FlowKind = "learned",
        full_channels: int = FULL_CHANNELS,
        base: Base = "bilinear",
    ) -> None:
        super().__init__()
        if scale not in SCALES or min(blocks, full_channels) < 1:
            raise ValueError(
                "scale must be 1, 2 or 4, blocks and full_channels positive, "
                f"got {scale}, {blocks} and {full_channels}."
            )
        check_base(base)
        if flow not in ("learned", "classical"):
            raise ValueError(f"flow must be 'learned' or 'classical', got {flow!r}.")
        self.scale, self.base = scale, base
        self.flow = SPyNet() if flow == "learned" else None
        shrink = [nn.Conv2d(w, channels, 3, stride=2, padding=1) for w in (COLORS, channels)] if scale == 1 else []
        self.shrink = nn.ModuleList(shrink)
        self.features = residual_trunk(channels if shrink else COLORS, channels, HEAD_BLOCKS)
        self.alignments = nn.ModuleList(StateAlignment(channels, groups=groups) for _ in PASSES)
        self.trunks = nn.ModuleList(
            residual_trunk((2 + place) * channels, channels, blocks) for place in range(len(PASSES))
        )
        self.reconstruction = residual_trunk((1 + len(PASSES)) * channels, channels, HEAD_BLOCKS)
        self.upsampling = Upsampler(channels, FLOW_SHRINKAGE if scale == 1 else scale, full_channels)
        ends = (part.conv2 for part in self.modules() if isinstance(part, SpatialResidualBlock))
        he_weights(self, ends, slope=SLOPE)
        channels_last_weights(self)

    @property
    def size_multiple(self) -> int:  # type: ignore[override]
        """H and W are filled up to multiples of it."""
        return FLOW_SHRINKAGE if self.scale == 1 else 1

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Restore all frames of `(B, T, 3, H, W)`."""
        bank = [[self._features(frame) for frame in frames.unbind(1)]]
        backward, forward = self.flows(frames)
        flows: dict[Direction, FrameFlows] = {
            "backward": backward.__getitem__,
            "forward": lambda frame: forward[frame - 1],
        }
        passes = [
            (direction, cast(StateAlignment, align), self.checkpointing(trunk), flows[direction])
            for direction, align, trunk in zip(PASSES, self.alignments, self.trunks, strict=True)
        ]
        for settings in passes[:-1]:
            bank.append(run_pass(bank, *settings))
        nothing = frames.new_empty(0)

        def finish(place: int, state: Tensor) -> Tensor:
            features = torch.cat([*(branch[place] for branch in bank), state], 1)
            for branch in bank:
                branch[place] = nothing  # what is done with can be freed
            return self._reconstructed(features, frames[:, place])

        return torch.stack(run_pass(bank, *passes[-1], finish), 1)

    def flows(self, frames: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Optical flows between neighboring frames, in pixels of the features.

        Args:
            frames: `(B, T, 3, H, W)`.

        Returns:
            backward: From every frame to the next one, T - 1 of `(B, 2, H', W')`.
            forward: From every frame but the first to the one before it.
        """
        clip = frames.flatten(0, 1)
        if self.scale == 1:
            clip = F.interpolate(clip, scale_factor=1 / FLOW_SHRINKAGE, mode="bicubic", align_corners=False)
        size = (clip.shape[-2], clip.shape[-1])
        pyramid = [clip] if self.flow is None else self.flow.pyramid(clip)
        levels = [level.unflatten(0, frames.shape[:2]).unbind(1) for level in pyramid]
        backward, forward = [], []
        for place in range(frames.shape[1] - 1):
            pairs = [(level[place], level[place + 1]) for level in levels]
            here, there = ([torch.cat(pair[::way]) for pair in pairs] for way in (1, -1))
            both = optical_flow(here[0], there[0]) if self.flow is None else self.flow.between(here, there, size)
            to_next, to_last = both.chunk(2)
            backward.append(to_next)
            forward.append(to_last)
        return backward, forward

    def _reconstructed(self, features: Tensor, frame: Tensor) -> Tensor:
        """A restored frame from what all passes have found."""
        base = frame if self.scale == 1 else enlarged(frame, self.scale, self.base)
        return self.upsampling(self.checkpointed(self.reconstruction, features)) + base

    def _features(self, frame: Tensor) -> Tensor:
        x = channels_last_on_cpu(frame)
        for layer in self.shrink:
            x = F.leaky_relu(layer(x), SLOPE)
        return self.checkpointed(self.features, x)
