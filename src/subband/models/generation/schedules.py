"""How fast diffusion turns coefficients into noise: one schedule for all bands, or one shifted for every band.

Source of the base schedule: Nichol and Dhariwal, Improved Denoising Diffusion Probabilistic Models, ICML 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["BandSchedule", "clean_of", "cosine_signal", "cosine_time", "noise_of", "velocity_of"]

OFFSET = 0.008  # keeps the first step from being too small
LOG_RATIO_LIMIT = 20.0


def cosine_signal(times: Tensor) -> Tensor:
    """Share of the variance that is signal at some times.

    Args:
        times: In [0, 1], any shape; 0 is clean.

    Example:
        >>> cosine_signal(torch.tensor([0.0, 0.5, 0.9]))
        tensor([1.0000, 0.4938, 0.0241])
    """
    start = math.cos(OFFSET / (1 + OFFSET) * math.pi / 2) ** 2
    return (torch.cos((times + OFFSET) / (1 + OFFSET) * (math.pi / 2)).square() / start).clamp(max=1)


def cosine_time(signal: Tensor) -> Tensor:
    """Inverse of `cosine_signal`.

    Args:
        signal: Shares in [0, 1], any shape.

    Example:
        >>> cosine_time(torch.tensor([1.0, 0.4938, 0.0241])).round(decimals=3)
        tensor([0.0000, 0.5000, 0.9000])
    """
    start = math.cos(OFFSET / (1 + OFFSET) * math.pi / 2) ** 2
    return ((signal * start).sqrt().acos() * (2 / math.pi) * (1 + OFFSET) - OFFSET).clamp(min=0)


class BandSchedule(nn.Module):
    """The share of signal of every band: that of `cosine_signal` with its ratio to the noise shifted.

    The log of the ratio of signal to noise is shifted by `2 gamma log(sigma) + shift` for a band whose coefficients
    have standard deviation sigma before they were divided by it. With `gamma` 1 and no shifts all coefficients get the
    same noise: diffusion of pixels, seen in wavelets. With `gamma` 0 all bands vanish together.

    Args:
        gamma: 0 to 1.
        shifts: Per channel, `(K,)`; 0 if not given. Positive ones make a band settle earlier when images are drawn.
        channels: Number of channels K.

    Raises:
        ValueError: If `gamma` is outside of [0, 1] or the shifts are not as many as the channels.

    Example:
        >>> schedule = BandSchedule(1, gamma=1.0)
        >>> schedule(torch.tensor([0.25]), torch.tensor([0.1])).flatten()
        tensor([0.0525])
    """

    shifts: Tensor

    def __init__(self, channels: int, *, gamma: float = 0.5, shifts: Sequence[float] | None = None) -> None:
        super().__init__()
        if not 0 <= gamma <= 1:
            raise ValueError(f"gamma must lie within 0 and 1, got {gamma}.")
        values = [0.0] * channels if shifts is None else list(shifts)
        if len(values) != channels:
            raise ValueError(f"shifts must be {channels} numbers, one a channel, got {len(values)}.")
        self.gamma = gamma
        self.register_buffer("shifts", torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, times: Tensor, spread: Tensor) -> Tensor:
        """Shares of signal.

        Args:
            times: In [0, 1], `(B,)`.
            spread: Standard deviations of the coefficients of every channel, `(K,)`.

        Returns:
            `(B, K, 1, 1)`.
        """
        signal = cosine_signal(times)
        log_ratio = signal.log() - torch.log1p(-signal)
        shifted = log_ratio[:, None] + 2 * self.gamma * spread.log() + self.shifts
        return torch.sigmoid(shifted.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT))[..., None, None]

    def times_of(self, noise: Tensor, spread: Tensor) -> Tensor:
        """When every channel is as noisy as given: the inverse of `forward` for one channel at a time.

        Args:
            noise: Standard deviation of the noise in units of the spread of its channel, positive, `(K,)`.
            spread: Standard deviations of the coefficients of every channel, `(K,)`.

        Returns:
            Times in [0, 1], `(K,)`.
        """
        log_ratio = -2 * noise.log() - 2 * self.gamma * spread.log() - self.shifts
        return cosine_time(torch.sigmoid(log_ratio))


def velocity_of(clean: Tensor, noise: Tensor, signal: Tensor) -> Tensor:
    """What the network predicts: `sqrt(signal) noise - sqrt(1 - signal) clean`.

    Source: Salimans and Ho, Progressive Distillation for Fast Sampling of Diffusion Models, ICLR 2022.

    Args:
        clean: Coefficients without noise.
        noise: Standard normal numbers.
        signal: Share of signal.
    """
    return signal.sqrt() * noise - (1 - signal).sqrt() * clean


def clean_of(noisy: Tensor, velocity: Tensor, signal: Tensor) -> Tensor:
    """The coefficients without noise that a velocity stands for.

    Args:
        noisy: `sqrt(signal) clean + sqrt(1 - signal) noise`.
        velocity: See `velocity_of`.
        signal: Share of signal.
    """
    return signal.sqrt() * noisy - (1 - signal).sqrt() * velocity


def noise_of(noisy: Tensor, velocity: Tensor, signal: Tensor) -> Tensor:
    """The noise that a velocity stands for; arguments as for `clean_of`."""
    return (1 - signal).sqrt() * noisy + signal.sqrt() * velocity
