"""What a data set of clip pairs promises: degraded frames in, sharp frames out, and the three splits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from subband.data.spec import check_range

__all__ = ["ClipPairs", "PairData", "PairSource", "PairSpec"]


@dataclass(frozen=True, kw_only=True)
class PairSpec:
    """Shape of the pairs of a data set: degraded `(T, 3, H, W)`, sharp `(T', 3, scale * H, scale * W)`, in [0, 1].

    Args:
        frames: Degraded frames of a clip, `T`; None where it varies.
        height: Rows of a degraded frame, `H`; None where it varies.
        width: Columns, `W`, likewise.
        scale: Side of a sharp frame over that of a degraded one; 1 for deblurring, more for super-resolution.
        past_frames: Degraded frames at the beginning of a clip that have no sharp one: context only.
        future_frames: The same at its end. The sharp frame of number `i` belongs to the degraded one of number
            `past_frames + i`.
        mirrored: Networks see every clip there and back, as twice as many frames, in training and in tests; in tests
            both visits of a frame are averaged.

    Raises:
        ValueError: If a number is out of range, or no frame would have a sharp one.

    Example:
        >>> spec = PairSpec(frames=5, height=64, width=96, past_frames=2, future_frames=2)
        >>> spec.in_shape, spec.target_shape
        ((5, 3, 64, 96), (1, 3, 64, 96))
    """

    frames: int | None
    height: int | None
    width: int | None
    scale: int = 1
    past_frames: int = 0
    future_frames: int = 0
    mirrored: bool = False

    def __post_init__(self) -> None:
        for name in ("frames", "height", "width", "scale"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if min(self.past_frames, self.future_frames) < 0:
            raise ValueError(
                f"past_frames and future_frames must not be negative, got {self.past_frames} and {self.future_frames}"
            )
        if self.frames is not None and self.frames <= self.past_frames + self.future_frames:
            raise ValueError(
                f"{self.frames} frames with {self.past_frames} past_frames and {self.future_frames} future_frames "
                "leave none to restore"
            )

    @property
    def data_range(self) -> tuple[float, float]:
        """Smallest and largest value of a frame."""
        return 0.0, 1.0

    @property
    def in_shape(self) -> tuple[int | None, int, int | None, int | None]:
        """Shape of a degraded clip, None where it varies."""
        return self.frames, 3, self.height, self.width

    @property
    def target_shape(self) -> tuple[int | None, int, int | None, int | None]:
        """Shape of a sharp clip, None where it varies."""
        frames = None if self.frames is None else self.frames - self.past_frames - self.future_frames
        height, width = (None if side is None else self.scale * side for side in (self.height, self.width))
        return frames, 3, height, width

    def with_targets(self, sharp: Tensor) -> Tensor:
        """The frames of a clip `(T, ...)` that count."""
        return sharp[self.past_frames : len(sharp) - self.future_frames]


class PairSource(NamedTuple):
    """Where a pair comes from, for tables and names of results.

    Attributes:
        clip: Name of the clip.
        first: Number of its first degraded frame in that clip.
    """

    clip: str
    first: int


class ClipPairs(ABC):
    """A map-style data set of pairs of clips.

    A key may exceed the length: the sample's index is `key % len`, its epoch `key // len`. Everything random in a
    sample is a pure function of the data set's seed and the key, so a run can be repeated and resumed, and worker
    processes agree.

    Attributes:
        spec: Shape of the pairs.
    """

    spec: PairSpec

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples of one epoch."""

    @abstractmethod
    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Degraded `(T, 3, H, W)` and sharp `(T', 3, scale * H, scale * W)` of one key, float32 in [0, 1]."""

    @abstractmethod
    def source(self, key: int) -> PairSource:
        """Where the pair of a key comes from."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the keys of epoch 0."""
        return (self[key] for key in range(len(self)))

    def check_batch(self, batch: tuple[Iterable[Tensor], Iterable[Tensor]]) -> None:
        """Warn when the frames of a batch, stacked or as a list of clips, leave [0, 1]."""
        for clip in batch[0]:
            check_range(clip, self.spec, "degraded frames")


@dataclass(frozen=True)
class PairData:
    """The three splits of a data set of pairs; no clip of one is in another.

    Args:
        train: Training pairs.
        val: Pairs for choosing a checkpoint, never the test set.
        test: Pairs for the reported figures; fewer frames may count there, as a protocol says.
        spec: Shape of the training pairs; validation and test may have other sizes and lengths.

    Raises:
        ValueError: If the splits differ in scale, or in the frames that count but for fewer in the test.
    """

    train: ClipPairs
    val: ClipPairs
    test: ClipPairs
    spec: PairSpec

    def __post_init__(self) -> None:
        for name in ("train", "val", "test"):
            spec = getattr(self, name).spec
            more = spec.past_frames - self.spec.past_frames, spec.future_frames - self.spec.future_frames
            fits = min(more) >= 0 if name == "test" else more == (0, 0)
            if spec.scale != self.spec.scale or not fits:
                raise ValueError(f"pairs of the {name} split are {spec}, expected {self.spec}")


def as_frames(pixels: Tensor) -> Tensor:
    """Pixels `(..., H, W, 3)` of 8 bits as `(..., 3, H, W)` in [0, 1]."""
    return pixels.movedim(-1, -3).to(torch.float32).div_(255)
