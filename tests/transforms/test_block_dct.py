"""Block cosine transform against a loop of SciPy's, against JPEG files, and under every transformation of PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.func import jvp, vmap

from subband.transforms import block_dct2, block_frequencies, block_idct2, zigzag_order


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def block_loop(x: np.ndarray, block: int) -> np.ndarray:
    result = np.empty_like(x)
    for row in range(0, x.shape[-2], block):
        for column in range(0, x.shape[-1], block):
            cut = (..., slice(row, row + block), slice(column, column + block))
            result[cut] = scipy.fft.dctn(x[cut], axes=(-2, -1), norm="ortho")
    return result


def as_channels(planes: np.ndarray, block: int, frequencies: list[int]) -> np.ndarray:
    """Coefficients where the pixels were, gathered frequency by frequency."""
    channels = [
        planes[..., channel, index // block :: block, index % block :: block]
        for channel in range(planes.shape[-3])
        for index in frequencies
    ]
    return np.stack(channels, -3)


@settings(max_examples=40, deadline=None)
@given(
    block=st.integers(1, 9),
    rows=st.integers(1, 3),
    columns=st.integers(1, 4),
    batch=st.lists(st.integers(1, 3), max_size=2),
    order=st.sampled_from(["raster", "zigzag"]),
)
def test_equals_a_loop_over_blocks(block: int, rows: int, columns: int, batch: list[int], order: str) -> None:
    x = noise(*batch, 2, rows * block, columns * block)
    expected = block_loop(x.numpy(), block)
    spatial = block_dct2(x, block)
    np.testing.assert_allclose(spatial.numpy(), expected, atol=1e-12)
    channels = block_dct2(x, block, layout="channels", order=order)
    frequencies = block_frequencies(block, order)
    np.testing.assert_allclose(channels.numpy(), as_channels(expected, block, frequencies), atol=1e-12)
    assert spatial.is_contiguous()
    assert channels.is_contiguous()
    torch.testing.assert_close(block_idct2(spatial, block), x)
    torch.testing.assert_close(block_idct2(channels, block, layout="channels", order=order), x)


def test_kept_frequencies() -> None:
    x = noise(2, 3, 16, 24)
    everything = block_dct2(x, layout="channels", order="zigzag").unflatten(1, (3, 64))
    kept = block_dct2(x, layout="channels", order="zigzag", keep=[5, 0, 63])
    torch.testing.assert_close(kept.unflatten(1, (3, 3)), everything[:, :, [5, 0, 63]])
    only = torch.zeros_like(everything)
    only[:, :, [5, 0, 63]] = everything[:, :, [5, 0, 63]]
    restored = block_idct2(kept, layout="channels", order="zigzag", keep=[5, 0, 63])
    torch.testing.assert_close(restored, block_idct2(only.flatten(1, 2), layout="channels", order="zigzag"))


def test_first_coefficient_is_block_times_the_mean() -> None:
    x = noise(3, 16, 16)
    for block in (4, 8):
        mean = torch.nn.functional.avg_pool2d(x, block)
        torch.testing.assert_close(block_dct2(x, block, layout="channels", keep=[0]), block * mean)
        torch.testing.assert_close(block_dct2(x, block)[..., ::block, ::block], block * mean)


def test_coefficients_of_jpeg_files(golden: Path) -> None:
    """An encoder's integer arithmetic differs from the exact transform by at most one after rounding."""
    stored = np.load(golden / "fourier" / "dct_block_transform.npz")
    for plane, coefficients in (("plane_y", "y_420"), ("plane_cb_420", "cb_420"), ("plane_cr_420", "cr_420")):
        pixels = torch.from_numpy(stored[plane]).double()
        ours = block_dct2(pixels[None] - 128, layout="channels").round()
        difference = (ours - torch.from_numpy(stored[coefficients]).double()).abs()
        assert difference.max() <= 1
        assert (difference > 0).double().mean() < 0.1


def test_zigzag_is_jpegs() -> None:
    rows = [
        [0, 1, 5, 6, 14, 15, 27, 28],
        [2, 4, 7, 13, 16, 26, 29, 42],
        [3, 8, 12, 17, 25, 30, 41, 43],
        [9, 11, 18, 24, 31, 40, 44, 53],
        [10, 19, 23, 32, 39, 45, 52, 54],
        [20, 22, 33, 38, 46, 51, 55, 60],
        [21, 34, 37, 47, 50, 56, 59, 61],
        [35, 36, 48, 49, 57, 58, 62, 63],
    ]  # ITU-T T.81, figure A.6
    places = np.argsort(zigzag_order(8)).reshape(8, 8)
    assert places.tolist() == rows
    assert zigzag_order(1) == (0,)
    assert zigzag_order(3) == (0, 1, 3, 6, 4, 2, 5, 7, 8)


@pytest.mark.parametrize("layout", ["spatial", "channels"])
def test_padding_repeats_the_border(layout: str) -> None:
    x = noise(2, 3, 13, 18)
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (0, 3), (0, 6)], mode="edge")
    coeffs = block_dct2(x, layout=layout, pad="replicate")
    torch.testing.assert_close(coeffs, block_dct2(torch.from_numpy(padded), layout=layout))
    torch.testing.assert_close(block_idct2(coeffs, layout=layout, size=(13, 18)), x)
    assert block_idct2(coeffs, layout=layout).shape == (2, 3, 16, 24)


