"""Which boxes stand for which objects in training, and which of them are learnt from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["BACKGROUND", "IGNORED", "Sample", "match_boxes", "sample_matches"]

BACKGROUND, IGNORED = -1, -2  # in place of an object's number


class Sample(NamedTuple):
    """Boxes of one image that are learnt from.

    Attributes:
        positives: Indices of boxes that stand for objects, ascending, `(P,)`.
        negatives: Indices of boxes of the background, ascending, `(Q,)`.
        objects: Object of each positive, `(P,)`.
    """

    positives: Tensor
    negatives: Tensor
    objects: Tensor

    @property
    def indices(self) -> Tensor:
        """Positives, then negatives, `(P + Q,)`."""
        return torch.cat([self.positives, self.negatives])


def match_boxes(iou: Tensor, *, positive: float, negative: float, best: float | None) -> Tensor:
    """The object that each box stands for.

    Args:
        iou: Overlap of G objects with N boxes, `(G, N)`.
        positive: Overlap from which a box stands for the object it overlaps most.
        negative: Overlap below which a box is background; between the two it is ignored.
        best: If given: every object takes the boxes that overlap it most, all that tie, if they do so by `best` or
            more; also from another object, the later one wins.

    Returns:
        Number of the object, `BACKGROUND` or `IGNORED`, `(N,)`.

    Example:
        >>> match_boxes(torch.tensor([[0.8, 0.5, 0.1, 0.4]]), positive=0.7, negative=0.3, best=0.3)
        tensor([ 0, -2, -1, -2])
        >>> match_boxes(torch.tensor([[0.6, 0.5, 0.1]]), positive=0.7, negative=0.3, best=0.3)
        tensor([ 0, -2, -1])
    """
    if not len(iou):
        return torch.full(iou.shape[1:], BACKGROUND, device=iou.device)
    overlap, objects = iou.max(0)
    matches = torch.where(overlap >= positive, objects, torch.where(overlap < negative, BACKGROUND, IGNORED))
    if best is not None and iou.shape[1]:
        most = iou.max(1, keepdim=True).values
        takes = (iou == most) & (most >= best)  # (G, N)
        last = len(iou) - 1 - takes.flip(0).int().argmax(0)
        matches = torch.where(takes.any(0), last, matches)
    return matches


def sample_matches(
    matches: Tensor, *, num_samples: int, positive_share: float, generator: torch.Generator | None
) -> Sample:
    """Choose boxes at random: objects up to a share, the rest background.

    Args:
        matches: Result of `match_boxes`, `(N,)`.
        num_samples: Most boxes.
        positive_share: Most of them that stand for objects.
        generator: Of the CPU, for a choice that can be repeated; PyTorch's own by default.
    """
    most = int(num_samples * positive_share)
    positives = _choose((matches >= 0).nonzero()[:, 0], most, generator)
    negatives = _choose((matches == BACKGROUND).nonzero()[:, 0], num_samples - len(positives), generator)
    return Sample(positives, negatives, matches[positives])


def _choose(indices: Tensor, most: int, generator: torch.Generator | None) -> Tensor:
    """At most so many of ascending indices, ascending."""
    if len(indices) <= most:
        return indices
    chosen = torch.randperm(len(indices), generator=generator)[:most].sort().values
    return indices[chosen.to(indices.device)]
