"""Differential divergence: do predicted frames change where the true ones do?

Tan et al., Temporal Attention Unit: Towards Efficient Spatiotemporal Predictive Learning, CVPR 2023.
"""

import torch
from torch import Tensor, nn

__all__ = ["DifferentialDivergence", "differential_divergence"]


def differential_divergence(pred: Tensor, target: Tensor, tau: float = 0.1, eps: float = 1e-12) -> Tensor:
    """Kullback-Leibler divergence between the frame differences of prediction and target.

    Differences of neighboring frames become distributions over the `C*H*W` entries of a frame, `p` of the prediction
    and `q` of the target, by a softmax at temperature `tau`. The loss is the mean of `p log(p / (q + eps) + eps)` over
    **all** entries, so the divergence is divided by `C*H*W`.

    Args:
        pred: Predicted frames, `(B, T, C, H, W)`, any range.
        target: True frames of the same shape.
        tau: Temperature of the softmax.
        eps: Keeps the quotient and the logarithm finite.

    Returns:
        Scalar. It is 0 for two frames or fewer, as in the published code.

    Raises:
        ValueError: If the shapes differ or are not five-dimensional, or `tau` is not positive.

    Example:
        >>> frames = torch.rand(1, 4, 1, 8, 8)
        >>> abs(differential_divergence(frames, frames).item()) < 1e-6
        True
    """
    if pred.shape != target.shape or pred.ndim != 5:
        raise ValueError(
            f"pred and target must be (B, T, C, H, W) alike, got {tuple(pred.shape)}, {tuple(target.shape)}"
        )
    if tau <= 0:
        raise ValueError(f"tau must be positive, got {tau}")
    if pred.shape[1] <= 2:
        return pred.new_zeros(())
    dtype = torch.promote_types(pred.dtype, torch.float32)
    clips = pred.to(dtype), target.to(dtype)
    p, q = ((clip[:, 1:] - clip[:, :-1]).flatten(2).div(tau).softmax(-1) for clip in clips)  # (B, T - 1, C*H*W)
    return (p * torch.log(p / (q + eps) + eps)).mean()


class DifferentialDivergence(nn.Module):
    """`differential_divergence` with stored options; TAU adds it to the mean squared error with weight 0.1.

    Args:
        tau: Temperature of the softmax.
        eps: Keeps the quotient and the logarithm finite.

    Shape:
        - pred, target: `(B, T, C, H, W)`
        - output: scalar

    Example:
        >>> DifferentialDivergence()(torch.rand(1, 4, 1, 8, 8), torch.rand(1, 4, 1, 8, 8)).shape
        torch.Size([])
    """

    def __init__(self, *, tau: float = 0.1, eps: float = 1e-12) -> None:
        super().__init__()
        self.tau = tau
        self.eps = eps

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Loss of predicted against true frames."""
        return differential_divergence(pred, target, self.tau, self.eps)
