"""Weights with which networks for restoration begin: features keep their size through all layers, so that they learn.

Source: He et al., Delving Deep into Rectifiers, ICCV 2015. With PyTorch's own weights the features of a deep network
without norms fade to a thousandth, and its corrections with them.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

__all__ = ["he_weights", "zero_weights"]

DAMPING = 0.3  # of the branches of residual blocks


def he_weights(network: nn.Module, branch_ends: Iterable[nn.Conv2d], *, slope: float = 0.0) -> None:
    """Give the convolutions of a network He's weights and no biases; those that are zero stay so.

    Args:
        network: Changed in place.
        branch_ends: Last convolutions of residual branches, which begin weaker.
        slope: Of the rectifiers between convolutions, for negative values.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and not part.weight.is_meta and part.weight.any():
            nn.init.kaiming_normal_(part.weight, a=slope)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for conv in branch_ends:
        conv.weight.data.mul_(DAMPING)


def zero_weights(layer: nn.Module) -> None:
    """Let a last layer give zeros, so that a fresh network changes nothing."""
    for value in layer.parameters():
        nn.init.zeros_(value)
