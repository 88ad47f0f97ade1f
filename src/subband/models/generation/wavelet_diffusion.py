"""Diffusion of wavelet coefficients, all bands in one network, or coarse to fine by one network a level.

The cascade draws the details of a level given the approximation they are added to: Guth, Coste, De Bortoli and Mallat,
Wavelet Score-Based Generative Modeling, NeurIPS 2022. The stack of all bands of one level is that of Phung, Dao and
Tran, Wavelet Diffusion Models are fast and scalable Image Generators, CVPR 2023, without their adversarial training.
Schedules of bands, sizes and weights are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from subband.models.generation.band_diffusion import BandDiffusion, Sampler, band_noise
from subband.models.generation.diffusion_denoising import denoised
from subband.models.generation.diffusion_unet import DiffusionUNet
from subband.models.generation.objectives import GenerationOutput, output_of
from subband.models.generation.options import example_images, one_of
from subband.models.generation.pyramid import BANDS, Pyramid, PyramidTransform, is_orthogonal
from subband.models.generation.schedules import BandSchedule
from subband.models.shareable import Shareable

__all__ = ["DiffusionLayout", "WaveletDiffusion"]

DiffusionLayout: TypeAlias = Literal["stack", "packet", "cascade"]
LAYOUTS = ("stack", "packet", "cascade")
LAYOUT_LEVELS = {"stack": 1, "packet": 2}
TRAINING_TIMES = 1000
KNOWN_NOISE = 0.1  # largest standard deviation of the noise on known approximations in training
SMALLEST_SPREAD = 1e-3


class WaveletDiffusion(Shareable, nn.Module):
    """Diffusion model of images in the wavelet domain.

    Args:
        in_chans: Channels C of the images.
        img_size: Their height and width.
        layout: `stack`: all bands of one level, 4C channels at half the size. `packet`: both levels of a full tree, 16C
            channels at a quarter. `cascade`: the approximation, then the details of every level given what is coarser.
        levels: Levels of `cascade`; the others have 1 and 2.
        wavelet: Wavelet name; borders are periodic.
        base_dims: Channels of each network, the coarsest first; `stack` and `packet` have one network.
        multipliers: Of each network, see `DiffusionUNet`.
        attention: Of each network, see `DiffusionUNet`.
        dropout: Share of features dropped in training; 0 is usual for `cascade`.
        gamma: How far schedules follow the size of coefficients, see `BandSchedule`.
        shift: Of the log of signal over noise, per level: `shift` times its distance from the finest one is added, so
            that coarse content settles first. All bands of `stack` are of one level but the approximation.
        band_weights: Of each network, the weight of the error of each of its bands, in the order of its maps: 4 bands
            of `stack`, 16 of `packet`, 1 and then 3 a level of `cascade`; 1 each if not given.

    Shape:
        images `(B, C, H, W)` in [-1, 1]; a `GenerationOutput`.

    Raises:
        ValueError: If an option is unknown, or there are not as many networks as the layout has.

    Example:
        >>> model = WaveletDiffusion(img_size=8, base_dims=(32,), multipliers=((1,),), attention=((),)).eval()
        >>> model(torch.zeros(2, 3, 8, 8)).recon.shape, model.sample(2, steps=2).shape
        (torch.Size([2, 3, 8, 8]), torch.Size([2, 3, 8, 8]))
    """

    task = "generation"
    input_axes = "B C H W"

    def __init__(
        self,
        *,
        in_chans: int = 3,
        img_size: int = 32,
        layout: DiffusionLayout = "stack",
        levels: int | None = None,
        wavelet: str = "haar",
        base_dims: Sequence[int] = (128,),
        multipliers: Sequence[Sequence[int]] = ((1, 2, 2),),
        attention: Sequence[Sequence[int]] = ((8,),),
        dropout: float = 0.1,
        gamma: float = 0.5,
        shift: float = 0.0,
        band_weights: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        one_of("layout", layout, LAYOUTS)
        if (levels is None) != (layout != "cascade"):
            raise ValueError(f"levels is for layout 'cascade', which needs it; got {levels} and layout {layout!r}.")
        self.layout, self.in_chans, self.img_size = layout, in_chans, img_size
        self.levels = LAYOUT_LEVELS.get(layout, levels or 0)
        self.transform = PyramidTransform(levels=self.levels, wavelet=wavelet)
        if img_size < 1 or img_size % 2**self.levels:
            raise ValueError(f"img_size must be a multiple of {2**self.levels}, got {img_size}.")
        shapes = self._shapes()
        counts = {len(base_dims), len(multipliers), len(attention), len(shapes)}
        if len(counts) > 1:
            raise ValueError(
                f"layout {layout!r} needs base_dims, multipliers and attention of {len(shapes)} networks each, got "
                f"{len(base_dims)}, {len(multipliers)} and {len(attention)}."
            )
        weights = _band_weights(band_weights, [channels // in_chans for channels, _, _ in shapes])
        self.parts = nn.ModuleList()
        for place, (channels, side, shifts) in enumerate(shapes):
            known = in_chans if place else 0
            sizes: dict[str, Any] = {"base_dim": base_dims[place], "multipliers": multipliers[place]}
            sizes |= {"attention": attention[place], "dropout": dropout, "img_size": side}
            schedule = BandSchedule(channels, gamma=gamma, shifts=[shift * distance for distance in shifts])
            net, own = DiffusionUNet(channels + known, channels, **sizes), weights[place]
            self.parts.append(BandDiffusion(net, schedule, [w for w in own for _ in range(in_chans)]))

    def forward(
        self,
        images: Tensor,
        times: Tensor | None = None,
        noise: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> GenerationOutput:
        """Predict images from noisy coefficients, and compute the loss.

        Args:
            images: `(B, C, H, W)` in [-1, 1].
            times: `(B,)` in [0, 1], 0 is clean; one of a thousand is drawn for each if not given.
            noise: Standard normal numbers `(B, C * H * W)`; drawn if not given.
            generator: Where times and noise are drawn from, on the device of the images; the global one by default. In
                training mode it also draws a little noise on the known approximations of a cascade.

        Returns:
            The images that the networks predict (in a cascade, every level given the true approximation), the mean
            squared error of the velocities, bands weighted, and that of every network, without weights, as `error_0`,
            `error_1` and so on, coarse first.

        Raises:
            ValueError: If a side does not divide.
        """
        coefficients = self.coefficients(images)
        if times is None:
            steps = torch.randint(1, TRAINING_TIMES + 1, (len(images),), generator=generator, device=images.device)
            times = steps.to(images.dtype) / TRAINING_TIMES
        if noise is None:
            noise = torch.randn(len(images), images[0].numel(), generator=generator, device=images.device)
        noises = band_noise(noise.to(images.dtype), [part.shape for part in coefficients])
        errors, predicted = [], []
        for place, (part, clean, own) in enumerate(zip(self.parts, coefficients, noises, strict=True)):
            known, levels = self._known(coefficients, place), None
            if known is not None and self.training:
                known, levels = self._noisy(known, generator)
            error, found = part(clean, times, own, known, levels)
            errors.append(error)
            predicted.append(found)
        weighted = [self._part(place).weights[:, None, None] * error for place, error in enumerate(errors)]
        total = sum((error.sum() for error in weighted), start=images.new_zeros(()))
        parts = {f"error_{place}": error.mean() for place, error in enumerate(errors)}
        return output_of(self.images(predicted), total / max(images.numel(), 1), parts)

    def loss(self, images: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """The loss of images `(B, C, H, W)` in [-1, 1] at random times."""
        return self(images, generator=generator).loss

    @torch.no_grad()
    def sample(
        self,
        num: int,
        *,
        steps: int = 50,
        sampler: Sampler | Any = "ddim",
        clip: Literal["value", "image"] = "value",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw images.

        Args:
            num: Number of images.
            steps: Evaluations of every network.
            sampler: `ddim` or `ddpm`; where `gamma` and `shift` are 0 also a scheduler of diffusers, made without
                limits on samples.
            clip: `value` keeps predicted coefficients within 8 standard deviations; `image` keeps the predicted image
                within [-1, 1], not for `cascade`.
            generator: Where noise is drawn from, on the device of the weights; the global one by default.

        Returns:
            `(num, C, H, W)`, about [-1, 1], not clipped.

        Raises:
            ValueError: If a number is not positive, or an option is unknown or does not go with the layout.
        """
        one_of("clip", clip, ("value", "image"))
        if num < 1:
            raise ValueError(f"num must be positive, got {num}.")
        if clip == "image" and self.layout == "cascade":
            raise ValueError("clip='image' needs all coefficients at once, which layout 'cascade' does not draw.")
        like = self._part(0).spread
        options: dict[str, Any] = {"steps": steps, "sampler": sampler, "generator": generator}
        options["clip"] = self._possible if clip == "image" else None
        drawn: list[Tensor] = []
        for place, (channels, side, _) in enumerate(self._shapes()):
            shape = (num, channels, side, side)
            noise = torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)
            drawn.append(self._part(place).sample(noise, known=self._known(drawn, place), **options))
        return self.images(drawn)

    @torch.no_grad()
    def denoise(
        self, images: Tensor, sigma: float, *, steps: int = 20, generator: torch.Generator | None = None
    ) -> Tensor:
        """Remove white noise by the last part of the way on which images are drawn.

        Every band joins where the schedule has as much noise as the images have in it.

        Args:
            images: `(B, C, H, W)`, about [-1, 1], with Gaussian noise, of `img_size`.
            sigma: Standard deviation of the noise.
            steps: Evaluations of every network: 1 gives the smallest error, more give sharper images.
            generator: Where noise is drawn from that bands get until they join, on the device of the images; the
                global one by default.

        Returns:
            `(B, C, H, W)`, about [-1, 1], not clipped.

        Raises:
            ValueError: If the wavelet is not orthogonal, or the noise or the number of steps is not positive.
        """
        if not is_orthogonal(self.transform.wavelet):
            raise ValueError(f"denoise needs an orthogonal wavelet, got {self.transform.wavelet!r}.")
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}.")
        found: list[Tensor] = []
        for place, observed in enumerate(self.coefficients(images)):
            options: dict[str, Any] = {"known": self._known(found, place), "steps": steps, "generator": generator}
            found.append(denoised(self._part(place), observed, sigma, **options))
        return self.images(found)

    def coefficients(self, images: Tensor) -> list[Tensor]:
        """The coefficients of images `(B, C, H, W)` in the layout, one map a network."""
        self.transform.check_size(images)
        if self.layout == "cascade":
            return list(self.transform.analyze(images).bands)
        for _ in range(self.levels):
            images = self.transform.dwt(images)
        return [images]

    def images(self, coefficients: Sequence[Tensor]) -> Tensor:
        """Inverse of `coefficients`."""
        if self.layout == "cascade":
            return self.transform(Pyramid.of(coefficients))
        images = coefficients[0]
        for _ in range(self.levels):
            images = self.transform.idwt(images)
        return images

    @torch.no_grad()
    def calibrate(self, loader: Iterable[Tensor]) -> None:
        """Set means and standard deviations of all channels by a data set.

        Only approximations have a mean; that of details is taken for zero.

        Args:
            loader: Batches of images `(B, C, H, W)` in [-1, 1].

        Raises:
            ValueError: If there are no images.
        """
        sums: list[Tensor] = []
        count = 0
        for images in loader:
            maps = [part.double() for part in self.coefficients(images.to(self._part(0).spread.device))]
            moments = [torch.stack((m.mean((0, 2, 3)), m.square().mean((0, 2, 3)))) * len(images) for m in maps]
            sums = [a + b for a, b in zip(sums, moments, strict=True)] if sums else moments
            count += len(images)
        if not count:
            raise ValueError("the loader gave no images.")
        for place, total in enumerate(sums):
            mean, square = total / count
            if place:
                mean = torch.zeros_like(mean)
            else:
                mean[self.in_chans :] = 0
            self._part(place).set_statistics(mean, (square - mean.square()).clamp(min=SMALLEST_SPREAD**2).sqrt())

    def example_input(
        self, *, batch: int = 1, height: int | None = None, width: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Random images, times and noise, the same in every run.

        Args:
            batch: B.
            height: H; that of `img_size` by default.
            width: W; that of `img_size` by default.

        Raises:
            ValueError: If a size is not positive.
        """
        images = example_images(batch, self.in_chans, [self.img_size if s is None else s for s in (height, width)])
        generator = torch.Generator().manual_seed(1)
        return (
            images,
            torch.rand(batch, generator=generator),
            torch.randn(batch, images[0].numel(), generator=generator),
        )

    def _shapes(self) -> list[tuple[int, int, list[int]]]:
        """Of every network: channels, side of its maps, and how far its channels are from the finest level."""
        if self.layout != "cascade":
            channels = self.in_chans * 4**self.levels
            is_low = [channel < self.in_chans for channel in range(channels)]
            return [(channels, self.img_size >> self.levels, [self.levels if low else 0 for low in is_low])]
        details = [
            (BANDS * self.in_chans, self.img_size >> level, [level - 1] * BANDS * self.in_chans)
            for level in range(self.levels, 0, -1)
        ]
        return [(self.in_chans, self.img_size >> self.levels, [self.levels] * self.in_chans), *details]

    def _part(self, place: int) -> BandDiffusion:
        return cast(BandDiffusion, self.parts[place])

    def _known(self, coefficients: Sequence[Tensor], place: int) -> Tensor | None:
        """The approximation that the details at a place are added to, in the range of the images."""
        if place == 0:
            return None
        approx = coefficients[0]
        for detail in coefficients[1:place]:
            approx = self.transform.join(approx, detail)
        return approx / 2.0 ** (self.levels + 1 - place)

    def _noisy(self, known: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Known maps with noise, as drawn ones have errors, and its standard deviation."""
        levels = KNOWN_NOISE * torch.rand(len(known), generator=generator, device=known.device, dtype=known.dtype)
        noise = torch.randn(known.shape, generator=generator, device=known.device, dtype=known.dtype)
        return known + levels[:, None, None, None] * noise, levels

    @property
    def _possible(self) -> Callable[[Tensor], Tensor]:
        """From coefficients to those of an image within [-1, 1]."""
        return lambda coefficients: self.coefficients(self.images([coefficients]).clamp(-1, 1))[0]


def _band_weights(given: Sequence[Sequence[float]] | None, counts: list[int]) -> list[list[float]]:
    """Weights of the bands of every network.

    Args:
        given: As the network is given them.
        counts: How many bands every network has.

    Raises:
        ValueError: If they are not as many, or one is negative.
    """
    weights = [[1.0] * count for count in counts] if given is None else [list(own) for own in given]
    if [len(own) for own in weights] != counts or min(map(min, weights)) < 0:
        raise ValueError(
            f"band_weights must be one number, not negative, for every band: {', '.join(map(str, counts))} for the "
            f"networks of this layout, got {weights}."
        )
    return weights
