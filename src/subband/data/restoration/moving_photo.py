"""A photograph becomes a clip: a camera moves over it, objects move on it, and every frame is exposed for a while."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.restoration.camera_path import CameraPath
from subband.data.restoration.draws import Draws
from subband.data.restoration.objects import MovingObject
from subband.data.restoration.response import to_linear
from subband.data.restoration.sampling import REACH, sample
from subband.data.restoration.sensor import Sensor, Shutter, num_subframes, subframe_times
from subband.data.restoration.settings import BlurSettings
from subband.data.video.camera import pixel_offsets

_MOST_SUBFRAMES = 65
_LOOKS_PER_FRAME = 8  # places of a path that are looked at to know how far it goes
_VALUES_AT_ONCE = 2**23  # of light: bounds the memory of sub-frames


class MovingPhoto:
    """One clip, a pure function of its numbers; its frames can be made one at a time, in any order.

    Args:
        photo: `(3, h, w)` uint8; enlarged if the camera would leave it otherwise.
        cutouts: Photographs that objects are cut from, `(3, h, w)` uint8.
        draws: Numbers of the clip.
        settings: Ranges.
        num_frames: Frames of the clip, `T`.
        size: `(H, W)` of the frames.
        device: Where frames are made.
    """

    def __init__(
        self,
        photo: Tensor,
        cutouts: list[Tensor],
        draws: Draws,
        settings: BlurSettings,
        *,
        num_frames: int,
        size: tuple[int, int],
        device: torch.device | str = "cpu",
    ) -> None:
        self._response = settings.response
        self.sensor = Sensor(draws, settings)
        shutter = Shutter(draws, settings)
        self.exposures = [shutter.exposure(frame) for frame in range(num_frames)]
        self._size = size
        self._path = CameraPath(draws, num_frames, settings.speed, settings.roll)
        self._offsets = pixel_offsets(*size, device)
        times = np.linspace(-0.5, num_frames - 0.5, num_frames * _LOOKS_PER_FRAME + 1)
        self._scene, self._shift = self._cut(photo, draws, times, torch.device(device))
        self._objects = [self._object(cutout, draws, settings, num_frames, torch.device(device)) for cutout in cutouts]
        self._counts = self._count_subframes()

    def frame(self, number: int) -> tuple[Tensor, Tensor]:
        """A degraded and a sharp frame, both `(3, H, W)` in [0, 1], of 8 bits.

        Args:
            number: 0 to `num_frames` - 1.
        """
        times = self.subframe_times(number)
        at_once = max(_VALUES_AT_ONCE // (3 * self._size[0] * self._size[1]), 1)
        total, sharp = None, None
        for first in range(0, len(times), at_once):
            light = self.light(times[first : first + at_once])
            total = light.sum(0) if total is None else total.add_(light.sum(0))
            if first <= len(times) // 2 < first + len(light):
                sharp = self.sensor.sharp(light[len(times) // 2 - first])
        assert total is not None
        assert sharp is not None
        return self.sensor.degraded(total / len(times), number), sharp

    def subframe_times(self, number: int) -> Tensor:
        """Times at equal distances during the exposure of a frame, an odd number, the middle one its center."""
        return number + subframe_times(self.exposures[number], self._counts[number])

    def light(self, times: Tensor) -> Tensor:
        """What falls on the sensor at some times, `(N, 3, H, W)`.

        Args:
            times: In frames, `(N,)`.
        """
        frames = sample(self._scene, self._path.places(self._offsets, times) + self._shift)
        for item in self._objects:
            item.cover(frames, self._offsets, times)
        return frames

    def _count_subframes(self) -> list[int]:
        """Sub-frames of every exposure, as many as the fastest movement in it needs."""
        within = np.linspace(-0.5, 0.5, _LOOKS_PER_FRAME + 1)
        looks = np.arange(len(self.exposures))[:, None] + np.array(self.exposures)[:, None] * within
        ways = [self._path.movements(*self._size, looks), *(item.movements(looks) for item in self._objects)]
        return [num_subframes(way, _MOST_SUBFRAMES) for way in np.max(ways, axis=0)]

    def _cut(self, photo: Tensor, draws: Draws, times: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
        """Light of the part of the photograph that the camera sees, and what leads from path places to its places."""
        low, high = self._path.extent(*self._size, times)
        room = np.ceil(high - low).astype(int) + 2 * REACH + 2
        photo = enlarged(photo, room.tolist())
        if draws.happens(0.5):
            photo = photo.flip(-1)
        free = np.array(photo.shape[1:]) - room
        first = (draws.numbers(2) * (free + 1)).astype(int)
        part = photo[:, first[0] : first[0] + room[0], first[1] : first[1] + room[1]]
        light = self.sensor.light(to_linear(part.to(device), self._response))
        shift = torch.from_numpy(-(low + high) / 2).to(device, torch.float32)  # the middle of the way is its center
        return light, shift

    def _object(
        self, photo: Tensor, draws: Draws, settings: BlurSettings, num_frames: int, device: torch.device
    ) -> MovingObject:
        side = MovingObject.draw_side(draws, self._size)
        photo = enlarged(photo, [side, side])
        top, left = (draws.below(length - side + 1) for length in photo.shape[1:])
        part = photo[:, top : top + side, left : left + side].to(device)
        path = CameraPath(draws, num_frames, settings.speed, settings.roll)
        return MovingObject(draws, self.sensor.light(to_linear(part, self._response)), path, self._size)


def enlarged(photo: Tensor, room: list[int]) -> Tensor:
    """The photograph itself if it is large enough, otherwise enlarged as little as possible.

    Args:
        photo: `(3, h, w)` uint8.
        room: Rows and columns that are needed.
    """
    scale = max(need / side for need, side in zip(room, photo.shape[1:], strict=True))
    if scale <= 1:
        return photo
    size = [max(need, round(side * scale)) for need, side in zip(room, photo.shape[1:], strict=True)]
    larger = F.interpolate(photo[None].float(), size=size, mode="bicubic", align_corners=False)[0]
    return larger.round_().clamp_(0, 255).to(torch.uint8)
