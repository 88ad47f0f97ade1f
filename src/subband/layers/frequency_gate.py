"""A gate that chooses input frequencies image by image.

Source: Xu et al., Learning in the Frequency Domain, CVPR 2020, section 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FrequencyGate", "gate_penalty"]

TINY = 1e-10  # as published, inside both logarithms of the Gumbel noise
DROP_BIAS, KEEP_BIAS = 0.1, 2.0  # nearly every channel is on at the start of training


class FrequencyGate(nn.Module):
    """Switches channels off that an image does not need.

    The mean of each channel decides, through a layer over all channels and two logits a channel. In training the
    decision is drawn (Gumbel noise; hard forwards, soft backwards); in evaluation it is the larger logit, where the
    published code draws, too.

    Args:
        channels: Number of channels C.

    Shape:
        input `(B, C, H, W)`; output the same, with dropped channels set to zero, and `(B, C)`, 1 for kept channels,
        else 0

    Example:
        >>> gated, keep = FrequencyGate(192).eval()(torch.rand(2, 192, 7, 7))
        >>> gated.shape, keep.unique()
        (torch.Size([2, 192, 7, 7]), tensor([1.], grad_fn=<Unique2Backward0>))
    """

    def __init__(self, channels: int = 192) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.decide = nn.Conv2d(channels, 2 * channels, 1, groups=channels)
        nn.init.kaiming_normal_(self.mix.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.decide.weight, std=0.001)
        with torch.no_grad():
            self.decide.bias.copy_(torch.tensor((DROP_BIAS, KEEP_BIAS)).repeat(channels))  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Gate `(B, C, H, W)`; returns that and which channels were kept, `(B, C)`."""
        logits = self.logits(x)
        if self.training:
            logits = logits - torch.log(TINY - torch.log(torch.rand_like(logits) + TINY))
        soft = logits.softmax(-1)[..., 1]
        keep = (logits[..., 1] > logits[..., 0]).to(soft.dtype)
        keep = keep + (soft - soft.detach())  # the value of the decision, the gradient of its probability
        return x * keep[..., None, None], keep

    def logits(self, x: Tensor) -> Tensor:
        """Logits of dropping and of keeping each channel of `(B, C, H, W)`, as `(B, C, 2)`."""
        mixed = self.mix(x.mean((2, 3), keepdim=True))
        # A single image has no statistics of its own.
        mixed = self._by_averages(mixed) if self.training and x.shape[0] == 1 else self.norm(mixed)
        return self.decide(F.relu(mixed)).flatten(1).unflatten(1, (-1, 2))

    def _by_averages(self, x: Tensor) -> Tensor:
        norm = self.norm
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def gate_penalty(keep: Tensor) -> Tensor:
    """Share of channels that a gate keeps; times a factor, the term that training adds to its loss.

    Args:
        keep: Second result of `FrequencyGate`, `(B, C)`.

    Returns:
        Scalar in `[0, 1]`, with a gradient to the gate.

    Example:
        >>> gate_penalty(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
        tensor(0.7500)
    """
    return keep.mean()
