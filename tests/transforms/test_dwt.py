"""The one-level wavelet transform against PyWavelets, and as a citizen of PyTorch."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

from subband.transforms import MODES, dwt, dwt2, dwtn, idwt, idwt2, idwtn

WAVELETS = pywt.wavelist(kind="discrete")
SOME_WAVELETS = ["haar", "db2", "sym5", "coif1", "bior2.2", "rbio3.3", "dmey"]
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 13, 16, 33, 64)


def relative_error(ours: Tensor, expected: np.ndarray, scale: float) -> float:
    assert ours.shape == expected.shape
    return float(np.abs(ours.numpy() - expected).max()) / scale


def check_against_pywavelets(wavelet: str, rng: torch.Generator) -> None:
    for mode, length in itertools.product(MODES, LENGTHS):
        if length == 1 and mode in ("reflect", "antireflect"):
            continue
        x = torch.randn(2, length, generator=rng, dtype=torch.float64)
        approx, detail = dwt(x, wavelet, mode)
        expected = pywt.dwt(x.numpy(), wavelet, mode)
        scale = max(np.abs(expected).max(), x.abs().max().item())
        where, restored = f"mode {mode}, {length} samples", idwt(approx, detail, wavelet, mode)
        assert relative_error(approx, expected[0], scale) < 1e-12, where
        assert relative_error(detail, expected[1], scale) < 1e-12, where
        assert relative_error(restored, pywt.idwt(*expected, wavelet, mode), scale) < 1e-12, where


@pytest.mark.parametrize("wavelet", SOME_WAVELETS)
def test_some_wavelets_in_every_mode_and_length(wavelet: str, rng: torch.Generator) -> None:
    check_against_pywavelets(wavelet, rng)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["db", "sym", "coif", "bior", "rbio"])
def test_every_other_wavelet_in_every_mode_and_length(family: str, rng: torch.Generator, case: Callable) -> None:
    for wavelet in pywt.wavelist(family):
        if wavelet not in SOME_WAVELETS:
            with case(wavelet):
                check_against_pywavelets(wavelet, rng)


def test_every_discrete_wavelet_belongs_to_a_family_that_is_tested() -> None:
    families = ("haar", "db", "sym", "coif", "bior", "rbio", "dmey")
    assert {name for family in families for name in pywt.wavelist(family)} == set(WAVELETS)


@pytest.mark.parametrize("mode", ["zero", "symmetric", "periodization"])
def test_several_axes(mode: str, rng: torch.Generator, case: Callable) -> None:
    every_axes = ((1, 2, 3), (3, 1, 2), (-1, 0), (2, 0), (2,), None)
    for axes, wavelet in itertools.product(every_axes, ("haar", "db2", "bior4.4")):
        with case(wavelet, axes):
            check_several_axes(axes, wavelet, mode, rng)


def check_several_axes(axes: tuple[int, ...] | None, wavelet: str, mode: str, rng: torch.Generator) -> None:
    x = torch.randn(3, 5, 6, 7, generator=rng, dtype=torch.float64)
    bands = dwtn(x, wavelet, mode, axes)
    expected = pywt.dwtn(x.numpy(), wavelet, mode, axes)
    assert list(bands) == sorted(expected)
    for key, band in bands.items():
        assert relative_error(band, expected[key], 1.0) < 1e-12
    inverse = idwtn(bands, wavelet, mode, axes)
    assert relative_error(inverse, pywt.idwtn(expected, wavelet, mode, axes), 1.0) < 1e-12
    stacked = dwtn(x, wavelet, mode, axes, stack=1)
    assert torch.equal(stacked, torch.stack(list(bands.values()), 1))
    size = [x.shape[axis] for axis in (range(4) if axes is None else axes)]
    torch.testing.assert_close(idwtn(stacked, wavelet, mode, axes, size, stack=1), x, rtol=0, atol=1e-10)


def test_wavelet_and_mode_per_axis(rng: torch.Generator) -> None:
    x = torch.randn(2, 9, 7, generator=rng, dtype=torch.float64)
    options = (("db3", "haar"), ("smooth", "periodization"), (2, 1))
    bands, expected = dwtn(x, *options), pywt.dwtn(x.numpy(), *options)
    for key, band in bands.items():
        assert relative_error(band, expected[key], 1.0) < 1e-12
    torch.testing.assert_close(idwtn(bands, *options, size=(7, 9)), x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_dwt2_is_nested_as_in_pywavelets_or_stacked(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 7, 10, generator=rng, dtype=torch.float64)
    approx, details = dwt2(x, wavelet, stack=None)
    expected_approx, expected_details = pywt.dwt2(x.numpy(), wavelet)
    for ours, expected in zip((approx, *details), (expected_approx, *expected_details), strict=True):
        assert relative_error(ours, expected, 1.0) < 1e-12
    stacked = dwt2(x, wavelet)
    horizontal, vertical, diagonal = details
    assert torch.equal(stacked, torch.stack((approx, vertical, horizontal, diagonal), 2))
    for coeffs in (stacked, (approx, details)):
        torch.testing.assert_close(idwt2(coeffs, wavelet, size=(7, 10)), x, rtol=0, atol=1e-12)


def test_lh_is_low_along_the_width_and_high_along_the_height() -> None:
    stripes = torch.tensor([1.0, -1.0]).repeat(4)[:, None].expand(8, 8)  # alternate from row to row
    bands = dwtn(stripes)
    assert [key for key, band in bands.items() if band.abs().max() > 1e-6] == ["da"]


def test_missing_bands_are_zeros(rng: torch.Generator) -> None:
    approx, detail = dwt(torch.randn(3, 10, generator=rng, dtype=torch.float64), "db2")
    zeros = torch.zeros_like(approx)
    assert torch.equal(idwt(approx, None, "db2"), idwt(approx, zeros, "db2"))
    assert torch.equal(idwt(None, detail, "db2"), idwt(zeros, detail, "db2"))
    image = torch.randn(4, 6, generator=rng, dtype=torch.float64)
    low, (da, ad, dd) = dwt2(image, "db2", stack=None)
    zeros = torch.zeros_like(low)
    assert torch.equal(idwt2((low, None), "db2"), idwt2((low, (zeros, zeros, zeros)), "db2"))
    assert torch.equal(idwt2((None, (da, None, dd)), "db2"), idwt2((zeros, (da, zeros, dd)), "db2"))
    assert torch.equal(idwtn({"ad": ad}, "db2"), idwtn({"aa": zeros, "ad": ad, "da": None, "dd": zeros}, "db2"))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
@pytest.mark.parametrize("wavelet", ["haar", "db4"])
def test_lower_precision(dtype: torch.dtype, tolerance: float, wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 13, 18, generator=rng, dtype=torch.float64).to(dtype)
    bands = dwt2(x, wavelet)
    assert bands.dtype == dtype
    reference = dwt2(x.double(), wavelet)
    assert (bands.double() - reference).abs().max() < tolerance * reference.abs().max()
    if dtype != torch.float32:  # rounded once, from a float32 result
        assert torch.equal(bands, dwt2(x.float(), wavelet).to(dtype))
    assert idwt2(bands, wavelet, size=(13, 18)).dtype == dtype


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_complex_input(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(5, 6, generator=rng, dtype=torch.complex128)
    bands = dwt2(x, wavelet)
    torch.testing.assert_close(bands, torch.complex(dwt2(x.real, wavelet), dwt2(x.imag, wavelet)))
    torch.testing.assert_close(idwt2(bands, wavelet, size=(5, 6)), x)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_autocast_keeps_float32(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(1, 2, 8, 8, generator=rng)
    with torch.autocast("cpu", torch.bfloat16):
        bands = dwt2(x, wavelet)
        restored = idwt2(bands, wavelet)
    assert torch.equal(bands, dwt2(x, wavelet))
    assert torch.equal(restored, idwt2(bands, wavelet))


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_memory_layout_does_not_matter(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 8, 10, generator=rng)
    expected = dwt2(x, wavelet)
    for other in (x.contiguous(memory_format=torch.channels_last), x.flip(3).flip(3), x.mT.contiguous().mT):
        torch.testing.assert_close(dwt2(other, wavelet), expected)
    torch.testing.assert_close(dwt2(x[..., ::2], wavelet), dwt2(x[..., ::2].contiguous(), wavelet))


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_empty_batch(wavelet: str) -> None:
    x = torch.zeros(0, 3, 7, 6, requires_grad=True)
    bands = dwt2(x, wavelet)
    assert bands.shape[:3] == (0, 3, 4)
    assert idwt2(bands, wavelet, size=(7, 6)).shape == x.shape
    assert dwtn(torch.zeros(6, 0), wavelet, axes=(0,))["a"].numel() == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("wavelet", "length"), [("haar", 5), ("db2", 6), ("db3", 3)])
def test_gradients_are_right(mode: str, wavelet: str, length: int, rng: torch.Generator) -> None:
    x = torch.randn(2, length, generator=rng, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: dwt(x, wavelet, mode), (x,), check_forward_ad=True)
    assert gradgradcheck(lambda x: dwt(x, wavelet, mode), (x,))
    approx, detail = (band.detach().requires_grad_() for band in dwt(x, wavelet, mode))
    assert gradcheck(lambda a, d: idwt(a, d, wavelet, mode), (approx, detail), check_forward_ad=True)
    assert gradgradcheck(lambda a, d: idwt(a, d, wavelet, mode), (approx, detail))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_backward_is_the_adjoint(mode: str, wavelet: str, rng: torch.Generator) -> None:
    """<Tx, y> = <x, T'y> for random x and y, T' being the backward pass."""
    x = torch.randn(2, 3, 7, 9, generator=rng, dtype=torch.float64, requires_grad=True)
    bands = dwt2(x, wavelet, mode)
    y = torch.randn(bands.shape, generator=rng, dtype=torch.float64)
    (adjoint,) = torch.autograd.grad(bands, x, y)
    torch.testing.assert_close((bands * y).sum(), (x * adjoint).sum(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_function_transforms(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(4, 2, 5, 8, generator=rng)
    expected = torch.stack([dwt2(x[:, i], wavelet) for i in range(2)])
    torch.testing.assert_close(torch.vmap(lambda x: dwt2(x, wavelet), in_dims=1)(x), expected)
    value, tangent = torch.func.jvp(lambda x: dwt2(x, wavelet), (x,), (2 * x,))
    torch.testing.assert_close(tangent, 2 * value)
    grads = torch.vmap(torch.func.grad(lambda x: dwt2(x, wavelet).square().sum()))(x)
    wanted = torch.func.grad(lambda x: dwt2(x, wavelet).square().sum())(x)
    torch.testing.assert_close(grads, wanted)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    wavelet=st.sampled_from(["haar", "db2", "db5", "bior2.2"]),
    mode=st.sampled_from(["zero", "constant", "symmetric", "antisymmetric", "periodic", "smooth", "periodization"]),
    data=st.data(),
)
def test_perfect_reconstruction(shape: list[int], wavelet: str, mode: str, data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=3, unique=True))
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    size = [shape[axis] for axis in axes]
    restored = idwtn(dwtn(x, wavelet, mode, axes), wavelet, mode, axes, size)
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: dwt(x, "haarr"), "closest are"),
        (lambda x: dwt(x, mode="mirror"), "mode must be one of"),
        (lambda x: dwt(x, axis=4), "axes must lie within"),
        (lambda x: dwtn(x, axes=(1, -1)), "axes must be different"),
        (lambda x: dwtn(x, ["haar"]), r"wavelet must be one wavelet or one per axis"),
        (lambda x: dwtn(x[:, :0]), "at least one sample"),
        (lambda x: dwtn(x[:, :1], mode="reflect"), "at least two samples"),
        (lambda x: dwtn(x, stack=3), "stack must lie within"),
        (lambda x: idwtn(dwtn(x), stack=0), "stack must be given with a stacked tensor"),
        (lambda x: idwtn(dwtn(x, stack=0)), "stack must be given with a stacked tensor"),
        (lambda x: idwtn(dwtn(x, stack=0)[:3], stack=0), "must have 4 bands"),
        (lambda x: idwtn({}), "at least one band"),
        (lambda x: idwtn({"aa": None}), "at least one band"),
        (lambda x: idwtn({"ab": x}), "keys of 2 letters"),
        (lambda x: idwtn({"aa": x, "dd": x[1:]}), "agree in shape"),
        (lambda x: idwtn(dwtn(x), size=(5, 6)), r"size must be one number per axis, equal to or one below \[4, 6\]"),
        (lambda x: idwtn(dwtn(x), size=(2, 6)), "size must be"),
        (lambda x: idwtn(dwtn(x), size=(4,)), "size must be"),
        (lambda x: idwt(x[:, :1], x[:, :1], "db4"), "at least 4 samples"),
    ],
)
def test_errors_name_the_argument_and_the_rule(call: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(4, 6))


def test_integers_are_a_type_error() -> None:
    for call in (lambda x: dwt(x), lambda x: idwt(x, x), lambda x: idwtn(x, axes=(1,), stack=0)):
        with pytest.raises(TypeError, match=r"\.float\(\)"):
            call(torch.zeros(2, 4, dtype=torch.int32))


class RoundTrip(nn.Module):
    """Haar in three dimensions and back, and a longer filter along one axis."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        axes = (-3, -2, -1)
        bands = dwtn(x, axes=axes, stack=2)
        return idwtn(2 * bands, axes=axes, size=x.shape[-3:], stack=2), dwt(x, "db2")[0]


