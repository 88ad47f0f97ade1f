"""Networks as `torch.export` programs."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch import nn

from subband.export.difference import largest_difference
from subband.models.arguments import Inputs, as_arguments

__all__ = ["export_program"]


def export_program(model: nn.Module, inputs: Inputs, path: Path, *, dynamic_batch: bool = False) -> float:
    """Write a `torch.export` program, load it again and compare.

    Args:
        model: Network in evaluation mode.
        inputs: Example of what it is called with; shapes are fixed in the file.
        path: File to write.
        dynamic_batch: Leave the first axis of all of them open; the example needs at least two samples then.

    Returns:
        Largest absolute difference between the outputs of file and network, as a share of the largest output.
    """
    arguments, batch = as_arguments(inputs), torch.export.Dim("batch")
    shapes = ({0: batch},) * len(arguments) if dynamic_batch else None
    with torch.no_grad():
        content = io.BytesIO()  # written by Python, since PyTorch ends the process when the disk is full
        torch.export.save(torch.export.export(model, arguments, dynamic_shapes=shapes), content)
        path.write_bytes(content.getbuffer())
        return largest_difference(model, torch.export.load(path).module(), arguments, dynamic_batch=dynamic_batch)
