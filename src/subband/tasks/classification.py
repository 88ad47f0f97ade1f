"""Image classification: which class an image shows."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.config import LossTerm, RecipeConfig
from subband.data.classification import build_images
from subband.data.loader import ClipLoader
from subband.models._registry import create_model, model_spec
from subband.tasks._base import Task, drop_path_argument
from subband.tasks._evaluation import Evaluation
from subband.tasks._mixing import mix_images

if TYPE_CHECKING:
    from subband.data.classification import ImageData, ImageSpec

TOP = 5
_MAX_CONFUSION = 100  # classes; a table of more is neither read nor small


class ClassificationTask(Task):
    """Trains a `Classifier` by cross-entropy, on mixtures of images if the recipe says so.

    The one loss is `cross_entropy` with the arguments `label_smoothing`, `mixup` and `cutmix` (see `mix_images`).

    Args:
        recipe: The whole recipe.
        model: A `subband.models._classifier.Classifier`.
        spec: Classes and preprocessing of the data.

    Raises:
        ValueError: If the recipe names another loss or an argument it does not have.
    """

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: ImageSpec) -> None:
        super().__init__(recipe, model, spec)
        self.weight, self.options = loss_options(recipe.loss)

    @staticmethod
    def build_data(recipe: RecipeConfig) -> ImageData:
        """Data set named by the recipe."""
        return build_images(recipe.data.name, recipe.data.args, recipe.seed)

    @staticmethod
    def build_model(recipe: RecipeConfig, spec: ImageSpec) -> nn.Module:
        """Network named by the recipe; classes and image size follow the data unless the recipe fixes them."""
        name = recipe.model.name
        if model_spec(name).task != "classification":
            raise ValueError(f"model {name!r} is for {model_spec(name).task}, the recipe for classification.")
        if recipe.drop_path.mode != "standard":
            raise ValueError(f"drop_path.mode must be standard for classification, got {recipe.drop_path.mode}.")
        args = {key: tuple(value) if isinstance(value, list) else value for key, value in recipe.model.args.items()}
        if args.setdefault("num_classes", len(spec.classes)) != len(spec.classes):
            raise ValueError(
                f"model.args.num_classes is {args['num_classes']}, but the data has {len(spec.classes)} classes."
            )
        if "img_size" in inspect.signature(model_spec(name).builder).parameters:
            args.setdefault("img_size", spec.preprocessing.size)
        if recipe.drop_path.rate is not None:
            args.update(drop_path_argument(name, recipe.drop_path.rate))
        return create_model(name, **args)

    def loss_terms(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Cross-entropy of the batch or of its mixtures."""
        images, labels = batch
        images, others, share = mix_images(images, labels, mixup=self.options["mixup"], cutmix=self.options["cutmix"])
        logits = self.model(images).float()
        smoothing = self.options["label_smoothing"]
        loss = share * F.cross_entropy(logits, labels, label_smoothing=smoothing)
        if share < 1:
            loss = loss + (1 - share) * F.cross_entropy(logits, others, label_smoothing=smoothing)
        return {"cross_entropy": self.weight * loss}

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Plain cross-entropy (the monitored loss) and accuracy."""
        images, labels = batch
        logits = self.model(images).float()
        size = len(images)
        self.log("val_loss", F.cross_entropy(logits, labels), prog_bar=True, sync_dist=True, batch_size=size)
        for name, right in top_hits(logits, labels).items():
            self.log(f"val_{name}", right.float().mean(), prog_bar=name == "top1", sync_dist=True, batch_size=size)

    @staticmethod
    def baselines(spec: ImageSpec) -> dict[str, nn.Module]:
        """None: a classifier that has not looked is right once in K."""
        return {}

    @staticmethod
    def model_metadata(spec: ImageSpec) -> dict[str, Any]:
        """Names of the classes, and how an image becomes an input."""
        return {"classes": list(spec.classes), "preprocessing": spec.preprocessing.to_dict()}

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: ImageData, device: torch.device) -> Evaluation:
        """Accuracy, cross-entropy and accuracy per class of networks on the test set, with the first images."""
        _check_heads(models, data.spec)
        loader = ClipLoader(
            data.test,
            recipe.evaluation.batch_size or recipe.data.batch_size,
            shuffle=False,
            drop_last=False,
            seed=recipe.seed,
            num_workers=recipe.data.num_workers,
            device=device,
        )
        parts: dict[str, list[Tensor]] = {name: [] for name in models}
        for images, _ in loader:
            for name, model in models.items():
                parts[name].append(model(images.to(device)).float().cpu())
        labels = torch.tensor(data.test.labels)
        logits = {name: torch.cat(outputs) for name, outputs in parts.items()}
        rows = {name: scores(outputs, labels, data.spec.classes) for name, outputs in logits.items()}
        facts = {
            "name": recipe.data.name,
            "split": "test",
            "images": len(labels),
            "classes": list(data.spec.classes),
            "height": data.spec.preprocessing.size[0],
            "width": data.spec.preprocessing.size[1],
        }
        return Evaluation(facts, rows, _samples(data, logits, recipe.evaluation.num_samples))


def loss_options(terms: list[LossTerm]) -> tuple[float, dict[str, float]]:
    """Weight and arguments of the only loss that classification has.

    Raises:
        ValueError: If another loss or argument is named, or label smoothing is outside [0, 1).
    """
    if [term.name for term in terms] != ["cross_entropy"]:
        raise ValueError(f"loss must be one term, cross_entropy, got {', '.join(term.name for term in terms)}.")
    options = {"label_smoothing": 0.0, "mixup": 0.0, "cutmix": 0.0}
    unknown = sorted(set(terms[0].args) - set(options))
    if unknown:
        raise ValueError(f"cross_entropy has no argument {unknown[0]!r}; it takes {', '.join(options)}.")
    options.update(terms[0].args)
    if not 0 <= options["label_smoothing"] < 1:
        raise ValueError(f"label_smoothing must lie in [0, 1), got {options['label_smoothing']}.")
    return terms[0].weight, options


def top_hits(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Whether the right class is the first, and among the first five.

    Args:
        logits: `(B, K)`.
        labels: `(B,)`.

    Returns:
        `top1` and `top5`, `(B,)` each; the latter only if there are more than five classes.

    Example:
        >>> top_hits(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
        {'top1': tensor([ True, False])}
    """
    hits = {"top1": logits.argmax(1) == labels}
    if logits.shape[1] > TOP:
        hits["top5"] = (logits.topk(TOP, dim=1).indices == labels[:, None]).any(1)
    return hits


