"""The stationary wavelet transform against PyWavelets."""

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

from subband.transforms import iswt, iswt2, iswtn, swt, swt2, swt_max_level, swtn


def check_close(ours: Any, expected: Any) -> None:
    """The same structure of lists, tuples and dictionaries, and the same numbers to 1e-12."""
    assert isinstance(ours, Tensor) == isinstance(expected, np.ndarray)
    if isinstance(ours, Tensor):
        scale = max(np.abs(expected).max(), 1.0)
        np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-12 * scale)
        return
    assert len(ours) == len(expected)
    assert type(ours) is type(expected)
    for key in ours if isinstance(ours, dict) else range(len(ours)):
        check_close(ours[key], expected[key])


def to_numpy(coeffs: Any) -> Any:
    return pytree.tree_map(lambda band: band.numpy(), coeffs)


def noisy(coeffs: Any, rng: torch.Generator) -> Any:
    return pytree.tree_map(lambda band: band + torch.randn(band.shape, generator=rng, dtype=band.dtype), coeffs)


@pytest.mark.filterwarnings("ignore:norm=True")
@pytest.mark.parametrize("wavelet", ["haar", "db3", "bior2.2", "sym20"])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("trim_approx", [False, True])
def test_one_axis(wavelet: str, norm: bool, trim_approx: bool, rng: torch.Generator) -> None:
    x = torch.randn(24, generator=rng, dtype=torch.float64)
    for level, start_level in [(None, 0), (1, 0), (2, 0), (1, 2), (2, 1)]:
        options = {"level": level, "start_level": start_level, "trim_approx": trim_approx, "norm": norm}
        check_close(swt(x, wavelet, **options), pywt.swt(x.numpy(), wavelet, **options))
    coeffs = swt(x, wavelet, trim_approx=trim_approx, norm=norm)
    torch.testing.assert_close(iswt(coeffs, wavelet, norm), x, rtol=0, atol=1e-9)
    changed = noisy(coeffs, rng)
    check_close(iswt(changed, wavelet, norm), pywt.iswt(to_numpy(changed), wavelet, norm))


@pytest.mark.filterwarnings("ignore:norm=True")
@pytest.mark.parametrize("wavelet", ["haar", "db2", ("bior1.3", "haar")])
@pytest.mark.parametrize("axes", [(-2, -1), (1, 0), (0, 2)])
@pytest.mark.parametrize("trim_approx", [False, True])
def test_two_axes(wavelet: Any, axes: tuple[int, int], trim_approx: bool, rng: torch.Generator) -> None:
    x = torch.randn(8, 4, 12, generator=rng, dtype=torch.float64)
    for norm in (False, True):
        coeffs = swt2(x, wavelet, 2, axes=axes, trim_approx=trim_approx, norm=norm)
        check_close(coeffs, pywt.swt2(x.numpy(), wavelet, 2, axes=axes, trim_approx=trim_approx, norm=norm))
        torch.testing.assert_close(iswt2(coeffs, wavelet, norm, axes), x, rtol=0, atol=1e-10)
        changed = noisy(coeffs, rng)
        check_close(iswt2(changed, wavelet, norm, axes), pywt.iswt2(to_numpy(changed), wavelet, norm, axes))
    coeffs = swt2(x, wavelet, 1, start_level=1, axes=axes)
    check_close(coeffs, pywt.swt2(x.numpy(), wavelet, 1, start_level=1, axes=axes))


