"""The packet modules against PyWavelets."""

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor, nn

from subband.layers.band_layout import is_channels_last
from subband.layers.packets import (
    IWaveletPacket1d,
    IWaveletPacket2d,
    IWaveletPacket3d,
    WaveletPacket1d,
    WaveletPacket2d,
    WaveletPacket3d,
)
from subband.transforms import wavelet_packet

LAYOUTS = ("bands", "channels", "interleaved", "batch")
MODULES = {
    1: (WaveletPacket1d, IWaveletPacket1d, (21,)),
    2: (WaveletPacket2d, IWaveletPacket2d, (21, 18)),
    3: (WaveletPacket3d, IWaveletPacket3d, (9, 10, 8)),
}


def in_nodes(out: Tensor, layout: str, num_axes: int, order: str) -> Tensor:
    """Any layout as `(B, C, S, *)`."""
    if layout == "bands":
        return out.flatten(2, 1 + num_axes) if order == "freq" else out
    if layout == "interleaved":
        return out.unflatten(1, (3, -1))
    return torch.stack(out.split(3, 1) if layout == "channels" else out.split(2, 0), 2)


@pytest.mark.parametrize("order", ["freq", "natural"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_images(order, layout, rng):
    x = torch.randn(2, 3, 21, 18, generator=rng, dtype=torch.float64)
    tree = pywt.WaveletPacket2D(x.numpy(), "db2", "reflect", maxlevel=2, axes=(-2, -1))
    nodes = tree.get_level(2, order)
    expected = [node.data for row in nodes for node in row] if order == "freq" else [node.data for node in nodes]
    module = WaveletPacket2d("db2", "reflect", 2, layout, order=order)
    out = module(x)
    np.testing.assert_allclose(in_nodes(out, layout, 2, order), np.stack(expected, 2), rtol=0, atol=1e-12)
    restored = IWaveletPacket2d("db2", "reflect", 2, layout, order=order)(out, size=(21, 18))
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-12)
    assert out.is_contiguous()
    assert not module.state_dict()


@pytest.mark.parametrize("num_axes", [1, 3])
@pytest.mark.parametrize("order", ["freq", "natural"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_signals_and_clips(num_axes, order, layout, rng):
    analysis, synthesis, shape = MODULES[num_axes]
    x = torch.randn(2, 3, *shape, generator=rng, dtype=torch.float64)
    levels = 3 if num_axes == 1 else 1
    out = analysis("haar", "zero", levels, layout, order=order)(x)
    if num_axes == 1:
        tree = pywt.WaveletPacket(x.numpy(), "haar", "zero", maxlevel=levels)
        expected = [node.data for node in tree.get_level(levels, order)]
    else:  # one level of three axes: both orders are that of the keys
        expected = [band for _, band in sorted(pywt.dwtn(x.numpy(), "haar", "zero", axes=(-3, -2, -1)).items())]
    np.testing.assert_allclose(in_nodes(out, layout, num_axes, order), np.stack(expected, 2), rtol=0, atol=1e-12)
    restored = synthesis("haar", "zero", levels, layout, order=order)(out, size=shape)
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layouts_dtypes_and_empty_batches(layout, rng):
    options = {"wavelet": "db2", "levels": 2, "layout": layout}
    analysis, synthesis = WaveletPacket2d(**options), IWaveletPacket2d(**options)
    x = torch.randn(2, 3, 16, 20, generator=rng)
    expected = analysis(x)
    out = analysis(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(out, expected)
    restored = synthesis(out, size=(16, 20))
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-5)
    if layout in ("channels", "batch"):
        assert is_channels_last(out, 1)
        assert is_channels_last(restored, 1)
    torch.testing.assert_close(analysis(x.mT), analysis(x.mT.contiguous()))
    assert analysis(x.bfloat16()).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(analysis(x), expected)
    assert synthesis(analysis(x[:0]), size=(16, 20)).shape == (0, 3, 16, 20)


def test_bands_are_the_function(rng):
    x = torch.randn(2, 3, 32, 32, generator=rng)
    assert torch.equal(WaveletPacket2d("db2", levels=2)(x), wavelet_packet(x, "db2", 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WaveletPacket2d("haarr"), "closest are"),
        (lambda: WaveletPacket2d(layout="split"), "layout must be one of bands, channels, interleaved, batch"),
        (lambda: WaveletPacket2d(layout="rows"), "layout must be one of"),
        (lambda: WaveletPacket2d(order="gray"), "order must be 'freq' or 'natural'"),
        (lambda: WaveletPacket2d(levels=0), "levels must be at least 1"),
        (lambda: WaveletPacket2d(mode="mirror"), "mode must be one of"),
        (lambda: IWaveletPacket2d(levels=2, layout="channels")(torch.zeros(1, 12, 4, 4)), "number of bands 16"),
        (lambda: IWaveletPacket2d(levels=2)(torch.zeros(1, 1, 2, 2, 4, 4)), r"must have axes \(4, 4\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class RoundTrip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.analysis = WaveletPacket2d("db2", levels=2, layout="channels")
        self.synthesis = IWaveletPacket2d("db2", levels=2, layout="channels")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        nodes = self.analysis(x)
        return nodes, self.synthesis(2 * nodes, x.shape[-2:])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(rng, check_onnx):
    """There with two filters, and back."""
    modules = {"haar": WaveletPacket2d("haar", levels=2), "db2 and back": RoundTrip()}
    check_onnx(modules, torch.randn(2, 3, 13, 12, generator=rng))
