"""Key table of WaST as OpenSTL stores it (`WaST_level1`)."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from subband.convert._keymap import KeyMap

__all__ = ["WAST"]

LAYER_SCALE = 0.01
MODULES = (
    ("conv_in.0", "stem.conv"),
    ("conv_in.1", "stem.norm"),
    ("wavelet_embed1.conv_0.0", "embeddings.0.before.conv"),
    ("wavelet_embed1.conv_0.1", "embeddings.0.before.norm"),
    ("wavelet_embed1.conv_1.0", "embeddings.0.after.conv"),
    ("wavelet_embed1.conv_1.1", "embeddings.0.after.norm"),
    ("wavelet_embed1.conv_emb", "embeddings.0.frames"),
    ("wavelet_recon1.conv_0.0", "reconstructions.0.low.conv"),
    ("wavelet_recon1.conv_0.1", "reconstructions.0.low.norm"),
    ("wavelet_recon1.conv_hi.0", "reconstructions.0.gate.conv.conv"),
    ("wavelet_recon1.conv_hi.1", "reconstructions.0.gate.conv.norm"),
    ("translator2.concat_block", "decoders.0.fuse"),
    ("conv_out.0", "head_norm"),
    ("conv_out.2", "head"),
)
TRANSLATORS = (
    ("translator1", "encoders.0"),
    ("bottleneck_translator", "bottleneck"),
    ("translator2", "decoders.0"),
)
BLOCK = (
    ("layer_scale_1", "frequency_scale"),
    ("layer_scale_2", "temporal_scale"),
    ("norm1", "frequency_norm"),
    ("norm2", "temporal_norm"),
    ("lk1.0", "large.tall.conv"),
    ("lk1.1", "large.tall.norm"),
    ("lk2.0", "large.wide.conv"),
    ("lk2.1", "large.wide.norm"),
    ("sk.0", "small.conv"),
    ("sk.1", "small.norm"),
    ("temporal_mixer.conv_pw", "temporal_mixer.expand"),
    ("temporal_mixer.bn1", "temporal_mixer.expand_norm"),
    ("temporal_mixer.conv_dw", "temporal_mixer.depthwise"),
    ("temporal_mixer.bn2", "temporal_mixer.depthwise_norm"),
    ("temporal_mixer.se.conv_reduce", "temporal_mixer.gate.reduce"),
    ("temporal_mixer.se.conv_expand", "temporal_mixer.gate.expand"),
    ("temporal_mixer.conv_pwl", "temporal_mixer.project"),
    ("temporal_mixer.bn3", "temporal_mixer.project_norm"),
)
ATTENTION = (("conv1", "reduce"), ("bn1", "norm"), ("conv_h", "expand_rows"), ("conv_w", "expand_columns"))
ATTENTIONS = (("low_frequency_attn", "low_attention"), ("high_frequency_attn", "high_attention"))


def _block_rules() -> tuple[tuple[str, str], ...]:
    inside = BLOCK + tuple(
        (f"{theirs}.{their_part}", f"{ours}.{our_part}")
        for (theirs, ours), (their_part, our_part) in itertools.product(ATTENTIONS, ATTENTION)
    )
    return tuple(
        (f"{theirs}.blocks.{{i}}.{their_part}", f"{ours}.blocks.{{i}}.{our_part}")
        for (theirs, ours), (their_part, our_part) in itertools.product(TRANSLATORS, inside)
    )


def _constants(model: nn.Module) -> dict[str, Tensor]:
    """Entries without a counterpart: both filter banks, and the layer scales that the published code never uses."""
    bank = haar_bank()
    found = {"wavelet_embed1.DWT.filters": bank, "wavelet_recon1.IDWT.filters": bank.clone()}
    for theirs, ours in TRANSLATORS:
        blocks: Any = model.get_submodule(ours).blocks
        for i, block in enumerate(blocks):
            if block.temporal_scale is None:
                found[f"{theirs}.blocks.{i}.layer_scale_2"] = torch.full_like(block.frequency_scale, LAYER_SCALE)
    return found


def haar_bank() -> Tensor:
    """The eight Haar filters as published, `(8, 1, 2, 2, 2)`: LLL, LLH, ..., HHH with letters (T, H, W)."""
    taps = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) * 0.5**0.5
    return torch.einsum("at,bh,cw->abcthw", taps, taps, taps).reshape(8, 1, 2, 2, 2)


WAST = KeyMap(rules=(*MODULES, *_block_rules()), constants=_constants)
