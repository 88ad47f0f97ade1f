"""Generation of clips: the Wavelet-VAE over time, rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from subband.config import RecipeConfig
from subband.data.loader import stack_samples
from subband.data.spec import ClipSource, ClipSpec, SupportsBatch, VideoData, check_finite
from subband.metrics.descriptors import MetricInfo
from subband.metrics.generation_descriptors import VIDEO_GENERATION_METRICS
from subband.tasks.generation.baselines import clip_baselines
from subband.tasks.generation.clip_evaluation import evaluate_clips
from subband.tasks.generation.networks import image_sides
from subband.tasks.generation.task import GenerationTask
from subband.training.evaluation import Evaluation
from subband.visual.report.task_report import TaskReport
from subband.visual.report.video_generation import REPORT


class VideoGenerationTask(GenerationTask):
    """Trains a network that reconstructs and draws clips; a sample's inputs and targets are one clip.

    Losses, ranges and noise are those of `GenerationTask`. A clip that holds NaN counts as a damaged file.

    Args:
        recipe: The whole recipe.
        model: Network with `forward`, `reconstruct` and `sample` as
            `subband.models.generation.video_vae.WaveletVideoVAE` has them.
        spec: Shape of the clips.

    Raises:
        ValueError: If the network is made for other clips, frames lie in another range, or a loss does not fit.
    """

    title: ClassVar[str] = "video generation"
    metrics: ClassVar[tuple[MetricInfo, ...]] = VIDEO_GENERATION_METRICS
    data_type: ClassVar[type] = VideoData
    input_axes: ClassVar[str] = "B T C H W"
    max_samples: ClassVar[int] = 8
    samples: ClassVar[str] = "clips"
    most_looked_at: ClassVar[int] = 512

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: ClipSpec) -> None:
        if spec.data_range != (0.0, 1.0) or spec.channels not in (1, 3):
            raise ValueError(
                f"{recipe.task} needs frames of 1 or 3 channels in [0, 1], the data has {spec.channels} in "
                f"{spec.data_range}."
            )
        super().__init__(recipe, model, spec)

    @classmethod
    def build_data(cls, recipe: RecipeConfig) -> VideoData:
        """Training, validation and test sets of a recipe."""
        data = super().build_data(recipe)
        return VideoData(_finite(data.train), _finite(data.val), _finite(data.test), data.spec)

    @staticmethod
    def shapes(model: Any, spec: ClipSpec) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shape of what a network is made for, and of what the data has."""
        made_for = (model.num_frames, model.in_chans, *image_sides(model))
        return made_for, (spec.num_frames, spec.channels, spec.height, spec.width)

    @staticmethod
    def shape_args(spec: ClipSpec) -> dict[str, Any]:
        """The arguments of a network that follow the data unless the recipe says."""
        return {"num_frames": spec.num_frames, **GenerationTask.shape_args(spec)}

    @staticmethod
    def seen(batch: tuple[Tensor, Tensor]) -> Tensor:
        """Clips `(B, T, C, H, W)`, inputs and targets one after the other."""
        return torch.cat(batch, 1)

    @staticmethod
    def collate(samples: Sequence[Any]) -> Any:
        """Inputs and targets, stacked."""
        return stack_samples(samples)

    @staticmethod
    def batch_size(batch: Any) -> int:
        """Number of clips in a batch."""
        return len(batch[0])

    @staticmethod
    def describe_data(facts: Mapping[str, Any]) -> str:
        """Number and size of the clips."""
        return f"{facts['clips']} clips, {facts['frames']} frames of {facts['width']} x {facts['height']} pixels"

    @staticmethod
    def baselines(spec: ClipSpec) -> dict[str, nn.Module]:
        """What the wavelet transform alone makes of a part of its coefficients."""
        return clip_baselines(spec.num_frames, spec.height, spec.width)

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: VideoData, device: torch.device) -> Evaluation:
        """Scores of networks and of the wavelet transform alone on the test set, with clips to look at."""
        return evaluate_clips(recipe, models, data, device)

    @staticmethod
    def check_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
        """Whether clips `(N, T, C, H, W)` belong together."""
        alike = all(array.shape == inputs.shape and array.dtype == np.uint8 for array in predictions.values())
        return alike and inputs.ndim == 5 and inputs.shape == targets.shape

    @classmethod
    def report(cls) -> TaskReport:
        """Scores, drawn and reconstructed clips, and training curves."""
        return REPORT


class FiniteClips:
    """Clips of which those that hold NaN count as damaged.

    Args:
        clips: Where they are from.
    """

    def __init__(self, clips: ClipSource) -> None:
        self.clips, self.spec = clips, clips.spec

    def __len__(self) -> int:
        """Clips of one epoch."""
        return len(self.clips)

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of one key.

        Raises:
            DamagedFileError: If one has values that are no numbers.
        """
        inputs, targets = self.clips[key]
        what = f"clip {key % len(self)}"
        return check_finite(inputs, what), check_finite(targets, what)


def _finite(clips: ClipSource) -> ClipSource:
    """Checked clips; what makes whole batches draws them itself, and so fast that it stays as it is."""
    return clips if isinstance(clips, SupportsBatch) else FiniteClips(clips)