@pytest.mark.slow
def test_compiles_with_dynamic_sizes_and_inside_checkpoints(rng: torch.Generator) -> None:
    def forward(x: Tensor) -> Tensor:
        return torch.utils.checkpoint.checkpoint(dwt2, x, use_reentrant=False)

    compiled = torch.compile(forward, fullgraph=True, dynamic=True, backend="aot_eager")
    for side in (6, 8, 12):
        x = torch.randn(2, 3, side, side + 4, generator=rng)
        torch.testing.assert_close(compiled(x), dwt2(x))


@pytest.mark.slow
def test_exports_with_dynamic_sizes(rng: torch.Generator) -> None:
    auto = torch.export.Dim.AUTO
    shapes = ({0: auto, 3: auto, 4: auto},)
    program = torch.export.export(RoundTrip(), (torch.randn(2, 2, 4, 6, 8, generator=rng),), dynamic_shapes=shapes)
    x = torch.randn(3, 2, 4, 10, 12, generator=rng)
    torch.testing.assert_close(program.module()(x), RoundTrip()(x))


class ThereAndBack(nn.Module):
    """One level with a longer filter, and back."""

    def forward(self, x: Tensor) -> Tensor:
        return idwt2(dwt2(x, "db2").tanh(), "db2", size=x.shape[-2:])


@pytest.mark.slow
def test_longer_filters_compile_with_dynamic_sizes(rng: torch.Generator) -> None:
    compiled = torch.compile(ThereAndBack(), fullgraph=True, dynamic=True, backend="aot_eager")
    for size in ((20, 30), (24, 32)):
        x = torch.randn(2, 3, *size, generator=rng, requires_grad=True)
        ours, expected = compiled(x), ThereAndBack()(x)
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
        grads = [torch.autograd.grad(out.square().sum(), x) for out in (ours, expected)]
        torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_longer_filters_export_with_dynamic_even_sizes(rng: torch.Generator) -> None:
    height, width = torch.export.Dim("half_height", min=8, max=99), torch.export.Dim("half_width", min=8, max=99)
    shapes = ({0: torch.export.Dim("batch"), 2: 2 * height, 3: 2 * width},)
    program = torch.export.export(ThereAndBack(), (torch.randn(2, 3, 40, 48, generator=rng),), dynamic_shapes=shapes)
    x = torch.randn(3, 3, 50, 62, generator=rng)
    torch.testing.assert_close(program.module()(x), ThereAndBack()(x), rtol=1e-5, atol=1e-5)
