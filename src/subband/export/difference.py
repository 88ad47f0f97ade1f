"""How far an exported file is from its network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from subband.models.arguments import Inputs, as_arguments, first_output

__all__ = ["largest_difference"]


def largest_difference(
    model: nn.Module, file: Callable[..., Tensor], inputs: Inputs, *, dynamic_batch: bool = False
) -> float:
    """Compare the output of a network with that of its file, the first where there are several.

    Args:
        model: Network in evaluation mode.
        file: The exported file as a function.
        inputs: A batch, what both are called with.
        dynamic_batch: Also compare on one sample, and on twice as many.

    Returns:
        Largest absolute difference, as a share of the largest output.
    """
    given = as_arguments(inputs)
    batches = [given]
    if dynamic_batch:
        batches += [tuple(t[:1] for t in given), tuple(torch.cat([t, t.flip(0)]) for t in given)]
    with torch.no_grad():
        return max(_difference(first_output(model(*batch)), first_output(file(*batch))) for batch in batches)


def _difference(wanted: Tensor, found: Tensor) -> float:
    difference, largest = (wanted - found).abs().max().item(), wanted.abs().max().item()
    return difference / largest if largest else difference
