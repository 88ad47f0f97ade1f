"""The wavelet modules against PyWavelets and against the layers of published models."""

import itertools
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from subband.layers.band_layout import is_channels_last
from subband.layers.wavelet import DWT1d, DWT2d, DWT3d, IDWT1d, IDWT2d, IDWT3d
from subband.transforms import MODES, Wavelet
from subband.transforms.coeffs import Coeffs

LAYOUTS = ("bands", "channels", "interleaved", "split", "batch")
MODULES = {1: (DWT1d, IDWT1d), 2: (DWT2d, IDWT2d), 3: (DWT3d, IDWT3d)}
UNSORTED = {1: ("d", "a"), 2: ("da", "aa", "dd", "ad"), 3: ("ddd", "aaa", "dda", "aad", "ada", "dad", "add", "daa")}
SHAPES = {1: (11,), 2: (11, 12), 3: (5, 6, 7)}


def bands_of(out: Any, layout: str, num_bands: int, num_axes: int, low: int) -> list[Tensor]:
    """Single bands `(B, C, *)` from any layout by plain indexing; `low` is the place of the approximation."""
    if layout == "split":
        highs = list(out[1].unbind(-num_axes - 1))
        return [*highs[:low], out[0], *highs[low:]]
    if layout == "bands":
        return [out.select(-num_axes - 1, s) for s in range(num_bands)]
    if layout == "batch":
        return list(out.chunk(num_bands, 0))
    if layout == "channels":
        return list(out.chunk(num_bands, 1))
    return [out[:, s::num_bands] for s in range(num_bands)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("num_axes", [1, 2, 3])
@pytest.mark.parametrize("wavelet", ["haar", "db3"])
def test_every_layout_holds_the_bands_of_pywavelets(layout, num_axes, wavelet, rng):
    analysis, synthesis = MODULES[num_axes]
    x = torch.randn(2, 3, *SHAPES[num_axes], generator=rng, dtype=torch.float64)
    expected = pywt.dwtn(x.numpy(), wavelet, "reflect", axes=range(-num_axes, 0))
    order = UNSORTED[num_axes]
    signs = [(-1) ** (i // 2) for i in range(len(order))]
    for options, keys, factors in (
        ({}, sorted(order), [1.0] * len(order)),
        ({"order": order, "signs": signs, "scale": 0.5}, order, [0.5 * sign for sign in signs]),
    ):
        module = analysis(wavelet, "reflect", layout=layout, **options)
        out = module(x)
        bands = bands_of(out, layout, len(order), num_axes, list(keys).index("a" * num_axes))
        for key, factor, band in zip(keys, factors, bands, strict=True):
            np.testing.assert_allclose(band, factor * expected[key], rtol=0, atol=1e-12)
        assert all(band.is_contiguous() for band in tree_leaves(out))
        inverse = synthesis(wavelet, "reflect", layout=layout, **options)
        torch.testing.assert_close(inverse(out, size=SHAPES[num_axes]), x, rtol=0, atol=1e-12)
        assert not module.state_dict()
        assert not inverse.state_dict()


@pytest.mark.parametrize("layout", LAYOUTS[1:])
@pytest.mark.parametrize("num_axes", [1, 2, 3])
def test_several_levels(layout, num_axes, rng):
    """The loop over levels written out, with weights applied to what the next level sees."""
    analysis, synthesis = MODULES[num_axes]
    x = torch.randn(2, 3, *(13, 18, 21)[:num_axes], generator=rng, dtype=torch.float64)
    options = {"wavelet": "db2", "mode": "zero", "layout": layout, "order": UNSORTED[num_axes], "scale": 0.25}
    axes = range(-num_axes, 0)
    low, expected = x.numpy(), []
    for _ in range(2):
        bands = {key: 0.25 * band for key, band in pywt.dwtn(low, "db2", "zero", axes).items()}
        low = bands.pop("a" * num_axes)
        expected.insert(0, [bands[key] for key in UNSORTED[num_axes] if key in bands])
    approx, highs = analysis(levels=2, **options)(x)
    np.testing.assert_allclose(approx, low, atol=1e-13)
    assert isinstance(highs, tuple)
    for high, bands in zip(highs, expected, strict=True):
        parts = bands_of(high, "bands" if layout == "split" else layout, len(bands), num_axes, 0)
        for part, band in zip(parts, bands, strict=True):
            np.testing.assert_allclose(part, band, atol=1e-13)
    restored = synthesis(levels=2, **options)((approx, highs), size=x.shape[2:])
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_axes", [1, 2, 3])
def test_several_levels_of_bands_are_a_container(num_axes, rng):
    analysis, synthesis = MODULES[num_axes]
    x = torch.randn(2, 3, *(13, 18, 21)[:num_axes], generator=rng, dtype=torch.float64)
    coeffs = analysis("db2", levels=2)(x)
    assert isinstance(coeffs, Coeffs)
    expected = pywt.wavedecn(x.numpy(), "db2", level=2, axes=range(-num_axes, 0))
    np.testing.assert_allclose(coeffs.approx, expected[0], atol=1e-12)
    for ours, theirs in zip(coeffs[1:], expected[1:], strict=True):
        for key, band in theirs.items():
            np.testing.assert_allclose(ours if num_axes == 1 else ours[key], band, atol=1e-12)
    for restored in (synthesis("db2", levels=2)(coeffs), coeffs.inverse()):
        torch.testing.assert_close(restored, x, rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(2, 14), min_size=2, max_size=2),
    wavelet=st.sampled_from(["haar", "db2", "bior2.2", "sym4"]),
    mode=st.sampled_from(MODES),
    levels=st.integers(1, 3),
    layout=st.sampled_from(LAYOUTS[1:]),
)
def test_round_trips(shape, wavelet, mode, levels, layout):
    if min(shape) < 2 ** (levels - 1) + 1 and mode in ("reflect", "antireflect"):
        return  # a coarser level would have a single sample
    x = torch.randn(2, 3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    options = (wavelet, mode, levels, layout)
    restored = IDWT2d(*options)(DWT2d(*options)(x), size=shape)
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-9)


def test_wavelets_and_modes_per_axis_and_custom_banks(rng):
    x = torch.randn(2, 1, 9, 8, generator=rng, dtype=torch.float64)
    wavelets, modes = ("db3", "haar"), ("smooth", "periodization")
    expected = pywt.dwtn(x.numpy(), wavelets, modes, axes=(2, 3))
    bands = DWT2d(wavelets, modes)(x)
    for s, key in enumerate(sorted(expected)):
        np.testing.assert_allclose(bands[:, :, s], expected[key], atol=1e-12)
    bank = pywt.Wavelet("db3").filter_bank
    for wavelet in (pywt.Wavelet("db3"), bank, Wavelet("mine", filter_bank=bank), [list(taps) for taps in bank]):
        torch.testing.assert_close(DWT2d((wavelet, "haar"), modes)(x), bands, rtol=0, atol=1e-14)


def test_leading_axes_are_free(rng):
    x = torch.randn(5, 2, 3, 8, 6, generator=rng)
    bands = DWT2d("db2")(x)
    assert bands.shape == (5, 2, 3, 4, 5, 4)
    torch.testing.assert_close(bands[3], DWT2d("db2")(x[3]))
    torch.testing.assert_close(DWT2d("db2")(x[0, 0, 0]), bands[0, 0, 0])
    torch.testing.assert_close(IDWT2d("db2")(bands), x)
    assert DWT2d("db2", layout="channels")(x).shape == (5, 2, 12, 5, 4)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wavelet", ["haar", "db2"])
@pytest.mark.parametrize("levels", [1, 2])
def test_channels_last(layout, wavelet, levels, rng):
    options = {"wavelet": wavelet, "levels": levels, "layout": layout}
    analysis, synthesis = DWT2d(**options), IDWT2d(**options)
    x = torch.randn(2, 3, 12, 14, generator=rng)
    expected = analysis(x)
    x_last = x.to(memory_format=torch.channels_last).requires_grad_()
    out = analysis(x_last)
    torch.testing.assert_close(tree_leaves(out), tree_leaves(expected))
    restored = synthesis(out, size=(12, 14))
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-5)
    if layout in ("channels", "split", "batch"):
        assert all(is_channels_last(tensor, 1) for tensor in tree_leaves(out))
        assert is_channels_last(restored, 1)
    (grad,) = torch.autograd.grad(restored.sum(), x_last)
    torch.testing.assert_close(grad, torch.ones_like(grad), rtol=0, atol=1e-5)


def test_channels_last_3d(rng):
    x = torch.randn(1, 2, 4, 6, 8, generator=rng)
    out = DWT3d(layout="channels")(x.to(memory_format=torch.channels_last_3d))
    assert out.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(out, DWT3d(layout="channels")(x))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_strides_and_empty_batches(layout, rng):
    module, inverse = DWT2d("db2", layout=layout), IDWT2d("db2", layout=layout)
    x = torch.randn(4, 3, 16, 9, generator=rng)
    for view in (x[::2, :, ::2], x.mT, x.flip(2).transpose(0, 1)):
        expected = module(view.contiguous())
        torch.testing.assert_close(tree_leaves(module(view)), tree_leaves(expected))
    empty = module(x[:0])
    assert sum(tensor.numel() for tensor in tree_leaves(empty)) == 0
    assert inverse(empty, size=(16, 9)).shape == (0, 3, 16, 9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 8e-3), (torch.float16, 1e-3)])
