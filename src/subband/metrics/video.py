"""Scores of predicted clips, one class a metric, with the sums and conventions of OpenSTL.

All classes keep running sums over a test set, so their memory does not grow. Standardized data is mapped back to
`x * std + mean` first.
"""

import warnings
from abc import abstractmethod
from pathlib import Path

import torch
from torch import Tensor

from subband.extras import names_extra
from subband.metrics._lpips import load_lpips
from subband.metrics.frames import FrameMetric, FramePair, FrameSpec
from subband.metrics.image import (
    combine_channels,
    psnr,
    psnr_legacy_uint8,
    snr,
    ssim,
)

with names_extra("these scores need"):
    from torchmetrics import MetricCollection

__all__ = [
    "FrameLPIPS",
    "FrameMAE",
    "FrameMSE",
    "FrameMetric",
    "FramePSNR",
    "FramePSNRLegacyUint8",
    "FramePair",
    "FrameRMSE",
    "FrameSNR",
    "FrameSSIM",
    "FrameSSIMOpenSTL",
    "FrameSpec",
    "VideoPredictionMetrics",
]


class _ErrorSum(FrameMetric):
    """Errors that are summed per channel first, then over the channels of each variable."""

    higher_is_better = False

    def compute(self) -> Tensor:
        """The error over all clips and frames, averaged over variables; a scalar.

        Raises:
            ValueError: If no clip was added.
        """
        self._require_clips()
        return torch.stack(list(self._combined(self.total.mean(0)).values())).mean()

    def per_group(self) -> dict[str, Tensor]:
        """The error of every variable in `spec.channel_groups`, reduced over processes; empty without groups.

        Raises:
            ValueError: If no clip was added.
        """
        with self.sync_context():
            self._require_clips()
            return {name: value for name, value in self._combined(self.total.mean(0)).items() if name}

    def _total_shape(self) -> tuple[int, ...]:
        return (self.spec.out_frames, self.spec.channels)

    def _curve(self) -> Tensor:
        return torch.stack(list(self._combined(self.total).values())).mean(0)

    def _combined(self, sums: Tensor) -> dict[str, Tensor]:
        """Errors per variable from sums over clips, `(..., C)`."""
        spec = self.spec
        is_field = spec.data_range is None
        return combine_channels(sums / self.num_clips, spec.height * spec.width, spec.channel_groups, is_field)


class FrameMSE(_ErrorSum):
    """Squared error of a frame: the **sum** over C, H, W, of unclipped predictions, averaged over frames and clips.

    For data without a declared range (weather) it is the mean over C, H, W instead. With channel groups it is the mean
    over the groups' errors, which `per_group` has one by one.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.

    Shape:
        - pred, target: `(B, T, C, H, W)`
    """

    def _frame_scores(self, pair: FramePair) -> Tensor:
        return pair.errors[0]


class FrameMAE(_ErrorSum):
    """Absolute error of a frame, summed and averaged as in `FrameMSE`.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.

    Shape:
        - pred, target: `(B, T, C, H, W)`
    """

    def _frame_scores(self, pair: FramePair) -> Tensor:
        return pair.errors[1]


class FrameRMSE(FrameMSE):
    """Root of `FrameMSE`, taken for every channel group and, in `per_frame`, for every frame.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.

    Shape:
        - pred, target: `(B, T, C, H, W)`
    """

    def _combined(self, sums: Tensor) -> dict[str, Tensor]:
        return {name: value.sqrt() for name, value in super()._combined(sums).items()}


class _ImageScore(FrameMetric):
    """Scores of frames in [0, 1], for which the prediction is clipped."""

    def __init__(self, spec: FrameSpec) -> None:
        if not _is_image(spec):
            raise ValueError(
                f"{type(self).__name__} needs frames in [0, 1], but their data_range is {spec.data_range}."
            )
        super().__init__(spec)

    def _frame_scores(self, pair: FramePair) -> Tensor:
        return self._score(pair.clipped, pair.target)

    @abstractmethod
    def _score(self, pred: Tensor, target: Tensor) -> Tensor:
        """Score of every frame, `(B, T)`, from clips in [0, 1]."""


