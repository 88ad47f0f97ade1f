"""A network on the windows of a clip: ends in time, sizes that do not divide, tiles, memory that does not suffice."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from subband.media.frames import Frame
from subband.media.video import to_pixels
from subband.predictors.streaming.memory import free_memory, is_out_of_memory, peak_bytes
from subband.predictors.streaming.network import ClipNetwork, View
from subband.predictors.streaming.scene_cuts import SceneCuts, marked
from subband.predictors.streaming.tiling import Tile, blend_tiles, plan_tiles, smallest_tile
from subband.predictors.windows import Window, cut_windows
from subband.transforms.padding import crop, pad

TileChoice = Literal["auto", "off"] | int

_SHARE = 0.6  # of the free memory that a window may take
_NOTE = "tile"


class NetworkRunner:
    """What `stream_clip` takes as `process` to send a clip through a network.

    Args:
        network: The network and its facts.
        window: Most frames of the clip in one window; by default the network's.
        tile: Longest side of the tiles that a frame is cut into: `auto` cuts only if a window would take more than 0.6
            of the free memory, `off` never, a number always when a frame is larger. Unless it is `off`, tiles become
            smaller with a warning when the memory does not suffice. Networks that look at a whole frame (channel
            attention) give slightly different results in tiles.

    Raises:
        ValueError: If `tile` is neither of these, or `window` does not exceed the frames that are not kept.

    Example:
        >>> runner = NetworkRunner(ClipNetwork(restore=lambda frames, view: 1 - frames, window=4))
        >>> runner.run(torch.zeros(6, 3, 8, 8)).mean().item()
        1.0
    """

    def __init__(self, network: ClipNetwork, *, window: int | None = None, tile: TileChoice = "auto") -> None:
        self.network = network
        self.window = network.window if window is None else window
        self.margins = network.margins
        if self.window <= sum(self.margins):
            raise ValueError(
                f"window must be above {sum(self.margins)}, the frames of it that are neighbors only for this network; "
                f"got {self.window}."
            )
        is_number = isinstance(tile, int) and not isinstance(tile, bool)
        if not (is_number or tile in ("auto", "off")) or (isinstance(tile, int) and tile < 1):
            raise ValueError(f"tile must be auto, off or a number of pixels, got {tile!r}.")
        self.tile = tile
        self.begin({}, _ignore)

    @property
    def facts(self) -> dict[str, Any]:
        """What results depend on, in values that JSON has."""
        network = self.network
        names = ("past_frames", "future_frames", "end_mode", "min_frames", "settle", "size_multiple", "min_side")
        numbers = {name: getattr(network, name) for name in (*names, "scale", "tile_overlap")}
        return {"window": self.window, "tile": self.tile, **numbers, "network": dict(network.facts)}

    def begin(self, notes: Mapping[str, Any], note: Callable[[str, Any], None]) -> None:
        """Prepares for a clip; a job that goes on takes the tiles it had, which free memory does not change.

        Args:
            notes: What an interrupted job has noted.
            note: Called with what shall be noted.
        """
        self._note = note
        self._side: int | None = self.tile if isinstance(self.tile, int) else None  # None for whole frames
        self._is_chosen = self.tile != "auto"
        if _NOTE in notes:
            self._side, self._is_chosen = notes[_NOTE], True

    def __call__(self, frames: Tensor, window: Window) -> Tensor:
        """Results of a window that are kept.

        Args:
            frames: Those of the window, `(T, 3, H, W)` in `[0, 1]`.
            window: Where they stand in the clip.

        Returns:
            `(K, C, scale * H, scale * W)`, `K` as many as `window.keep` holds; on the CPU where tiles were blended.

        Raises:
            ValueError: If the network returns another shape, or the memory does not suffice for the smallest tiles.
        """
        network = self.network
        places = network.places(len(frames), starts_scene=window.starts_scene, ends_scene=window.ends_scene)
        view = View(tuple(window.first + place for place in places))
        size = (frames.shape[-2] * network.scale, frames.shape[-1] * network.scale)
        given = self._padded(frames[places].to(network.device))
        results = self._restore(given, view)
        skipped = 0 if window.starts_scene else network.past_frames
        return crop(results[window.keep.start - skipped : window.keep.stop - skipped], size)

    def run(self, frames: Tensor, *, scene_cuts: SceneCuts = "off") -> Tensor:
        """A clip in memory, by the same windows and tiles as a file.

        Args:
            frames: `(T, 3, H, W)` in `[0, 1]`.
            scene_cuts: `auto` looks for cuts, at which windows end.

        Returns:
            `(T, C, scale * H, scale * W)` on the CPU.
        """
        self.begin({}, _ignore)
        stills = (Frame(to_pixels(frame[None])[0] if scene_cuts == "auto" else _NOTHING) for frame in frames)
        windows = cut_windows(marked(stills, scene_cuts), self.window, self.margins)
        with torch.inference_mode():
            parts = [self(frames[part.first : part.first + len(part.frames)], part).cpu() for part in windows]
        return torch.cat(parts)

    def _padded(self, frames: Tensor) -> Tensor:
        """Frames whose sides are long enough and multiples of the network's number."""
        multiple = self.network.size_multiple
        for axis in (-2, -1):
            side = frames.shape[axis]
            more = math.ceil(max(side, self.network.min_side) / multiple) * multiple - side
            if more:
                frames = pad(frames, (0, more), "reflect" if side > 1 else "constant", axes=axis)
        return frames

    def _restore(self, frames: Tensor, view: View) -> Tensor:
        """Results of whole frames, in tiles where needed, in smaller ones where the memory does not suffice."""
        if self.network.prior is not None:
            view = view._replace(prior=self.network.prior(frames, view))
        if not self._is_chosen:
            self._choose(frames, view)
        while True:
            try:
                return self._tiled(frames, view)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                problem = error.with_traceback(None)  # which would keep all tensors of the call
            self._shrink(frames, problem)

    def _tiled(self, frames: Tensor, view: View) -> Tensor:
        network, (height, width) = self.network, frames.shape[-2:]
        if self._side is None or max(height, width) <= self._side:
            return self._checked(frames, view)
        tiles = plan_tiles(height, width, self._side, network.tile_overlap, network.size_multiple)

        def restore(part: Tensor, tile: Tile) -> Tensor:
            return self._checked(part, view._replace(top=tile.top, left=tile.left))

        return blend_tiles(frames, tiles, network.scale, restore)

    def _checked(self, frames: Tensor, view: View) -> Tensor:
        network = self.network
        results = network.restore(frames, view)
        count = len(frames) - network.past_frames - network.future_frames
        sides = tuple(side * network.scale for side in frames.shape[-2:])
        if results.ndim != 4 or len(results) != count or results.shape[1] not in (1, 3) or results.shape[2:] != sides:
            raise ValueError(
                f"the network must return {count} frames (T, C, {sides[0]}, {sides[1]}) with C = 1 or 3 of "
                f"{tuple(frames.shape)}, got {tuple(results.shape)}."
            )
        return results

    def _choose(self, frames: Tensor, view: View) -> None:
        """Tiles if the window would take too much of the free memory."""
        self._is_chosen = True
        free = free_memory(self.network.device)
        if free is not None:
            per_pixel = self.network.bytes_per_pixel or self._measure(frames, view)
            most = max(len(frames), self.window + self.network.past_frames + self.network.future_frames)
            area = _SHARE * free / (per_pixel * most)  # pixels of a frame that fit
            if area < frames.shape[-2] * frames.shape[-1]:
                self._side = max(self._rounded(math.sqrt(area)), self._smallest)
        self._note(_NOTE, self._side)

    def _measure(self, frames: Tensor, view: View) -> float:
        """Bytes per pixel, from a corner of the frames."""
        multiple = self.network.size_multiple
        side = math.ceil(max(self.network.min_side, 64) / multiple) * multiple
        # In inference mode, operations made of others reach the watch whole, and autocast does not look into them.
        with torch.inference_mode(False), torch.no_grad():
            corner = frames[..., :side, :side].clone()
            view = view._replace(prior=None if view.prior is None else view.prior.clone())
            peak = peak_bytes(lambda: self._checked(corner, view)) + corner.element_size() * corner.numel()
        return peak / (len(frames) * corner.shape[-2] * corner.shape[-1])

    @property
    def _smallest(self) -> int:
        network = self.network
        return max(smallest_tile(network.tile_overlap, network.size_multiple), self._rounded(network.min_side, up=True))

    def _rounded(self, side: float, *, up: bool = False) -> int:
        multiple = self.network.size_multiple
        return (math.ceil(side / multiple) if up else math.floor(side / multiple)) * multiple

    def _shrink(self, frames: Tensor, problem: BaseException) -> None:
        """Half the side of the tiles, or an error if that cannot be."""
        before = min(self._side or math.inf, max(frames.shape[-2:]))
        if self.tile == "off":
            raise ValueError(
                f"a window of {len(frames)} frames does not fit into the memory of {self.network.device}; allow tiles "
                "(tile auto) or take shorter windows."
            ) from problem
        side = max(self._rounded(before / 2), self._smallest)
        if side >= before:
            raise ValueError(
                f"even tiles of {before} pixels of {len(frames)} frames do not fit into the memory of "
                f"{self.network.device}; take shorter windows."
            ) from problem
        warnings.warn(
            f"the memory of {self.network.device} does not suffice; tiles of {side} pixels are taken from here on.",
            stacklevel=2,
        )
        self._side = side
        self._note(_NOTE, side)
        if self.network.device.type == "cuda":
            torch.cuda.empty_cache()


_NOTHING = np.empty((0, 0, 3), np.uint8)


def _ignore(name: str, value: object) -> None:
    """What a clip in memory notes, which is over when it ends."""
