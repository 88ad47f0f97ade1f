"""Learned Fourier filters: the published layer's numbers, resizing, and export."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fill import fill_tensor, make_input, state_dict_from_manifest
from torch.autograd import gradcheck

from subband.layers.spectral import (
    FourierFilter2d,
    fourier_filter_kernel,
    fourier_filter_magnitude,
    resize_fourier_filter,
)
from subband.transforms import fourier_filter


@pytest.fixture
def published(golden: Path) -> dict[str, np.ndarray]:
    return dict(np.load(golden / "fourier" / "global_filter_unit.npz"))


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("method", ["fft", "matrix"])
def test_published_layer(method: str, golden: Path, published: dict[str, np.ndarray]) -> None:
    layer = FourierFilter2d(8, (6, 10), layout="channels_last", method=method)
    layer.load_state_dict(state_dict_from_manifest(golden / "fourier" / "global_filter_unit.json"))
    tokens = make_input("global_filter_unit", [2, 60, 8], kind="normal")
    filtered = layer(tokens.unflatten(1, (6, 10))).flatten(1, 2)
    torch.testing.assert_close(filtered, torch.from_numpy(published["filtered"]), rtol=1e-5, atol=1e-5)


def test_published_resizing(published: dict[str, np.ndarray]) -> None:
    weight = fill_tensor("complex_weight", [14, 8, 3, 2], "small")
    resized = resize_fourier_filter(weight, (20, 20), layout="channels_last")
    torch.testing.assert_close(resized, torch.from_numpy(published["up_weight"]), rtol=1e-5, atol=1e-7)
    first = resize_fourier_filter(weight.permute(2, 0, 1, 3), (20, 20))
    torch.testing.assert_close(first, resized.permute(2, 0, 1, 3))


def test_published_images(published: dict[str, np.ndarray]) -> None:
    weight = fill_tensor("complex_weight", [14, 8, 3, 2], "small")
    for function, name in ((fourier_filter_kernel, "viz_spatial"), (fourier_filter_magnitude, "viz")):
        image = function(weight, (14, 14), layout="channels_last")
        torch.testing.assert_close(image, torch.from_numpy(published[name]), rtol=1e-5, atol=1e-6)
        assert torch.equal(function(weight.movedim(2, 0), (14, 14)), image)


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_the_kernel_is_that_of_the_circular_convolution(size: tuple[int, int]) -> None:
    layer, impulse = FourierFilter2d(2, size), torch.zeros(1, 2, *size)
    impulse[..., 0, 0] = 1
    torch.testing.assert_close(fourier_filter_kernel(layer.complex_weight, size)[None], layer(impulse))


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (6, 9)])
def test_layouts_and_methods_agree(size: tuple[int, int]) -> None:
    """At the stored size and at another one."""
    x, first = noise(2, 3, *size), FourierFilter2d(3, (6, 8))
    expected = first(x)
    assert first.complex_weight.shape == (3, 6, 5, 2)
    for layout in ("channels_first", "channels_last"):
        for method in ("fft", "matrix"):
            layer = FourierFilter2d(3, (6, 8), layout=layout, method=method)
            last = layout == "channels_last"
            weight = first.complex_weight.data
            layer.load_state_dict({"complex_weight": weight.permute(1, 2, 0, 3) if last else weight})
            y = layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) if last else layer(x)
            torch.testing.assert_close(y, expected, rtol=0, atol=1e-6)


def test_another_size_is_filtered_by_the_resized_filter() -> None:
    layer, x = FourierFilter2d(2, 8), noise(1, 2, 12, 11)
    expected = fourier_filter(x, resize_fourier_filter(layer.complex_weight, (12, 11)))
    assert torch.equal(layer(x), expected)
    constant = FourierFilter2d(2, 8)
    torch.nn.init.zeros_(constant.complex_weight)
    constant.complex_weight.data[..., 0] = 0.5
    for size in ((8, 8), (9, 7), (16, 20)):
        x = noise(1, 2, *size)
        torch.testing.assert_close(constant(x), 0.5 * x, rtol=0, atol=1e-6)


def test_precision() -> None:
    layer, x = FourierFilter2d(3, (6, 7)), noise(2, 3, 6, 7)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(x), expected)
        half = layer(x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, layer(x.bfloat16().float()).bfloat16())
    assert layer.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


def test_start_and_gradients() -> None:
    layer = FourierFilter2d(16, 32)
    assert layer.complex_weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert [name for name, _ in layer.named_parameters()] == list(layer.state_dict()) == ["complex_weight"]
    small = FourierFilter2d(2, (3, 4)).double()
    x, weight = noise(1, 2, 3, 4).double().requires_grad_(), small.complex_weight
    assert gradcheck(lambda x, w: torch.func.functional_call(small, {"complex_weight": w}, x), (x, weight))


def test_errors() -> None:
    with pytest.raises(ValueError, match="layout must be 'channels_first' or 'channels_last', got 'nhwc'"):
        FourierFilter2d(3, 8, layout="nhwc")
    with pytest.raises(ValueError, match="method must be 'fft' or 'matrix', got 'dft'"):
        FourierFilter2d(3, 8, method="dft")
    with pytest.raises(ValueError, match="channels and size must be positive, got 3 and 0x8"):
        FourierFilter2d(3, (0, 8))
    with pytest.raises(ValueError, match=r"x must have 3 channels, got shape \(1, 2, 8, 8\)"):
        FourierFilter2d(3, 8)(torch.zeros(1, 2, 8, 8))
    with pytest.raises(ValueError, match="size must be at least 1x1, got 0x4"):
        resize_fourier_filter(torch.zeros(3, 8, 5, 2), (0, 4))
    with pytest.raises(ValueError, match="layout must be"):
        resize_fourier_filter(torch.zeros(3, 8, 5, 2), (4, 4), layout="last")
    with pytest.raises(ValueError, match=r"size \(8, 12\) does not belong to a half spectrum of \(8, 5\)"):
        fourier_filter_kernel(torch.zeros(3, 8, 5, 2), (8, 12))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_onnx_takes_matrices(size: tuple[int, int], check_onnx: Callable) -> None:
    """At the stored size and at another one, which is resized within the graph; whatever the method in PyTorch is."""
    check_onnx(FourierFilter2d(3, 8), noise(2, 3, *size))
    check_onnx(FourierFilter2d(3, 8, layout="channels_last", method="matrix"), noise(2, *size, 3))