class FramePSNR(_ImageScore):
    """Peak signal-to-noise ratio of every frame in dB, prediction clipped to [0, 1], averaged over frames and clips.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.

    Shape:
        - pred, target: `(B, T, C, H, W)`

    Raises:
        ValueError: If the declared range of the data is not [0, 1].

    Example:
        >>> from types import SimpleNamespace
        >>> size = dict(out_frames=2, channels=1, height=8, width=8)
        >>> spec = SimpleNamespace(**size, data_range=(0.0, 1.0), mean=None, std=None, channel_groups=None)
        >>> metric = FramePSNR(spec)
        >>> metric.update(torch.full((4, 2, 1, 8, 8), 0.1), torch.zeros(4, 2, 1, 8, 8))
        >>> metric.compute(), metric.per_frame()
        (tensor(20.), tensor([20., 20.]))
    """

    higher_is_better = True

    def _score(self, pred: Tensor, target: Tensor) -> Tensor:
        return psnr(pred, target)


class FrameSNR(_ImageScore):
    """Signal-to-noise ratio of every frame in dB, prediction clipped to [0, 1], averaged over frames and clips.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.

    Shape:
        - pred, target: `(B, T, C, H, W)`

    Raises:
        ValueError: If the declared range of the data is not [0, 1].
    """

    higher_is_better = True

    def _score(self, pred: Tensor, target: Tensor) -> Tensor:
        return snr(pred, target)


class FrameSSIM(_ImageScore):
    """Structural similarity of every frame, data range 1, prediction clipped to [0, 1], averaged over frames and clips.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.

    Shape:
        - pred, target: `(B, T, C, H, W)`, H and W at least 7

    Raises:
        ValueError: If frames are smaller than 7 x 7, or the declared range of the data is not [0, 1].
    """

    higher_is_better = True
    data_range = 1.0

    def __init__(self, spec: FrameSpec) -> None:
        if _is_small(spec):
            raise ValueError(f"SSIM needs frames of at least 7x7 pixels, got {spec.height}x{spec.width}")
        super().__init__(spec)

    def _score(self, pred: Tensor, target: Tensor) -> Tensor:
        return ssim(pred, target, data_range=self.data_range)


class FrameSSIMOpenSTL(FrameSSIM):
    """`FrameSSIM` with data range 2, though frames lie in [0, 1]: the figure in OpenSTL's tables.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.

    Shape:
        - pred, target: `(B, T, C, H, W)`, H and W at least 7

    Raises:
        ValueError: If frames are smaller than 7 x 7, or the declared range of the data is not [0, 1].
    """

    data_range = 2.0


class FramePSNRLegacyUint8(_ImageScore):
    """`psnr_legacy_uint8` of every frame, only for comparison with tables from before June 2023.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.

    Shape:
        - pred, target: `(B, T, C, H, W)`

    Raises:
        ValueError: If the declared range of the data is not [0, 1].
    """

    higher_is_better = True

    def _score(self, pred: Tensor, target: Tensor) -> Tensor:
        return psnr_legacy_uint8(pred, target)


class FrameLPIPS(_ImageScore):
    """Learned perceptual distance of every frame, with AlexNet features, averaged over frames and clips.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.
        weights: File with torchvision's AlexNet weights; nothing is downloaded.

    Shape:
        - pred, target: `(B, T, C, H, W)`, C is 1 or 3

    Raises:
        FileNotFoundError: If `weights` is not a file.
        ModuleNotFoundError: If the package `lpips` is not installed.
        ValueError: If the file does not hold AlexNet, frames are neither gray nor RGB, or the declared range of the
            data is not [0, 1].
    """

    higher_is_better = False

    def __init__(self, spec: FrameSpec, weights: str | Path) -> None:
        if spec.channels not in (1, 3):
            raise ValueError(f"LPIPS needs gray or RGB frames, got {spec.channels} channels.")
        super().__init__(spec)
        self.network = load_lpips(weights)

    def _score(self, pred: Tensor, target: Tensor) -> Tensor:
        self.network.eval()  # it has dropout, and a model around this metric may have been set to training
        colors = (-1, 3, -1, -1)
        frames = zip(pred.unbind(1), target.unbind(1), strict=True)
        scores = [self.network(2 * p.expand(colors) - 1, 2 * t.expand(colors) - 1).flatten() for p, t in frames]
        return torch.stack(scores, 1)