@pytest.mark.parametrize("layout", ["spatial", "channels"])
def test_dtypes_and_layouts(layout: str) -> None:
    x = noise(2, 3, 16, 24)
    expected = block_dct2(x, layout=layout)
    torch.testing.assert_close(block_dct2(x.float(), layout=layout), expected.float(), rtol=0, atol=5e-6)
    half = block_dct2(x.bfloat16(), layout=layout)
    assert torch.equal(half, block_dct2(x.bfloat16().float(), layout=layout).bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(block_dct2(x.float(), layout=layout), block_dct2(x.float(), layout=layout))
        torch.testing.assert_close(block_dct2(x.float(), layout=layout), expected.float(), rtol=0, atol=5e-6)
    z = torch.complex(x, x.flip(0))
    torch.testing.assert_close(block_dct2(z, layout=layout), torch.complex(expected, expected.flip(0)))
    torch.testing.assert_close(block_idct2(block_dct2(z, layout=layout), layout=layout), z)
    for other in (x.to(memory_format=torch.channels_last), x.mT.contiguous().mT, noise(2, 3, 16, 48)[..., ::2]):
        torch.testing.assert_close(block_dct2(other, layout=layout), block_dct2(other.contiguous(), layout=layout))
        coeffs = block_dct2(other, layout=layout)
        torch.testing.assert_close(block_idct2(coeffs.mT.contiguous().mT, layout=layout), other)


@pytest.mark.parametrize("layout", ["spatial", "channels"])
def test_empty_batches(layout: str) -> None:
    x = torch.zeros(0, 3, 16, 8, requires_grad=True)
    coeffs = block_dct2(x, layout=layout)
    assert coeffs.shape == ((0, 192, 2, 1) if layout == "channels" else x.shape)
    assert block_idct2(coeffs, layout=layout).shape == x.shape
    coeffs.sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("options", [{}, {"layout": "channels"}, {"layout": "channels", "keep": [0, 3]}])
def test_gradients(options: dict) -> None:
    x = noise(2, 2, 4, 6).requires_grad_()

    def forward(t: torch.Tensor) -> torch.Tensor:
        return block_dct2(t, 2, **options)

    def inverse(t: torch.Tensor) -> torch.Tensor:
        return block_idct2(t, 2, **options)

    coeffs = forward(x).detach().requires_grad_()
    for function, argument in ((forward, x), (inverse, coeffs)):
        assert gradcheck(function, (argument,), check_forward_ad=True)
        assert gradgradcheck(function, (argument,))
    left, right = (forward(x) * coeffs).sum(), (x * inverse(coeffs)).sum()
    torch.testing.assert_close(left, right)  # the inverse is the transpose


@pytest.mark.parametrize("layout", ["spatial", "channels"])
def test_batching_and_tangents(layout: str) -> None:
    x, tangent = noise(3, 2, 16, 8), noise(3, 2, 16, 8, seed=1)
    torch.testing.assert_close(vmap(lambda t: block_dct2(t, layout=layout))(x), block_dct2(x, layout=layout))
    value, derivative = jvp(lambda t: block_dct2(t, layout=layout), (x,), (tangent,))
    torch.testing.assert_close(value, block_dct2(x, layout=layout))
    torch.testing.assert_close(derivative, block_dct2(tangent, layout=layout))


def test_errors() -> None:
    x = torch.zeros(1, 3, 16, 16)
    for block in (0, -8, 2.0, None, True):
        with pytest.raises(ValueError, match=rf"block must be a positive integer, got {block}"):
            block_dct2(x, block)
    with pytest.raises(ValueError, match=r"multiples of block=8 unless pad='replicate', got 12x16"):
        block_dct2(torch.zeros(1, 12, 16))
    with pytest.raises(ValueError, match="layout must be 'spatial' or 'channels', got 'blocks'"):
        block_dct2(x, layout="blocks")
    with pytest.raises(ValueError, match="order and keep need layout='channels'"):
        block_dct2(x, order="zigzag")
    with pytest.raises(ValueError, match="order must be 'raster' or 'zigzag', got 'snake'"):
        block_dct2(x, layout="channels", order="snake")
    with pytest.raises(ValueError, match="pad must be 'replicate' or None, got 'zero'"):
        block_dct2(x, pad="zero")
    for keep in ([], [64], [-1], [2, 2]):
        with pytest.raises(ValueError, match="keep must be different places between 0 and 63"):
            block_dct2(x, layout="channels", keep=keep)
    with pytest.raises(ValueError, match="layout='channels' needs at least 3 axes"):
        block_dct2(torch.zeros(16, 16), layout="channels")
    with pytest.raises(ValueError, match="coeffs must have a multiple of 64 channels"):
        block_idct2(torch.zeros(1, 63, 2, 2), layout="channels")
    with pytest.raises(ValueError, match="coeffs must have sides that are multiples of 8"):
        block_idct2(torch.zeros(12, 8))
    for size in ((8, 16), (17, 16)):
        with pytest.raises(ValueError, match="does not fit blocks of 8 that make 16x16 pixels"):
            block_idct2(x, size=size)
    with pytest.raises(TypeError, match=r"coeffs must be floating or complex.*\.float\(\)"):
        block_idct2(torch.zeros(8, 8, dtype=torch.int16))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiles_for_any_size() -> None:
    torch._dynamo.reset()

    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return block_dct2(x), block_dct2(x, layout="channels", keep=[0, 9])

    compiled = torch.compile(both, fullgraph=True, dynamic=True, backend="aot_eager")
    for size in ((16, 24), (32, 40)):
        x = noise(2, 3, *size)
        torch.testing.assert_close(compiled(x), both(x))
