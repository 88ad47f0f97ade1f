"""How small frames are made of large ones: the two ways of published data sets, and one that is nearer to cameras."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.restoration.draws import Draws, pixel_noise
from subband.data.restoration.jpeg import jpeg
from subband.data.restoration.response import eight_bit
from subband.imaging import imresize
from subband.media.recompression import h264
from subband.media.video import to_pixels

__all__ = ["Degradation", "Downscaling", "check_degradation", "gaussian_blur"]

Degradation = Literal["bicubic", "gaussian", "camera"]
PUBLISHED_SIGMA, PUBLISHED_SCALE = 1.6, 4  # of `gaussian`
REACH = 3.75  # standard deviations: 6 pixels for the published kernel of 13 x 13
BLURS = (0.1, 0.4)  # of `camera`, standard deviation over scale
NOISES = (0.001, 0.03)  # standard deviation, images being in [0, 1]
QUALITIES = (40, 95)  # of JPEG files
VIDEO_SHARE = 0.5  # of the clips of `camera` that H.264 has compressed, the others JPEG
RATE_FACTORS = (18, 35)  # of H.264


class Downscaling:
    """What makes the frames of one clip small.

    Args:
        degradation: `bicubic` ("BI"): MATLAB's `imresize`. `gaussian` ("BD"): a Gaussian of 1.6 pixels for a scale of
            4, in proportion for others, then every S-th pixel. `camera`: a Gaussian of a random width, `imresize`,
            noise, and compression, of one half of the clips by JPEG, of the other by H.264.
        scale: S.
        draws: Numbers of the clip.
    """

    def __init__(self, degradation: Degradation, scale: int, draws: Draws) -> None:
        self._degradation, self._scale = degradation, scale
        self._sigma = scale * draws.number(*BLURS)
        self._noise = draws.log_number(*NOISES)
        self._quality = QUALITIES[0] + draws.below(QUALITIES[1] - QUALITIES[0] + 1)
        self._noise_seed = draws.generator_seed()
        stored = Draws(self._noise_seed, 0)  # numbers of their own, so that those of the clip go on as without them
        is_video, factor = stored.happens(VIDEO_SHARE), stored.below(RATE_FACTORS[1] - RATE_FACTORS[0] + 1)
        self._rate_factor = RATE_FACTORS[0] + factor if is_video else None

    def __call__(self, frames: Tensor) -> Tensor:
        """Small frames `(T, 3, H / S, W / S)` of 8 bits in [0, 1].

        Args:
            frames: `(T, 3, H, W)` in [0, 1], sides multiples of S, or rounded up.

        Raises:
            ImportError: If the clip is compressed as a video and PyAV is not installed.
        """
        small = torch.stack([eight_bit(self._small(frame, number)) for number, frame in enumerate(frames)])
        if self._degradation != "camera":
            return small
        if self._rate_factor is None:
            return torch.cat([jpeg(frame[None], self._quality) for frame in small])
        decoded = h264(to_pixels(small), self._rate_factor)
        return torch.from_numpy(decoded).movedim(-1, 1).float() / 255

    def _small(self, frame: Tensor, number: int) -> Tensor:
        """A small frame `(3, H / S, W / S)` in [0, 1] before it is stored."""
        if self._degradation == "bicubic":
            return imresize(frame, scale=1 / self._scale).clamp(0, 1)
        if self._degradation == "gaussian":
            sigma = PUBLISHED_SIGMA * self._scale / PUBLISHED_SCALE
            return gaussian_blur(frame, sigma)[:, :: self._scale, :: self._scale].clamp(0, 1)
        small = imresize(gaussian_blur(frame, self._sigma), scale=1 / self._scale)
        return (small + self._noise * pixel_noise(self._noise_seed, number, tuple(small.shape))).clamp(0, 1)


def gaussian_blur(frame: Tensor, sigma: float) -> Tensor:
    """A frame `(C, H, W)` blurred by a Gaussian, borders mirrored.

    Args:
        frame: Any range.
        sigma: Standard deviation in pixels; the kernel reaches to 3.75 of them, at most to the border.
    """
    for axis in (-1, -2):
        reach = min(math.ceil(REACH * sigma), frame.shape[axis] - 1)
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=frame.dtype) / sigma) ** 2)
        kernel = (kernel / kernel.sum()).view(1, 1, -1)
        lines = frame.movedim(axis, -1)
        flat = F.pad(lines.reshape(-1, 1, lines.shape[-1]), (reach, reach), mode="reflect")
        frame = F.conv1d(flat, kernel).view(lines.shape).movedim(-1, axis)
    return frame


def check_degradation(degradation: str) -> None:
    """Refuse names that there are not.

    Raises:
        ValueError: Naming those that there are.
    """
    if degradation not in get_args(Degradation):
        raise ValueError(f"degradation must be one of {', '.join(get_args(Degradation))}, got {degradation!r}")
