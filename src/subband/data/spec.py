"""What a video data set promises: the shape and range of its clips, and the three splits."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

_RANGE_TOLERANCE = 0.01  # of the declared span: interpolation may overshoot a little without being a mistake


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """Shape, value range and normalization of the clips of a data set.

    Args:
        in_frames: Number of frames shown to the model, `T`.
        out_frames: Number of frames to predict, `T'`.
        channels: Channels of a frame, `C`.
        height: Rows of a frame, `H`.
        width: Columns of a frame, `W`.
        data_range: Smallest and largest value a frame may hold; None when the values have no fixed bounds
            (standardized weather fields), where PSNR and SSIM mean nothing.
        mean: Value per channel that was subtracted from the stored data, None if nothing was.
        std: Value per channel the stored data were divided by, None if they were not.
        channel_groups: Physical variable name to the indices of its channels, for sets scored per variable.

    Raises:
        ValueError: If a size is not positive, the range is empty, `mean` or `std` does not fit `channels`, or a group
            names a channel that does not exist.
    """

    in_frames: int
    out_frames: int
    channels: int
    height: int
    width: int
    data_range: tuple[float, float] | None = (0.0, 1.0)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channel_groups: dict[str, tuple[int, ...]] | None = None

    def __post_init__(self) -> None:
        for name in ("in_frames", "out_frames", "channels", "height", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.data_range is not None and not self.data_range[0] < self.data_range[1]:
            raise ValueError(f"data_range must be (low, high) with low < high, got {self.data_range}")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std must be given together")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None and len(values) != self.channels:
                raise ValueError(f"{name} must hold one value per channel ({self.channels}), got {len(values)}")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")
        for group, indices in (self.channel_groups or {}).items():
            if not all(0 <= index < self.channels for index in indices):
                raise ValueError(
                    f"channel_groups[{group!r}] = {indices} names a channel outside 0..{self.channels - 1}"
                )

    @property
    def in_shape(self) -> tuple[int, int, int, int]:
        """Shape of one input clip, `(T, C, H, W)`, as the video models take it."""
        return self.in_frames, self.channels, self.height, self.width

    @property
    def num_frames(self) -> int:
        """Frames of a whole sample, inputs and targets together."""
        return self.in_frames + self.out_frames


class Clips(ABC):
    """A map-style data set of clips.

    A key may exceed the length: the sample's index is `key % len`, its epoch `key // len`. Everything random in a
    sample is a pure function of the data set's seed and the key, so a run can be repeated and resumed, and worker
    processes agree.

    Attributes:
        spec: Shape and range of the clips.
    """

    spec: ClipSpec

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples of one epoch."""

    @abstractmethod
    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Inputs `(T, C, H, W)` and targets `(T', C, H, W)` of one key, float32."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the keys of epoch 0."""
        return (self[key] for key in range(len(self)))

    def check_batch(self, batch: tuple[Tensor, Tensor]) -> None:
        """Warn when the frames of a batch leave the declared value range."""
        check_range(batch[0], self.spec, "input frames")


