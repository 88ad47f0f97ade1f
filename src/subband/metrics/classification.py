"""Scores of classifiers, one class a metric, as running sums over a test set.

All metrics take logits `(B, K)` and labels `(B,)` and count in 64 bits. Inputs are brought to the device of the metric;
where a device has no 64-bit numbers (MPS), leave the metric on the CPU. For the table of mistakes use
`torchmetrics.classification.MulticlassConfusionMatrix`.
"""

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.extras import names_extra

with names_extra("these scores need"):
    from torchmetrics import Metric, MetricCollection

__all__ = ["CrossEntropy", "PerClassAccuracy", "TopAccuracy", "classification_metrics"]

_TOP = 5


class _ImageMean(Metric):
    """A number per image, averaged over images."""

    full_state_update = False
    total: Tensor
    num_images: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_images", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch.

        Args:
            logits: `(B, K)`.
            labels: Index of the right class, `(B,)`.

        Raises:
            ValueError: If the shapes do not agree.
        """
        _check_shapes(logits, labels)
        device = self.total.device
        self.total = self.total + self._values(logits.to(device), labels.to(device)).sum()
        self.num_images = self.num_images + len(labels)

    def compute(self) -> Tensor:
        """Mean over all images, a scalar of 64 bits.

        Raises:
            ValueError: If no image was added.
        """
        _require(self.num_images)
        return self.total / self.num_images

    @abstractmethod
    def _values(self, logits: Tensor, labels: Tensor) -> Tensor:
        """One number of 64 bits per image, `(B,)`."""


class TopAccuracy(_ImageMean):
    """Share of images whose right class is among the k most likely, in [0, 1].

    `MulticlassAccuracy(average="micro", top_k=k)` of torchmetrics is the same number in 32 bits.

    Args:
        k: How many classes count as an answer.

    Shape:
        - logits: `(B, K)`, K at least k
        - labels: `(B,)`

    Raises:
        ValueError: If k is not positive.

    Example:
        >>> metric = TopAccuracy()
        >>> metric.update(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
        >>> metric.compute().item()
        0.5
    """

    is_differentiable = False
    higher_is_better = True

    def __init__(self, k: int = 1) -> None:
        if k < 1:
            raise ValueError(f"k must be positive, got {k}.")
        super().__init__()
        self.k = k

    def _values(self, logits: Tensor, labels: Tensor) -> Tensor:
        if logits.shape[1] < self.k:
            raise ValueError(f"top-{self.k} accuracy needs at least {self.k} classes, got {logits.shape[1]}.")
        # Of equal logits argmax takes the first class, topk any.
        found = logits.argmax(1, keepdim=True) if self.k == 1 else logits.topk(self.k, dim=1).indices
        return (found == labels[:, None]).any(1).double()


class CrossEntropy(_ImageMean):
    """Mean of -ln(probability of the right class), without label smoothing; 0 is best.

    Shape:
        - logits: `(B, K)`
        - labels: `(B,)`

    Example:
        >>> metric = CrossEntropy()
        >>> metric.update(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
        >>> round(metric.compute().item(), 4)
        0.6931
    """

    is_differentiable = True
    higher_is_better = False

    def _values(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits.double(), labels, reduction="none")


class PerClassAccuracy(Metric):
    """Share of the images of each class whose most likely class is the right one.

    Args:
        num_classes: Number of classes K.

    Shape:
        - logits: `(B, K)`
        - labels: `(B,)`

    Example:
        >>> metric = PerClassAccuracy(3)
        >>> metric.update(torch.eye(3)[[0, 1, 1]], torch.tensor([0, 0, 1]))
        >>> metric.compute().tolist()
        [0.5, 1.0, nan]
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    hits: Tensor
    num_images: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        for name in ("hits", "num_images"):
            self.add_state(name, torch.zeros(num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch.

        Args:
            logits: `(B, K)`.
            labels: Index of the right class, `(B,)`.

        Raises:
            ValueError: If the shapes do not agree with each other and with the number of classes.
        """
        _check_shapes(logits, labels, self.num_classes)
        logits, labels = logits.to(self.hits.device), labels.to(self.hits.device)
        right = labels[logits.argmax(1) == labels]
        self.hits = self.hits + torch.bincount(right, minlength=self.num_classes)
        self.num_images = self.num_images + torch.bincount(labels, minlength=self.num_classes)

    def compute(self) -> Tensor:
        """Accuracy in [0, 1] of every class, `(K,)`, of 64 bits; not a number for classes that did not occur.

        Raises:
            ValueError: If no image was added.
        """
        _require(self.num_images.sum())
        return self.hits.double() / self.num_images


def classification_metrics(num_classes: int) -> MetricCollection:
    """Accuracy and cross-entropy of a classifier.

    Args:
        num_classes: Number of classes K.

    Returns:
        Metrics `top1`, `cross_entropy`, and `top5` if there are more than five classes.

    Example:
        >>> metrics = classification_metrics(2)
        >>> metrics.update(torch.tensor([[5.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 1]))
        >>> {name: round(value.item(), 4) for name, value in sorted(metrics.compute().items())}
        {'cross_entropy': 0.0067, 'top1': 1.0}
    """
    metrics: dict[str, Metric | MetricCollection] = {"top1": TopAccuracy(), "cross_entropy": CrossEntropy()}
    if num_classes > _TOP:
        metrics["top5"] = TopAccuracy(_TOP)
    # Groups would be formed by equal sums of the first batch, and top-1 and top-5 may agree there by chance.
    return MetricCollection(metrics, compute_groups=False)


def _check_shapes(logits: Tensor, labels: Tensor, num_classes: int | None = None) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or num_classes not in (None, logits.shape[1]):
        raise ValueError(
            f"logits must be (B, {num_classes or 'K'}) and labels (B,), got {tuple(logits.shape)} and "
            f"{tuple(labels.shape)}"
        )


def _require(num_images: Tensor) -> None:
    if num_images == 0:
        raise ValueError("there is nothing to score: no image was added")
