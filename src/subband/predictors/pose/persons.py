"""Where the people of an image are: all of it, given boxes, or what a detector finds."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from subband.files import shown
from subband.predictors.detection import DetectionPredictor
from subband.predictors.fingerprint import fingerprint

__all__ = ["PERSON", "DetectedPersons", "GivenPersons", "PersonSource", "Persons", "WholeImage", "inside"]

PERSON = "person"


class Persons(NamedTuple):
    """Boxes of the people of an image.

    Attributes:
        boxes: Corners x1, y1, x2, y2 in pixels of the image, `(N, 4)`.
        scores: How sure each is, in [0, 1], `(N,)`.
        is_whole: Whether the box is the image itself, which gets no margin: there is nothing beyond.
    """

    boxes: Tensor
    scores: Tensor
    is_whole: bool = False


class PersonSource(Protocol):
    """What says where people are."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What its boxes depend on, in values that JSON has."""
        ...

    def find(self, images: Sequence[Tensor], keys: Sequence[Hashable]) -> list[Persons]:
        """The people of some images.

        Args:
            images: `(3, H, W)`, uint8.
            keys: File of each photograph, or number of each frame of a clip.
        """
        ...


class WholeImage:
    """Every image is one person as a whole."""

    facts: Mapping[str, Any] = {"persons": "whole image"}

    def find(self, images: Sequence[Tensor], keys: Sequence[Hashable]) -> list[Persons]:
        """The sides of each image; see `PersonSource`."""
        return [
            Persons(torch.tensor([[0.0, 0.0, image.shape[-1], image.shape[-2]]]), torch.ones(1), is_whole=True)
            for image in images
        ]


class GivenPersons:
    """Boxes that are known.

    Args:
        by_key: People of each file or frame; there are none in others.
    """

    def __init__(self, by_key: Mapping[Any, Persons]) -> None:
        self.by_key: dict[Hashable, Persons] = dict(by_key)

    @property
    def facts(self) -> dict[str, Any]:
        """A digest of all boxes."""
        digest = hashlib.sha256()
        for key in sorted(self.by_key, key=str):
            digest.update(f"{key} {[part.tolist() for part in self.by_key[key][:2]]} ".encode())
        return {"persons": digest.hexdigest()[:16]}

    def find(self, images: Sequence[Tensor], keys: Sequence[Hashable]) -> list[Persons]:
        """Those of each key; see `PersonSource`. A warning counts boxes outside of their image, which are left out."""
        nobody = Persons(torch.zeros(0, 4), torch.zeros(0))
        found = []
        for image, key in zip(images, keys, strict=True):
            given = self.by_key.get(key, nobody)
            height, width = image.shape[-2:]
            persons = inside(given, (height, width))
            if len(persons.boxes) < len(given.boxes):
                name = shown(key.name) if isinstance(key, Path) else f"frame {key}"
                count = f"{len(given.boxes) - len(persons.boxes)} of {len(given.boxes)}"
                warnings.warn(
                    f"boxes outside of the {width} x {height} pixels of {name} are left out ({count}).", stacklevel=2
                )
            found.append(persons)
        return found


class DetectedPersons:
    """What a detector takes for people.

    Args:
        detector: It looks for the class `person` alone (`DetectionPredictor(..., only=["person"])`).

    Raises:
        ValueError: If it looks for anything else.
    """

    def __init__(self, detector: DetectionPredictor) -> None:
        if detector.only is None or [detector.classes[place].casefold() for place in detector.only] != [PERSON]:
            raise ValueError(f"the detector must look for the class {PERSON} alone: only=[{PERSON!r}].")
        self._detector = detector

    @property
    def facts(self) -> dict[str, Any]:
        """The detector's weights and settings."""
        detector = self._detector
        settings = {name: getattr(detector, name) for name in ("min_score", "only", "tile", "half")}
        return {"persons": fingerprint(detector.model), "detector": settings | detector.preprocessing.to_dict()}

    def find(self, images: Sequence[Tensor], keys: Sequence[Hashable]) -> list[Persons]:
        """What is found in each image; see `PersonSource`."""
        return [Persons(found.boxes, found.scores) for found in self._detector.detect(list(images))]


def inside(persons: Persons, size: tuple[int, int]) -> Persons:
    """Those whose boxes lie at least partly inside an image.

    Args:
        persons: Boxes.
        size: Height and width of the image.
    """
    left, top, right, bottom = persons.boxes.unbind(1)
    kept = (right > 0) & (bottom > 0) & (left < size[1]) & (top < size[0])
    return Persons(persons.boxes[kept], persons.scores[kept])
