"""What the task asks networks for generation, whatever their kind, and the range in which they want images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from subband.models.generation.image_format import as_images, has_likelihood, image_sides
from subband.models.generation.video_vae import WaveletVideoVAE
from subband.models.generation.wavelet_vae import WaveletVAE

__all__ = ["as_images", "as_input", "bytes_with_noise", "can_draw", "coded_numbers", "has_likelihood", "image_sides"]


def can_draw(model: Any) -> bool:
    """Whether a network knows which images are likely: a Wavelet-VAE of mode `paper` only once a prior was fitted."""
    if isinstance(model, WaveletVAE) and model.diffusion is not None:
        return True
    return getattr(model, "prior", True) is not None and hasattr(model, "sample")


def coded_numbers(model: Any) -> int | None:
    """Numbers that a network codes of an image; None if it has no code."""
    if isinstance(model, WaveletVAE):
        height, width = (side >> model.levels for side in model.img_size)
        kept = None if model.top_k is None else model.top_k + model.in_chans * height * width
        return model.num_latents if kept is None else min(kept, model.num_latents)
    return model.num_latents if isinstance(model, WaveletVideoVAE) else getattr(model, "latent_dim", None)


def as_input(model: Any, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Images in the range of a network, [-1, 1]; bytes with noise where it bounds their likelihood.

    Args:
        model: The network.
        images: `(B, C, H, W)`, or clips `(B, T, C, H, W)`, in [0, 1].
        generator: Where noise is drawn from, on the device of the images; the global one by default.
    """
    return bytes_with_noise(images, generator) if has_likelihood(model) else 2 * images - 1


def bytes_with_noise(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Images whose likelihood as real numbers bounds that of their bytes: `(u + noise) / 128 - 1`, noise in [0, 1).

    Source: Theis, van den Oord and Bethge, A Note on the Evaluation of Generative Models, ICLR 2016.

    Args:
        images: Any shape, in [0, 1]; rounded to bytes u.
        generator: Where noise is drawn from; the global one by default.

    Returns:
        The same shape, in [-1, 1).

    Example:
        >>> noisy = bytes_with_noise(torch.tensor([0.0, 1.0]))
        >>> (128 * (noisy + 1)).floor()
        tensor([  0., 255.])
    """
    noise = torch.rand(images.shape, generator=generator, device=images.device, dtype=images.dtype)
    return ((255 * images).round() + noise) / 128 - 1
