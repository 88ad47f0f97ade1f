"""GFNet checkpoints, trained or fine-tuned at any image size.

Position table and filters of another image size than the model's are resized, as the published fine-tuning at 384
pixels does. A network with `in_chans` other than three takes the patch embedding of a file for three colors, as timm
does.
"""

import math

import torch
from torch import Tensor

from subband.convert._input_channels import fit_channels
from subband.convert._keymap import KeyMap
from subband.layers.spectral import resize_fourier_filter
from subband.models.gfnet import resize_position_grid

__all__ = ["GFNET", "GFNET_H"]


def fit_input(key: str, value: Tensor, wanted: torch.Size) -> Tensor | None:
    """A position table, filter or patch embedding of square color images in the shape that a model has for its images.

    Args:
        key: Our name.
        value: What the checkpoint has; tables `(1, N, D)`.
        wanted: Shape of ours; tables `(1, H, W, D)`.

    Returns:
        A value of the wanted shape; None for other tensors and for networks of another width.
    """
    if key == "pos_embed" and value.ndim == 3 and value.shape[-1] == wanted[-1]:
        side = math.isqrt(value.shape[1])
        if side * side == value.shape[1]:
            return resize_position_grid(value.unflatten(1, (side, side)), (wanted[1], wanted[2]))
    if key.endswith("complex_weight") and value.ndim == 4 and value.shape[2:] == wanted[2:]:
        return resize_fourier_filter(value, (wanted[0], 2 * wanted[1] - 2), layout="channels_last")
    return fit_channels(value, wanted) if key == "embeds.0.weight" else None


def flatten_position_grid(key: str, value: Tensor) -> Tensor:
    """Position tables as published, `(1, N, D)`; other values as they are.

    Raises:
        ValueError: If a table is not square: published files say nothing about its sides.
    """
    if key != "pos_embed":
        return value
    if value.shape[1] != value.shape[2]:
        raise ValueError(
            f"the published layout has square images only, not {value.shape[1]} x {value.shape[2]} patches."
        )
    return value.flatten(1, 2)


GFNET = KeyMap(
    rules=(("patch_embed.proj", "embeds.0"), ("blocks.{i}", "levels.0.{i}"), ("", "")),
    fit=fit_input,
    publish=flatten_position_grid,
)
GFNET_H = KeyMap(
    rules=(("patch_embed.{i}.proj", "embeds.{i}"), ("blocks.{i}.{j}", "levels.{i}.{j}"), ("", "")),
    fit=fit_input,
    publish=flatten_position_grid,
)
