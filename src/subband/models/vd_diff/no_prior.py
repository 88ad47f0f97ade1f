"""VD-Diff's restoration network without a prior: what teacher and diffusion are to be measured against."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from subband.models.vd_diff.vd_diff import PriorRestorer

__all__ = ["VDDiffNoPrior"]


class VDDiffNoPrior(PriorRestorer):
    """Restoration with one learned vector in place of the prior, the same for all frames. Not published.

    Args:
        num_feat: Channels C, even.
        propagation_blocks: Residual blocks of each recurrence.
        num_blocks: Transformer blocks at a quarter of the resolution (before and after) and at an eighth.
        heads: Their heads; they divide C and 2C.
        use_cross_attention: Attention between frame and state in the recurrences, quadratic in the pixels.
        cross_attention_heads: Its heads.
        bias: Biases of the transformer's convolutions.
        prior_feat: A quarter of the entries of the vector.
        residual: How often the input is added.
        wavelet: The transformer sees the low band of a wavelet transform; else what strided convolutions give.
        dynamic_conv: Kernels of the recurrences are predicted for every pixel; else they are fixed.

    Shape:
        frames `(B, T, 3, H, W)` in [0, 1], RGB; result the same, not clipped.

    Example:
        >>> model = VDDiffNoPrior(num_feat=8, propagation_blocks=1, num_blocks=(1, 1), heads=(1, 2), prior_feat=4)
        >>> model(torch.rand(1, 2, 3, 20, 32)).shape
        torch.Size([1, 2, 3, 20, 32])
    """

    def build_prior(self, width: int) -> None:
        """Make the vector."""
        self.constant = nn.Parameter(torch.randn(self.prior_dim))

    def forward(self, frames: Tensor) -> Tensor:
        """Restore clips."""
        return self.restore_with_prior(frames, self.constant.expand(frames.shape[0] * frames.shape[1], -1))
