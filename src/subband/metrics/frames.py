"""What the scores of predicted clips have in common: a checked pair of clips, and running sums per predicted frame."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from subband.extras import names_extra
from subband.metrics.image import denormalize, error_sums

with names_extra("these scores need"):
    from torchmetrics import Metric

__all__ = ["FrameMetric", "FramePair", "FrameSpec"]


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


class FramePair:
    """Predicted and true clips, checked and in the units of the data; what several metrics need is computed once.

    Args:
        pred: Predicted clips, `(B, T, C, H, W)`, standardized as the data is.
        target: True clips of the same shape.
        spec: Shape, range and normalization of the clips.

    Raises:
        ValueError: If the shapes do not agree with each other and with `spec`.
    """

    def __init__(self, pred: Tensor, target: Tensor, spec: FrameSpec) -> None:
        expected = (spec.out_frames, spec.channels, spec.height, spec.width)
        if pred.shape != target.shape or pred.shape[1:] != expected:
            raise ValueError(
                f"pred and target must be (B, T, C, H, W) with {expected} after the batch, "
                f"got {tuple(pred.shape)} and {tuple(target.shape)}"
            )
        self.pred, self.target = pred.float(), target.float()
        if spec.mean is not None and spec.std is not None:
            self.pred, self.target = (denormalize(x, spec.mean, spec.std) for x in (self.pred, self.target))

    @cached_property
    def clipped(self) -> Tensor:
        """The prediction clipped to [0, 1], `(B, T, C, H, W)`."""
        return self.pred.clamp(0, 1)

    @cached_property
    def errors(self) -> tuple[Tensor, Tensor]:
        """Squared and absolute errors summed over pixels, `(B, T, C)` each."""
        return error_sums(self.pred, self.target)


class FrameMetric(Metric):
    """A score of every predicted frame, averaged over clips; the base of all classes in `video`.

    Args:
        spec: Shape, range and normalization of the clips, see `FrameSpec`.

    Shape:
        - pred, target: `(B, T, C, H, W)`
    """

    is_differentiable = False
    full_state_update = False
    total: Tensor
    num_clips: Tensor

    def __init__(self, spec: FrameSpec) -> None:
        super().__init__()
        self.spec = spec
        self.add_state("total", torch.zeros(self._total_shape()), dist_reduce_fx="sum")
        self.add_state("num_clips", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, pred: Tensor | FramePair, target: Tensor | None = None) -> None:
        """Add a batch.

        Args:
            pred: Predicted clips, `(B, T, C, H, W)`; or both clips as a `FramePair`, which several metrics can share.
            target: True clips of the same shape; not given beside a `FramePair`.

        Raises:
            TypeError: If `target` is missing, or given beside a `FramePair`.
            ValueError: If the shapes do not agree with each other and with `spec`.
        """
        if isinstance(pred, FramePair) and target is None:
            pair = pred
        elif isinstance(pred, Tensor) and target is not None:
            pair = FramePair(pred, target, self.spec)
        else:
            raise TypeError("update takes pred and target, or a FramePair alone.")
        self.total += self._frame_scores(pair).sum(0)
        self.num_clips += len(pair.pred)

    def compute(self) -> Tensor:
        """The score over all clips and frames, a scalar; infinite if that of a single frame is.

        Raises:
            ValueError: If no clip was added.
        """
        self._require_clips()
        return self._curve().mean()

    def per_frame(self) -> Tensor:
        """The score of every predicted frame, averaged over clips and reduced over processes, `(T,)`.

        Raises:
            ValueError: If no clip was added.
        """
        with self.sync_context():
            self._require_clips()
            return self._curve()

    def _total_shape(self) -> tuple[int, ...]:
        return (self.spec.out_frames,)

    @abstractmethod
    def _frame_scores(self, pair: FramePair) -> Tensor:
        """What is summed over clips, `(B, *total_shape)`."""

    def _curve(self) -> Tensor:
        return self.total / self.num_clips

    def _require_clips(self) -> None:
        if self.num_clips == 0:
            raise ValueError("there is nothing to score: no clip was added")
