"""Images that a network draws; needs no extra."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from subband.tasks.generation.networks import as_images

__all__ = ["draw"]


def draw(
    model: Any,
    num: int,
    *,
    temperature: float = 1.0,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Images that a network draws, some at a time; the same for the same seed and batch size.

    Args:
        model: Network, on the device where it shall work.
        num: How many.
        temperature: Multiplies the scales of its prior.
        steps: Evaluations of a diffusion; its default if not given.
        sampler: Its sampler; likewise.
        seed: Chooses them.
        batch_size: How many at a time.
        progress: Called with the number of images that were drawn at a time.

    Returns:
        `(num, C, H, W)` in [0, 1], on the CPU.

    Raises:
        ValueError: If a number is not positive, the network has no prior, or an option is none of its.
    """
    if num < 1:
        raise ValueError(f"num must be positive, got {num}.")
    own = inspect.signature(model.sample).parameters
    given: dict[str, Any] = {} if temperature == 1 else {"temperature": temperature}
    given |= {name: value for name, value in (("steps", steps), ("sampler", sampler)) if value is not None}
    for name in given:
        if name not in own:
            usual = "leave it at 1" if name == "temperature" else "leave it out"
            raise ValueError(f"{type(model).__name__} has no {name}; {usual}.")
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    parts = []
    for start in range(0, num, batch_size):
        size = min(batch_size, num - start)
        parts.append(as_images(model, model.sample(size, generator=generator, **given)).cpu())
        if progress is not None:
            progress(size)
    return torch.cat(parts)
