"""Joints of a clip made steady without looking ahead."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["OneEuroFilter"]


class OneEuroFilter:
    """The 1 Euro filter: slow values are smoothed much, fast ones little, so that neither jitter nor lag is seen.

    Casiez, Roussel and Vogel, 1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
    Systems, CHI 2012. With `a(f) = 1 / (1 + 1 / (2 pi f dt))`, the weight of a new value in a low-pass filter with the
    cutoff frequency f: the speed `(x - y_before) / dt` is smoothed with `a(derivative_cutoff)` to `s`, and the result
    is `y = a(f) x + (1 - a(f)) y_before` with `f = min_cutoff + beta |s|`. The speed of the first value is 0.

    Args:
        min_cutoff: Cutoff frequency in Hz of values that stand still.
        beta: What a speed of one unit a second adds to the cutoff frequency, in Hz.
        derivative_cutoff: Cutoff frequency in Hz of speeds.

    Raises:
        ValueError: If a cutoff frequency is not positive, or `beta` is negative.

    Example:
        >>> smooth = OneEuroFilter(min_cutoff=1.0, beta=0.0)
        >>> [round(smooth(torch.tensor(value), number / 10).item(), 3) for number, value in enumerate((0.0, 1.0, 1.0))]
        [0.0, 0.386, 0.623]
    """

    def __init__(self, *, min_cutoff: float = 1.0, beta: float = 0.0, derivative_cutoff: float = 1.0) -> None:
        if min(min_cutoff, derivative_cutoff) <= 0 or beta < 0:
            raise ValueError(
                "min_cutoff and derivative_cutoff must be positive and beta at least 0, "
                f"got {min_cutoff}, {derivative_cutoff} and {beta}."
            )
        self.min_cutoff, self.beta, self.derivative_cutoff = min_cutoff, beta, derivative_cutoff
        self._last: Tensor | None = None
        self._speeds: Tensor | None = None
        self._seconds = -math.inf

    def __call__(self, values: Tensor, seconds: float, *, unit: float = 1.0) -> Tensor:
        """The next values, smoothed.

        Args:
            values: Floating, of one shape in all calls; each entry is filtered for itself.
            seconds: Time of the values. One that is not later than the last changes nothing.
            unit: What speeds are measured in, in units of the values, such as the height of a person.

        Returns:
            Values of the same shape.
        """
        if self._last is None or self._speeds is None:
            self._last, self._speeds = values, torch.zeros_like(values)
        elif seconds > self._seconds:
            step = seconds - self._seconds
            speeds = (values - self._last) / step / unit
            weight = 1 / (1 + 1 / (2 * math.pi * self.derivative_cutoff * step))
            self._speeds = weight * speeds + (1 - weight) * self._speeds
            cutoffs = self.min_cutoff + self.beta * self._speeds.abs()
            weights = 1 / (1 + 1 / (2 * math.pi * step * cutoffs))
            self._last = weights * values + (1 - weights) * self._last
        self._seconds = max(seconds, self._seconds)
        return self._last
