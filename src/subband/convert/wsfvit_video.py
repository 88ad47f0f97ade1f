"""Checkpoints of the WSF-ViT video model (its authors' fork of SimVP)."""

import torch
from torch import Tensor, nn

from subband.convert._keymap import KeyMap
from subband.convert.openstl import SPATIAL_RULES

__all__ = ["WSFVIT_VIDEO"]

BLOCK = "hid.enc.{i}.block"
OWN_BLOCK = "translator.stages.{i}.block"

MBCONV_NAMES = {
    "pre_norm": "norm_in",
    "conv1_1x1": "expand",
    "norm1": "norm_expand",
    "conv2_kxk": "depthwise",
    "norm2": "norm_depthwise",
    "se.fc1": "squeeze_excite.squeeze",
    "se.fc2": "squeeze_excite.excite",
    "conv3_1x1": "project",
}
CHANNEL_NAMES = {"cpe.0.proj": "position1", "cpe.1.proj": "position2"}
SAME_NAMES = ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
ATTENTION_NAMES = {"attn_block": "local", "attn_channel": "channel", "attn_grid": "grid"}


def haar_filters(model: nn.Module) -> dict[str, Tensor]:
    """The wavelet stem's fixed taps, which the published layout stores."""
    root = 0.5**0.5
    return {"dwt_l2.w_l": torch.tensor([[root, root]]), "dwt_l2.w_h": torch.tensor([[root, -root]])}


WSFVIT_VIDEO = KeyMap(
    rules=(
        ("norm", "stem.norm"),
        *SPATIAL_RULES,
        *((f"{BLOCK}.conv.{theirs}", f"{OWN_BLOCK}.mbconv.{ours}") for theirs, ours in MBCONV_NAMES.items()),
        *((f"{BLOCK}.attn_channel.{theirs}", f"{OWN_BLOCK}.channel.{ours}") for theirs, ours in CHANNEL_NAMES.items()),
        *(
            (f"{BLOCK}.{theirs}.{name}", f"{OWN_BLOCK}.{ours}.{name}")
            for theirs, ours in ATTENTION_NAMES.items()
            for name in SAME_NAMES
        ),
        *(
            (f"{BLOCK}.{theirs}.attn.rel_pos.relative_position_bias_table", f"{OWN_BLOCK}.{ours}.attn.position_bias")
            for theirs, ours in ATTENTION_NAMES.items()
        ),
    ),
    constants=haar_filters,
)
