"""The size and the range of the images of networks for generation, whatever their kind."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from subband.models.generation.conv_vae import ConvVAE
from subband.models.generation.wavelet_vae import WaveletVAE

__all__ = ["as_images", "centered_input", "has_likelihood", "image_sides", "noise_in_network"]


def has_likelihood(model: Any) -> bool:
    """Whether a network bounds the likelihood of images."""
    if isinstance(model, WaveletVAE):
        return model.mode == "elbo"
    return isinstance(model, ConvVAE) and model.noise is not None


def image_sides(model: Any) -> tuple[int, int]:
    """Height and width of the images that a network draws."""
    size = model.img_size
    return (size, size) if isinstance(size, int) else tuple(size)


def centered_input(model: Any, images: Tensor) -> Tensor:
    """Images in the range of a network, [-1, 1]; as bytes with the mean of their noise where it bounds a likelihood.

    Args:
        model: The network.
        images: `(B, C, H, W)` in [0, 1].
    """
    return (255 * images + 0.5) / 128 - 1 if has_likelihood(model) else 2 * images - 1


def as_images(model: Any, outputs: Tensor) -> Tensor:
    """What a network returns as images in [0, 1]: the inverse of `centered_input`, cut off at both ends.

    Args:
        model: The network.
        outputs: `(B, C, H, W)`, about [-1, 1].
    """
    if has_likelihood(model):  # half a byte is the mean of the noise
        return ((128 * (outputs.float() + 1) - 0.5) / 255).clamp(0, 1)
    return ((outputs.float() + 1) / 2).clamp(0, 1)


def noise_in_network(model: Any, sigma: float) -> float:
    """A standard deviation of noise, white being 1, in the range of a network.

    Args:
        model: The network.
        sigma: Of images in [0, 1].
    """
    return sigma * (255 / 128 if has_likelihood(model) else 2)
