"""IncepU, the translator of the first SimVP: a U-Net without change of resolution, made of inception units.

Source: Gao et al., SimVP: Simpler yet Better Video Prediction, CVPR 2022.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.simvp.spatial import BlockRunner

KERNEL_SIZES = (3, 5, 7, 11)
NUM_GROUPS = 8
NEGATIVE_SLOPE = 0.2


class Branch(nn.Module):
    """Grouped convolution, GroupNorm, leaky ReLU.

    Args:
        in_chans: C_in.
        out_chans: C_out.
        kernel_size: Odd.
        groups: Of convolution and norm.

    Shape:
        `(B, C_in, H, W)` to `(B, C_out, H, W)`.
    """

    def __init__(self, in_chans: int, out_chans: int, *, kernel_size: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_chans, out_chans, kernel_size, padding=kernel_size // 2, groups=groups)
        self.norm = nn.GroupNorm(groups, out_chans)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the branch to `x`, `(B, C_in, H, W)`."""
        return F.leaky_relu(self.norm(self.conv(x)), NEGATIVE_SLOPE)


class InceptionUnit(nn.Module):
    """1x1 convolution, then the sum of four branches with kernels 3, 5, 7 and 11.

    Args:
        in_chans: C_in.
        hidden_dim: Width between the two; not divisible by 8 means one group instead of eight.
        out_chans: C_out.

    Shape:
        `(B, C_in, H, W)` to `(B, C_out, H, W)`.
    """

    def __init__(self, in_chans: int, hidden_dim: int, out_chans: int) -> None:
        super().__init__()
        groups = NUM_GROUPS if hidden_dim % NUM_GROUPS == 0 else 1
        if out_chans % groups:
            raise ValueError(f"translator 'incepu' needs T * hid_S and hid_T divisible by {groups}, got {out_chans}.")
        self.squeeze = nn.Conv2d(in_chans, hidden_dim, 1)
        self.branches = nn.ModuleList(
            Branch(hidden_dim, out_chans, kernel_size=size, groups=groups) for size in KERNEL_SIZES
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit to `x`, `(B, C_in, H, W)`."""
        x = self.squeeze(x)
        first, *others = self.branches
        total = first(x)
        for branch in others:
            total = total + branch(x)
        return total


class InceptionTranslator(nn.Module):
    """Encoder and decoder of inception units; each decoder level but the first also sees an encoder level.

    Args:
        dim: D, frames times embedding width.
        hidden_dim: Width between the first and the last unit.
        depth: Units in the encoder and in the decoder, at least 2.

    Shape:
        Input and output `(B, D, H, W)`.

    Raises:
        ValueError: If `depth` is below 2 or the widths do not fit the groups.
    """

    def __init__(self, dim: int, hidden_dim: int, *, depth: int) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"N_T must be at least 2 (one level to enter, one to leave), got {depth}.")
        half = hidden_dim // 2
        self.encoder = nn.ModuleList(InceptionUnit(hidden_dim if i else dim, half, hidden_dim) for i in range(depth))
        self.decoder = nn.ModuleList(
            InceptionUnit(2 * hidden_dim if i else hidden_dim, half, dim if i == depth - 1 else hidden_dim)
            for i in range(depth)
        )

    def forward(self, x: Tensor, run: BlockRunner) -> Tensor:
        """Translate `x`, `(B, D, H, W)`."""
        levels = []
        for unit in self.encoder:
            x = run(unit, x)
            levels.append(x)
        x = run(self.decoder[0], levels.pop())
        for unit in self.decoder[1:]:
            x = run(unit, torch.cat([x, levels.pop()], 1))
        return x