@pytest.mark.parametrize("layout", ["bands", "split"])
def test_dtypes(dtype, tolerance, layout, rng):
    x = torch.randn(2, 3, 16, 16, generator=rng, dtype=torch.float64)
    expected = tree_leaves(DWT2d("db2", layout=layout)(x.to(dtype).double()))
    out = tree_leaves(DWT2d("db2", layout=layout)(x.to(dtype)))
    for ours, wanted in zip(out, expected, strict=True):
        assert ours.dtype == dtype
        assert (ours.double() - wanted).abs().max() <= tolerance * wanted.abs().max()
    assert DWT2d()(torch.randn(1, 2, 4, 4, dtype=torch.complex64)).dtype == torch.complex64
    with pytest.raises(TypeError, match=r"\.float\(\)"):
        DWT2d(layout=layout)(torch.zeros(1, 1, 4, 4, dtype=torch.uint8))


def test_autocast(rng):
    """In float32 for float32 input; a network around the module may run in bfloat16."""
    x = torch.randn(2, 3, 8, 8, generator=rng)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), DWT2d("db2", layout="channels"))
    with torch.autocast("cpu", torch.bfloat16):
        bands, inner = DWT2d("db2")(x), network(x)
    assert torch.equal(bands, DWT2d("db2")(x))
    assert inner.dtype == torch.bfloat16
    torch.testing.assert_close(inner.float(), network(x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_function_transforms(layout, rng):
    module = DWT2d("db2", layout=layout)
    clips = torch.randn(4, 2, 3, 8, 9, generator=rng)
    for batch in (clips, clips.transpose(1, 2).contiguous().transpose(1, 2)):
        batched = tree_leaves(torch.vmap(module)(batch))
        single = zip(*(tree_leaves(module(clip)) for clip in clips), strict=True)
        torch.testing.assert_close(batched, [torch.stack(tensors) for tensors in single])
    images = clips[0].to(memory_format=torch.channels_last)
    value, tangent = torch.func.jvp(module, (images,), (3 * images,))
    torch.testing.assert_close([3 * tensor for tensor in tree_leaves(value)], tree_leaves(tangent))


def test_modules_survive_copies_and_have_no_state(rng):
    network = nn.Sequential(DWT2d("db2", layout="channels"), nn.Conv2d(4, 4, 1), IDWT2d("db2", layout="channels"))
    assert list(network.state_dict()) == ["1.weight", "1.bias"]
    assert "wavelet='db2', mode='symmetric', levels=1, layout='channels'" in repr(network)
    assert network.double()(torch.randn(1, 1, 8, 8, generator=rng, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DWT2d("haarr"), "closest are"),
        (lambda: DWT2d(("haar",)), "one per axis"),
        (lambda: DWT2d(mode="mirror"), "mode must be one of"),
        (lambda: DWT2d(mode=("zero",)), "mode must be one name or one per axis"),
        (lambda: DWT2d(levels=0), "levels must be at least 1"),
        (lambda: DWT1d(order=("aa", "dd")), "order must hold each of a, d once"),
        (lambda: DWT2d(levels=2, scale=0.5), "order, signs and scale need one level"),
        (lambda: IDWT2d()(torch.zeros(1, 1, 3, 4, 4)), "number of bands 4"),
        (
            lambda: IDWT2d(levels=2, layout="split")(DWT2d(layout="split")(torch.zeros(1, 1, 8, 8))),
            "must have 2 levels",
        ),
        (lambda: IDWT2d()(torch.zeros(1, 1, 4, 4, 4), size=(9, 8)), "size must be"),
    ],
)
def test_errors(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# The layers of published models, each written out from its formula.


def banded_convolution(x: Tensor, wavelet: str, keys: list[str]) -> list[Tensor]:
    """Strided convolution with outer products of taps after zero padding, the transform inside WaST."""
    n = len(keys[0])
    taps = {"a": pywt.Wavelet(wavelet).dec_lo, "d": pywt.Wavelet(wavelet).dec_hi}
    length = len(taps["a"])
    pad: list[int] = []
    for size in reversed(x.shape[2:]):
        side = (2 * length - 3) // 2
        pad += [side, side + size % 2]
    kernels = []
    for key in keys:
        kernel = torch.ones((), dtype=x.dtype)
        for letter in key:
            kernel = kernel[..., None] * torch.tensor(taps[letter][::-1], dtype=x.dtype)
        kernels.append(kernel)
    convolve = {2: F.conv2d, 3: F.conv3d}[n]
    flat = F.pad(x, pad).flatten(0, 1)[:, None]
    return [convolve(flat, kernel[None, None], stride=2)[:, 0].unflatten(0, x.shape[:2]) for kernel in kernels]


@pytest.mark.parametrize("wavelet", ["haar", "db2", "bior2.2"])
def test_wast_2d(wavelet, rng):
    x = torch.randn(2, 3, 9, 12, generator=rng, dtype=torch.float64)
    keys = ["aa", "da", "ad", "dd"]  # LL, LH, HL, HH
    bands = DWT2d(wavelet, "zero", order=keys)(x)
    torch.testing.assert_close(list(bands.unbind(2)), banded_convolution(x, wavelet, keys), rtol=0, atol=1e-12)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_wast_3d(wavelet, rng):
    x = torch.randn(2, 2, 5, 6, 8, generator=rng, dtype=torch.float64)
    keys = ["".join(letters) for letters in itertools.product("ad", repeat=3)]
    bands = DWT3d(wavelet, "zero")(x)
    torch.testing.assert_close(list(bands.unbind(2)), banded_convolution(x, wavelet, keys), rtol=0, atol=1e-12)
    if wavelet == "haar":  # the published inverse is the transposed convolution without a crop: one longer for odd T
        corners = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=x.dtype) / 2**0.5
        kernels = torch.einsum("at,bh,cw->abcthw", corners, corners, corners).reshape(8, 1, 2, 2, 2)
        published = F.conv_transpose3d(bands.flatten(0, 1), kernels, stride=2)[:, 0].unflatten(0, x.shape[:2])
        torch.testing.assert_close(IDWT3d(wavelet, "zero")(bands), published, rtol=0, atol=1e-12)
        torch.testing.assert_close(published[:, :, :5], x, rtol=0, atol=1e-12)


def corners(x: Tensor) -> tuple[Tensor, ...]:
    """Top left, top right, bottom left and bottom right of all 2x2 patches."""
    return x[..., 0::2, 0::2], x[..., 0::2, 1::2], x[..., 1::2, 0::2], x[..., 1::2, 1::2]


def test_vd_diff_layer(rng):
    x = torch.randn(2, 3, 8, 6, generator=rng)
    tl, tr, bl, br = corners(x)
    ll, hl = (tl + tr + bl + br) / 2, (tr + br - tl - bl) / 2
    lh, hh = (bl + br - tl - tr) / 2, (tl - tr - bl + br) / 2
    options = {"layout": "batch", "signs": (1, -1, -1, 1)}
    out = DWT2d(**options)(x)
    torch.testing.assert_close(out, torch.cat([ll, hl, lh, hh], 0), rtol=0, atol=1e-6)
    torch.testing.assert_close(IDWT2d(**options)(out), x, rtol=0, atol=1e-6)


def test_vd_diff_haar_downsampling(rng):
    x = torch.randn(2, 3, 8, 6, generator=rng)
    signs = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])  # aa, ad, da, dd
    kernels = signs.view(4, 1, 2, 2)
    per_channel = F.conv2d(x.flatten(0, 1)[:, None], kernels / 4, stride=2).unflatten(0, (2, 3))  # (B, C, 4, h, w)
    options = {"layout": "channels", "scale": 0.5}
    out = DWT2d(**options)(x)
    low, high = out[:, :3], out[:, 3:]
    torch.testing.assert_close(low, per_channel[:, :, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(high, per_channel[:, :, 1:].transpose(1, 2).flatten(1, 2), rtol=0, atol=1e-6)
    published = F.conv_transpose2d(per_channel.flatten(0, 1), kernels, stride=2)[:, 0].unflatten(0, (2, 3))
    torch.testing.assert_close(IDWT2d(**options)(out), published, rtol=0, atol=1e-6)
    torch.testing.assert_close(published, x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("wavelet", ["haar", "db3"])
def test_pytorch_wavelets(wavelet, rng):
    x = torch.randn(2, 3, 41, 40, generator=rng, dtype=torch.float64)
    low, highs = DWT2d(wavelet, "zero", 3, "split", order=("aa", "da", "ad", "dd"))(x)
    approx, *coarsest_first = pywt.wavedec2(x.numpy(), wavelet, "zero", level=3)
    np.testing.assert_allclose(low, approx, atol=1e-12)
    for high, bands in zip(highs[::-1], coarsest_first[::-1], strict=True):  # yh is finest first
        np.testing.assert_allclose(high, np.stack(bands, 2), atol=1e-12)


def test_ptwt(rng):
    x = torch.randn(2, 21, 20, generator=rng, dtype=torch.float64)
    coeffs = DWT2d("db3", "reflect", levels=2)(x)
    approx, *details = pywt.wavedec2(x.numpy(), "db3", "reflect", level=2)  # there, too: horizontal, vertical, diagonal
    np.testing.assert_allclose(coeffs[0], approx, atol=1e-12)
    for ours, theirs in zip(coeffs[1:], details, strict=True):
        for band, wanted in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(band, wanted, atol=1e-12)


# Exported graphs.


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(rng, check_onnx):
    modes = ("symmetric", "zero", "reflect", "smooth", "periodization")
    options = [("haar", "zero"), ("haar", "periodization"), *itertools.product(("db2",), modes)]
    modules = {f"{wavelet} in mode {mode}": DWT2d(wavelet, mode) for wavelet, mode in options}
    check_onnx(modules, torch.randn(2, 3, 11, 16, generator=rng))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx_of_the_inverse(rng, check_onnx):
    modules = {
        "haar": IDWT2d("haar"),
        "db3": IDWT2d("db3"),
        "db2 in mode periodization": IDWT2d("db2", "periodization"),
        "bands in another order": IDWT2d("db2", layout="bands", order=("da", "aa", "dd", "ad")),
    }
    check_onnx(modules, torch.randn(2, 3, 4, 7, 8, generator=rng))
