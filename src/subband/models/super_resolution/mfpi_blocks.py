"""Blocks of MFPI: a filter of the whole image beside a large kernel, and a gate from the energies of channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.global_filter import GlobalFilter2d
from subband.layers.spectral import exportable
from subband.models.simvp.gsta import LargeKernelAttention
from subband.models.super_resolution.alignment import SLOPE
from subband.transforms import fourier_filter
from subband.transforms.arguments import in_float32

__all__ = ["EnergyGate", "FrequencyEnhancement", "MultiFrequencyBlock"]

FLOOR = 1e-6  # energy that counts as none
REDUCTION = 4  # of the channels inside the gate
FIRST_STEP = 0.1  # of a block's change, when training begins


class FrequencyEnhancement(nn.Module):
    """Spatial frequencies: a global filter and a normalization beside a large kernel, fused.

    Args:
        channels: Channels C.
        with_filter: With the global filter; without it, one branch alone is fused.
        with_large_kernel: With the large kernel; likewise.

    Shape:
        `(B, C, H, W)` to the same.

    Raises:
        ValueError: If neither branch is wanted.
    """

    def __init__(self, channels: int, *, with_filter: bool = True, with_large_kernel: bool = True) -> None:
        super().__init__()
        if not (with_filter or with_large_kernel):
            raise ValueError("a frequency enhancement needs a filter or a large kernel.")
        self.expand = nn.Conv2d(channels, channels, 1)
        self.filter = GlobalFilter2d(channels) if with_filter else None
        self.norm = nn.GroupNorm(channels, channels) if with_filter else None
        self.large_kernel = LargeKernelAttention(channels, channels) if with_large_kernel else None
        self.fuse = nn.Conv2d((with_filter + with_large_kernel) * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Enhance `(B, C, H, W)`."""
        x = F.gelu(self.expand(x))
        found = []
        if self.filter is not None and self.norm is not None:
            found.append(self._normed(self.filter(x), self.norm))
        if self.large_kernel is not None:
            found.append(x * self.large_kernel(x))
        return self.fuse(torch.cat(found, 1))

    @staticmethod
    def _normed(x: Tensor, norm: nn.GroupNorm) -> Tensor:
        """Every channel less its mean over its deviation; a single pixel has none, which PyTorch refuses."""
        return norm(x) if x[0, 0].numel() > 1 else norm.bias[:, None, None].expand_as(x)


class EnergyGate(nn.Module):
    """Channels weighed by the energies of all: their logarithms, filtered along the channels, through two layers.

    The mean square of a channel is the energy of its spectrum over the number of pixels (Parseval), so no transform of
    the image is needed.

    Args:
        channels: Channels C, a multiple of 4.

    Shape:
        `(B, C, H, W)` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        weight = torch.zeros(2, channels // 2 + 1)
        weight[0] = 1
        self.weight = nn.Parameter(weight)  # real and imaginary parts
        self.reduce = nn.Linear(channels, channels // REDUCTION)
        self.expand = nn.Linear(channels // REDUCTION, channels)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the channels of `(B, C, H, W)`."""
        energy = in_float32(_centered_log_energy, x)
        filtered = fourier_filter(
            energy[:, None, None], self.weight.movedim(0, -1)[None, None], method=exportable("fft")
        )
        gate = torch.sigmoid(self.expand(F.gelu(self.reduce(filtered[:, 0, 0].to(x.dtype)))))
        return self.project(x * gate[:, :, None, None])


def _centered_log_energy(x: Tensor) -> Tensor:
    energy = (x.square().mean((2, 3)) + FLOOR).log()
    return energy - energy.mean(1, keepdim=True)


class MultiFrequencyBlock(nn.Module):
    """`x + step * conv(y + enhanced(y) + gated(y))` with `y = act(conv(x))`.

    Args:
        channels: Channels C.
        with_filter: See `FrequencyEnhancement`.
        with_large_kernel: See there; without both there is no enhancement.
        with_energy: With the `EnergyGate`.

    Shape:
        `(B, C, H, W)` to the same.
    """

    def __init__(
        self, channels: int, *, with_filter: bool = True, with_large_kernel: bool = True, with_energy: bool = True
    ) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        options = {"with_filter": with_filter, "with_large_kernel": with_large_kernel}
        self.enhance = FrequencyEnhancement(channels, **options) if any(options.values()) else None
        self.energy = EnergyGate(channels) if with_energy else None
        self.step = nn.Parameter(torch.full((1, channels, 1, 1), FIRST_STEP))

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, C, H, W)`."""
        y = F.leaky_relu(self.first(x), SLOPE)
        total = y
        for branch in (self.enhance, self.energy):
            if branch is not None:
                total = total + branch(y)
        return x + self.step * self.second(total)
