"""Every layer that `subband.layers` offers: on the device as on the CPU, outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from gpu_checks.check import LINEAR, SUMS, Check, Figure, Setting, compare_function, compare_module, noise
from subband import layers
from subband.compat import pytorch_wavelets
from subband.layers.attention import RelativeAttention
from subband.transforms import FilterBank

__all__ = ["MODULES", "checks"]


class RoundTrip(nn.Module):
    """Coefficients, and what the inverse makes of twice them."""

    def __init__(self, analysis: nn.Module, synthesis: nn.Module | None = None, *, with_size: bool = True) -> None:
        super().__init__()
        self.analysis, self.synthesis, self.with_size = analysis, synthesis, with_size

    def forward(self, x: Tensor) -> tuple[Any, Tensor]:
        coeffs = self.analysis(x)
        inverse: Any = self.analysis.inverse if self.synthesis is None else self.synthesis
        sizes = (x.shape[2:],) if self.with_size else ()
        return coeffs, inverse(tree_map_only(Tensor, lambda band: 2 * band, coeffs), *sizes)


class DynamicConv(nn.Module):
    """Kernels for every pixel, each shared by some channels."""

    def __init__(self, group_channels: int = 1) -> None:
        super().__init__()
        self.group_channels = group_channels

    def forward(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        return layers.dynamic_conv2d(*inputs, group_channels=self.group_channels)


class DeformConv(nn.Module):
    """Taps at learned places, in two groups of offsets."""

    def forward(self, inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        x, offset, weight, mask = inputs
        return layers.deform_conv2d(x, offset, weight, mask=mask, padding=1)


class EnergyWeights(nn.Module):
    """What every frame counts for, in all ways."""

    def forward(self, spectrum: Tensor) -> list[Tensor]:
        modes: tuple[layers.EnergyMode, ...] = get_args(layers.EnergyMode)
        return [layers.temporal_energy_weights(spectrum, 8, 0.5, mode=mode) for mode in modes]


class Several(nn.Module):
    """A module of several arguments that is given them together."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: tuple[Tensor, ...]) -> Any:
        return self.module(*inputs)


def lively(module: nn.Module) -> nn.Module:
    """The same module with small noise where it begins as zeros."""
    for value in module.parameters():
        if not value.any():
            nn.init.normal_(value, std=0.1)
    return module


LINE, IMAGE, CLIP = (2, 3, 16), (2, 3, 8, 12), (2, 3, 4, 6, 8)


def pairs() -> dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]]:
    """Analysis and synthesis of one, two and three axes."""
    found = {}
    for axes, shape in ((1, LINE), (2, IMAGE), (3, CLIP)):
        for kind, with_size in (("DWT", True), ("SWT", False), ("WaveletPacket", True)):
            both = [getattr(layers, f"{prefix}{kind}{axes}d") for prefix in ("", "I")]
            options = {"levels": 1} if kind == "WaveletPacket" else {}

            def build(both: Any = both, with_size: bool = with_size, options: Any = options) -> nn.Module:
                return RoundTrip(*(one("haar", **options) for one in both), with_size=with_size)

            found[f"{kind}{axes}d"] = (build, shape)
        for kind, wavelet in (("LearnableDWT", "db2"), ("LiftingDWT", "bior4.4" if axes < 3 else "haar")):
            one = getattr(layers, f"{kind}{axes}d")
            found[f"{kind}{axes}d"] = (lambda one=one, wavelet=wavelet: RoundTrip(one(wavelet)), shape)
    return found


