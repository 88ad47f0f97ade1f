"""Joints of people in images and clips of any size: a box becomes a crop, heatmaps become joints of the image."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from subband.data.pose.crops import points_to_image
from subband.data.pose.heatmaps import Refinement, decode_heatmaps, flip_back
from subband.data.pose.preprocessing import PosePreprocessing
from subband.device import pick_device
from subband.joints import JointSet
from subband.models.checkpoint import load_model
from subband.models.pose.protocol import PoseModel
from subband.predictors.inputs import ImageInput, as_image
from subband.predictors.pose.found import FoundPoses
from subband.predictors.pose.joint_names import joint_set_of
from subband.predictors.pose.persons import Persons, PersonSource, WholeImage
from subband.predictors.read_ahead import read_groups, read_pixels

__all__ = ["FilePoses", "PosePredictor"]

PHOTOGRAPHS = 4  # in memory at once


class FilePoses(NamedTuple):
    """What came of one file.

    Attributes:
        file: The file.
        image: Its pixels, `(3, H, W)` uint8; None if the file could not be read.
        found: The people in it; None likewise.
        error: Why it could not be read, else None.
        reading_seconds: Time the network had to wait for the file.
        network_seconds: Its share of the time of its batch.
    """

    file: Path
    image: Tensor | None
    found: FoundPoses | None
    error: ValueError | OSError | None
    reading_seconds: float
    network_seconds: float


class _View(NamedTuple):
    """One person as a network sees it: the places of the frames of its clip, its box, and how that is cut."""

    frames: tuple[int, ...]
    box: list[float]
    preprocessing: PosePreprocessing


class PosePredictor:
    """A network for pose that takes images as they come out of a file, with boxes of people.

    Args:
        model: Network; it is put into eval mode.
        joint_set: Names of the joints. By default those stored beside the weights; else, for 17 joints, COCO's, and for
            15 PoseTrack's.
        preprocessing: How a box becomes an input. By default what is stored beside the weights, else ViTPose's for the
            network's size of crops.
        stride: Distance between the frames of a clip that a network sees at once. By default what is stored beside the
            weights, that of the clips it was trained on; else 1.
        flip_test: Mean of the heatmaps of each crop and its mirror image, as published scores are computed; takes twice
            the time.
        refinement: How a joint is placed between the entries of a heatmap (`decode_heatmaps`). By default `udp` for
            crops of that convention, else `quarter`.
        batch_size: People that go through the network at once; nothing depends on it but rounding.
        half: Compute in bfloat16 where that is safe (autocast).
        device: Where to compute: `auto`, `cpu`, `cuda`, `cuda:INDEX` or `mps`; None leaves the network where it is.

    Attributes:
        model: The network.
        joint_set: Names of the joints.
        preprocessing: How a box becomes an input.
        stride: Distance between the frames of a clip that it sees at once.

    Raises:
        TypeError: If the network is none for pose.
        ValueError: If it has another number of joints than there are names, an option is out of range, or there is no
            such device.

    Example:
        >>> from subband import create_model
        >>> predictor = PosePredictor(create_model("vitpose_s", depth=1))
        >>> (found,) = predictor.find(torch.rand(3, 60, 90), [[[10, 5, 50, 55], [40, 0, 90, 60]]])
        >>> found.joints.shape, found.joint_set.names[0]
        (torch.Size([2, 17, 2]), 'nose')
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        joint_set: JointSet | None = None,
        preprocessing: PosePreprocessing | None = None,
        stride: int | None = None,
        flip_test: bool = False,
        refinement: Refinement | None = None,
        batch_size: int = 16,
        half: bool = False,
        device: torch.device | str | None = None,
    ) -> None:
        if not isinstance(model, PoseModel):
            raise TypeError(f"model must be a network for pose, not a {type(model).__name__}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        facts: Any = getattr(model, "metadata", {})
        self.joint_set = joint_set or joint_set_of(facts.get("joints"), model.num_joints, facts.get("limbs"))
        if len(self.joint_set.names) != model.num_joints:
            raise ValueError(f"got {len(self.joint_set.names)} names for a network of {model.num_joints} joints.")
        usual = {"size": model.img_size, **(facts.get("preprocessing") or {})}
        self.preprocessing = preprocessing or PosePreprocessing.from_dict(usual)
        self.refinement: Refinement = refinement or ("udp" if self.preprocessing.convention == "udp" else "quarter")
        self.stride = facts.get("stride", 1) if stride is None else stride
        if not isinstance(self.stride, int) or self.stride < 1:
            raise ValueError(f"stride must be a number from 1 on, got {self.stride!r}.")
        self.flip_test, self.batch_size, self.half = flip_test, batch_size, half
        self.model: Any = (model if device is None else model.to(pick_device(device))).eval()

    @classmethod
    def load(cls, source: str | Path, **options: Any) -> PosePredictor:
        """Predictor from weights on disk or in the package.

        Args:
            source: What `subband.load_model` takes: model folder, run folder or name of bundled weights.
            options: Arguments of the class.

        Raises:
            FileNotFoundError: If there is nothing at `source`.
            TypeError: If it holds no network for pose.
            ValueError: If an option is out of range.
        """
        return cls(load_model(source), **options)

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.model.parameters()).device

    @property
    def num_frames(self) -> int:
        """Frames that the network sees at once, of which frame `num_frames // 2` counts."""
        return self.model.num_frames or 1

    @property
    def margins(self) -> tuple[int, int]:
        """How many frames before and after one the network sees, with those that it passes over."""
        before = self.num_frames // 2
        return before * self.stride, (self.num_frames - 1 - before) * self.stride

    @torch.no_grad()
    def find(self, images: ImageInput | Sequence[ImageInput], boxes: Sequence[Any] | None = None) -> list[FoundPoses]:
        """Joints of the people of one image, or of each of several, which may differ in size.

        A network for clips sees the same image in all its frames.

        Args:
            images: File, Pillow image, array `(H, W)` or `(H, W, C)`, or tensor `(C, H, W)`, or a list of these; C = 1
                or 3; `uint8`, or floating point in [0, 1].
            boxes: Of the people of each image: `Persons`, or corners x1, y1, x2, y2 in its pixels, `(N, 4)`; None takes
                each image for one person, without the margin that boxes get.

        Returns:
            The people of each image.

        Raises:
            ValueError: If shape or type do not fit, a file cannot be read, or a box has no area or lies outside.
            TypeError: If an image is none of these kinds.
        """
        several: Sequence[Any] = images if isinstance(images, list | tuple) else [images]
        pixels = [as_image(image).expand(3, -1, -1) for image in several]
        return self._poses(pixels, [(place,) * self.num_frames for place in range(len(pixels))], boxes)

    @torch.no_grad()
    def find_in_clip(
        self, frames: Tensor, boxes: Sequence[Any] | None = None, *, keep: slice | None = None
    ) -> list[FoundPoses]:
        """Joints of the people of the frames of a clip, for which a network for clips looks at the neighbors, too.

        These are as far apart as in the clips that it was trained on.

        All frames that a network sees for one person are cut by the same box; beyond the ends of the clip the first and
        last frame stand in.

        Args:
            frames: `(T, 3, H, W)` in [0, 1].
            boxes: Of the people of each frame that is kept, as of `find`.
            keep: Frames whose people are wanted; all by default.

        Returns:
            The people of each frame that is kept.

        Raises:
            ValueError: If a box has no area or lies outside, or the number of boxes is not that of the frames.
        """
        wanted = range(len(frames))[keep or slice(None)]
        before, after = self.margins
        around = [
            tuple(min(max(seen, 0), len(frames) - 1) for seen in range(place - before, place + after + 1, self.stride))
            for place in wanted
        ]
        return self._poses(list(frames), around, boxes)

    def find_files(
        self, files: Sequence[Path], persons: PersonSource | None = None
    ) -> Generator[FilePoses, None, None]:
        """The people of many image files, in their order.

        Threads read the next files while the network computes. Close the generator (`contextlib.closing`) to end the
        threads early.

        Args:
            files: Files as `subband.media.read_image` takes them.
            persons: What says where people are; by default each image is one person.

        Yields:
            One result for each file; a file that cannot be read has an error instead of people.
        """
        source = persons or WholeImage()
        with closing(read_groups(files, read_pixels, min(self.batch_size, PHOTOGRAPHS))) as groups:
            for group in groups:
                began = time.perf_counter()
                images = [one.output for one in group if one.output is not None]
                keys = [one.file for one in group if one.output is not None]
                poses = iter(self.find(images, source.find(images, keys)))
                seconds = (time.perf_counter() - began) / max(len(images), 1)
                for one in group:
                    found, spent = (None, 0.0) if one.output is None else (next(poses), seconds)
                    yield FilePoses(one.file, one.output, found, one.error, one.reading_seconds, spent)

    def _poses(
        self, pixels: list[Tensor], around: list[tuple[int, ...]], boxes: Sequence[Any] | None
    ) -> list[FoundPoses]:
        """People of images, each seen with those `around` it."""
        middles = [pixels[places[self.num_frames // 2]] for places in around]
        given = WholeImage().find(middles, ()) if boxes is None else boxes
        if len(given) != len(around):
            raise ValueError(f"boxes must be given for each of {len(around)} images, got {len(given)}.")
        people = [_as_persons(one, _size(image)) for one, image in zip(given, middles, strict=True)]
        unpadded = replace(self.preprocessing, padding=1.0)
        views = [
            _View(places, box, unpadded if persons.is_whole else self.preprocessing)
            for places, persons in zip(around, people, strict=True)
            for box in persons.boxes.double().tolist()
        ]
        num_joints = self.model.num_joints
        joints, scores = [torch.zeros(0, num_joints, 2)], [torch.zeros(0, num_joints)]
        for start in range(0, len(views), self.batch_size):
            points, heights = self._look(pixels, views[start : start + self.batch_size])
            joints.append(points)
            scores.append(heights)
        counts = [len(persons.boxes) for persons in people]
        parts = zip(people, middles, torch.cat(joints).split(counts), torch.cat(scores).split(counts), strict=True)
        return [
            FoundPoses(
                joints=points,
                scores=heights,
                boxes=persons.boxes,
                box_scores=persons.scores,
                ids=None,
                size=_size(image),
                joint_set=self.joint_set,
            )
            for persons, image, points, heights in parts
        ]

    def _look(self, pixels: list[Tensor], views: list[_View]) -> tuple[Tensor, Tensor]:
        """Joints of some people in pixels of their images, and their scores, on the CPU."""
        parameter = next(self.model.parameters())
        places = {place for view in views for place in view.frames}
        seen = {place: pixels[place].to(parameter) for place in places}
        crops = []
        for view in views:
            cut = {place: view.preprocessing(seen[place], view.box) for place in set(view.frames)}
            crops.append(torch.stack([cut[place] for place in view.frames]))
        batch = torch.stack(crops)  # (B, T, 3, H, W)
        maps = self._maps(batch if self.model.num_frames else batch[:, 0])
        points, heights = decode_heatmaps(maps, self.refinement)
        convention = self.preprocessing.convention
        frames = [view.preprocessing.frame(view.box) for view in views]
        size = (maps.shape[2], maps.shape[3])
        joints = [
            points_to_image(one.double(), frame, size, convention=convention)
            for one, frame in zip(points, frames, strict=True)
        ]
        return torch.stack(joints).float().cpu(), heights.float().cpu()

    def _maps(self, crops: Tensor) -> Tensor:
        """Heatmaps of crops, `(B, K, H, W)`, float32."""
        with self._precision():
            maps = self.model(crops).float()
            if not self.flip_test:
                return maps
            mirrored = self.model(crops.flip(-1)).float()
        shift = self.preprocessing.convention == "classic"
        return (maps + flip_back(mirrored, self.joint_set.flip_pairs, shift=shift)) / 2

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.half else nullcontext()


def _as_persons(given: Any, size: tuple[int, int]) -> Persons:
    """Boxes of one image, all with an area inside it."""
    if isinstance(given, Persons):
        persons = given
    else:
        boxes = torch.as_tensor(given, dtype=torch.float32).cpu()
        boxes = boxes.reshape(0, 4) if boxes.numel() == 0 else boxes
        persons = Persons(boxes, torch.ones(len(boxes)))
    boxes = persons.boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes of an image must be (N, 4), got {tuple(boxes.shape)}.")
    sides = boxes[:, 2:] - boxes[:, :2]
    for box in boxes[~(boxes.isfinite().all(1) & (sides > 0).all(1))][:1].tolist():
        raise ValueError(f"boxes are x1, y1, x2, y2 with x1 < x2 and y1 < y2, got {box}.")
    height, width = size
    limits = boxes.new_tensor([width, height])
    for box in boxes[((boxes[:, 2:] <= 0) | (boxes[:, :2] >= limits)).any(1)][:1].tolist():
        raise ValueError(f"the box {box} lies outside its image of {width} x {height} pixels.")
    return persons


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]