def scores(logits: Tensor, labels: Tensor, classes: tuple[str, ...]) -> dict[str, Any]:
    """Metrics of a whole test set, the accuracy of each class that occurs in it, and which class was taken for which.

    Args:
        logits: `(N, K)`.
        labels: `(N,)`.
        classes: Names of the K classes.

    Returns:
        `metrics`; `per_class` by name; and, up to 100 classes, `confusion`: K rows of K counts, row i for the images of class
        i, column j for the class they were taken for.
    """
    hits = {name: right.double() for name, right in top_hits(logits, labels).items()}
    metrics = {name: right.mean().item() for name, right in hits.items()}
    metrics["cross_entropy"] = F.cross_entropy(logits.double(), labels).item()
    per_class = {
        name: hits["top1"][labels == index].mean().item()
        for index, name in enumerate(classes)
        if bool((labels == index).any())
    }
    row = {"metrics": metrics, "per_class": per_class}
    return row | ({"confusion": _confusion(logits, labels)} if len(classes) <= _MAX_CONFUSION else {})


def _confusion(logits: Tensor, labels: Tensor) -> list[list[int]]:
    count = logits.shape[1]
    return torch.bincount(labels * count + logits.argmax(1), minlength=count**2).view(count, count).tolist()


def _check_heads(models: dict[str, Any], spec: ImageSpec) -> None:
    for name, model in models.items():
        if model.num_classes != len(spec.classes):
            raise ValueError(
                f"{name} tells {model.num_classes} classes apart, but the data has {len(spec.classes)}; "
                "fine-tune it on this data first (train with model.weights)."
            )
        known = getattr(model, "metadata", {}).get("classes")
        if known is not None and list(known) != list(spec.classes):
            unlike = next(pair for pair in zip(known, spec.classes, strict=True) if pair[0] != pair[1])
            raise ValueError(
                f"{name} was trained with other classes than the data has: {unlike[0]!r}, not {unlike[1]!r}."
            )


def _samples(data: ImageData, logits: dict[str, Tensor], wanted: int) -> dict[str, np.ndarray]:
    """Test images at even distances, lest those of a folder per class all be of the first class."""
    count = min(wanted, len(data.test))
    if count == 0:
        return {}
    chosen = [index * len(data.test) // count for index in range(count)]
    images = torch.stack([data.test[index][0] for index in chosen])
    pixels = (data.spec.preprocessing.denormalise(images) * 255).clamp(0, 255).round().to(torch.uint8)
    samples = {"inputs": pixels.numpy(), "targets": np.array([data.test.labels[index] for index in chosen])}
    return samples | {f"prediction/{name}": outputs[chosen].softmax(1).numpy() for name, outputs in logits.items()}
