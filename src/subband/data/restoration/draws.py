"""Random numbers of one sample, handed out one after the other: the same for the same (seed, key)."""

from __future__ import annotations

import numpy as np
import torch

from subband.data.random import normal_from_uniform, uniform

_CHUNK = 256
_GENERATOR_SEEDS = 2**53


class Draws:
    """A stream of numbers for one key.

    Args:
        seed: Any integer.
        key: Non-negative.

    Example:
        >>> Draws(0, 7).number() == Draws(0, 7).number() != Draws(0, 8).number()
        True
    """

    def __init__(self, seed: int, key: int) -> None:
        self._seed, self._key = seed, key
        self._numbers = uniform(seed, [key], _CHUNK)[0]
        self._taken = 0

    def numbers(self, count: int) -> np.ndarray:
        """`(count,)` numbers in [0, 1)."""
        end = self._taken + count
        if end > len(self._numbers):
            self._numbers = uniform(self._seed, [self._key], end + _CHUNK)[0]
        self._taken = end
        return self._numbers[end - count : end]

    def number(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * float(self.numbers(1)[0])

    def log_number(self, low: float, high: float) -> float:
        """A positive number in [low, high), every order of magnitude as likely as any other."""
        return float(low * (high / low) ** self.number())

    def below(self, count: int) -> int:
        """A whole number in 0 .. count - 1."""
        return int(self.number() * count)

    def normals(self, count: int) -> np.ndarray:
        """`(count,)` standard normal numbers."""
        return normal_from_uniform(self.numbers(count), self.numbers(count))

    def happens(self, share: float) -> bool:
        """True in this share of all keys."""
        return self.number() < share

    def generator_seed(self) -> int:
        """A seed for generators of pixel noise, which needs too many numbers to be drawn here."""
        return self.below(_GENERATOR_SEEDS)


def pixel_noise(seed: int, frame: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Standard normal numbers of one frame, always made on the CPU so that every device gets the same.

    Args:
        seed: That of the clip, `Draws.generator_seed`.
        frame: Number of the frame.
        shape: Of what is wanted.
    """
    frame_seed = int(uniform(seed, [frame], 1)[0, 0] * _GENERATOR_SEEDS)
    return torch.randn(shape, generator=torch.Generator().manual_seed(frame_seed))
