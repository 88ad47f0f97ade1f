"""FTDeblur: video deblurring with spectra over a window of frames.

After Zhu et al., Exploring Temporal Frequency Spectrum in Deep Video Deblurring, ICCV 2023: extraction, alignment
guided by a spectrum prior, aggregation driven by a temporal energy prior. There is no public code, and the abstract
gives no sizes; the name and all numbers here are ours. Every frequency part can be exchanged for its counterpart in
space.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.exporting import is_exporting
from subband.layers.frequency_block import FrequencySpatialBlock
from subband.layers.memory_format import channels_last_on_cpu, channels_last_weights
from subband.layers.residual_block import SpatialResidualBlock
from subband.layers.spectral_alignment import PyramidAlignment, conv_act
from subband.layers.temporal_energy import EnergyMode, TemporalEnergyAggregation
from subband.models.fresh_weights import he_weights, zero_weights
from subband.models.protocols.restoration import BorderMode, RestorationModel

__all__ = ["FTDeblur"]

COLORS = 3
SLOPE = 0.1
LEVELS = 3  # of the alignment: a quarter, an eighth, a sixteenth of the resolution
SPECTRAL_EVERY = 4  # blocks of the reconstruction
Domain = Literal["frequency", "space"]


class SpatialAggregation(nn.Module):
    """Fuses the features of frames by a 1x1 convolution alone.

    Args:
        channels: Channels C.
        num_frames: Frames T.

    Shape:
        `(B, T, C, H, W)` to `(B, C, H, W)`.
    """

    def __init__(self, channels: int, num_frames: int) -> None:
        super().__init__()
        self.fuse = nn.Conv2d(num_frames * channels, channels, 1)

    def forward(self, clip: Tensor) -> Tensor:
        """Fuse `(B, T, C, H, W)`."""
        return F.leaky_relu(self.fuse(clip.flatten(1, 2)), SLOPE)


class FTDeblur(RestorationModel):
    """Restores the middle of a window of frames: extract, align, aggregate, reconstruct; all at a quarter of the size.

    A fresh network returns the middle frame as it is.

    Args:
        channels: Channels C.
        frames: Frames of a window; the middle one is number `frames // 2`.
        n_feat: Blocks of the extraction.
        n_rec: Blocks of the reconstruction.
        groups: Offset groups of the alignment; they divide C.
        agg: Energies that aggregate: of every frequency, channel or frame; `space` fuses by a convolution alone.
        max_freq: Frequencies above this one (cycles per pixel) do not count as energy; for `channel` and `frame`.
        extraction: Blocks of the extraction over spectra and pixels, or over pixels alone.
        alignment: With or without the spectrum prior.
        align_input: What is compared with the middle frame: features, or differences from it.
        remove_mean: Take means out of features before their spectra are convolved.

    Shape:
        frames `(B, T, 3, H, W)` in [0, 1], RGB, T at least `frames`; result `(B, T - frames + 1, 3, H, W)`, not
        clipped.

    Raises:
        ValueError: If an option is unknown or out of its range.

    Example:
        >>> model = FTDeblur(channels=4, frames=3, n_feat=1, n_rec=1, groups=2)
        >>> clip = torch.rand(1, 4, 3, 20, 18)
        >>> torch.equal(model(clip), clip[:, 1:3])
        True
    """

    border_mode: ClassVar[BorderMode] = "reflect"
    size_multiple: ClassVar[int] = 16

    def __init__(
        self,
        *,
        channels: int = 64,
        frames: int = 5,
        n_feat: int = 5,
        n_rec: int = 20,
        groups: int = 8,
        agg: EnergyMode | Literal["space"] = "bin",
        max_freq: float | None = None,
        extraction: Domain = "frequency",
        alignment: Domain = "frequency",
        align_input: Literal["features", "differences"] = "features",
        remove_mean: bool = False,
    ) -> None:
        super().__init__(past_frames=frames // 2, future_frames=max(frames - 1 - frames // 2, 0))
        _check(channels, frames, n_feat, n_rec, extraction, alignment)
        self.head = nn.Sequential(
            *conv_act(COLORS, channels), *conv_act(channels, channels, 2), *conv_act(channels, channels, 2)
        )

        def block(is_spectral: bool) -> nn.Module:
            return (
                FrequencySpatialBlock(channels, remove_mean=remove_mean)
                if is_spectral
                else SpatialResidualBlock(channels)
            )

        self.extraction = nn.ModuleList(block(extraction == "frequency") for _ in range(n_feat))
        self.alignment = PyramidAlignment(
            channels, levels=LEVELS, groups=groups, with_prior=alignment == "frequency", align_input=align_input
        )
        self.aggregation = _aggregation(agg, channels, frames, max_freq)
        self.reconstruction = nn.ModuleList(block(i % SPECTRAL_EVERY == SPECTRAL_EVERY - 1) for i in range(n_rec))
        self.upsampling = nn.ModuleList(nn.Conv2d(channels, 4 * channels, 3, padding=1) for _ in range(2))
        self.tail = nn.Sequential(*conv_act(channels, channels), nn.Conv2d(channels, COLORS, 3, padding=1))
        zero_weights(self.tail[-1])
        he_weights(self, _branch_ends(self), slope=SLOPE)
        channels_last_weights(self)

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Restore the middle frames of all windows of `(B, T, 3, H, W)`."""
        if is_exporting():
            return self._all_windows(frames)
        pyramids = [self.features(frame) for frame in frames.unbind(1)]
        size, restored = self.min_frames, []
        for start in range(frames.shape[1] - size + 1):
            correction = self.fuse(pyramids[start : start + size])
            restored.append(frames[:, start + self.past_frames] + correction)
        return torch.stack(restored, 1)

    def features(self, frame: Tensor) -> list[Tensor]:
        """What the alignment needs of a frame `(B, 3, H, W)`: features at a quarter of its size and below."""
        x = self.head(channels_last_on_cpu(frame))
        for block in self.extraction:
            x = self.checkpointed(block, x)
        return self.alignment.pyramid(x)

    def fuse(self, window: list[list[Tensor]]) -> Tensor:
        """Correction of the middle frame, `(B, 3, H, W)`, from `features` of all frames of a window.

        The middle frame is aligned with itself, so that its features pass the same layers.
        """
        middle = window[self.past_frames]
        return self._reconstruct(torch.stack([self.alignment.align(middle, pyramid) for pyramid in window], 1))

    def _reconstruct(self, aligned: Tensor) -> Tensor:
        """Correction `(B, 3, H, W)` from aligned features of a window, `(B, T, C, H / 4, W / 4)`."""
        x = self.aggregation(aligned)
        for block in self.reconstruction:
            x = self.checkpointed(block, x)
        for conv in self.upsampling:
            x = F.leaky_relu(F.pixel_shuffle(conv(x), 2), SLOPE)
        return self.tail(x)

    def _all_windows(self, frames: Tensor) -> Tensor:
        """`forward_clip` with all frames and windows in one batch, for files: a graph as short as that of one frame,
        where the exporter would take minutes for one with every pair of frames; it needs as much more memory.
        """
        num_frames, size = frames.shape[1], self.min_frames
        middles = slice(self.past_frames, num_frames - self.future_frames)
        pyramid = [level.unflatten(0, (-1, num_frames)) for level in self.features(frames.flatten(0, 1))]
        windows = [level.unfold(1, size, 1).movedim(-1, 2) for level in pyramid]  # (B, windows, T, C, H, W)
        references = [
            level[:, middles].unsqueeze(2).expand_as(window) for level, window in zip(pyramid, windows, strict=True)
        ]
        aligned = self.alignment.align(*([level.flatten(0, 2) for level in levels] for levels in (references, windows)))
        corrections = self._reconstruct(aligned.unflatten(0, (-1, size)))
        return frames[:, middles] + corrections.unflatten(0, (-1, num_frames - size + 1))


