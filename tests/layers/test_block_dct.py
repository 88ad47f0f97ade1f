"""Block cosine transform modules against SciPy, their lists of frequencies, and export."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.fft
import torch

from subband.layers.block_dct import BlockDCT2d, BlockIDCT2d
from subband.transforms import block_dct2


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


PER_CHANNEL = [[0, 1, 8], [0], [0, 9]]


def test_channels_equal_scipy() -> None:
    x = noise(2, 3, 16, 24)
    blocks = x.numpy().reshape(2, 3, 2, 8, 3, 8)
    expected = scipy.fft.dctn(blocks, axes=(3, 5), norm="ortho").transpose(0, 1, 3, 5, 2, 4).reshape(2, 192, 2, 3)
    np.testing.assert_allclose(BlockDCT2d()(x).numpy(), expected, atol=1e-12)
    kept = [index + 64 * channel for channel, indices in enumerate(PER_CHANNEL) for index in indices]
    np.testing.assert_allclose(BlockDCT2d(keep=PER_CHANNEL)(x).numpy(), expected[:, kept], atol=1e-12)
    same = [index + 64 * channel for channel in range(3) for index in (5, 0)]
    np.testing.assert_allclose(BlockDCT2d(keep=[5, 0])(x).numpy(), expected[:, same], atol=1e-12)


@pytest.mark.parametrize("order", ["raster", "zigzag"])
@pytest.mark.parametrize("block", [4, 8])
def test_inverse(order: str, block: int) -> None:
    x = noise(2, 3, 13, 18)
    coeffs = BlockDCT2d(block, order=order, pad="replicate")(x)
    torch.testing.assert_close(BlockIDCT2d(block, order=order)(coeffs, size=(13, 18)), x)


def test_frequencies_that_were_not_kept_count_as_zero() -> None:
    x = noise(2, 3, 16, 8)
    forward, inverse = BlockDCT2d(keep=PER_CHANNEL), BlockIDCT2d(keep=PER_CHANNEL)
    low = inverse(forward(x))
    torch.testing.assert_close(forward(low), forward(x))
    everything = block_dct2(low, layout="channels").unflatten(1, (3, 64))
    for channel, indices in enumerate(PER_CHANNEL):
        others = [index for index in range(64) if index not in indices]
        assert everything[:, channel, others].abs().max() < 1e-12


def test_no_state_and_precision() -> None:
    layer = BlockDCT2d(order="zigzag", keep=range(10))
    assert not layer.state_dict()
    assert not list(layer.buffers())
    x = noise(1, 2, 8, 8)
    assert layer(x.bfloat16()).dtype == torch.bfloat16
    assert layer(x).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.float()).dtype == torch.float32


def test_errors() -> None:
    with pytest.raises(ValueError, match="keep must be different places between 0 and 15"):
        BlockDCT2d(4, keep=[16])
    with pytest.raises(ValueError, match="keep must be different places between 0 and 63"):
        BlockIDCT2d(keep=[[0], [1, 1]])
    with pytest.raises(ValueError, match="keep must be different places between 0 and 63"):
        BlockDCT2d(keep=[])
    with pytest.raises(ValueError, match="block must be a positive integer, got None"):
        BlockDCT2d(None)
    with pytest.raises(ValueError, match="order must be 'raster' or 'zigzag'"):
        BlockDCT2d(order="random")
    with pytest.raises(ValueError, match="pad must be 'replicate' or None, got 'reflect'"):
        BlockDCT2d(pad="reflect")
    with pytest.raises(ValueError, match="x must have 3 channels, as keep has"):
        BlockDCT2d(keep=PER_CHANNEL)(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="coeffs must have 6 channels, as keep has"):
        BlockIDCT2d(keep=PER_CHANNEL)(torch.zeros(1, 3, 1, 1))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(check_onnx: Callable) -> None:
    keeps = {"all": None, "some": PER_CHANNEL}
    analysis = {name: BlockDCT2d(keep=keep, order="zigzag") for name, keep in keeps.items()}
    check_onnx(analysis, noise(2, 3, 16, 24).float())
    for keep, channels in ((None, 192), (PER_CHANNEL, 6)):
        check_onnx(BlockIDCT2d(keep=keep), noise(2, channels, 2, 3).float())
