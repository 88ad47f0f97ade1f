"""Networks of timm as what gives the maps of a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from subband.extras import names_extra

__all__ = ["timm_stages"]


class ChannelsFirst(nn.Module):
    """A network whose maps have their channels last, the other way round.

    Args:
        network: Images to maps `(B, H, W, C)`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of images `x`, `(B, C, H, W)` each."""
        return [item.movedim(-1, 1) for item in self.network(x)]


def timm_stages(name: str, args: Mapping[str, Any], reductions: Sequence[int]) -> tuple[nn.Module, list[int]]:
    """A network of timm with fresh weights that gives some of its maps.

    Args:
        name: Of timm's.
        args: Arguments for `timm.create_model`.
        reductions: How many times smaller than images the maps are.

    Returns:
        The network, images `(B, 3, H, W)` to maps `(B, C, H, W)`, and their channels.

    Raises:
        ValueError: If timm has no such network, or it has not such maps.
        ImportError: If timm is not installed.
    """
    with names_extra("backbones of timm need"):
        import timm
    if name not in timm.list_models():
        raise ValueError(f"backbone: timm has no model {name!r}.")
    with torch.device("meta"):  # a look at its maps alone
        whole: Any = timm.create_model(name, features_only=True, **{**args, "pretrained": False})
    found = whole.feature_info.reduction()
    if not set(reductions) <= set(found):
        raise ValueError(f"backbone 'timm:{name}' has maps {found} times smaller than images, not {list(reductions)}.")
    indices = tuple(len(found) - 1 - found[::-1].index(reduction) for reduction in reductions)
    network: Any = timm.create_model(name, features_only=True, out_indices=indices, **args)
    is_last = str(getattr(network, "output_fmt", "")).endswith("NHWC")
    return ChannelsFirst(network) if is_last else network, network.feature_info.channels()
