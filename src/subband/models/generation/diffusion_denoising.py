"""Diffusion that begins at noisy coefficients instead of at noise."""

from __future__ import annotations

import torch
from torch import Tensor

from subband.models.generation.band_diffusion import LARGEST, SMALLEST_NOISE_SHARE, BandDiffusion
from subband.models.generation.schedules import clean_of

__all__ = ["denoised"]


@torch.no_grad()
def denoised(
    part: BandDiffusion,
    observed: Tensor,
    sigma: float,
    *,
    steps: int,
    known: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Coefficients without the white noise that was added to them.

    The channels of a schedule are not as noisy as the coefficients all at the same time. The way begins where the last
    of them is. Others are what was observed with fresh noise on top, as much as the schedule wants, until their time
    comes; from there on they follow the network. Drawing such observations along the way follows Kawar, Elad, Ermon
    and Song, Denoising Diffusion Restoration Models, NeurIPS 2022.

    Args:
        part: The diffusion.
        observed: Noisy coefficients, not normalized, `(B, K, H, W)`.
        sigma: Standard deviation of the noise on them, positive.
        steps: Evaluations of the network.
        known: Maps that are known, see `BandDiffusion`.
        generator: Where fresh noise is drawn from; the global one by default.

    Raises:
        ValueError: If there is no step.
    """
    if steps < 1:
        raise ValueError(f"steps must be positive, got {steps}.")
    noise = sigma / part.spread
    start = part.schedule.times_of(noise, part.spread).max().item()
    if start == 0:  # no network knows so little noise
        return observed
    seen = part.normalized(observed)
    fresh = torch.randn(seen.shape, generator=generator, device=seen.device, dtype=seen.dtype)
    noisy = seen
    for step in range(steps):
        now, after = (
            part.schedule(seen.new_full((len(seen),), start * (1 - place / steps)), part.spread)
            for place in (step, step + 1)
        )
        missing = (1 - now) / now - noise.square()[:, None, None]  # variance of what the schedule wants on top
        waiting = now.sqrt() * (seen + missing.clamp(min=0).sqrt() * fresh)
        noisy = waiting if step == 0 else torch.where(missing > 0, waiting, noisy)
        times = seen.new_full((len(seen),), start * (1 - step / steps))
        clean = clean_of(noisy, part.velocity(noisy, times, known, None), now).clamp(-LARGEST, LARGEST)
        rest = (noisy - now.sqrt() * clean) / (1 - now).clamp(min=SMALLEST_NOISE_SHARE).sqrt()
        noisy = after.sqrt() * clean + (1 - after).sqrt() * rest
    return part.restored(clean)
