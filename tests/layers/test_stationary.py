"""The stationary wavelet modules against PyWavelets and against the stem of WSF-ViT."""

import math

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from subband.layers.band_layout import is_channels_last
from subband.layers.stationary import ISWT1d, ISWT2d, ISWT3d, SWT1d, SWT2d, SWT3d
from subband.transforms import extend

LAYOUTS = ("bands", "channels", "interleaved", "split", "batch")
MODULES = {1: (SWT1d, ISWT1d), 2: (SWT2d, ISWT2d), 3: (SWT3d, ISWT3d)}
SHAPES = {1: (16,), 2: (8, 12), 3: (4, 8, 12)}


def in_bands(out: Tensor | tuple[Tensor, Tensor], layout: str, channels: int, num_axes: int) -> Tensor:
    """Any layout as `(B, C, S, *)`."""
    if layout == "bands":
        return out
    if layout == "split":
        return torch.cat([out[0].unsqueeze(2), out[1]], 2)
    if layout == "batch":
        return torch.stack(out.chunk(out.shape[0] // 2, 0), 2)
    if layout == "interleaved":
        return out.unflatten(1, (channels, -1))
    return torch.stack(out.split(channels, 1), 2)


@pytest.mark.parametrize("num_axes", [1, 2, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wavelet", ["haar", "db3"])
def test_bands_of_two_levels_are_those_of_pywavelets(num_axes, layout, wavelet, rng):
    analysis, synthesis = MODULES[num_axes]
    x = torch.randn(2, 3, *SHAPES[num_axes], generator=rng, dtype=torch.float64)
    approx, *levels = pywt.swtn(x.numpy(), wavelet, 2, axes=range(-num_axes, 0), trim_approx=True)
    expected = np.stack([approx, *(band for level in levels for _, band in sorted(level.items()))], 2)
    out = analysis(wavelet, levels=2, layout=layout)(x)
    np.testing.assert_allclose(in_bands(out, layout, 3, num_axes), expected, rtol=0, atol=1e-12)
    assert all(tensor.is_contiguous() for tensor in tree_leaves(out))
    restored = synthesis(wavelet, levels=2, layout=layout)(out)
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_order_signs_and_scale(layout, rng):
    x = torch.randn(2, 3, 8, 8, generator=rng, dtype=torch.float64)
    options = {"levels": 2, "layout": layout, "order": ("aa", "da", "dd", "ad"), "signs": (1, -1, 1, -1), "scale": 0.5}
    out = in_bands(SWT2d("db2", **options)(x), layout, 3, 2)
    approx, coarse, fine = pywt.swtn(x.numpy(), "db2", 2, axes=(-2, -1), trim_approx=True, norm=True)
    signed = [
        (coarse, "da", -1),
        (coarse, "dd", 1),
        (coarse, "ad", -1),
        (fine, "da", -1),
        (fine, "dd", 1),
        (fine, "ad", -1),
    ]
    expected = np.stack([approx, *(sign * level[key] for level, key, sign in signed)], 2)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(out.square().sum(), x.square().sum())  # orthogonal and normalized
    torch.testing.assert_close(ISWT2d("db2", **options)(SWT2d("db2", **options)(x)), x, rtol=0, atol=1e-12)


def test_inverse_of_changed_bands_is_that_of_pywavelets(rng):
    coeffs = torch.randn(2, 3, 7, 8, 8, generator=rng, dtype=torch.float64)
    keys = ("ad", "da", "dd")
    levels = [{key: coeffs[:, :, first + i].numpy() for i, key in enumerate(keys)} for first in (1, 4)]
    expected = pywt.iswtn([coeffs[:, :, 0].numpy(), *levels], "db2", axes=(-2, -1))
    np.testing.assert_allclose(ISWT2d("db2", levels=2)(coeffs), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", ["zero", "constant", "symmetric", "reflect", "smooth"])
@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_other_borders(mode, wavelet, rng):
    """The transform of a signal that was extended by far more than the filters reach."""
    x = torch.randn(2, 3, 7, 10, generator=rng, dtype=torch.float64)
    wide = extend(extend(x, 16, 16 + 1, mode, -2), 16, 16 + 6, mode, -1)
    approx, *levels = pywt.swtn(wide.numpy(), wavelet, 2, axes=(-2, -1), trim_approx=True)
    expected = np.stack([approx, *(band for level in levels for _, band in sorted(level.items()))], 2)
    out = SWT2d(wavelet, mode, levels=2)(x)
    np.testing.assert_allclose(out, expected[..., 16 : 16 + 7, 16 : 16 + 10], rtol=0, atol=1e-11)
    assert out.is_contiguous()


def published_stem(x: Tensor) -> Tensor:
    """Filter circularly on a zero-padded square power of two and crop, as WSF-ViT does by FFT."""
    height, width = x.shape[-2:]
    side = 2 ** math.ceil(math.log2(max(height, width)))
    padded = torch.zeros(*x.shape[:2], side, side, dtype=x.dtype)
    padded[..., :height, :width] = x

    def pair(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        spectrum = torch.fft.fft(x, dim=axis)
        turn = torch.exp(2j * math.pi * torch.fft.fftfreq(side, dtype=x.dtype))  # the sample after
        shape = [side if i == axis else 1 for i in range(4)]
        following = torch.fft.ifft(spectrum * turn.reshape(shape), dim=axis).real
        return (following + x) / math.sqrt(2), (following - x) / math.sqrt(2)

    bands = [band for half in pair(padded, 3) for band in pair(half, 2)]  # first letter: width
    return torch.cat(bands, 1)[..., :height, :width]


@pytest.mark.parametrize(
    ("mode", "size"),
    [("periodic", (8, 8)), ("periodic", (16, 16)), ("zero", (7, 12)), ("zero", (6, 5))],
)
def test_wsf_vit(mode, size, rng):
    x = torch.randn(2, 3, *size, generator=rng, dtype=torch.float64)
    module = SWT2d(mode=mode, layout="channels", order=("aa", "da", "ad", "dd"), signs=(1, -1, -1, 1))
    torch.testing.assert_close(module(x), published_stem(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layouts_dtypes_and_empty_batches(layout, rng):
    analysis, synthesis = SWT2d("db2", layout=layout), ISWT2d("db2", layout=layout)
    x = torch.randn(2, 3, 8, 12, generator=rng)
    expected = analysis(x)
    out = analysis(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(tree_leaves(out), tree_leaves(expected))
    restored = synthesis(out)
    torch.testing.assert_close(restored, x)
    if layout in ("channels", "split", "batch"):
        assert all(is_channels_last(tensor, 1) for tensor in [*tree_leaves(out), restored])
    torch.testing.assert_close(tree_leaves(analysis(x.flip(3).mT)), tree_leaves(analysis(x.flip(3).mT.contiguous())))
    assert all(tensor.dtype == torch.bfloat16 for tensor in tree_leaves(analysis(x.bfloat16())))
    with torch.autocast("cpu", torch.bfloat16):
        inside = analysis(x)
    assert all(map(torch.equal, tree_leaves(inside), tree_leaves(expected)))
    assert synthesis(analysis(x[:0])).shape == (0, 3, 8, 12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SWT2d("haarr"), "closest are"),
        (lambda: SWT2d(mode="periodization"), "mode must be one of zero"),
        (lambda: SWT2d(levels=0), "levels must be at least 1"),
        (lambda: SWT2d(signs=(1,)), "signs must be 4 numbers"),
        (lambda: ISWT2d(levels=2)(torch.zeros(1, 1, 4, 8, 8)), "number of bands 7"),
        (lambda: SWT2d(levels=2)(torch.zeros(1, 1, 8, 6)), "divisible"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class RoundTrip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.analysis = SWT2d("db2", levels=2, layout="channels")
        self.synthesis = ISWT2d("db2", levels=2, layout="channels")
        self.stem = SWT2d(mode="zero", layout="channels", signs=(1, -1, -1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bands = self.analysis(x)
        return bands, self.synthesis(2 * bands), self.stem(x)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(rng, check_onnx):
    check_onnx(RoundTrip(), torch.randn(2, 3, 8, 12, generator=rng))
