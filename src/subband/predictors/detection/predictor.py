"""Objects in images of any kind and size: an image becomes the input of a detector, boxes and masks come back to it."""

from __future__ import annotations

import difflib
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from subband.data.coco_names import COCO_CLASSES
from subband.data.detection.preprocessing import DetectionPreprocessing
from subband.device import pick_device
from subband.models.checkpoint import load_model
from subband.models.detection.boxes import has_area
from subband.models.detection.detector import Detector
from subband.models.detection.results import Detections
from subband.models.detection.roi_heads import MIN_SCORE
from subband.predictors.detection.found import FoundObjects
from subband.predictors.detection.views import SMALLEST_TILE, merge_views, plan_views, without_cut
from subband.predictors.inputs import ImageInput, as_image
from subband.predictors.read_ahead import read_groups, read_pixels
from subband.predictors.streaming.tiling import Tile

__all__ = ["DetectionPredictor", "FileDetections"]


class FileDetections(NamedTuple):
    """What came of one file.

    Attributes:
        file: The file.
        image: Its pixels, `(3, H, W)` uint8; None if the file could not be read.
        found: What it shows; None likewise.
        error: Why it could not be read, else None.
        reading_seconds: Time the network had to wait for the file.
        network_seconds: Its share of the time of its batch.
    """

    file: Path
    image: Tensor | None
    found: FoundObjects | None
    error: ValueError | OSError | None
    reading_seconds: float
    network_seconds: float


class _View(NamedTuple):
    """A part of one of several images."""

    image: int
    tile: Tile


