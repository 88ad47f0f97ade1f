"""What the coefficients of an image cost under the prior of a network, at every place."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from subband.models.generation.autoencoder import PyramidAutoencoder

__all__ = ["detail_bits"]


@torch.no_grad()
def detail_bits(model: PyramidAutoencoder, images: Tensor) -> tuple[Tensor, ...]:
    """Bits of every coded detail: the divergence of its posterior from the prior.

    The prior of a level is that given the means of what is coarser, so that the maps are the same every time; the bound
    takes samples instead, see `WaveletVAE.rate_bits`. Unlike the approximation, details of images of any size have a
    prior.

    Args:
        model: Wavelet-VAE of mode `elbo`.
        images: `(B, C, H, W)` in [-1, 1], sides multiples of `2^J`.

    Returns:
        `(B, 3C, H / 2^l, W / 2^l)` for every coded level, the coarsest first.

    Raises:
        ValueError: If the mode is `paper`, or a side is no multiple of `2^J`.
    """
    if model.mode != "elbo" or model.prior is None:
        raise ValueError("detail_bits needs mode='elbo': nothing else says how coefficients are coded.")
    posterior, prior = model.encode(images), model.prior
    approx, found = posterior.mean.approx, []
    for level, detail in enumerate(posterior.mean.details):
        centre, scale = prior.details(level, approx, prior.units.details[level])
        found.append(posterior.divergence_map(level, centre, scale).expand_as(detail) / math.log(2))
        approx = model.transform.join(approx, detail)
    return tuple(found)
