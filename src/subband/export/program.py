"""Networks as `torch.export` programs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from subband.export.difference import largest_difference

__all__ = ["export_program"]


def export_program(model: nn.Module, inputs: Tensor, path: Path, *, dynamic_batch: bool = False) -> float:
    """Write a `torch.export` program, load it again and compare.

    Args:
        model: Network in evaluation mode that takes one tensor.
        inputs: Example; its shape is fixed in the file.
        path: File to write.
        dynamic_batch: Leave the first axis open; the example needs at least two samples then.

    Returns:
        Largest absolute difference between the outputs of file and network, as a share of the largest output.
    """
    shapes = ({0: torch.export.Dim("batch")},) if dynamic_batch else None
    with torch.no_grad():
        torch.export.save(torch.export.export(model, (inputs,), dynamic_shapes=shapes), path)
        return largest_difference(model, torch.export.load(path).module(), inputs, dynamic_batch=dynamic_batch)
