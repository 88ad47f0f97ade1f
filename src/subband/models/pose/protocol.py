"""What every network for pose shares: how many joints it knows, the size of its crops, an example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from subband.models.shareable import Shareable

__all__ = ["COLORS", "STRIDE", "PoseModel"]

COLORS = 3
STRIDE = 4  # pixels of a crop per entry of a heatmap


class PoseModel(Shareable, nn.Module):
    """Base of networks from crops of a person to heatmaps of joints.

    Args:
        num_joints: Joints K.
        img_size: `(H, W)` of the crops.
        num_frames: T of clips; None of networks for single crops.

    Attributes:
        input_axes: `B C H W`, or `B T C H W` for clips of one box.

    Shape:
        crops `(B, 3, H, W)` or clips `(B, T, 3, H, W)`; heatmaps `(B, K, H / 4, W / 4)`, of clips those of frame
        `T // 2`.

    Raises:
        ValueError: If a number is not positive.
    """

    task = "pose"
    input_axes: ClassVar[str]

    def __init__(self, *, num_joints: int, img_size: Sequence[int], num_frames: int | None = None) -> None:
        super().__init__()
        if num_joints < 1:
            raise ValueError(f"num_joints must be positive, got {num_joints}.")
        if num_frames is not None and num_frames < 1:
            raise ValueError(f"num_frames must be positive, got {num_frames}.")
        if len(img_size) != 2 or min(img_size) < 1:
            raise ValueError(f"img_size must be (H, W), both positive, got {tuple(img_size)}.")
        self.num_joints, self.num_frames = num_joints, num_frames
        self.img_size = (img_size[0], img_size[1])

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute blocks of a transformer in the backward pass: less memory, about a third more time.

        Raises:
            ValueError: If the network has no such blocks.
        """
        parts: list[Any] = [part for part in self.modules() if hasattr(part, "grad_checkpointing")]
        if not parts:
            raise ValueError("this network has no gradient checkpointing.")
        for part in parts:
            part.grad_checkpointing = enable

    def example_input(self, *, batch: int = 1, height: int | None = None, width: int | None = None) -> torch.Tensor:
        """Random normalized crops or clips, the same in every run.

        Args:
            batch: B.
            height: H; that of `img_size` by default.
            width: W; that of `img_size` by default.

        Raises:
            ValueError: If a size is not positive.
        """
        height, width = (
            side if given is None else given for side, given in zip(self.img_size, (height, width), strict=True)
        )
        if min(batch, height, width) < 1:
            raise ValueError(f"batch, height and width must be positive, got {batch}, {height} and {width}.")
        frames = () if self.num_frames is None else (self.num_frames,)
        return torch.randn((batch, *frames, COLORS, height, width), generator=torch.Generator().manual_seed(0))
