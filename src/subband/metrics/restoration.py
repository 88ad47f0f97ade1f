"""Scores of restored clips against the sharp and the degraded ones, as running sums over a test set.

Clips may differ in size and length. Scores under a plain name are those of `image`: per frame, in floating numbers.
Those that published code computes otherwise carry its name (`published_restoration`).
"""

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from subband.extras import names_extra
from subband.metrics._lpips import load_lpips
from subband.metrics.image import psnr, ssim
from subband.metrics.optical_flow import flow_error
from subband.metrics.published_restoration import (
    psnr_estrnn,
    psnr_vddiff,
    psnr_y,
    ssim_estrnn,
    ssim_vddiff,
    ssim_y,
)
from subband.metrics.spectrum import BANDS, subband_energy

with names_extra("these scores need"):
    from torchmetrics import Metric

__all__ = ["RestorationMetrics"]

FrameScore = Callable[[Tensor, Tensor], Tensor]

# Score of frames (B, C, H, W), and the shortest side that it takes.
_FRAME_SCORES: dict[str, tuple[FrameScore, int]] = {
    "psnr": (psnr, 1),
    "ssim": (ssim, 7),
    "psnr_vddiff": (psnr_vddiff, 1),
    "ssim_vddiff": (ssim_vddiff, 1),
    "psnr_estrnn": (psnr_estrnn, 1),
    "ssim_estrnn": (ssim_estrnn, 11),
    "psnr_y": (psnr_y, 1),
    "ssim_y": (ssim_y, 11),
}
_CLIP_MEANS = ("psnr_vddiff", "ssim_vddiff")  # averaged over the frames of a clip, then over clips
_CURVES = ("psnr", "ssim")
_BY_CLIP = ("psnr", "ssim", "psnr_y", "ssim_y")
_HIGH_BANDS = ("lh", "hl", "hh")
_LPIPS_SIDE = 32  # of the smallest frame that AlexNet has features of
_ALL = (*_FRAME_SCORES, "tof", "lpips")


