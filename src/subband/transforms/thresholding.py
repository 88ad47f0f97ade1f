"""Thresholds of wavelet coefficients, with the rules of PyWavelets.

They are applied to single bands, or to all details by `Coeffs.map`. Of complex coefficients the magnitude counts and
the phase stays. Gradients are those of the formulas, and zero where a coefficient is replaced.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from subband.transforms.arguments import check_dtype

__all__ = ["ThresholdMode", "threshold", "threshold_firm"]

ThresholdMode = Literal["soft", "hard", "garrote", "garotte", "greater", "less"]
_MODES: tuple[str, ...] = get_args(ThresholdMode)


def threshold(data: Tensor, value: float | Tensor, mode: ThresholdMode = "soft", substitute: float = 0.0) -> Tensor:
    """Shrink or replace small coefficients, as `pywt.threshold` does.

    Args:
        data: Coefficients, any shape, floating or complex.
        value: Threshold, in the unit of the coefficients; a tensor is broadcast.
        mode: `soft` moves every coefficient towards zero by `value`. `hard` leaves those of at least `value` alone.
            `garrote` (also spelled `garotte`) multiplies by `1 - (value / |data|)^2`: between the two. `greater` and
            `less` compare the number itself, not its magnitude, and replace what is below or above `value`.
        substitute: What stands in place of a coefficient whose magnitude is below `value` (in modes `greater` and
            `less`: of a replaced one).

    Returns:
        Coefficients of the same shape.

    Raises:
        TypeError: If `data` is neither floating nor complex.
        ValueError: If `mode` is unknown, or compares numbers and `data` is complex.

    Example:
        >>> data = torch.tensor([-3.0, -1.0, 0.5, 2.0])
        >>> threshold(data, 1.0).tolist(), threshold(data, 1.0, "hard", substitute=9.0).tolist()
        ([-2.0, -0.0, 0.0, 1.0], [-3.0, -1.0, 9.0, 2.0])
        >>> threshold(torch.tensor([3 + 4j]), 1.0)
        tensor([2.4000+3.2000j])

    Source: D. L. Donoho and I. M. Johnstone, Ideal Spatial Adaptation via Wavelet Shrinkage, Biometrika 81, 1994; L.
    Breiman, Better Subset Regression Using the Nonnegative Garrote, Technometrics 37, 1995.
    """
    check_dtype(data, "data")
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(_MODES)}, got {mode!r}")
    if mode in ("greater", "less"):
        if data.is_complex():
            raise ValueError(f"mode must be soft, hard or garrote for complex data, got {mode!r}")
        return torch.where(data < value if mode == "greater" else data > value, substitute, data)
    magnitude = data.abs()
    if mode == "hard":
        return torch.where(magnitude < value, substitute, data)
    if mode == "soft":
        shrunk = data.sgn() * (magnitude - value).clamp(min=0)
    else:
        is_large = magnitude > (value.abs() if isinstance(value, Tensor) else abs(value))
        ratio = value / torch.where(is_large, magnitude, 1)
        shrunk = data * torch.where(is_large, 1 - ratio * ratio, 0)
    return shrunk if substitute == 0 else torch.where(magnitude < value, substitute, shrunk)


def threshold_firm(data: Tensor, value_low: float, value_high: float) -> Tensor:
    """Firm threshold, between soft and hard, as `pywt.threshold_firm` computes it.

    Magnitudes up to `value_low` become zero, those above `value_high` stay, and those between go up linearly from the
    one to the other.

    Args:
        data: Coefficients, any shape, floating or complex.
        value_low: Lower threshold.
        value_high: Upper threshold; equal to `value_low` for the hard threshold, infinite for the soft one.

    Returns:
        Coefficients of the same shape.

    Raises:
        TypeError: If `data` is neither floating nor complex.
        ValueError: If `value_low` is negative or above `value_high`.

    Example:
        >>> threshold_firm(torch.tensor([0.5, 1.5, -2.0, 4.0]), 1.0, 3.0).tolist()
        [0.0, 0.75, -1.5, 4.0]

    Source: H.-Y. Gao and A. G. Bruce, WaveShrink with Firm Shrinkage, Statistica Sinica 7, 1997.
    """
    check_dtype(data, "data")
    # Numbers of NumPy become Python's; a tensor keeps its gradient.
    value_low, value_high = (v if isinstance(v, Tensor) else float(v) for v in (value_low, value_high))
    if not 0 <= value_low <= value_high:
        raise ValueError(f"value_low must lie within 0 and value_high, got {value_low} and {value_high}")
    magnitude = data.abs()
    is_ramp = value_low < value_high < math.inf
    slope = value_high / (value_high - value_low) if is_ramp else 1.0  # without a ramp there is nothing to scale
    between = data.sgn() * (magnitude - value_low).clamp(min=0) * slope
    return torch.where(magnitude > value_high, data, between)
