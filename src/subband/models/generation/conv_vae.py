"""The ordinary variational autoencoder: convolutions to a short vector and back. What Wavelet-VAE is compared with.

Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014. The sizes are ours, made to match those of Wavelet-VAE
in parameters. To be said beside every comparison: its latent is a hundred times smaller than the image, that of a
Wavelet-VAE with all levels is as large.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.generation.blocks import NormedBlock, check_widths, conv3, head, in_single_precision
from subband.models.generation.distributions import LOG_2PI, normal_cost
from subband.models.generation.objectives import BITS_OF_BYTES, GenerationOutput, PixelNoise, output_of
from subband.models.generation.options import check_samples, example_images, one_of
from subband.models.shareable import Shareable

__all__ = ["ConvVAE"]

LOG_VARIANCES = (-10.0, 10.0)


class ConvVAE(Shareable, nn.Module):
    """Variational autoencoder with a vector as its latent and N(0, 1) as its prior.

    Args:
        in_chans: Channels C of the images.
        img_size: Height and width of the images, the same.
        widths: Channels at full resolution, then at every level.
        blocks: Residual blocks of every level, on the way down and up.
        latent_dim: Length Z of the latent.
        objective: `mse`, the squared error plus the weighted divergence per number, or `elbo`, a bound on the
            likelihood with learned noise.
        kl_weight: Weight of the divergence.

    Shape:
        images `(B, C, H, W)` in [-1, 1]; a `GenerationOutput`.

    Raises:
        ValueError: If an option is unknown, or the size does not divide by `2^J` for J levels.

    Example:
        >>> model = ConvVAE(img_size=16, widths=(8, 8), blocks=1, latent_dim=4)
        >>> model(torch.zeros(2, 3, 16, 16)).recon.shape, model.sample(5).shape
        (torch.Size([2, 3, 16, 16]), torch.Size([5, 3, 16, 16]))
    """

    task = "generation"
    input_axes = "B C H W"

    def __init__(
        self,
        *,
        in_chans: int = 3,
        img_size: int = 128,
        widths: Sequence[int] = (48, 64, 64, 48, 16),
        blocks: int = 2,
        latent_dim: int = 128,
        objective: Literal["mse", "elbo"] = "mse",
        kl_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_widths(widths)
        one_of("objective", objective, ("mse", "elbo"))
        multiple = 2 ** (len(widths) - 1)
        if img_size < 1 or img_size % multiple:
            raise ValueError(f"img_size must be a multiple of {multiple}, got {img_size}.")
        self.in_chans, self.img_size, self.latent_dim = in_chans, img_size, latent_dim
        self.kl_weight = kl_weight
        self.coarse = (widths[-1], img_size // multiple, img_size // multiple)
        steps = list(itertools.pairwise(widths))
        down = [nn.Sequential(conv3(wide, narrow, stride=2), *res_blocks(narrow, blocks)) for wide, narrow in steps]
        up = [
            nn.Sequential(*res_blocks(narrow, blocks), nn.Upsample(scale_factor=2), conv3(narrow, wide))
            for wide, narrow in reversed(steps)
        ]
        self.encoder = nn.Sequential(conv3(in_chans, widths[0]), *down)
        self.to_latent = nn.Linear(math.prod(self.coarse), 2 * latent_dim)
        self.from_latent = nn.Linear(latent_dim, math.prod(self.coarse))
        self.decoder = nn.Sequential(*up, head(widths[0], in_chans))
        self.noise = PixelNoise(0.1, is_learned=True) if objective == "elbo" else None

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of the latents of images, `(B, Z)` both.

        Args:
            images: `(B, C, H, W)` in [-1, 1].

        Raises:
            ValueError: If the images have another size.
        """
        size = (self.in_chans, self.img_size, self.img_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != size:
            raise ValueError(f"images must be (B, {size[0]}, {size[1]}, {size[2]}), got {tuple(images.shape)}.")
        mean, log_variance = in_single_precision(self.to_latent(self.encoder(images).flatten(1))).chunk(2, 1)
        return mean, log_variance.clamp(*LOG_VARIANCES)

    def decode(self, latents: Tensor) -> Tensor:
        """The images `(B, C, H, W)` of latents `(B, Z)`."""
        return in_single_precision(self.decoder(self.from_latent(latents).unflatten(1, self.coarse)))

    def forward(
        self, images: Tensor, noise: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> GenerationOutput:
        """Reconstruct images and compute the loss.

        Args:
            images: `(B, C, H, W)` in [-1, 1].
            noise: Standard normal numbers `(B, Z)`; drawn if not given.
            generator: Where they are drawn from, on the device of the images; the global one by default.

        Raises:
            ValueError: If the images have another size, or both noise and generator are given.
        """
        if noise is not None and generator is not None:
            raise ValueError("noise and generator exclude each other; give one of them at most.")
        mean, log_variance = self.encode(images)
        if noise is None:
            noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        recon = self.decode(mean + (0.5 * log_variance).exp() * noise)
        error = F.mse_loss(recon, images)
        kl = 0.5 * (mean.square() + torch.expm1(log_variance) - log_variance).sum(1).mean()
        return self._output(images, recon, error, kl)

    def reconstruct(self, images: Tensor) -> Tensor:
        """The images `(B, C, H, W)` decoded from the means of their latents, without noise."""
        return self.decode(self.encode(images)[0])

    @torch.no_grad()
    def sample(self, num: int, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Draw images.

        Args:
            num: Number of images.
            temperature: Multiplies the latents.
            generator: Where they are drawn from, on the device of the weights; the global one by default.

        Returns:
            `(num, C, H, W)`, about [-1, 1], not clipped.

        Raises:
            ValueError: If a number is not positive.
        """
        if num < 1 or temperature < 0:
            raise ValueError(f"num must be positive and temperature not negative, got {num} and {temperature}.")
        like = self.from_latent.weight
        latents = torch.randn(num, self.latent_dim, generator=generator, device=like.device, dtype=like.dtype)
        return self.decode(temperature * latents)

    @torch.no_grad()
    def importance_bound(self, images: Tensor, num: int, *, generator: torch.Generator | None = None) -> Tensor:
        """A bound on the log density of images by several samples each, `(B,)` in nats: the tighter the more.

        Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016.

        Args:
            images: `(B, C, H, W)` in [-1, 1].
            num: Samples of every image.
            generator: Where they are drawn from; the global one by default.

        Raises:
            ValueError: If the objective is not `elbo`, or there is no sample.
        """
        if self.noise is None:
            raise ValueError("importance_bound needs objective='elbo': nothing else has a likelihood.")
        check_samples(num)
        (mean, log_variance), weights, sigma = self.encode(images), [], self.noise()
        for _ in range(num):
            noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
            latents = mean + (0.5 * log_variance).exp() * noise
            ratio = 0.5 * (noise.square() - latents.square() + log_variance).sum(1)
            weights.append(ratio - normal_cost(images - self.decode(latents), sigma))
        return torch.stack(weights).logsumexp(0) - math.log(num)

    def example_input(
        self, *, batch: int = 1, height: int | None = None, width: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Random images and noise for them, the same in every run.

        Args:
            batch: B.
            height: H; the one the network is made for by default.
            width: W; likewise.

        Raises:
            ValueError: If a size is not positive.
        """
        images = example_images(batch, self.in_chans, [self.img_size if s is None else s for s in (height, width)])
        return images, torch.randn(batch, self.latent_dim, generator=torch.Generator().manual_seed(1))

    def _output(self, images: Tensor, recon: Tensor, error: Tensor, kl: Tensor) -> GenerationOutput:
        count, pixels = images[0].numel(), images.shape[-2] * images.shape[-1]
        parts = {"mse": error, "kl": kl / count, "rate": kl / (pixels * math.log(2))}
        if self.noise is None:
            return output_of(recon, error + self.kl_weight * kl / count, parts)
        sigma = self.noise()
        cost = 0.5 * error / sigma.square() + sigma.log() + 0.5 * LOG_2PI
        parts |= {"nll": cost, "sigma_x": sigma, "bits_per_dim": (cost + kl / count) / math.log(2) + BITS_OF_BYTES}
        return output_of(recon, cost + self.kl_weight * kl / count, parts)


def res_blocks(width: int, count: int) -> list[nn.Module]:
    """Residual blocks of one width."""
    return [NormedBlock(width) for _ in range(count)]
