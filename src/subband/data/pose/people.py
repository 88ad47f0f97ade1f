"""Labelled people in images and videos: samples for training and for scoring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from subband.data.pose.augmentation import NO_CHANGE, PoseAugmentation, person_view
from subband.data.pose.crops import warp_crop
from subband.data.pose.samples import PoseSample, PoseSpec, PoseTruth
from subband.data.spec import DamagedFileError, check_index, reading_files
from subband.files import shown
from subband.media.images import on_white, read_image
from subband.media.video import read_clip

__all__ = ["FrameFiles", "NoPeople", "People", "Person"]

Box = tuple[float, float, float, float]


class FrameFiles(NamedTuple):
    """Where the frames of a clip are.

    Attributes:
        name: Of the clip.
        files: A picture for every frame, in order; or a single video.
        num_frames: Of the video; as many as there are pictures otherwise.
        size: `(H, W)` of the frames that the labels are for; None if that is not said.
        is_video: Whether `files` is a video.
    """

    name: str
    files: tuple[Path, ...]
    num_frames: int
    size: tuple[int, int] | None = None
    is_video: bool = False

    def around(self, middle: int, count: int, stride: int) -> Tensor:
        """Frames `(T, 3, H, W)` in [0, 1] around one; beyond the ends of the clip the first and last stand in.

        Args:
            middle: Number of frame `count // 2` of the result.
            count: How many.
            stride: Distance between them.

        Raises:
            FileNotFoundError: If a file is gone.
            DamagedFileError: If one cannot be read, or is of another size than the labels.
        """
        first = middle - count // 2 * stride
        wanted = [min(max(first + place * stride, 0), self.num_frames - 1) for place in range(count)]
        with reading_files():
            if self.is_video:
                read = read_clip(self.files[0], wanted[0], wanted[-1] - wanted[0] + 1)
                frames = read[[place - wanted[0] for place in wanted]]
            else:
                pictures = {place: on_white(read_image(self.files[place])).expand(3, -1, -1) for place in wanted}
                self._check_sizes(pictures)
                frames = torch.stack([pictures[place] for place in wanted])
        if self.size is not None and tuple(frames.shape[-2:]) != self.size:
            raise DamagedFileError(
                f"{shown(self.files[wanted[0] if not self.is_video else 0])} has {frames.shape[-1]} x "
                f"{frames.shape[-2]} pixels, but its labels are for {self.size[1]} x {self.size[0]}"
            )
        return frames

    def _check_sizes(self, pictures: dict[int, Tensor]) -> None:
        sizes = {picture.shape for picture in pictures.values()}
        if len(sizes) > 1:
            raise ValueError(f"the frames of {shown(self.files[0].parent)} differ in size")


class Person(NamedTuple):
    """One person in one frame as the labels say.

    Attributes:
        clip: Where the frame is.
        frame: Its number.
        joints: x, y and visibility (0 unlabelled, 1 occluded, 2 visible) in pixels, `(K, 3)`, float32.
        box: Left, top, width and height, inside the frame.
        area: Pixels of the person.
        head_box: Likewise a box, None if there is none.
        number: Of the person in the clip; -1 if people are not followed.
    """

    clip: FrameFiles
    frame: int
    joints: np.ndarray
    box: Box
    area: float
    head_box: Box | None
    number: int


class People:
    """A map-style data set of people.

    A key may exceed the length: the sample's index is `key % len`, its epoch `key // len`. The augmentation is a pure
    function of (seed, key), so a run can be repeated and resumed, and worker processes agree.

    Args:
        people: With at least one labelled joint each.
        spec: Joints, size, number of frames and the distance between them.
        augmentation: How training people are changed; None for people who are scored.
        seed: Chooses the augmentation.

    Raises:
        ValueError: If there is nobody.
    """

    def __init__(
        self,
        people: Sequence[Person],
        spec: PoseSpec,
        *,
        augmentation: PoseAugmentation | None = None,
        seed: int = 0,
    ) -> None:
        if not people:
            raise ValueError("a split holds no labelled person; hold out less of the data, or add some.")
        self.people, self.spec, self.seed = tuple(people), spec, seed
        self._augmentation = augmentation
        self._numbers = {name: number for number, name in enumerate(dict.fromkeys(one.clip.name for one in people))}

    def __len__(self) -> int:
        """People of one epoch."""
        return len(self.people)

    def __getitem__(self, key: int) -> PoseSample:
        """One person in the frames around one.

        Raises:
            FileNotFoundError: If a file is gone.
            DamagedFileError: If one cannot be read, or is of another size than the labels.
        """
        person, spec = self.people[check_index(key) % len(self)], self.spec
        frames = person.clip.around(person.frame, spec.num_frames, spec.stride)
        labelled = torch.from_numpy(person.joints)
        change = NO_CHANGE if self._augmentation is None else self._augmentation
        view = person_view(person.box, labelled, spec, change, seed=self.seed, key=key)
        joints = view.joints(labelled, spec.joints.flip_pairs)
        crops = spec.normalize(warp_crop(frames, view.matrix, spec.crop_size))
        truth = self._truth(person, labelled, view.matrix) if self._augmentation is None else None
        return PoseSample(crops, joints[:, :2], joints[:, 2], self._numbers[person.clip.name], truth)

    @staticmethod
    def _truth(person: Person, labelled: Tensor, matrix: Tensor) -> PoseTruth:
        turn = torch.linalg.inv(matrix[:, :2])
        return PoseTruth(
            to_image=torch.cat([turn, -(turn @ matrix[:, 2:])], 1),
            joints=labelled[:, :2],
            visible=labelled[:, 2],
            box=person.box,
            area=person.area,
            head_box=person.head_box,
            clip=person.clip.name,
            frame=person.frame,
            person=person.number,
        )


class NoPeople(People):
    """In place of the training people of data that is for scoring only; asking for its length says so."""

    def __init__(self, spec: PoseSpec) -> None:
        self.spec = spec

    def __len__(self) -> int:
        raise ValueError(
            "every person is a test person (there is no training split, or test_fraction is 1), so there is nothing to "
            "train on."
        )
