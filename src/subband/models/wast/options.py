"""Options of WaST: the two variants as bundles, and the rules of what goes together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from subband.models.wast.wavelet3d import Carry, GateKind, SubbandAxes

__all__ = ["VARIANTS", "BlockOptions", "WaSTOptions", "resolve_options"]

FrequencyAttention = Literal["coordinate", "none"]
TemporalMixer = Literal["mbconv", "attention"]
Variant = Literal["published", "seed"]


@dataclass(frozen=True, kw_only=True)
class BlockOptions:
    """What all blocks of one network share. Fields are the arguments of `WaST` of the same name."""

    small_kernel: int
    strip: bool
    frequency_attention: FrequencyAttention
    temporal_mixer: TemporalMixer
    shared_layer_scale: bool
    mlp_ratio: float | None = None
    num_heads: int | None = None


@dataclass(frozen=True, kw_only=True)
class WaSTOptions(BlockOptions):
    """All options of a network. Fields are the arguments of `WaST` of the same name."""

    bottleneck: Literal["plain", "dwt"]
    subband_axes: SubbandAxes
    carry: Carry
    subband_gate: GateKind
    large_kernel: tuple[int, int]
    levels: int
    out_translator: bool
    block_list: tuple[int, ...] = ()

    def side_divisor(self) -> int:
        """H and W must be multiples of this."""
        return 2 ** (self.levels + (self.bottleneck == "dwt"))


VARIANTS = {
    "published": WaSTOptions(
        bottleneck="plain",
        subband_axes="thw",
        carry="LLL+LLH",
        subband_gate="conv",
        large_kernel=(51, 21),
        small_kernel=5,
        strip=True,
        frequency_attention="coordinate",
        temporal_mixer="mbconv",
        levels=1,
        out_translator=False,
        shared_layer_scale=True,
    ),
    "seed": WaSTOptions(
        bottleneck="dwt",
        subband_axes="hwt",
        carry="LLL",
        subband_gate="none",
        large_kernel=(5, 5),
        small_kernel=1,
        strip=False,
        frequency_attention="coordinate",
        temporal_mixer="attention",
        levels=1,
        out_translator=False,
        shared_layer_scale=False,
    ),
}

BLOCKS = {1: (2, 8, 2), 2: (2, 2, 8, 2, 2)}
MLP_RATIO = 4.0
NUM_HEADS = 4


def resolve_options(variant: Variant, given: dict[str, Any], *, num_frames: int, encoder_dim: int) -> WaSTOptions:
    """All options, checked: those given, the others as the variant has them.

    Args:
        variant: Bundle to start from.
        given: Options by name; None means "as the variant says".
        num_frames: Frames T of a clip.
        encoder_dim: Channels E per frame.

    Raises:
        ValueError: If a choice is unknown or two arguments do not go together.
    """
    if num_frames % 2:
        raise ValueError(f"WaST needs an even number of input frames, got T = {num_frames} in in_shape.")
    if encoder_dim < 1:
        raise ValueError(f"encoder_dim must be positive, got {encoder_dim}.")
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}.")
    named = {name: value for name, value in given.items() if value is not None}
    if "large_kernel" in named:
        named["large_kernel"] = _pair(named["large_kernel"])
    if "block_list" in named:
        named["block_list"] = tuple(named["block_list"])
    options = dataclasses.replace(VARIANTS[variant], **named)
    _check_choices(options)
    return dataclasses.replace(options, block_list=_blocks(options), **_mixer_arguments(options, encoder_dim))


def _check_choices(options: WaSTOptions) -> None:
    for name, hint in get_type_hints(WaSTOptions).items():
        choices = get_args(hint)
        value = getattr(options, name)
        if all(isinstance(choice, str) for choice in choices) and choices and value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")
    if options.levels not in BLOCKS:
        raise ValueError(f"levels must be 1 or 2, got {options.levels}.")
    for name, sides in (("large_kernel", options.large_kernel), ("small_kernel", (options.small_kernel,))):
        if any(side < 1 or side % 2 == 0 for side in sides):
            raise ValueError(f"{name} must be odd, so that maps keep their size, got {getattr(options, name)}.")


def _pair(kernel: int | Sequence[int]) -> tuple[int, int]:
    pair = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)
    if len(pair) != 2:
        raise ValueError(f"large_kernel must be one number or two (full resolution, below), got {kernel}.")
    return pair


def _blocks(options: WaSTOptions) -> tuple[int, ...]:
    blocks = options.block_list or BLOCKS[options.levels]
    if len(blocks) != 2 * options.levels + 1:
        raise ValueError(
            f"block_list must have {2 * options.levels + 1} entries for levels={options.levels}, got {blocks}."
        )
    if min(blocks) < 1:
        raise ValueError(f"block_list must hold positive numbers, got {blocks}.")
    return blocks


def _mixer_arguments(options: WaSTOptions, encoder_dim: int) -> dict[str, Any]:
    if options.temporal_mixer == "mbconv":
        if options.num_heads is not None:
            raise ValueError('num_heads belongs to temporal_mixer="attention", but temporal_mixer is "mbconv".')
        return {"mlp_ratio": MLP_RATIO if options.mlp_ratio is None else options.mlp_ratio}
    if options.mlp_ratio is not None:
        raise ValueError('mlp_ratio belongs to temporal_mixer="mbconv", but temporal_mixer is "attention".')
    num_heads = NUM_HEADS if options.num_heads is None else options.num_heads
    if num_heads < 1 or encoder_dim % num_heads:
        raise ValueError(f"num_heads must divide encoder_dim = {encoder_dim}, got {num_heads}.")
    return {"num_heads": num_heads}
