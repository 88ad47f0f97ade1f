"""Video prediction: the next frames of a clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from subband.config import LossTerm, RecipeConfig
from subband.data.spec import ClipSpec, VideoData
from subband.losses import build_loss, harm_loss
from subband.metrics.descriptors import VIDEO_METRICS, MetricInfo
from subband.models.registry import create_model
from subband.training.evaluation import Evaluation, evaluation_loader
from subband.training.loss_terms import HARM, HarmTerm, checked_arguments, refuse_twice
from subband.training.task import Losses, Task, drop_path_argument, model_arguments, random_input
from subband.visual.report.task_report import TaskReport
from subband.visual.report.video_prediction import REPORT

PredictionLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


class VideoPredictionTask(Task):
    """Trains a `VideoModel`; longer targets than the network's T are rolled out, also in training.

    Beside the losses of `subband.losses`, a recipe may name `harm`: what became worse than repeating the last frame.

    Args:
        recipe: The whole recipe.
        model: A `subband.models.protocols.video.VideoModel`.
        spec: Frame counts, size and value range of the data.
    """

    title: ClassVar[str] = "video prediction"
    metrics: ClassVar[tuple[MetricInfo, ...]] = VIDEO_METRICS
    data_type: ClassVar[type] = VideoData
    input_axes: ClassVar[str] = "B T C H W"

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: ClipSpec) -> None:
        from subband.metrics.video import VideoPredictionMetrics

        super().__init__(recipe, model, spec)
        self._losses = prediction_losses(recipe.loss)
        self._running = VideoPredictionMetrics(spec)

    @staticmethod
    def describe_data(facts: Mapping[str, Any]) -> str:
        """Clips, and how many frames are given and predicted."""
        return f"{facts['sequences']} clips, {facts['in_frames']} -> {facts['out_frames']} frames"

    @classmethod
    def build_model(cls, recipe: RecipeConfig, spec: ClipSpec) -> nn.Module:
        """Network named by the recipe; `in_shape` follows the data unless the recipe fixes it."""
        shape = spec.in_shape
        args = model_arguments(recipe)
        wanted = args.setdefault("in_shape", shape)
        if tuple(wanted[:2]) != shape[:2]:
            raise ValueError(
                f"model.args.in_shape is {tuple(wanted)}, but the data has (T, C, H, W) = {shape}; T and C must agree."
            )
        if recipe.drop_path.rate is not None:
            args.update(drop_path_argument(recipe.model.name, recipe.drop_path.rate))
        return create_model(recipe.model.name, **args)

    @staticmethod
    def example_input(model: Any, *, batch: int, height: int | None, width: int | None) -> Tensor:
        """Random clips `(B, T, C, H, W)` in [0, 1]."""
        frames, channels, default_height, default_width = model.in_shape
        return random_input((batch, frames, channels, height or default_height, width or default_width))

    def losses(self, batch: tuple[Tensor, Tensor], part: str) -> Losses:
        """Weighted loss terms over all target frames."""
        inputs, targets = batch
        prediction = self.model.predict(inputs, self.spec.out_frames)
        last = inputs[:, -1:].expand_as(targets)
        return Losses({term.name: term.weight * loss(prediction, targets, last) for term, loss in self._losses})

    def validate(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Mean squared error, the monitored loss; the running metrics see the batch too."""
        inputs, targets = batch
        prediction = self.model.predict(inputs, self.spec.out_frames).float()
        self._running.update(prediction, targets)
        return {"loss": nn.functional.mse_loss(prediction, targets)}

    def validation_scores(self) -> dict[str, float]:
        """The logged metrics over the whole validation set."""
        scores = self._running.compute()
        self._running.reset()
        logged = [item.key for item in self.metrics if item.is_logged]
        return {name: value for name in logged if (value := scores[name]) is not None}

    def running_metrics(self) -> nn.Module:
        """The metrics of the validation set."""
        return self._running

    @staticmethod
    def baselines(spec: ClipSpec) -> dict[str, nn.Module]:
        """Copying the last frame."""
        return {"persistence": create_model("persistence", in_shape=spec.in_shape)}

    @staticmethod
    def model_metadata(spec: ClipSpec) -> dict[str, Any]:
        """Value range and standardization of the frames the network was trained on."""
        return {"data_range": spec.data_range, "mean": spec.mean, "std": spec.std}

    @staticmethod
    def check_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
        """Whether inputs `(N, T, C, H, W)` and targets `(N, T', C, H, W)` belong together, predictions as targets."""
        predicted = all(array.shape == targets.shape and array.dtype == np.uint8 for array in predictions.values())
        return predicted and inputs.ndim == 5 and inputs.shape[2:] == targets.shape[2:]

    @classmethod
    def report(cls) -> TaskReport:
        """Scores, predicted clips, errors over time, frequencies and training curves."""
        return REPORT

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: VideoData, device: torch.device) -> Evaluation:
        """Scores, per-frame curves, sub-band energies and sample predictions of networks on the test set."""
        from subband.metrics.spectrum import SubbandEnergy
        from subband.metrics.video import VideoPredictionMetrics

        spec, config = data.spec, recipe.evaluation
        loader = evaluation_loader(recipe, data.test, device)
        metrics = {name: VideoPredictionMetrics(spec, lpips_weights=config.lpips_weights).to(device) for name in models}
        energies = {name: SubbandEnergy().to(device) for name in models}
        samples: dict[str, list[Tensor]] = {}
        for inputs, targets in loader:
            inputs, targets = inputs.to(device), targets.to(device)
            _keep(samples, "inputs", inputs, config.num_samples)
            _keep(samples, "targets", targets, config.num_samples)
            for name, model in models.items():
                prediction = model.predict(inputs, spec.out_frames).float()
                metrics[name].update(prediction, targets)
                energies[name].update(prediction.clamp(*spec.data_range) if spec.data_range else prediction, targets)
                _keep(samples, f"prediction/{name}", prediction, config.num_samples)
        rows = {
            name: {
                "metrics": metrics[name].compute(),
                "per_frame": metrics[name].per_frame(),
                **energies[name].compute(),
            }
            for name in models
        }
        facts = {
            "name": recipe.data.name,
            "split": "test",
            "sequences": len(data.test) - len(loader.left_out),
            "in_frames": spec.in_frames,
            "out_frames": spec.out_frames,
            "channels": spec.channels,
            "height": spec.height,
            "width": spec.width,
            "data_range": spec.data_range,
        }
        return Evaluation(facts, rows, _to_bytes(samples, spec))


