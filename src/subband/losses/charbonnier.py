"""The Charbonnier loss: an absolute error with a rounded kink.

Charbonnier et al., Two deterministic half-quadratic regularization algorithms for computed imaging, ICIP 1994. Sources
differ in what they call epsilon; here it is what is added inside of the root, so a paper's `sqrt(x^2 + e^2)` has
`eps = e^2`.
"""

from torch import Tensor

from subband.losses._pairs import as_pair

__all__ = ["charbonnier_loss"]


def charbonnier_loss(pred: Tensor, target: Tensor, *, eps: float = 1e-12, over_channels: bool = False) -> Tensor:
    """Mean of `sqrt((pred - target)^2 + eps)`.

    Args:
        pred: Predicted images or frames, `(..., C, H, W)`, any range.
        target: True ones of the same shape.
        eps: What is added inside of the root: 1e-12 in VD-Diff, which is next to the absolute error, 1e-6 in ESTRNN.
        over_channels: Average the squares of a pixel over its channels before the root, as ESTRNN does.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        ValueError: If shapes differ, or `eps` is not positive.

    Example:
        >>> import torch
        >>> charbonnier_loss(torch.full((1, 3, 2, 2), 0.3), torch.zeros(1, 3, 2, 2), eps=0.16)
        tensor(0.5000)
    """
    pred, target = as_pair(pred, target)
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    squares = (pred - target).square()
    if squares.numel() == 0:
        return squares.sum()
    if over_channels:
        squares = squares.mean(-3)
    return (squares + eps).sqrt().mean()
