"""Identity: the frames as they are. The baseline every network for restoration has to beat."""

from torch import Tensor

from subband.models.protocols.restoration import RestorationModel

__all__ = ["Identity"]


class Identity(RestorationModel):
    """Restores nothing; has no parameters.

    Shape:
        frames `(B, T, 3, H, W)`, any range; the same.

    Example:
        >>> import torch
        >>> Identity()(torch.full((1, 1, 3, 1, 1), 0.25)).flatten()
        tensor([0.2500, 0.2500, 0.2500])
    """

    def forward_clip(self, frames: Tensor) -> Tensor:
        """A copy of `frames`, `(B, T, 3, H, W)`."""
        return frames.clone()
