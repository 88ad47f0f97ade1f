"""Every loss and every metric on the device as on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gpu_checks.check import (
    LINEAR,
    SUMS,
    Check,
    Figure,
    LeftOutError,
    Setting,
    compare_function,
    on,
    relative_error,
)
from subband import losses, metrics
from subband.data import ClipSpec

__all__ = ["LOSS_FUNCTIONS", "checks"]

SHAPE = (2, 4, 1, 16, 16)  # (B, T, C, H, W)
LOSS_FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    **{f"loss {name}": losses.build_loss(name, {}) for name in losses.LOSSES},
    "loss high_focal_frequency, subband": losses.build_loss("high_focal_frequency", {"mode": "subband", "dims": 3}),
    "charbonnier_loss, over colors": partial(losses.charbonnier_loss, eps=1e-3, over_colors=True),
    "focal_frequency_loss, options": partial(
        losses.focal_frequency_loss, patch_factor=2, ave_spectrum=True, log_matrix=True, batch_matrix=True
    ),
    "high_focal_frequency_loss, options": partial(
        losses.high_focal_frequency_loss, level=2, patch_factor=2, ave_spectrum=True, batch_matrix=True
    ),
    "subband_focal_loss": partial(losses.subband_focal_loss, level=2, include_low=True),
    "differential_divergence": losses.differential_divergence,
    "high_frequency_mask": lambda pred, target: losses.high_frequency_mask(8, 9, 0.1, pred),
}
FRAME_SCORES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "psnr": metrics.psnr,
    "snr": metrics.snr,
    "ssim": metrics.ssim,
    "psnr_legacy_uint8": metrics.psnr_legacy_uint8,
    "psnr_vddiff": metrics.psnr_vddiff,
    "ssim_vddiff": metrics.ssim_vddiff,
    "psnr_estrnn": metrics.psnr_estrnn,
    "ssim_estrnn": metrics.ssim_estrnn,
    "ssim_gaussian": metrics.ssim_gaussian,
    "psnr_y": metrics.psnr_y,
    "ssim_y": metrics.ssim_y,
    "wavelet_statistics": lambda pred, target: metrics.wavelet_statistics(pred[0], 2),
    "flow_error": metrics.flow_error,
    "error_sums": metrics.error_sums,
    "denormalize": lambda pred, target: metrics.denormalize(pred, [0.5], [0.2]),
}


def clips() -> tuple[Tensor, Tensor]:
    """Prediction and target in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    pred, target = torch.rand(2, *SHAPE, generator=generator).unbind(0)
    return pred, target


def checks(setting: Setting) -> Iterator[Check]:
    """Losses with gradients, alone and inside autocast; metrics from batches on the device."""
    device = setting.device
    for name, loss in LOSS_FUNCTIONS.items():
        yield Check(name, partial(compare_function, loss, clips(), device, SUMS))
    for name, loss in LOSS_FUNCTIONS.items():
        run = partial(compare_function, loss, clips(), device, SUMS, precision=torch.bfloat16)
        yield Check(f"{name}, inside autocast", run)
    for name, score in FRAME_SCORES.items():
        yield Check(name, partial(compare_without_gradients, score, setting))
    yield Check("cross-entropy with smoothing", partial(compare_function, smoothed, clips(), device, LINEAR))
    objects = {
        "video metrics": video_metrics,
        "restoration metrics": restoration_metrics,
        "class metrics": class_metrics,
        "subbands": energies,
    }
    for name, scores in objects.items():
        yield Check(name, partial(compare_scores, scores, device))


def compare_without_gradients(score: Callable[[Tensor, Tensor], Any], setting: Setting) -> Figure:
    """Scores of frames on both devices."""
    pairs = [score(*clips()), score(*on(setting.device, clips()))]
    wanted, found = ([item] if isinstance(item, Tensor) else list(item) for item in pairs)
    return Figure(relative_error(found, wanted), SUMS)


def smoothed(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(1), target.flatten(1).argmax(1), label_smoothing=0.1)


def compare_scores(scores: Callable[[torch.device], dict[str, float]], device: torch.device) -> Figure:
    """Numbers of a metric object on the device against those on the CPU."""
    try:
        wanted, found = scores(torch.device("cpu")), scores(device)
    except ModuleNotFoundError as error:
        raise LeftOutError(f"the package {error.name} is not installed") from None
    pairs = [torch.tensor(list(item.values()), dtype=torch.float64) for item in (found, wanted)]
    return Figure(max(float((a - b).abs() / max(abs(b), 1e-6)) for a, b in zip(*pairs, strict=True)), SUMS)


def video_metrics(device: torch.device) -> dict[str, float]:
    spec = ClipSpec(in_frames=4, out_frames=SHAPE[1], channels=1, height=SHAPE[3], width=SHAPE[4])
    scores = metrics.VideoPredictionMetrics(spec).to(device)
    for _ in range(2):
        scores.update(*on(device, clips()))
    frames = {f"{name} {place}": v for name, curve in scores.per_frame().items() for place, v in enumerate(curve)}
    return {name: value for name, value in {**scores.compute(), **frames}.items() if value is not None}


def restoration_metrics(device: torch.device) -> dict[str, float]:
    scores = metrics.RestorationMetrics().to(device)
    pred, target = on(device, clips())
    scores.update(pred, target, 0.9 * target)
    return {name: value for name, value in scores.compute().items() if value is not None}


def class_metrics(device: torch.device) -> dict[str, float]:
    logits, labels = clips()[0].flatten(0, 3)[:, :7], torch.arange(128) % 7
    means, per_class = metrics.classification_metrics(7).to(device), metrics.PerClassAccuracy(7).to(device)
    for metric in (means, per_class):
        metric.update(logits.to(device), labels.to(device))
    values = {name: float(value) for name, value in means.compute().items()}
    return values | {str(place): value for place, value in enumerate(per_class.compute().tolist())}


def energies(device: torch.device) -> dict[str, float]:
    metric = metrics.SubbandEnergy().to(device)
    metric.update(*on(device, clips()))
    found = metric.compute()
    bands = {f"{who} {band}": v for who, bands in found["subband_energy"].items() for band, v in bands.items()}
    rings = {f"{who} {place}": v for who, row in found["spectrum"].items() for place, v in enumerate(row)}
    return bands | rings
