"""What torchmetrics lacks: scores of predicted and restored video and of classes, energies per band, what they mean.

The formulas are functions of tensors and need torch alone. The classes keep running sums of them over a test set; they
are torchmetrics objects and load it when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from subband.metrics.descriptors import (
    CLASSIFICATION_METRICS,
    RESTORATION_METRICS,
    VIDEO_METRICS,
    MetricInfo,
    describe_metrics,
)
from subband.metrics.detection_descriptors import DETECTION_METRICS
from subband.metrics.generation_descriptors import GENERATION_METRICS, VIDEO_GENERATION_METRICS
from subband.metrics.image import (
    combine_channels,
    denormalize,
    error_sums,
    psnr,
    psnr_legacy_uint8,
    snr,
    ssim,
)
from subband.metrics.optical_flow import flow_error
from subband.metrics.pose import box_side, head_size, jitter_errors, joint_hits, oks, posetrack_precision
from subband.metrics.pose_descriptors import POSE_METRICS
from subband.metrics.published_restoration import (
    psnr_estrnn,
    psnr_vddiff,
    psnr_y,
    ssim_estrnn,
    ssim_gaussian,
    ssim_vddiff,
    ssim_y,
)

if TYPE_CHECKING:
    from subband.metrics.classification import CrossEntropy, PerClassAccuracy, TopAccuracy, classification_metrics
    from subband.metrics.detection import AveragePrecision, ImageDetections, TrueObjects
    from subband.metrics.generation import (
        FrechetWaveletDistance,
        Rate,
        ReconstructionScores,
        WaveletStatisticsDistance,
        frechet_distance,
        wavelet_statistics,
    )
    from subband.metrics.inception import InceptionDistances, InceptionFeatures, kernel_distance
    from subband.metrics.pose_scores import FoundPeople, JointScores, PersonPrecision, TrackJitter, TruePeople
    from subband.metrics.restoration import RestorationMetrics
    from subband.metrics.spectrum import SubbandEnergy, subband_energy
    from subband.metrics.temporal import TemporalError
    from subband.metrics.video import (
        FrameLPIPS,
        FrameMAE,
        FrameMSE,
        FramePSNR,
        FramePSNRLegacyUint8,
        FrameRMSE,
        FrameSNR,
        FrameSpec,
        FrameSSIM,
        FrameSSIMOpenSTL,
        VideoPredictionMetrics,
    )

__all__ = [
    "AveragePrecision",
    "CLASSIFICATION_METRICS",
    "CrossEntropy",
    "DETECTION_METRICS",
    "FoundPeople",
    "FrameLPIPS",
    "FrameMAE",
    "FrameMSE",
    "FramePSNR",
    "FramePSNRLegacyUint8",
    "FrameRMSE",
    "FrameSNR",
    "FrameSSIM",
    "FrameSSIMOpenSTL",
    "FrameSpec",
    "FrechetWaveletDistance",
    "GENERATION_METRICS",
    "ImageDetections",
    "InceptionDistances",
    "InceptionFeatures",
    "JointScores",
    "MetricInfo",
    "POSE_METRICS",
    "PerClassAccuracy",
    "PersonPrecision",
    "RESTORATION_METRICS",
    "Rate",
    "ReconstructionScores",
    "RestorationMetrics",
    "SubbandEnergy",
    "TemporalError",
    "TopAccuracy",
    "TrackJitter",
    "TrueObjects",
    "TruePeople",
    "VIDEO_GENERATION_METRICS",
    "VIDEO_METRICS",
    "VideoPredictionMetrics",
    "WaveletStatisticsDistance",
    "box_side",
    "classification_metrics",
    "combine_channels",
    "denormalize",
    "describe_metrics",
    "error_sums",
    "flow_error",
    "frechet_distance",
    "head_size",
    "jitter_errors",
    "joint_hits",
    "kernel_distance",
    "oks",
    "posetrack_precision",
    "psnr",
    "psnr_estrnn",
    "psnr_legacy_uint8",
    "psnr_vddiff",
    "psnr_y",
    "snr",
    "ssim",
    "ssim_estrnn",
    "ssim_gaussian",
    "ssim_vddiff",
    "ssim_y",
    "subband_energy",
    "wavelet_statistics",
]

_NEED_TORCHMETRICS = {
    "subband.metrics.classification": ("CrossEntropy", "PerClassAccuracy", "TopAccuracy", "classification_metrics"),
    "subband.metrics.detection": ("AveragePrecision", "ImageDetections", "TrueObjects"),
    "subband.metrics.generation": (
        "FrechetWaveletDistance",
        "Rate",
        "ReconstructionScores",
        "WaveletStatisticsDistance",
        "frechet_distance",
        "wavelet_statistics",
    ),
    "subband.metrics.inception": ("InceptionDistances", "InceptionFeatures", "kernel_distance"),
    "subband.metrics.pose_scores": ("FoundPeople", "JointScores", "PersonPrecision", "TrackJitter", "TruePeople"),
    "subband.metrics.restoration": ("RestorationMetrics",),
    "subband.metrics.spectrum": ("SubbandEnergy", "subband_energy"),
    "subband.metrics.temporal": ("TemporalError",),
    "subband.metrics.video": (
        "FrameLPIPS",
        "FrameMAE",
        "FrameMSE",
        "FramePSNR",
        "FramePSNRLegacyUint8",
        "FrameRMSE",
        "FrameSNR",
        "FrameSSIM",
        "FrameSSIMOpenSTL",
        "FrameSpec",
        "VideoPredictionMetrics",
    ),
}


def __getattr__(name: str) -> Any:
    for module, names in _NEED_TORCHMETRICS.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
