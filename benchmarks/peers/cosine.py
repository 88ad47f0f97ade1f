"""Cosine transforms, of 8x8 blocks and of whole images, by subband and by other libraries."""

from __future__ import annotations

from functools import partial
from typing import Any

import scipy.fft
import torch
from torch import Tensor

from peers.contestant import Contestant, as_array
from peers.stand_ins import optional
from subband import transforms

__all__ = ["block_cosine", "cosine"]

BLOCK = 8


def cosine() -> list[Contestant]:
    """Orthonormal DCT of type II over the last two axes."""
    workers = torch.get_num_threads()
    by_scipy = partial(scipy.fft.dctn, type=2, norm="ortho", axes=(-2, -1), workers=workers)
    contestants = [
        Contestant("scipy", as_array(by_scipy), is_tensor_program=False),
        Contestant("subband", lambda x: transforms.dct2(x), can_compile=True),
    ]
    if (torch_dct := optional("torch_dct")) is not None:
        contestants.append(Contestant("torch_dct", partial(torch_dct.dct_2d, norm="ortho")))
    return contestants


def block_cosine() -> list[Contestant]:
    """Orthonormal DCT of every 8x8 block: `(B, C, H/8, W/8, 8, 8)`."""
    workers = torch.get_num_threads()

    def by_scipy(x: Any) -> Any:
        *batch, height, width = x.shape
        blocks = x.reshape(*batch, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
        return scipy.fft.dctn(blocks, type=2, norm="ortho", axes=(-3, -1), workers=workers)

    def swapped(result: Any) -> list[Tensor]:
        return [torch.as_tensor(result).transpose(-3, -2)]

    def from_channels(result: Tensor) -> list[Tensor]:
        blocks = result.unflatten(1, (-1, BLOCK, BLOCK))  # (B, C, 8, 8, H/8, W/8)
        return [blocks.movedim((2, 3), (-2, -1))]

    def from_image(result: Tensor) -> list[Tensor]:
        return swapped(result.unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK)))

    contestants = [
        Contestant("scipy", as_array(by_scipy), swapped, is_tensor_program=False),
        Contestant("subband", lambda x: transforms.block_dct2(x, layout="channels"), from_channels, can_compile=True),
        Contestant(
            "subband, spatial", lambda x: transforms.block_dct2(x, layout="spatial"), from_image, can_compile=True
        ),
    ]
    if (torch_dct := optional("torch_dct")) is not None:

        def by_torch_dct(x: Tensor) -> Tensor:
            blocks = x.unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK)).transpose(-3, -2)
            return torch_dct.dct_2d(blocks.contiguous(), norm="ortho")

        contestants.append(Contestant("torch_dct", by_torch_dct, lambda result: [result]))
    return contestants
