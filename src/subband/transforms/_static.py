"""What the containers of coefficients remember beside tensors: names and numbers that compare, hash and serialize."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

from subband.transforms.filters import FilterBank, WaveletLike

__all__ = ["StaticWavelet", "from_json", "plain_sizes", "static_wavelet", "to_json"]

StaticWavelet: TypeAlias = str | FilterBank | tuple[str | FilterBank, ...] | None


def static_wavelet(wavelet: WaveletLike, banks: tuple[FilterBank, ...]) -> StaticWavelet:
    """What a container can remember of a wavelet: names as they are, anything else by its taps, learnable taps not.

    Args:
        wavelet: What the user gave.
        banks: Its filter banks, one per axis.

    Example:
        >>> from subband.transforms.filters import filter_banks
        >>> static_wavelet("db2", filter_banks("db2", 1)), static_wavelet(["haar", "db2"], ())
        ('db2', ('haar', 'db2'))
    """
    if isinstance(wavelet, str):
        return wavelet
    if isinstance(wavelet, Sequence) and all(isinstance(item, str) for item in wavelet):
        return tuple(wavelet)
    return None if any(bank.is_learnable for bank in banks) else banks


def plain_sizes(sizes: tuple[tuple[Any, ...], ...]) -> tuple[tuple[int | None, ...], ...]:
    """Sizes with `None` in place of the symbols that stand for dynamic axes while a program is exported.

    Args:
        sizes: Numbers or symbols.

    Example:
        >>> plain_sizes(((3, 4), (6, 8)))
        ((3, 4), (6, 8))
    """
    return tuple(tuple(None if isinstance(n, torch.SymInt) else n for n in level) for level in sizes)


def to_json(value: Any) -> Any:
    """Nested lists of names and numbers; a filter bank is marked as such, since it is a tuple as well.

    Args:
        value: Nested tuples of names, numbers and filter banks.

    Example:
        >>> to_json(("haar", (1, 2)))
        ['haar', [1, 2]]
    """
    if isinstance(value, FilterBank):
        return {"taps": [list(taps) for taps in value]}
    return [to_json(item) for item in value] if isinstance(value, tuple) else value


def from_json(value: Any) -> Any:
    """Inverse of `to_json`.

    Args:
        value: Nested lists.

    Example:
        >>> from_json(["haar", [1, 2]])
        ('haar', (1, 2))
    """
    if isinstance(value, dict):
        return FilterBank(*(tuple(taps) for taps in value["taps"]))
    return tuple(from_json(item) for item in value) if isinstance(value, list) else value