class VideoPredictionMetrics(MetricCollection):
    """All scores of predicted clips, a collection of the classes above; what they have in common is computed once.

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
        lpips_weights: File with torchvision's AlexNet weights. Without it `lpips` is `None`; also, with a warning,
            without the package `lpips`, or for frames that are neither gray nor RGB in [0, 1].

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

    def __init__(self, spec: FrameSpec, lpips_weights: str | Path | None = None) -> None:
        metrics: dict[str, FrameMetric] = {name: kind(spec) for name, kind in _ERRORS.items()}
        if _is_image(spec):
            metrics |= {name: kind(spec) for name, kind in _IMAGE_SCORES.items()}
            if not _is_small(spec):
                metrics |= {name: kind(spec) for name, kind in _WINDOW_SCORES.items()}
        if lpips_weights is not None:
            metrics |= _lpips_if_possible(spec, lpips_weights)
        # Groups would be formed by equal sums of the first batch, and equal sums may be a coincidence.
        super().__init__(metrics, compute_groups=False)  # type: ignore[arg-type]
        self.spec = spec

    @torch.no_grad()
    def update(self, pred: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Add a batch.

        Args:
            pred: Predicted clips, `(B, T, C, H, W)`.
            target: True clips of the same shape.

        Raises:
            ValueError: If the shapes do not agree with each other and with `spec`.
        """
        pair = FramePair(pred, target, self.spec)
        for metric in self.values():
            metric.update(pair)

    def compute(self) -> dict[str, float | None]:
        """All scores over all clips.

        Returns:
            `mse, mae, rmse, psnr, snr, ssim, ssim_openstl, psnr_legacy_uint8, lpips`, and `mse_NAME, mae_NAME,
            rmse_NAME` for every channel group. A mean over frames is infinite if a single frame is.

        Raises:
            ValueError: If no clip was added.
        """
        present = self.keys(keep_base=True)
        scores = {name: getattr(self, name).compute().item() if name in present else None for name in _ORDER}
        for name in _ERRORS:
            scores |= {f"{name}_{group}": value.item() for group, value in getattr(self, name).per_group().items()}
        return {f"{self.prefix or ''}{name}{self.postfix or ''}": value for name, value in scores.items()}

    def per_frame(self) -> dict[str, list[float]]:
        """Scores of every predicted frame, averaged over clips and reduced over processes.

        Returns:
            T values each for `mse`, `mae`, `psnr` and `ssim`; the last two only where `compute` has them.

        Raises:
            ValueError: If no clip was added.
        """
        present = self.keys(keep_base=True)
        names = [name for name in ("mse", "mae", "psnr", "ssim") if name in present]
        return {name: getattr(self, name).per_frame().tolist() for name in names}


_ERRORS: dict[str, type[_ErrorSum]] = {"mse": FrameMSE, "mae": FrameMAE, "rmse": FrameRMSE}
_IMAGE_SCORES: dict[str, type[FrameMetric]] = {
    "psnr": FramePSNR,
    "snr": FrameSNR,
    "psnr_legacy_uint8": FramePSNRLegacyUint8,
}
_WINDOW_SCORES: dict[str, type[FrameMetric]] = {"ssim": FrameSSIM, "ssim_openstl": FrameSSIMOpenSTL}
_ORDER = (*_ERRORS, "psnr", "snr", "ssim", "ssim_openstl", "psnr_legacy_uint8", "lpips")


def _lpips_if_possible(spec: FrameSpec, weights: str | Path) -> dict[str, FrameMetric]:
    if not _is_image(spec) or spec.channels not in (1, 3):
        kind = f"{spec.channels} channels and data_range {spec.data_range}"
        warnings.warn(f"LPIPS is left out: it needs gray or RGB frames in [0, 1], these have {kind}.", stacklevel=3)
        return {}
    try:
        return {"lpips": FrameLPIPS(spec, weights)}
    except ModuleNotFoundError as error:
        warnings.warn(f"LPIPS is left out: {error}", stacklevel=3)
        return {}


def _is_image(spec: FrameSpec) -> bool:
    return spec.data_range is not None and tuple(spec.data_range) == (0.0, 1.0)


def _is_small(spec: FrameSpec) -> bool:
    """Whether the window of SSIM does not fit into a frame."""
    return min(spec.height, spec.width) < 7