class DetectionPredictor:
    """A detector that takes images as they come out of a file.

    Args:
        model: Network; it is put into eval mode.
        classes: Names in order of the labels. By default those stored beside the weights; else, for 80 classes, COCO's;
            else `class 0`, `class 1` and so on.
        preprocessing: How an image becomes an input. By default what is stored beside the weights, else that of the
            published detectors.
        only: Names of the classes to look for; all by default.
        min_score: Least score of what is given; the networks themselves leave out what is not above 0.05.
        tile: Also look at overlapping tiles of so many pixels along a side where an image is larger, which finds small
            objects in large photographs; None looks at the whole image alone.
        batch_size: Images, or tiles, that go through the network at once. Only those that need equally large inputs go
            together, so that nothing depends on it but rounding.
        half: Compute in bfloat16 where that is safe (autocast).
        device: Where to compute: `auto`, `cpu`, `cuda`, `cuda:INDEX` or `mps`; None leaves the network where it is.

    Attributes:
        model: The network.
        classes: Names in order of the labels.
        category_ids: Number of each class in COCO's files: as stored beside the weights, else that of COCO, else from 1
            on.
        preprocessing: How an image becomes an input.

    Raises:
        TypeError: If the network is no detector.
        ValueError: If it tells another number of classes apart than there are names, a name in `only` is not among
            them, an option is out of range, or there is no such device.

    Example:
        >>> import numpy as np
        >>> from subband import create_model
        >>> model = create_model("wsfvit_p0_fasterrcnn_s", num_classes=2)
        >>> small = DetectionPreprocessing(short_side=224, long_side=224)
        >>> predictor = DetectionPredictor(model, classes=("cat", "dog"), preprocessing=small)
        >>> found = predictor.detect([torch.rand(3, 120, 90), np.zeros((64, 64), dtype=np.uint8)])
        >>> [objects.size for objects in found]
        [(120, 90), (64, 64)]
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        classes: Sequence[str] | None = None,
        preprocessing: DetectionPreprocessing | None = None,
        only: Sequence[str] | None = None,
        min_score: float = 0.3,
        tile: int | None = None,
        batch_size: int = 4,
        half: bool = False,
        device: torch.device | str | None = None,
    ) -> None:
        if not isinstance(model, Detector):
            raise TypeError(f"model must be a detector, not a {type(model).__name__}.")
        facts: Any = getattr(model, "metadata", {})
        names = classes or facts.get("classes") or _default_names(model.num_classes)
        if len(names) != model.num_classes:
            raise ValueError(f"got {len(names)} names for a detector that tells {model.num_classes} classes apart.")
        if not MIN_SCORE <= min_score <= 1:
            raise ValueError(f"min_score must be from {MIN_SCORE} to 1, got {min_score}.")
        if tile is not None and tile < SMALLEST_TILE:
            raise ValueError(f"tile must be at least {SMALLEST_TILE} pixels, got {tile}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        self.classes = tuple(map(str, names))
        self.min_score, self.tile, self.batch_size, self.half = min_score, tile, batch_size, half
        self.only = None if only is None else _class_places(only, self.classes)
        self.model: Any = (model if device is None else model.to(pick_device(device))).eval()
        self.category_ids = tuple(facts.get("category_ids") or _default_ids(self.classes))
        self.preprocessing = preprocessing or DetectionPreprocessing.from_dict(facts.get("preprocessing") or {})

    @classmethod
    def load(cls, source: str | Path, **options: Any) -> DetectionPredictor:
        """Predictor from weights on disk or in the package.

        Args:
            source: What `subband.load_model` takes: model folder, run folder or name of bundled weights.
            options: Arguments of the class.

        Raises:
            FileNotFoundError: If there is nothing at `source`.
            TypeError: If it holds no detector.
            ValueError: If an option is out of range.
        """
        return cls(load_model(source), **options)

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.model.parameters()).device

    @torch.no_grad()
    def detect(self, images: ImageInput | Sequence[ImageInput]) -> list[FoundObjects]:
        """What one image shows, or each of several, which may differ in size.

        Args:
            images: File, Pillow image, array `(H, W)` or `(H, W, C)`, or tensor `(C, H, W)`, or a list of these; C = 1
                or 3, of any size and shape; `uint8`, or floating point in [0, 1].

        Returns:
            Objects of each image.

        Raises:
            ValueError: If shape or type do not fit, or a file cannot be read.
            TypeError: If it is none of these kinds.
        """
        several: Sequence[Any] = images if isinstance(images, list | tuple) else [images]
        pixels = [as_image(image).expand(3, -1, -1) for image in several]
        parts: list[list[Detections]] = [[] for _ in pixels]
        for group in self._groups(pixels):
            for view, found in zip(group, self._look(pixels, group), strict=True):
                parts[view.image].append(without_cut(found, view.tile, _size(pixels[view.image])))
        return [self._objects(merge_views(item), _size(image)) for item, image in zip(parts, pixels, strict=True)]

    def detect_files(self, files: Sequence[Path]) -> Generator[FileDetections, None, None]:
        """What many image files show, in their order.

        Threads read the next files while the network computes; at most `batch_size` files wait in memory. Close the
        generator (`contextlib.closing`) to end the threads early.

        Args:
            files: Files as `subband.media.read_image` takes them.

        Yields:
            One result for each file; a file that cannot be read has an error instead of objects.
        """
        with closing(read_groups(files, read_pixels, self.batch_size)) as groups:
            for group in groups:
                began = time.perf_counter()
                images = [one.output for one in group if one.output is not None]
                found = iter(self.detect(images))
                seconds = (time.perf_counter() - began) / max(len(images), 1)
                for one in group:
                    is_read = one.output is not None
                    objects, spent = (next(found), seconds) if is_read else (None, 0.0)
                    yield FileDetections(one.file, one.output, objects, one.error, one.reading_seconds, spent)

    def _groups(self, pixels: Sequence[Tensor]) -> Iterator[list[_View]]:
        """Views of all images in batches, of inputs that are equally large when they are filled up."""
        views = [
            _View(number, tile) for number, image in enumerate(pixels) for tile in plan_views(*_size(image), self.tile)
        ]
        by_size = sorted(views, key=lambda view: self._filled(view.tile))
        for _, same in groupby(by_size, key=lambda view: self._filled(view.tile)):
            group = list(same)
            for start in range(0, len(group), self.batch_size):
                yield group[start : start + self.batch_size]

    def _filled(self, tile: Tile) -> tuple[int, int]:
        """Height and width of an input with what it is filled up with."""
        height, width = self.preprocessing.size(tile.height, tile.width)
        rows, columns = self.model.size_multiple
        return height + -height % rows, width + -width % columns

    def _look(self, pixels: Sequence[Tensor], group: list[_View]) -> list[Detections]:
        """Detections of some views, in pixels of each, on the CPU."""
        parameter = next(self.model.parameters())
        filled = torch.zeros(len(group), 3, *self._filled(group[0].tile), device=parameter.device)
        sizes = []
        for place, (number, tile) in zip(filled, group, strict=True):
            part = pixels[number][:, tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
            prepared = self.preprocessing(part.to(filled.device))
            sizes.append(_size(prepared))
            place[:, : sizes[-1][0], : sizes[-1][1]] = prepared
        with self._precision():
            found = self.model(filled.to(parameter.dtype), sizes)
        return [self._rescaled(item, size, view.tile) for item, size, view in zip(found, sizes, group, strict=True)]

    def _rescaled(self, found: Detections, size: tuple[int, int], tile: Tile) -> Detections:
        """Detections that are good enough and have an area, in pixels of a tile, not of the input made of it."""
        chosen = (found.scores >= self.min_score) & has_area(found.boxes)
        if self.only is not None:
            chosen &= torch.isin(found.labels, torch.tensor(self.only, device=chosen.device))
        across, down = size[1] / tile.width, size[0] / tile.height
        boxes = found.boxes[chosen].float() / found.boxes.new_tensor([across, down, across, down]).float()
        probs = None if found.mask_probs is None else found.mask_probs[chosen].float().cpu()
        return Detections(boxes.cpu(), found.scores[chosen].float().cpu(), found.labels[chosen].cpu(), probs)

    def _objects(self, found: Detections, size: tuple[int, int]) -> FoundObjects:
        boxes, scores, labels, probs = found
        return FoundObjects(
            boxes=boxes, scores=scores, labels=labels, mask_probs=probs, size=size, classes=self.classes
        )

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.half else nullcontext()


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def _default_names(num_classes: int) -> Sequence[str]:
    is_coco = num_classes == len(COCO_CLASSES)
    return tuple(COCO_CLASSES.values()) if is_coco else [f"class {index}" for index in range(num_classes)]


def _default_ids(classes: Sequence[str]) -> Sequence[int]:
    return tuple(COCO_CLASSES) if tuple(COCO_CLASSES.values()) == classes else range(1, len(classes) + 1)


def _class_places(wanted: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Places of names among the classes, upper and lower case alike."""
    folded = [name.casefold() for name in classes]
    for name in wanted:
        if name.casefold() not in folded:
            close = difflib.get_close_matches(name.casefold(), folded, n=1)
            hint = f"; did you mean {classes[folded.index(close[0])]}?" if close else "."
            raise ValueError(f"{name!r} is no class of this detector, which knows {', '.join(classes)}{hint}")
    return [folded.index(name.casefold()) for name in wanted]
