"""The dual-tree complex wavelet transform, against the NumPy package `dtcwt` of its inventor's group."""

import math

import dtcwt
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.utils import _pytree as pytree

from subband.transforms import DTCWTCoeffs, dtcwt2, idtcwt2, wavedec2
from subband.transforms.dtcwt_filters import FIRST_LEVEL, LATER_LEVELS

FAMILIES = [(biort, qshift) for biort in FIRST_LEVEL for qshift in LATER_LEVELS]
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' function is deprecated:DeprecationWarning")

SIZES = [(16, 16), (7, 4), (33, 50)]


@pytest.fixture(autouse=True)
def _numpy_1_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dtcwt` still uses two functions that NumPy 2 no longer has."""
    monkeypatch.setattr(np, "asfarray", lambda a, dtype: np.asarray(a, dtype=dtype), raising=False)
    monkeypatch.setattr(np, "issubsctype", np.issubdtype, raising=False)


def normal(rng: torch.Generator, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=dtype)


def bands(coeffs: DTCWTCoeffs) -> tuple[Tensor, ...]:
    return coeffs.low, *coeffs.highs


def assert_equals_dtcwt(x: Tensor, level: int, biort: str, qshift: str, rng: torch.Generator) -> None:
    """Forward, and inverse of coefficients that are no image's."""
    reference = dtcwt.Transform2d(biort, qshift)
    expected = reference.forward(x.numpy(), level)
    coeffs = dtcwt2(x, level, biort, qshift)
    np.testing.assert_allclose(coeffs.low.numpy(), expected.lowpass, rtol=0, atol=1e-11)
    assert len(coeffs.highs) == level
    for ours, theirs in zip(coeffs.highs, expected.highpasses, strict=True):
        np.testing.assert_allclose(ours.movedim(-3, -1).numpy(), theirs, rtol=0, atol=1e-11)
    noise = pytree.tree_map(lambda band: torch.randn(band.shape, generator=rng, dtype=band.dtype), coeffs)
    highs = tuple(high.movedim(-3, -1).numpy() for high in noise.highs)
    image = reference.inverse(dtcwt.Pyramid(noise.low.numpy(), highs))
    np.testing.assert_allclose(idtcwt2(noise).numpy(), image[: x.shape[0], : x.shape[1]], rtol=0, atol=1e-11)


@pytest.mark.parametrize(("biort", "qshift"), FAMILIES)
def test_equals_dtcwt_for_every_family(biort: str, qshift: str, rng: torch.Generator) -> None:
    for size in SIZES:
        assert_equals_dtcwt(normal(rng, *size), 3, biort, qshift, rng)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (62, 18), (20, 9)])
@pytest.mark.parametrize("level", [0, 1, 2, 5])
def test_equals_dtcwt_for_every_size_and_level(size: tuple[int, int], level: int, rng: torch.Generator) -> None:
    assert_equals_dtcwt(normal(rng, *size), level, "near_sym_a", "qshift_a", rng)


@pytest.mark.slow
@pytest.mark.parametrize(("biort", "qshift"), FAMILIES)
def test_equals_dtcwt_for_everything(biort: str, qshift: str, rng: torch.Generator) -> None:
    for height in (1, 2, 5, 8, 30, 49):
        for width in (1, 3, 4, 18, 64):
            for level in (0, 1, 2, 4):
                assert_equals_dtcwt(normal(rng, height, width), level, biort, qshift, rng)


def test_every_axis_before_the_image_is_batch(rng: torch.Generator) -> None:
    x = normal(rng, 2, 3, 13, 10)
    whole = bands(dtcwt2(x, 2))
    one = bands(dtcwt2(x[1, 2].contiguous(), 2))
    for batched, single in zip(whole, one, strict=True):
        torch.testing.assert_close(batched[1, 2], single, rtol=0, atol=1e-13)
    for layout in (x.contiguous(memory_format=torch.channels_last), x.mT.contiguous().mT):
        for ours, plain in zip(bands(dtcwt2(layout, 2)), whole, strict=True):
            torch.testing.assert_close(ours, plain, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("biort", "qshift"), FAMILIES[::3])
@pytest.mark.parametrize("size", [(64, 64), (37, 50), (3, 1)])
def test_reconstruction_has_the_size_of_the_image(
    biort: str, qshift: str, size: tuple[int, int], rng: torch.Generator
) -> None:
    x = normal(rng, 2, *size)
    torch.testing.assert_close(idtcwt2(dtcwt2(x, 4, biort, qshift)), x, rtol=0, atol=1e-10)


def test_single_and_half_precision(rng: torch.Generator) -> None:
    x = normal(rng, 3, 21, 34)
    exact = dtcwt2(x, 3)
    single = dtcwt2(x.float(), 3)
    for ours, expected in zip(bands(single), bands(exact), strict=True):
        torch.testing.assert_close(ours, expected.to(ours.dtype), rtol=0, atol=1e-5)
    for dtype, tolerance in ((torch.bfloat16, 0.1), (torch.float16, 0.02)):
        half = dtcwt2(x.to(dtype), 3)
        assert (half.low.dtype, half.highs[0].dtype) == (dtype, torch.complex64)
        torch.testing.assert_close(half.highs[2], exact.highs[2].to(torch.complex64), rtol=0, atol=tolerance)
        torch.testing.assert_close(idtcwt2(half), x.to(dtype), rtol=0, atol=tolerance)


def test_autocast_does_not_reach_the_filters(rng: torch.Generator) -> None:
    x = normal(rng, 2, 16, 16, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = dtcwt2(x)
    torch.testing.assert_close(inside.low, dtcwt2(x).low, rtol=0, atol=0)


def test_empty_batch() -> None:
    coeffs = dtcwt2(torch.empty(0, 3, 12, 10), 2)
    assert coeffs.highs[1].shape == (0, 3, 6, 3, 3)
    assert idtcwt2(coeffs).shape == (0, 3, 12, 10)


@pytest.mark.parametrize("qshift", ["qshift_06", "qshift_c"])
@pytest.mark.parametrize(
    ("size", "is_fast"), [((7, 9), True), pytest.param((5, 3), False, marks=pytest.mark.slow)], ids=["fast", "full"]
)
def test_gradients(qshift: str, size: tuple[int, int], is_fast: bool, rng: torch.Generator) -> None:
    x = normal(rng, *size).requires_grad_()
    leaves, structure = pytree.tree_flatten(dtcwt2(x.detach(), 2, "near_sym_b", qshift))
    inputs = [leaf.requires_grad_() for leaf in leaves]

    def forward(x: Tensor) -> tuple[Tensor, ...]:
        return bands(dtcwt2(x, 2, "near_sym_b", qshift))

    def inverse(*leaves: Tensor) -> Tensor:
        return idtcwt2(pytree.tree_unflatten(list(leaves), structure))

    assert gradcheck(forward, (x,), check_forward_ad=True, fast_mode=is_fast)
    assert gradcheck(inverse, inputs, check_forward_ad=True, fast_mode=is_fast)
    assert gradgradcheck(forward, (x,), fast_mode=True)
    assert gradgradcheck(inverse, inputs, fast_mode=True)


def test_vmap_and_jvp_follow_the_batch(rng: torch.Generator) -> None:
    x, tangent = normal(rng, 3, 12, 9), normal(rng, 3, 12, 9)
    expected = dtcwt2(x, 2)
    mapped = torch.func.vmap(lambda image: dtcwt2(image, 2))(x)
    assert (mapped.size, mapped.qshift) == ((12, 9), "qshift_a")
    for ours, batched in zip(bands(mapped), bands(expected), strict=True):
        torch.testing.assert_close(ours, batched, rtol=0, atol=1e-13)
    torch.testing.assert_close(torch.func.vmap(idtcwt2)(mapped), x, rtol=0, atol=1e-12)
    _, along = torch.func.jvp(lambda image: dtcwt2(image, 2).highs[1], (x,), (tangent,))
    torch.testing.assert_close(along, dtcwt2(tangent, 2).highs[1], rtol=0, atol=1e-12)  # the transform is linear


def test_energy_hardly_depends_on_a_shift() -> None:
    """A shifted edge moves energy between the levels of a wavelet transform, but not of this one."""

    def spread(energies: list[Tensor]) -> float:
        return float((max(energies) - min(energies)) / (sum(energies) / len(energies)))

    images = [(torch.arange(128) >= 60 + shift).double().expand(128, 128) for shift in range(8)]
    for level in (1, 2, 3):
        complex_energy = [dtcwt2(image, 3).highs[level - 1][..., 3:-3, 3:-3].abs().square().sum() for image in images]
        real_energy = [wavedec2(image, "sym5", level=3)[-level].v[4:-4, 4:-4].square().sum() for image in images]
        assert spread(complex_energy) < 0.35
        assert spread(real_energy) > 1.0


@pytest.mark.parametrize(("position", "degrees"), list(enumerate((15, 45, 75, 105, 135, 165))))
def test_six_bands_see_six_directions(position: int, degrees: int) -> None:
    """Waves in the pass-band of level 2; the angle of a crest is counted anticlockwise from a horizontal one."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    down, right = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    frequency = 0.4 * math.pi / max(abs(down), abs(right))
    energy = dtcwt2(torch.cos(frequency * (down * rows + right * columns)), 2).highs[1].abs().square().mean((-2, -1))
    assert energy.argmax() == position
    assert energy[position] > 0.7 * energy.sum()


def test_coefficients_are_a_pytree(rng: torch.Generator) -> None:
    coeffs = dtcwt2(normal(rng, 11, 8), 2, "legall", "qshift_b")
    leaves, structure = pytree.tree_flatten(coeffs)
    assert len(leaves) == 3
    restored = pytree.treespec_loads(pytree.treespec_dumps(structure))
    again = pytree.tree_unflatten(leaves, restored)
    assert (again.size, again.biort, again.qshift) == ((11, 8), "legall", "qshift_b")
    paths = [pytree.keystr(path) for path, _ in pytree.tree_flatten_with_path(coeffs)[0]]
    assert paths == [".low", ".highs[0]", ".highs[1]"]
    doubled = coeffs.map(lambda high: 2 * high)
    assert torch.equal(doubled.low, coeffs.low)
    assert torch.equal(doubled.highs[1], 2 * coeffs.highs[1])
    assert idtcwt2(DTCWTCoeffs(coeffs.low, coeffs.highs)).shape == (12, 8)


def test_bad_images_are_refused() -> None:
    x = torch.zeros(8, 8)
    with pytest.raises(TypeError, match=r"x must be floating or complex.*\.float\(\)"):
        dtcwt2(x.int())
    with pytest.raises(TypeError, match=r"x must be real, got torch.complex64"):
        dtcwt2(x + 0j)
    with pytest.raises(ValueError, match=r"x must be \(\.\.\., H, W\) with at least one pixel, got \(8,\)"):
        dtcwt2(x[0])
    with pytest.raises(ValueError, match=r"at least one pixel, got \(0, 8\)"):
        dtcwt2(x[:0])
    with pytest.raises(ValueError, match=r"level must not be negative, got -1"):
        dtcwt2(x, -1)
    with pytest.raises(ValueError, match=r"biort must be one of antonini.*, got 'haar'"):
        dtcwt2(x, biort="haar")
    with pytest.raises(ValueError, match=r"qshift must be one of qshift_06.*, got 'db2'"):
        dtcwt2(x, qshift="db2")


def test_bad_coefficients_are_refused() -> None:
    coeffs = dtcwt2(torch.zeros(16, 16), 2)
    fine, coarse = coeffs.highs
    with pytest.raises(TypeError, match=r"highs of level 1 must be complex, got torch.float32"):
        idtcwt2(DTCWTCoeffs(coeffs.low, (fine.real, coarse)))
    with pytest.raises(ValueError, match=r"highs of level 2 must be \(\.\.\., 6, h, w\), got \(3, 4, 4\)"):
        idtcwt2(DTCWTCoeffs(coeffs.low, (fine, coarse[:3])))
    with pytest.raises(ValueError, match=r"highs of level 2 must have half the sides .*, got \(8, 8\) and \(3, 4\)"):
        idtcwt2(DTCWTCoeffs(coeffs.low, (fine, coarse[:, :3])))
    with pytest.raises(ValueError, match=r"highs of level 1 must have half the sides"):
        idtcwt2(DTCWTCoeffs(coeffs.low, (fine[..., :5], coarse)))
    with pytest.raises(TypeError, match=r"coeffs.low must be real"):
        idtcwt2(DTCWTCoeffs(coeffs.low + 0j, coeffs.highs))
