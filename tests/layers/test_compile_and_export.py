"""Every layer goes through the compiler with its gradients, and into an exported program of any batch size."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from subband import layers
from subband.layers import (
    BlockDCT2d,
    BlockIDCT2d,
    DTCWT2d,
    FFCResidualBlock,
    FourierFilter2d,
    FourierUnit,
    FrequencyGate,
    FrequencySpatialBlock,
    IDTCWT2d,
    IWaveletPacket1d,
    IWaveletPacket2d,
    IWaveletPacket3d,
    JpegDCT2d,
    LearnableDWT1d,
    LearnableDWT2d,
    LearnableDWT3d,
    LiftingDWT1d,
    LiftingDWT2d,
    LiftingDWT3d,
    PyramidAlignment,
    TemporalEnergyAggregation,
    UnbiasedFourierUnit,
    WaveletPacket1d,
    WaveletPacket2d,
    WaveletPacket3d,
    dynamic_conv2d,
)
from subband.layers.stationary import ISWT1d, ISWT2d, ISWT3d, SWT1d, SWT2d, SWT3d
from subband.layers.wavelet import DWT1d, DWT2d, DWT3d, IDWT1d, IDWT2d, IDWT3d

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class Pair(nn.Module):
    """Coefficients, and what the inverse makes of them times two."""

    def __init__(self, analysis: nn.Module, synthesis: nn.Module | None = None, *, with_size: bool = True) -> None:
        super().__init__()
        self.analysis, self.synthesis, self.with_size = analysis, synthesis, with_size

    def forward(self, x: Tensor) -> tuple[Any, Tensor]:
        coeffs = self.analysis(x)
        inverse = self.analysis.inverse if self.synthesis is None else self.synthesis
        sizes = (x.shape[2:],) if self.with_size else ()
        return coeffs, inverse(tree_map_only(Tensor, lambda band: 2 * band, coeffs), *sizes)


class Each(nn.Module):
    """Several layers in one graph: all of the same input, or one input each."""

    def __init__(self, *members: nn.Module, same: bool = True) -> None:
        super().__init__()
        self.members, self.same = nn.ModuleList(members), same

    def forward(self, x: Any) -> list[Any]:
        return [member(x if self.same else x[place]) for place, member in enumerate(self.members)]


class Aligned(nn.Module):
    """Half of the channels aligned with the other half."""

    def __init__(self) -> None:
        super().__init__()
        self.alignment = lively(PyramidAlignment(4, levels=2, groups=2))

    def forward(self, x: Tensor) -> Tensor:
        return self.alignment(*x.chunk(2, 1))


class Dynamic(nn.Module):
    """Kernels for every pixel, shared by two channels each."""

    def forward(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        return dynamic_conv2d(*inputs, group_channels=2)


def lively(module: nn.Module) -> nn.Module:
    """The same module with small noise where it begins as zeros."""
    for value in module.parameters():
        if not value.any():
            nn.init.normal_(value, std=0.1)
    return module


def image(*size: int, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, *size)


def one_and_three_axes(build: Callable[[int], nn.Module], line: int = 9, clip: tuple[int, ...] = (3, 4, 6)) -> Any:
    return Each(build(1), build(3), same=False), (image(line, channels=2), image(*clip, channels=2))


WAVELETS = {1: (DWT1d, IDWT1d), 3: (DWT3d, IDWT3d)}
STATIONARY = {1: (SWT1d, ISWT1d), 3: (SWT3d, ISWT3d)}
PACKETS = {1: (WaveletPacket1d, IWaveletPacket1d), 3: (WaveletPacket3d, IWaveletPacket3d)}
LEARNABLE = {1: LearnableDWT1d, 3: LearnableDWT3d}
LIFTING = {1: LiftingDWT1d, 3: LiftingDWT3d}
PER_CHANNEL = [[0, 1, 8], [0], [0, 9]]
LAYOUTS = (
    ("haar", "bands", 1),
    ("haar", "channels", 1),
    ("haar", "batch", 1),
    ("db2", "split", 2),
    ("haar", "bands", 2),
)


def wavelet_pair(wavelet: str, layout: str, levels: int) -> Pair:
    options = {"wavelet": wavelet, "levels": levels, "layout": layout}
    return Pair(DWT2d(**options), IDWT2d(**options))


def block_pair(keep: list[list[int]] | None) -> Pair:
    return Pair(BlockDCT2d(keep=keep, pad="replicate"), BlockIDCT2d(keep=keep))


# Name: a module (or several in one graph) and its input.
CASES: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
    "wavelet": lambda: (Each(*(wavelet_pair(*case) for case in LAYOUTS)), image(13, 12)),
    "wavelet_1d_3d": lambda: one_and_three_axes(lambda n: Pair(*(kind("haar") for kind in WAVELETS[n]))),
    "packets": lambda: (
        Pair(*(kind("db2", levels=2, layout="channels") for kind in (WaveletPacket2d, IWaveletPacket2d))),
        image(13, 12),
    ),
    "packets_1d_3d": lambda: one_and_three_axes(lambda n: Pair(*(kind("haar", levels=1) for kind in PACKETS[n]))),
    "stationary": lambda: (
        Each(
            Pair(*(kind("db2", levels=2, layout="channels") for kind in (SWT2d, ISWT2d)), with_size=False),
            SWT2d(mode="zero", layout="channels", signs=(1, -1, -1, 1)),
        ),
        image(8, 12),
    ),
    "stationary_1d_3d": lambda: one_and_three_axes(
        lambda n: Pair(*(kind("haar") for kind in STATIONARY[n]), with_size=False), 8, (4, 4, 6)
    ),
    "learnable": lambda: (Pair(LearnableDWT2d("db2", layout="channels")), image(7, 8)),
    "learnable_1d_3d": lambda: one_and_three_axes(lambda n: Pair(LEARNABLE[n]("haar"))),
    "lifting": lambda: (Pair(LiftingDWT2d("bior4.4", layout="channels")), image(7, 8)),
    "lifting_1d_3d": lambda: one_and_three_axes(lambda n: Pair(LIFTING[n]("haar"))),
    "dual_tree": lambda: (Pair(DTCWT2d(1), IDTCWT2d(), with_size=False), image(10, 12)),
    "block_dct": lambda: (Each(*map(block_pair, (None, PER_CHANNEL))), image(13, 24)),
    "jpeg_dct": lambda: (Each(JpegDCT2d(24), JpegDCT2d(24, pipeline="detection")), image(32, 48)),
    "fourier_filter": lambda: (
        Each(*(FourierFilter2d(6, (6, 7), method=method) for method in ("fft", "matrix"))),
        image(6, 7, channels=6),
    ),
    "fourier_filter_last": lambda: (FourierFilter2d(2, (6, 7), layout="channels_last"), image(7, 2, channels=6)),
    "fourier_unit": lambda: (
        Each(*(FourierUnit(3, 5, method=method) for method in ("fft", "matrix"))),
        image(8, 7),
    ),
    "fourier_unit_unbiased": lambda: (UnbiasedFourierUnit(3, size=8), image(8, 8)),
    "fourier_convolution": lambda: (FFCResidualBlock(16), (image(8, 8, channels=4), image(8, 8, channels=12))),
    "frequency_gate": lambda: (FrequencyGate(12), image(4, 6, channels=12)),
    "frequency_spatial": lambda: (lively(FrequencySpatialBlock(4)), image(8, 7, channels=4)),
    "spectral_alignment": lambda: (Aligned(), image(8, 12, channels=8)),
    "temporal_energy": lambda: (
        Each(*(lively(TemporalEnergyAggregation(4, 3, mode=mode)) for mode in ("bin", "channel", "frame"))),
        torch.randn(2, 3, 4, 8, 7),
    ),
    "dynamic_convolution": lambda: (Dynamic(), (image(8, 16, channels=4), image(2, 4, channels=18))),
}
# Code is generated for sums of shifted views and for products of matrices; the tracer alone is asked for all.
INDUCTOR = ("learnable", "fourier_filter_last")


@pytest.mark.parametrize(
    ("name", "backend"), [*((name, "aot_eager") for name in CASES), *((name, "inductor") for name in INDUCTOR)]
)
def test_compiles_into_one_graph_with_the_same_gradients(name: str, backend: str, check_compiled: Callable) -> None:
    module, x = CASES[name]()
    check_compiled(module.eval(), (x,), backend)


@pytest.mark.parametrize("name", CASES)
def test_exports_with_any_batch(name: str, check_export: Callable) -> None:
    module, x = CASES[name]()
    check_export(module.eval(), (x,))


def test_no_layer_is_forgotten() -> None:
    tested = {type(part) for build in CASES.values() for part in build()[0].modules()}
    public = [getattr(layers, name) for name in layers.__all__]
    assert {kind for kind in public if isinstance(kind, type) and issubclass(kind, nn.Module)} <= tested
