"""Scores of video prediction over a whole test set, with the sums and conventions of OpenSTL."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torchmetrics import Metric

from subband.metrics._lpips import load_lpips
from subband.metrics.image import (
    combine_channels,
    denormalize,
    error_sums,
    psnr,
    psnr_legacy_uint8,
    snr,
    ssim,
)

__all__ = ["FrameSpec", "VideoPredictionMetrics"]

_IMAGE_SCORES = ("psnr", "snr", "ssim", "ssim_openstl", "psnr_legacy_uint8", "lpips")


class FrameSpec(Protocol):
    """What must be known of the clips to score them; `subband.data.ClipSpec` has it all."""

    @property
    def out_frames(self) -> int:
        """Predicted frames T."""

    @property
    def channels(self) -> int:
        """Channels C."""

    @property
    def height(self) -> int:
        """Rows H."""

    @property
    def width(self) -> int:
        """Columns W."""

    @property
    def data_range(self) -> tuple[float, float] | None:
        """Smallest and largest value of a frame, `None` for fields without bounds."""

    @property
    def mean(self) -> Sequence[float] | None:
        """What was subtracted from the stored data, per channel."""

    @property
    def std(self) -> Sequence[float] | None:
        """What the stored data was divided by, per channel."""

    @property
    def channel_groups(self) -> Mapping[str, Sequence[int]] | None:
        """Channels of each physical variable."""


class VideoPredictionMetrics(Metric):
    """Running sums of all scores of predicted clips, constant in memory.

    Conventions of OpenSTL:

    * Standardized data is mapped back to `x * std + mean` first.
    * `mse` and `mae` are **sums** over C, H, W of the mean error per pixel, on unclipped predictions; `rmse` is the
      root of `mse`. For data without a declared range (weather) they are means over C, H, W instead. With channel
      groups there is also one value per group, `mse_NAME`, and the value without a name is the mean over groups.
    * For all others the prediction is clipped to `[0, 1]`, and the score of every frame is averaged over frames. They
      are `None` unless the declared range is `[0, 1]`.
    * `ssim` has `data_range=1`, `ssim_openstl` the `data_range=2` of OpenSTL's tables; both are `None` for frames
      smaller than 7x7. `psnr_legacy_uint8` is only for comparison with tables from before June 2023.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.
        lpips_weights: File with torchvision's AlexNet weights. Without it, or without the package `lpips`, or for
            frames that are neither gray nor RGB, `lpips` is `None`.

    Shape:
        - pred, target: `(B, T, C, H, W)`

    Raises:
        FileNotFoundError: If `lpips_weights` is not a file.
        ValueError: If it does not hold AlexNet.

    Example:
        >>> from types import SimpleNamespace
        >>> size = dict(out_frames=2, channels=1, height=8, width=8)
        >>> spec = SimpleNamespace(**size, data_range=(0.0, 1.0), mean=None, std=None, channel_groups=None)
        >>> metrics = VideoPredictionMetrics(spec)
        >>> metrics.update(torch.full((4, 2, 1, 8, 8), 0.1), torch.zeros(4, 2, 1, 8, 8))
        >>> scores = metrics.compute()
        >>> round(scores["mse"], 4), round(scores["psnr"], 4), scores["lpips"]
        (0.64, 20.0, None)
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    squared: Tensor
    absolute: Tensor
    num_clips: Tensor

    def __init__(self, spec: FrameSpec, lpips_weights: str | Path | None = None) -> None:
        super().__init__()
        self.spec = spec
        is_image = spec.data_range is not None and tuple(spec.data_range) == (0.0, 1.0)
        self.lpips = None
        if lpips_weights is not None and is_image and spec.channels in (1, 3):
            self.lpips = load_lpips(lpips_weights)
        missing = set() if is_image else set(_IMAGE_SCORES)
        if min(spec.height, spec.width) < 7:
            missing |= {"ssim", "ssim_openstl"}
        if self.lpips is None:
            missing.add("lpips")
        self.image_scores = [name for name in _IMAGE_SCORES if name not in missing]
        for name in ("squared", "absolute"):
            self.add_state(name, torch.zeros(spec.out_frames, spec.channels), dist_reduce_fx="sum")
        for name in self.image_scores:
            self.add_state(f"sum_{name}", torch.zeros(spec.out_frames), dist_reduce_fx="sum")
        self.add_state("num_clips", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, pred: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            pred: Predicted clips, `(B, T, C, H, W)`.
            target: True clips of the same shape.

        Raises:
            ValueError: If the shapes do not agree with each other and with `spec`.
        """
        spec = self.spec
        expected = (spec.out_frames, spec.channels, spec.height, spec.width)
        if pred.shape != target.shape or pred.shape[1:] != expected:
            raise ValueError(
                f"pred and target must be (B, T, C, H, W) with {expected} after the batch, "
                f"got {tuple(pred.shape)} and {tuple(target.shape)}"
            )
        pred, target = pred.float(), target.float()
        if spec.mean is not None and spec.std is not None:
            pred, target = denormalize(pred, spec.mean, spec.std), denormalize(target, spec.mean, spec.std)
        squared, absolute = error_sums(pred, target)  # (B, T, C)
        self.squared += squared.sum(0)
        self.absolute += absolute.sum(0)
        self.num_clips += len(pred)
        if self.image_scores:
            self._add_image_scores(pred.clamp(0, 1), target)

    def compute(self) -> dict[str, float | None]:
        """All scores over all clips.

        Returns:
            `mse, mae, rmse, psnr, snr, ssim, ssim_openstl, psnr_legacy_uint8, lpips`, and `mse_NAME, mae_NAME,
            rmse_NAME` for every channel group. A mean over frames is infinite if a single frame is.

        Raises:
            ValueError: If no clip was added.
        """
        self._require_clips()
        squared = self._combined(self.squared.mean(0))
        absolute = self._combined(self.absolute.mean(0))
        per_group = {
            "mse": squared,
            "mae": absolute,
            "rmse": {name: value.sqrt() for name, value in squared.items()},
        }
        scores: dict[str, float | None] = {}
        for name, groups in per_group.items():
            scores[name] = torch.stack(list(groups.values())).mean().item()
        for name in _IMAGE_SCORES:
            scores[name] = self._frame_means(name).mean().item() if name in self.image_scores else None
        for name, groups in per_group.items():
            scores.update({f"{name}_{group}": value.item() for group, value in groups.items() if group})
        return scores

    def per_frame(self) -> dict[str, list[float]]:
        """Scores of every predicted frame, averaged over clips and reduced over processes.

        Returns:
            T values each for `mse`, `mae`, `psnr` and `ssim`; the last two only where `compute` has them.

        Raises:
            ValueError: If no clip was added.
        """
        with self.sync_context():
            self._require_clips()
            curves = {}
            for name, sums in (("mse", self.squared), ("mae", self.absolute)):
                curves[name] = torch.stack(list(self._combined(sums).values())).mean(0).tolist()
            for name in ("psnr", "ssim"):
                if name in self.image_scores:
                    curves[name] = self._frame_means(name).tolist()
        return curves

    def _add_image_scores(self, pred: Tensor, target: Tensor) -> None:
        formulas: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "psnr": psnr,
            "snr": snr,
            "ssim": ssim,
            "ssim_openstl": lambda p, t: ssim(p, t, data_range=2.0),
            "psnr_legacy_uint8": psnr_legacy_uint8,
            "lpips": self._lpips,
        }
        for name in self.image_scores:
            total = getattr(self, f"sum_{name}")
            total += formulas[name](pred, target).sum(0)

    def _lpips(self, pred: Tensor, target: Tensor) -> Tensor:
        assert self.lpips is not None
        colors = (-1, 3, -1, -1)
        frames = zip(pred.unbind(1), target.unbind(1), strict=True)
        scores = [self.lpips(2 * p.expand(colors) - 1, 2 * t.expand(colors) - 1).flatten() for p, t in frames]
        return torch.stack(scores, 1)  # (B, T)

    def _combined(self, sums: Tensor) -> dict[str, Tensor]:
        """Errors per group from sums over clips."""
        spec = self.spec
        is_field = spec.data_range is None
        return combine_channels(sums / self.num_clips, spec.height * spec.width, spec.channel_groups, is_field)

    def _frame_means(self, name: str) -> Tensor:
        return getattr(self, f"sum_{name}") / self.num_clips

    def _require_clips(self) -> None:
        if self.num_clips == 0:
            raise ValueError("there is nothing to score: no clip was added")
