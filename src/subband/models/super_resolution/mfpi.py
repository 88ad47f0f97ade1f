"""MFPI: video super-resolution over many frequencies, trained with information that only training has.

After Li et al., Multi-Frequency Representation Enhancement with Privilege Information for Video Super-Resolution, ICCV
2023. There is no public code; known are its two enhancements (a global learned filter with normalization beside a large
kernel, an interaction of channels by energies), that a teacher sees privileged information, and 7.3 million parameters,
the size of BasicVSR++, whose passes over the clip are used here. All numbers here are ours.

The privileged information is what bilinear interpolation lacks of the sharp frame, squeezed into a few bounded numbers
for every pixel of the small frame. The network guesses them; a teacher gets them from the sharp frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn

from subband.layers.memory_format import channels_last_on_cpu, channels_last_weights
from subband.layers.residual_block import SpatialResidualBlock
from subband.models.fresh_weights import he_weights, zero_weights
from subband.models.protocols.restoration import RestorationModel
from subband.models.super_resolution.alignment import SLOPE, StateAlignment
from subband.models.super_resolution.mfpi_blocks import MultiFrequencyBlock
from subband.models.super_resolution.recurrence import PASSES, Direction, run_pass
from subband.models.super_resolution.upsampling import (
    COLORS,
    FULL_CHANNELS,
    Base,
    Upsampler,
    check_base,
    enlarged,
    residual_trunk,
)

__all__ = ["MFPI", "Enlarged"]

ENCODER_BLOCKS = 2
PRIVILEGE_NOISE = 0.1  # on what the teacher is told, in training


class Enlarged(NamedTuple):
    """What a pass over a clip gives.

    Attributes:
        frames: `(B, T, 3, S H, S W)`, about [0, 1].
        bank: Features of all frames, then the states of every pass, `(B, C, H, W)` each.
    """

    frames: Tensor
    bank: list[list[Tensor]]


class MFPI(RestorationModel):
    """Features with privileged information, passes over the clip, reconstruction; a fresh network only enlarges.

    Args:
        channels: Channels C, a multiple of 4.
        blocks: Blocks of a pass.
        head_blocks: Residual blocks of the features.
        rec_blocks: Blocks of the reconstruction.
        groups: Offset groups of each state in the alignment; they divide C.
        privilege: Numbers of privileged information for every pixel; 0 for none.
        passes: Directions of the passes.
        scale: S, 2 or 4.
        with_teacher: With the encoder of privileged information, which only training needs.
        with_filter: With the global filter in every block.
        with_large_kernel: With the large kernel.
        with_energy: With the gate from energies.
        full_channels: Channels at full size.
        base: How frames are enlarged that the network adds to, `bilinear` or `bicubic`.

    Shape:
        frames `(B, T, 3, H, W)` in [0, 1], RGB, any T; result `(B, T, 3, S H, S W)`, not clipped.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> model = MFPI(channels=8, blocks=1, head_blocks=1, rec_blocks=1, groups=2)
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
        head_blocks: int = 3,
        rec_blocks: int = 5,
        groups: int = 8,
        privilege: int = 8,
        passes: Sequence[Direction] = PASSES,
        scale: int = 4,
        with_teacher: bool = True,
        with_filter: bool = True,
        with_large_kernel: bool = True,
        with_energy: bool = True,
        full_channels: int = FULL_CHANNELS,
        base: Base = "bilinear",
    ) -> None:
        super().__init__()
        least = min(channels, blocks, head_blocks, rec_blocks, full_channels)
        if scale not in (2, 4) or channels % 4 or least < 1 or privilege < 0:
            raise ValueError(
                "scale must be 2 or 4, channels a multiple of 4, full_channels and all numbers of blocks positive and "
                f"privilege not negative, got {scale}, {channels}, {full_channels}, "
                f"{(blocks, head_blocks, rec_blocks)} and {privilege}."
            )
        check_base(base)
        unknown = sorted(set(passes) - {"backward", "forward"})
        if unknown or not passes:
            raise ValueError(f"passes must be some of 'backward' and 'forward', got {tuple(passes)}.")
        self.scale, self.base, self.passes = scale, base, tuple(passes)
        options: dict[str, Any] = {"with_filter": with_filter, "with_energy": with_energy}
        options["with_large_kernel"] = with_large_kernel

        def trunk(in_chans: int, count: int) -> nn.Sequential:
            parts = (MultiFrequencyBlock(channels, **options) for _ in range(count))
            return nn.Sequential(nn.Conv2d(in_chans, channels, 3, padding=1), nn.LeakyReLU(SLOPE), *parts)

        self.features = residual_trunk(COLORS, channels, head_blocks)
        self.guess = self.inject = self.encode = None
        if privilege:
            self.guess = nn.Sequential(*trunk(channels, 1), nn.Conv2d(channels, privilege, 3, padding=1), nn.Tanh())
            self.inject = nn.Conv2d(privilege, 2 * channels, 1)
            zero_weights(self.inject)
        if privilege and with_teacher:
            self.encode = nn.Sequential(
                nn.PixelUnshuffle(scale),
                residual_trunk(COLORS * scale**2, channels, ENCODER_BLOCKS),
                nn.Conv2d(channels, privilege, 3, padding=1),
                nn.Tanh(),
            )
        self.alignments = nn.ModuleList(StateAlignment(channels, groups=groups, with_flow=False) for _ in passes)
        self.trunks = nn.ModuleList(trunk((2 + place) * channels, blocks) for place in range(len(passes)))
        self.reconstruction = trunk((1 + len(passes)) * channels, rec_blocks)
        self.upsampling = Upsampler(channels, scale, full_channels)
        self._initialize()

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Enlarge all frames of `(B, T, 3, H, W)`."""
        features = self.frame_features(frames)
        return self.enlarge(frames, features, self.guessed(features)).frames

    def frame_features(self, frames: Tensor) -> list[Tensor]:
        """Features `(B, C, H, W)` of every frame of `(B, T, 3, H, W)`, without privileged information."""
        return [self.checkpointed(self.features, channels_last_on_cpu(frame)) for frame in frames.unbind(1)]

    def guessed(self, features: Sequence[Tensor]) -> list[Tensor] | None:
        """The privileged information that the network guesses, `(B, P, H, W)` for every frame, within -1 and 1."""
        return None if self.guess is None else [self.guess(x) for x in features]

    def told(self, frames: Tensor, sharp: Tensor, generator: torch.Generator | None = None) -> list[Tensor]:
        """The privileged information that sharp frames hold, for training.

        Args:
            frames: `(B, T, 3, H, W)`.
            sharp: `(B, T, 3, S H, S W)`.
            generator: Where the noise on it is drawn from, in training mode; the global one by default.

        Returns:
            `(B, P, H, W)` for every frame: within -1 and 1 but for the noise.

        Raises:
            ValueError: If the network has no encoder of it, or the sizes do not fit.
        """
        if self.encode is None:
            raise ValueError("this network has no encoder of privileged information; it needs with_teacher=True.")
        wanted = (*frames.shape[:3], self.scale * frames.shape[3], self.scale * frames.shape[4])
        if tuple(sharp.shape) != wanted:
            raise ValueError(f"sharp frames must be {wanted}, got {tuple(sharp.shape)}.")
        found = []
        for small, large in zip(frames.unbind(1), sharp.unbind(1), strict=True):
            known = self.encode(channels_last_on_cpu(large - enlarged(small, self.scale)))
            if self.training:
                noise = torch.randn(known.shape, generator=generator, device=known.device, dtype=known.dtype)
                known = known + PRIVILEGE_NOISE * noise
            found.append(known)
        return found

    def enlarge(self, frames: Tensor, features: Sequence[Tensor], privilege: Sequence[Tensor] | None) -> Enlarged:
        """Enlarge frames with given privileged information.

        Args:
            frames: `(B, T, 3, H, W)`.
            features: See `frame_features`.
            privilege: See `guessed` and `told`; None if the network knows of none.
        """
        if self.inject is not None and privilege is not None:
            factors = [self.inject(known).chunk(2, 1) for known in privilege]
            features = [x * (1 + factor) + shift for x, (factor, shift) in zip(features, factors, strict=True)]
        bank = [list(features)]
        for direction, align, trunk in zip(self.passes, self.alignments, self.trunks, strict=True):
            bank.append(run_pass(bank, direction, cast(StateAlignment, align), self.checkpointing(trunk)))
        restored = []
        for place, frame in enumerate(frames.unbind(1)):
            x = self.checkpointed(self.reconstruction, torch.cat([branch[place] for branch in bank], 1))
            restored.append(self.upsampling(x) + enlarged(frame, self.scale, self.base))
        return Enlarged(torch.stack(restored, 1), bank)

    def _initialize(self) -> None:
        """He's weights; the layers that give nothing at first stay so."""
        ends = [part.conv2 for part in self.modules() if isinstance(part, SpatialResidualBlock)]
        he_weights(self, ends, slope=SLOPE)
        channels_last_weights(self)
