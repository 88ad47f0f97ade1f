"""From light to the frames of a file: brightness, noise of the sensor, response, rounding, compression."""

from __future__ import annotations

import torch
from torch import Tensor

from subband.data.random import uniform
from subband.data.restoration.draws import Draws, pixel_noise
from subband.data.restoration.jpeg import jpeg
from subband.data.restoration.response import eight_bit, from_linear
from subband.data.restoration.settings import BlurSettings

_CUT_OFF_FROM = 0.9  # light of a photograph above which it may have been more than the file can say
_MOST_LIGHT = 5.0
_BLOCK = 16  # pixels of a side of what JPEG codes together


class Sensor:
    """What a camera does to the light of one clip.

    Args:
        draws: Numbers of the clip.
        settings: Ranges.
    """

    def __init__(self, draws: Draws, settings: BlurSettings) -> None:
        self._response = settings.response
        self._highlight = draws.number(0, _MOST_LIGHT - 1) if draws.happens(settings.highlights) else 0.0
        self._gain = draws.log_number(*settings.brightness)
        is_noisy = draws.happens(settings.noise_share)
        shot, read = draws.log_number(*settings.shot_noise), draws.log_number(*settings.read_noise)
        self._shot, self._read = (shot, read) if is_noisy else (0.0, 0.0)
        is_compressed = draws.happens(settings.jpeg_share)
        low, high = settings.jpeg_quality
        quality = low + draws.below(high - low + 1)
        self._quality = quality if is_compressed else None
        self._noise_seed = draws.generator_seed()

    def light(self, stored: Tensor) -> Tensor:
        """Light of a scene from the light that a file holds, both `(..., 3, H, W)`, 0 or more."""
        if self._highlight:
            excess = ((stored - _CUT_OFF_FROM) / (1 - _CUT_OFF_FROM)).clamp(min=0)
            stored = stored * (1 + self._highlight * excess)
        return stored * self._gain

    def sharp(self, light: Tensor) -> Tensor:
        """A frame `(3, H, W)` as a perfect camera stores it, in [0, 1], of 8 bits."""
        return eight_bit(from_linear(light, self._response))

    def degraded(self, light: Tensor, frame: int) -> Tensor:
        """A frame `(3, H, W)` as this camera stores it, in [0, 1], of 8 bits.

        Args:
            light: What fell on the sensor.
            frame: Number of the frame, for its noise.
        """
        light = light.clamp(0, 1)
        if self._shot:
            noise = pixel_noise(self._noise_seed, frame, tuple(light.shape)).to(light.device)
            light = torch.addcmul(light, noise, (self._shot * light + self._read**2).sqrt())
        stored = eight_bit(from_linear(light, self._response))
        return stored if self._quality is None else jpeg(stored[None], self._quality)[0]


class Shutter:
    """How long the frames of one clip are exposed, however many there will be.

    Args:
        draws: Numbers of the clip.
        settings: Ranges.
    """

    def __init__(self, draws: Draws, settings: BlurSettings) -> None:
        self._usual = draws.number(*settings.exposure)
        self._short, self._share = settings.sharp_exposure, settings.sharp_share
        self._seed = draws.generator_seed()

    def exposure(self, frame: int) -> float:
        """Exposure of a frame as a share of the time between two frames."""
        return self._short if uniform(self._seed, [frame], 1)[0, 0] < self._share else self._usual


def num_subframes(movement: float, most: int) -> int:
    """Sub-frames of an exposure, an odd number so that one lies at its center.

    Args:
        movement: Fastest movement during the exposure, in pixels; sub-frames are at most one pixel apart.
        most: Largest number.

    Example:
        >>> num_subframes(0.2, 65), num_subframes(7.5, 65), num_subframes(1000.0, 65)
        (3, 9, 65)
    """
    return min(max(2 * int((movement + 1) / 2) + 1, 3), most)


def subframe_times(exposure: float, count: int) -> Tensor:
    """Times of sub-frames around the center of an exposure: the centers of equal parts of it, `(count,)` float64."""
    return ((torch.arange(count, dtype=torch.float64) + 0.5) / count - 0.5) * exposure
