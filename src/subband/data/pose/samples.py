"""People in images and videos: what a data set promises, and what one sample is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from subband.data.pose.heatmaps import TargetKind
from subband.data.pose.preprocessing import PosePreprocessing
from subband.joints import JointSet

__all__ = ["PoseData", "PoseSample", "PoseSource", "PoseSpec", "PoseTruth"]


@dataclass(frozen=True, kw_only=True)
class PoseSpec:
    """What a data set of people promises.

    Args:
        joints: Which joints of a person are labelled, K of them.
        preprocessing: How people become crops, whose sides are multiples of 4.
        num_frames: Frames T of a clip, of which the joints of number `T // 2` count.
        stride: Distance between two of them in frames of the video.
        targets: How joints become heatmaps: `udp` for crops of that convention, `plain` or `classic` for others.
        sigma: Spread of a joint in entries of a heatmap.

    Raises:
        ValueError: If a number is out of its range, or targets and crops differ in convention.
    """

    joints: JointSet
    preprocessing: PosePreprocessing
    num_frames: int
    stride: int = 1
    targets: TargetKind = "plain"
    sigma: float = 2.0

    def __post_init__(self) -> None:
        if any(side % 4 for side in self.crop_size):
            raise ValueError(f"sides of crops must be multiples of 4, got {tuple(self.crop_size)}.")
        if self.num_frames < 1 or self.sigma <= 0:
            raise ValueError(f"num_frames and sigma must be positive, got {self.num_frames} and {self.sigma}.")
        if self.stride < 1:
            raise ValueError(f"stride must be at least 1, got {self.stride}.")
        if (self.targets == "udp") != (self.preprocessing.convention == "udp"):
            raise ValueError(
                f"targets {self.targets!r} do not fit crops of the convention {self.preprocessing.convention!r}."
            )

    @property
    def crop_size(self) -> tuple[int, int]:
        """`(H, W)` of the crops."""
        return self.preprocessing.size

    def normalize(self, frames: Tensor) -> Tensor:
        """What the network sees of frames `(..., 3, H, W)` in [0, 1]."""
        mean, std = (frames.new_tensor(value)[:, None, None] for value in self._levels)
        return (frames - mean) / std

    def denormalize(self, frames: Tensor) -> Tensor:
        """Inverse of `normalize`."""
        mean, std = (frames.new_tensor(value)[:, None, None] for value in self._levels)
        return frames * std + mean

    @property
    def _levels(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.preprocessing.mean, self.preprocessing.std


class PoseTruth(NamedTuple):
    """What a person is scored by, in pixels of the image.

    Attributes:
        to_image: From pixels of the crop to those of the image, `(2, 3)`, float64.
        joints: x and y, `(K, 2)`.
        visible: 0 unlabelled or out of the image, 1 occluded, 2 visible, `(K,)`.
        box: Left, top, width and height.
        area: Pixels of the person that similarities of poses (OKS) are judged by.
        head_box: Left, top, width and height; None where the data does not say.
        clip: Name of the video or image.
        frame: Number of the frame in it.
        person: Number of the person in it; -1 where the data does not follow people over time.
    """

    to_image: Tensor
    joints: Tensor
    visible: Tensor
    box: tuple[float, float, float, float]
    area: float
    head_box: tuple[float, float, float, float] | None
    clip: str
    frame: int
    person: int


class PoseSample(NamedTuple):
    """One person in the frames around one.

    Attributes:
        frames: The same crop of all frames, normalized, `(T, 3, H, W)`.
        joints: x and y in pixels of the crop in frame `T // 2`, `(K, 2)`.
        visible: 0 unlabelled or out of the image, 1 occluded, 2 visible, `(K,)`.
        clip: Number of the video or image in its split, by which losses tell samples of one clip.
        truth: What the person is scored by; None of training samples.
    """

    frames: Tensor
    joints: Tensor
    visible: Tensor
    clip: int
    truth: PoseTruth | None


class PoseSource(Protocol):
    """What the task needs of a data set."""

    spec: PoseSpec

    def __len__(self) -> int:
        """Samples of one epoch."""

    def __getitem__(self, key: int) -> PoseSample:
        """The sample of one key, a pure function of the seed and the key."""


@dataclass(frozen=True)
class PoseData:
    """The three splits of a data set; no clip of one is in another.

    Args:
        train: Training samples, augmented.
        val: Samples for choosing a checkpoint.
        test: Samples for the reported figures.
        spec: Joints, size and number of frames of all three.

    Raises:
        ValueError: If a split has other joints, sizes or numbers of frames.
    """

    train: PoseSource
    val: PoseSource
    test: PoseSource
    spec: PoseSpec

    def __post_init__(self) -> None:
        for name in ("train", "val", "test"):
            if getattr(self, name).spec != self.spec:
                raise ValueError(f"samples of the {name} split are {getattr(self, name).spec}, expected {self.spec}.")
