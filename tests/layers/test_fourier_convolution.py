"""Fast Fourier convolutions against the published graph: all splits of channels, options, gradients, export."""

import pytest
import torch
from torch import nn

from published import fourier_convolution as published
from subband.layers import FFC, FFCNormAct, FFCResidualBlock


def maps(rng, channels, size=(8, 8)):
    """Local and global map, None for one without channels."""
    return tuple(torch.randn(2, count, *size, generator=rng) if count else None for count in channels)


@pytest.mark.parametrize(
    ("ratio_in", "ratio_out", "options"),
    [
        (0.0, 0.0, {"padding": 1}),
        (0.0, 0.5, {"padding": 1}),
        (0.5, 0.5, {"padding": 1}),
        (0.5, 0.0, {"padding": 1}),
        (0.5, 1.0, {"padding": 1}),
        (1.0, 0.5, {"padding": 1}),
        (1.0, 1.0, {"padding": 1}),
        (0.5, 0.5, {"padding": 1, "gated": True}),
        (0.5, 0.5, {"padding": 1, "stride": 2}),
        (0.5, 0.5, {"padding": 2, "dilation": 2, "bias": True, "with_local_unit": False}),
        (0.5, 0.5, {"padding": 1, "groups": 4}),
    ],
)
def test_published_graph(rng, ratio_in, ratio_out, options):
    ours = FFC(16, 32, 3, ratio_in=ratio_in, ratio_out=ratio_out, **options)
    names = {"with_local_unit": "enable_lfu"}
    theirs = published.FFC(16, 32, 3, ratio_in, ratio_out, **{names.get(k, k): v for k, v in options.items()})
    theirs.load_state_dict(ours.state_dict())
    given = maps(rng, ours.channels)
    inputs = [tuple(None if x is None else x.clone().requires_grad_() for x in given) for _ in range(2)]
    found = ours(inputs[0])
    wanted = theirs(tuple(0 if x is None else x for x in inputs[1]))
    for a, b in zip(found, wanted, strict=True):
        if a is None:
            assert isinstance(b, int)
        else:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    for outputs in (found, wanted):
        sum(x.square().sum() for x in outputs if isinstance(x, torch.Tensor)).backward()
    pairs = [(x.grad, y.grad) for x, y in zip(*inputs, strict=True) if x is not None]
    pairs += [(p.grad, q.grad) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)]
    for a, b in pairs:
        assert (a - b).abs().max() <= 1e-4 * b.abs().max()


def test_one_tensor_is_local(rng):
    layer = FFC(4, 16, 3, ratio_out=0.5, padding=1).eval()
    x = torch.randn(1, 4, 8, 8, generator=rng)
    for a, b in zip(layer(x), layer((x, None)), strict=True):
        assert torch.equal(a, b)


def test_norm_and_activation_follow_each_map(rng):
    layer = FFCNormAct(FFC(8, 16, 3, ratio_in=0.5, ratio_out=0.5, padding=1), 16, 0.5, act_layer=nn.SiLU)
    pair = maps(rng, (4, 4))
    inner = layer.ffc(pair)
    for found, x, norm in zip(layer(pair), inner, (layer.bn_l, layer.bn_g), strict=True):
        torch.testing.assert_close(found, nn.functional.silu(norm(x)))
    assert {name.split(".")[0] for name in layer.state_dict()} == {"ffc", "bn_l", "bn_g"}
    assert FFCNormAct(FFC(4, 4, 1), 4, 0.0)(pair[0])[1] is None


def test_block_adds_its_input(rng):
    block = FFCResidualBlock(16, dilation=2).eval()
    pair = maps(rng, (4, 12))
    inner = block.conv2(block.conv1(pair))
    for found, x, y in zip(block(pair), pair, inner, strict=True):
        torch.testing.assert_close(found, x + y)
    assert {name.split(".")[0] for name in block.state_dict()} == {"conv1", "conv2"}


def test_lama_block_has_the_published_number_of_parameters():
    """Worked out by hand for 512 channels, three quarters of them global, without local units."""
    with torch.device("meta"):
        block = FFCResidualBlock(512)
    local, whole = 128, 384
    convolutions = 9 * (local * local + 2 * local * whole)
    spectral = whole * whole // 2 * 2 + 2 * (whole // 2) + whole * whole + 2 * whole
    assert sum(p.numel() for p in block.parameters()) == 2 * (convolutions + spectral + 2 * 512)


def test_errors():
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got 1\.5 and 0\.0"):
        FFC(4, 4, 3, ratio_in=1.5)
    with pytest.raises(ValueError, match=r"gates need local and global channels at both ends, got 0\.0 and 0\.5"):
        FFC(4, 16, 3, ratio_out=0.5, gated=True)
    with pytest.raises(ValueError, match=r"x must have \(2, 2\) local and global channels, got \(4, 0\)"):
        FFC(4, 4, 3, ratio_in=0.5)(torch.zeros(1, 4, 8, 8))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(rng, check_onnx):
    check_onnx(FFCResidualBlock(16).eval(), maps(rng, (4, 12)))
