"""The autoencoder of Wavelet-VAE: from images to their pyramid and back, and the loss of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from subband.models.generation.blocks import RefineNet
from subband.models.generation.encoders import new_encoder
from subband.models.generation.objectives import GenerationOutput
from subband.models.generation.options import check_options, example_images, noise_scale, objective_of, options_of
from subband.models.generation.posteriors import FIRST_NOISE, BandUnits, Family, Posterior, positive_scale
from subband.models.generation.priors import BandOrder, PriorKind, PyramidPrior
from subband.models.generation.pyramid import BANDS, Pyramid, PyramidTransform
from subband.models.generation.second_stage import new_diffusion
from subband.models.generation.top_coefficients import keep_largest
from subband.models.generation.wavelet_diffusion import WaveletDiffusion
from subband.models.shareable import Shareable

__all__ = ["PyramidAutoencoder"]


class PyramidAutoencoder(Shareable, nn.Module):
    """Autoencoder of images with a wavelet pyramid as its latent.

    Args:
        in_chans: Channels C of the images.
        img_size: Their height and width, or one number for both: what `sample` draws. Others can be encoded.
        levels: Levels J of the transform.
        widths: Channels of the encoder at full resolution, then at every level from the finest to the coarsest.
        blocks: Its residual blocks at every level.
        wavelet: Wavelet name; borders are periodic.
        encoder: `net` predicts coefficients, `residual` adds to those of the transform, `analytic` takes those of the
            transform and learns a threshold per band (without `widths` and `blocks`).
        decoder: `pure` is the inverse transform, `hybrid` adds convolutions that give nothing at first.
        refine_width: Channels of these convolutions.
        refine_blocks: Their residual blocks.
        mode: `paper` for a squared error with a penalty, `elbo` for a bound on a likelihood.
        prior: `factorised`, `conditional` or `mixture`, see `PyramidPrior`. Mode `elbo` trains one of the first two,
            `conditional` if not given. Mode `paper` has none until `fit_expost_prior`; giving it here makes room for
            the weights of a fitted one. `diffusion`: images are drawn by a diffusion that is trained after the
            autoencoder; what mode `elbo` needs besides, bits, denoising and enlarging, it does by `conditional`.
        prior_width: Channels of the networks of `conditional`.
        prior_blocks: Their residual blocks.
        prior_order: `independent` bands of a level, or one after the other in the order `HVD`, see
            `ConditionalDetails`.
        diffusion: Arguments of the `WaveletDiffusion` of prior `diffusion`, by name, but channels and size.
        keep_levels: The finest level whose details are coded, 1 for all, J + 1 for none. The others are zero, or what
            the conditional prior of mode `elbo` expects.
        recon_domain: Where squared errors are taken, `pixel` or `wavelet`.
        recon: Mode `paper`: the error of reconstructions, `mse` (the default), or `bce`, binary cross-entropy. With it
            coefficients are those of logits, and `decode` squashes what comes out, which `denoise`, `super_resolve` and
            encoder `analytic` cannot live with.
        sparsity: Mode `paper`: weight of the mean magnitude of the details, 0.01 if not given.
        approx_weight: Mode `paper`: weight of the divergence of the approximation from N(0, 1), 0 if not given.
        noise: Mode `paper`: one noise scale (`scalar`, the default) or one a `level`.
        noise_on: Mode `paper`: noise on `all` coefficients (the default) or on the `details`.
        noise_init: Mode `paper`: the first noise scale, 0.1 if not given.
        learn_noise: Mode `paper`: whether it is learned, which is the default.
        noise_param: Mode `paper`: whether its `log` (the default) or its `raw` value is learned.
        top_k: Mode `paper`: details that are kept of every image, the largest; all if not given.
        posterior: Mode `elbo`: `gauss`, `laplace`, `gauss_shared` (one learned scale a level), or `auto`, the default:
            Laplaces on levels where `calibrate` finds them nearer to the exact posterior.
        sigma_x: Mode `elbo`: the first standard deviation of the likelihood's noise, 0.1 if not given.
        learn_sigma: Mode `elbo`: whether it is learned, which is the default.
        rate_target: Mode `elbo`: bits per pixel that `objective.follow_rate` steers to; the bound itself if not given.

    Shape:
        images `(B, C, H, W)` in [-1, 1], sides multiples of `2^J`; a `GenerationOutput`.

    Raises:
        ValueError: If an option is unknown, belongs to the other mode or does not fit the others.
    """

    task = "generation"
    input_axes = "B C H W"
    is_laplace: Tensor

    def __init__(
        self,
        *,
        in_chans: int = 3,
        img_size: int | Sequence[int] = 128,
        levels: int = 3,
        widths: Sequence[int] = (32, 64, 96, 128),
        blocks: int = 2,
        wavelet: str = "haar",
        encoder: Literal["net", "residual", "analytic"] = "net",
        decoder: Literal["pure", "hybrid"] = "hybrid",
        refine_width: int = 32,
        refine_blocks: int = 4,
        mode: Literal["paper", "elbo"] = "paper",
        prior: PriorKind | Literal["diffusion"] | None = None,
        prior_width: int = 64,
        prior_blocks: int = 3,
        prior_order: BandOrder = "independent",
        diffusion: Mapping[str, Any] | None = None,
        keep_levels: int = 1,
        recon_domain: Literal["pixel", "wavelet"] = "pixel",
        recon: Literal["mse", "bce"] | None = None,
        sparsity: float | None = None,
        approx_weight: float | None = None,
        noise: Literal["scalar", "level"] | None = None,
        noise_on: Literal["all", "details"] | None = None,
        noise_init: float | None = None,
        learn_noise: bool | None = None,
        noise_param: Literal["log", "raw"] | None = None,
        top_k: int | None = None,
        posterior: Family | None = None,
        sigma_x: float | None = None,
        learn_sigma: bool | None = None,
        rate_target: float | None = None,
    ) -> None:
        given = dict(locals())  # all options by their names
        super().__init__()
        own = options_of(mode, given)
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.in_chans, self.img_size, self.levels, self.mode = in_chans, (height, width), levels, mode
        self.transform = PyramidTransform(levels=levels, wavelet=wavelet)
        check_options({**given, "img_size": self.img_size})
        self.prior_sizes: dict[str, Any] = {"width": prior_width, "blocks": prior_blocks, "order": prior_order}
        self.kept = levels + 1 - keep_levels
        self.family: str = own.get("posterior", "gauss_shared")
        self.top_k: int | None = own.get("top_k")
        self.has_logits = own.get("recon") == "bce"
        has_scales = self.family != "gauss_shared"
        sizes: dict[str, Any] = {"widths": widths, "blocks": blocks, "keep_levels": keep_levels}
        self.encoder = new_encoder(encoder, in_chans, self.transform, with_scales=has_scales, **sizes)
        self.refine = RefineNet(in_chans, refine_width, refine_blocks) if decoder == "hybrid" else None
        self.units = BandUnits(in_chans, levels)
        self.noise = None if has_scales else noise_scale(self.kept, own)
        kind: PriorKind | None = "conditional" if mode == "elbo" else None
        if prior is not None and prior != "diffusion":
            kind = prior
        self.prior = None if kind is None else self.new_prior(kind)
        self.objective = objective_of(mode, own, recon_domain)
        self.register_buffer("is_laplace", torch.zeros(levels, dtype=torch.bool))
        self.diffusion = self.new_diffusion(diffusion or {}) if prior == "diffusion" else None

    def new_prior(self, kind: PriorKind) -> PyramidPrior:
        """A fresh prior of the images of this network; see `PyramidPrior`."""
        sizes: dict[str, Any] = {"in_chans": self.in_chans, "img_size": self.img_size, "transform": self.transform}
        return PyramidPrior(kind, **sizes, **self.prior_sizes)

    def new_diffusion(self, sizes: Mapping[str, Any]) -> WaveletDiffusion:
        """A fresh diffusion of what this network codes.

        Args:
            sizes: Arguments of `WaveletDiffusion` but channels and size.

        Raises:
            ValueError: If they do not fit, or the images are not square.
        """
        own: dict[str, Any] = {"in_chans": self.in_chans, "img_size": self.img_size, "transform": self.transform}
        return new_diffusion(sizes, levels=self.kept, **own)

    @property
    def num_latents(self) -> int:
        """Numbers that are coded of an image of `img_size`."""
        height, width = (side >> self.levels for side in self.img_size)
        approx = self.in_chans * height * width
        details = approx * (4**self.kept - 1)
        return approx + (details if self.top_k is None else min(self.top_k, details))

    @property
    def fills_details(self) -> bool:
        """Whether details that are not coded are what the prior expects."""
        return self.mode == "elbo" and self.prior is not None and self.prior.is_conditional

    def encode(self, images: Tensor) -> Posterior:
        """The posterior of the coefficients of images.

        Args:
            images: `(B, C, H, W)` in [-1, 1].

        Raises:
            ValueError: If a side is no multiple of `2^J`.
        """
        self.transform.check_size(images)
        units = self.units(self.kept)
        mean, raw = self.encoder(images, units)
        if raw is None:
            assert self.noise is not None
            scale = self.noise()
        else:
            scale = raw.map(lambda band, unit: unit * positive_scale(band, FIRST_NOISE), units)
        if self.top_k is not None:
            mean, scale = keep_largest(mean, scale, self.top_k)
        return Posterior(mean, scale, self._families())

    def decode(self, pyramid: Pyramid) -> Tensor:
        """The images `(B, C, H, W)` of coefficients of all levels or of the coarsest ones."""
        images = self.unsquashed(pyramid)
        return (images / 2).tanh() if self.has_logits else images

    def unsquashed(self, pyramid: Pyramid) -> Tensor:
        """What comes out of the decoder: images, or with `recon='bce'` the logits of their place in [-1, 1]."""
        images = self.transform(self.complete(pyramid))
        return images if self.refine is None else images + self.refine(images)

    def forward(
        self, images: Tensor, noise: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> GenerationOutput:
        """Reconstruct images and compute the loss.

        Args:
            images: `(B, C, H, W)` in [-1, 1].
            noise: Standard normal numbers `(B, N)`, one for every coded coefficient, the coarsest first; drawn if not
                given.
            generator: Where they are drawn from, on the device of the images; the global one by default.

        Returns:
            Reconstruction from the sample, loss and parts.

        Raises:
            ValueError: If a side is no multiple of `2^J`, or both noise and generator are given.
        """
        posterior = self.encode(images)
        sample = posterior.sample(self._noise_for(posterior.mean, noise, generator))
        output: GenerationOutput = self.objective(self, images, posterior, sample)
        return output

    def reconstruct(self, images: Tensor) -> Tensor:
        """The images `(B, C, H, W)` decoded from the centres of their posterior, without noise."""
        return self.decode(self.encode(images).mean)

    def complete(self, pyramid: Pyramid) -> Pyramid:
        """Coefficients of all levels: those that are not coded are zero, or what the conditional prior expects."""
        if pyramid.levels == self.levels:
            return pyramid
        if self.fills_details:
            return self._fitted_prior().extended(pyramid)
        batch, channels, height, width = pyramid.approx.shape
        sizes = [(height << place, width << place) for place in range(pyramid.levels, self.levels)]
        zeros = tuple(pyramid.approx.new_zeros(batch, BANDS * channels, *size) for size in sizes)
        return Pyramid(pyramid.approx, pyramid.details + zeros)

    def divergences(self, posterior: Posterior, sample: Pyramid) -> Tensor:
        """Divergence of a posterior from the prior, in nats, `(B, 1 + L)`: of the approximation, of every level."""
        return self._fitted_prior().divergences(posterior, sample)

    def example_input(
        self, *, batch: int = 1, height: int | None = None, width: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Random images and noise for them, the same in every run.

        Args:
            batch: B.
            height: H; that of `img_size` by default.
            width: W; that of `img_size` by default.

        Raises:
            ValueError: If a size is not positive.
        """
        images = example_images(
            batch,
            self.in_chans,
            [given if given is not None else own for given, own in zip((height, width), self.img_size, strict=True)],
        )
        count = images[0].numel() >> 2 * (self.levels - self.kept)
        return images, torch.randn(batch, count, generator=torch.Generator().manual_seed(1))

    def _noise_for(self, mean: Pyramid, noise: Tensor | None, generator: torch.Generator | None) -> Pyramid:
        if noise is None:
            return self._noise_like(mean, generator)
        if generator is not None:
            raise ValueError("noise and generator exclude each other; give one of them at most.")
        return mean.like(noise)

    def _noise_like(self, mean: Pyramid, generator: torch.Generator | None) -> Pyramid:
        return mean.map(lambda band: torch.randn(band.shape, generator=generator, device=band.device, dtype=band.dtype))

    def _families(self) -> tuple[bool | Tensor, ...]:
        if self.family == "auto":
            return tuple(self.is_laplace[: self.kept].unbind(0))
        return (self.family == "laplace",) * self.kept

    def _fitted_prior(self) -> PyramidPrior:
        if self.prior is None:
            if self.diffusion is not None:
                raise ValueError("prior='diffusion' of mode 'paper' draws images and does nothing else.")
            raise ValueError(
                "this network has no prior: mode 'paper' says nothing of what images are likely; call "
                "fit_expost_prior first, or train mode 'elbo'."
            )
        return self.prior
