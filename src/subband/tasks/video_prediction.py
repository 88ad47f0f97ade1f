"""Video prediction: the next frames of a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from subband.config import RecipeConfig
from subband.data import build_data
from subband.data.loader import SampleLoader
from subband.losses import build_loss
from subband.metrics.spectrum import SubbandEnergy
from subband.metrics.video import VideoPredictionMetrics
from subband.models.registry import create_model
from subband.training.evaluation import Evaluation
from subband.training.task import Task, drop_path_argument

if TYPE_CHECKING:
    from subband.data import ClipSpec, VideoData

LOGGED_METRICS = ("mse", "mae", "psnr", "ssim")


class VideoPredictionTask(Task):
    """Trains a `VideoModel`; longer targets than the network's T are rolled out, also in training.

    Args:
        recipe: The whole recipe.
        model: A `subband.models.protocols.video.VideoModel`.
        spec: Frame counts, size and value range of the data.
    """

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: ClipSpec) -> None:
        super().__init__(recipe, model, spec)
        self.losses = [(term, build_loss(term.name, term.args)) for term in recipe.loss]
        self.metrics = VideoPredictionMetrics(spec)

    @staticmethod
    def build_data(recipe: RecipeConfig) -> VideoData:
        """Data set named by the recipe."""
        return build_data(recipe.data.name, recipe.data.args, recipe.seed)

    @staticmethod
    def build_model(recipe: RecipeConfig, spec: ClipSpec) -> nn.Module:
        """Network named by the recipe; `in_shape` follows the data unless the recipe fixes it."""
        shape = spec.in_shape
        args = {key: tuple(value) if isinstance(value, list) else value for key, value in recipe.model.args.items()}
        wanted = args.setdefault("in_shape", shape)
        if tuple(wanted[:2]) != shape[:2]:
            raise ValueError(
                f"model.args.in_shape is {tuple(wanted)}, but the data has (T, C, H, W) = {shape}; T and C must agree."
            )
        if recipe.drop_path.rate is not None:
            args.update(drop_path_argument(recipe.model.name, recipe.drop_path.rate))
        return create_model(recipe.model.name, **args)

    def loss_terms(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Weighted loss terms over all target frames."""
        inputs, targets = batch
        prediction = self.model.predict(inputs, self.spec.out_frames)
        return {term.name: term.weight * loss(prediction, targets) for term, loss in self.losses}

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Mean squared error (the monitored loss) and the running metrics."""
        inputs, targets = batch
        prediction = self.model.predict(inputs, self.spec.out_frames)
        loss = nn.functional.mse_loss(prediction.float(), targets)
        self.log("val_loss", loss, prog_bar=True, sync_dist=True, batch_size=len(inputs))
        self.metrics.update(prediction.float(), targets)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's metrics."""
        scores = self.metrics.compute()
        self.log_dict({f"val_{name}": value for name in LOGGED_METRICS if (value := scores[name]) is not None})
        self.metrics.reset()

    @staticmethod
    def baselines(spec: ClipSpec) -> dict[str, nn.Module]:
        """Copying the last frame."""
        return {"persistence": create_model("persistence", in_shape=spec.in_shape)}

    @staticmethod
    def model_metadata(spec: ClipSpec) -> dict[str, Any]:
        """Value range and standardization of the frames the network was trained on."""
        return {"data_range": spec.data_range, "mean": spec.mean, "std": spec.std}

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: VideoData, device: torch.device) -> Evaluation:
        """Scores, per-frame curves, sub-band energies and sample predictions of networks on the test set."""
        spec, config = data.spec, recipe.evaluation
        loader = SampleLoader(
            data.test,
            config.batch_size or recipe.data.batch_size,
            shuffle=False,
            drop_last=False,
            seed=recipe.seed,
            num_workers=recipe.data.num_workers,
            device=device,
        )
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
            "sequences": len(data.test),
            "in_frames": spec.in_frames,
            "out_frames": spec.out_frames,
            "channels": spec.channels,
            "height": spec.height,
            "width": spec.width,
            "data_range": spec.data_range,
        }
        return Evaluation(facts, rows, _to_bytes(samples, spec))


def _keep(samples: dict[str, list[Tensor]], name: str, frames: Tensor, wanted: int) -> None:
    kept = samples.setdefault(name, [])
    missing = wanted - sum(len(part) for part in kept)
    if missing > 0:
        kept.append(frames[:missing].cpu())


def _to_bytes(samples: dict[str, list[Tensor]], spec: ClipSpec) -> dict[str, np.ndarray]:
    joined = {name: torch.cat(parts) for name, parts in samples.items()}
    # Fields without a declared range are shown between the smallest and the largest target.
    low, high = spec.data_range or (joined["targets"].amin().item(), joined["targets"].amax().item())
    scaled = {name: (frames - low) / max(high - low, 1e-12) * 255 for name, frames in joined.items()}
    return {name: frames.clamp(0, 255).round().to(torch.uint8).numpy() for name, frames in scaled.items()}
