"""A watch over the offsets of deformable convolutions, which training may drive out of the frame.

Once they are there, gradients no longer bring them back, and the network goes on without what it should align. That is
known of EDVR and its descendants, whose training code stops as this does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from subband.layers import SpectralAlignment

__all__ = ["OffsetWatch"]

_FARTHEST = 50.0  # pixels of its level, on average: the limit of EDVR's training code


class OffsetWatch:
    """Notes how far the aligning layers of a network look, whenever it runs.

    Args:
        model: A network, with or without such layers.
    """

    def __init__(self, model: nn.Module) -> None:
        self._largest: Tensor | None = None
        for part in model.modules():
            if isinstance(part, SpectralAlignment):
                part.register_forward_hook(self._note)

    def logged(self) -> dict[str, Tensor]:
        """The largest mean offset of a layer since the last call, in pixels of its level; empty without such layers."""
        largest, self._largest = self._largest, None
        return {} if largest is None else {"offset": largest}

    def check(self) -> None:
        """Look at what was seen since the last call.

        Raises:
            DivergenceError: If offsets are far too large.
        """
        from subband.training.checkpoints import DivergenceError  # with Lightning, which info and export do without

        value = self.logged().get("offset")
        if value is not None and float(value) > _FARTHEST:
            raise DivergenceError(
                f"offsets of the deformable convolutions are {float(value):.0f} pixels on average: training has "
                "diverged; lower optim.lr, or the factor of the alignment in optim.lr_factors."
            )

    @torch.no_grad()
    def _note(self, layer: nn.Module, inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        mean = output[1].detach().float().abs().mean()
        self._largest = mean if self._largest is None else torch.maximum(self._largest, mean)