@settings(max_examples=50, deadline=None)
@given(
    factors=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    wavelet=st.sampled_from(["haar", "db2", "db7", "rbio3.1", "coif1"]),
    level=st.integers(1, 3),
    trim_approx=st.booleans(),
    is_complex=st.booleans(),
    data=st.data(),
)
def test_any_axes(
    factors: list[int], wavelet: str, level: int, trim_approx: bool, is_complex: bool, data: st.DataObject
) -> None:
    axes = tuple(data.draw(st.lists(st.integers(0, len(factors) - 1), min_size=1, max_size=3, unique=True)))
    shape = [factor << level if axis in axes else factor for axis, factor in enumerate(factors)]
    rng = torch.Generator().manual_seed(len(shape))
    x = torch.randn(shape, generator=rng, dtype=torch.complex128 if is_complex else torch.float64)
    coeffs = swtn(x, wavelet, level, axes=axes, trim_approx=trim_approx)
    check_close(coeffs, pywt.swtn(x.numpy(), wavelet, level, axes=axes, trim_approx=trim_approx))
    changed = noisy(coeffs, rng)
    check_close(iswtn(changed, wavelet, axes), pywt.iswtn(to_numpy(changed), wavelet, axes))
    torch.testing.assert_close(iswtn(coeffs, wavelet, axes), x, rtol=0, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["haar", "db", "sym", "coif", "bior", "rbio", "dmey"])
def test_every_wavelet(family: str, rng: torch.Generator, case: Callable) -> None:
    for wavelet in pywt.wavelist(family):
        x = torch.randn(2, 16, 48, generator=rng, dtype=torch.float64)
        with case(wavelet):
            coeffs = swtn(x, wavelet, 3, axes=(1, 2))
            check_close(coeffs, pywt.swtn(x.numpy(), wavelet, 3, axes=(1, 2)))
            changed = noisy(coeffs, rng)
            check_close(iswtn(changed, wavelet, (1, 2)), pywt.iswtn(to_numpy(changed), wavelet, (1, 2)))


@pytest.mark.parametrize("wavelet", ["haar", "db4"])
@pytest.mark.parametrize(("shape", "axes"), [((1, 200, 1024), (1, 2)), ((70, 64, 64), (1, 2)), ((2, 1 << 18), (1,))])
def test_signals_larger_than_a_cache_block(
    wavelet: str, shape: tuple[int, ...], axes: tuple[int, ...], rng: torch.Generator
) -> None:
    x = torch.randn(shape, generator=rng, dtype=torch.float64)
    coeffs = swtn(x, wavelet, 2, axes=axes)
    check_close(coeffs, pywt.swtn(x.numpy(), wavelet, 2, axes=axes))
    torch.testing.assert_close(iswtn(coeffs, wavelet, axes), x, rtol=0, atol=1e-9)


def test_levels() -> None:
    for length in (1, 2, 7, 12, 96, 224, 1 << 40):
        assert swt_max_level(length) == (pywt.swt_max_level(length) if length % 2 == 0 else 0)
    assert len(swt(torch.zeros(40))) == 3
    assert len(swt2(torch.zeros(16, 12))) == 2
    assert len(swtn(torch.zeros(16, 12), start_level=1)) == 1


@pytest.mark.parametrize("axes", [(1,), (1, 2)])
def test_norm_keeps_the_energy(axes: tuple[int, ...], rng: torch.Generator) -> None:
    x = torch.randn(3, 16, 32, generator=rng, dtype=torch.float64)
    coeffs = swtn(x, "sym4", 3, axes=axes, trim_approx=True, norm=True)
    energy = sum(float(band.square().sum()) for band in pytree.tree_leaves(coeffs))
    assert energy == pytest.approx(float(x.square().sum()), rel=1e-10)
    with pytest.warns(UserWarning, match="only with orthogonal wavelets"):
        swtn(x, "bior2.2", 1, axes=axes, norm=True)


def test_moving_the_signal_moves_the_bands(rng: torch.Generator) -> None:
    x = torch.randn(32, 32, generator=rng, dtype=torch.float64)
    for band, moved in zip(
        pytree.tree_leaves(swt2(x, "db3", 3)), pytree.tree_leaves(swt2(x.roll((3, -5), (0, 1)), "db3", 3)), strict=True
    ):
        torch.testing.assert_close(moved, band.roll((3, -5), (0, 1)), rtol=0, atol=1e-12)


