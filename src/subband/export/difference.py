"""How far an exported file is from its network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["largest_difference"]


def largest_difference(
    model: nn.Module, file: Callable[[Tensor], Tensor], inputs: Tensor, *, dynamic_batch: bool = False
) -> float:
    """Compare the output of a network with that of its file.

    Args:
        model: Network in evaluation mode.
        file: The exported file as a function.
        inputs: A batch.
        dynamic_batch: Also compare on one sample, and on twice as many.

    Returns:
        Largest absolute difference, as a share of the largest output.
    """
    batches = [inputs, inputs[:1], torch.cat([inputs, inputs.flip(0)])] if dynamic_batch else [inputs]
    with torch.no_grad():
        return max(_difference(model(batch), file(batch)) for batch in batches)


def _difference(wanted: Tensor, found: Tensor) -> float:
    difference, largest = (wanted - found).abs().max().item(), wanted.abs().max().item()
    return difference / largest if largest else difference
