"""Whether things move alike in two clips; a pure function, no other package."""

import torch
from torch import Tensor

from subband.transforms.optical_flow import optical_flow

__all__ = ["flow_error"]


def flow_error(pred: Tensor, target: Tensor) -> Tensor:
    """How far the flow between restored frames is from that between the true ones (tOF).

    A clip that trembles or flickers where the true one does not has a large error, however sharp its frames are. The
    measure is that of Chu et al., Learning Temporal Coherence via Self-Supervision for GAN-based Video Generation,
    TOG 2020, with the flow of `optical_flow`.

    Args:
        pred: Restored clips, `(B, T, C, H, W)` in [0, 1], T at least 2.
        target: True clips of the same shape.

    Returns:
        `(B, T - 1)`: mean over the pixels of the sum of both components' absolute differences, in pixels.

    Raises:
        ValueError: If shapes differ, are not five-dimensional, or there is one frame only.

    Example:
        >>> clip = torch.rand(1, 3, 3, 16, 16)
        >>> flow_error(clip, clip)
        tensor([[0., 0.]])
    """
    if pred.shape != target.shape or pred.ndim != 5 or pred.shape[1] < 2:
        raise ValueError(
            "pred and target must be (B, T, C, H, W) alike with two frames or more, "
            f"got {tuple(pred.shape)}, {tuple(target.shape)}"
        )
    errors = []
    for place in range(1, pred.shape[1]):
        ours, wanted = (optical_flow(clip[:, place - 1], clip[:, place]) for clip in (pred, target))
        errors.append((ours - wanted).abs().sum(1).mean((-2, -1)))
    return torch.stack(errors, 1)
