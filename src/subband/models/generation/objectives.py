"""What autoencoders minimize: the squared error with a penalty, or a bound on the likelihood.

A loss comes with its parts, which are worth logging. All are means over a batch.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from subband.models.generation.distributions import LOG_2PI, kl_gaussian_gaussian
from subband.models.generation.posteriors import Posterior
from subband.models.generation.pyramid import Pyramid

__all__ = [
    "BITS_OF_BYTES",
    "BoundObjective",
    "GenerationOutput",
    "PixelNoise",
    "PyramidModel",
    "ShrinkageObjective",
    "output_of",
]

SMALLEST_NOISE = 1 / (128 * math.sqrt(12))  # standard deviation of the rounding to bytes, images in [-1, 1]
BITS_OF_BYTES = 7  # log2 of 128: from densities of values in [-1, 1] to probabilities of bytes
SMALL = 1e-3  # a coefficient below it counts as one that is not there
WEIGHTS = (1e-3, 1e3)  # of a rate that is steered
STEERING = 0.01


class PyramidModel(Protocol):
    """What is asked of a network here: an autoencoder of images `(B, C, H, W)`, or of clips `(B, T, C, H, W)`.

    Attributes:
        levels: Levels of its transform.
        transform: Its transform, with `analyze` and `unit` as `PyramidTransform` has them.
    """

    levels: int
    transform: Any

    def decode(self, pyramid: Pyramid) -> Tensor:
        """The images of coefficients."""

    def divergences(self, posterior: Posterior, sample: Pyramid) -> Tensor:
        """Divergence of a posterior from the prior, in nats, `(B, 1 + L)`: of the approximation, of every level."""


class GenerationOutput(NamedTuple):
    """What a generative network returns of a batch.

    Attributes:
        recon: Reconstructed images, `(B, C, H, W)` in [-1, 1], not clipped; of networks of clips `(B, T, C, H, W)`.
        loss: What training minimizes, a scalar.
        parts: Its parts and what else is worth logging, scalars without gradients.
    """

    recon: Tensor
    loss: Tensor
    parts: dict[str, Tensor]


# An exported program remembers what its results are called.
pytree._register_namedtuple(GenerationOutput, serialized_type_name="subband.models.GenerationOutput")


def output_of(recon: Tensor, loss: Tensor, parts: dict[str, Tensor]) -> GenerationOutput:
    """A `GenerationOutput` whose parts have no gradients."""
    return GenerationOutput(recon, loss, {name: value.detach() for name, value in parts.items()})


class PixelNoise(nn.Module):
    """Standard deviation of the Gaussian noise that a likelihood adds to decoded images.

    Args:
        first: The value to begin with, images being in [-1, 1].
        is_learned: Whether it is a parameter, which stays above that of rounding to bytes; fixed otherwise.

    Raises:
        ValueError: If the value is not positive, or is learned and not above that of rounding.
    """

    def __init__(self, first: float, *, is_learned: bool) -> None:
        super().__init__()
        if first <= (SMALLEST_NOISE if is_learned else 0):
            raise ValueError(f"sigma_x must be above {SMALLEST_NOISE:.6f} if learned, positive if fixed, got {first}.")
        self.floor = SMALLEST_NOISE if is_learned else 0.0
        start = torch.tensor(0.5 * math.log(first**2 - self.floor**2))
        self.log_excess: Tensor
        if is_learned:
            self.log_excess = nn.Parameter(start)
        else:
            self.register_buffer("log_excess", start)

    def forward(self) -> Tensor:
        """The standard deviation, one number."""
        return (self.log_excess.mul(2).exp() + self.floor**2).sqrt()


class ShrinkageObjective(nn.Module):
    """Error of reconstructions, an L1 penalty on the details, on demand a divergence of the approximation from N(0, 1).

    Source: A. Kiruluta, Wavelet-based Variational Autoencoders for High-Resolution Image Generation, arXiv 2504.13214,
    2025. Nothing in it keeps the noise above 0 or says what images are likely.

    Args:
        sparsity: Weight of the mean magnitude of the details.
        approx_weight: Weight of the mean divergence of an approximation coefficient, counted in the range of images.
        domain: Where squared errors are taken, `pixel` or `wavelet`: one number for orthogonal wavelets.
        has_logits: Whether the error is the cross-entropy of decoded logits, in nats, not the squared error.
    """

    def __init__(self, *, sparsity: float, approx_weight: float, domain: str, has_logits: bool = False) -> None:
        super().__init__()
        if sparsity < 0 or approx_weight < 0:
            raise ValueError(f"sparsity and approx_weight must not be negative, got {sparsity}, {approx_weight}.")
        self.sparsity, self.approx_weight, self.domain = sparsity, approx_weight, domain
        self.has_logits = has_logits

    def forward(self, model: PyramidModel, images: Tensor, posterior: Posterior, sample: Pyramid) -> GenerationOutput:
        """The loss of images, or clips, for a sample of their posterior."""
        recon, errors = self._errors(model, images, sample)
        error = next(iter(errors.values()))
        details = posterior.mean.details
        total = sum((detail.abs().sum() for detail in details), start=images.new_zeros(()))
        penalty = total / max(sum(detail.numel() for detail in details), 1)
        loss = error + self.sparsity * penalty
        parts = {**errors, "l1": penalty, "noise": mean_scale(posterior)}
        if self.approx_weight:
            unit = model.transform.unit
            scale = posterior.scale.approx / unit
            zero, one = torch.zeros_like(scale), torch.ones_like(scale)
            kl = kl_gaussian_gaussian(posterior.mean.approx / unit, scale, zero, one).mean()
            loss, parts["kl_approx"] = loss + self.approx_weight * kl, kl
        return output_of(recon, loss, {**parts, **shares(model, images, posterior)})

    def _errors(self, model: PyramidModel, images: Tensor, sample: Pyramid) -> tuple[Tensor, dict[str, Tensor]]:
        """Reconstructions, and their errors by name; the first is minimized."""
        if not self.has_logits:
            recon = model.decode(sample)
            return recon, {"mse": squared_error(model, images, recon, self.domain)}
        logits = cast(Any, model).unsquashed(sample)
        entropy = F.binary_cross_entropy_with_logits(logits, (images + 1) / 2)
        recon = (logits / 2).tanh()
        return recon, {"bce": entropy, "mse": squared_error(model, images, recon, self.domain)}


class BoundObjective(nn.Module):
    """The negative evidence lower bound in nats per number, the divergence weighted.

    Images should be bytes with uniform noise added, `(u + noise) / 128 - 1`; otherwise `bits_per_dim` means nothing.

    Args:
        sigma_x: Standard deviation of the noise of the likelihood to begin with.
        learn_sigma: Whether it is learned.
        rate_target: Divergence in bits per pixel that `follow_rate` steers to.
        domain: Where squared errors are taken, `pixel` or `wavelet`: one number for orthogonal wavelets.
    """

    beta: Tensor

    def __init__(self, *, sigma_x: float, learn_sigma: bool, rate_target: float | None, domain: str) -> None:
        super().__init__()
        if rate_target is not None and rate_target <= 0:
            raise ValueError(f"rate_target must be positive bits per pixel, got {rate_target}.")
        self.noise = PixelNoise(sigma_x, is_learned=learn_sigma)
        self.rate_target, self.domain = rate_target, domain
        self.register_buffer("beta", torch.ones(()))

    def forward(self, model: PyramidModel, images: Tensor, posterior: Posterior, sample: Pyramid) -> GenerationOutput:
        """The loss of images, or clips, for a sample of their posterior."""
        recon, sigma = model.decode(sample), self.noise()
        kls = model.divergences(posterior, sample).mean(0)
        error = squared_error(model, images, recon, self.domain)
        count = images[0].numel()
        cost = count * (0.5 * error / sigma.square() + sigma.log() + 0.5 * LOG_2PI)
        nats = {"nll": cost, "kl": kls.sum()}
        loss = (cost + self.beta * nats["kl"]) / count
        pixels = count / images.shape[-3]
        names = ["kl_approx", *(f"kl_{model.levels - place}" for place in range(len(kls) - 1))]
        parts = {
            "mse": error,
            **{name: value / count for name, value in nats.items()},
            "bits_per_dim": (cost + nats["kl"]) / (count * math.log(2)) + BITS_OF_BYTES,
            "rate": nats["kl"] / (pixels * math.log(2)),
            **dict(zip(names, kls / (pixels * math.log(2)), strict=True)),  # bits per pixel, as the rate
            "sigma_x": sigma,
            "beta": self.beta,
            "noise": mean_scale(posterior),
        }
        return output_of(recon, loss, {**parts, **shares(model, images, posterior)})

    @torch.no_grad()
    def follow_rate(self, rate: Tensor) -> None:
        """Change the weight of the divergence after a step of training, so that the rate nears its target.

        Args:
            rate: `parts["rate"]` of the step.
        """
        if self.rate_target is not None:
            factor = torch.exp(STEERING * (rate / self.rate_target - 1))
            self.beta.mul_(factor).clamp_(*WEIGHTS)


def squared_error(model: PyramidModel, images: Tensor, recon: Tensor, domain: str) -> Tensor:
    """Mean squared error of images or of their coefficients."""
    difference = images - recon
    if domain == "wavelet":
        difference = model.transform.analyze(difference).to_vector()
    return difference.square().mean()


def mean_scale(posterior: Posterior) -> Tensor:
    """Mean scale of the noise of all coefficients."""
    scales = [s.expand_as(m).flatten(1) for s, m in zip(posterior.scale.bands, posterior.mean.bands, strict=True)]
    return torch.cat(scales, 1).mean()


@torch.no_grad()
def shares(model: PyramidModel, images: Tensor, posterior: Posterior) -> dict[str, Tensor]:
    """How many details are nothing, by level, and how large the approximation is against that of the transform."""
    levels = [model.levels - place for place in range(posterior.mean.levels)]
    small = zip(levels, posterior.mean.details, strict=True)
    exact = model.transform.analyze(images).approx
    ratio = posterior.mean.approx.std(correction=0) / exact.std(correction=0).clamp(min=1e-12)
    return {**{f"small_{level}": (d.abs() < SMALL).float().mean() for level, d in small}, "approx_ratio": ratio}
