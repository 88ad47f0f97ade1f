"""Wavelet packets against PyWavelets, and as a citizen of PyTorch."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from subband.transforms import MODES, dwt2, iwavelet_packet, packet_paths, wavelet_packet

pytestmark = pytest.mark.filterwarnings("ignore:level . is so high:UserWarning")


def tree_of(x: np.ndarray, wavelet: str, mode: str, level: int, axes: tuple[int, ...]) -> pywt.WaveletPacketND:
    if len(axes) == 1:
        return pywt.WaveletPacket(x, wavelet, mode, maxlevel=level, axis=axes[0])
    kind = pywt.WaveletPacket2D if len(axes) == 2 else pywt.WaveletPacketND
    return kind(x, wavelet, mode, maxlevel=level, axes=axes)


def check_against_pywavelets(x: Tensor, wavelet: str, mode: str, level: int, axes: tuple[int, ...]) -> None:
    """Every node by its path; then the signal from changed nodes."""
    tree = tree_of(x.numpy(), wavelet, mode, level, axes)
    position = min(axis % x.ndim for axis in axes)
    nodes = wavelet_packet(x, wavelet, level, "natural", axes, mode)
    # Where `smooth` continues a few values far, large numbers cancel in small nodes.
    atol = 1e-12 * 2**level * max(1.0, float(nodes.abs().max()))
    for ours, path in zip(nodes.unbind(position), packet_paths(level, len(axes), "natural"), strict=True):
        np.testing.assert_allclose(ours.numpy(), tree[path].data, rtol=1e-12, atol=atol)
    grid = wavelet_packet(x, wavelet, level, "freq", axes, mode)
    assert grid.shape[position : position + len(axes)] == (2**level,) * len(axes)
    flat = grid.flatten(position, position + len(axes) - 1)
    for ours, path in zip(flat.unbind(position), flatten(packet_paths(level, len(axes)), len(axes)), strict=True):
        np.testing.assert_allclose(ours.numpy(), tree[path].data, rtol=1e-12, atol=atol)
    size = [x.shape[axis] for axis in axes]
    for coeffs, order in ((nodes, "natural"), (grid, "freq")):
        restored = iwavelet_packet(coeffs, wavelet, order, [axis % x.ndim - x.ndim for axis in axes], mode, size=size)
        torch.testing.assert_close(restored, x, rtol=0, atol=1e-10)


def flatten(paths: list, depth: int) -> list[str]:
    for _ in range(depth - 1):
        paths = list(itertools.chain.from_iterable(paths))
    return paths


@pytest.mark.parametrize("mode", MODES)
def test_equal_to_pywavelets(mode: str, rng: torch.Generator, case: Callable) -> None:
    wavelets = [("haar", 3), ("db2", 2), ("bior2.2", 1), ("sym4", 2)]
    signals = [((2, 19), (-1,)), ((3, 9, 14), (-2, -1)), ((9, 2, 13), (2, 0)), ((7, 6, 5), (0, 1, 2))]
    for (wavelet, level), (shape, axes) in itertools.product(wavelets, signals):
        x = torch.randn(shape, generator=rng, dtype=torch.float64)
        with case(wavelet, shape, axes):
            check_against_pywavelets(x, wavelet, mode, 1 if len(axes) == 3 else level, axes)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(2, 11), min_size=1, max_size=4),
    wavelet=st.sampled_from(["haar", "db3", "coif1", "rbio3.1"]),
    mode=st.sampled_from([mode for mode in MODES if "reflect" not in mode]),
    level=st.integers(0, 3),
    data=st.data(),
)
def test_equal_to_pywavelets_for_any_shape(shape: list[int], wavelet: str, mode: str, level: int, data: st.DataObject):
    axes = data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=3))
    if len({axis % len(shape) for axis in axes}) < len(axes):
        axes = axes[:1]
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))
    check_against_pywavelets(x, wavelet, mode, level, tuple(axes))


@pytest.mark.parametrize(("shape", "level"), [((19,), 3), ((16,), 2), ((9, 14), 2), ((4, 6, 8), 1)])
def test_changed_nodes_give_the_signal_of_pywavelets(shape: tuple[int, ...], level: int, rng: torch.Generator) -> None:
    axes = tuple(range(-len(shape), 0))
    x = torch.randn(shape, generator=rng, dtype=torch.float64)
    tree = tree_of(x.numpy(), "db2", "symmetric", level, axes)
    nodes = wavelet_packet(x, "db2", level, "natural", axes)
    changed = nodes + torch.randn(nodes.shape, generator=rng, dtype=nodes.dtype)
    for path, node in zip(packet_paths(level, len(axes), "natural"), changed, strict=True):
        tree[path].data = node.numpy()
    ours = iwavelet_packet(changed, "db2", "natural", axes, size=shape)
    np.testing.assert_allclose(ours.numpy(), tree.reconstruct(update=False), rtol=0, atol=1e-12 * 2**level)


def test_changed_nodes_of_odd_clips(rng: torch.Generator) -> None:
    """`pywt.WaveletPacketND` cannot reconstruct odd sizes up to 1.9; from 1.10 on it gives what is expected here."""
    shape, axes = (5, 6, 7), (-3, -2, -1)
    nodes = wavelet_packet(torch.randn(shape, generator=rng, dtype=torch.float64), "db2", 1, "natural", axes)
    changed = nodes + torch.randn(nodes.shape, generator=rng, dtype=nodes.dtype)
    bands = dict(zip(packet_paths(1, 3, "natural"), changed.numpy(), strict=True))
    expected = pywt.idwtn(bands, "db2", "symmetric", axes)[tuple(map(slice, shape))]
    ours = iwavelet_packet(changed, "db2", "natural", axes, size=shape)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_paths_and_orders_are_those_of_pywavelets(level: int) -> None:
    x = np.zeros((16, 16))
    one, two = pywt.WaveletPacket(x[0], "haar", maxlevel=level), pywt.WaveletPacket2D(x, "haar", maxlevel=level)
    for order in ("natural", "freq"):
        assert packet_paths(level, 1, order) == [node.path for node in one.get_level(level, order)]
    assert packet_paths(level, 2, "natural") == [node.path for node in two.get_level(level, "natural")]
    assert packet_paths(level) == [[node.path for node in row] for row in two.get_level(level, "freq")]
    small = pywt.WaveletPacketND(np.zeros((4,) * 3), "haar", maxlevel=min(level, 2))
    assert packet_paths(min(level, 2), 3, "natural") == [node.path for node in small.get_level(min(level, 2))]


def test_level_zero_is_the_signal() -> None:
    x = torch.rand(4, 6)
    assert torch.equal(wavelet_packet(x, level=0), x[None, None])
    assert torch.equal(iwavelet_packet(x[None, None]), x)
    assert packet_paths(0) == [[""]]
    assert packet_paths(0, order="natural") == [""]


def test_frequency_order_sorts_waves_by_frequency_along_every_axis() -> None:
    position = torch.arange(128, dtype=torch.float64)
    for row, column in itertools.product((0, 1, 2, 3), repeat=2):
        waves = [torch.cos(math.pi * (band + 0.5) / 4 * position) for band in (row, column)]
        energy = wavelet_packet(waves[0][:, None] * waves[1], "db10", 2, mode="periodization").square().sum((-2, -1))
        assert int(energy.argmax()) == 4 * row + column
    waves = [torch.cos(math.pi * (band + 0.5) / 2 * position[:32]) for band in (1, 0, 1)]
    clip = waves[0][:, None, None] * waves[1][:, None] * waves[2]
    energy = wavelet_packet(clip, "db4", 1, axes=(0, 1, 2), mode="periodization").square().sum((-3, -2, -1))
    assert int(energy.argmax()) == 0b101


def test_level_one_is_the_wavelet_transform(rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 9, 8, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(wavelet_packet(x, "db2", 1).flatten(2, 3), dwt2(x, "db2"), rtol=0, atol=1e-14)


def test_one_wavelet_and_mode_per_axis(rng: torch.Generator) -> None:
    x = torch.randn(9, 2, 11, generator=rng, dtype=torch.float64)
    options = {"wavelet": ("db2", "haar"), "axes": (2, 0), "mode": ("periodization", "smooth")}
    natural = wavelet_packet(x, level=2, order="natural", **options)
    nodes = {"": x.numpy()}
    keys = {"a": "aa", "h": "da", "v": "ad", "d": "dd"}
    for _ in range(2):
        level = {path: pywt.dwtn(node, options["wavelet"], options["mode"], (2, 0)) for path, node in nodes.items()}
        nodes = {path + letter: bands[key] for path, bands in level.items() for letter, key in keys.items()}
    for ours, path in zip(natural, packet_paths(2, 2, "natural"), strict=True):
        np.testing.assert_allclose(ours.numpy(), nodes[path], rtol=0, atol=1e-12)
    restored = iwavelet_packet(natural, order="natural", size=(11, 9), **{**options, "axes": (-1, -3)})
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("wavelet", ["haar", "db3"])
def test_inverse_of_changed_nodes(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(13, 22, generator=rng, dtype=torch.float64)
    tree = pywt.WaveletPacket2D(x.numpy(), wavelet, "symmetric", maxlevel=2)
    nodes = wavelet_packet(x, wavelet, 2, "natural")
    noise = torch.randn(nodes.shape, generator=rng, dtype=torch.float64)
    empty = pywt.WaveletPacket2D(None, wavelet, "symmetric", maxlevel=2)
    for path, node in zip(packet_paths(2, 2, "natural"), nodes + noise, strict=True):
        tree[path] = empty[path] = node.numpy()
    ours = iwavelet_packet(nodes + noise, wavelet, "natural", size=(13, 22))
    np.testing.assert_allclose(ours.numpy(), tree.reconstruct(update=False), rtol=0, atol=1e-12)
    ours = iwavelet_packet(nodes + noise, wavelet, "natural")  # neither of them knows the size
    np.testing.assert_allclose(ours.numpy(), empty.reconstruct(update=False), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("wavelet", "mode"), [("haar", "symmetric"), ("db2", "reflect"), ("db2", "periodization")])
@pytest.mark.parametrize("order", ["freq", "natural"])
def test_gradients_are_right(wavelet: str, mode: str, order: str, rng: torch.Generator) -> None:
    x = torch.randn(1, 4, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: wavelet_packet(x, wavelet, 2, order, mode=mode), (x,), check_forward_ad=True)
    assert gradgradcheck(lambda x: wavelet_packet(x, wavelet, 1, order, mode=mode), (x,))
    nodes = wavelet_packet(x.detach(), wavelet, 1, order, mode=mode).requires_grad_()
    inverse = lambda nodes: iwavelet_packet(nodes, wavelet, order, mode=mode, size=(4, 5))  # noqa: E731
    assert gradcheck(inverse, (nodes,), check_forward_ad=True)
    assert gradgradcheck(inverse, (nodes,))


def test_gradient_with_respect_to_taps(rng: torch.Generator) -> None:
    taps = [torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in pywt.Wavelet("db2").filter_bank]
    x = torch.randn(2, 9, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(wavelet_packet(x, taps, 2, axes=(1,)), wavelet_packet(x, "db2", 2, axes=(1,)))
    assert gradcheck(lambda *taps: wavelet_packet(x, taps, 2, axes=(1,)), tuple(taps))


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_function_transforms(wavelet: str, rng: torch.Generator) -> None:
    x = torch.randn(3, 2, 8, 9, generator=rng)
    nodes = wavelet_packet(x, wavelet, 2)
    torch.testing.assert_close(torch.vmap(lambda x: wavelet_packet(x, wavelet, 2), 1, 1)(x), nodes)
    inverse = torch.vmap(lambda nodes: iwavelet_packet(nodes, wavelet, size=(8, 9)))(nodes)
    torch.testing.assert_close(inverse, x)
    value, tangent = torch.func.jvp(lambda x: wavelet_packet(x, wavelet, 2), (x,), (2 * x,))
    torch.testing.assert_close(tangent, 2 * value)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(dtype: torch.dtype, rng: torch.Generator) -> None:
    x = torch.randn(2, 16, 16, generator=rng).to(dtype)
    nodes = wavelet_packet(x, "db2", 2)
    assert torch.equal(nodes, wavelet_packet(x.float(), "db2", 2).to(dtype))
    assert torch.equal(
        iwavelet_packet(nodes, "db2", size=(16, 16)), iwavelet_packet(nodes.float(), "db2", size=(16, 16)).to(dtype)
    )


def test_complex_input_and_empty_batch(rng: torch.Generator) -> None:
    x = torch.randn(2, 9, 8, generator=rng, dtype=torch.complex128)
    nodes = wavelet_packet(x, "db2", 1)
    torch.testing.assert_close(nodes, torch.complex(wavelet_packet(x.real, "db2"), wavelet_packet(x.imag, "db2")))
    torch.testing.assert_close(iwavelet_packet(nodes, "db2", size=(9, 8)), x)
    empty = wavelet_packet(torch.zeros(0, 3, 8, 8), "db2", 1)
    assert empty.shape == (0, 3, 2, 2, 5, 5)
    assert iwavelet_packet(empty, "db2").shape == (0, 3, 8, 8)


def test_memory_layout_does_not_matter(rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 8, 12, generator=rng)
    expected = wavelet_packet(x, "db2", 2)
    torch.testing.assert_close(wavelet_packet(x.contiguous(memory_format=torch.channels_last), "db2", 2), expected)
    nodes = expected.transpose(0, 3).contiguous().transpose(0, 3)
    torch.testing.assert_close(iwavelet_packet(nodes, "db2", size=(8, 12)), x)


def test_too_many_levels_warn() -> None:
    with pytest.warns(UserWarning, match=r"level 3 is so high"):
        wavelet_packet(torch.zeros(16, 16), "db4", 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: wavelet_packet(x, "haarr"), "closest are"),
        (lambda x: wavelet_packet(x, mode="mirror"), "mode must be one of"),
        (lambda x: wavelet_packet(x, order="gray"), "order must be 'freq' or 'natural', got 'gray'"),
        (lambda x: wavelet_packet(x, level=-1), "level must not be negative, got -1"),
        (lambda x: wavelet_packet(x, axes=(0, -2)), "axes must be different"),
        (lambda x: wavelet_packet(x[0]), "axes must lie within"),
        (lambda x: iwavelet_packet(x), "axes must lie within the 0 axes"),
        (lambda x: iwavelet_packet(x[None, None].expand(4, 2, 4, 6)), r"2\^level along each of 2 axes .* got \(4, 2\)"),
        (lambda x: iwavelet_packet(x[None].expand(8, 4, 6), order="natural"), r"4\^level nodes .* got \(8,\)"),
        (lambda x: iwavelet_packet(wavelet_packet(x), size=(4,)), r"one number per axis \(2\), got 1"),
        (
            lambda x: iwavelet_packet(wavelet_packet(x, level=2), size=(4, 10)),
            r"size \(4, 10\) belongs to nodes of size \(1, 3\) at level 2, got \(1, 2\)",
        ),
        (lambda x: packet_paths(-1), "level must not be negative"),
        (lambda x: packet_paths(1, 0), "num_axes must be at least 1, got 0"),
        (lambda x: packet_paths(1, order="sequency"), "order must be"),
    ],
)
def test_errors_name_the_argument_and_the_rule(call: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(4, 6))


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"convert it with \.float\(\)"):
        wavelet_packet(torch.zeros(4, 4, dtype=torch.int32))
    with pytest.raises(TypeError, match=r"convert it with \.float\(\)"):
        iwavelet_packet(torch.zeros(2, 2, 4, 4, dtype=torch.int32))
