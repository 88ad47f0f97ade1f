"""What every video-prediction network shares: input checks, padding, roll-out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from subband.models.gradient_checkpointing import checkpointed
from subband.models.shareable import Shareable
from subband.transforms import pad_to_multiple

GRAY, COLOR = 1, 3


class VideoModel(Shareable, nn.Module, ABC):
    """Base of networks that map T frames to the next T frames.

    Subclasses implement `forward_clip` for sizes that fit; T is fixed by the weights, H and W are free.

    Args:
        in_shape: `(T, C, H, W)` of a training clip. H and W only document the training size.
        size_multiple: H and W must be multiples of these.
        pad: Pad other sizes by repeating the border and crop the result; False makes them an error.

    Shape:
        frames `(B, T, C, H, W)`, range as trained (`[0, 1]` by default); result the same.
    """

    task = "video_prediction"

    def __init__(
        self, in_shape: tuple[int, int, int, int], *, size_multiple: tuple[int, int] = (1, 1), pad: bool = True
    ) -> None:
        super().__init__()
        if not isinstance(in_shape, tuple | list) or len(in_shape) != 4 or min(in_shape) < 1:
            raise ValueError(f"in_shape must be four positive sizes (T, C, H, W), got {in_shape}.")
        self.in_shape = tuple(in_shape)
        self.size_multiple = size_multiple
        self.pad = pad
        self.grad_checkpointing = False

    @abstractmethod
    def forward_clip(self, frames: Tensor) -> Tensor:
        """The network itself, on checked frames `(B, T, C, H, W)` with sides that divide; same shape out."""

    def forward(self, frames: Tensor) -> Tensor:
        """Predict as many frames as are given.

        Args:
            frames: `(B, T, C, H, W)` with the T and C the network was built for.

        Returns:
            The next T frames, `(B, T, C, H, W)`, not clipped.

        Raises:
            ValueError: If T or C differ from the network's, or H, W do not divide and `pad` is off.
        """
        self._check(frames)
        height, width = frames.shape[-2:]
        if height % self.size_multiple[0] == 0 and width % self.size_multiple[1] == 0:
            return self.forward_clip(frames)
        if not self.pad:
            raise ValueError(
                f"frames are {height} x {width}, but sides must be multiples of "
                f"{self.size_multiple[0]} x {self.size_multiple[1]}; build the model with pad=True or resize."
            )
        padded, size = pad_to_multiple(frames, self.size_multiple)
        return self.forward_clip(padded)[..., : size[0], : size[1]]

    def predict(self, frames: Tensor, num_frames: int) -> Tensor:
        """Predict any number of frames by feeding predictions back.

        Each pass consumes the T frames of the pass before, as in training of the published models.

        Args:
            frames: `(B, T', C', H, W)` with T' >= T; the last T count. A gray network (C = 1) takes color
                frames channel by channel; a color one (C = 3) takes gray frames and returns gray.
            num_frames: How many frames to return; may be smaller or larger than T.

        Returns:
            `(B, num_frames, C', H, W)`, not clipped.

        Raises:
            ValueError: If there are fewer than T frames, `num_frames` < 1, or channels do not fit.
        """
        if num_frames < 1:
            raise ValueError(f"num_frames must be at least 1, got {num_frames}.")
        if frames.ndim != 5:
            raise ValueError(f"frames must be (B, T, C, H, W), got {frames.ndim} axes.")
        in_frames, in_chans = self.in_shape[:2]
        if frames.shape[1] < in_frames:
            raise ValueError(f"this model needs {in_frames} input frames, got {frames.shape[1]}.")
        frames, channels = frames[:, -in_frames:], frames.shape[2]
        if in_chans == GRAY and channels > GRAY:
            merged = frames.movedim(2, 1).flatten(0, 1).unsqueeze(2)  # (B*C', T, 1, H, W)
            return self._roll_out(merged, num_frames).squeeze(2).unflatten(0, (-1, channels)).movedim(1, 2)
        if in_chans == COLOR and channels == GRAY:
            return self._roll_out(frames.expand(-1, -1, COLOR, -1, -1), num_frames).mean(2, keepdim=True)
        return self._roll_out(frames, num_frames)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute block activations in the backward pass: less memory, about a third more time."""
        self.grad_checkpointing = enable

    def checkpointed(self, block: Callable[..., Tensor], *args: Tensor) -> Tensor:
        """Run a block, under gradient checkpointing when that is on and gradients are wanted."""
        return checkpointed(self, block, *args)

    def _roll_out(self, frames: Tensor, num_frames: int) -> Tensor:
        passes = [self(frames)]
        while len(passes) * self.in_shape[0] < num_frames:
            passes.append(self(passes[-1]))
        return torch.cat(passes, 1)[:, :num_frames]

    def _check(self, frames: Tensor) -> None:
        in_frames, in_chans = self.in_shape[:2]
        if frames.ndim != 5:
            raise ValueError(f"frames must be (B, T, C, H, W), got {frames.ndim} axes.")
        if frames.shape[1] != in_frames:
            raise ValueError(
                f"this model takes {in_frames} frames (T is part of its weights), got {frames.shape[1]}; "
                "use predict(frames, num_frames) for other lengths or build it with another in_shape."
            )
        if frames.shape[2] != in_chans:
            raise ValueError(f"this model takes {in_chans} channel(s), got {frames.shape[2]}.")
