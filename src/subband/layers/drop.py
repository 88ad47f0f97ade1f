"""Stochastic depth: a residual branch is skipped for a random part of the batch during training.

Source: Huang et al., Deep Networks with Stochastic Depth, ECCV 2016.
"""

from torch import Tensor, linspace, nn

__all__ = ["DropPath", "drop_path", "linear_rates"]


def drop_path(x: Tensor, rate: float, training: bool) -> Tensor:
    """Zero a residual branch for random samples and rescale the others by `1 / (1 - rate)`.

    Args:
        x: Output of the branch, batch first, `(B, ...)`, any range.
        rate: Probability in `[0, 1)` that the branch of a sample is dropped.
        training: Whether to drop at all.

    Returns:
        Tensor of the shape of `x`; `x` itself when nothing can be dropped.

    Example:
        >>> import torch
        >>> drop_path(torch.ones(2, 3), 0.5, training=False).sum()
        tensor(6.)
    """
    if not training or rate == 0.0:
        return x
    keep = x.new_empty(x.shape[:1] + (1,) * (x.ndim - 1)).bernoulli_(1.0 - rate)
    return x * keep.div_(1.0 - rate)


def linear_rates(rate: float, count: int) -> list[float]:
    """Rates of blocks in a row: 0 in the first, rising linearly to `rate` in the last.

    Args:
        rate: In `[0, 1)`.
        count: How many blocks there are.

    Raises:
        ValueError: If `rate` is outside `[0, 1)`.

    Example:
        >>> linear_rates(0.5, 3)
        [0.0, 0.25, 0.5]
    """
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"drop_path_rate must be in [0, 1), got {rate}.")
    return linspace(0, rate, count, device="cpu").tolist()


class DropPath(nn.Module):
    """Module form of `drop_path`; `rate` may be changed at any time, e.g. by a schedule.

    Args:
        rate: Probability in `[0, 1)` that the branch of a sample is dropped.

    Shape:
        Input and output `(B, ...)`.

    Raises:
        ValueError: If `rate` is outside `[0, 1)`.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"drop path rate must lie in [0, 1), got {rate}")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Apply stochastic depth to `x`, `(B, ...)`."""
        return drop_path(x, self.rate, self.training)

    def extra_repr(self) -> str:
        """Rate for the printed module."""
        return f"rate={self.rate:g}"
