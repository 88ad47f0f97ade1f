"""Diffusion of maps of coefficients, every channel by its own schedule, with other maps known or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from subband.models.generation.blocks import in_single_precision
from subband.models.generation.diffusion_unet import DiffusionUNet
from subband.models.generation.foreign_scheduler import LARGEST, SMALLEST_NOISE_SHARE, by_scheduler
from subband.models.generation.schedules import BandSchedule, clean_of, velocity_of

__all__ = ["BandDiffusion", "Sampler", "band_noise", "sampling_times"]

Sampler: TypeAlias = Literal["ddim", "ddpm"]
SAMPLERS = ("ddim", "ddpm")


def sampling_times(steps: int) -> list[tuple[float, float]]:
    """Pairs of times, from noise at 1 to images at 0.

    Args:
        steps: Number of pairs.

    Raises:
        ValueError: If it is not positive.

    Example:
        >>> sampling_times(2)
        [(1.0, 0.5), (0.5, 0.0)]
    """
    if steps < 1:
        raise ValueError(f"steps must be positive, got {steps}.")
    return [(1 - step / steps, 1 - (step + 1) / steps) for step in range(steps)]


class BandDiffusion(nn.Module):
    """Diffusion of coefficients that are divided by the standard deviation of their channel.

    Args:
        net: Network; the maps that are known, if any, follow the noisy ones among its channels.
        schedule: Schedule of the channels.
        weights: What errors of the channels count in a loss, `(K,)`; 1 each if not given. `forward` leaves that to the
            caller.

    Shape:
        coefficients `(B, K, H, W)`; known maps `(B, C, H, W)`, about [-1, 1].
    """

    mean: Tensor
    spread: Tensor
    weights: Tensor

    def __init__(self, net: DiffusionUNet, schedule: BandSchedule, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.net, self.schedule = net, schedule
        channels = len(schedule.shifts)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))
        self.register_buffer("weights", torch.tensor(weights or [1.0] * channels), persistent=False)

    def normalized(self, coefficients: Tensor) -> Tensor:
        """Coefficients without the mean of their channel, divided by its standard deviation."""
        return (coefficients - self.mean[:, None, None]) / self.spread[:, None, None]

    def restored(self, normalized: Tensor) -> Tensor:
        """Inverse of `normalized`."""
        return normalized * self.spread[:, None, None] + self.mean[:, None, None]

    def forward(
        self,
        coefficients: Tensor,
        times: Tensor,
        noise: Tensor,
        known: Tensor | None = None,
        levels: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Squared error of the predicted velocity, and the coefficients it stands for.

        Args:
            coefficients: Clean ones, `(B, K, H, W)`.
            times: `(B,)` in [0, 1].
            noise: Standard normal numbers, `(B, K, H, W)`.
            known: Maps that are known, `(B, C, H, W)`.
            levels: How noisy they are, `(B,)`.

        Returns:
            errors: `(B, K, H, W)`.
            clean: Predicted coefficients, `(B, K, H, W)`.
        """
        signal, clean = self.schedule(times, self.spread), self.normalized(coefficients)
        noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
        velocity = self.velocity(noisy, times, known, levels)
        errors = (velocity - velocity_of(clean, noise, signal)).square()
        return errors, self.restored(clean_of(noisy, velocity, signal))

    def velocity(self, noisy: Tensor, times: Tensor, known: Tensor | None, levels: Tensor | None) -> Tensor:
        """The prediction of the network for normalized noisy coefficients."""
        if known is None:
            return in_single_precision(self.net(noisy, times))
        levels = torch.zeros_like(times) if levels is None else levels
        return in_single_precision(self.net(torch.cat((noisy, known), 1), times, levels))

    @torch.no_grad()
    def sample(
        self,
        noise: Tensor,
        *,
        steps: int,
        sampler: Sampler | Any = "ddim",
        known: Tensor | None = None,
        clip: Callable[[Tensor], Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw coefficients.

        Args:
            noise: Standard normal numbers to begin with, `(B, K, H, W)`.
            steps: Evaluations of the network.
            sampler: `ddim` adds no noise on the way, `ddpm` does; or a scheduler of diffusers, see `by_scheduler`.
            known: Maps that are known, `(B, C, H, W)`.
            clip: From predicted clean coefficients, not normalized, to those that are possible; normalized ones are
                kept within 8 standard deviations if not given.
            generator: Where `ddpm` draws its noise from; the global one by default.

        Raises:
            ValueError: If the sampler is unknown or does not fit, or there is no step.
        """
        pairs = sampling_times(steps)

        def possible(clean: Tensor) -> Tensor:
            return clean.clamp(-LARGEST, LARGEST) if clip is None else self.normalized(clip(self.restored(clean)))

        if not isinstance(sampler, str):
            options: dict[str, Any] = {"steps": steps, "known": known, "generator": generator}
            return self.restored(by_scheduler(self, noise, sampler, clip=possible, **options))
        if sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}.")
        noisy = noise
        for time, following in pairs:
            times = noise.new_full((len(noise),), time)
            now = self.schedule(times, self.spread)
            clean = possible(clean_of(noisy, self.velocity(noisy, times, known, None), now))
            if following == 0:
                return self.restored(clean)
            after = self.schedule(torch.full_like(times, following), self.spread)
            if sampler == "ddim":
                rest = (noisy - now.sqrt() * clean) / (1 - now).clamp(min=SMALLEST_NOISE_SHARE).sqrt()
                noisy = after.sqrt() * clean + (1 - after).sqrt() * rest
            else:
                mean, spread = previous(noisy, clean, now, after)
                fresh = torch.randn(noise.shape, generator=generator, device=noise.device, dtype=noise.dtype)
                noisy = mean + spread * fresh
        raise AssertionError("the last time is 0")

    @torch.no_grad()
    def set_statistics(self, mean: Tensor, spread: Tensor) -> None:
        """Take over means and standard deviations of the channels, `(K,)` both."""
        self.mean.copy_(mean)
        self.spread.copy_(spread)


def previous(noisy: Tensor, clean: Tensor, now: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of less noisy coefficients, given noisy and clean ones.

    Args:
        noisy: Coefficients at share of signal `now`.
        clean: Coefficients without noise.
        now: Share of signal.
        after: The larger share of signal wanted.
    """
    ratio, rest = now / after, (1 - now).clamp(min=SMALLEST_NOISE_SHARE)
    left = (1 - after) / rest
    mean = ratio.sqrt() * left * noisy + after.sqrt() * (1 - ratio) / rest * clean
    return mean, (left * (1 - ratio)).clamp(min=0).sqrt()


def band_noise(noise: Tensor, shapes: list[torch.Size]) -> list[Tensor]:
    """A vector of numbers per image, `(B, N)`, as maps of some shapes."""
    parts = noise.split([math.prod(shape[1:]) for shape in shapes], 1)
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
