"""The prior of VD-Diff: one vector per frame, from a teacher that sees the sharp frame or from a diffusion model.

The diffusion predicts the clean vector itself. Its sampling is deterministic but for the noise it begins with.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.memory_format import channels_last_weights
from subband.models.vd_diff.layers import SLOPE, ResidualBlock
from subband.transforms.arguments import without_autocast

__all__ = ["PriorDiffusion", "PriorEncoder", "diffusion_schedule"]

DOWN = 4
COLORS = 3
NUM_BLOCKS = 6
TIME_SCALE = 10  # the denoiser sees t / (10 * timesteps)
SMALLEST_VARIANCE = 1e-20


class PriorEncoder(nn.Module):
    """One vector per frame, by convolutions and a mean over all pixels.

    Args:
        num_images: Images that it sees at a time: the blurred frame, or the blurred and the sharp one.
        feats: Channels of the first layers; vectors have four times as many entries.

    Shape:
        images `(N, 3, H, W)` each, [0, 1], sides multiples of 4; vectors `(N, 4 * feats)`.
    """

    def __init__(self, num_images: int, feats: int) -> None:
        super().__init__()
        dim = 4 * feats

        def conv(in_chans: int, out_chans: int) -> list[nn.Module]:
            return [nn.Conv2d(in_chans, out_chans, 3, padding=1), nn.LeakyReLU(SLOPE)]

        self.features = nn.Sequential(
            *conv(num_images * COLORS * DOWN**2, feats),
            *(ResidualBlock(feats) for _ in range(NUM_BLOCKS)),
            *conv(feats, 2 * feats),
            *conv(2 * feats, 2 * feats),
            *conv(2 * feats, dim),
            nn.AdaptiveAvgPool2d(1),
        )
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.LeakyReLU(SLOPE), nn.Linear(dim, dim), nn.LeakyReLU(SLOPE))
        channels_last_weights(self)

    def forward(self, *images: Tensor) -> Tensor:
        """Vectors of frames."""
        blocks = torch.cat([F.pixel_unshuffle(image, DOWN) for image in images], 1)
        blocks = blocks.contiguous(memory_format=torch.channels_last)
        return self.mlp(self.features(blocks).flatten(1))


def diffusion_schedule(linear_start: float, linear_end: float, timesteps: int) -> dict[str, Tensor]:
    """The numbers of every step, linear in the square root of `beta`, by their published names.

    Args:
        linear_start: First `beta`.
        linear_end: Last `beta`.
        timesteps: Number of steps S.

    Returns:
        Twelve tensors `(S,)`, float32, computed in float64.

    Example:
        >>> diffusion_schedule(0.1, 0.99, 4)["betas"]
        tensor([0.1000, 0.2943, 0.5910, 0.9900])
    """
    betas = torch.linspace(linear_start**0.5, linear_end**0.5, timesteps, dtype=torch.float64, device="cpu").square()
    product = (1 - betas).cumprod(0)
    before = F.pad(product[:-1], (1, 0), value=1.0)
    variance = betas * (1 - before) / (1 - product)
    schedule = {
        "betas": betas,
        "alphas_cumprod": product,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": product.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - product).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - product).log(),
        "sqrt_recip_alphas_cumprod": product.rsqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / product - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=SMALLEST_VARIANCE).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - product),
        "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - product),
    }
    return {name: values.float() for name, values in schedule.items()}


class PriorDiffusion(nn.Module):
    """Makes the prior of blurred frames from noise, in a few steps.

    Args:
        feats: Width of the condition encoder; vectors have P = 4 times as many entries.
        n_denoise_res: Hidden layers of the denoiser.
        linear_start: First `beta` of the schedule.
        linear_end: Last one.
        timesteps: Number of steps S.

    Shape:
        frames `(N, 3, H, W)` in [0, 1], noise `(N, P)`; priors `(N, P)`.
    """

    def __init__(
        self,
        feats: int,
        *,
        n_denoise_res: int = 1,
        linear_start: float = 0.1,
        linear_end: float = 0.99,
        timesteps: int = 4,
    ) -> None:
        super().__init__()
        if timesteps < 1 or n_denoise_res < 0 or not 0 < linear_start <= linear_end < 1:
            raise ValueError(
                "timesteps must be positive, n_denoise_res not negative and 0 < linear_start <= linear_end < 1, got "
                f"{timesteps}, {n_denoise_res}, {linear_start} and {linear_end}."
            )
        self.timesteps, self.dim = timesteps, 4 * feats
        self.condition = PriorEncoder(1, feats)
        hidden = [nn.Sequential(nn.Linear(self.dim, self.dim), nn.LeakyReLU(SLOPE)) for _ in range(n_denoise_res)]
        self.denoiser = nn.Sequential(nn.Linear(2 * self.dim + 1, self.dim), nn.LeakyReLU(SLOPE), *hidden)
        # Fixed numbers of the graph, not tensors: they follow the network to any device and precision.
        self.schedule = {
            name: tuple(values.tolist())
            for name, values in diffusion_schedule(linear_start, linear_end, timesteps).items()
        }

    def noisy(self, prior: Tensor, noise: Tensor) -> Tensor:
        """Priors `(N, P)` after all steps of the forward process: next to nothing of them is left."""
        last = self.timesteps - 1
        kept, added = (self.schedule[f"sqrt_{name}"][last] for name in ("alphas_cumprod", "one_minus_alphas_cumprod"))
        return kept * prior + added * noise

    def steps(self, frames: Tensor, start: Tensor) -> Iterator[Tensor]:
        """Vectors `(N, P)` after every step, the last one being the prior; computed in at least float32.

        Args:
            frames: Blurred frames, `(N, 3, H, W)`.
            start: Noise, or what `noisy` makes of the teacher's priors, `(N, P)`.
        """
        condition = self.condition(frames)
        dtype = torch.promote_types(condition.dtype, torch.float32)
        condition, x = condition.to(dtype), start.to(dtype)
        weights = next(self.denoiser.parameters())
        with without_autocast(frames.device):
            for step in reversed(range(self.timesteps)):
                time = x.new_full((x.shape[0], 1), step / (TIME_SCALE * self.timesteps))
                clean = self.denoiser(torch.cat([condition, time, x], 1).to(weights.dtype)).to(dtype)
                kept, added = (self.schedule[f"posterior_mean_coef{number}"][step] for number in (2, 1))
                x = added * clean + kept * x
                yield x

    def forward(self, frames: Tensor, start: Tensor) -> Tensor:
        """Priors `(N, P)`; see `steps`."""
        *_, prior = self.steps(frames, start)
        return prior
