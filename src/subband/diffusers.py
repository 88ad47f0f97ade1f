"""A Wavelet-VAE where code of the library diffusers expects an autoencoder.

`AutoencoderForDiffusers(model)` has what its pipelines and training scripts ask of an `AutoencoderKL`: `encode(x)` with
`latent_dist.sample()` and `mode()`, `decode(z)` with `sample`, `enable_tiling`, `config.scaling_factor`. Objects are
asked for attributes, so nothing of the library is imported here. For its schedulers see `WaveletDiffusion.sample`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.generation.posteriors import Posterior
from subband.models.generation.pyramid import BANDS, Pyramid
from subband.models.generation.strips import in_strips
from subband.models.generation.wavelet_vae import WaveletVAE

__all__ = ["AutoencoderForDiffusers", "CodeDistribution", "DecodedSample", "EncodedImages"]


class CodeDistribution:
    """What an encoder says of the code of images: independent Gaussians, Laplaces where the network has such.

    Args:
        posterior: The same as a pyramid.
        units: What its coefficients are divided by.

    Attributes:
        mean: Centres, `(B, K, h, w)`.
        std: Standard deviations, `(B, K, h, w)`.
    """

    def __init__(self, posterior: Posterior, units: Pyramid) -> None:
        self._posterior, self._units = posterior, units
        self.mean = _packed(posterior.mean, units)
        whole = posterior.scale.map(lambda scale, mean: scale.expand_as(mean), posterior.mean)
        factors = [1.0, *(1.0 + (math.sqrt(2) - 1) * flag for flag in posterior.is_laplace)]
        self.std = _packed(
            Pyramid.of([factor * band for factor, band in zip(factors, whole.bands, strict=True)]), units
        )

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """A code, `(B, K, h, w)`.

        Args:
            generator: Where noise is drawn from, on its own device; the global one by default.
        """
        device = self.mean.device if generator is None else generator.device
        noise = torch.randn(self.mean.shape, generator=generator, device=device, dtype=self.mean.dtype)
        pyramid = _unpacked(noise.to(self.mean.device), self._units.map(torch.ones_like))
        return _packed(self._posterior.sample(pyramid), self._units)

    def mode(self) -> Tensor:
        """The centre, `(B, K, h, w)`."""
        return self.mean


class EncodedImages(NamedTuple):
    """What `encode` returns, by name or as a tuple of one.

    Attributes:
        latent_dist: The code.
    """

    latent_dist: CodeDistribution


class DecodedSample(NamedTuple):
    """What `decode` returns, by name or as a tuple of one.

    Attributes:
        sample: Images, `(B, C, H, W)`, about [-1, 1].
    """

    sample: Tensor


class AutoencoderForDiffusers(nn.Module):
    """A Wavelet-VAE with the methods of diffusers' `AutoencoderKL`.

    Its code is a map at the size of the coarsest level: the bands of every level that is coded, in units of their size,
    finer ones folded into channels. With `keep_levels` 3 of 3 levels it has 12 channels at an eighth of the size.

    Args:
        model: The network, which is used as it is.
        scaling_factor: What its users multiply codes by, to make their standard deviation about 1.

    Attributes:
        config: What pipelines read, by name or by key.

    Shape:
        images `(B, C, H, W)` in [-1, 1], sides multiples of `2^J`; codes `(B, C * 4^L, H / 2^J, W / 2^J)` for L levels
        of details.

    Raises:
        ValueError: If the factor is not positive.

    Example:
        >>> model = WaveletVAE(img_size=16, levels=2, widths=(8, 8, 8), blocks=1, keep_levels=2)
        >>> autoencoder, images = AutoencoderForDiffusers(model), torch.zeros(1, 3, 16, 24)
        >>> code = autoencoder.encode(images).latent_dist.sample()
        >>> code.shape, autoencoder.decode(code).sample.shape
        (torch.Size([1, 12, 4, 6]), torch.Size([1, 3, 16, 24]))
    """

    def __init__(self, model: WaveletVAE, *, scaling_factor: float = 1.0) -> None:
        super().__init__()
        if not scaling_factor > 0:
            raise ValueError(f"scaling_factor must be positive, got {scaling_factor}.")
        self.model, self.use_tiling = model, False
        self.config = _Config(
            in_channels=model.in_chans,
            out_channels=model.in_chans,
            latent_channels=model.in_chans * 4**model.kept,
            # Pipelines take how much smaller codes are from the number of its entries.
            block_out_channels=tuple(model.in_chans * 4**level for level in range(model.levels + 1)),
            sample_size=model.img_size[0],
            scaling_factor=scaling_factor,
            shift_factor=None,
            latents_mean=None,
            latents_std=None,
            force_upcast=False,
        )

    @property
    def dtype(self) -> torch.dtype:
        """That of the weights."""
        return self.model.units.approx.dtype

    @property
    def device(self) -> torch.device:
        """That of the weights."""
        return self.model.units.approx.device

    def encode(self, x: Tensor, return_dict: bool = True) -> EncodedImages:
        """The code of images.

        Args:
            x: `(B, C, H, W)` in [-1, 1].
            return_dict: Makes no difference: the result is a tuple with names.

        Raises:
            ValueError: If a side is no multiple of `2^J`.
        """
        with self._strips():
            posterior = self.model.encode(x)
        return EncodedImages(CodeDistribution(posterior, self._units()))

    def decode(self, z: Tensor, return_dict: bool = True, generator: torch.Generator | None = None) -> DecodedSample:
        """The images of codes.

        Args:
            z: `(B, C * 4^L, h, w)`.
            return_dict: Makes no difference: the result is a tuple with names.
            generator: Makes no difference: nothing is drawn.

        Raises:
            ValueError: If the number of channels is another one.
        """
        wanted = self.config["latent_channels"]
        if z.ndim != 4 or z.shape[1] != wanted:
            raise ValueError(f"codes must be (B, {wanted}, h, w), got {tuple(z.shape)}.")
        with self._strips():
            return DecodedSample(self.model.decode(_unpacked(z, self._units())))

    def forward(
        self,
        sample: Tensor,
        sample_posterior: bool = False,
        return_dict: bool = True,
        generator: torch.Generator | None = None,
    ) -> DecodedSample:
        """Reconstruct images.

        Args:
            sample: `(B, C, H, W)` in [-1, 1].
            sample_posterior: Decode a sample of the code instead of its centre.
            return_dict: Makes no difference: the result is a tuple with names.
            generator: Where noise is drawn from.
        """
        code = self.encode(sample).latent_dist
        return self.decode(code.sample(generator) if sample_posterior else code.mode())

    def enable_tiling(self, use_tiling: bool = True) -> None:
        """Compute some rows at a time from now on: the same numbers in less memory, without gradients."""
        self.use_tiling = use_tiling

    def disable_tiling(self) -> None:
        """Compute whole images from now on."""
        self.enable_tiling(False)

    @contextmanager
    def _strips(self) -> Iterator[None]:
        if not self.use_tiling:
            yield
            return
        with torch.no_grad(), in_strips(self.model):
            yield

    def _units(self) -> Pyramid:
        return self.model.units(self.model.kept)


class _Config(dict[str, Any]):
    """Settings by key, and by name."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _packed(pyramid: Pyramid, units: Pyramid) -> Tensor:
    """A pyramid in units as one map, `(B, C * 4^L, h, w)`, the coarsest bands first."""
    bands = pyramid.map(torch.div, units).bands
    return torch.cat([bands[0], *(F.pixel_unshuffle(band, 1 << place) for place, band in enumerate(bands[1:]))], 1)


def _unpacked(code: Tensor, units: Pyramid) -> Pyramid:
    """Inverse of `_packed`."""
    channels = units.approx.shape[1]
    sizes = [channels, *(BANDS * channels * 4**place for place in range(units.levels))]
    approx, *details = code.split(sizes, 1)
    maps = [approx, *(F.pixel_shuffle(detail, 1 << place) for place, detail in enumerate(details))]
    return Pyramid.of(maps).map(torch.mul, units)
