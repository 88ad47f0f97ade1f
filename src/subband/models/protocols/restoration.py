"""What every network for video restoration shares: value range, borders in time and space, and the call `restore`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn

from subband.models.gradient_checkpointing import checkpointed
from subband.models.shareable import Shareable
from subband.transforms import crop, pad_to_multiple

__all__ = ["BorderMode", "ChannelOrder", "RestorationModel"]

COLORS = 3
BorderMode: TypeAlias = Literal["replicate", "reflect"]
ChannelOrder: TypeAlias = Literal["RGB", "BGR"]


class RestorationModel(Shareable, nn.Module, ABC):
    """Base of networks that map degraded clips to restored ones.

    A network sees frames before and after the one it restores: calling it gives `T - past_frames - future_frames`
    frames, those in the middle, in the value range and channel order of its weights. `restore` gives all frames, in RGB
    and [0, 1], whatever the network needs. Sides that do not divide are filled by reflection and cropped again.

    Attributes:
        value_range: What black and white are to the network.
        channel_order: Order of the colors that the network takes and gives.
        past_frames: Frames before a restored one that the network must see.
        future_frames: Frames after it.
        border_mode: How `restore` makes up frames before the first and after the last one.
        size_multiple: H and W are filled up to multiples of it.
        window_frames: Frames of a long clip that are restored at once.
        supports_half: Whether it computes safely in bfloat16.
        settle_frames: Frames at each end of such a window whose results are worse, since a recurrence begins there.
        example_shape: `(T, H, W)` of the clip that is measured and exported where no other size is asked for.
        scale: S, side of a frame that comes out over that of one that goes in.

    Shape:
        frames `(B, T, 3, H, W)` with `T >= min_frames`; result `(B, T - past_frames - future_frames, 3, S H, S W)`, not
        clipped.
    """

    task = "restoration"
    input_axes: ClassVar[str] = "B T C H W"
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    channel_order: ClassVar[ChannelOrder] = "RGB"
    border_mode: ClassVar[BorderMode] = "replicate"
    size_multiple: ClassVar[int] = 1
    window_frames: ClassVar[int] = 16
    supports_half: ClassVar[bool] = True
    settle_frames: ClassVar[int] = 0
    example_shape: ClassVar[tuple[int, int, int]] = (5, 64, 64)
    scale: int = 1

    def __init__(self, *, past_frames: int = 0, future_frames: int = 0) -> None:
        super().__init__()
        if past_frames < 0 or future_frames < 0:
            raise ValueError(f"past_frames and future_frames must not be negative, got {past_frames}, {future_frames}.")
        self.past_frames, self.future_frames = past_frames, future_frames
        self.grad_checkpointing = False

    @property
    def min_frames(self) -> int:
        """Frames of the shortest clip that can be given."""
        return self.past_frames + 1 + self.future_frames

    @abstractmethod
    def forward_clip(self, frames: Tensor) -> Tensor:
        """The network itself, on checked frames `(B, T, 3, H, W)` whose sides divide."""

    def forward(self, frames: Tensor) -> Tensor:
        """Restore the middle frames of clips.

        Args:
            frames: `(B, T, 3, H, W)` in `value_range` and `channel_order`.

        Returns:
            `(B, T - past_frames - future_frames, 3, S H, S W)`, the same range and order, not clipped.

        Raises:
            ValueError: If there are too few frames, or the shape is another one.
        """
        padded, (height, width) = self.checked(frames)
        return crop(self.forward_clip(padded), (self.scale * height, self.scale * width))

    def checked(self, frames: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Frames filled up to sides that divide, and their `(H, W)` before that.

        Raises:
            ValueError: If the shape is not `(B, T, 3, H, W)` or T is below `min_frames`.
        """
        if frames.ndim != 5 or frames.shape[2] != COLORS:
            raise ValueError(f"frames must be (B, T, 3, H, W), got {tuple(frames.shape)}.")
        if frames.shape[1] < self.min_frames:
            raise ValueError(f"this model takes {self.min_frames} frames or more, got {frames.shape[1]}.")
        can_mirror = min(frames.shape[-2:]) > 1
        return pad_to_multiple(frames, self.size_multiple, "reflect" if can_mirror else "replicate")

    def restore(self, frames: Tensor, **options: Any) -> Tensor:
        """Restore all frames of clips of any length and size.

        Args:
            frames: `(B, T, 3, H, W)` in [0, 1], RGB, T at least 1.
            options: What else the call of this network takes, such as `noise` of VD-Diff.

        Returns:
            `(B, T, 3, S H, S W)`, RGB, about [0, 1], not clipped.
        """
        if frames.ndim != 5 or not frames.shape[1]:
            raise ValueError(f"frames must be (B, T, 3, H, W) with a frame at least, got {tuple(frames.shape)}.")
        places = torch.tensor(self.frame_places(frames.shape[1]), device=frames.device)
        return self.from_network(self(self.to_network(frames.index_select(1, places)), **options))

    def frame_places(self, num_frames: int) -> list[int]:
        """Which frames of a video of T the network is given to restore all of them.

        Args:
            num_frames: T, at least 1.

        Returns:
            `past_frames + T + future_frames` numbers from 0 to T - 1; made-up frames repeat or mirror real ones.
        """
        wanted = range(-self.past_frames, num_frames + self.future_frames)
        if self.border_mode == "replicate" or num_frames == 1:
            return [min(max(place, 0), num_frames - 1) for place in wanted]
        period = 2 * (num_frames - 1)
        return [min(place % period, -place % period) for place in wanted]

    def to_network(self, frames: Tensor) -> Tensor:
        """RGB frames `(..., 3, H, W)` in [0, 1] in the range and order of the network."""
        low, high = self.value_range
        ordered = frames.flip(-3) if self.channel_order == "BGR" else frames
        return ordered if (low, high) == (0.0, 1.0) else ordered * (high - low) + low

    def from_network(self, frames: Tensor) -> Tensor:
        """The inverse of `to_network`."""
        low, high = self.value_range
        plain = frames if (low, high) == (0.0, 1.0) else (frames - low) / (high - low)
        return plain.flip(-3) if self.channel_order == "BGR" else plain

    def example_input(self, *, batch: int = 1, height: int | None = None, width: int | None = None) -> Any:
        """Arguments of a call, random, the same in every run.

        Args:
            batch: B.
            height: H; that of `example_shape` by default.
            width: W; that of `example_shape` by default.

        Raises:
            ValueError: If a size is not positive.
        """
        return self.example_clip(batch, height, width)

    def example_clip(self, batch: int, height: int | None, width: int | None, seed: int = 0) -> Tensor:
        """A random clip in the network's range and order; see `example_input`."""
        num_frames, *sides = self.example_shape
        height, width = (side if given is None else given for side, given in zip(sides, (height, width), strict=True))
        if min(batch, height, width) < 1:
            raise ValueError(f"batch, height and width must be positive, got {batch}, {height} and {width}.")
        shape = (batch, max(num_frames, self.min_frames), COLORS, height, width)
        return self.to_network(torch.rand(shape, generator=torch.Generator().manual_seed(seed)))

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute block activations in the backward pass: less memory, about a third more time."""
        self.grad_checkpointing = enable

    def checkpointed(self, block: Callable[..., Tensor], *args: Tensor) -> Tensor:
        """Run a block, under gradient checkpointing when that is on and gradients are wanted."""
        return checkpointed(self, block, *args)

    def checkpointing(self, block: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """A block that `checkpointed` runs."""
        return lambda *args: self.checkpointed(block, *args)
