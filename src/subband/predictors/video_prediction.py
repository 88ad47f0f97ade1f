"""Next frames of any clip: sizes, ranges and channels are brought into the form a network was trained on, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.spec import ClipSpec
from subband.device import pick_device
from subband.media.frames import working_size
from subband.media.video import probe, read_clip
from subband.models.checkpoint import load_model
from subband.models.protocols.video import VideoModel
from subband.predictors.inputs import FrameInput, as_frames


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
        model: Network; it is put into eval mode.
        metadata: Facts stored beside the weights, those of the network (`model.metadata`) by default; `data_range` is
            the range of the frames it was trained on, `[0, 1]` when it is not there.
        max_side: Frames with a longer side are reduced to it before prediction (bilinear, antialiased). Time and memory
            grow with the area; None keeps every size.
        device: Where to compute: `auto`, `cpu`, `cuda`, `cuda:INDEX` or `mps`; None leaves the network where it is.

    Raises:
        ValueError: If `max_side` is not positive, there is no such device, or the network was trained on standardized
            fields, which have no range that frames in `[0, 1]` could be mapped to.

    Example:
        >>> from subband import create_model
        >>> predictor = VideoPredictor(create_model("persistence"), max_side=32)
        >>> predictor.predict(torch.rand(12, 3, 48, 64), num_frames=15).shape
        torch.Size([15, 3, 24, 32])
    """

    def __init__(
        self,
        model: VideoModel,
        metadata: Mapping[str, Any] | None = None,
        *,
        max_side: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        facts: Any = getattr(model, "metadata", {}) if metadata is None else metadata
        data_range = facts.get("data_range", (0.0, 1.0))
        if data_range is None or facts.get("mean") is not None:
            raise ValueError(
                "this network was trained on standardized fields, not on images in a fixed range; call its "
                "predict(frames, num_frames) with values standardized in the same way."
            )
        if max_side is not None and max_side < 1:
            raise ValueError(f"max_side must be at least 1, got {max_side}.")
        self.model = (model if device is None else model.to(pick_device(device))).eval()
        self.low, self.high = map(float, data_range)
        self.max_side = max_side

    @classmethod
    def load(
        cls, source: str | Path, *, device: torch.device | str = "cpu", max_side: int | None = None
    ) -> VideoPredictor:
        """Predictor from weights on disk or in the package.

        Args:
            source: What `subband.load_model` takes: model folder, run folder or name of bundled weights.
            device: Where to compute: `auto`, `cpu`, `cuda`, `cuda:INDEX` or `mps`.
            max_side: See the class.

        Raises:
            FileNotFoundError: If there is nothing at `source`.
            ValueError: If it holds no video-prediction network, or there is no such device.
        """
        model = load_model(source)
        if not isinstance(model, VideoModel):
            raise ValueError(f"{source} holds a {type(model).__name__}, which is no video-prediction network.")
        return cls(model, max_side=max_side, device=device)

    @property
    def num_context(self) -> int:
        """How many frames the network looks at."""
        return self.model.in_shape[0]

    def predict(self, frames: str | Path | FrameInput, num_frames: int) -> Tensor:
        """The frames that follow.

        A gray network takes color clips channel by channel. More frames than the network gives at once are rolled out:
        it is fed its own predictions, and errors add up.

        Args:
            frames: Clip (video file, animated GIF or folder of images), array `(T, H, W)` or `(T, H, W, C)`, tensor
                `(T, C, H, W)`, or a list of files, Pillow images, arrays and tensors; `uint8`, or floating point in
                `[0, 1]`. T is at least `num_context`; the last ones count.
            num_frames: How many frames to predict.

        Returns:
            `(num_frames, C, H', W')` in `[0, 1]` on the device of `frames`; H' and W' are smaller than H and W only
            where `max_side` says so.

        Raises:
            ValueError: If there are too few frames, or shape, type or channels do not fit.
            TypeError: If the frames are none of these kinds.
        """
        return self._predict(self._read(frames, self.num_context), num_frames)

    def compare(self, frames: str | Path | FrameInput, num_frames: int) -> Comparison:
        """Predicts the last frames of a clip from those before, and scores them frame by frame.

        Args:
            frames: What `predict` takes, T at least `num_context + num_frames`; of a file the last ones count.
            num_frames: How many frames to hold out.

        Returns:
            Frames and scores; persistence, the last known frame repeated, is what a network has to beat.

        Raises:
            ValueError: If there are too few frames, or shape, type or channels do not fit.
            TypeError: If the frames are none of these kinds.
        """
        if num_frames < 1:
            raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
        known = self._read(frames, self.num_context + num_frames)
        if len(known) < self.num_context + num_frames:
            raise ValueError(
                f"comparing needs {self.num_context} frames to look at and {num_frames} to compare with, "
                f"got {len(known)} frames."
            )
        clip = self._resize(known)
        context, target = clip[:-num_frames], clip[-num_frames:]
        prediction = self._predict(context, num_frames)
        persistence = context[-1:].expand_as(target)
        scores = {"model": _per_frame(prediction, target), "persistence": _per_frame(persistence, target)}
        return Comparison(target=target, prediction=prediction, persistence=persistence, per_frame=scores)

    @torch.inference_mode()
    def _predict(self, frames: Tensor, num_frames: int) -> Tensor:
        parameter = next(self.model.parameters(), frames)
        clip = self._resize(frames[-self.num_context :]).to(parameter)
        clip = self.low + (self.high - self.low) * clip
        prediction = self.model.predict(clip.unsqueeze(0), num_frames)[0]
        return ((prediction - self.low) / (self.high - self.low)).to(frames).clamp(0, 1)

    def _read(self, frames: str | Path | FrameInput, wanted: int) -> Tensor:
        """The frames as a tensor; of a file only as many of the last ones as are wanted."""
        if not isinstance(frames, str | Path):
            return as_frames(frames)
        info = probe(frames)
        if info.num_frames < wanted:
            raise ValueError(f"{frames} has {info.num_frames} frames, but {wanted} are needed.")
        size = working_size(info.height, info.width, self.max_side)
        return read_clip(frames, info.num_frames - wanted, wanted, size=size)

    def _resize(self, frames: Tensor) -> Tensor:
        height, width = frames.shape[-2:]
        size = working_size(height, width, self.max_side)
        if size == (height, width):
            return frames
        return F.interpolate(frames, size=size, mode="bilinear", antialias=True)


def _per_frame(prediction: Tensor, target: Tensor) -> dict[str, list[float]]:
    from subband.metrics.video import VideoPredictionMetrics

    num_frames, channels, height, width = target.shape
    spec = ClipSpec(in_frames=1, out_frames=num_frames, channels=channels, height=height, width=width)
    metrics = VideoPredictionMetrics(spec).to(target.device)
    metrics.update(prediction.unsqueeze(0).float(), target.unsqueeze(0).float())
    return metrics.per_frame()
