"""Coefficients drawn by a scheduler of the library diffusers, which sees one schedule for all of them.

Nothing of the library is imported: a scheduler is asked for what all of those with discrete times have.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from subband.models.generation.schedules import BandSchedule, clean_of, cosine_time, velocity_of

if TYPE_CHECKING:
    from subband.models.generation.band_diffusion import BandDiffusion

__all__ = ["by_scheduler", "check_scheduler"]

SMALLEST_NOISE_SHARE = 1e-7  # in float32 a share of signal near 1 leaves none
LARGEST = 8.0  # of clean coefficients, in standard deviations
PREDICTIONS = ("epsilon", "sample", "v_prediction")


def by_scheduler(
    diffusion: BandDiffusion,
    noise: Tensor,
    scheduler: Any,
    *,
    steps: int,
    known: Tensor | None,
    clip: Callable[[Tensor], Tensor],
    generator: torch.Generator | None,
) -> Tensor:
    """Draw normalized coefficients.

    The network is told the time at which its own schedule has as much noise as that of the scheduler.

    Args:
        diffusion: The network.
        noise: Standard normal numbers to begin with, `(B, K, H, W)`.
        scheduler: Such as `diffusers.DDIMScheduler`, for any of the three kinds of prediction.
        steps: Evaluations of the network; some schedulers need more for as many steps.
        known: Maps that are known, `(B, C, H, W)`.
        clip: From predicted clean coefficients to those that are possible.
        generator: Where the scheduler draws its noise from; the global one by default.

    Raises:
        ValueError: If the scheduler does not fit, or bands have schedules of their own.
    """
    check_scheduler(scheduler, diffusion.schedule)
    scheduler.set_timesteps(steps, device=noise.device)
    known_options = inspect.signature(scheduler.step).parameters
    options = {"generator": generator} if "generator" in known_options else {}
    sample = noise * scheduler.init_noise_sigma
    for step in scheduler.timesteps:
        noisy, signal = scheduler.scale_model_input(sample, step), _signal(scheduler, step).to(noise)
        times = cosine_time(signal).expand(len(noise))
        clean = clip(clean_of(noisy, diffusion.velocity(noisy, times, known, None), signal))
        rest = (noisy - signal.sqrt() * clean) / (1 - signal).clamp(min=SMALLEST_NOISE_SHARE).sqrt()
        wanted = {"epsilon": rest, "sample": clean, "v_prediction": velocity_of(clean, rest, signal)}
        sample = scheduler.step(wanted[scheduler.config.prediction_type], step, sample, **options).prev_sample
    return sample


def check_scheduler(scheduler: Any, schedule: BandSchedule) -> None:
    """Refuse a scheduler that cannot draw the coefficients of a network.

    Args:
        scheduler: Of diffusers.
        schedule: That of the network.

    Raises:
        ValueError: If it does not fit, or bands have schedules of their own.
    """
    if schedule.gamma or schedule.shifts.any():
        raise ValueError(
            "a scheduler of diffusers has one schedule for all coefficients, this network one for every band; train "
            "it with gamma=0 and shift=0, or take sampler 'ddim' or 'ddpm'."
        )
    config = getattr(scheduler, "config", {})
    if not hasattr(scheduler, "alphas_cumprod") or config.get("prediction_type") not in PREDICTIONS:
        raise ValueError(
            f"sampler must be ddim, ddpm or a scheduler of diffusers with alphas_cumprod and a prediction_type of "
            f"{', '.join(PREDICTIONS)}, got {type(scheduler).__name__}."
        )
    has_limit = config.get("clip_sample") and config.get("clip_sample_range", 1.0) < LARGEST
    if has_limit or config.get("thresholding"):
        raise ValueError(
            "the scheduler limits coefficients as if they were pixels, and theirs is a standard deviation of 1; make "
            "it with clip_sample=False and thresholding=False."
        )


def _signal(scheduler: Any, step: Tensor) -> Tensor:
    """Share of signal at a time of the scheduler; between whole times the noise over the signal is interpolated."""
    shares = scheduler.alphas_cumprod.double().cpu()
    noise = ((1 - shares) / shares.clamp(min=1e-12)).sqrt()
    place = float(step)
    below = min(int(place), len(noise) - 1)
    above = min(below + 1, len(noise) - 1)
    found = torch.lerp(noise[below], noise[above], place - below)
    return 1 / (1 + found**2)
