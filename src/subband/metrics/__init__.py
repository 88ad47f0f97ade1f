"""What torchmetrics lacks: video prediction scored as OpenSTL does, and energies per frequency band.

The formulas are functions of tensors and need torch alone. The classes keep running sums of them over a test set; they
are torchmetrics objects and load it when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from subband.metrics.image import (
    combine_channels,
    denormalize,
    error_sums,
    psnr,
    psnr_legacy_uint8,
    snr,
    ssim,
)

if TYPE_CHECKING:
    from subband.metrics.spectrum import SubbandEnergy, subband_energy
    from subband.metrics.video import FrameSpec, VideoPredictionMetrics

__all__ = [
    "FrameSpec",
    "SubbandEnergy",
    "VideoPredictionMetrics",
    "combine_channels",
    "denormalize",
    "error_sums",
    "psnr",
    "psnr_legacy_uint8",
    "snr",
    "ssim",
    "subband_energy",
]

_NEED_TORCHMETRICS = {
    "FrameSpec": "subband.metrics.video",
    "SubbandEnergy": "subband.metrics.spectrum",
    "VideoPredictionMetrics": "subband.metrics.video",
    "subband_energy": "subband.metrics.spectrum",
}


def __getattr__(name: str) -> Any:
    if name not in _NEED_TORCHMETRICS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_NEED_TORCHMETRICS[name]), name)