def test_missing_bands_are_zeros(rng: torch.Generator) -> None:
    x = torch.randn(8, 16, generator=rng, dtype=torch.float64)
    zeros = torch.zeros_like(x)
    approx, coarse, fine = swt(x, "db2", 2, trim_approx=True)
    assert torch.equal(iswt([approx, None, fine], "db2"), iswt([approx, zeros, fine], "db2"))
    assert torch.equal(iswt([None, coarse, fine], "db2"), iswt([zeros, coarse, fine], "db2"))
    assert torch.equal(iswt([(approx, None)], "db2"), iswt([(approx, zeros)], "db2"))
    low, (_, ad, dd) = swt2(x, "db2", 1)[0]
    assert torch.equal(iswt2([low, None], "db2"), iswt2([low, (zeros,) * 3], "db2"))
    assert torch.equal(iswt2([(low, (None, ad, dd))], "db2"), iswt2([(low, (zeros, ad, dd))], "db2"))
    assert torch.equal(iswtn([{"ad": ad}], "db2"), iswtn([zeros, {"ad": ad}], "db2"))
    assert torch.equal(iswtn([low], "db2"), low)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
@pytest.mark.parametrize(("axes", "level"), [((1,), 2), ((0, 1), 1), ((1, 0), 1)])
def test_gradients_are_right(wavelet: str, axes: tuple[int, ...], level: int, rng: torch.Generator) -> None:
    def forward(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(pytree.tree_leaves(swtn(x, wavelet, level, axes=axes)))

    def inverse(*bands: Tensor) -> Tensor:
        return iswtn(pytree.tree_unflatten(bands, structure), wavelet, axes)

    x = torch.randn(2, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    assert gradcheck(forward, (x,), check_forward_ad=True)
    assert gradgradcheck(forward, (x,))
    coeffs = swtn(x.detach(), wavelet, level, axes=axes, trim_approx=True)
    leaves, structure = pytree.tree_flatten(coeffs)
    leaves = tuple(leaf.requires_grad_() for leaf in leaves)
    assert gradcheck(inverse, leaves, check_forward_ad=True)
    assert gradgradcheck(inverse, leaves)


@pytest.mark.parametrize("wavelet", ["haar", "db3", "rbio2.2"])
def test_backward_is_the_adjoint(wavelet: str, rng: torch.Generator) -> None:
    """<Tx, y> = <x, T'y> for random x and y, T' being the backward pass; also for complex numbers."""
    for dtype in (torch.float64, torch.complex128):
        x = torch.randn(2, 8, 12, generator=rng, dtype=dtype, requires_grad=True)
        bands = pytree.tree_leaves(swtn(x, wavelet, 2, axes=(1, 2)))
        y = [torch.randn(band.shape, generator=rng, dtype=dtype) for band in bands]
        (adjoint,) = torch.autograd.grad(bands, x, y)
        left = sum((band * other.conj()).sum() for band, other in zip(bands, y, strict=True))
        torch.testing.assert_close(left, (x * adjoint.conj()).sum(), rtol=1e-12, atol=1e-11)


def test_gradient_with_respect_to_taps(rng: torch.Generator) -> None:
    taps = tuple(torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in pywt.Wavelet("db2").filter_bank)
    x = torch.randn(4, 8, generator=rng, dtype=torch.float64)
    coeffs = swtn(x, taps, 2, norm=True)
    for ours, expected in zip(
        pytree.tree_leaves(coeffs), pytree.tree_leaves(swtn(x, "db2", 2, norm=True)), strict=True
    ):
        torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(iswtn(coeffs, taps, norm=True), x)
    assert gradcheck(lambda *taps: iswtn(swtn(x, taps, 1)[:1], taps), taps)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_function_transforms(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(3, 2, 8, 12, generator=rng)
    coeffs = swt2(x, wavelet, 2)
    for ours, expected in zip(
        pytree.tree_leaves(torch.vmap(lambda x: swt2(x, wavelet, 2), 1, 1)(x)), pytree.tree_leaves(coeffs), strict=True
    ):
        torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(torch.vmap(lambda coeffs: iswt2(coeffs, wavelet))(coeffs), x)
    value, tangent = torch.func.jvp(lambda x: swt2(x, wavelet, 2)[0][0], (x,), (2 * x,))
    torch.testing.assert_close(tangent, 2 * value)


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(wavelet: str, dtype: torch.dtype, rng: torch.Generator) -> None:
    x = torch.randn(2, 16, 16, generator=rng).to(dtype)
    coeffs, reference = swt2(x, wavelet, 3), swt2(x.float(), wavelet, 3)
    for band, expected in zip(pytree.tree_leaves(coeffs), pytree.tree_leaves(reference), strict=True):
        assert torch.equal(band, expected.to(dtype))
    wide = pytree.tree_map(torch.Tensor.float, coeffs)
    assert torch.equal(iswt2(coeffs, wavelet), iswt2(wide, wavelet).to(dtype))


def test_autocast_keeps_float32(rng: torch.Generator) -> None:
    x = torch.randn(1, 8, 16, generator=rng)
    with torch.autocast("cpu", torch.bfloat16):
        coeffs = swt2(x, "db2", 1)
        restored = iswt2(coeffs, "db2")
    assert torch.equal(coeffs[0][0], swt2(x, "db2", 1)[0][0])
    assert torch.equal(restored, iswt2(coeffs, "db2"))


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_memory_layout_does_not_matter(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 8, 12, generator=rng)
    (approx, details) = swt2(x, wavelet, 1)[0]
    for other in (x.contiguous(memory_format=torch.channels_last), x.mT.contiguous().mT):
        torch.testing.assert_close(swt2(other, wavelet, 1)[0][0], approx)
    strided = [(band.mT.contiguous().mT) for band in details]
    torch.testing.assert_close(iswt2([(approx, strided)], wavelet), x)
    assert swt2(torch.zeros(0, 3, 8, 8), wavelet, 2)[0][0].shape == (0, 3, 8, 8)
    assert iswt2(swt2(torch.zeros(0, 3, 8, 8), wavelet, 2), wavelet).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: swt(x, "haarr"), "closest are"),
        (lambda x: swt(x, level=3), r"divisible by 8 for level 3, got 12"),
        (lambda x: swt(x, level=2, start_level=1), r"divisible by 8 for level 3, got 12"),
        (lambda x: swt(x, level=0), "level must be at least 1, got 0"),
        (lambda x: swt(x, level=1, start_level=-1), "start_level must not be negative, got -1"),
        (lambda x: swt(x[:, :7]), "level must be at least 1, got 0"),
        (lambda x: swt(x[:, :0], level=1), "got 0"),
        (lambda x: swt(x[:, :0]), "input_len must be at least 1, got 0"),
        (lambda x: swt2(x, axes=(0, 0)), "axes must be different"),
        (lambda x: swt2(x, axes=(0,)), "axes must be two axes"),
        (lambda x: swtn(x, axes=(4,)), "axes must lie within"),
        (lambda x: swtn(x, ["haar"] * 3), "one per axis"),
        (lambda x: iswt([]), "coeffs must hold at least one level"),
        (lambda x: iswt([None, None]), "coeffs must hold at least one tensor"),
        (lambda x: iswt([x, x[:, :4]]), r"got \(4, 4\), torch.float32 for 'd' at level 1 and \(4, 12\)"),
        (lambda x: iswt([x, x.double(), x]), r"torch.float64 for 'd' at level 2"),
        (lambda x: iswt([x, x, x, x]), "divisible by 8 for level 3, got 12"),
        (lambda x: iswtn([{"a": x, "d": x}]), "keys of 2 letters 'a' and 'd', got 'a' at level 1"),
    ],
)
def test_errors_name_the_argument_and_the_rule(call: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(4, 12))


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"convert it with \.float\(\)"):
        swt(torch.zeros(8, dtype=torch.int32))
    with pytest.raises(TypeError, match=r"convert it with \.float\(\)"):
        iswt([torch.zeros(8), torch.zeros(8, dtype=torch.int32)])
