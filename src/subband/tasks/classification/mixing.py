"""Training on mixtures of two images: Mixup and CutMix."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Beta


def mix_images(images: Tensor, labels: Tensor, *, mixup: float, cutmix: float) -> tuple[Tensor, Tensor, float]:
    """Mix every image of a batch with the one at the mirrored place; draws from PyTorch's global generator.

    With both kinds on, each batch is one or the other with equal chance.

    Args:
        images: `(B, C, H, W)`.
        labels: `(B,)`.
        mixup: Parameter of the Beta distribution of the share of the other image (Zhang et al., ICLR 2018); 0 is off.
        cutmix: The same for the area of the part that the other image covers (Yun et al., ICCV 2019); 0 is off.

    Returns:
        Mixtures, the labels of the other images, and the share of the own ones.

    Raises:
        ValueError: If a parameter is negative.
    """
    if min(mixup, cutmix) < 0:
        raise ValueError(f"mixup and cutmix must not be negative, got {mixup} and {cutmix}.")
    if mixup == cutmix == 0:
        return images, labels, 1.0
    is_cut = cutmix > 0 and (mixup == 0 or torch.rand(()).item() < 0.5)
    concentration = torch.tensor(cutmix if is_cut else mixup)
    share = Beta(concentration, concentration).sample().item()
    other = images.flip(0)
    if not is_cut:
        return images.lerp(other, 1 - share), labels.flip(0), share
    height, width = images.shape[-2:]
    top, bottom = _interval(height, share)
    left, right = _interval(width, share)
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = other[..., top:bottom, left:right]
    return mixed, labels.flip(0), 1 - (bottom - top) * (right - left) / (height * width)


def _interval(length: int, share: float) -> tuple[int, int]:
    """One side of a box around a random center, cut off at the border."""
    side = int(length * math.sqrt(1 - share))
    center = int(torch.randint(length, ()))
    return max(center - side // 2, 0), min(center - side // 2 + side, length)
