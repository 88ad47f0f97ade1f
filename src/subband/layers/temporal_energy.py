"""Aggregation of frames by the energy of their spectra: blur lowers it, so sharper frames have more.

After Zhu et al., Exploring Temporal Frequency Spectrum in Deep Video Deblurring, ICCV 2023, whose abstract names the
module; its design here is ours. Total energy is the mean square of an image, which says how bright it is; so the
weights come from single frequencies, or from energy above the low ones. The energies' logarithms make them independent
of size and contrast: `softmax(log E)` is `E` over the sum of all `E`.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from subband.layers.fourier_unit import image_from_spectrum_channels, spectrum_channels
from subband.transforms import half_spectrum_weights, radial_frequency
from subband.transforms.arguments import check_real, in_float32

__all__ = ["EnergyMode", "TemporalEnergyAggregation", "temporal_energy_weights"]

EnergyMode = Literal["bin", "channel", "frame"]
SLOPE = 0.1
FLOOR = 1e-6  # energy that counts as none
CUTOFF = 0.0625  # cycles per pixel, width of what the high-pass takes out


def temporal_energy_weights(
    spectrum: Tensor,
    width: int,
    gamma: Tensor | float = 1.0,
    *,
    mode: EnergyMode = "bin",
    max_freq: float | None = None,
) -> Tensor:
    """How much every frame counts, from the energy of its spectrum.

    Args:
        spectrum: Real and imaginary parts of half spectra, `(B, T, C, 2, H, W // 2 + 1)`.
        width: W of the images.
        gamma: Factor of the log-energies; the larger, the more the frame with the most energy counts.
        mode: Weights for every frequency, for every channel, or for every frame. The last two are from energies above
            the low frequencies.
        max_freq: Leave out frequencies above this one, in cycles per pixel, where noise has more energy than images.
            Not for `bin`.

    Returns:
        `(B, T, C, H, W // 2 + 1)`, `(B, T, C, 1, 1)` or `(B, T, 1, 1, 1)`, sum 1 over T.

    Raises:
        ValueError: If `mode` is unknown, or `max_freq` is given for `bin`.

    Example:
        >>> temporal_energy_weights(torch.ones(1, 2, 1, 2, 4, 3), 4, mode="frame").flatten()
        tensor([0.5000, 0.5000])
    """
    check_real(spectrum, "spectrum")
    check_mode(mode, max_freq)
    gamma = torch.as_tensor(gamma, device=spectrum.device, dtype=torch.promote_types(spectrum.dtype, torch.float32))
    weights: Tensor = in_float32(_weights, spectrum, gamma, width=width, mode=mode, max_freq=max_freq)
    return weights


def _weights(spectrum: Tensor, gamma: Tensor, *, width: int, mode: EnergyMode, max_freq: float | None) -> Tensor:
    power = spectrum.square().sum(3)  # (B, T, C, H, W // 2 + 1)
    if mode == "bin":
        return (gamma * 0.5 * (power + FLOOR).log()).softmax(1)
    radius = radial_frequency(power.shape[-2], width, power)
    passed = 1 - torch.exp(-radius.square() / (2 * CUTOFF**2))
    if max_freq is not None:
        passed = passed * (radius <= max_freq)
    energy = (power * (passed * half_spectrum_weights(width, power))).sum((-2, -1), keepdim=True)
    logits = gamma * (energy + FLOOR).log()
    return (logits.mean(2, keepdim=True) if mode == "frame" else logits).softmax(1)


class TemporalEnergyAggregation(nn.Module):
    """Fuses the features of frames by a 1x1 convolution, and adds a mean of their spectra weighted by energy.

    The second part begins as zeros.

    Args:
        channels: Channels C.
        num_frames: Frames T.
        mode: See `temporal_energy_weights`.
        max_freq: See `temporal_energy_weights`.

    Shape:
        `(B, T, C, H, W)` to `(B, C, H, W)`.

    Raises:
        ValueError: If an option is unknown or does not go with another.

    Example:
        >>> TemporalEnergyAggregation(4, 3)(torch.rand(2, 3, 4, 8, 7)).shape
        torch.Size([2, 4, 8, 7])
    """

    def __init__(
        self, channels: int, num_frames: int, *, mode: EnergyMode = "bin", max_freq: float | None = None
    ) -> None:
        super().__init__()
        check_mode(mode, max_freq)
        self.mode, self.max_freq = mode, max_freq
        self.gamma = nn.Parameter(torch.ones(()))
        self.fuse = nn.Conv2d(num_frames * channels, channels, 1)
        self.act = nn.LeakyReLU(SLOPE)
        self.guide = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.guide.weight)
        nn.init.zeros_(self.guide.bias)  # type: ignore[arg-type]

    def forward(self, clip: Tensor) -> Tensor:
        """Fuse `(B, T, C, H, W)`."""
        check_real(clip, "clip")
        num_frames, (height, width) = clip.shape[1], clip.shape[-2:]
        parts = spectrum_channels(clip.flatten(0, 1)).unflatten(1, (-1, 2)).unflatten(0, (-1, num_frames))
        weights = temporal_energy_weights(parts, width, self.gamma, mode=self.mode, max_freq=self.max_freq)
        mean = (weights.unsqueeze(3) * parts).sum(1).flatten(1, 2)  # (B, 2C, H, W // 2 + 1)
        guidance = image_from_spectrum_channels(mean, (height, width)).to(self.guide.weight.dtype)
        fused = self.act(self.fuse(clip.flatten(1, 2)))
        return fused + self.guide(guidance).to(fused.dtype)


def check_mode(mode: str, max_freq: float | None) -> None:
    """Refuse options that are unknown or without effect.

    Raises:
        ValueError: If so.
    """
    if mode not in get_args(EnergyMode):
        raise ValueError(f"mode must be one of {', '.join(get_args(EnergyMode))}, got {mode!r}.")
    if max_freq is not None and (mode == "bin" or max_freq <= 0):
        raise ValueError(f"max_freq must be positive and goes with mode 'channel' or 'frame', got {max_freq}.")
