"""Objects found in an image, in pixels of that image and with the names of their classes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from subband.models.detection.paste import paste_masks

__all__ = ["FoundObjects"]


@dataclass(frozen=True, kw_only=True)
class FoundObjects:
    """What a detector found in one image, best score first; tensors are on the CPU.

    Attributes:
        boxes: Corners x1, y1, x2, y2 in pixels of the image, `(N, 4)`.
        scores: In [0, 1], `(N,)`.
        labels: Place of each class in `classes`, `(N,)`.
        mask_probs: Probability that a point of the box belongs to the object, in [0, 1], `(N, 28, 28)`; None of a
            detector without masks.
        size: Height and width of the image.
        classes: Names of all classes that the detector tells apart.

    Example:
        >>> import torch
        >>> box, score, label = torch.tensor([[1.0, 1.0, 3.0, 4.0]]), torch.tensor([0.9]), torch.tensor([1])
        >>> found = FoundObjects(
        ...     boxes=box,
        ...     scores=score,
        ...     labels=label,
        ...     mask_probs=torch.ones(1, 28, 28),
        ...     size=(6, 8),
        ...     classes=("cat", "dog"),
        ... )
        >>> len(found), found.names, int(found.mask(0).sum())
        (1, ['dog'], 6)
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    mask_probs: Tensor | None
    size: tuple[int, int]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.boxes)

    @property
    def names(self) -> list[str]:
        """Name of the class of every object."""
        return [self.classes[label] for label in self.labels.tolist()]

    def mask(self, index: int) -> Tensor:
        """Pixels of the image that belong to one object, `(H, W)`, bool; one by one, since images may be large.

        Raises:
            ValueError: If the detector has no masks.
        """
        if self.mask_probs is None:
            raise ValueError("this detector finds boxes without masks.")
        place = slice(index, index + 1)
        return paste_masks(self.mask_probs[place], self.boxes[place], self.size)[0]
