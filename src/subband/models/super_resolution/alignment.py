"""Alignment of the two states before a frame in a recurrence, by one deformable convolution.

Source: Chan et al., BasicVSR++: Improving Video Super-Resolution with Enhanced Propagation and Alignment, CVPR 2022:
offsets are learned as residues to an optical flow. Without flows they are learned alone.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from subband.layers.deform_conv import deform_conv2d
from subband.models.fresh_weights import zero_weights
from subband.transforms.optical_flow import move

__all__ = ["SLOPE", "StateAlignment"]

SLOPE = 0.1
TAPS = 9
STATES = 2
LARGEST_RESIDUE = 10.0  # pixels


class StateAlignment(nn.Module):
    """Two earlier states, moved to where things are in the current frame, and mixed.

    Args:
        channels: Channels C.
        groups: Offset groups of each state; they divide C.
        with_flow: Offsets begin from optical flows, which are given.

    Shape:
        features and states `(B, C, H, W)`, flows `(B, 2, H, W)`; result `(B, C, H, W)`.

    Raises:
        ValueError: If `groups` does not divide the channels.

    Example:
        >>> x = torch.rand(1, 4, 6, 5)
        >>> StateAlignment(4, groups=2, with_flow=False)(x, (x, x)).shape
        torch.Size([1, 4, 6, 5])
    """

    def __init__(self, channels: int, *, groups: int = 8, with_flow: bool = True) -> None:
        super().__init__()
        if groups < 1 or channels % groups:
            raise ValueError(f"groups must divide the {channels} channels, got {groups}.")
        self.num_offsets = STATES * groups * TAPS * 2
        seen = (STATES + 1) * channels + (2 * STATES if with_flow else 0)
        widths = (seen, channels, channels, channels, self.num_offsets * 3 // 2)
        self.predict = nn.ModuleList(nn.Conv2d(w, v, 3, padding=1) for w, v in itertools.pairwise(widths))
        zero_weights(self.predict[-1])
        self.filter = nn.Conv2d(STATES * channels, channels, 3, padding=1)

    def forward(
        self, current: Tensor, states: tuple[Tensor, Tensor], flows: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """Align and mix.

        Args:
            current: Features of the current frame, `(B, C, H, W)`.
            states: The state before it, and the one before that.
            flows: From the current frame to those of the states, columns first; None without flow.
        """
        if flows is None:
            seen = torch.cat([current, *states], 1)
        else:
            first, second = (move(state, flow, "zeros") for state, flow in zip(states, flows, strict=True))
            seen = torch.cat([first, current, second, *(flow.to(current.dtype) for flow in flows)], 1)
        offsets, masks = self.offsets(seen, flows)
        weight, bias = self.filter.weight, self.filter.bias
        return deform_conv2d(torch.cat(states, 1), offsets, weight, bias=bias, mask=masks, padding=1)

    def offsets(self, seen: Tensor, flows: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Offsets `(B, 36 G, H, W)`, rows first, and masks `(B, 18 G, H, W)` of the convolution for G groups."""
        for layer in self.predict[:-1]:
            seen = nn.functional.leaky_relu(layer(seen), SLOPE, inplace=True)
        sizes = [self.num_offsets, self.num_offsets // 2]
        # Channel by channel, as the deformable convolution reads them.
        residues, masks = (part.contiguous() for part in self.predict[-1](seen).split(sizes, 1))
        residues = LARGEST_RESIDUE * torch.tanh(residues.to(torch.promote_types(residues.dtype, torch.float32)))
        if flows is not None:
            pairs = residues.unflatten(1, (STATES, -1, 2)) + torch.stack([f.flip(1) for f in flows], 1).unsqueeze(2)
            residues = pairs.flatten(1, 3)
        return residues, torch.sigmoid(masks)
