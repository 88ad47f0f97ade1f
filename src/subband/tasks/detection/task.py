"""Detection and instance segmentation: where in an image are which objects, and which pixels are theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from subband.config import LossTerm, RecipeConfig
from subband.data.detection.images import DetectionData, DetectionSample, DetectionSpec
from subband.metrics.descriptors import MetricInfo
from subband.metrics.detection_descriptors import DETECTION_METRICS
from subband.models.detection.detector import Detector
from subband.models.registry import create_model, model_spec
from subband.tasks.detection.evaluation import check_stored_samples, evaluate, stored_arguments
from subband.tasks.detection.start import start_detector
from subband.training.evaluation import Evaluation
from subband.training.task import Losses, Task, model_arguments, take_count
from subband.visual.report.detection import REPORT
from subband.visual.report.task_report import TaskReport


class DetectionTask(Task):
    """Trains a `Detector` by its own losses, as the published detectors were trained.

    The loss is `detection`: the errors of region proposals, classes, boxes and, with masks, pixels, which are logged
    one by one. The detector has as many classes as the data, and masks only if the data has outlines.

    Args:
        recipe: The whole recipe.
        model: A `subband.models.detection.detector.Detector`.
        spec: Classes and preprocessing of the data.

    Raises:
        ValueError: If the recipe names another loss, or chooses weights by masks that the detector has not.
        ImportError: If pycocotools is not installed.
    """

    title: ClassVar[str] = "detection"
    metrics: ClassVar[tuple[MetricInfo, ...]] = DETECTION_METRICS
    data_type: ClassVar[type] = DetectionData
    input_axes: ClassVar[str] = "B C H W"
    max_samples: ClassVar[int] = 12
    folder_dataset: ClassVar[str | None] = "detection_folder"

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: DetectionSpec) -> None:
        from subband.metrics.detection import AveragePrecision

        super().__init__(recipe, model, spec)
        assert isinstance(model, Detector)
        if recipe.trainer.monitor.startswith("val_mask_") and not model.with_masks:
            raise ValueError(
                f"trainer.monitor {recipe.trainer.monitor} needs masks, which this detector has not; use val_ap."
            )
        self._weight = loss_weight(recipe.loss)
        self._running = AveragePrecision(with_masks=model.with_masks)

    @staticmethod
    def collate(samples: Sequence[DetectionSample]) -> Any:
        """Images of several sizes, filled up with zeros."""
        from subband.tasks.detection.batches import collate

        return collate(samples)

    @staticmethod
    def batch_size(batch: Any) -> int:
        """Number of images."""
        return len(batch.images)

    @staticmethod
    def describe_data(facts: Mapping[str, Any]) -> str:
        """Images, objects and classes."""
        return f"{facts['images']} images, {facts['objects']} objects, {len(facts['classes'])} classes"

    @classmethod
    def build_model(cls, recipe: RecipeConfig, spec: DetectionSpec) -> nn.Module:
        """Detector named by the recipe, of the classes of the data, without masks where there are no outlines."""
        name = recipe.model.name
        args = model_arguments(recipe)
        take_count(args, "num_classes", len(spec.classes), "classes")
        if args.get("with_masks") and not spec.has_masks:
            raise ValueError("model.args.with_masks is set, but no object of the data has an outline.")
        if not spec.has_masks:
            args["with_masks"] = False
        backbone = {**model_spec(name).args.get("backbone_args", {}), **args.get("backbone_args", {})}
        if recipe.drop_path.rate is not None:
            backbone["drop_path_rate"] = recipe.drop_path.rate
        if backbone:
            args["backbone_args"] = backbone
        return create_model(name, **args)

    @staticmethod
    def example_input(model: Any, *, batch: int, height: int | None, width: int | None) -> Tensor:
        """What the network says it is called with."""
        return model.example_input(batch=batch, height=height, width=width)

    @staticmethod
    def start_weights(model: nn.Module, source: str) -> None:
        """Take the weights of a detector, of other classes too, or those of a classifier for the backbone."""
        assert isinstance(model, Detector)
        start_detector(model, source)

    @staticmethod
    def model_metadata(spec: DetectionSpec) -> dict[str, Any]:
        """Names and numbers of the classes, and how an image becomes an input."""
        return {
            "classes": list(spec.classes),
            "category_ids": list(spec.category_ids),
            "preprocessing": spec.preprocessing.to_dict(),
        }

    def losses(self, batch: Any, part: str) -> Losses:
        """Errors of proposals, classes, boxes and masks."""
        found = self.model.losses(batch.images, batch.targets, batch.sizes)
        return Losses({name: self._weight * value for name, value in found.items()})

    def compile_network(self) -> None:
        """Compile the backbone; what follows it depends on what is found."""
        self.model.backbone.compile()

    def validate(self, batch: Any) -> dict[str, Tensor]:
        """The loss; what detections are worth is in `validation_scores`."""
        from subband.tasks.detection.batches import detect, true_objects

        generator = torch.Generator().manual_seed(0)
        losses = self.model.losses(batch.images, batch.targets, batch.sizes, generator=generator)
        with_masks = self.model.with_masks
        self._running.update(
            detect(self.model, batch, with_masks=with_masks), true_objects(batch, with_masks=with_masks)
        )
        return {"loss": self._weight * torch.stack(list(losses.values())).sum()}

    def validation_scores(self) -> dict[str, float]:
        """Average precision over the validation images."""
        scores = self._running.compute()
        self._running.reset()
        logged = [item.key for item in self.metrics if item.is_logged]
        return {name: value for name in logged if (value := scores.get(name)) is not None}

    def running_metrics(self) -> nn.Module:
        """The metric of the validation set."""
        return self._running

    @staticmethod
    def folder_args(source: str, *, only_test: bool) -> dict[str, Any]:
        """Classes, size and normalization stored beside the weights."""
        return {**stored_arguments(source), **({"test_fraction": 1.0} if only_test else {})}

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: DetectionData, device: torch.device) -> Evaluation:
        """Average precision of boxes and masks, also per class and by size of the objects."""
        return evaluate(recipe, models, data, device)

    @staticmethod
    def check_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
        """Whether images, true objects and found ones belong together."""
        return check_stored_samples(inputs, targets, predictions)

    @classmethod
    def report(cls) -> TaskReport:
        """Scores, classes, test images with boxes, and training curves."""
        return REPORT


def loss_weight(terms: list[LossTerm]) -> float:
    """Factor of the loss.

    Raises:
        ValueError: If another loss or an argument is named.
    """
    if [term.name for term in terms] != ["detection"]:
        raise ValueError(f"loss must be detection, got {', '.join(term.name for term in terms)}.")
    if terms[0].args:
        raise ValueError(f"detection has no argument {next(iter(terms[0].args))!r}; it takes a weight alone.")
    return terms[0].weight
