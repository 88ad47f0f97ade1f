"""Linear maps as autograd functions."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from subband.transforms._linear import LinearMap, apply


@dataclass(frozen=True)
class Differences(LinearMap):
    """Two tensors to the tuple of their first differences, the second one tripled."""

    def eager(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        first, second = tensors
        result = torch.empty_like(first[..., 1:]), torch.empty_like(second[..., 1:])
        torch.sub(first[..., 1:], first[..., :-1], out=result[0])
        torch.sub(3 * second[..., 1:], 3 * second[..., :-1], out=result[1])
        return result

    def traced(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tensors[0].diff(), 3 * tensors[1].diff()

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return Sums()


@dataclass(frozen=True)
class Sums(LinearMap):
    """Adjoint of `Differences`."""

    def eager(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self.traced(*tensors)

    def traced(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        zero = torch.zeros_like(tensors[0][..., :1])
        spread = [torch.cat((zero, t), -1) - torch.cat((t, zero), -1) for t in tensors]
        return spread[0], 3 * spread[1]

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return Differences()


def both(first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
    return apply(Differences(), first, second)


def test_derivatives_of_every_order(rng: torch.Generator) -> None:
    inputs = [torch.randn(2, 5, generator=rng, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert gradcheck(both, inputs, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(both, inputs)


def test_batching(rng: torch.Generator) -> None:
    first, second = torch.randn(3, 2, 5, generator=rng), torch.randn(2, 5, generator=rng)
    ours = torch.func.vmap(both, in_dims=(0, None))(first, second)
    for band, row in zip(zip(*ours, strict=True), first, strict=True):
        torch.testing.assert_close(band, both(row, second))
    at_the_end = torch.func.vmap(both, in_dims=(2, None), out_dims=1)(first.movedim(0, 2), second)
    torch.testing.assert_close(at_the_end[0], ours[0].movedim(0, 1))


def test_gradients_of_batches(rng: torch.Generator) -> None:
    first, second = torch.randn(3, 5, generator=rng), torch.randn(3, 5, generator=rng)

    def loss(a: Tensor, b: Tensor) -> Tensor:
        one, two = both(a, b)
        return (one * two).sum()

    per_sample = torch.func.vmap(torch.func.grad(loss))(first, second)
    first.requires_grad_()
    torch.testing.assert_close(per_sample, torch.autograd.grad(loss(first, second), first)[0])


@pytest.mark.slow
def test_compiles_with_and_without_gradients(rng: torch.Generator) -> None:
    inputs = [torch.randn(2, 5, generator=rng) for _ in range(2)]
    compiled = torch.compile(both, fullgraph=True, backend="aot_eager")
    expected = both(*inputs)
    torch.testing.assert_close(compiled(*inputs), expected)
    for tensor in inputs:
        tensor.requires_grad_()
    sums = [sum(part.square().sum() for part in parts) for parts in (compiled(*inputs), both(*inputs))]
    torch.testing.assert_close(torch.autograd.grad(sums[0], inputs), torch.autograd.grad(sums[1], inputs))
