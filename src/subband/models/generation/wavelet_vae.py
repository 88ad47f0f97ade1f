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
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor

from subband.models.generation import fitting
from subband.models.generation.autoencoder import PyramidAutoencoder
from subband.models.generation.band_diffusion import Sampler
from subband.models.generation.distributions import normal_cost
from subband.models.generation.objectives import BoundObjective, GenerationOutput
from subband.models.generation.options import check_samples
from subband.models.generation.priors import PriorKind, PyramidPrior
from subband.models.generation.pyramid import BANDS, Pyramid, is_orthogonal
from subband.models.generation.second_stage import maps_of, pyramid_of
from subband.models.generation.top_coefficients import position_bits
from subband.models.generation.wavelet_diffusion import WaveletDiffusion

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
    def sample(
        self,
        num: int,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        steps: int | None = None,
        sampler: Sampler | Any = None,
    ) -> Tensor:
        """Draw images.

        Args:
            num: Number of images.
            temperature: Multiplies the scales of the prior; prior `diffusion` has none and takes 1 alone.
            generator: Where noise is drawn from, on the device of the weights; the global one by default.
            steps: Prior `diffusion`: evaluations of every network of it, 50 if not given.
            sampler: Prior `diffusion`: `ddim` (the default), `ddpm` or a scheduler, see `WaveletDiffusion.sample`.

        Returns:
            `(num, C, H, W)`, about [-1, 1], not clipped: decoder means.

        Raises:
            ValueError: If no prior was fitted, a number is not positive, or an option is for another prior.
        """
        if self.diffusion is not None:
            if temperature != 1:
                raise ValueError(f"prior='diffusion' has no temperature; leave it at 1, not {temperature}.")
            options: dict[str, Any] = {
                "steps": 50 if steps is None else steps,
                "sampler": "ddim" if sampler is None else sampler,
            }
            return self.decode(
                pyramid_of(self.transform, self.diffusion.sample(num, generator=generator, **options), self.kept)
            )
        prior = self._fitted_prior()
        if steps is not None or sampler is not None:
            raise ValueError("steps and sampler are for prior='diffusion', which this network does not have.")
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
            ValueError: If the prior is not conditional, the wavelet is not Haar, there are not so many levels, or
                coefficients are those of logits.
        """
        prior = self._prior_of_images("super_resolve")
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
            `(B, C, H, W)`. With prior `factorised` and a pure decoder it is the exact mean of what is likely. The
            refinement of a hybrid decoder is left out: it is one of what the network codes, and behind encoder `net`
            that need not be the coefficients of the image, of which the prior says little then.

        Raises:
            ValueError: If no prior was fitted or it is a mixture, the wavelet is not orthogonal, the noise is not
                positive, or coefficients are those of logits.
        """
        prior = self._prior_of_images("denoise")
        if prior.is_mixture or not is_orthogonal(self.transform.wavelet):
            raise ValueError("denoise needs prior='factorised' or 'conditional' and an orthogonal wavelet.")
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}.")
        observed = self.transform.analyze(images)
        return self.transform(prior.posterior_mean(observed, images.new_tensor(sigma)))

    @torch.no_grad()
    def importance_bound(self, images: Tensor, num: int, *, generator: torch.Generator | None = None) -> Tensor:
        """A bound on the log density of images by several samples each, `(B,)` in nats: the tighter the more.

        Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016.

        Args:
            images: `(B, C, H, W)` in [-1, 1].
            num: Samples of every image.
            generator: Where they are drawn from; the global one by default.

        Raises:
            ValueError: If the mode is not `elbo`, or there is no sample.
        """
        if not isinstance(self.objective, BoundObjective):
            raise ValueError("importance_bound needs mode='elbo': nothing else has a likelihood.")
        check_samples(num)
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
        kind: PriorKind | Literal["diffusion"],
        *,
        epochs: int = 1,
        lr: float = 1e-3,
        generator: torch.Generator | None = None,
        diffusion: Mapping[str, Any] | None = None,
    ) -> None:
        """Fit a prior to the coefficients that this network, as it is trained, gives of a data set.

        The network gets it as its `prior`, or as its `diffusion`; one made by `create_model` is then stored with it.

        Args:
            loader: Batches of images `(B, C, H, W)` in [-1, 1], of `img_size`; gone through once for independent
                details, once more in every epoch for `conditional` and `diffusion`.
            kind: `factorised`, `conditional` or `mixture`, see `PyramidPrior`, or `diffusion`.
            epochs: How often the data is gone through to train the networks of `conditional` and `diffusion`.
            lr: Learning rate of Adam for them.
            generator: On the CPU, where noise and the first means of a mixture are drawn from; the global one by
                default.
            diffusion: Arguments of a new `WaveletDiffusion` of kind `diffusion`, but channels and size; the one that
                the network has, if any, is trained on if not given.

        Raises:
            ValueError: If the mode is `elbo`, which learns its prior, and takes `diffusion` beside `conditional` alone;
                if arguments do not fit; or if there are no images.
        """
        if kind == "diffusion":
            self._fit_diffusion(loader, diffusion, epochs=epochs, lr=lr, generator=generator)
            return
        if self.mode != "paper":
            raise ValueError("fit_expost_prior needs mode='paper'; mode 'elbo' learns its prior.")
        if diffusion is not None:
            raise ValueError(f"diffusion holds arguments of kind 'diffusion', got kind {kind!r}; leave it out.")
        self.prior = fitting.fitted_prior(self, loader, kind, epochs=epochs, lr=lr, generator=generator)
        self.diffusion = None
        self._note(prior=kind, diffusion=None)

    def code_maps(self, images: Tensor) -> Tensor:
        """What is coded of images, as images: the inverse transform of the means of their posterior.

        It is what a diffusion draws; `decode` adds what the refinement makes of it.

        Args:
            images: `(B, C, H, W)` in [-1, 1].

        Returns:
            `(B, C, H', W')`, about [-1, 1]; smaller by `2^(keep_levels - 1)`.

        Raises:
            ValueError: If a side is no multiple of `2^J`.
        """
        return maps_of(self.transform, self.encode(images).mean)

    def diffuse(self, images: Tensor, *, generator: torch.Generator | None = None) -> GenerationOutput:
        """The loss of the second stage: that of the diffusion of what is coded of images.

        Args:
            images: `(B, C, H, W)` in [-1, 1], of `img_size`.
            generator: Where times and noise are drawn from, on the device of the images; the global one by default.

        Returns:
            As of `WaveletDiffusion`, of the maps of `code_maps`; without gradients for the autoencoder.

        Raises:
            ValueError: If this network has no diffusion.
        """
        diffusion = self._own_diffusion()
        with torch.no_grad():
            maps = self.code_maps(images)
        output: GenerationOutput = diffusion(maps, generator=generator)
        return output

    def calibrate_diffusion(self, loader: Iterable[Tensor]) -> None:
        """Measure the coefficients of a data set, as this network codes them, for its diffusion.

        Args:
            loader: Batches of images `(B, C, H, W)` in [-1, 1], of `img_size`.

        Raises:
            ValueError: If this network has no diffusion, or there are no images.
        """
        device = self.units.approx.device
        self._own_diffusion().calibrate(self.code_maps(images.to(device)) for images in loader)

    def take_autoencoder(self, other: PyramidAutoencoder) -> None:
        """Take over all weights of another network but those of a diffusion, and in mode `paper` of a prior.

        Args:
            other: Network of the first stage.

        Raises:
            ValueError: If it is another autoencoder.
        """
        spare = ("diffusion.", "prior.") if self.mode == "paper" else ("diffusion.",)
        own, given = (
            {key: value for key, value in net.state_dict().items() if not key.startswith(spare)}
            for net in (self, other)
        )
        unlike = sorted(key for key in own.keys() | given.keys() if not _alike(own.get(key), given.get(key)))
        if unlike or self.transform.wavelet != other.transform.wavelet:
            what = f"weights such as {unlike[0]} differ" if unlike else "its wavelet differs"
            raise ValueError(f"the network of the first stage is another autoencoder: {what}.")
        self.load_state_dict(given, strict=False)

    def _fit_diffusion(self, loader: Iterable[Tensor], sizes: Mapping[str, Any] | None, **options: Any) -> None:
        """Train a diffusion, a new one or that of this network, and note it in the configuration."""
        if self.mode == "elbo" and not self._fitted_prior().is_conditional:
            raise ValueError("kind 'diffusion' in mode 'elbo' stands beside prior='conditional' alone.")
        if sizes is not None or self.diffusion is None:
            self.diffusion = self.new_diffusion(sizes or {}).to(self.units.approx.device)
            self._note(prior="diffusion", diffusion=dict(sizes or {}))
        if self.mode == "paper":
            self.prior = None
        self.calibrate_diffusion(loader)
        fitting.train_diffusion(self, loader, **options)

    def _prior_of_images(self, what: str) -> PyramidPrior:
        """The prior, whose coefficients must be those of images for what is to be done."""
        prior = self._fitted_prior()
        if self.has_logits:
            raise ValueError(f"{what} needs coefficients of images; those of recon='bce' are of logits.")
        return prior

    def _own_diffusion(self) -> WaveletDiffusion:
        if self.diffusion is None:
            raise ValueError("this network has no diffusion; make it with prior='diffusion'.")
        return self.diffusion

    def _note(self, **args: Any) -> None:
        """Change arguments in what `create_model` has noted; None takes one out."""
        config = cast("dict[str, Any] | None", getattr(self, "model_config", None))
        if config is not None:
            changed = {**config["args"], **args}
            config["args"] = {name: value for name, value in changed.items() if name not in args or value is not None}

    def _empty(self, num: int) -> Pyramid:
        """A pyramid of the coded levels without values."""
        height, width = (side >> self.levels for side in self.img_size)
        like = self.units.approx
        shapes = [(num, BANDS * self.in_chans, height << place, width << place) for place in range(self.kept)]
        return Pyramid(like.new_empty(num, self.in_chans, height, width), tuple(like.new_empty(s) for s in shapes))


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape
