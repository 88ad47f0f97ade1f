"""Weights of timm's plain vision transformers without a class token, and ours for timm.

timm's network is `VisionTransformer(class_token=False, global_pool="avg", fc_norm=False)`, as its models with `gap` in
their name are. A position table of another image size is resized, and the patch embedding adapted to `in_chans`, as for
GFNet. The file does not say what happens between the weights: GELU is the exact one and norms have an epsilon of 1e-6,
both timm's defaults; some of its networks (`vit_so400m_patch16_siglip_gap_256`) have the other GELU and must not be
loaded.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from subband.convert._input_channels import fit_channels
from subband.convert._keymap import KeyMap
from subband.convert.gfnet import fit_input, flatten_position_grid

__all__ = ["VIT"]

# What other networks of timm's class have; the first part of a name.
OTHER_PARTS = {
    "cls_token": "a class token",
    "fc_norm": "its last norm after the mean",
    "attn_pool": "attention pooling",
}


def arrange(state: dict[str, Tensor], options: dict[str, Any], source: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Refuse the other networks that timm builds of the same class.

    Args:
        state: Published names and values.
        options: Arguments that were given.
        source: What error messages call the checkpoint.

    Returns:
        Both as they are.

    Raises:
        ValueError: If the file has a part that this network has not.
    """
    for part, words in OTHER_PARTS.items():
        if any(key.partition(".")[0] == part for key in state):
            raise ValueError(
                f"{source} has {words}, which this ViT has not; timm's with class_token=False, global_pool='avg' and "
                "fc_norm=False fit."
            )
    return state, options


def fit_images(key: str, value: Tensor, wanted: torch.Size) -> Tensor | None:
    """A position table or patch embedding in the shape that a model has for its images.

    Args:
        key: Our name.
        value: What the checkpoint has; tables `(1, N, D)`.
        wanted: Shape of ours; tables `(1, H, W, D)`.

    Returns:
        A value of the wanted shape; None for other tensors and for networks of another width.
    """
    return fit_channels(value, wanted) if key == "embed.weight" else fit_input(key, value, wanted)


VIT = KeyMap(
    rules=(("patch_embed.proj", "embed"), ("blocks.{i}.attn", "blocks.{i}.attention"), ("", "")),
    fit=fit_images,
    publish=flatten_position_grid,
    arrange=arrange,
)
