"""Whether all contestants of a case compute the same numbers, and the right gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from peers.contestant import Contestant, flat

__all__ = ["ForwardBackward", "gradient_error", "value_error"]


def value_error(contestant: Contestant, wanted: Sequence[Tensor], x: Tensor) -> float:
    """Largest difference from the wanted bands, relative to the largest wanted value."""
    with torch.no_grad():
        bands = contestant.bands(contestant.run(*contestant.arguments(x)))
    if len(bands) != len(wanted):
        return float("inf")
    scale = max(band.abs().max().item() for band in wanted)
    differences = (_difference(band.detach().cpu(), other) for band, other in zip(bands, wanted, strict=True))
    return max(differences) / scale


def _difference(band: Tensor, wanted: Tensor) -> float:
    if band.shape != wanted.shape:
        return float("inf")
    return (band.to(wanted.dtype) - wanted).abs().max().item()


def gradient_error(contestant: Contestant, yardstick: Contestant, x: Tensor) -> float:
    """How far the gradient is from the transform's adjoint, which the yardstick's forward transform defines.

    For a linear transform T and any direction v, the gradient g of `<T x, w>` satisfies `<g, v> = <T v, w>`.
    """
    generator = torch.Generator().manual_seed(1)
    v = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    direction = yardstick.bands(yardstick.run(*yardstick.arguments(v)))
    weights = [torch.randn(band.shape, generator=generator, dtype=band.dtype) for band in direction]
    x = x.detach().requires_grad_()
    bands = contestant.bands(contestant.run(*contestant.arguments(x)))
    (gradient,) = torch.autograd.grad(bands, x, weights)
    wanted = sum(torch.sum(weight.conj() * band).real.item() for weight, band in zip(weights, direction, strict=True))
    # Along a random direction errors of single values cancel by their square root; relative to the norms they do not
    # hide.
    return abs((gradient * v).sum().item() - wanted) / (gradient.norm().item() * v.norm().item()) * x.numel() ** 0.5


class ForwardBackward:
    """The forward transform and the gradient of its arguments as one function; weights are drawn beforehand."""

    def __init__(self, contestant: Contestant, x: Tensor) -> None:
        arguments = contestant.arguments(x.detach())
        self.arguments = [argument.detach().requires_grad_() for argument in arguments]
        self.run = contestant.run
        self.weights = [torch.randn_like(tensor) for tensor in flat(self.run(*self.arguments))]

    def __call__(self) -> tuple[Tensor, ...]:
        return torch.autograd.grad(flat(self.run(*self.arguments)), self.arguments, self.weights)
