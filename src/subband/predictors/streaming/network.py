"""What must be known of a network so that clips of any length and size can be sent through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

EndMode = Literal["replicate", "reflect"]


class View(NamedTuple):
    """Which part of a clip a network is given.

    Attributes:
        numbers: Number in the clip of every frame that is given; made-up frames have that of the frame they repeat.
        prior: What `ClipNetwork.prior` says about these frames; None without one.
        top: First row of the tile in the frame.
        left: First column of the tile in the frame.
    """

    numbers: tuple[int, ...]
    prior: Tensor | None = None
    top: int = 0
    left: int = 0


@dataclass(frozen=True, kw_only=True)
class ClipNetwork:
    """A network, or any function, on windows of a clip, with the facts by which they are cut.

    Attributes:
        restore: Called with frames `(T, 3, H, W)` in `[0, 1]` on `device` and a `View`; returns those in the middle,
            `(T - past_frames - future_frames, C, scale * H, scale * W)`, C = 1 or 3. H and W are multiples of
            `size_multiple`.
        prior: Called with whole frames and a `View`; returns a quantity per frame, `(T, ...)`, that must not depend on
            the tile, such as a latent of the frame. It is handed to `restore` for every tile.
        past_frames: Frames before each restored one that the network must see.
        future_frames: Frames after it.
        end_mode: What stands for frames beyond the ends of a scene: the first or last one, or a mirror image in time.
        min_frames: Fewest frames it takes; the last one of a shorter scene is repeated.
        window: Most frames of a clip in one window.
        settle: Frames at each end of a window, beyond those that must be seen, whose results are worse because a
            recurrence begins there; they are taken from the neighbor.
        size_multiple: Number that H and W must be multiples of; frames are continued by reflection and cropped.
        min_side: Smallest H and W.
        scale: Size of the results over that of the frames.
        tile_overlap: Pixels that neighboring tiles share. The outer quarters are not used, the rest is blended.
        bytes_per_pixel: Peak of the memory it takes, per pixel of every frame in a window; None measures it when
            tiles are chosen automatically.
        device: Where it computes.
        facts: What else results depend on, such as its name and a seed, in values that JSON has.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> blur = ClipNetwork(restore=lambda x, view: (x[:-2] + x[1:-1] + x[2:]) / 3, past_frames=1, future_frames=1)
        >>> blur.margins
        (1, 1)
    """

    restore: Callable[[Tensor, View], Tensor]
    prior: Callable[[Tensor, View], Tensor] | None = None
    past_frames: int = 0
    future_frames: int = 0
    end_mode: EndMode = "replicate"
    min_frames: int = 1
    window: int = 16
    settle: int = 0
    size_multiple: int = 1
    min_side: int = 1
    scale: int = 1
    tile_overlap: int = 64
    bytes_per_pixel: float | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("min_frames", "window", "size_multiple", "min_side", "scale", "tile_overlap"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("past_frames", "future_frames", "settle"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}.")
        if self.end_mode not in ("replicate", "reflect"):
            raise ValueError(f"end_mode must be replicate or reflect, got {self.end_mode!r}.")

    @property
    def margins(self) -> tuple[int, int]:
        """Results at the beginning and at the end of a window inside a scene that are taken from its neighbors."""
        return self.past_frames + self.settle, self.future_frames + self.settle

    def places(self, num_frames: int, *, starts_scene: bool, ends_scene: bool) -> list[int]:
        """Which frames of a window the network is given.

        Args:
            num_frames: T of the window.
            starts_scene: Whether nothing of the scene comes before.
            ends_scene: Whether nothing of the scene comes after.

        Returns:
            Numbers from 0 to T - 1; those for frames beyond the ends of the scene repeat or mirror others.
        """
        first = -self.past_frames if starts_scene else 0
        stop = num_frames + (self.future_frames if ends_scene else 0)
        wanted = range(first, max(stop, first + self.min_frames))
        if self.end_mode == "replicate" or num_frames == 1:
            return [min(max(place, 0), num_frames - 1) for place in wanted]
        period = 2 * (num_frames - 1)
        return [min(place % period, -place % period) for place in wanted]


def frame_noise(
    numbers: Sequence[int], shape: Sequence[int], seed: int, *, device: torch.device | str = "cpu"
) -> Tensor:
    """Normal noise that depends on the seed and the number of the frame only, however a clip is cut into windows.

    Args:
        numbers: Number in the clip of every frame, as a `View` has them.
        shape: Of the noise of one frame.
        seed: Any number from 0 on.
        device: Where to put it; the values are the same everywhere.

    Returns:
        `(T, *shape)` float32.

    Example:
        >>> (frame_noise([3, 4], (2,), seed=0)[1] == frame_noise([4], (2,), seed=0)[0]).all().item()
        True
    """
    made: dict[int, Tensor] = {}
    for number in numbers:
        if number not in made:
            generator = torch.Generator().manual_seed(int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
            made[number] = torch.randn(tuple(shape), generator=generator)
    return torch.stack([made[number] for number in numbers]).to(device)
