"""Wavelet-VAE of clips: an autoencoder whose latent is the three-dimensional Haar pyramid of the clip itself.

The paper of the Wavelet-VAE (A. Kiruluta, arXiv 2504.13214, 2025) names video as an outlook; this is our own network,
with the two objectives of `WaveletVAE`. Its decoder is the inverse transform. A causal transform repeats the first
frame as the Cosmos tokenizer (NVIDIA, 2024) does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from subband.models.generation.encoders import Encoded, NetEncoder, PyramidTrunk, ResidualEncoder
from subband.models.generation.fitting import LAPLACE_BELOW, SMALLEST_UNIT
from subband.models.generation.objectives import BoundObjective, GenerationOutput
from subband.models.generation.options import OPTIONS, noise_scale, objective_of, one_of, options_of
from subband.models.generation.posteriors import FIRST_NOISE, Family, Posterior, positive_scale
from subband.models.generation.pyramid import Pyramid
from subband.models.generation.video_prior import ClipPrior, ClipUnits, detail_channels
from subband.models.generation.video_pyramid import ClipTransform
from subband.models.shareable import Shareable

__all__ = ["WaveletVideoVAE"]


class ClipTrunk(PyramidTrunk):
    """A `PyramidTrunk` of three-dimensional convolutions that is given clips `(B, T, C, H, W)`.

    Args:
        in_chans: Channels C of the clips.
        transform: Their transform, whose bands it predicts.
        widths: See `PyramidTrunk`.
        blocks: See `PyramidTrunk`.
        options: Its other options.
    """

    def __init__(
        self, in_chans: int, transform: ClipTransform, widths: Sequence[int], blocks: int, **options: Any
    ) -> None:
        super().__init__(in_chans, widths, blocks, strides=transform.strides, **options)
        self.transform = transform

    def forward(self, images: Tensor) -> Encoded:
        """Means and raw scales for clips."""
        return super().forward(self.transform.volume(images))


class WaveletVideoVAE(Shareable, nn.Module):
    """Autoencoder of clips with a Haar pyramid over time, rows and columns as its latent.

    Args:
        in_chans: Channels C of the clips.
        num_frames: Their frames T: what `sample` draws.
        img_size: Height and width, or one number for both.
        levels: Levels J of the transform.
        time_levels: How many of them, the finest ones, halve time.
        causal: Whether T is `1 + k * 2^time_levels` instead of `k * 2^time_levels`, see `ClipTransform`.
        widths: Channels of the encoder at full resolution, then at every level from the finest to the coarsest.
        blocks: Its residual blocks at every level.
        encoder: `net` predicts coefficients, `residual` adds to those of the transform.
        mode: `elbo` for a bound on a likelihood, `paper` for a squared error with a penalty, which has no prior.
        prior: Mode `elbo`: `factorised` or `conditional`, the default; see `ClipPrior`.
        prior_width: Channels of the networks of `conditional`.
        prior_blocks: Their residual blocks.
        keep_levels: The finest level whose details are coded, 1 for all, J + 1 for none. The others are zero, or what
            the conditional prior expects.
        sparsity: Mode `paper`: see `PyramidAutoencoder`, as for all options below.
        approx_weight: Mode `paper`.
        noise: Mode `paper`.
        noise_on: Mode `paper`.
        noise_init: Mode `paper`.
        learn_noise: Mode `paper`.
        noise_param: Mode `paper`.
        posterior: Mode `elbo`.
        sigma_x: Mode `elbo`.
        learn_sigma: Mode `elbo`.
        rate_target: Mode `elbo`.

    Shape:
        clips `(B, T, C, H, W)` in [-1, 1], sides multiples of `2^J`; a `GenerationOutput`.

    Raises:
        ValueError: If an option is unknown, belongs to the other mode or does not fit the others.

    Example:
        >>> sizes = {"levels": 2, "time_levels": 1, "widths": (8, 8, 8), "prior_width": 8}
        >>> model = WaveletVideoVAE(num_frames=4, img_size=16, **sizes).eval()
        >>> model(torch.zeros(2, 4, 3, 16, 16)).recon.shape, model.sample(1).shape
        (torch.Size([2, 4, 3, 16, 16]), torch.Size([1, 4, 3, 16, 16]))
    """

    task = "video_generation"
    input_axes = "B T C H W"
    is_laplace: Tensor

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_frames: int = 16,
        img_size: int | Sequence[int] = 64,
        levels: int = 3,
        time_levels: int = 3,
        causal: bool = False,
        widths: Sequence[int] = (24, 48, 64, 96),
        blocks: int = 1,
        encoder: Literal["net", "residual"] = "net",
        mode: Literal["paper", "elbo"] = "elbo",
        prior: Literal["factorised", "conditional"] | None = None,
        prior_width: int = 48,
        prior_blocks: int = 2,
        keep_levels: int = 1,
        sparsity: float | None = None,
        approx_weight: float | None = None,
        noise: Literal["scalar", "level"] | None = None,
        noise_on: Literal["all", "details"] | None = None,
        noise_init: float | None = None,
        learn_noise: bool | None = None,
        noise_param: Literal["log", "raw"] | None = None,
        posterior: Family | None = None,
        sigma_x: float | None = None,
        learn_sigma: bool | None = None,
        rate_target: float | None = None,
    ) -> None:
        given = {**dict.fromkeys(name for options in OPTIONS.values() for name in options), **locals()}
        super().__init__()
        own = options_of(mode, given)
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.in_chans, self.num_frames, self.img_size = in_chans, num_frames, (height, width)
        self.levels, self.mode, self.kept = levels, mode, levels + 1 - keep_levels
        self.transform = ClipTransform(levels=levels, time_levels=time_levels, causal=causal)
        self.transform.check_size(torch.empty(1, num_frames, in_chans, height, width, device="meta"))
        one_of("encoder", encoder, ("net", "residual"))
        if len(widths) != levels + 1:
            raise ValueError(f"widths must be {levels + 1} numbers for {levels} levels, got {tuple(widths)}.")
        if not 1 <= keep_levels <= levels + 1:
            raise ValueError(f"keep_levels must lie within 1 and {levels + 1}, got {keep_levels}.")
        if mode == "paper" and prior is not None:
            raise ValueError("prior is an option of mode 'elbo', and the mode is 'paper'; leave it out.")
        self.family: str = own.get("posterior", "gauss_shared")
        has_scales, is_residual = self.family != "gauss_shared", encoder == "residual"
        options = {"with_scales": has_scales, "keep_levels": keep_levels, "is_zero": is_residual}
        trunk = ClipTrunk(in_chans, self.transform, widths, blocks, **options)
        self.encoder = ResidualEncoder(trunk, self.transform) if is_residual else NetEncoder(trunk)
        self.units = ClipUnits(in_chans, self.transform)
        self.noise = None if has_scales else noise_scale(self.kept, own)
        sizes: dict[str, Any] = {"in_chans": in_chans, "size": (num_frames, height, width)}
        sizes |= {"transform": self.transform, "width": prior_width, "blocks": prior_blocks}
        self.prior = ClipPrior(prior or "conditional", **sizes) if mode == "elbo" else None
        self.objective = objective_of(mode, own, "pixel")
        self.register_buffer("is_laplace", torch.zeros(levels, dtype=torch.bool))

    @property
    def num_latents(self) -> int:
        """Numbers that are coded of a clip of `num_frames` and `img_size`."""
        return sum(math.prod(shape) for shape in self._shapes(self.num_frames, *self.img_size))

    def encode(self, clips: Tensor) -> Posterior:
        """The posterior of the coefficients of clips.

        Args:
            clips: `(B, T, C, H, W)` in [-1, 1].

        Raises:
            ValueError: If a side is no multiple of `2^J`, or the number of frames does not fit.
        """
        self.transform.check_size(clips)
        units = self.units(self.kept)
        mean, raw = self.encoder(clips, units)
        if raw is None:
            assert self.noise is not None
            scale = self.noise()
        else:
            scale = raw.map(lambda band, unit: unit * positive_scale(band, FIRST_NOISE), units)
        if self.family == "auto":
            return Posterior(mean, scale, tuple(self.is_laplace[: self.kept].unbind(0)))
        return Posterior(mean, scale, (self.family == "laplace",) * self.kept)

    def decode(self, pyramid: Pyramid) -> Tensor:
        """The clips `(B, T, C, H, W)` of coefficients of all levels or of the coarsest ones."""
        if pyramid.levels < self.levels and self.prior is not None and self.prior.is_conditional:
            return self.transform(self.prior.extended(pyramid))
        details, size = list(pyramid.details), pyramid.approx.shape[2:]
        for place, stride in enumerate(reversed(self.transform.strides)):
            if place >= pyramid.levels:
                channels = (math.prod(stride) - 1) * self.in_chans
                details.append(pyramid.approx.new_zeros(len(pyramid.approx), channels, *size))
            size = torch.Size(side * step for side, step in zip(size, stride, strict=True))
        return self.transform(Pyramid(pyramid.approx, tuple(details)))

    def forward(
        self, clips: Tensor, noise: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> GenerationOutput:
        """Reconstruct clips and compute the loss.

        Args:
            clips: `(B, T, C, H, W)` in [-1, 1].
            noise: Standard normal numbers `(B, N)`, one for every coded coefficient, the coarsest first; drawn if not
                given.
            generator: Where they are drawn from, on the device of the clips; the global one by default.

        Returns:
            Reconstruction from the sample, loss and parts.

        Raises:
            ValueError: If the size does not fit, or both noise and generator are given.
        """
        if noise is not None and generator is not None:
            raise ValueError("noise and generator exclude each other; give one of them at most.")
        posterior = self.encode(clips)
        drawn = _noise_like(posterior.mean, generator) if noise is None else posterior.mean.like(noise)
        output: GenerationOutput = self.objective(self, clips, posterior, posterior.sample(drawn))
        return output

    def reconstruct(self, clips: Tensor) -> Tensor:
        """The clips `(B, T, C, H, W)` decoded from the centres of their posterior, without noise."""
        return self.decode(self.encode(clips).mean)

    def divergences(self, posterior: Posterior, sample: Pyramid) -> Tensor:
        """Divergence of a posterior from the prior, in nats, `(B, 1 + L)`: of the approximation, of every level."""
        return self._prior().divergences(posterior, sample)

    @torch.no_grad()
    def sample(self, num: int, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Draw clips.

        Args:
            num: Number of clips.
            temperature: Multiplies the scales of the prior.
            generator: Where noise is drawn from, on the device of the weights; the global one by default.

        Returns:
            `(num, T, C, H, W)`, about [-1, 1], not clipped.

        Raises:
            ValueError: If the mode is `paper`, or a number is not positive.
        """
        prior = self._prior()
        if num < 1 or temperature < 0:
            raise ValueError(f"num must be positive and temperature not negative, got {num} and {temperature}.")
        like = self.units.approx
        empty = Pyramid.of([like.new_empty(num, *shape) for shape in self._shapes(self.num_frames, *self.img_size)])
        return self.decode(prior.sample(_noise_like(empty, generator), temperature))

    @torch.no_grad()
    def rate_bits(self, clips: Tensor, *, generator: torch.Generator | None = None) -> dict[str, float]:
        """Bits that a clip costs, averaged over a batch.

        Args:
            clips: `(B, T, C, H, W)` in [-1, 1].
            generator: Where samples are drawn from; the global one by default.

        Returns:
            `approx`, then `level_J` to `level_1` as far as they are coded.

        Raises:
            ValueError: If the mode is `paper`, which does not say how coefficients are coded.
        """
        posterior = self.encode(clips)
        sample = posterior.sample(_noise_like(posterior.mean, generator))
        bits = (self.divergences(posterior, sample).mean(0) / math.log(2)).tolist()
        names = ["approx", *(f"level_{self.levels - place}" for place in range(self.kept))]
        return dict(zip(names, bits, strict=True))

    @torch.no_grad()
    def calibrate(self, loader: Iterable[Tensor]) -> None:
        """Set units, prior and posterior families of mode `elbo` by the coefficients of a data set.

        Args:
            loader: Batches of clips `(B, T, C, H, W)` in [-1, 1], of the size of the network.

        Raises:
            ValueError: If the mode is `paper`, which counts in fixed units, or there are no clips.
        """
        prior, axes = self._prior(), (0, 2, 3, 4)
        approximations, count = list[Tensor](), 0
        moments: list[Any] = [0.0] * self.levels  # of every level: mean, mean square, mean magnitude
        for clips in loader:
            pyramid = self.transform.analyze(clips.to(self.units.approx.device))
            approximations.append(pyramid.approx)
            for place, band in enumerate(detail.double() for detail in pyramid.details):
                found = torch.stack([values.mean(axes) for values in (band, band.square(), band.abs())])
                moments[place] = moments[place] + len(clips) * found
            count += len(clips)
        if not count:
            raise ValueError("the loader gave no clips.")
        approx = torch.cat(approximations).double()
        means, squares, magnitudes = zip(*((total / count).unbind(0) for total in moments), strict=True)
        spread = [
            (square - mean.square()).clamp(min=SMALLEST_UNIT**2).sqrt()
            for square, mean in zip(squares, means, strict=True)
        ]
        for units in (self.units, prior.units):
            units.set(approx.std(axes, correction=0).clamp(min=SMALLEST_UNIT * self.transform.unit), spread)
        prior.fit(approx, magnitudes)
        assert isinstance(self.objective, BoundObjective)
        limit = LAPLACE_BELOW * self.objective.noise().item()
        self.is_laplace.copy_(torch.stack([values.mean() < limit for values in magnitudes]))

    def example_input(
        self, *, batch: int = 1, height: int | None = None, width: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Random clips and noise for them, the same in every run.

        Args:
            batch: B.
            height: H; that of `img_size` by default.
            width: W; that of `img_size` by default.

        Raises:
            ValueError: If a size is not positive.
        """
        size = [given if given is not None else own for given, own in zip((height, width), self.img_size, strict=True)]
        if min(batch, *size) < 1:
            raise ValueError(f"batch, height and width must be positive, got {batch}, {size[0]} and {size[1]}.")
        generator = torch.Generator().manual_seed(0)
        clips = 2 * torch.rand(batch, self.num_frames, self.in_chans, *size, generator=generator) - 1
        count = sum(math.prod(shape) for shape in self._shapes(self.num_frames, *size))
        return clips, torch.randn(batch, count, generator=generator)

    def _shapes(self, frames: int, height: int, width: int) -> list[tuple[int, ...]]:
        """Shapes of the coded maps of one clip, the coarsest first."""
        sizes = [self.transform.size_of(level, (frames, height, width)) for level in range(self.levels, 0, -1)]
        channels = detail_channels(self.in_chans, self.transform)
        coded = zip(channels[: self.kept], sizes[: self.kept], strict=True)
        return [(self.in_chans, *sizes[0]), *((count, *size) for count, size in coded)]

    def _prior(self) -> ClipPrior:
        if self.prior is None:
            raise ValueError("mode 'paper' has no prior: it says nothing of what clips are likely; train mode 'elbo'.")
        return self.prior


def _noise_like(mean: Pyramid, generator: torch.Generator | None) -> Pyramid:
    return mean.map(lambda band: torch.randn(band.shape, generator=generator, device=band.device, dtype=band.dtype))
