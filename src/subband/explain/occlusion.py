"""Which frequencies of an image a classifier relies on: its wavelet subbands are removed one at a time.

Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, cover parts of an image and watch
the answer; here the parts are subbands instead of places. The subbands of all colors are removed together.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from subband.explain.grad_cam import explained_classes
from subband.transforms import Coeffs, Details, WaveletLike, dwt_max_level, wavedec2

WAVELET, LEVEL = "db2", 3
"""Longer than Haar, whose block edges a network would take for edges of the image, yet short enough for 32 pixels."""

_KEYS = {"LH": "da", "HL": "ad", "HH": "dd"}


class SubbandDrop(NamedTuple):
    """What a classifier loses without one subband; less than 0 where it gains.

    Attributes:
        name: Subband and level, level 1 being the finest: `LH1` is low along the width and high along the height
            (PyWavelets' cH), `HL1` cV, `HH1` cD; `LL3` is the approximation, of which the mean stays.
        logit: By how much the logit of the class falls, `(B,)`.
        probability: By how much its probability falls, `(B,)` in `[-1, 1]`.
    """

    name: str
    logit: Tensor
    probability: Tensor


@torch.no_grad()
def subband_occlusion(
    model: Callable[[Tensor], Tensor],
    inputs: Tensor,
    class_index: int | None = None,
    wavelet: WaveletLike = WAVELET,
    level: int | None = None,
) -> list[SubbandDrop]:
    """How much a class loses with each subband of its image.

    The subbands of the normalized inputs are removed; as the transform is linear and normalizing changes a color by a
    factor and a constant only, removing those of the image before would be the same.

    Args:
        model: From images to logits `(B, K)`, in evaluation mode.
        inputs: Images as the network takes them, normalized, `(B, C, H, W)`, on its device.
        class_index: Class to explain; for every image the one with the largest logit if not given.
        wavelet: Wavelet of the subbands.
        level: Levels, at least 1; three if not given, or as many as small images have room for.

    Returns:
        `3 * level + 1` subbands: the approximation, then `LH, HL, HH` from the coarsest level to the finest.

    Raises:
        ValueError: If there is no such class or wavelet, or `level` is below 1.

    Warns:
        UserWarning: If `level` is given and larger than the image has room for.

    Example:
        >>> brightness = lambda images: torch.stack([images.mean((1, 2, 3)), torch.zeros(len(images))], 1)
        >>> drops = subband_occlusion(brightness, torch.rand(1, 3, 16, 16), 0, "haar", level=1)
        >>> [drop.name for drop in drops], bool(drops[1].logit.abs() < 1e-6)
        (['LL1', 'LH1', 'HL1', 'HH1'], True)
    """
    if level is not None and level < 1:
        raise ValueError(f"level must be at least 1, got {level}.")
    variants = without_each_subband(inputs, wavelet, level)
    images = torch.cat([inputs, *variants.values()])
    logits = model(images).unflatten(0, (1 + len(variants), len(inputs))).float()
    classes = explained_classes(logits[0], class_index).expand(len(logits), -1)[..., None]
    score, probability = (values.gather(2, classes)[..., 0] for values in (logits, logits.softmax(2)))
    drops = zip(variants, score[0] - score[1:], probability[0] - probability[1:], strict=True)
    return [SubbandDrop(name, *(values.cpu() for values in both)) for name, *both in drops]


def without_each_subband(inputs: Tensor, wavelet: WaveletLike = WAVELET, level: int | None = None) -> dict[str, Tensor]:
    """Images without one of their subbands.

    Args:
        inputs: `(B, C, H, W)`, any range.
        wavelet: Wavelet of the subbands.
        level: Levels, at least 1; three if not given, or as many as small images have room for.

    Returns:
        Name of the missing subband, as in `SubbandDrop`, to images `(B, C, H, W)`; without the approximation each
        channel keeps its mean and all details.

    Raises:
        ValueError: If the wavelet is unknown.

    Example:
        >>> ramp = torch.arange(8.0).expand(1, 1, 8, 8)
        >>> flat = without_each_subband(ramp, "haar", 1)
        >>> flat["HL1"][0, 0, 0], bool(torch.allclose(flat["HH1"], ramp))
        (tensor([0.5000, 0.5000, 2.5000, 2.5000, 4.5000, 4.5000, 6.5000, 6.5000]), True)
    """
    mean = inputs.mean((-2, -1), keepdim=True).expand_as(inputs)
    with warnings.catch_warnings():
        if level is None:  # our choice, so no warning about borders; images of a few pixels get one level all the same
            warnings.simplefilter("ignore")
            level = max(1, min(LEVEL, dwt_max_level(min(inputs.shape[-2:]), wavelet)))
        both = wavedec2(torch.stack([inputs, mean]), wavelet, "symmetric", level)
    coeffs = both.map_all(lambda band: band[0])
    flat = both.approx[1]  # the approximation of a constant holds all of it
    variants = {f"LL{coeffs.level}": replace(coeffs, approx=flat).inverse()}
    for index in range(coeffs.level):
        for name, key in _KEYS.items():
            variants[f"{name}{coeffs.level - index}"] = _without_detail(coeffs, index, key).inverse()
    return variants


def _without_detail(coeffs: Coeffs, index: int, key: str) -> Coeffs:
    details = list(coeffs.details)
    details[index] = Details({**details[index].bands, key: torch.zeros_like(details[index][key])})
    return replace(coeffs, details=tuple(details))