class RestorationMetrics(Metric):
    """All scores of restored clips.

    * `psnr` (dB), `ssim`: of every frame, clipped to [0, 1], averaged over all frames.
    * `psnr_gain` (dB): `psnr` minus that of the degraded frames; None where one of them is infinite.
    * `tof` (pixels): how far optical flow is from that of the sharp clip, averaged over pairs of neighbors.
    * `recovered_lh`, `recovered_hl`, `recovered_hh`: of the energy that a Haar band of the degraded frames lacks or has
      in the wrong places, the share that is right again: 1 is all of it, 0 none; below 0 more is wrong than before.
    * `psnr_vddiff`, `ssim_vddiff`: rounded to bytes, averaged over the frames of each clip, then over clips.
    * `psnr_estrnn`, `ssim_estrnn`: cut off to bytes, averaged over all frames.
    * `psnr_y`, `ssim_y`: of luma, rounded to bytes, averaged over all frames.
    * `lpips`: learned perceptual distance, averaged over all frames.

    What a clip is too small or too short for, it does not count for; what no clip had is None.

    Args:
        names: Which of `psnr, ssim, psnr_vddiff, ssim_vddiff, psnr_estrnn, ssim_estrnn, psnr_y, ssim_y, tof, lpips`
            are computed; all by default. `psnr_gain` and the bands cost little and are always there, but for the gain
            without `psnr`.
        lpips_weights: File with torchvision's AlexNet weights. Without it `lpips` is None; also, with a warning,
            without the package `lpips`.

    Shape:
        - restored, target, degraded: `(B, T, 3, H, W)` in [0, 1], another size and length in every batch

    Raises:
        FileNotFoundError: If `lpips_weights` is not a file.
        ValueError: If it does not hold AlexNet, or a name is unknown.

    Example:
        >>> metrics = RestorationMetrics(names=("psnr",))
        >>> sharp = torch.full((1, 2, 3, 8, 8), 0.5)
        >>> metrics.update(sharp + 0.01, sharp, sharp + 0.1)
        >>> scores = metrics.compute()
        >>> round(scores["psnr"], 3), round(scores["psnr_gain"], 3), scores["lpips"]
        (40.0, 20.0, None)
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    totals: Tensor
    counts: Tensor
    wrong_energy: Tensor

    def __init__(self, names: Sequence[str] = _ALL, lpips_weights: str | Path | None = None) -> None:
        super().__init__()
        unknown = [name for name in names if name not in _ALL]
        if unknown:
            raise ValueError(f"names must be of {', '.join(_ALL)}, got {unknown[0]}.")
        self.names = tuple(names)
        self.network = _lpips_if_possible(lpips_weights) if "lpips" in names else None
        self.add_state("totals", torch.zeros(len(_ALL) + 1), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(len(_ALL) + 1), dist_reduce_fx="sum")
        # Of the restored and of the degraded frames, in the four bands.
        self.add_state("wrong_energy", torch.zeros(2, len(BANDS)), dist_reduce_fx="sum")
        self._curves: dict[str, list[list[float]]] = {}
        self._clips: dict[str, dict[str, list[float]]] = {}

    @torch.no_grad()
    def update(self, restored: Tensor, target: Tensor, degraded: Tensor, clips: Sequence[str] | None = None) -> None:
        """Add clips.

        Args:
            restored: `(B, T, 3, H, W)`.
            target: Sharp clips of the same shape.
            degraded: What they were restored from, of the same shape.
            clips: Their names, for `per_clip`; parts of one clip have the same name.

        Raises:
            ValueError: If the shapes differ, or the names are not as many as the clips.
        """
        if not restored.shape == target.shape == degraded.shape or restored.ndim != 5:
            raise ValueError(
                "restored, target and degraded must be (B, T, C, H, W) alike, "
                f"got {tuple(restored.shape)}, {tuple(target.shape)}, {tuple(degraded.shape)}"
            )
        if clips is not None and len(clips) != len(restored):
            raise ValueError(f"clips must be {len(restored)} names, got {len(clips)}.")
        restored, target, degraded = (clip.float().clamp(0, 1) for clip in (restored, target, degraded))
        for name in self.names:
            if name in _FRAME_SCORES and min(target.shape[-2:]) >= _FRAME_SCORES[name][1]:
                self._add_frames(name, _by_frame(_FRAME_SCORES[name][0], restored, target), clips or ())
        if "psnr" in self.names:
            self._add(len(_ALL), _by_frame(psnr, degraded, target))
        if "tof" in self.names and target.shape[1] > 1:
            self._add(_ALL.index("tof"), flow_error(restored, target))
        if self.network is not None and min(target.shape[-2:]) >= _LPIPS_SIDE:
            self.network.eval()  # it has dropout, and a model around this metric may have been set to training
            self._add(_ALL.index("lpips"), _by_frame(self._lpips, restored, target))
        for row, clip in enumerate((restored, degraded)):
            self.wrong_energy[row] += subband_energy(clip - target).flatten(0, -2).sum(0)

    def compute(self) -> dict[str, float | None]:
        """All scores over all clips; what was not computed is None.

        Raises:
            ValueError: If no clip was added.
        """
        if not self.counts.any() and not self.wrong_energy.any():
            raise ValueError("there is nothing to score: no clip was added")
        pairs = zip(self.totals.tolist(), self.counts.tolist(), strict=True)
        *means, before = [total / count if count else None for total, count in pairs]
        scores = dict(zip(_ALL, means, strict=True))
        after = scores["psnr"]
        is_finite = after is not None and before is not None and math.isfinite(after) and math.isfinite(before)
        scores["psnr_gain"] = after - before if is_finite else None  # type: ignore[operator]
        for band in _HIGH_BANDS:
            wrong, wrong_before = self.wrong_energy[:, BANDS.index(band)].tolist()
            scores[f"recovered_{band}"] = 1 - wrong / wrong_before if wrong_before else None
        return scores

    def per_frame(self) -> dict[str, list[float]]:
        """`psnr` and `ssim` of every place in a clip, averaged over the clips of this process that are so long."""
        means = {}
        for name, curves in self._curves.items():
            longest = max(map(len, curves))
            columns = [[curve[place] for curve in curves if place < len(curve)] for place in range(longest)]
            means[name] = [sum(column) / len(column) for column in columns]
        return means

    def per_clip(self) -> dict[str, dict[str, float]]:
        """`psnr`, `ssim`, `psnr_y` and `ssim_y` of every clip of this process by its name, averaged over its frames."""
        return {
            clip: {name: sum(values) / len(values) for name, values in scores.items()}
            for clip, scores in self._clips.items()
        }

    def reset(self) -> None:
        """Forget all clips."""
        super().reset()
        self._curves, self._clips = {}, {}

    def _add_frames(self, name: str, values: Tensor, clips: Sequence[str]) -> None:
        """Add a score of every frame `(B, T)`."""
        if name in _BY_CLIP:
            for clip, scores in zip(clips, values.tolist(), strict=False):  # without names, none
                self._clips.setdefault(clip, {}).setdefault(name, []).extend(scores)
        if name in _CURVES:
            self._curves.setdefault(name, []).extend(values.tolist())
        self._add(_ALL.index(name), values.mean(1) if name in _CLIP_MEANS else values)

    def _add(self, place: int, values: Tensor) -> None:
        self.totals[place] += values.sum()
        self.counts[place] += values.numel()

    def _lpips(self, restored: Tensor, target: Tensor) -> Tensor:
        assert self.network is not None
        return self.network(2 * restored - 1, 2 * target - 1).flatten()


def _by_frame(score: FrameScore, pred: Tensor, target: Tensor) -> Tensor:
    """A score of every frame, `(B, T)`, one after the other: clips of whole videos are large."""
    frames = zip(pred.unbind(1), target.unbind(1), strict=True)
    return torch.stack([score(ours, wanted) for ours, wanted in frames], 1)


def _lpips_if_possible(weights: str | Path | None) -> nn.Module | None:
    if weights is None:
        return None
    try:
        return load_lpips(weights)
    except ModuleNotFoundError as error:
        warnings.warn(f"LPIPS is left out: {error}", stacklevel=3)
        return None
