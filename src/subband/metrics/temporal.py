"""How well reconstructed clips show what changes in them."""

from __future__ import annotations

import torch
from torch import Tensor

from subband.extras import names_extra
from subband.transforms import dwt

with names_extra("these scores need"):
    from torchmetrics import Metric

__all__ = ["TemporalError"]


class TemporalError(Metric):
    """How well reconstructed clips show what changes: the squared error of the details of a Haar transform along time.

    It is that of the differences of the frames 1 and 2, 3 and 4 and so on, halved. The transform is a rotation, so this
    and the error of the sums have the squared error of the clips as their mean.

    Shape:
        - recon, target: `(B, T, C, H, W)` in [0, 1]; the last frame of an odd number does not count

    Example:
        >>> error, still = TemporalError(), torch.full((1, 2, 1, 4, 4), 0.5)
        >>> moving = still + torch.tensor([0.1, -0.1]).view(1, 2, 1, 1, 1)
        >>> error.update(still, moving)
        >>> round(error.compute().item(), 4)
        0.02
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    squares: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("squares", "values"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, recon: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            recon: Reconstructed clips, `(B, T, C, H, W)`, T at least 2.
            target: The clips themselves.

        Raises:
            ValueError: If the shapes differ, or there is one frame only.
        """
        if recon.ndim != 5 or recon.shape != target.shape or recon.shape[1] < 2:
            raise ValueError(
                "recon and target must be (B, T, C, H, W) alike with two frames at least, got "
                f"{tuple(recon.shape)}, {tuple(target.shape)}"
            )
        pairs = recon.shape[1] // 2 * 2
        difference = recon.float().clamp(0, 1) - target.float().clamp(0, 1)
        _, details = dwt(difference[:, :pairs], "haar", "periodization", axis=1)
        self.squares = self.squares + details.double().square().sum()
        self.values = self.values + details.numel()

    def compute(self) -> Tensor:
        """The error over all clips, a scalar.

        Raises:
            ValueError: If no clip was added.
        """
        if not self.values:
            raise ValueError("there is nothing to score: no clip was added")
        return self.squares / self.values
