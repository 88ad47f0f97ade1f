"""One level of the wavelet transform as operators that a compiler calls."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from subband.transforms import Wavelet, dwt, dwt2, idwt2, wavedec2
from subband.transforms import _operators as operators
from subband.transforms._filter_bank import Axis

AXES = (
    Axis(-2, Wavelet("db2").filter_bank, "symmetric"),
    Axis(-1, Wavelet("bior2.2").filter_bank, "periodization"),
)


def analyze(x: Tensor, stack: int | None) -> tuple[Tensor, ...]:
    bands = operators.analysis(x, AXES, stack)
    return bands if isinstance(bands, tuple) else (bands,)


@pytest.mark.parametrize("stack", [None, -1, -4])
def test_derivatives_of_every_order(stack: int | None, rng: torch.Generator) -> None:
    x = torch.randn(1, 5, 7, generator=rng, dtype=torch.float64, requires_grad=True)
    bands = [band.detach().requires_grad_() for band in analyze(x, stack)]
    for function, inputs in (
        (lambda signal: analyze(signal, stack), [x]),
        (lambda *parts: operators.synthesis(parts, AXES, stack), bands),
    ):
        assert gradcheck(function, inputs)
        assert gradgradcheck(function, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("stack", [None, -1])
def test_keep_the_rules_of_operators(stack: int | None, rng: torch.Generator) -> None:
    x = torch.randn(2, 7, 9, generator=rng, requires_grad=True)
    bands = [band.detach().requires_grad_() for band in analyze(x, stack)]
    plain = operators._plain(AXES)
    torch.library.opcheck(operators._analysis, (x, *plain, stack))
    for lengths in (None, [7, 9]):
        torch.library.opcheck(operators._synthesis, (bands, *plain, stack, lengths))


def there_and_back(x: Tensor) -> Tensor:
    return wavedec2(x, "db2", level=2).inverse()


def stacked(x: Tensor) -> Tensor:
    return idwt2(dwt2(x, "db2", stack=-1).tanh(), "db2", size=x.shape[-2:], stack=-1)


def calls_of(function: Callable[..., Any], x: Tensor, *, dynamic: bool | None) -> int:
    """Compile, compare with the plain function, and count calls of our operators."""
    counts = []

    def backend(graph: torch.fx.GraphModule, _: list[Any]) -> Callable[..., Any]:
        counts.append(sum("subband" in str(node.target) for node in graph.graph.nodes))
        return graph.forward

    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, dynamic=dynamic, backend=backend)
    ours, expected = compiled(x), function(x)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    if x.requires_grad:
        gradients = [torch.autograd.grad(y.square().sum(), x)[0] for y in (ours, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
    assert len(counts) == 1
    return counts[0]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_any_size_is_one_call_a_level(dtype: torch.dtype, rng: torch.Generator) -> None:
    x = torch.randn(2, 20, 31, generator=rng, dtype=dtype, requires_grad=not dtype.is_complex)
    assert calls_of(there_and_back, x, dynamic=True) == 4


@pytest.mark.slow
def test_stacked_bands_are_one_call(rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 20, 31, generator=rng).to(memory_format=torch.channels_last).requires_grad_()
    assert calls_of(stacked, x, dynamic=True) == 2


@pytest.mark.slow
def test_autocast_changes_nothing(rng: torch.Generator) -> None:
    def in_region(x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return there_and_back(x)

    assert calls_of(in_region, torch.randn(20, 31, generator=rng, requires_grad=True), dynamic=True) == 4


@pytest.mark.slow
def test_fixed_lengths_and_functional_transforms_are_sums(rng: torch.Generator) -> None:
    x = torch.randn(3, 20, 31, generator=rng)
    assert calls_of(there_and_back, x, dynamic=False) == 0
    assert calls_of(torch.func.vmap(there_and_back), x, dynamic=True) == 0


@pytest.mark.slow
def test_a_batch_of_any_size_is_sums(rng: torch.Generator) -> None:
    x = torch.randn(3, 20, 31, generator=rng)
    torch._dynamo.mark_dynamic(x, 0)
    assert calls_of(lambda image: dwt2(image, "db2"), x, dynamic=None) == 0


@pytest.mark.slow
def test_exported_programs_know_none_of_them(rng: torch.Generator) -> None:
    class Level(torch.nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return dwt(x, "db2")

    x, shapes = torch.randn(3, 16, generator=rng), ({1: 2 * torch.export.Dim("half", min=8, max=99)},)
    program = torch.export.export(Level(), (x,), dynamic_shapes=shapes, strict=True)
    assert "subband" not in str([node.target for node in program.graph.nodes])


@pytest.mark.slow
def test_numbers_of_haar_are_no_variables(rng: torch.Generator) -> None:
    """A compiler for any size starts again where it has taken a constant for a variable."""
    names: list[str] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
        names.extend(node.name for node in graph.graph.nodes if node.op == "placeholder")
        return graph.forward

    torch.compiler.reset()
    torch.compile(there_and_back, fullgraph=True, dynamic=True, backend=backend)(torch.randn(20, 31, generator=rng))
    assert not [name for name in names if "taps" in name or "HAAR" in name or name.startswith("zf")]
