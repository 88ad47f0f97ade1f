"""Several levels against PyWavelets, and as a citizen of PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.utils import _pytree as pytree

from subband.transforms import (
    MODES,
    Wavelet,
    wavedec,
    wavedec2,
    wavedec3,
    wavedecn,
    waverec,
    waverec2,
    waverec3,
    waverecn,
)

# Deep levels are wanted here; PyWavelets and subband both warn of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*(boundary effects|border reaches):UserWarning")

WAVELETS = ["haar", "db2", "db5", "sym4", "coif1", "bior2.2", "rbio3.1"]


def to_numpy(structure: Any) -> Any:
    """Plain structure with arrays in place of tensors."""
    return pytree.tree_map(lambda band: band.numpy(), structure)


def assert_equal(ours: list[Any], expected: list[Any]) -> None:
    """Same structure, same shapes, and 1e-12 of the largest coefficient."""
    expected = [dict(sorted(item.items())) if isinstance(item, dict) else item for item in expected]
    leaves, spec = pytree.tree_flatten(to_numpy(ours))
    wanted, wanted_spec = pytree.tree_flatten(expected)
    assert spec == wanted_spec
    scale = max(np.abs(band).max() for band in wanted)
    for band, reference in zip(leaves, wanted, strict=True):
        assert band.shape == reference.shape
        np.testing.assert_allclose(band, reference, rtol=0, atol=1e-12 * scale)


@st.composite
def problems(draw: st.DrawFn, num_axes: int | None = None) -> tuple[Tensor, tuple[Any, ...]]:
    """A signal and `(wavelet, mode, level, axes)`."""
    ndim = draw(st.integers(num_axes or 1, 4))
    # Reflection needs two samples at every level.
    modes = st.sampled_from(MODES)
    count = num_axes or draw(st.integers(1, min(3, ndim)))
    axes = draw(st.permutations(range(ndim)))[:count]
    axes = tuple(axis - ndim if draw(st.booleans()) else axis for axis in axes)
    shape = [
        draw(st.integers(9, 21)) if a in axes or a - ndim in axes else draw(st.integers(1, 3)) for a in range(ndim)
    ]
    wavelet = draw(st.one_of(st.sampled_from(WAVELETS), st.tuples(*[st.sampled_from(WAVELETS)] * count)))
    mode = draw(st.one_of(modes, st.tuples(*[modes] * count)))
    level = draw(st.one_of(st.none(), st.integers(0, 3)))
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    return x, (wavelet, mode, level, axes)


@settings(max_examples=100, deadline=None)
@given(problem=problems())
def test_any_axes(problem: tuple[Tensor, tuple[Any, ...]]) -> None:
    x, (wavelet, mode, level, axes) = problem
    coeffs = wavedecn(x, wavelet, mode, level, axes)
    expected = pywt.wavedecn(x.numpy(), wavelet, mode, level, axes)
    plain = [coeffs.approx, *(dict(item.items()) for item in coeffs.details)]
    assert_equal(plain, expected)
    rebuilt = waverecn(plain, wavelet, mode, axes)
    assert_equal([rebuilt], [pywt.waverecn(expected, wavelet, mode, axes)])
    tolerance = 1e-10 * max(1.0, max(band.abs().max().item() for band in pytree.tree_leaves(coeffs)))
    torch.testing.assert_close(coeffs.inverse(), x, rtol=0, atol=tolerance)
    assert torch.equal(
        waverecn(plain, wavelet, mode, axes, size=coeffs.sizes[-1] if coeffs.sizes else None), coeffs.inverse()
    )


@settings(max_examples=50, deadline=None)
@given(problem=problems(num_axes=2))
def test_two_axes(problem: tuple[Tensor, tuple[Any, ...]]) -> None:
    x, (wavelet, mode, level, axes) = problem
    coeffs = wavedec2(x, wavelet, mode, level, axes)
    expected = pywt.wavedec2(x.numpy(), wavelet, mode, level, axes)
    assert_equal(coeffs.to_list(), expected)
    assert_equal([waverec2(coeffs.to_list(), wavelet, mode, axes)], [pywt.waverec2(expected, wavelet, mode, axes)])
    assert torch.equal(waverec2(coeffs), coeffs.inverse())


@pytest.mark.parametrize("mode", MODES)
def test_one_axis(mode: str, rng: torch.Generator, case: Callable) -> None:
    for wavelet in WAVELETS:
        with case(wavelet):
            check_one_axis(wavelet, mode, rng)


def check_one_axis(wavelet: str, mode: str, rng: torch.Generator) -> None:
    for axis, length in ((-1, 13), (0, 24), (1, 33)):
        shape = [2, 3, 2]
        shape[axis] = length
        x = torch.randn(shape, generator=rng, dtype=torch.float64)
        for level in (None, 0, 1, 3):
            coeffs = wavedec(x, wavelet, mode, level, axis)
            expected = pywt.wavedec(x.numpy(), wavelet, mode, level, axis)
            assert_equal(coeffs.to_list(), expected)
            assert_equal(
                [waverec(coeffs.to_list(), wavelet, mode, axis)], [pywt.waverec(expected, wavelet, mode, axis)]
            )
            assert waverec(coeffs).shape == x.shape


def test_three_axes(rng: torch.Generator) -> None:
    x = torch.randn(2, 6, 9, 11, generator=rng, dtype=torch.float64)
    coeffs = wavedec3(x, "db2", level=2)
    expected = pywt.wavedecn(x.numpy(), "db2", level=2, axes=(-3, -2, -1))
    assert_equal(coeffs.to_list(), expected)
    assert_equal([waverec3(coeffs.to_list(), "db2")], [pywt.waverecn(expected, "db2", axes=(-3, -2, -1))])
    torch.testing.assert_close(waverec3(coeffs), x, rtol=0, atol=1e-12)


def test_default_level_is_the_smallest_of_the_axes(rng: torch.Generator) -> None:
    x = torch.randn(224, 12, generator=rng)
    assert wavedec2(x, "haar").level == pywt.dwt_max_level(12, "haar") == 3
    assert wavedec2(x, "haar", axes=(1, 0)).level == 3
    assert wavedec(x, "db5", axis=0).level == 4
    assert wavedec(x[:3], "db5", axis=0).level == 0


def test_level_zero_is_the_signal_itself(rng: torch.Generator) -> None:
    x = torch.randn(5, 6, generator=rng)
    coeffs = wavedec2(x, "db2", level=0)
    assert list(coeffs) == [x]
    assert waverec2(coeffs) is x
    assert waverec([x], "db2") is x
    assert waverec2([x], size=(5, 6)) is x


def test_missing_bands_are_zeros(rng: torch.Generator) -> None:
    x = torch.randn(2, 13, 14, generator=rng, dtype=torch.float64)
    full = wavedec2(x, "db2", level=2)
    for missing in range(3):
        zeroed = full.to_list()
        zeroed[missing] = pytree.tree_map(torch.zeros_like, zeroed[missing])
        plain = full.to_list()
        plain[missing] = None
        torch.testing.assert_close(waverec2(plain, "db2"), waverec2(zeroed, "db2"))
    approx, (_, vertical, diagonal), fine = full.to_list()
    zeros = torch.zeros_like(vertical)
    expected = waverec2([approx, (zeros, vertical, diagonal), fine], "db2")
    torch.testing.assert_close(waverec2([approx, (None, vertical, diagonal), fine], "db2"), expected)
    torch.testing.assert_close(waverecn([approx, {"ad": vertical, "dd": diagonal}, fine], "db2"), expected)
    signal = wavedec(x, "db2", level=2).to_list()
    assert_equal([waverec([None, None, signal[2]], "db2")], [pywt.idwt(None, signal[2].numpy(), "db2")])


def test_approximation_one_longer_than_the_details(rng: torch.Generator) -> None:
    """As PyWavelets does: 13 samples give 7 and 4, and 4 give back 8."""
    x = torch.randn(3, 13, generator=rng, dtype=torch.float64)
    coeffs = wavedec(x, "haar", level=2).to_list()
    expected = pywt.waverec(to_numpy(coeffs), "haar")
    assert_equal([waverec(coeffs, "haar")], [expected])
    assert expected.shape == (3, 14)
    torch.testing.assert_close(waverec(coeffs, "haar", size=13), x)
    assert waverec(wavedec(x, "haar", level=2), size=14).shape == (3, 14)


def test_arguments_override_what_is_remembered(rng: torch.Generator) -> None:
    x = torch.randn(9, 12, generator=rng, dtype=torch.float64)
    coeffs = wavedec2(x, "bior2.2", "zero", level=1)
    expected = pywt.waverec2(to_numpy(coeffs.to_list()), "rbio2.2")
    assert_equal([waverec2(coeffs, "rbio2.2")], [expected[:9]])
    turned = waverec2(coeffs, axes=(-1, -2))
    assert_equal([turned], [pywt.waverec2(to_numpy(coeffs.to_list()), "bior2.2", axes=(-1, -2))])


def test_wavelets_of_every_kind_give_the_same(rng: torch.Generator) -> None:
    x = torch.randn(13, 12, generator=rng, dtype=torch.float64)
    expected = wavedec2(x, "db2", level=2)
    bank = pywt.Wavelet("db2").filter_bank
    for wavelet in (Wavelet("db2"), pywt.Wavelet("db2"), bank, ("db2", Wavelet("db2"))):
        coeffs = wavedec2(x, wavelet, level=2)
        torch.testing.assert_close(pytree.tree_leaves(coeffs), pytree.tree_leaves(expected))
        torch.testing.assert_close(coeffs.inverse(), x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(dtype: torch.dtype, rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 18, 19, generator=rng).to(dtype)
    coeffs = wavedec2(x, "db2", level=2)
    expected = wavedec2(x.float(), "db2", level=2).to(dtype)
    for ours, reference in zip(pytree.tree_leaves(coeffs), pytree.tree_leaves(expected), strict=True):
        assert ours.dtype == dtype
        assert torch.equal(ours, reference)
    assert torch.equal(coeffs.inverse(), coeffs.to(torch.float32).inverse().to(dtype))


@pytest.mark.parametrize("wavelet", ["haar", "db3"])
def test_float32_complex_and_autocast(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(3, 30, 21, generator=rng, dtype=torch.complex128)
    coeffs = wavedec2(x, wavelet, level=2)
    real, imag = wavedec2(x.real, wavelet, level=2), wavedec2(x.imag, wavelet, level=2)
    for ours, *parts in zip(*map(pytree.tree_leaves, (coeffs, real, imag)), strict=True):
        torch.testing.assert_close(ours, torch.complex(*parts))
    torch.testing.assert_close(coeffs.inverse(), x)
    with torch.autocast("cpu", torch.bfloat16):
        single = wavedec2(x.real.float(), wavelet, level=2)
    for ours, reference in zip(pytree.tree_leaves(single), pytree.tree_leaves(real), strict=True):
        assert ours.dtype == torch.float32
        assert (ours - reference).abs().max() <= 1e-5 * reference.abs().max()


def test_memory_layout_and_empty_batch(rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 16, 20, generator=rng)
    expected = pytree.tree_leaves(wavedec2(x, "db2", level=2))
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(pytree.tree_leaves(wavedec2(last, "db2", level=2)), expected)
    torch.testing.assert_close(wavedec2(last, "db2", level=2).inverse(), x)
    part = x[..., ::2, 1:]
    torch.testing.assert_close(wavedec2(part, level=2).inverse(), part)
    nothing = torch.zeros(0, 9, 10)
    assert wavedec2(nothing, "db2", level=1).inverse().shape == (0, 9, 10)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
@pytest.mark.parametrize("mode", ["symmetric", "antireflect", "periodization"])
def test_gradients(wavelet: str, mode: str, rng: torch.Generator) -> None:
    x = torch.randn(4, 5, generator=rng, dtype=torch.float64, requires_grad=True)

    def analysis(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(pytree.tree_leaves(wavedec2(x, wavelet, mode, level=2)))

    assert gradcheck(analysis, (x,), check_forward_ad=True)
    assert gradgradcheck(analysis, (x,), fast_mode=True)
    leaves, spec = pytree.tree_flatten(wavedec2(x.detach(), wavelet, mode, level=2))
    bands = tuple(band.requires_grad_() for band in leaves)

    def synthesis(*bands: Tensor) -> Tensor:
        return pytree.tree_unflatten(bands, spec).inverse()

    assert gradcheck(synthesis, bands, check_forward_ad=True)


def test_function_transforms(rng: torch.Generator) -> None:
    x = torch.randn(3, 4, 9, 8, generator=rng, dtype=torch.float64)

    def energy(x: Tensor) -> Tensor:
        return wavedec2(x, "db2", level=2).map(torch.square).inverse().sum()

    grads = torch.vmap(torch.func.grad(energy))(x)
    torch.testing.assert_close(grads, torch.stack([torch.func.grad(energy)(item) for item in x]))
    value, tangent = torch.func.jvp(lambda x: wavedec2(x, "db2", level=2), (x,), (3 * x,))
    torch.testing.assert_close(pytree.tree_leaves(tangent), [3 * band for band in pytree.tree_leaves(value)])


def test_too_high_level_warns_and_is_computed(rng: torch.Generator) -> None:
    x = torch.randn(8, generator=rng, dtype=torch.float64)
    with pytest.warns(UserWarning, match=r"level 4 is so high that the border reaches every coefficient") as record:
        coeffs = wavedec(x, "db2", level=4)
    assert record[0].filename == __file__
    with pytest.warns(UserWarning, match="boundary effects"):
        assert_equal(coeffs.to_list(), pywt.wavedec(x.numpy(), "db2", level=4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: wavedec(x, level=-1), r"level must not be negative, got -1"),
        (lambda x: wavedec(x, "db99"), "closest are"),
        (lambda x: wavedec(x, mode="mirror"), "mode must be one of"),
        (lambda x: wavedec(x, mode="mirror", level=0), "mode must be one of"),
        (lambda x: wavedec(x, axis=3), "axes must lie within"),
        (lambda x: wavedecn(x, axes=(1, -2)), "axes must be different"),
        (lambda x: wavedec2(x, axes=(0, 1, 2)), r"axes must be 2 numbers, got \(0, 1, 2\)"),
        (lambda x: wavedec2(x, ["haar"]), "one per axis"),
        (lambda x: wavedec3(x, mode=["zero", "zero"]), r"mode must be one name or one per axis \(3\), got 2"),
        (lambda x: wavedec(x[..., :0], level=1), "at least one sample"),
        (lambda x: wavedec(x[..., :1], mode="reflect", level=1), "at least two samples"),
        (lambda x: waverec([x, x]), "wavelet must be given"),
        (lambda x: waverec([None, None], "haar"), "coeffs must hold at least one band"),
        (lambda x: waverec2([None, (None, None, None)], "haar"), "coeffs must hold at least one band"),
        (
            lambda x: waverec([x, x[..., 1:], x], "haar"),
            r"at level 1 along axis -1 the approximation has 18 .* have 10",
        ),
        (lambda x: waverec([x, x[..., 2:]], "haar"), r"at level 1 along axis -1 the approximation has 10 .* have 8"),
        (lambda x: waverec([x, x[:, 1:]], "haar"), r"at level 1 along axis -2 the approximation has 9 .* have 8"),
        (lambda x: waverec([x[0], x], "haar"), r"coeffs must agree in dimensions, got 2 and 3 at level 1"),
        (lambda x: waverec2([x, (x, x, x[1:]), None], "haar"), r"details must agree in shape, .* at level 2"),
        (lambda x: waverec2([x, {"d": x}], "haar"), r"keys of 2 letters with a 'd', got 'd' at level 1"),
        (lambda x: waverecn([x, {"aa": x, "ad": x}], "haar"), r"keys of 2 letters with a 'd', got 'aa' at level 1"),
        (lambda x: waverecn([x, {"ax": x}], "haar"), "keys of 2 letters"),
        (
            lambda x: waverec([x, x], "haar", size=18),
            r"size must be equal to or one below \[20\] at level 1, got \[18\]",
        ),
        (lambda x: waverec2([x, None], "haar", size=(18,)), r"size must be one number per axis \(2\), got 1"),
        (lambda x: waverec([x], size=9), r"size must be equal to"),
        (lambda x: waverec2([x, None], "haar", axes=(0,)), "axes must be 2 numbers"),
        (lambda x: waverec([x[..., :1], x[..., :1]], "db4"), "at least 4 samples"),
    ],
)
def test_errors_name_level_and_axis(call: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(2, 9, 10))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: wavedec(x.int()), r"x must be floating or complex, got torch.int32; convert it with \.float\(\)"),
        (lambda x: waverec([x.int(), x.int()], "haar"), r"convert it with \.float\(\)"),
        (lambda x: waverec2([None, (x.int(), None, None)], "haar"), r"convert it with \.float\(\)"),
        (lambda x: waverec(x, "haar"), "coeffs must be Coeffs or a non-empty list or tuple, got Tensor"),
        (lambda x: waverec([], "haar"), "coeffs must be Coeffs or a non-empty list"),
        (
            lambda x: waverec2([x, (x, x)], "haar"),
            r"details must be a tensor, a tuple \(cH, cV, cD\), a mapping or None",
        ),
    ],
)
def test_wrong_types(call: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(torch.zeros(2, 9, 10))