def _branch_ends(network: nn.Module) -> Iterator[nn.Conv2d]:
    """Last convolutions of the residual blocks."""
    for part in network.modules():
        if isinstance(part, SpatialResidualBlock):
            yield part.conv2
        elif isinstance(part, FrequencySpatialBlock):
            yield part.fuse


def _aggregation(agg: str, channels: int, frames: int, max_freq: float | None) -> nn.Module:
    if agg != "space":
        return TemporalEnergyAggregation(channels, frames, mode=agg, max_freq=max_freq)  # type: ignore[arg-type]
    if max_freq is not None:
        raise ValueError("max_freq goes with agg 'channel' or 'frame', not with 'space'.")
    return SpatialAggregation(channels, frames)


def _check(channels: int, frames: int, n_feat: int, n_rec: int, extraction: str, alignment: str) -> None:
    if channels < 2 or frames < 1 or n_feat < 0 or n_rec < 0:
        raise ValueError(
            "channels must be at least 2, frames at least 1, n_feat and n_rec not negative, got "
            f"{channels}, {frames}, {n_feat} and {n_rec}."
        )
    for name, domain in (("extraction", extraction), ("alignment", alignment)):
        if domain not in ("frequency", "space"):
            raise ValueError(f"{name} must be 'frequency' or 'space', got {domain!r}.")
