"""Pose: where the joints of a person are, by networks that see one frame or a clip."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from subband.config import RecipeConfig
from subband.data.pose.samples import PoseData, PoseSample, PoseSpec
from subband.losses.mutual_information import ConditionalGaussian
from subband.metrics.descriptors import MetricInfo
from subband.metrics.pose_descriptors import POSE_METRICS
from subband.models.pose.freqpose import FreqPose
from subband.models.registry import create_model, model_spec
from subband.tasks.pose.batches import PoseBatch, collate, crop_points, image_points, targets
from subband.tasks.pose.evaluation import check_stored_samples, evaluate, stored_arguments
from subband.tasks.pose.losses import ON_MOTION, PoseLosses
from subband.tasks.pose.networks import (
    check_network,
    check_teacher,
    has_gates,
    motion_chans,
    start_network,
    take_network,
    training_maps,
)
from subband.training.evaluation import Evaluation
from subband.training.task import Losses, Task, drop_path_argument, model_arguments, take_count
from subband.visual.report.pose import REPORT
from subband.visual.report.task_report import TaskReport


class PoseTask(Task):
    """Trains a `PoseModel` on heatmaps of the joints of people whose boxes are given.

    The losses are those of `PoseLosses`. A recipe of two stages trains a teacher, which sees how its clips move, and
    then a student (`model.teacher: previous`), which starts from what it has in common with the teacher.

    Args:
        recipe: The whole recipe.
        model: A `subband.models.pose.protocol.PoseModel`.
        spec: Joints, size and number of frames of the data.

    Raises:
        ValueError: If the data or a loss does not fit the network, or the teacher is for no loss.
    """

    title: ClassVar[str] = "pose"
    metrics: ClassVar[tuple[MetricInfo, ...]] = POSE_METRICS
    data_type: ClassVar[type] = PoseData
    input_axes: ClassVar[str] = "B T C H W"
    uses_teacher: ClassVar[bool] = True
    max_samples: ClassVar[int] = 12
    folder_dataset: ClassVar[str | None] = "coco_keypoints"

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: PoseSpec) -> None:
        from subband.metrics.pose_scores import JointScores

        super().__init__(recipe, model, spec)
        check_network(model, spec, recipe.model.name)
        self._losses = PoseLosses(recipe.loss, motion_chans(model), has_gates=has_gates(model))
        if self._losses.asks_teacher != (recipe.model.teacher is not None):
            raise ValueError(
                "model.teacher is set, but no loss asks a teacher."
                if recipe.model.teacher is not None
                else "a loss asks a teacher, but model.teacher names none."
            )
        self._running = JointScores(len(spec.joints.names))

    @staticmethod
    def collate(samples: Sequence[PoseSample]) -> PoseBatch:
        """Clips stacked."""
        return collate(samples)

    @staticmethod
    def batch_size(batch: PoseBatch) -> int:
        """Number of people."""
        return len(batch.frames)

    @staticmethod
    def describe_data(facts: Mapping[str, Any]) -> str:
        """People, frames and size of the crops."""
        return f"{facts['people']} people, {facts['frames']} frames of {facts['width']} x {facts['height']} pixels"

    @classmethod
    def build_model(cls, recipe: RecipeConfig, spec: PoseSpec) -> nn.Module:
        """Network named by the recipe, of the joints and, if it sees clips, the number of frames of the data."""
        name = recipe.model.name
        args = model_arguments(recipe)
        take_count(args, "num_joints", len(spec.joints.names), "joints")
        args.setdefault("img_size", spec.crop_size)
        if "num_frames" in inspect.signature(model_spec(name).builder).parameters:
            args.setdefault("num_frames", spec.num_frames)
        if recipe.drop_path.rate is not None:
            args.update(drop_path_argument(name, recipe.drop_path.rate))
        return create_model(name, **args)

    @staticmethod
    def example_input(model: Any, *, batch: int, height: int | None, width: int | None) -> Tensor:
        """What the network says it is called with."""
        return model.example_input(batch=batch, height=height, width=width)

    @staticmethod
    def start_stage(model: nn.Module, previous: nn.Module) -> None:
        """Give a student what it has in common with its teacher."""
        take_network(model, previous, "the stage before")

    @staticmethod
    def start_weights(model: nn.Module, source: str) -> None:
        """Take stored weights, those of a ViTPose for a backbone, too."""
        start_network(model, source)

    @staticmethod
    def build_teacher(recipe: RecipeConfig, previous: nn.Module | None) -> nn.Module | None:
        """The frozen network beside a student; one that sees motion, unless only heatmaps are compared."""
        teacher = Task.build_teacher(recipe, previous)
        if teacher is not None:
            check_teacher(teacher, [term.name for term in recipe.loss if term.name in ON_MOTION])
        return teacher

    @staticmethod
    def model_metadata(spec: PoseSpec) -> dict[str, Any]:
        """Names and limbs of the joints, how a crop becomes an input, and how far the frames of a clip are apart."""
        return {
            "joints": list(spec.joints.names),
            "limbs": [list(pair) for pair in spec.joints.limbs],
            "preprocessing": spec.preprocessing.to_dict(),
            "stride": spec.stride,
        }

    def helpers(self) -> nn.Module:
        """What guesses the teacher's motion from the student's, or one part of it from the other, for some losses."""
        return self._losses

    def parts(self) -> dict[str, nn.Module]:
        """The network, with the networks of losses that need one."""
        own = {name: one for name, one in self._losses.named_children() if isinstance(one, ConditionalGaussian)}
        return {"model": _WithHelpers(self.model, own) if own else self.model}

    def losses(self, batch: PoseBatch, part: str) -> Losses:
        """Weighted terms on heatmaps and, of a student, on what its teacher knows."""
        wanted, visible = targets(batch, self.spec)
        maps = training_maps(self.model, batch.frames)
        teacher = None
        if self._losses.asks_teacher:
            with torch.no_grad():
                teacher = training_maps(self.teacher, batch.frames)
        return Losses(self._losses(maps, wanted, visible, teacher, batch.clips))

    def validate(self, batch: PoseBatch) -> dict[str, Tensor]:
        """The losses on heatmaps; how far joints are off is in `validation_scores`."""
        from subband.tasks.pose.scores import known_truths, update_joints

        wanted, visible = targets(batch, self.spec)
        maps = training_maps(self.model, batch.frames)
        truths = known_truths(batch)
        points = image_points(crop_points(maps.heatmaps, self.spec).points, truths)
        update_joints(self._running, points, truths)
        return {"loss": torch.stack(list(self._losses(maps, wanted, visible).values())).sum()}

    def validation_scores(self) -> dict[str, float]:
        """Shares of joints that are right over the validation people."""
        scores = self._running.compute()
        self._running.reset()
        logged = [item.key for item in self.metrics if item.is_logged]
        return {name: value for name in logged if (value := scores[name]) is not None}

    def running_metrics(self) -> nn.Module:
        """The metric of the validation set."""
        return self._running

    def compile_network(self) -> None:
        """Compile the network, or of one for clips its backbone: losses look at more than its heatmaps."""
        (self.model.backbone if isinstance(self.model, FreqPose) else self.model).compile()

    @staticmethod
    def folder_args(source: str, *, only_test: bool) -> dict[str, Any]:
        """Size, convention and joints stored beside the weights."""
        return {**stored_arguments(source), **({"test_fraction": 1.0} if only_test else {})}

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: PoseData, device: torch.device) -> Evaluation:
        """Scores over all test people, boxes being given, of every joint and over time."""
        return evaluate(recipe, models, data, device)

    @staticmethod
    def check_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
        """Whether crops, true joints and found ones belong together."""
        return check_stored_samples(inputs, targets, predictions)

    @classmethod
    def report(cls) -> TaskReport:
        """Scores, joints, errors over time, test people with their limbs, and training curves."""
        return REPORT


class _WithHelpers(nn.Module):
    """A network and the networks of losses, for one optimizer; the network's parameters keep their names.

    Args:
        model: The network.
        helpers: Those of losses, by name.
    """

    def __init__(self, model: nn.Module, helpers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.model, self.others = model, nn.ModuleDict(helpers)

    def named_parameters(self, *args: Any, **options: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Those of the network as they are called there, then those of others, such as `guess.NAME`."""
        yield from self.model.named_parameters(*args, **options)
        yield from self.others.named_parameters()

    def no_weight_decay(self) -> set[str]:
        """As the network says."""
        return self.model.no_weight_decay() if hasattr(self.model, "no_weight_decay") else set()  # type: ignore[operator]
