"""Camera response: between the light that a sensor counts and the values that files store.

Exposure adds up light, so frames are averaged in linear light and stored by the response afterwards. The blur of the
GoPro set exists twice (Nah et al., "Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring", CVPR
2017): `blur_gamma` was averaged by a gamma of 2.2, `blur`, which video networks are trained on, as stored (1).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Response = float | Literal["srgb"]
"""A gamma, 1 for values that are averaged as they are stored; or `"srgb"` for the curve of IEC 61966-2-1."""

MIN_GAMMA, MAX_GAMMA = 0.5, 4.0


def check_response(response: Response) -> Response:
    """The response itself if it is a legal one.

    Raises:
        ValueError: If it is neither `"srgb"` nor a gamma between 0.5 and 4.
    """
    is_gamma = isinstance(response, int | float) and MIN_GAMMA <= response <= MAX_GAMMA
    if not (is_gamma or response == "srgb"):
        raise ValueError(f"response must be 'srgb' or a gamma between {MIN_GAMMA} and {MAX_GAMMA}, got {response!r}")
    return response


def to_linear(values: Tensor, response: Response) -> Tensor:
    """Stored values as light.

    Args:
        values: Any shape, in [0, 1], or uint8 with 255 for white.
        response: How they were stored.

    Returns:
        Same shape, float32 in [0, 1].

    Example:
        >>> to_linear(torch.tensor([0.0, 0.5, 1.0]), "srgb")
        tensor([0.0000, 0.2140, 1.0000])
    """
    if values.dtype == torch.uint8:  # a table of 256 is faster than as many powers as there are pixels
        table = to_linear(torch.arange(256, device=values.device).float() / 255, response)
        return table[values.int()]
    if response == "srgb":
        return torch.where(values <= 0.04045, values / 12.92, ((values.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    return values if response == 1 else values.clamp(min=0) ** response


def from_linear(light: Tensor, response: Response) -> Tensor:
    """Light as values that are stored; light above 1 is cut off, as a sensor does.

    Args:
        light: Any shape, 0 or more.
        response: How it is stored.

    Returns:
        Same shape, in [0, 1].
    """
    light = light.clamp(0, 1)
    if response == "srgb":
        return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return light if response == 1 else light ** (1 / response)


def eight_bit(values: Tensor) -> Tensor:
    """Values in [0, 1] rounded to the 256 levels of a file."""
    return (values * 255).round_().div_(255)
