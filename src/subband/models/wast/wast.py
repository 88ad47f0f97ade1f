"""WaST: video prediction with large kernels around a 3-D wavelet transform.

Nie et al., Wavelet-Driven Spatiotemporal Predictive Learning: Bridging Frequency and Time Variations, AAAI 2024.

A network in the shape of a U: blocks of large kernels at full resolution, a 3-D Haar transform that halves rows and
columns, blocks, and the inverse transform. `variant="published"` is the network of OpenSTL (`WaST_level1`) and loads
its checkpoints; `variant="seed"` is the design with a second transform at the bottleneck and attention over time.
Differences from the published code: sizes that do not divide are padded, the parameter that it never uses
(`layer_scale_2` of every block) does not exist, and the same numbers are computed faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.drop import linear_rates
from subband.layers.wavelet import DWT3d, IDWT3d
from subband.models.protocols.video import VideoModel
from subband.models.wast.activity import activity
from subband.models.wast.blocks import TimeFrequencyBlock, Translator
from subband.models.wast.conv3d import Conv3d, ConvNormGELU
from subband.models.wast.options import FrequencyAttention, TemporalMixer, Variant, resolve_options
from subband.models.wast.wavelet3d import Carry, GateKind, SubbandAxes, WaveletEmbedding, WaveletReconstruction

__all__ = ["WaST"]


class WaST(VideoModel):
    """Wavelet spatio-temporal network. An option that is None has the value of the variant.

    Args:
        in_shape: `(T, C, H, W)` of a training clip. T must be even; it is part of the weights, H and W are not.
        encoder_dim: Channels E per frame at full resolution; 2E below the first transform, 4E below the second.
        block_list: Blocks of every translator in order: encoder, bottleneck, decoder for one level (default 2, 8, 2);
            two encoders, bottleneck, two decoders for two levels (default 2, 2, 8, 2, 2).
        drop_path_rate: Stochastic depth of the last block, rising linearly from 0 at the first.
        mlp_ratio: Width of the mixer `mbconv` over its input, default 4.
        variant: Bundle of options, `published` or `seed` (both values below, in this order).
        bottleneck: `plain` | `dwt`: a further 3-D Haar transform around the bottleneck, whose blocks see `LLL` only.
        subband_axes: `thw` | `hwt`: axes of the letters of a band. The published code takes the last letter for time,
            which holds for `hwt` only.
        carry: `LLL+LLH` | `LLL`: bands that go on, laid one after the other along time.
        subband_gate: `conv` | `none`, `scalar` or `channel`: weighting of the kept bands before reconstruction.
        large_kernel: 51 and 21 | 5: long side of the large kernels, at full resolution and below.
        small_kernel: 5 | 1: side of the small kernel.
        strip: True | False: large kernels are a pair of strips K x 5 and 5 x K instead of K x K.
        frequency_attention: `coordinate` | `coordinate`; `none` leaves the two kernel branches ungated.
        temporal_mixer: `mbconv` (convolutions on frames folded into channels) | `attention` over the frames of a pixel.
        num_heads: Heads of the mixer `attention`, default 4.
        levels: 1 | 1: pairs of transform and inverse, 1 or 2.
        out_translator: False | False: one more translator, as long as the last, after the last reconstruction's.
        shared_layer_scale: True | False: one learned scale for both branches of a block.
        residual: Predict the change from the last input frame instead of the frames. Ours, not published: a short
            training on natural footage then starts from persistence. With `"gated"` the change counts only where
            something nearby has changed among the input frames (`activity`), so that what stands still stays.
        pad: Pad H and W to what the transforms need and crop the result; False makes other sizes an error.

    Shape:
        `(B, T, C, H, W)` to the next T frames, `(B, T, C, H, W)`.

    Raises:
        ValueError: If T does not divide, a choice is unknown or two options do not go together.

    Example:
        >>> model = WaST((4, 1, 16, 16), encoder_dim=4, block_list=(1, 1, 1))
        >>> model(torch.rand(2, 4, 1, 16, 16)).shape
        torch.Size([2, 4, 1, 16, 16])
    """

    def __init__(
        self,
        in_shape: tuple[int, int, int, int],
        *,
        encoder_dim: int = 20,
        block_list: Sequence[int] | None = None,
        drop_path_rate: float = 0.1,
        mlp_ratio: float | None = None,
        variant: Variant = "published",
        bottleneck: Literal["plain", "dwt"] | None = None,
        subband_axes: SubbandAxes | None = None,
        carry: Carry | None = None,
        subband_gate: GateKind | None = None,
        large_kernel: int | Sequence[int] | None = None,
        small_kernel: int | None = None,
        strip: bool | None = None,
        frequency_attention: FrequencyAttention | None = None,
        temporal_mixer: TemporalMixer | None = None,
        num_heads: int | None = None,
        levels: int | None = None,
        out_translator: bool | None = None,
        shared_layer_scale: bool | None = None,
        residual: bool | Literal["gated"] = False,
        pad: bool = True,
    ) -> None:
        given = {
            "block_list": block_list,
            "mlp_ratio": mlp_ratio,
            "bottleneck": bottleneck,
            "subband_axes": subband_axes,
            "carry": carry,
            "subband_gate": subband_gate,
            "large_kernel": large_kernel,
            "small_kernel": small_kernel,
            "strip": strip,
            "frequency_attention": frequency_attention,
            "temporal_mixer": temporal_mixer,
            "num_heads": num_heads,
            "levels": levels,
            "out_translator": out_translator,
            "shared_layer_scale": shared_layer_scale,
        }
        options = resolve_options(variant, given, num_frames=in_shape[0], encoder_dim=encoder_dim)
        if residual not in (False, True, "gated"):
            raise ValueError(f"residual must be False, True or 'gated', got {residual!r}")
        super().__init__(in_shape, size_multiple=(options.side_divisor(),) * 2, pad=pad)
        self.encoder_dim = encoder_dim
        self.options = options
        self.residual = residual
        self._build()
        self.set_drop_path_rate(drop_path_rate)

    def _build(self) -> None:
        options, dim, channels = self.options, self.encoder_dim, self.in_shape[1]
        num_levels, blocks = options.levels, options.block_list
        bands: dict[str, Any] = {"carry": options.carry, "subband_axes": options.subband_axes}
        widths = [dim << level for level in range(num_levels)]
        self.stem = ConvNormGELU(channels, dim)
        self.encoders = nn.ModuleList(self._translator(level, blocks[level]) for level in range(num_levels))
        self.embeddings = nn.ModuleList(WaveletEmbedding(width, channels, **bands) for width in widths)
        self.bottleneck = self._translator(num_levels, blocks[num_levels])
        self.dwt, self.idwt = DWT3d(layout="channels"), IDWT3d(layout="channels")  # around the bottleneck, if at all
        self.reconstructions = nn.ModuleList(
            WaveletReconstruction(width, gate=options.subband_gate, **bands) for width in widths
        )
        self.decoders = nn.ModuleList(
            self._translator(level, blocks[-1 - level], with_skip=True) for level in range(num_levels)
        )
        self.out_translator = self._translator(0, blocks[-1]) if options.out_translator else None
        self.head_norm = nn.BatchNorm3d(dim)
        self.head = Conv3d(dim, channels)

    def _translator(self, level: int, num_blocks: int, *, with_skip: bool = False) -> Translator:
        options, num_frames = self.options, self.in_shape[0]
        halvings = level if options.carry == "LLL" else 0
        if level == options.levels and options.bottleneck == "dwt":
            halvings += 1
        for _ in range(halvings):
            num_frames = (num_frames + 1) // 2  # transforms extend an odd number of frames by one
        return Translator(
            self.encoder_dim << level,
            num_frames=num_frames,
            num_blocks=num_blocks,
            large_kernel=options.large_kernel[min(level, 1)],
            options=options,
            with_skip=with_skip,
        )

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Predict on sides that divide, `(B, T, C, H, W)` to the same shape."""
        given = frames
        x = frames = frames.movedim(2, 1)  # (B, C, T, H, W)
        x = self.stem(x)
        stack = []
        for encoder, embedding in zip(self.encoders, self.embeddings, strict=True):
            skip = encoder(x, run=self.checkpointed)
            x, frames, kept = embedding(skip, frames)
            stack.append((skip, kept))
        x = self._run_bottleneck(x)
        for reconstruction, decoder in zip(reversed(self.reconstructions), reversed(self.decoders), strict=True):
            skip, kept = stack.pop()
            x = decoder(reconstruction(x, kept, skip.shape[2]), skip, run=self.checkpointed)
        if self.out_translator is not None:
            x = self.out_translator(x, run=self.checkpointed)
        future = self.head(F.gelu(self.head_norm(x))).movedim(1, 2)
        if self.residual == "gated":
            future = future * activity(given)
        return future + given[:, -1:] if self.residual else future

    def _run_bottleneck(self, x: Tensor) -> Tensor:
        if self.options.bottleneck == "plain":
            return self.bottleneck(x, run=self.checkpointed)
        low, high = self.dwt(x).tensor_split([x.shape[1]], 1)  # LLL, then the seven others
        bands = torch.cat([self.bottleneck(low, run=self.checkpointed), high], 1)
        return self.idwt(bands, x.shape[-3:])

    def set_drop_path_rate(self, rate: float) -> None:
        """Let stochastic depth rise linearly from 0 at the first block to `rate` at the last.

        Args:
            rate: In [0, 1).

        Raises:
            ValueError: If `rate` is out of range.
        """
        blocks = list(self._blocks())
        for block, block_rate in zip(blocks, linear_rates(rate, len(blocks)), strict=True):
            block.drop_path.rate = block_rate

    def _blocks(self) -> Iterator[TimeFrequencyBlock]:
        """All blocks in forward order."""
        last = [self.out_translator] if self.out_translator is not None else []
        for translator in (*self.encoders, self.bottleneck, *reversed(self.decoders), *last):
            yield from translator.blocks
