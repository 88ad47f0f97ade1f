"""Every kind of transform goes through the compiler with its gradients, and into a program of any batch size."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from subband.transforms import (
    block_dct2,
    block_idct2,
    cwt,
    dct2,
    dctn,
    dtcwt2,
    dwt,
    dwtn,
    fourier_filter,
    idctn,
    idtcwt2,
    idwtn,
    iswt2,
    iwavelet_packet,
    swt2,
    wavelet_packet,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def haar_of_clips(x: Tensor) -> tuple[Tensor, Tensor]:
    """Haar in three dimensions and back, and a longer filter along one axis."""
    axes = (-3, -2, -1)
    bands = dwtn(x, axes=axes, stack=2)
    return idwtn(2 * bands, axes=axes, size=x.shape[-3:], stack=2), dwt(x, "db2")[0]


def packets(x: Tensor) -> tuple[Tensor, Tensor]:
    nodes = wavelet_packet(x, "db2", 2, mode="periodic")
    return nodes, iwavelet_packet(nodes.tanh(), "db2", size=(13, 14), mode="periodic")


def stationary(x: Tensor) -> tuple[Any, Tensor]:
    coeffs = swt2(x, "db2", 2, trim_approx=True)
    return coeffs, iswt2([coeffs[0], *(tuple(map(torch.tanh, bands)) for bands in coeffs[1:])], "db2")


def fourier(x: Tensor, weight: Tensor) -> list[Tensor]:
    return [fourier_filter(x, weight, method=method) for method in ("fft", "matrix")]


def continuous(x: Tensor) -> list[Tensor]:
    kinds = (("morl", "conv"), ("cmor1.5-1.0", "fft"))
    return [cwt(x, (1.0, 2.5, 7.0, 40.0), wavelet, 0.5, method)[0] for wavelet, method in kinds]


def cosine(x: Tensor) -> tuple[Tensor, Tensor]:
    """By the matrix for short sides, by the fast way for long ones."""
    return idctn(dctn(x, axes=(1, 2)) * 2, axes=(1, 2)), dct2(x[..., :12])


def dual_tree(x: Tensor) -> tuple[Any, Tensor]:
    coeffs = dtcwt2(x, 2)
    return coeffs, idtcwt2(coeffs.map(lambda band: band * (band.abs() > 0.5)))


def blocks(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    coeffs = block_dct2(x, layout="channels", keep=[0, 9])
    return block_dct2(x), coeffs, block_idct2(2 * coeffs, layout="channels", keep=[0, 9])


# Name: a function and the shapes of its arguments.
CASES: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "haar_of_clips": (haar_of_clips, [(2, 2, 5, 6, 8)]),
    "packets": (packets, [(2, 13, 14)]),
    "stationary": (stationary, [(2, 8, 12)]),
    "fourier": (fourier, [(2, 5, 7), (5, 4, 2)]),
    "continuous": (continuous, [(2, 30)]),
    "cosine": (cosine, [(2, 9, 130)]),
    "dual_tree": (dual_tree, [(2, 11, 8)]),
    "blocks": (blocks, [(2, 3, 16, 24)]),
}
# Code is generated for a sum and for a product of matrices; the tracer alone is asked for all.
INDUCTOR = ("haar_of_clips", "cosine")


class Call(nn.Module):
    """A function as a module; its arguments after the first are the weights."""

    def __init__(self, function: Callable[..., Any], weights: list[Tensor]) -> None:
        super().__init__()
        self.function, self.weights = function, nn.ParameterList(weights)

    def forward(self, x: Tensor) -> Any:
        return self.function(x, *self.weights)


def build(name: str, rng: torch.Generator) -> tuple[nn.Module, tuple[Tensor]]:
    function, (shape, *others) = CASES[name]
    weights = [torch.randn(size, generator=rng) for size in others]
    return Call(function, weights), (torch.randn(shape, generator=rng),)


@pytest.mark.parametrize(
    ("name", "backend"), [*((name, "aot_eager") for name in CASES), *((name, "inductor") for name in INDUCTOR)]
)
def test_compiles_into_one_graph_with_the_same_gradients(
    name: str, backend: str, rng: torch.Generator, check_compiled: Callable
) -> None:
    check_compiled(*build(name, rng), backend)


@pytest.mark.parametrize("name", CASES)
def test_exports_with_any_batch(name: str, rng: torch.Generator, check_export: Callable) -> None:
    check_export(*build(name, rng))
