"""Whether a graph is being recorded for a file."""

import torch

__all__ = ["is_exporting"]

# PyTorch 2.6 does not tell exporting from compiling; what an exported graph needs does no harm in a compiled one.
is_exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
