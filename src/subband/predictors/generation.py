"""Photographs of any size through networks for generation: reconstructed, as coefficients, without noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.device import pick_device
from subband.models.checkpoint import load_model
from subband.models.generation.conv_vae import ConvVAE
from subband.models.generation.image_format import as_images, centered_input, image_sides, noise_in_network
from subband.models.generation.pyramid import Pyramid, PyramidTransform
from subband.models.generation.strips import in_strips
from subband.models.generation.tiles import over_tiles
from subband.models.generation.wavelet_diffusion import WaveletDiffusion
from subband.models.generation.wavelet_vae import WaveletVAE
from subband.predictors.inputs import ImageInput, as_image
from subband.transforms import crop, pad_to_multiple

__all__ = ["ImageAutoencoder", "PyramidCoder"]

_TILES_AT_ONCE = 16


class ImageAutoencoder:
    """A network for generation that takes photographs as they come out of a file.

    Sides that do not divide are continued by their last row or column, and results are cut to size. Gray photographs
    go through a network for color as three equal channels, and each channel of color ones through a network for gray.
    A Wavelet-VAE sees the whole photograph, in strips, see `in_strips`; networks that know one size see tiles of it.

    Args:
        model: A Wavelet-VAE, an ordinary autoencoder or a wavelet diffusion; it is put into eval mode.
        device: Where to compute: `auto`, `cpu`, `cuda`, `cuda:INDEX` or `mps`; None leaves the network where it is.

    Attributes:
        model: The network.

    Raises:
        TypeError: If the network is none of these.
        ValueError: If there is no such device.

    Example:
        >>> from subband import create_model
        >>> coder = ImageAutoencoder(create_model("wavelet_vae_s", widths=(8, 8, 8, 8), blocks=1), device="cpu")
        >>> coder.reconstruct(torch.rand(3, 20, 30)).shape
        torch.Size([3, 20, 30])
    """

    def __init__(self, model: nn.Module, device: str | torch.device | None = "auto") -> None:
        if not isinstance(model, WaveletVAE | ConvVAE | WaveletDiffusion):
            raise TypeError(f"model must be a network for image generation, got {type(model).__name__}.")
        self.model: Any = model.eval() if device is None else model.eval().to(pick_device(device))

    @classmethod
    def load(cls, source: str | Path, device: str | torch.device | None = "auto") -> ImageAutoencoder:
        """The network of a run folder, a model folder or bundled weights.

        Args:
            source: Whatever `subband.load_model` takes.
            device: As for the class.
        """
        return cls(load_model(source), device)

    @torch.inference_mode()
    def reconstruct(self, image: ImageInput) -> Tensor:
        """What is left of a photograph after it was coded, from the center of the code.

        Args:
            image: File, or pixels `(C, H, W)` in [0, 1].

        Returns:
            `(C, H, W)` in [0, 1], on the CPU.

        Raises:
            ValueError: If the network has no code, or the image does not fit.
        """
        if isinstance(self.model, WaveletDiffusion):
            raise ValueError("a diffusion has no code from which it could reconstruct.")
        pixels = as_image(image)
        inputs = self._inputs(pixels)
        if self._sees_all():
            padded, size = pad_to_multiple(inputs, 2**self.model.levels)
            with in_strips(self.model):
                outputs = crop(self.model.reconstruct(padded), size)
        else:
            outputs = over_tiles(inputs, image_sides(self.model), self.model.reconstruct)
        return self._pixels(outputs, pixels)

    @torch.inference_mode()
    def rate(self, image: ImageInput, *, seed: int = 0) -> float | None:
        """Bits per pixel of the code, over tiles of the size of the network; None if nothing says what it costs.

        Args:
            image: File, or pixels `(C, H, W)` in [0, 1].
            seed: Chooses the noise of the codes.
        """
        if not isinstance(self.model, WaveletVAE) or (self.model.mode == "paper" and self.model.top_k is None):
            return None
        size = image_sides(self.model)
        inputs, _ = pad_to_multiple(self._inputs(as_image(image)), size)
        tiles = F.unfold(inputs, size, stride=size).mT.reshape(-1, self.model.in_chans, *size)
        generator = torch.Generator(tiles.device).manual_seed(seed)
        bits = 0.0
        for part in tiles.split(_TILES_AT_ONCE):
            bits += len(part) * sum(self.model.rate_bits(part, generator=generator).values())
        return bits / (inputs.shape[-2] * inputs.shape[-1])

    @torch.inference_mode()
    def encode(self, image: ImageInput) -> Pyramid:
        """The centers of the coefficients of a photograph.

        Args:
            image: File, or pixels `(C, H, W)` in [0, 1].

        Returns:
            Coded levels of the photograph with sides that divide; the batch has one image, or one for every channel of
            a color photograph where the network is for gray.

        Raises:
            ValueError: If the network is no Wavelet-VAE, or the image does not fit.
        """
        with in_strips(self._wavelet_vae()):
            mean: Pyramid = self.model.encode(self.padded(image)).mean
        return mean

    @torch.inference_mode()
    def decode(self, pyramid: Pyramid, like: Tensor) -> Tensor:
        """The photograph of coefficients.

        Args:
            pyramid: What `encode` gives, or something like it, of one photograph.
            like: A photograph of the size and the channels wanted, `(C, H, W)`.

        Returns:
            `(C, H, W)` in [0, 1], on the CPU.
        """
        with in_strips(self._wavelet_vae()):
            return self._pixels(crop(self.model.decode(pyramid), (like.shape[-2], like.shape[-1])), like)

    @torch.inference_mode()
    def edited(self, image: ImageInput, change: Callable[[Pyramid], Pyramid]) -> Tensor:
        """A photograph with what a change of its coefficients adds to it; without a change it stays as it is.

        Args:
            image: File, or pixels `(C, H, W)` in [0, 1].
            change: From the coefficients of all levels to others.

        Returns:
            `(C, H, W)` in [0, 1], on the CPU.

        Raises:
            ValueError: As `encode`.
        """
        pixels = as_image(image).cpu()
        mean = self.encode(pixels)
        with in_strips(self._wavelet_vae()):
            before = self.model.complete(mean)
            added = self.model.decode(change(before)) - self.model.decode(before)
        added = crop(added.cpu() / noise_in_network(self.model, 1.0), (pixels.shape[-2], pixels.shape[-1]))
        return (pixels + self._channels(added, pixels)).clamp(0, 1)

    def padded(self, image: ImageInput) -> Tensor:
        """A photograph as a Wavelet-VAE is given it: `(B, C, H, W)` in [-1, 1] with sides that divide."""
        return pad_to_multiple(self._inputs(as_image(image)), 2 ** self._wavelet_vae().levels)[0]

    @torch.inference_mode()
    def denoise(self, image: ImageInput, sigma: float, *, steps: int | None = None, seed: int = 0) -> Tensor:
        """Remove white noise.

        Args:
            image: File, or pixels `(C, H, W)` in [0, 1].
            sigma: Standard deviation of the noise, white being 1; positive.
            steps: Evaluations of a diffusion, see `WaveletDiffusion.denoise`; its default if not given.
            seed: Chooses the noise that a diffusion adds on its way.

        Returns:
            `(C, H, W)` in [0, 1], on the CPU.

        Raises:
            ValueError: If the network cannot do it, or a number does not fit.
        """
        if isinstance(self.model, ConvVAE):
            raise ValueError("an autoencoder with a vector as its code has no coefficients to remove noise from.")
        options: dict[str, Any] = {}
        if isinstance(self.model, WaveletDiffusion):
            options["generator"] = torch.Generator(self._device).manual_seed(seed)
            options |= {} if steps is None else {"steps": steps}
        elif steps is not None:
            raise ValueError("steps are those of a diffusion; a Wavelet-VAE has none.")
        noise = noise_in_network(self.model, sigma)
        pixels = as_image(image)
        outputs = over_tiles(
            self._inputs(pixels), image_sides(self.model), lambda tiles: self.model.denoise(tiles, noise, **options)
        )
        return self._pixels(outputs, pixels)

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self.model.parameters()).device
        return device

    def _sees_all(self) -> bool:
        """Whether the network is for images of any size; a number of coefficients to keep is one of one size."""
        return isinstance(self.model, WaveletVAE) and self.model.top_k is None

    def _wavelet_vae(self) -> WaveletVAE:
        if not isinstance(self.model, WaveletVAE):
            raise ValueError(f"{type(self.model).__name__} has no wavelet coefficients; a Wavelet-VAE has.")
        return self.model

    def _inputs(self, pixels: Tensor) -> Tensor:
        """A photograph as a batch `(B, C, H, W)` in the range of the network."""
        channels = self.model.in_chans
        batch = pixels[:, None] if channels == 1 else pixels.expand(channels, -1, -1)[None]
        return centered_input(self.model, batch.to(self._device))

    def _pixels(self, outputs: Tensor, like: Tensor) -> Tensor:
        """Inverse of `_inputs` for what the network makes of them."""
        return self._channels(as_images(self.model, outputs).cpu(), like)

    def _channels(self, images: Tensor, like: Tensor) -> Tensor:
        """A batch `(B, C, H, W)` that stands for one photograph, with as many channels as another has."""
        if self.model.in_chans == 1:
            return images[:, 0]
        return images[0] if len(like) == len(images[0]) else images[0].mean(0, keepdim=True)


class PyramidCoder:
    """Photographs as their wavelet coefficients and back, without a network; methods as of `ImageAutoencoder`.

    Args:
        levels: Number of levels.
        wavelet: Wavelet name; borders are periodic.

    Raises:
        ValueError: If the wavelet is unknown, or there is no level.

    Example:
        >>> coder, photo = PyramidCoder(levels=2), torch.rand(3, 10, 13)
        >>> torch.allclose(coder.decode(coder.encode(photo), like=photo), photo, atol=1e-6)
        True
    """

    def __init__(self, *, levels: int = 3, wavelet: str = "haar") -> None:
        self.transform = PyramidTransform(levels=levels, wavelet=wavelet)

    def encode(self, image: ImageInput) -> Pyramid:
        """The coefficients of a photograph with sides that divide."""
        padded, _ = pad_to_multiple(2 * as_image(image)[None] - 1, 2**self.transform.levels)
        return self.transform.analyze(padded)

    def decode(self, pyramid: Pyramid, like: Tensor) -> Tensor:
        """The photograph of coefficients, `(C, H, W)` in [0, 1], of the size of another."""
        return (crop(self.transform(pyramid), (like.shape[-2], like.shape[-1]))[0] + 1).div(2).clamp(0, 1)

    def edited(self, image: ImageInput, change: Callable[[Pyramid], Pyramid]) -> Tensor:
        """A photograph with what a change of its coefficients adds to it; without a change it stays as it is."""
        pixels = as_image(image)
        before = self.encode(pixels)
        added = self.transform(change(before)) - self.transform(before)
        return (pixels + crop(added, (pixels.shape[-2], pixels.shape[-1]))[0] / 2).clamp(0, 1)
