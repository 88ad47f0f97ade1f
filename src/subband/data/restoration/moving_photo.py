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
from subband.data.restoration.sensor import Sensor, exposures, num_subframes, subframe_times
from subband.data.restoration.settings import BlurSettings
from subband.data.video.camera import pixel_offsets

_MOST_SUBFRAMES = 65
_LOOKS_PER_FRAME = 8  # places of a path that are looked at to know how far it goes
_VALUES_AT_ONCE = 2**24  # of light: bounds the memory of sub-frames


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
        self.exposures = exposures(draws, settings, num_frames)
        self._size = size
        self._path = CameraPath(draws, num_frames, settings.speed, settings.roll)
        self._offsets = pixel_offsets(*size, device)
        times = np.linspace(-0.5, num_frames - 0.5, num_frames * _LOOKS_PER_FRAME + 1)
        self._scene, self._shift = self._cut(photo, draws, times, torch.device(device))
        self._objects = [self._object(cutout, draws, settings, num_frames, torch.device(device)) for cutout in cutouts]

    def frame(self, number: int) -> tuple[Tensor, Tensor]:
        """A degraded and a sharp frame, both `(3, H, W)` in [0, 1], of 8 bits.

        Args:
            number: 0 to `num_frames` - 1.
        """
        subframes = self.subframes(number)
        sharp = subframes[len(subframes) // 2]
        return self.sensor.degraded(subframes.mean(0), number), self.sensor.sharp(sharp)

    def subframes(self, number: int) -> Tensor:
        """Light at equal distances during the exposure of a frame, `(N, 3, H, W)`; N is odd, the middle its center."""
        exposure = self.exposures[number]
        looks = number + np.linspace(-exposure / 2, exposure / 2, _LOOKS_PER_FRAME + 1)
        ways = [self._path.movement(*self._size, looks), *(item.movement(looks) for item in self._objects)]
        height, width = self._size
        most = max(min(_MOST_SUBFRAMES, _VALUES_AT_ONCE // (3 * height * width)), 9)
        times = number + subframe_times(exposure, num_subframes(max(ways), most | 1))
        frames = sample(self._scene, self._path.places(self._offsets, times) + self._shift)
        for item in self._objects:
            item.cover(frames, self._offsets, times)
        return frames

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
