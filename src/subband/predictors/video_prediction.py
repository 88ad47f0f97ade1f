"""Next frames of any clip: sizes, ranges and channels are brought into the form a network was trained on, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.media.frames import working_size
from subband.models.checkpoint import load_model
from subband.models.protocols.video import VideoModel

_TOLERANCE = 0.01  # interpolation and video codecs may overshoot a little


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A prediction beside what really came.

    Attributes:
        target: Frames that were held out, `(T', C, H, W)`, `[0, 1]`.
        prediction: The network's, same shape.
        persistence: The last known frame, repeated, same shape.
        per_frame: `model` and `persistence` -> `mse`, `psnr`, `ssim` (and what else `VideoPredictionMetrics.per_frame`
            gives) -> one number per frame.
    """

    target: Tensor
    prediction: Tensor
    persistence: Tensor
    per_frame: dict[str, dict[str, list[float]]]


class VideoPredictor:
    """A video-prediction network that takes frames as they come out of a file.

    Args:
        model: Network; it is put into eval mode and stays on its device.
        metadata: Facts stored beside the weights; `data_range` is the range of the frames the network was trained on,
            `[0, 1]` when it is not there.
        max_side: Frames with a longer side are reduced to it before prediction (bilinear, antialiased). Time and memory
            grow with the area; None keeps every size.

    Raises:
        ValueError: If `max_side` is not positive, or the network was trained on standardized fields, which have no
            range that frames in `[0, 1]` could be mapped to.

    Example:
        >>> from subband import create_model
        >>> predictor = VideoPredictor(create_model("persistence"), max_side=32)
        >>> predictor.predict(torch.rand(12, 3, 48, 64), num_frames=15).shape
        torch.Size([15, 3, 24, 32])
    """

    def __init__(
        self, model: VideoModel, metadata: Mapping[str, Any] | None = None, *, max_side: int | None = None
    ) -> None:
        facts = metadata or {}
        data_range = facts.get("data_range", (0.0, 1.0))
        if data_range is None or facts.get("mean") is not None:
            raise ValueError(
                "this network was trained on standardized fields, not on pictures in a fixed range; call its "
                "predict(frames, num_frames) with values standardized in the same way."
            )
        if max_side is not None and max_side < 1:
            raise ValueError(f"max_side must be at least 1, got {max_side}.")
        self.model = model.eval()
        self.low, self.high = map(float, data_range)
        self.max_side = max_side

    @classmethod
    def load(
        cls, source: str | Path, *, device: torch.device | str = "cpu", max_side: int | None = None
    ) -> VideoPredictor:
        """Predictor from weights on disk or in the package.

        Args:
            source: What `subband.load_model` takes: model folder, run folder or name of bundled weights.
            device: Where to compute.
            max_side: See the class.

        Raises:
            FileNotFoundError: If there is nothing at `source`.
            ValueError: If it holds no video-prediction network.
        """
        model = load_model(source)
        if not isinstance(model, VideoModel):
            raise ValueError(f"{source} holds a {type(model).__name__}, which is no video-prediction network.")
        return cls(model.to(device), cast(Mapping[str, Any], model.metadata), max_side=max_side)

    @property
    def num_context(self) -> int:
        """How many frames the network looks at."""
        return self.model.in_shape[0]

    @torch.inference_mode()
    def predict(self, frames: Tensor, num_frames: int) -> Tensor:
        """The frames that follow.

        A gray network takes color clips channel by channel. To give more frames than it does at once, the network is
        fed its own predictions, and errors add up.

        Args:
            frames: `(T, C, H, W)` float in `[0, 1]`, T at least `num_context`; the last ones count.
            num_frames: How many frames to predict.

        Returns:
            `(num_frames, C, H', W')` in `[0, 1]` on the device of `frames`; H' and W' are smaller than H and W only
            where `max_side` says so.

        Raises:
            ValueError: If there are too few frames, or shape, type or channels do not fit.
        """
        _check(frames)
        parameter = next(self.model.parameters(), frames)
        clip = self._resize(frames[-self.num_context :]).to(parameter)
        clip = self.low + (self.high - self.low) * clip
        prediction = self.model.predict(clip.unsqueeze(0), num_frames)[0]
        return ((prediction - self.low) / (self.high - self.low)).to(frames).clamp(0, 1)

    def compare(self, frames: Tensor, num_frames: int) -> Comparison:
        """Predicts the last frames of a clip from those before, and scores them frame by frame.

        Args:
            frames: `(T, C, H, W)` float in `[0, 1]`, T at least `num_context + num_frames`.
            num_frames: How many frames to hold out.

        Returns:
            Frames and scores; persistence, the last known frame repeated, is what a network has to beat.

        Raises:
            ValueError: If there are too few frames, or shape, type or channels do not fit.
        """
        if num_frames < 1:
            raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
        if len(frames) < self.num_context + num_frames:
            raise ValueError(
                f"comparing needs {self.num_context} frames to look at and {num_frames} to compare with, "
                f"got {len(frames)} frames."
            )
        _check(frames)
        clip = self._resize(frames)
        context, target = clip[:-num_frames], clip[-num_frames:]
        prediction = self.predict(context, num_frames)
        persistence = context[-1:].expand_as(target)
        scores = {"model": _per_frame(prediction, target), "persistence": _per_frame(persistence, target)}
        return Comparison(target=target, prediction=prediction, persistence=persistence, per_frame=scores)

    def _resize(self, frames: Tensor) -> Tensor:
        height, width = frames.shape[-2:]
        size = working_size(height, width, self.max_side)
        if size == (height, width):
            return frames
        return F.interpolate(frames, size=size, mode="bilinear", antialias=True)


def _check(frames: Tensor) -> None:
    if frames.ndim != 4:
        raise ValueError(f"frames must be (T, C, H, W), got {tuple(frames.shape)}.")
    if not frames.is_floating_point():
        raise ValueError(f"frames must be floating point in [0, 1], got {frames.dtype}; divide 8-bit frames by 255.")
    low, high = frames.amin().item(), frames.amax().item()
    if not (low > -float("inf") and high < float("inf")):
        raise ValueError("frames hold values that are not finite numbers.")
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        fix = "divide 8-bit frames by 255" if low >= 0 else "map [-1, 1] to [0, 1] by (x + 1) / 2"
        warnings.warn(
            f"frames should lie in [0, 1] but reach from {low:.3g} to {high:.3g}; {fix}, "
            "or the prediction means nothing.",
            stacklevel=3,
        )


def _per_frame(prediction: Tensor, target: Tensor) -> dict[str, list[float]]:
    from subband.data import ClipSpec
    from subband.metrics.video import VideoPredictionMetrics

    num_frames, channels, height, width = target.shape
    spec = ClipSpec(in_frames=1, out_frames=num_frames, channels=channels, height=height, width=width)
    metrics = VideoPredictionMetrics(spec).to(target.device)
    metrics.update(prediction.unsqueeze(0).float(), target.unsqueeze(0).float())
    return metrics.per_frame()
