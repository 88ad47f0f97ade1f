"""Blocks of the autoencoders: residual convolutions after group norms, and the heads that end them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from subband.models.fresh_weights import zero_weights

__all__ = ["NORM_GROUPS", "NormedBlock", "RefineNet", "check_widths", "conv3", "head", "in_single_precision"]

NORM_GROUPS = 8


def conv3(in_chans: int, out_chans: int, stride: int | tuple[int, ...] = 1, *, dims: int = 2) -> nn.Module:
    """A 3x3 convolution with bias and a border of zeros; 3x3x3 for volumes.

    Args:
        in_chans: Channels of its input.
        out_chans: Channels of its result.
        stride: One number, or one for every axis.
        dims: 2 for images, 3 for volumes.
    """
    kind: Any = nn.Conv3d if dims == 3 else nn.Conv2d
    return kind(in_chans, out_chans, 3, stride=stride, padding=1)


def head(in_chans: int, out_chans: int, *, is_zero: bool = False, dims: int = 2) -> nn.Sequential:
    """Group norm, SiLU and a convolution.

    Args:
        in_chans: Channels of its input, a multiple of 8.
        out_chans: Channels of its result.
        is_zero: Whether it gives zeros until it is trained.
        dims: 2 for images, 3 for volumes.
    """
    last = conv3(in_chans, out_chans, dims=dims)
    if is_zero:
        zero_weights(last)
    return nn.Sequential(nn.GroupNorm(NORM_GROUPS, in_chans), nn.SiLU(), last)


class NormedBlock(nn.Module):
    """`x + conv(silu(norm(conv(silu(norm(x))))))` with 3x3 convolutions and group norms.

    Args:
        channels: Channels C, a multiple of 8.
        dims: 2 for images, 3 for volumes.

    Shape:
        `(B, C, H, W)`, or `(B, C, T, H, W)` for volumes, to the same.
    """

    def __init__(self, channels: int, *, dims: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(*head(channels, channels, dims=dims), *head(channels, channels, dims=dims))

    def forward(self, x: Tensor) -> Tensor:
        """One block on `x`."""
        return x + self.body(x)


class RefineNet(nn.Module):
    """What convolutions add to images that an inverse wavelet transform gave; nothing until it is trained.

    Args:
        in_chans: Channels C of the images.
        width: Channels inside, a multiple of 8.
        blocks: Residual blocks.
        out_chans: Channels of the result; C if not given.
        dims: 2 for images, 3 for volumes.

    Shape:
        `(B, C, H, W)` to `(B, out_chans, H, W)`; volumes likewise.
    """

    def __init__(self, in_chans: int, width: int, blocks: int, *, out_chans: int | None = None, dims: int = 2) -> None:
        super().__init__()
        check_widths((width,))
        self.body = nn.Sequential(
            conv3(in_chans, width, dims=dims),
            *(NormedBlock(width, dims=dims) for _ in range(blocks)),
            head(width, out_chans or in_chans, is_zero=True, dims=dims),
        )

    def forward(self, images: Tensor) -> Tensor:
        """The correction of `images`."""
        return in_single_precision(self.body(images))


def in_single_precision(x: Tensor) -> Tensor:
    """At least float32: likelihoods and divergences need more digits than autocast leaves."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def check_widths(widths: Sequence[int]) -> None:
    """Refuse widths that the group norms cannot divide.

    Raises:
        ValueError: If one is no positive multiple of 8.
    """
    if any(width < 1 or width % NORM_GROUPS for width in widths):
        raise ValueError(f"widths must be positive multiples of {NORM_GROUPS}, got {tuple(widths)}.")
