"""Image generation: Wavelet-VAE in both of its modes, the ordinary variational autoencoder, wavelet diffusion."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from subband.config import LossTerm, RecipeConfig
from subband.data.images.unlabelled import UnlabelledData
from subband.data.loader import SampleLoader
from subband.metrics.descriptors import MetricInfo
from subband.metrics.generation_descriptors import GENERATION_METRICS
from subband.metrics.image import psnr
from subband.models.arguments import Inputs
from subband.models.checkpoint import load_model
from subband.models.generation.objectives import BoundObjective
from subband.models.generation.video_vae import WaveletVideoVAE
from subband.models.generation.wavelet_diffusion import WaveletDiffusion
from subband.models.generation.wavelet_vae import WaveletVAE
from subband.models.registry import create_model
from subband.tasks.generation.baselines import pyramid_baselines
from subband.tasks.generation.evaluation import evaluate
from subband.tasks.generation.networks import as_images, as_input, has_likelihood, image_sides
from subband.training.evaluation import Evaluation
from subband.training.task import Losses, Task, model_arguments
from subband.visual.report.generation import REPORT
from subband.visual.report.task_report import TaskReport

_FIRST_WEIGHT = 0.01  # of the divergence where it is warmed up
_AT_ONCE = 64


class GenerationTask(Task):
    """Trains a network that reconstructs images, and draws new ones if it knows which are likely.

    The only loss is `objective`, the network's own. Its argument `warmup_steps` lets the weight of the divergence in
    mode `elbo` of a Wavelet-VAE rise evenly from 0.01 to 1 over so many steps.

    Networks see images in [-1, 1]. Those that bound a likelihood see bytes with uniform noise, other noise in every
    epoch, and the same noise in every validation. Before the first step a Wavelet-VAE of mode `elbo` and a diffusion
    measure the coefficients of 4,096 training images at most.

    A Wavelet-VAE with `prior='diffusion'` is trained in two stages: the autoencoder without it, then the diffusion
    alone, on what the autoencoder, which stays as it is, codes. The second begins with the network of the stage before
    or with `model.weights`, and measures the coefficients again.

    Args:
        recipe: The whole recipe.
        model: Network with `forward`, `sample` and, if it has a code, `reconstruct` as
            `subband.models.generation.wavelet_vae.WaveletVAE` has them.
        spec: Shape of the images.

    Raises:
        ValueError: If the network is made for other images, or a loss does not fit it.
    """

    title: ClassVar[str] = "image generation"
    metrics: ClassVar[tuple[MetricInfo, ...]] = GENERATION_METRICS
    data_type: ClassVar[type] = UnlabelledData
    input_axes: ClassVar[str] = "B C H W"
    max_samples: ClassVar[int] = 64
    samples: ClassVar[str] = "images"
    """What a network draws, in one word."""
    most_looked_at: ClassVar[int] = 4096
    """Training samples by which coefficients are measured before the first step."""

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: Any) -> None:
        super().__init__(recipe, model, spec)
        made_for, given = self.shapes(model, spec)
        if made_for != given:
            raise ValueError(f"{recipe.model.name} is made for {self.samples} {made_for}, the data has {given}.")
        self.is_second_stage = isinstance(model, WaveletVAE) and model.diffusion is not None
        if self.is_second_stage:  # so that processes that train together do not wait for other gradients
            model.requires_grad_(False)
            self.model.diffusion.requires_grad_(True)
        self.options = objective_options(recipe.loss)
        steered = self._steered()
        if self.options.warmup_steps and (steered is None or steered.rate_target is not None):
            raise ValueError(
                "warmup_steps of objective is for a Wavelet-VAE with mode='elbo', not for its diffusion, and without "
                "rate_target, which moves the weight of the divergence itself."
            )

    @staticmethod
    def shapes(model: Any, spec: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shape of what a network is made for, and of what the data has."""
        return (model.in_chans, *image_sides(model)), spec.shape

    @staticmethod
    def shape_args(spec: Any) -> dict[str, Any]:
        """The arguments of a network that follow the data unless the recipe says."""
        side = spec.height if spec.height == spec.width else (spec.height, spec.width)
        return {"in_chans": spec.channels, "img_size": side}

    @staticmethod
    def seen(batch: Any) -> Tensor:
        """What the network is given of a batch, in [0, 1]; here all of it."""
        return batch

    @staticmethod
    def collate(samples: Sequence[Any]) -> Any:
        """Images `(B, C, H, W)`."""
        return torch.stack(list(samples))

    @staticmethod
    def batch_size(batch: Any) -> int:
        """Number of images in a batch."""
        return len(batch)

    @staticmethod
    def describe_data(facts: Mapping[str, Any]) -> str:
        """Number and size of the images."""
        return f"{facts['images']} images, {facts['width']} x {facts['height']} pixels"

    @classmethod
    def build_model(cls, recipe: RecipeConfig, spec: Any) -> nn.Module:
        """Network named by the recipe; channels and size follow the data unless the recipe says.

        Raises:
            ValueError: If the network is for another task.
        """
        return create_model(recipe.model.name, **{**cls.shape_args(spec), **model_arguments(recipe)})

    @staticmethod
    def start_stage(model: nn.Module, previous: nn.Module) -> None:
        """Give a stage's network the weights of the one before; to train a diffusion, those of an autoencoder."""
        if not _took_autoencoder(model, previous):
            Task.start_stage(model, previous)

    @staticmethod
    def start_weights(model: nn.Module, source: str) -> None:
        """Take stored weights; to train a diffusion, those of an autoencoder without one as well.

        Raises:
            ValueError: If the weights do not fit.
        """
        if not _took_autoencoder(model, load_model(source)):
            Task.start_weights(model, source)

    @staticmethod
    def example_input(model: Any, *, batch: int, height: int | None, width: int | None) -> Inputs:
        """What the network says it is called with."""
        return model.example_input(batch=batch, height=height, width=width)

    @staticmethod
    def baselines(spec: Any) -> dict[str, nn.Module]:
        """What the wavelet transform alone makes of a part of its coefficients."""
        return pyramid_baselines(spec.height, spec.width)

    def prepare(self, data: Any) -> None:
        """Measure the coefficients of training images, and begin with a small weight of the divergence.

        Raises:
            ValueError: If a diffusion shall be trained for an autoencoder that has learned nothing.
        """
        if self.is_second_stage:
            raise ValueError(
                "prior='diffusion' is trained on what a trained autoencoder codes: name its run in model.weights, or "
                "train it in a stage before."
            )
        is_bound = isinstance(self.model, WaveletVAE | WaveletVideoVAE) and has_likelihood(self.model)
        if not (is_bound or isinstance(self.model, WaveletDiffusion)):
            return
        self.model.calibrate(self._inputs(data))
        objective = self._steered()
        if self.options.warmup_steps and objective is not None:
            objective.beta.fill_(_FIRST_WEIGHT)

    def prepare_trained(self, data: Any) -> None:
        """Measure what a trained autoencoder codes of training images."""
        if self.is_second_stage:
            self.model.calibrate_diffusion(self._inputs(data))

    def parts(self) -> dict[str, nn.Module]:
        """Everything, or in a second stage the diffusion."""
        return {"model": self.model.diffusion if self.is_second_stage else self.model}

    def compile_network(self) -> None:
        """Compile the network, or in a second stage both of its parts."""
        for network in (self.model.encoder, self.model.diffusion) if self.is_second_stage else (self.model,):
            network.compile()

    def losses(self, batch: Any, part: str) -> Losses:
        """The network's own loss, and its parts for the log."""
        inputs = as_input(self.model, self.seen(batch))
        output = self.model.diffuse(inputs) if self.is_second_stage else self.model(inputs)
        objective = self._steered()
        if objective is not None:
            # A tensor of its own: the loss of this step still needs the old one for its gradient.
            objective.beta = objective.beta.clone()
            objective.follow_rate(output.parts["rate"])
            if self.options.warmup_steps:
                objective.beta.add_((1 - _FIRST_WEIGHT) / self.options.warmup_steps).clamp_(max=1)
        return Losses({"objective": self.options.weight * output.loss}, output.parts)

    def validate(self, batch: Any) -> dict[str, Tensor]:
        """The loss, its rate and bits, and the error of reconstructions, always with the same noise."""
        true = self.seen(batch)
        generator = torch.Generator(true.device).manual_seed(0)
        inputs = as_input(self.model, true, generator)
        if self.is_second_stage:
            return {"loss": self.model.diffuse(inputs, generator=generator).loss}
        output = self.model(inputs, generator=generator)
        if not hasattr(self.model, "reconstruct"):
            return {"loss": output.loss}
        images = as_images(self.model, self.model.reconstruct(inputs))
        said = {name: output.parts[name] for name in ("rate", "bits_per_dim") if name in output.parts}
        errors = {"mse": (images - true).square().mean(), "psnr": psnr(images, true).mean()}
        return {"loss": output.loss, **errors, **said}

    def _inputs(self, data: Any) -> Iterator[Tensor]:
        """Batches of training samples as the network sees them, the same in every process."""
        count = min(_AT_ONCE, len(data.train))
        loader = SampleLoader(
            data.train,
            count,
            shuffle=True,
            drop_last=True,
            seed=self.recipe.seed,
            num_workers=self.recipe.data.num_workers,
            collate=self.collate,
            rank=0,
            world_size=1,
        )
        generator = torch.Generator().manual_seed(self.recipe.seed)
        for batch in itertools.islice(loader, -(-self.most_looked_at // count)):
            yield as_input(self.model, self.seen(batch), generator)

    def _steered(self) -> BoundObjective | None:
        """What holds the weight of the divergence, if it can change."""
        objective = None if self.is_second_stage else getattr(self.model, "objective", None)
        return objective if isinstance(objective, BoundObjective) else None

    @staticmethod
    @torch.inference_mode()
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: Any, device: torch.device) -> Evaluation:
        """Scores of networks and of the wavelet transform alone on the test set, with images to look at."""
        return evaluate(recipe, models, data, device)

    @staticmethod
    def check_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
        """Whether images `(N, C, H, W)` belong together."""
        alike = all(array.shape == inputs.shape and array.dtype == np.uint8 for array in predictions.values())
        return alike and inputs.ndim == 4 and inputs.shape == targets.shape

    @classmethod
    def report(cls) -> TaskReport:
        """Scores, drawn and reconstructed images, coefficients and training curves."""
        return REPORT


def _took_autoencoder(model: nn.Module, previous: nn.Module) -> bool:
    """Give a Wavelet-VAE whose diffusion shall be trained the weights of one that has none; whether they are such."""
    is_start = isinstance(model, WaveletVAE) and isinstance(previous, WaveletVAE)
    if not is_start or model.diffusion is None or previous.diffusion is not None:
        return False
    model.take_autoencoder(previous)
    return True


class ObjectiveOptions(NamedTuple):
    """The training loss of generation.

    Attributes:
        weight: Factor of the network's own loss.
        warmup_steps: Steps in which the weight of the divergence rises to 1; 0 for none.
    """

    weight: float
    warmup_steps: int = 0


def objective_options(terms: list[LossTerm]) -> ObjectiveOptions:
    """Weight and arguments of the loss of a recipe.

    Raises:
        ValueError: If another loss or argument is named, or a number is impossible.
    """
    names = [term.name for term in terms]
    if names != ["objective"]:
        raise ValueError(f"loss must be objective, which is the network's own, got {', '.join(names)}.")
    unknown = sorted(set(terms[0].args) - {"warmup_steps"})
    if unknown:
        raise ValueError(f"objective has no argument {unknown[0]!r}; it takes warmup_steps.")
    options = ObjectiveOptions(terms[0].weight, **terms[0].args)
    if not isinstance(options.warmup_steps, int) or options.warmup_steps < 0:
        raise ValueError(
            f"warmup_steps of objective must be a whole number and not negative, got {options.warmup_steps}."
        )
    return options