# Name: what makes the module, and the shape of its input or inputs.
MODULES: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "FourierFilter2d": (lambda: layers.FourierFilter2d(6, (6, 7)), (2, 6, 6, 7)),
    "FourierFilter2d, channels last": (
        lambda: layers.FourierFilter2d(6, (6, 7), layout="channels_last"),
        (2, 6, 7, 6),
    ),
    "FourierFilter2d, matrix": (lambda: layers.FourierFilter2d(6, (6, 7), method="matrix"), (2, 6, 6, 7)),
    "FourierUnit": (lambda: layers.FourierUnit(4, 6), (2, 4, 8, 7)),
    "UnbiasedFourierUnit": (lambda: layers.UnbiasedFourierUnit(3, size=8), (2, 3, 8, 8)),
    "SpectralTransform": (lambda: layers.SpectralTransform(8, 8), (2, 8, 8, 8)),
    "FFCResidualBlock": (lambda: layers.FFCResidualBlock(16), [(2, 4, 8, 8), (2, 12, 8, 8)]),
    "JpegDCT2d": (lambda: layers.JpegDCT2d(24), (2, 3, 32, 48)),
    "JpegDCT2d, detection": (lambda: layers.JpegDCT2d(24, pipeline="detection"), (2, 3, 32, 48)),
    "BlockDCT2d": (lambda: RoundTrip(layers.BlockDCT2d(), layers.BlockIDCT2d()), (2, 3, 16, 24)),
    "DTCWT2d": (lambda: RoundTrip(layers.DTCWT2d(2), layers.IDTCWT2d(), with_size=False), (2, 3, 16, 12)),
    "pytorch_wavelets, wavelets": (
        lambda: RoundTrip(pytorch_wavelets.DWT(2, "db2"), pytorch_wavelets.IDWT("db2"), with_size=False),
        (2, 3, 16, 12),
    ),
    "pytorch_wavelets, dual trees": (
        lambda: RoundTrip(pytorch_wavelets.DTCWT(J=2, o_dim=1), pytorch_wavelets.IDTCWT(o_dim=1), with_size=False),
        (2, 3, 16, 12),
    ),
    "FrequencyGate": (lambda: layers.FrequencyGate(12), (2, 12, 4, 6)),
    "FrequencySpatialBlock": (lambda: lively(layers.FrequencySpatialBlock(4)), (2, 4, 8, 7)),
    "PyramidAlignment": (
        lambda: Several(lively(layers.PyramidAlignment(4, levels=2, groups=2))),
        [(2, 4, 8, 12), (2, 4, 8, 12)],
    ),
    "TemporalEnergyAggregation": (lambda: lively(layers.TemporalEnergyAggregation(4, 3)), (2, 3, 4, 8, 7)),
    "dynamic_conv2d": (DynamicConv, [(2, 4, 16, 24), (2, 36, 2, 3)]),
    "dynamic_conv2d, shared kernels": (lambda: DynamicConv(2), [(2, 4, 16, 24), (2, 18, 16, 24)]),
    "deform_conv2d": (DeformConv, [(2, 4, 6, 7), (2, 36, 6, 7), (6, 4, 3, 3), (2, 18, 6, 7)]),
    "temporal_energy_weights": (EnergyWeights, (2, 3, 4, 2, 6, 5)),
    "RelativeAttention": (lambda: RelativeAttention(16, window=(4, 4), head_dim=8), (3, 16, 16)),
    **pairs(),
}


# Functions of one tensor, and the shape of that.
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = {
    "fourier_filter_kernel": (lambda x: layers.fourier_filter_kernel(x, (6, 7)), (3, 6, 4, 2)),
    "fourier_filter_magnitude": (lambda x: layers.fourier_filter_magnitude(x, (6, 7)), (3, 6, 4, 2)),
    "gate_penalty": (lambda x: layers.gate_penalty(x), (2, 5)),
    "jpeg_planes": (lambda x: layers.jpeg_planes(x), (2, 3, 8, 9)),
    "resize_fourier_filter": (lambda x: layers.resize_fourier_filter(x, (9, 8)), (3, 6, 4, 2)),
}


def build(name: str) -> tuple[nn.Module, Any]:
    """A module in evaluation mode on the CPU with fixed weights, and its input."""
    make, shape = MODULES[name]
    torch.manual_seed(0)
    module = make().eval()
    is_one = isinstance(shape, tuple)
    return module, noise(*shape) if is_one else tuple(noise(*size, seed=place) for place, size in enumerate(shape))


def checks(setting: Setting) -> Iterator[Check]:
    """All modules and functions; losses of learned filters; attention over more windows than a launch may have."""
    for name in MODULES:
        module, x = build(name)
        yield Check(name, partial(compare_module, module, (x,), setting.device, SUMS))
    taps = tuple(noise(4, seed=place) for place in range(4))
    for loss in (layers.alias_loss, layers.reconstruction_loss):
        run = partial(compare_function, lambda *bank, loss=loss: loss(FilterBank(*bank)), taps, setting.device, LINEAR)
        yield Check(loss.__name__, run)
    for name, (function, shape) in FUNCTIONS.items():
        yield Check(name, partial(compare_function, function, (noise(*shape),), setting.device, SUMS))
    yield Check("many windows", partial(many_windows, setting))


def many_windows(setting: Setting) -> list[Figure]:
    """A launch of a CUDA kernel has at most 65,535 blocks along two of its axes."""
    module, _ = build("RelativeAttention")
    count = 100 if setting.is_quick else 70_000
    tokens = noise(50, 16, 16).repeat(-(-count // 50), 1, 1)[:count]
    moved = module.to(setting.device)
    with torch.no_grad():
        together = moved(tokens.to(setting.device))
        apart = moved(tokens[:50].to(setting.device))
    errors = (together.unflatten(0, (-1, 50)) - apart).abs().max() / apart.abs().max()
    return [Figure(float(errors), SUMS)]