class BatchedClips(Clips):
    """Clips produced as whole batches by one tensor program."""

    @abstractmethod
    def batch(self, keys: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Inputs `(B, T, C, H, W)` and targets `(B, T', C, H, W)` of several keys, float32, on `device`."""

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Inputs `(T, C, H, W)` and targets `(T', C, H, W)`: the only sample of a batch of one."""
        inputs, targets = self.batch([key])
        return inputs[0], targets[0]


class DamagedFileError(ValueError):
    """A file of a sample cannot be read; `SampleLoader` leaves the sample out. The message begins with the file."""


@contextmanager
def reading_files() -> Iterator[None]:
    """Marks what goes wrong inside as the fault of a file, not of the settings.

    Raises:
        DamagedFileError: In place of a ValueError.
    """
    try:
        yield
    except ValueError as error:
        raise DamagedFileError(" ".join(str(error).split())) from error


@runtime_checkable
class SupportsBatch(Protocol):
    """What the loader asks of a data set that can make a whole batch at once."""

    def batch(self, keys: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Inputs and targets of several keys on `device`."""


@runtime_checkable
class SupportsCheck(Protocol):
    """A data set that looks at the first batch, to warn of values that cannot be meant."""

    def check_batch(self, batch: Any) -> None:
        """Warn if something is wrong."""


class SampleSource(Protocol):
    """What the loader needs of a data set of any task."""

    def __len__(self) -> int:
        """Number of samples of one epoch."""

    def __getitem__(self, key: int) -> Any:
        """The sample of one key, a pure function of the seed and the key."""


class ClipSource(Protocol):
    """What video tasks need of a data set; `Clips` is a convenient base, not a condition."""

    spec: Any  # a ClipSpec

    def __len__(self) -> int:
        """Number of samples of one epoch."""

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of one key."""


@dataclass(frozen=True)
class VideoData:
    """The three splits of a data set; no sample of one is in another.

    Args:
        train: Training clips.
        val: Clips for choosing a checkpoint; held out from the training material, never the test set.
        test: Clips for the reported figures.
        spec: Shape and range common to all three.

    Raises:
        ValueError: If a split has clips of another shape or range.
    """

    train: ClipSource
    val: ClipSource
    test: ClipSource
    spec: ClipSpec

    def __post_init__(self) -> None:
        for name in ("train", "val", "test"):
            spec = getattr(self, name).spec
            if spec != self.spec:
                raise ValueError(f"clips of the {name} split are {spec}, expected {self.spec}")


def image_size(value: int | Sequence[int], name: str = "img_size") -> tuple[int, int]:
    """`(H, W)` from one side or a pair.

    Args:
        value: One number for a square, or two: rows, columns.
        name: Argument name for the error message.

    Raises:
        ValueError: If there are not one or two positive integers.

    Example:
        >>> image_size(64), image_size([128, 160])
        ((64, 64), (128, 160))
    """
    sides = (value, value) if isinstance(value, int) else tuple(value)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(f"{name} must be one positive integer or a pair (height, width), got {value!r}")
    return sides


def check_index(key: int) -> int:
    """The key itself if it is a legal one.

    Raises:
        IndexError: If it is negative: keys count samples over epochs, so there is no last one.
    """
    if key < 0:
        raise IndexError(f"keys of a clip data set start at 0, got {key}")
    return key


def check_finite(values: Tensor, what: str) -> Tensor:
    """The values themselves if all of them are numbers.

    Args:
        values: Any shape.
        what: What they are, for the message.

    Raises:
        DamagedFileError: If one is NaN or infinite: it would make every weight of a network NaN.
    """
    if not values.isfinite().all():
        raise DamagedFileError(f"{what} has values that are no numbers (NaN or infinite)")
    return values


class Ranged(Protocol):
    """What says how small and how large the values of frames may be."""

    @property
    def data_range(self) -> tuple[float, float] | None:
        """Smallest and largest value, None where there are no bounds."""


def check_range(frames: Tensor, spec: Ranged, where: str) -> None:
    """Warn when frames leave the declared value range, typically 8-bit values that nobody divided by 255.

    Args:
        frames: Any shape, any real dtype.
        spec: Declares the range; nothing is checked when it declares none.
        where: What the frames are, for the message, e.g. `"training inputs"`.
    """
    if spec.data_range is None or frames.numel() == 0:
        return
    low, high = spec.data_range
    smallest, largest = (value.item() for value in torch.aminmax(frames))
    slack = _RANGE_TOLERANCE * (high - low)
    if smallest < low - slack or largest > high + slack:
        warnings.warn(
            f"{where} lie in [{smallest:g}, {largest:g}], outside the declared range [{low:g}, {high:g}]: divide 8-bit "
            "frames by 255, or declare the right data_range in the data set's ClipSpec",
            stacklevel=2,
        )
