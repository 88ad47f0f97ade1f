"""Scores and samples of networks for generation on a test set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.config import RecipeConfig
from subband.data.images.unlabelled import UnlabelledData
from subband.data.loader import SampleLoader
from subband.metrics._lpips import load_lpips
from subband.metrics.descriptors import GENERATION_METRICS
from subband.metrics.image import psnr, ssim
from subband.models.generation.wavelet_vae import WaveletVAE
from subband.tasks.generation.networks import as_images, as_input, can_draw, coded_numbers
from subband.training.evaluation import Evaluation
from subband.visual.coefficient_maps import map_figure

__all__ = ["draw", "evaluate"]

_SMALLEST_SSIM, _SMALLEST_LPIPS = 7, 32  # sides
_DRAWN = 64  # images that are drawn to look at


def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: UnlabelledData, device: torch.device) -> Evaluation:
    """Scores of reconstructions and likelihoods on the test set; some of them, and drawn ones, to look at."""
    spec, config = data.test.spec, recipe.evaluation
    loader = SampleLoader(
        data.test,
        config.batch_size or recipe.data.batch_size,
        shuffle=False,
        drop_last=False,
        seed=recipe.seed,
        num_workers=recipe.data.num_workers,
        device=device,
        collate=torch.stack,  # type: ignore[arg-type]
    )
    perceptual = None if config.lpips_weights is None else load_lpips(config.lpips_weights).to(device).eval()
    generator = torch.Generator(device)
    rows = {name: _Row(model, spec.shape, perceptual) for name, model in models.items()}
    samples = _Samples(config.num_samples)
    for number, images in enumerate(loader):
        for row in rows.values():
            row.add(images, generator.manual_seed(number))
        samples.add(images, {name: row.newest for name, row in rows.items() if row.newest is not None})
    facts = {
        "name": recipe.data.name,
        "split": "test",
        "images": len(data.test) - len(loader.left_out),
        "channels": spec.channels,
        "height": spec.height,
        "width": spec.width,
    }
    arrays = samples.arrays()
    if arrays:
        arrays |= _pictures(models, torch.from_numpy(arrays["inputs"][:1]).to(device).float() / 255)
    return Evaluation(facts, {name: row.compute() for name, row in rows.items()}, arrays)


@torch.no_grad()
def draw(model: Any, num: int, *, temperature: float = 1.0, seed: int = 0, batch_size: int = 64) -> Tensor:
    """Images that a network draws, some at a time; the same for the same seed and batch size.

    Args:
        model: Network, on the device where it shall work.
        num: How many.
        temperature: Multiplies the scales of its prior.
        seed: Chooses them.
        batch_size: How many at a time.

    Returns:
        `(num, C, H, W)` in [0, 1], on the CPU.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    sizes = [min(batch_size, num - start) for start in range(0, num, batch_size)]
    parts = [model.sample(size, temperature=temperature, generator=generator) for size in sizes]
    return torch.cat([as_images(model, part).cpu() for part in parts])


class _Row:
    """What is measured of one network, or of a transform without training.

    Args:
        model: The network.
        shape: Of an image, `(C, H, W)`.
        perceptual: LPIPS network, or None.
    """

    def __init__(self, model: Any, shape: tuple[int, int, int], perceptual: Any) -> None:
        self.model, self.count, self.perceptual = model, math.prod(shape), perceptual
        self.side = min(shape[1:])
        self.is_trained = any(True for _ in model.parameters())
        self.newest: Tensor | None = None
        self._sums: dict[str, float] = {}
        self._images = 0

    def add(self, images: Tensor, generator: torch.Generator) -> None:
        """Add images `(B, C, H, W)` in [0, 1]."""
        self._images += len(images)
        if self.is_trained:
            self._add_bound(images, generator)
        if not hasattr(self.model, "reconstruct"):
            return
        inputs = as_input(self.model, images, generator) if self.is_trained else images
        outputs = self.model.reconstruct(inputs).float()
        self.newest = as_images(self.model, outputs) if self.is_trained else outputs.clamp(0, 1)
        self._add("mse", (self.newest - images).square().mean((1, 2, 3)))
        self._add("psnr", psnr(self.newest, images))
        if self.side >= _SMALLEST_SSIM:
            self._add("ssim", ssim(self.newest, images))
        if self.perceptual is not None and self.side >= _SMALLEST_LPIPS:
            pair = (2 * item.expand(-1, 3, -1, -1) - 1 for item in (self.newest, images))
            self._add("lpips", self.perceptual(*pair).flatten())

    def _add_bound(self, images: Tensor, generator: torch.Generator) -> None:
        """Add what the network says of its own loss: rate and bits, and the error of noisy reconstructions."""
        output = self.model(as_input(self.model, images, generator), generator=generator)
        self._add("mse_noisy", (as_images(self.model, output.recon) - images).square().mean((1, 2, 3)))
        for name in ("rate", "bits_per_dim"):
            if name in output.parts:
                self._add(name, output.parts[name].expand(len(images)))

    def _add(self, name: str, values: Tensor) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + values.double().sum().item()

    def compute(self) -> dict[str, Any]:
        """The row as `scores.json` holds it; what could not be measured is None."""
        means: dict[str, float | None] = {name: total / self._images for name, total in self._sums.items()}
        own = self.model.coded_numbers(self.count) if not self.is_trained else coded_numbers(self.model)
        means["coded"] = None if own is None else own / self.count
        if (error := means.get("mse")) is not None:
            means["mse_signed"] = 4 * error
        return {"metrics": {item.key: means.get(item.key) for item in GENERATION_METRICS}}


class _Samples:
    """Some test images and what became of them, as bytes.

    Args:
        wanted: Number of images.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self._kept: dict[str, list[np.ndarray]] = {}

    def add(self, images: Tensor, recons: dict[str, Tensor]) -> None:
        """Keep images `(B, C, H, W)` in [0, 1] as long as there are too few."""
        missing = self.wanted - sum(map(len, self._kept.get("inputs", [])))
        if missing <= 0:
            return
        columns = {"inputs": images, "targets": images} | {f"prediction/{name}": item for name, item in recons.items()}
        for name, item in columns.items():
            self._kept.setdefault(name, []).append(_as_bytes(item[:missing]))

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays `(N, C, H, W)` uint8 by name."""
        return {name: np.concatenate(parts) for name, parts in self._kept.items()}


def _pictures(models: dict[str, Any], image: Tensor) -> dict[str, np.ndarray]:
    """Images that networks draw, and the coefficients of an image `(1, C, H, W)` as those see it that have some."""
    found: dict[str, np.ndarray] = {}
    for name, model in models.items():
        if can_draw(model):
            found[f"drawn/{name}"] = _as_bytes(draw(model, _DRAWN))
        if isinstance(model, WaveletVAE):
            mean = model.encode(as_input(model, image)).mean
            if mean.details:
                found[f"maps/{name}"] = map_figure(mean).transpose(2, 0, 1)[None]
    return found


def _as_bytes(images: Tensor) -> np.ndarray:
    return (255 * images).round().to(torch.uint8).cpu().numpy()
