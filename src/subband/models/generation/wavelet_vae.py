"""Wavelet-VAE: an autoencoder whose latent is the pyramid of wavelet coefficients of the image itself.

A. Kiruluta, Wavelet-based Variational Autoencoders for High-Resolution Image Generation, arXiv 2504.13214, 2025. No
code or weights were published, and the text names no widths, levels or weights: sizes here are ours. Mode `paper` is
its objective; mode `elbo`, ours, bounds a likelihood and so has a prior to draw images from.

What is to be known before figures are compared: with all levels the latent has as many numbers as the image, the
transform is a perfect encoder and its inverse a perfect decoder. A reconstruction alone says nothing then; it has to be
compared with that of the transform at the same number of coefficients (`encoder="analytic"`, `keep_levels`, `top_k`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor

from subband.models.generation import fitting
from subband.models.generation.autoencoder import PyramidAutoencoder
from subband.models.generation.distributions import normal_cost
from subband.models.generation.objectives import BoundObjective
from subband.models.generation.priors import PriorKind
from subband.models.generation.pyramid import BANDS, Pyramid, is_orthogonal
from subband.models.generation.top_coefficients import position_bits

__all__ = ["WaveletVAE"]

HAAR = ("haar", "db1")


class WaveletVAE(PyramidAutoencoder):
    """Autoencoder of images with a wavelet pyramid as its latent, and what its prior is good for.

    The arguments are those of `PyramidAutoencoder`.

    Shape:
        images `(B, C, H, W)` in [-1, 1], sides multiples of `2^J`; a `GenerationOutput`.

    Example:
        >>> model = WaveletVAE(img_size=16, levels=2, widths=(8, 8, 8), blocks=1, prior_width=8, mode="elbo").eval()
        >>> model(torch.zeros(2, 3, 16, 16)).recon.shape, model.sample(4).shape
        (torch.Size([2, 3, 16, 16]), torch.Size([4, 3, 16, 16]))
    """

    @torch.no_grad()
    def sample(self, num: int, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Draw images.

        Args:
            num: Number of images.
            temperature: Multiplies the scales of the prior.
            generator: Where noise is drawn from, on the device of the weights; the global one by default.

        Returns:
            `(num, C, H, W)`, about [-1, 1], not clipped: decoder means.

        Raises:
            ValueError: If no prior was fitted, or a number is not positive.
        """
        prior = self._fitted_prior()
        if num < 1 or temperature < 0:
            raise ValueError(f"num must be positive and temperature not negative, got {num} and {temperature}.")
        noise = self._noise_like(self._empty(num), generator)
        return self.decode(prior.sample(noise, temperature))

    @torch.no_grad()
    def perturb(self, images: Tensor, scale: float, *, generator: torch.Generator | None = None) -> Tensor:
        """Images decoded from noisy centres. These are variations of the images, not samples.

        Args:
            images: `(B, C, H, W)` in [-1, 1].
            scale: Standard deviation of the noise on every coded coefficient.
            generator: Where noise is drawn from; the global one by default.
        """
        mean = self.encode(images).mean
        noise = self._noise_like(mean, generator)
        return self.decode(mean.map(lambda band, n: band + scale * n, noise))

    @torch.no_grad()
    def super_resolve(
        self,
        images: Tensor,
        levels: int,
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Enlarge images `2^levels` times with details from the conditional prior.

        The means of the blocks of the result are the pixels given: a mean of `2^l x 2^l` pixels, times `2^l`, is a Haar
        approximation.

        Args:
            images: `(B, C, H, W)` in [-1, 1], as averages over blocks give them.
            levels: 1 to J.
            temperature: Multiplies the scales of the details; 0 takes the centres, 1 draws texture.
            generator: Where noise is drawn from; the global one by default.

        Raises:
            ValueError: If the prior is not conditional, the wavelet is not Haar, or there are not so many levels.
        """
        prior = self._fitted_prior()
        if not prior.is_conditional or self.transform.wavelet not in HAAR:
            raise ValueError("super_resolve needs prior='conditional' and wavelet='haar'.")
        if not 1 <= levels <= self.levels:
            raise ValueError(f"levels must lie within 1 and {self.levels}, got {levels}.")
        start = Pyramid(images * 2.0**levels, ())
        noise = None
        if temperature:
            batch, channels, height, width = images.shape
            shapes = [(batch, BANDS * channels, height << place, width << place) for place in range(levels)]
            noise = tuple(torch.randn(shape, generator=generator, device=images.device) for shape in shapes)
        options: dict[str, Any] = {"noise": noise, "temperature": temperature, "first_level": self.levels - levels}
        return self.transform(prior.extended(start, **options))

    @torch.no_grad()
    def denoise(self, images: Tensor, sigma: float) -> Tensor:
        """Remove white noise by the mean of the coefficients under the prior.

        Args:
            images: `(B, C, H, W)`, about [-1, 1], with Gaussian noise, of `img_size`.
            sigma: Standard deviation of the noise.

        Returns:
            `(B, C, H, W)`. With prior `factorised` and a pure decoder it is the exact mean of what is likely.

        Raises:
            ValueError: If no prior was fitted or it is a mixture, the wavelet is not orthogonal, or the noise is not
                positive.
        """
        prior = self._fitted_prior()
        if prior.is_mixture or not is_orthogonal(self.transform.wavelet):
            raise ValueError("denoise needs prior='factorised' or 'conditional' and an orthogonal wavelet.")
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}.")
        observed = self.transform.analyze(images)
        return self.decode(prior.posterior_mean(observed, images.new_tensor(sigma)))

    @torch.no_grad()
    def importance_bound(self, images: Tensor, num: int, *, generator: torch.Generator | None = None) -> Tensor:
        """A bound on the log density of images by several samples each, `(B,)` in nats: the tighter the more.

        Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016.

        Args:
            images: `(B, C, H, W)` in [-1, 1].
            num: Samples of every image.
            generator: Where they are drawn from; the global one by default.

        Raises:
            ValueError: If the mode is not `elbo`.
        """
        if not isinstance(self.objective, BoundObjective):
            raise ValueError("importance_bound needs mode='elbo': nothing else has a likelihood.")
        posterior, weights = self.encode(images), []
        for _ in range(num):
            sample = posterior.sample(self._noise_like(posterior.mean, generator))
            fit = -normal_cost(images - self.decode(sample), self.objective.noise())
            ratio = self._fitted_prior().log_prob(sample) - posterior.log_prob(sample)
            weights.append(fit + ratio)
        return torch.stack(weights).logsumexp(0) - math.log(num)

    @torch.no_grad()
    def rate_bits(self, images: Tensor, *, generator: torch.Generator | None = None) -> dict[str, float]:
        """Bits that an image costs, averaged over a batch.

        Args:
            images: `(B, C, H, W)` in [-1, 1].
            generator: Where samples are drawn from; the global one by default.

        Returns:
            `approx`, then `level_J` to `level_1` as far as they are coded. With `top_k` only `details`: their
            positions, and 8 bits for each.

        Raises:
            ValueError: If nothing codes the coefficients: mode `paper` without `top_k`.
        """
        if self.top_k is not None:
            count = self.encode(images).mean.to_vector().shape[1]
            approx = images[0].numel() >> 2 * self.levels
            return {"details": position_bits(count - approx, self.top_k) + 8 * self.top_k}
        if self.mode != "elbo":
            raise ValueError("rate_bits needs mode='elbo' or top_k: nothing else says how coefficients are coded.")
        posterior = self.encode(images)
        sample = posterior.sample(self._noise_like(posterior.mean, generator))
        bits = (self.divergences(posterior, sample).mean(0) / math.log(2)).tolist()
        names = ["approx", *(f"level_{self.levels - place}" for place in range(self.kept))]
        return dict(zip(names, bits, strict=True))

    def calibrate(self, loader: Iterable[Tensor]) -> None:
        """Set units, prior and posterior families of mode `elbo` by the coefficients of a data set.

        Args:
            loader: Batches of images `(B, C, H, W)` in [-1, 1], of `img_size`.

        Raises:
            ValueError: If the mode is `paper`, which counts in fixed units, or there are no images.
        """
        if self.mode != "elbo":
            raise ValueError("calibrate needs mode='elbo'; mode 'paper' keeps its units.")
        fitting.calibrate(self, loader)

    def fit_expost_prior(
        self,
        loader: Iterable[Tensor],
        kind: PriorKind,
        *,
        epochs: int = 1,
        lr: float = 1e-3,
        generator: torch.Generator | None = None,
    ) -> None:
        """Fit a prior to the coefficients that this network, as it is trained, gives of a data set.

        The network gets it as its `prior`; one made by `create_model` is then stored with it.

        Args:
            loader: Batches of images `(B, C, H, W)` in [-1, 1], of `img_size`; gone through once for independent
                details, once an epoch for `conditional`.
            kind: `factorised`, `conditional` or `mixture`, see `PyramidPrior`.
            epochs: How often the data is gone through to train the networks of `conditional`.
            lr: Learning rate of Adam for them.
            generator: On the CPU, where noise and the first means of a mixture are drawn from; the global one by
                default.

        Raises:
            ValueError: If the mode is `elbo`, which learns its prior, or there are no images.
        """
        if self.mode != "paper":
            raise ValueError("fit_expost_prior needs mode='paper'; mode 'elbo' learns its prior.")
        self.prior = fitting.fitted_prior(self, loader, kind, epochs=epochs, lr=lr, generator=generator)
        config = cast("dict[str, Any] | None", getattr(self, "model_config", None))
        if config is not None:
            config["args"] = {**config["args"], "prior": kind}

    def _empty(self, num: int) -> Pyramid:
        """A pyramid of the coded levels without values."""
        height, width = (side >> self.levels for side in self.img_size)
        like = self.units.approx
        shapes = [(num, BANDS * self.in_chans, height << place, width << place) for place in range(self.kept)]
        return Pyramid(like.new_empty(num, self.in_chans, height, width), tuple(like.new_empty(s) for s in shapes))
