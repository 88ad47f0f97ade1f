"""Image classification: which class an image shows."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.config import LossTerm, RecipeConfig
from subband.data.labelled.images import ImageData, ImageSpec
from subband.extras import names_extra
from subband.files import shown
from subband.layers.frequency_gate import gate_penalty
from subband.metrics.descriptors import CLASSIFICATION_METRICS, MetricInfo
from subband.models.registry import create_model, model_spec
from subband.predictors.classification import read_preprocessing
from subband.tasks.classification.mixing import mix_images
from subband.training.evaluation import Evaluation, evaluation_loader
from subband.training.task import Losses, Task, drop_path_argument, model_arguments, random_input, take_count
from subband.visual.report.classification import REPORT
from subband.visual.report.task_report import TaskReport

TOP = 5
_MAX_CONFUSION = 100  # classes; a table of more is neither read nor small


class ClassificationTask(Task):
    """Trains a `Classifier` by cross-entropy, on mixtures of images if the recipe says so.

    The loss `cross_entropy` has the arguments `label_smoothing`, `mixup` and `cutmix` (see `mix_images`). A network
    with a gate (`gated=True`) may have `gate` beside it: the share of channels that the gate keeps, its weight the
    price of all of them. Without that term the gate learns from the cross-entropy alone, which has little reason to
    drop a channel.

    Args:
        recipe: The whole recipe.
        model: A `subband.models.protocols.classifier.Classifier`.
        spec: Classes and preprocessing of the data.

    Raises:
        ValueError: If the recipe names another loss or an argument it does not have, or `gate` for a network without
            one.
    """

    title: ClassVar[str] = "image classification"
    metrics: ClassVar[tuple[MetricInfo, ...]] = CLASSIFICATION_METRICS
    data_type: ClassVar[type] = ImageData
    input_axes: ClassVar[str] = "B C H W"
    max_samples: ClassVar[int] = 24
    folder_dataset: ClassVar[str | None] = "image_folder"

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: ImageSpec) -> None:
        super().__init__(recipe, model, spec)
        self.options = loss_options(recipe.loss)
        self.forward_gated: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
        if is_gated(model):
            self.forward_gated = model.forward_gated  # type: ignore[assignment]
        if self.options.gate is not None and self.forward_gated is None:
            raise ValueError(
                f"loss gate is for networks with a gate, which {recipe.model.name} has not as the recipe builds it; "
                "take one on cosine coefficients, with model.args {channels: 192, gated: true}."
            )

    @staticmethod
    def describe_data(facts: Mapping[str, Any]) -> str:
        """Images and classes."""
        return f"{facts['images']} images, {len(facts['classes'])} classes"

    @classmethod
    def build_model(cls, recipe: RecipeConfig, spec: ImageSpec) -> nn.Module:
        """Network named by the recipe; classes, image size and normalization follow the data unless the recipe says."""
        name = recipe.model.name
        args = model_arguments(recipe)
        take_count(args, "num_classes", len(spec.classes), "classes")
        prepared = spec.preprocessing
        known = inspect.signature(model_spec(name).builder).parameters
        # Networks on cosine coefficients undo the normalization.
        for key, value in (("img_size", prepared.size), ("mean", prepared.mean), ("std", prepared.std)):
            if key in known:
                args.setdefault(key, value)
        if recipe.drop_path.rate is not None:
            args.update(drop_path_argument(name, recipe.drop_path.rate))
        return create_model(name, **args)

    @staticmethod
    def example_input(model: Any, *, batch: int, height: int | None, width: int | None) -> Tensor:
        """Random images `(B, C, H, W)` in [0, 1]."""
        default_height, default_width = model.img_size
        return random_input((batch, model.in_chans, height or default_height, width or default_width))

    def losses(self, batch: tuple[Tensor, Tensor], part: str) -> Losses:
        """Cross-entropy of the batch or of its mixtures, and the price of the channels that a gate keeps."""
        images, labels = batch
        options = self.options
        images, others, share = mix_images(images, labels, mixup=options.mixup, cutmix=options.cutmix)
        logits, keep = self._logits(images)
        loss = share * F.cross_entropy(logits, labels, label_smoothing=options.label_smoothing)
        if share < 1:
            loss = loss + (1 - share) * F.cross_entropy(logits, others, label_smoothing=options.label_smoothing)
        terms = {"cross_entropy": options.cross_entropy * loss}
        if keep is None:
            return Losses(terms)
        if options.gate is not None:
            terms["gate"] = options.gate * gate_penalty(keep)
        return Losses(terms, {"kept": gate_penalty(keep.detach())})

    def _logits(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits, and which channels a gate kept."""
        if self.forward_gated is None:
            return self.model(images).float(), None
        logits, keep = self.forward_gated(images)
        return logits.float(), keep.float()

    def compile_network(self) -> None:
        """Compile what `losses` calls."""
        if self.forward_gated is None:
            super().compile_network()
        else:
            self.forward_gated = torch.compile(self.forward_gated)

    def validate(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Plain cross-entropy and accuracy, and the share of channels that a gate keeps."""
        images, labels = batch
        logits, keep = self._logits(images)
        kept = {} if keep is None else {"kept": gate_penalty(keep)}
        hits = {name: right.float().mean() for name, right in top_hits(logits, labels).items()}
        return {**kept, "loss": F.cross_entropy(logits, labels), **hits}

    @staticmethod
    def model_metadata(spec: ImageSpec) -> dict[str, Any]:
        """Names of the classes, and how an image becomes an input."""
        return {"classes": list(spec.classes), "preprocessing": spec.preprocessing.to_dict()}

    @staticmethod
    def check_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
        """Whether inputs `(N, 3, H, W)`, labels `(N,)` and probabilities `(N, K)` belong together."""
        if inputs.ndim != 4 or targets.ndim != 1 or targets.dtype.kind not in "iu":
            return False
        shapes = {array.shape for array in predictions.values()}
        fits = all(len(shape) == 2 and shape[0] == len(targets) for shape in shapes)
        return fits and all(array.dtype.kind == "f" for array in predictions.values())

    @classmethod
    def report(cls) -> TaskReport:
        """Scores, classes, mistakes, test images, robustness and training curves."""
        return REPORT

    @staticmethod
    def folder_args(source: str, *, only_test: bool) -> dict[str, Any]:
        """Size, crop and normalization stored beside the weights."""
        fields = read_preprocessing(source).to_dict()
        return {"img_size": fields.pop("size"), **fields, **({"test_fraction": 1.0} if only_test else {})}

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: ImageData, device: torch.device) -> Evaluation:
        """Accuracy, cross-entropy and accuracy per class of networks on the test set, with some of its images.

        Networks with a gate have `kept_channels` too: for each channel the share of images it was kept for, in the
            order of
        the channels (Y, Cb, Cr; 64 frequencies each, row by row).
        """
        _check_heads(models, data.spec)
        loader = evaluation_loader(recipe, data.test, device)
        parts: dict[str, list[Tensor]] = {name: [] for name in models}
        kept: dict[str, list[Tensor]] = {name: [] for name, model in models.items() if is_gated(model)}
        for images, _ in loader:
            for name, model in models.items():
                if name in kept:
                    outputs, keep = model.forward_gated(images.to(device))
                    kept[name].append(keep.float().cpu())
                else:
                    outputs = model(images.to(device))
                parts[name].append(outputs.float().cpu())
        indices = [index for index in range(len(data.test)) if index not in loader.left_out]
        labels = torch.tensor(data.test.labels)[indices]
        logits = {name: torch.cat(outputs) for name, outputs in parts.items()}
        rows = {name: scores(outputs, labels, data.spec.classes) for name, outputs in logits.items()}
        for name, keeps in kept.items():
            rows[name]["kept_channels"] = torch.cat(keeps).mean(0).tolist()
        facts = {
            "name": recipe.data.name,
            "split": "test",
            "images": len(labels),
            "classes": list(data.spec.classes),
            "height": data.spec.preprocessing.size[0],
            "width": data.spec.preprocessing.size[1],
        }
        if recipe.data.name == "image_folder":  # one reader for all of them: the folder says which
            facts["folder"] = shown(Path(recipe.data.args["path"]).resolve().name)
        return Evaluation(facts, rows, _samples(data, indices, logits, recipe.evaluation.num_samples))


class LossOptions(NamedTuple):
    """The training loss of classification.

    Attributes:
        cross_entropy: Factor of the cross-entropy.
        label_smoothing: Share of every label that goes to all classes alike.
        mixup: See `mix_images`.
        cutmix: See `mix_images`.
        gate: Factor of the share of channels that a gate keeps; None leaves it out.
    """

    cross_entropy: float
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    gate: float | None = None


def loss_options(terms: list[LossTerm]) -> LossOptions:
    """Weights and arguments of the losses that classification has.

    Raises:
        ValueError: If another loss or argument is named, or label smoothing is outside [0, 1).
    """
    names = [term.name for term in terms]
    if sorted(names) not in (["cross_entropy"], ["cross_entropy", "gate"]):
        raise ValueError(
            f"loss must be cross_entropy, with gate beside it if the network has one, got {', '.join(names)}."
        )
    known = {"cross_entropy": ("label_smoothing", "mixup", "cutmix"), "gate": ()}
    for term in terms:
        unknown = sorted(set(term.args) - set(known[term.name]))
        if unknown:
            takes = f"it takes {', '.join(known[term.name])}" if known[term.name] else "it takes a weight alone"
            raise ValueError(f"{term.name} has no argument {unknown[0]!r}; {takes}.")
    found = {term.name: term for term in terms}
    options = LossOptions(found["cross_entropy"].weight, **found["cross_entropy"].args)
    if not 0 <= options.label_smoothing < 1:
        raise ValueError(f"label_smoothing must lie in [0, 1), got {options.label_smoothing}.")
    return options._replace(gate=found["gate"].weight) if "gate" in found else options


def is_gated(model: nn.Module) -> bool:
    """Whether a network chooses among its input channels (`forward_gated`)."""
    return getattr(model, "gate", None) is not None


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
        `metrics`; `per_class` by name; and, up to 100 classes, `confusion`: K rows of K counts, row i for the images of
        class i, column j for the class they were taken for.
    """
    with names_extra("these scores need"):
        from torchmetrics.classification import MulticlassConfusionMatrix

    from subband.metrics.classification import PerClassAccuracy, classification_metrics

    num_classes = logits.shape[1]
    measured, per_class = classification_metrics(num_classes), PerClassAccuracy(num_classes)
    for metric in (measured, per_class):
        metric.update(logits, labels)
    values = {name: value.item() for name, value in measured.compute().items()}
    shares = zip(classes, per_class.compute().tolist(), strict=False)
    row: dict[str, Any] = {
        "metrics": {item.key: values[item.key] for item in CLASSIFICATION_METRICS if item.key in values},
        "per_class": {name: share for name, share in shares if not math.isnan(share)},
    }
    if len(classes) <= _MAX_CONFUSION:
        row["confusion"] = MulticlassConfusionMatrix(num_classes)(logits, labels).tolist()
    return row


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


def _samples(data: ImageData, indices: list[int], logits: dict[str, Tensor], wanted: int) -> dict[str, np.ndarray]:
    """Test images from all over the set, so that not all are of the first class; and the worst mistakes.

    Args:
        data: Its test set counts.
        indices: Of the images that were read, in the order of the logits.
        logits: By name of the network.
        wanted: How many images of each kind.
    """
    count = min(wanted, len(indices))
    if count == 0:
        return {}
    chosen = [place * len(indices) // count for place in range(count)]
    samples = _images(data, [indices[place] for place in chosen])
    samples |= {f"prediction/{name}": outputs[chosen].softmax(1).numpy() for name, outputs in logits.items()}
    for name, outputs in logits.items():
        worst = _worst_mistakes(outputs, torch.tensor(data.test.labels)[indices])[:wanted]
        mistakes = (
            _images(data, [indices[place] for place in worst]) | {"prediction": outputs[worst].softmax(1).numpy()}
            if worst
            else {}
        )
        samples |= {f"mistakes/{name}/{key}": array for key, array in mistakes.items()}
    return samples


def _images(data: ImageData, indices: list[int]) -> dict[str, np.ndarray]:
    """What the network sees of test images, `inputs` `(N, 3, H, W)` uint8, and their labels, `targets` `(N,)`."""
    images = torch.stack([data.test[index][0] for index in indices])
    pixels = (data.spec.preprocessing.denormalize(images) * 255).clamp(0, 255).round().to(torch.uint8)
    return {"inputs": pixels.numpy(), "targets": np.array([data.test.labels[index] for index in indices])}


def _worst_mistakes(logits: Tensor, labels: Tensor) -> list[int]:
    """Indices of images whose class is not the most likely one, the most confident mistake first."""
    confidence, found = logits.softmax(1).max(1)
    return [
        index for index in confidence.argsort(descending=True, stable=True).tolist() if found[index] != labels[index]
    ]
