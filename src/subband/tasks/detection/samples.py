"""Test images that are stored for the report, with their objects and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from subband.data.detection.images import DetectionImages
from subband.metrics.detection_counts import DetectionCounts, ImageCounts
from subband.training.evaluation import as_bytes

__all__ = ["DetectionSamples", "ranked"]

_SIDE = 320  # of a stored image


class DetectionSamples:
    """Chosen test images in squares of one size, with true and found boxes in pixels of them.

    Args:
        images: The test set.
        places: Those of its images that were scored.
        boxes: What every network found in each of them: label, corners in pixels of the file, score, `(N, 6)`.
        least: Least score of every network's boxes that are kept.
    """

    def __init__(
        self,
        images: DetectionImages,
        places: Sequence[int],
        boxes: Mapping[str, Sequence[Tensor]],
        least: Mapping[str, float],
    ) -> None:
        self._images, self._places, self._boxes, self._least = images, places, boxes, least

    def arrays(self, counts: Mapping[str, DetectionCounts], wanted: int) -> dict[str, np.ndarray]:
        """Images from all over the test set, and those that every network is worst and best at.

        Args:
            counts: Hits and mistakes of every network.
            wanted: Most images of each kind.

        Returns:
            `inputs` `(N, 3, S, S)` uint8; `targets` `(N, M, 5)`, label and corners, without crowds; `prediction/NAME`
            `(N, M, 6)` with the score, too. Rows that are no objects have the label -1. Under `mistakes/NAME/` and
            `best/NAME/` the same of one network: `inputs`, `targets` and `prediction`, the worst and the best first.
        """
        number = min(wanted, len(self._places))
        if number < 1:
            return {}
        spread = [index * len(self._places) // number for index in range(number)]
        names = list(self._boxes)
        arrays = self._part("", spread, {f"prediction/{name}": name for name in names})
        for name in names:
            order = ranked(counts[name].images_at(self._least[name]))
            worst = [index for index, one in order if one.missed + one.wrong][:number]
            best = [index for index, one in reversed(order) if one.hits and index not in worst][:number]
            for kind, chosen in (("mistakes", worst), ("best", best)):
                if chosen:
                    arrays |= self._part(f"{kind}/{name}/", chosen, {"prediction": name})
        return arrays

    def _part(self, prefix: str, chosen: Sequence[int], predictions: Mapping[str, str]) -> dict[str, np.ndarray]:
        pictures, true = [], []
        found: dict[str, list[Tensor]] = {key: [] for key in predictions}
        prepare = self._images.spec.preprocessing
        for index in chosen:
            sample = self._images[self._places[index]]
            assert sample.truth is not None
            height, width = sample.image.shape[-2:]
            scale = _SIDE / max(height, width)
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
            square = sample.image.new_ones(3, _SIDE, _SIDE)
            square[:, : size[0], : size[1]] = prepare.resize(prepare.denormalize(sample.image), size)
            pictures.append(square)
            objects = torch.cat([sample.objects.labels[:, None], sample.objects.boxes * scale], dim=1)
            true.append(objects)
            per_pixel = _SIDE / max(sample.truth.size)
            for key, name in predictions.items():
                rows = self._boxes[name][index]
                rows = rows[rows[:, -1] >= self._least[name]]
                found[key].append(rows * rows.new_tensor([1, *[per_pixel] * 4, 1]))
        arrays = {"inputs": as_bytes(torch.stack(pictures)), "targets": _filled(true)}
        arrays |= {key: _filled(rows) for key, rows in found.items()}
        return {f"{prefix}{key}": values for key, values in arrays.items()}


def ranked(counts: Sequence[ImageCounts]) -> list[tuple[int, ImageCounts]]:
    """Images in order of their F1, the worst first, of equals the one with more mistakes or fewer hits.

    Args:
        counts: Of every image.

    Returns:
        Place and counts of each; images without objects in which nothing is found are left out.

    Example:
        >>> counts = [ImageCounts(2, 0, 0), ImageCounts(0, 1, 0), ImageCounts(0, 0, 0), ImageCounts(0, 3, 0)]
        >>> [place for place, _ in ranked(counts)]
        [3, 1, 0]
    """
    told = [(f1, one, place) for place, one in enumerate(counts) if (f1 := one.f1) is not None]
    told.sort(key=lambda item: (item[0], -item[1].missed - item[1].wrong, item[1].hits, item[2]))
    return [(place, one) for _, one, place in told]


def _filled(rows: list[Tensor]) -> np.ndarray:
    filled = torch.full((len(rows), max(map(len, rows)), rows[0].shape[1]), -1.0)
    for place, one in zip(filled, rows, strict=True):
        place[: len(one)] = one
    return filled.numpy()
