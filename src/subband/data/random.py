"""Random numbers that are a pure function of (seed, key): no state, so a batch and a single sample draw the same."""

from collections.abc import Sequence

import numpy as np

_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # the odd constant of SplitMix64, 2**64 over the golden ratio


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014), on uint64 of any shape."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def uniform(seed: int, keys: Sequence[int], count: int) -> np.ndarray:
    """`count` numbers in [0, 1) for every key.

    Args:
        seed: Any integer.
        keys: `B` non-negative integers.
        count: Numbers per key; asking for more leaves the first ones as they were.

    Returns:
        `(B, count)` float64.

    Example:
        >>> bool((uniform(0, [5, 9], 3)[1] == uniform(0, [9], 3)[0]).all())
        True
    """
    start = _mix(np.array([seed % 2**64], dtype=np.uint64))
    streams = _mix(start + np.asarray(keys, dtype=np.uint64) * _GAMMA)[:, None]  # (B, 1)
    bits = _mix(streams + np.arange(1, count + 1, dtype=np.uint64) * _GAMMA)  # (B, count)
    return (bits >> np.uint64(11)) * 2.0**-53


def permutation(seed: int, epoch: int, length: int) -> np.ndarray:
    """A random order of `0 .. length - 1`, another one for every epoch.

    Args:
        seed: Any integer.
        epoch: Non-negative.
        length: Number of things to order.

    Returns:
        `(length,)` int64.
    """
    return np.argsort(uniform(seed, [epoch], length)[0], kind="stable")


def normal_from_uniform(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Standard normal numbers from two independent uniform ones (Box and Muller, 1958).

    Args:
        first: In [0, 1).
        second: In [0, 1), same shape.

    Returns:
        Same shape, mean 0 and variance 1.
    """
    return np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)