def prediction_losses(terms: Sequence[LossTerm]) -> list[tuple[LossTerm, PredictionLoss]]:
    """The losses that a recipe names, on prediction, truth and the last frame given, at which only `harm` looks.

    Raises:
        ValueError: If a loss is unknown or named twice, or an argument has an impossible value.
        TypeError: If a loss has no such argument.
    """
    refuse_twice(terms)
    return [(term, _build_loss(term)) for term in terms]


def _build_loss(term: LossTerm) -> PredictionLoss:
    if term.name == HARM:
        harm = HarmTerm(term.weight, **checked_arguments(term, HarmTerm))
        return partial(harm_loss, eps=harm.eps)
    loss = build_loss(term.name, term.args)
    return lambda pred, target, last: loss(pred, target)


def _keep(samples: dict[str, list[Tensor]], name: str, frames: Tensor, wanted: int) -> None:
    kept = samples.setdefault(name, [])
    missing = wanted - sum(len(part) for part in kept)
    if missing > 0:
        kept.append(frames[:missing].cpu())


def _to_bytes(samples: dict[str, list[Tensor]], spec: ClipSpec) -> dict[str, np.ndarray]:
    joined = {name: torch.cat(parts) for name, parts in samples.items() if parts}
    if not joined:
        return {}
    # Fields without a declared range are shown between the smallest and the largest target.
    low, high = spec.data_range or (joined["targets"].amin().item(), joined["targets"].amax().item())
    scaled = {name: (frames - low) / max(high - low, 1e-12) * 255 for name, frames in joined.items()}
    return {name: frames.clamp(0, 255).round().to(torch.uint8).numpy() for name, frames in scaled.items()}
