"""Haar layers inside published models, translated plainly: yardsticks of speed for one level of the transform.

The text is ours; the order of operations is that of the published code. OpenSTL's layer (used by WaST, AAAI 2024) is
one depthwise convolution with all filters; VD-Diff's (video deblurring with a diffusion prior) adds and subtracts the
four quarters of an image and puts the bands behind each other on the batch axis.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class OpenSTLHaar(nn.Module):
    """All bands of one level over the last `ndim` axes of `(B, C, ...)`, a list in the order of sorted keys."""

    def __init__(self, ndim: int) -> None:
        super().__init__()
        taps = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.get_default_dtype()) / 2**0.5
        bank = []
        for letters in itertools.product((0, 1), repeat=ndim):
            band = taps[letters[0]]
            for letter in letters[1:]:
                band = band[..., None] * taps[letter]
            bank.append(band)
        self.ndim = ndim
        self.register_buffer("filters", torch.stack(bank).unsqueeze(1))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        channels = x.shape[1]
        x = F.pad(x, [size for side in reversed(x.shape[2:]) for size in (0, side % 2)])
        convolve = F.conv2d if self.ndim == 2 else F.conv3d
        filters = self.filters.repeat(channels, *[1] * (self.ndim + 1))
        bands = convolve(x, filters, stride=2, groups=channels)
        return bands.unflatten(1, (channels, len(self.filters))).unbind(2)


class OpenSTLInverseHaar(OpenSTLHaar):
    """Inverse of `OpenSTLHaar` for even sides."""

    def forward(self, *bands: Tensor) -> Tensor:
        channels = bands[0].shape[1]
        x = torch.stack(bands, dim=2).flatten(1, 2)
        convolve = F.conv_transpose2d if self.ndim == 2 else F.conv_transpose3d
        return convolve(x, self.filters.repeat(channels, *[1] * (self.ndim + 1)), stride=2, groups=channels)


def vd_diff_haar(x: Tensor) -> Tensor:
    """Four bands of `(B, C, H, W)` with even sides as `(4B, C, H/2, W/2)`: `aa, -ad, -da, dd`."""
    even_rows, odd_rows = x[:, :, 0::2, :] / 2, x[:, :, 1::2, :] / 2
    a, b = even_rows[:, :, :, 0::2], odd_rows[:, :, :, 0::2]
    c, d = even_rows[:, :, :, 1::2], odd_rows[:, :, :, 1::2]
    return torch.cat((a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d), 0)


def vd_diff_inverse_haar(bands: Tensor) -> Tensor:
    """Inverse of `vd_diff_haar`."""
    ll, hl, lh, hh = (band / 2 for band in bands.chunk(4))
    batch, channels, height, width = ll.shape
    x = bands.new_zeros(batch, channels, 2 * height, 2 * width)
    x[:, :, 0::2, 0::2] = ll - hl - lh + hh
    x[:, :, 1::2, 0::2] = ll - hl + lh - hh
    x[:, :, 0::2, 1::2] = ll + hl - lh - hh
    x[:, :, 1::2, 1::2] = ll + hl + lh + hh
    return x
