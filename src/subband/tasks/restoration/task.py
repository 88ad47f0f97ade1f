"""Restoration: sharp video from degraded video, by networks of any kind, VD-Diff's three stages among them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from subband.config import RecipeConfig
from subband.data.restoration.pairs import PairData, PairSpec
from subband.metrics.descriptors import RESTORATION_METRICS, MetricInfo
from subband.models.arguments import Inputs
from subband.models.checkpoint import load_model
from subband.models.registry import create_model
from subband.models.super_resolution.mfpi import MFPI
from subband.models.vd_diff.stages import VDDiffStage2
from subband.models.vd_diff.vd_diff import PriorRestorer
from subband.tasks.restoration.evaluation import Clips, clip_size, evaluate, gather, in_parts
from subband.tasks.restoration.losses import check_losses, loss_table
from subband.tasks.restoration.networks import Passed, check_clips, restored, training_pass, without_network
from subband.tasks.restoration.offsets import OffsetWatch
from subband.training.evaluation import Evaluation
from subband.training.task import Losses, Task, drop_path_argument, model_arguments
from subband.visual.report.restoration import REPORT
from subband.visual.report.task_report import TaskReport


class RestorationTask(Task):
    """Trains a `RestorationModel` on pairs of degraded and sharp clips.

    Losses see the frames that the network restores of a clip, RGB in [0, 1]: of one that looks at neighbors, not the
    first and last ones. Whatever network a stage of a recipe names, it starts from what it has in common with that of
    the stage before.

    VD-Diff in its second stage has only the loss `prior`: Charbonnier between the priors of its diffusion and of its
    teacher, with the argument `eps`; only the diffusion is trained. In the third stage everything is, and `prior` may
    stand beside the losses on frames. There it also has `restored_with`: `diffused` (the code of the paper) or
    `teacher` (its later revision), the prior that restores in training.

    MFPI has the loss `privilege`: the mean error of its guess of what the sharp frames say. Its argument `told` is the
    share of the clips that are restored with what they say (1 trains a teacher, 0 a student), `states_weight` the
    weight of the difference of a student's states from those of the teacher. Without this loss the encoder of sharp
    frames is not trained, and the network learns without privileged information.

    Args:
        recipe: The whole recipe.
        model: A `subband.models.protocols.restoration.RestorationModel`.
        spec: Frames and size of the training pairs.

    Raises:
        ValueError: If the data or a loss does not fit the network, or the network has nothing to train.
    """

    title: ClassVar[str] = "video restoration"
    metrics: ClassVar[tuple[MetricInfo, ...]] = RESTORATION_METRICS
    data_type: ClassVar[type] = PairData
    input_axes: ClassVar[str] = "B T C H W"
    folder_dataset: ClassVar[str | None] = "paired_folder"

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: PairSpec) -> None:
        from subband.metrics.restoration import RestorationMetrics

        super().__init__(recipe, model, spec)
        check_clips(model, spec)
        if not any(True for _ in model.parameters()):
            raise ValueError(f"{recipe.model.name} has nothing to train.")
        self._losses = loss_table(recipe.loss)
        check_losses(self._losses, model)
        if isinstance(model, VDDiffStage2):  # so that processes that train together do not wait for other gradients
            model.requires_grad_(False)
            model.diffusion.requires_grad_(True)
        if isinstance(model, MFPI) and model.encode is not None:
            privilege = self._losses.privilege
            model.encode.requires_grad_(privilege is not None and privilege.told > 0)
        self._offsets = OffsetWatch(model)
        self._running = RestorationMetrics(names=("psnr", "ssim"))

    @staticmethod
    def collate(samples: Sequence[Any]) -> Any:
        """Clips stacked, or lists of clips where they differ in size, as those of whole videos may."""
        return gather(list(samples))

    @staticmethod
    def describe_data(facts: Mapping[str, Any]) -> str:
        """Number and size of the clips."""
        return f"{facts['clips']} clips, {clip_size(facts)}"

    @classmethod
    def build_model(cls, recipe: RecipeConfig, spec: PairSpec) -> nn.Module:
        """Network named by the recipe."""
        name = recipe.model.name
        args = model_arguments(recipe)
        if recipe.drop_path.rate is not None:
            args.update(drop_path_argument(name, recipe.drop_path.rate))
        return create_model(name, **args)

    @staticmethod
    def example_input(model: Any, *, batch: int, height: int | None, width: int | None) -> Inputs:
        """What the network says it is called with."""
        return model.example_input(batch=batch, height=height, width=width)

    @staticmethod
    def start_stage(model: nn.Module, previous: nn.Module) -> None:
        """Give a stage's network the weights of the one before, of VD-Diff all parts that both have."""
        if isinstance(model, PriorRestorer) and isinstance(previous, PriorRestorer):
            model.take_stage(previous)
        else:
            Task.start_stage(model, previous)

    @staticmethod
    def start_weights(model: nn.Module, source: str) -> None:
        """Take stored weights, of VD-Diff those of another stage as well.

        Warns about parts that the stored network does not have, and that start fresh.

        Raises:
            ValueError: If the weights do not fit.
        """
        start = load_model(source)
        if not (isinstance(model, PriorRestorer) and isinstance(start, PriorRestorer)) or type(model) is type(start):
            Task.start_weights(model, source)
            return
        model.take_stage(start)
        fresh = [name for name, _ in model.named_children() if name not in dict(start.named_children())]
        if fresh:
            warnings.warn(f"model.weights {source} have no {' and no '.join(fresh)}, which starts fresh.", stacklevel=2)

    @staticmethod
    def baselines(spec: PairSpec) -> dict[str, nn.Module]:
        """The degraded frames as they are, or enlarged bicubically."""
        if spec.scale > 1:
            return {"bicubic": create_model("bicubic", scale=spec.scale)}
        return {"identity": create_model("identity")}

    def parts(self) -> dict[str, nn.Module]:
        """Everything, or in the second stage of VD-Diff its diffusion."""
        return {"model": self.model.diffusion if isinstance(self.model, VDDiffStage2) else self.model}

    def losses(self, batch: tuple[Tensor, Tensor], part: str) -> Losses:
        """Weighted terms over the frames that the network restores, or over its priors."""
        prior, privilege = self._losses.prior, self._losses.privilege
        options: dict[str, Any] = {} if prior is None else {"restored_with": prior.restored_with}
        if privilege is not None:
            options |= {"told_share": privilege.told, "compares_states": privilege.states_weight > 0}
        return Losses(self._losses(training_pass(self.model, *batch, self.spec, **options)), self._offsets.logged())

    def validate(self, batch: tuple[Clips, Clips]) -> dict[str, Tensor]:
        """The loss of restored clips; what they are worth is in `validation_scores`.

        Raises:
            DivergenceError: If deformable convolutions look for pixels far away.
        """
        spec, values = self.spec, []
        for degraded, sharp in in_parts(*batch):
            frames = restored(self.model, degraded, sharp, spec).float()
            given = without_network(degraded, spec)
            passed = Passed(frames, sharp, given, None)
            if self._losses.prior is not None:
                generator = torch.Generator(degraded.device).manual_seed(0)
                passed = passed._replace(
                    priors=training_pass(self.model, degraded, sharp, spec, generator=generator).priors
                )
            values.append(torch.stack(list(self._losses(passed).values())).sum() * len(degraded))
            self._running.update(frames, sharp, given)
        self._offsets.check()
        return {"loss": torch.stack(values).sum() / len(batch[0])}

    def validation_scores(self) -> dict[str, float]:
        """The logged metrics over whole validation clips."""
        scores = self._running.compute()
        self._running.reset()
        logged = [item.key for item in self.metrics if item.is_logged]
        return {name: value for name in logged if (value := scores[name]) is not None}

    def running_metrics(self) -> nn.Module:
        """The metrics of the validation set."""
        return self._running

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: PairData, device: torch.device) -> Evaluation:
        """Scores of networks on whole test clips, beside the degraded frames themselves."""
        return evaluate(recipe, models, data, device)

    @staticmethod
    def check_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
        """Whether clips `(N, T, 3, H, W)` belong together."""
        alike = all(array.shape == targets.shape and array.dtype == np.uint8 for array in predictions.values())
        return alike and inputs.ndim == 5 and inputs.shape[2] == 3 and inputs.shape == targets.shape

    @classmethod
    def report(cls) -> TaskReport:
        """Scores, restored clips, frame by frame, frequencies and training curves."""
        return REPORT
