"""Linear layers and convolutions with their GELU: the numbers and gradients of the plain form."""

import pytest
import torch
from torch.nn import functional as F

from subband.layers.attention import Mlp
from subband.layers.fused import conv2d_gelu, linear, linear_gelu


@pytest.mark.parametrize("gelu", ["none", "tanh"])
@pytest.mark.parametrize("is_recording", [False, True])
def test_gelu_of_a_linear_layer(rng, gelu, is_recording):
    x, weight, bias = (torch.randn(*shape, generator=rng) for shape in ((2, 5, 7), (4, 7), (4,)))
    with torch.set_grad_enabled(is_recording):
        found = linear_gelu(x, weight, bias, gelu=gelu)
    expected = F.gelu(F.linear(x.double(), weight.double(), bias.double()), approximate=gelu)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gelu", ["none", "tanh"])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_gelu_of_a_convolution(rng, gelu, groups, memory_format):
    x = torch.randn(2, 4, 7, 6, generator=rng).to(memory_format=memory_format)
    weight, bias = torch.randn(4, 4 // groups, 3, 3, generator=rng), torch.randn(4, generator=rng)
    with torch.no_grad():
        found = conv2d_gelu(x, weight, bias, stride=2, padding=1, groups=groups, gelu=gelu)
    expected = F.gelu(F.conv2d(x, weight, bias, 2, 1, groups=groups), approximate=gelu)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("has_bias", [True, False])
def test_gradients_are_those_of_the_plain_layer(rng, has_bias):
    x = torch.randn(2, 3, 5, generator=rng).transpose(0, 1).requires_grad_()
    weight = torch.randn(4, 5, generator=rng).requires_grad_()
    wanted = [x, weight, *([torch.randn(4, generator=rng).requires_grad_()] if has_bias else [])]
    found, expected = (
        torch.autograd.grad(layer(*wanted).pow(3).sum(), wanted, create_graph=True) for layer in (linear, F.linear)
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    second, expected = (
        torch.autograd.grad(sum(g.square().sum() for g in first), wanted) for first in (found, expected)
    )
    torch.testing.assert_close(second, expected, rtol=1e-3, atol=1e-2)


def test_transforms_and_other_dtypes_take_the_plain_way(rng):
    x, weight = torch.randn(3, 5, generator=rng), torch.randn(4, 5, generator=rng)
    torch.testing.assert_close(torch.func.vmap(lambda row: linear(row, weight))(x), x @ weight.T)
    _, slope = torch.func.jvp(lambda row: linear(row, weight), (x,), (x,))
    torch.testing.assert_close(slope, x @ weight.T)
    assert linear_gelu(x.bfloat16(), weight.bfloat16()).dtype == torch.bfloat16
    assert linear_gelu(x.double(), weight.double()).dtype == torch.float64
    with torch.no_grad():
        assert linear_gelu(x[:0], weight).shape == (0, 4)


def traced(function, *inputs):
    """Result of the compiled function, and the operators in its graph."""
    torch._dynamo.reset()
    operators = []

    def record(graph, inputs):
        operators.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    return torch.compile(function, backend=record, fullgraph=True)(*inputs), operators


def two_layers(x, inner, outer, bias):
    return linear(linear_gelu(x, inner, bias, gelu="tanh"), outer)


def test_a_compiled_evaluation_multiplies_with_the_same_library(rng):
    values = [torch.randn(*shape, generator=rng) for shape in ((2, 5, 7), (4, 7), (3, 4), (4,))]
    plain = F.linear(F.gelu(F.linear(values[0], values[1], values[3]), approximate="tanh"), values[2])
    opaque = "subband.linear_pointwise.default"
    with torch.no_grad():
        found, operators = traced(two_layers, *values)
        assert operators.count(opaque) == 2
        torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            assert opaque not in traced(two_layers, *values)[1]
    assert opaque not in traced(two_layers, *values)[1]  # gradients may be wanted
    with torch.no_grad():
        exported = torch.export.export(Mlp(7, 4), (values[0],))
    assert "aten.linear" in str(exported.graph)
    assert opaque not in str(exported.graph)


@pytest.mark.parametrize("in_dims", [(0, None, None, None), (1, None, None, None), (0, 0, None, 0), (None, 0, 0, None)])
def test_a_compiled_evaluation_can_be_mapped(rng, in_dims):
    shapes = [(2, 5, 7), (4, 7), (3, 4), (4,)]
    values = []
    for shape, axis in zip(shapes, in_dims, strict=True):
        value = torch.randn(6, *shape, generator=rng)
        values.append(value[0] if axis is None else value.movedim(0, axis))
    mapped = torch.vmap(two_layers, in_dims)
    with torch.no_grad():
        torch._dynamo.reset()
        found = torch.compile(mapped, backend="aot_eager")(*values)
        torch.testing.assert_close(found, mapped(*values), rtol=1e-5, atol=1e-5)
