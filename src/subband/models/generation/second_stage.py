"""What a Wavelet-VAE codes of images as images themselves, and the diffusion that draws them: its second stage."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from subband.models.generation.pyramid import Pyramid, PyramidTransform
from subband.models.generation.wavelet_diffusion import WaveletDiffusion

__all__ = ["maps_of", "new_diffusion", "pyramid_of"]

FOLLOWING = ("in_chans", "img_size")  # arguments of a diffusion that its autoencoder decides


def new_diffusion(
    sizes: Mapping[str, Any], *, in_chans: int, img_size: tuple[int, int], transform: PyramidTransform, levels: int
) -> WaveletDiffusion:
    """A diffusion, with fresh weights, of the coefficients that an autoencoder codes.

    Args:
        sizes: Arguments of `WaveletDiffusion` but channels and size; its wavelet is that of the autoencoder if not
            given.
        in_chans: Channels C of the images.
        img_size: Their `(H, W)`.
        transform: Transform of the autoencoder.
        levels: Levels of details that are coded.

    Raises:
        ValueError: If an argument is unknown, does not fit, or the images are not square.
    """
    known = [name for name in inspect.signature(WaveletDiffusion).parameters if name not in FOLLOWING]
    for name in sizes:
        if name not in known:
            raise ValueError(f"diffusion has no argument {name!r}; it takes {', '.join(known)}.")
    height, width = img_size
    if height != width:
        raise ValueError(f"prior='diffusion' needs square images, got img_size {height} x {width}.")
    side = height >> (transform.levels - levels)
    return WaveletDiffusion(in_chans=in_chans, img_size=side, **{"wavelet": transform.wavelet, **sizes})


def maps_of(transform: PyramidTransform, pyramid: Pyramid) -> Tensor:
    """Coefficients as an image: the inverse transform of the levels there are.

    Args:
        transform: Transform of the whole pyramid.
        pyramid: All levels, or K coarsest ones of J.

    Returns:
        `(B, C, H / 2^(J - K), W / 2^(J - K))` in the range of images, about [-1, 1].
    """
    return transform(pyramid) / 2.0 ** (transform.levels - pyramid.levels)


def pyramid_of(transform: PyramidTransform, maps: Tensor, levels: int) -> Pyramid:
    """Inverse of `maps_of`.

    Args:
        transform: Transform of the whole pyramid.
        maps: `(B, C, H, W)`.
        levels: Levels K.
    """
    approx, details = maps * 2.0 ** (transform.levels - levels), list[Tensor]()
    for _ in range(levels):
        approx, detail = transform.split(approx)
        details.insert(0, detail)
    return Pyramid(approx, tuple(details))
