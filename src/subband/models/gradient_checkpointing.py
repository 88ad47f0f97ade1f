"""Gradient checkpointing: blocks are computed again in the backward pass instead of keeping what they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


@contextmanager
def frozen_averages(model: nn.Module) -> Iterator[None]:
    """Leave the running averages of all batch norms alone: recomputing a block must not count a batch twice."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counts = [None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone() for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None and count is not None:
                norm.num_batches_tracked.copy_(count)


def checkpointed(model: nn.Module, block: Callable[..., Tensor], *args: Tensor) -> Tensor:
    """Run a block of a model; under gradient checkpointing if `model.grad_checkpointing` is on and gradients wanted."""
    if model.grad_checkpointing and torch.is_grad_enabled():
        return checkpoint(block, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), frozen_averages(model)))
    return block(*args)
