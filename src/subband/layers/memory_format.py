"""Memory layout of maps."""

import torch
from torch import Tensor

__all__ = ["channels_last_on_cpu"]


def channels_last_on_cpu(x: Tensor) -> Tensor:
    """Lay out a map channels last where that pays; values and shape stay.

    Ungrouped and depthwise CPU convolutions are 5 to 20 % faster on such maps (measured on SimVP's, one thread); on
    other devices the caller's layout stands. Always a copy on CPUs: `contiguous` would leave a one-channel map as it
    is, and with it the layout of all that follows.

    Args:
        x: `(B, C, H, W)`.

    Returns:
        `(B, C, H, W)`.

    Example:
        >>> channels_last_on_cpu(torch.zeros(1, 4, 2, 2)).stride()
        (16, 1, 8, 4)
    """
    return x.clone(memory_format=torch.channels_last) if x.device.type == "cpu" else x
