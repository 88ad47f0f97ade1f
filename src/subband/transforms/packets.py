"""Wavelet packets: the wavelet transform applied again to every band, over any number of axes.

A node of the tree is named by its path, one step per level. With one axis a step is `a` or `d`; with two axes it is one
of PyWavelets' letters `a, h, v, d` for the bands `aa, da, ad, dd`; with more axes it is the key of the band, such as
`aad`.

All nodes of a level have the same size, so a whole level is one tensor. New axes stand directly in front of the
outermost transformed axis:

| axes | natural order | frequency order |
| --- | --- | --- |
| signals `(B, C, T)`, axis -1 | `(B, C, 2^L, T')` | `(B, C, 2^L, T')` |
| images `(B, C, H, W)`, axes -2, -1 | `(B, C, 4^L, H', W')` | `(B, C, 2^L, 2^L, H', W')` |
| clips `(B, C, T, H, W)`, axes -3 to -1 | `(B, C, 8^L, T', H', W')` | `(B, C, 2^L, 2^L, 2^L, T', H', W')` |

Natural order sorts the nodes by path. In frequency order the first new axis runs over the frequency along `axes[0]`
from low to high, the second over that along `axes[1]`, and so on. The two differ because subsampling mirrors the
spectrum of every high band (M. V. Wickerhauser, Adapted Wavelet Analysis from Theory to Software, 1994): the order is a
Gray code.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import torch
from torch import Tensor

from subband.transforms._compiling import constant_result
from subband.transforms._filter_bank import band_length
from subband.transforms.arguments import Names, check_dtype, in_float32, negative_axes, per_axis
from subband.transforms.dwt import dwtn, idwtn
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks
from subband.transforms.lengths import check_level
from subband.transforms.padding import check_mode

__all__ = ["iwavelet_packet", "packet_paths", "wavelet_packet"]

PacketOrder = Literal["freq", "natural"]
_T = TypeVar("_T")
_LETTERS = {1: ("a", "d"), 2: ("a", "h", "v", "d")}


def wavelet_packet(
    x: Tensor,
    wavelet: WaveletLike = "haar",
    level: int = 1,
    order: PacketOrder = "freq",
    axes: Sequence[int] = (-2, -1),
    mode: Names = "symmetric",
) -> Tensor:
    """All nodes of one level of the wavelet packet tree.

    The nodes are those of `pywt.WaveletPacket`, `WaveletPacket2D` and `WaveletPacketND`; the latter two default to the
    mode `smooth`, this function to `symmetric`.

    Args:
        x: Any shape, floating or complex, any range. Half precision is computed in float32.
        wavelet: Wavelet, or one per axis.
        level: Depth L of the nodes in the tree; 0 is the signal itself.
        order: `freq` for a grid of nodes with one axis per transformed axis, both from low to high frequency, or
            `natural` for one axis of nodes sorted by path. See `packet_paths` for their names.
        axes: n axes to transform, each at most once.
        mode: Boundary mode, or one per axis, see `subband.transforms.MODES`.

    Returns:
        `x` with every transformed axis as short as the bands of level L, and with new axes in front of the outermost
        transformed one: n axes of length `2^L` in frequency order, one of length `2^(n L)` in natural order.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If a name or axis is unknown, an axis is repeated or empty, or `level` is negative.

    Warns:
        UserWarning: If `level` is larger than `dwt_max_level` of an axis.

    Example:
        >>> wavelet_packet(torch.rand(2, 3, 32, 32), "db2", level=2).shape
        torch.Size([2, 3, 4, 4, 10, 10])
        >>> wavelet_packet(torch.rand(2, 3, 32, 32), level=2, order="natural").shape
        torch.Size([2, 3, 16, 8, 8])
        >>> chirp = torch.cos(0.4 * torch.pi * torch.arange(64))  # 0.4 of the highest frequency
        >>> wavelet_packet(chirp, "db8", level=2, axes=(-1,), mode="periodization").square().sum(-1).argmax()
        tensor(1)
    """
    check_dtype(x, "x")
    _check_order(order)
    axes = negative_axes(axes, x.ndim)
    options, stack = _Options.of(wavelet, mode, axes), min(axes) - 1
    _check_level(x, options, level)
    nodes = in_float32(_analysis, x, options=options, level=level, stack=stack)
    if order == "natural":
        return nodes
    positions = torch.tensor(_natural_positions(level, len(axes)), device=x.device)
    return nodes.index_select(stack, positions).unflatten(stack, (1 << level,) * len(axes))


def iwavelet_packet(
    coeffs: Tensor,
    wavelet: WaveletLike = "haar",
    order: PacketOrder = "freq",
    axes: Sequence[int] = (-2, -1),
    mode: Names = "symmetric",
    size: Sequence[int] | None = None,
) -> Tensor:
    """Inverse of `wavelet_packet`.

    Args:
        coeffs: All nodes of one level as `wavelet_packet` returns them; their number gives the level.
        wavelet: Wavelet, or one per axis.
        order: Order of the nodes.
        axes: Axes of the **result** that were transformed.
        mode: Boundary mode, or one per axis; only `periodization` makes a difference here.
        size: Samples along every one of `axes` before the transform. Without it every level gives back an even number
            of samples, so the result is longer if a size was odd at any level, and in mode `periodization` it then is
            another signal.

    Returns:
        The signal.

    Raises:
        TypeError: If `coeffs` is neither floating nor complex.
        ValueError: If the number of nodes is impossible, `size` does not fit, or a name or axis is unknown.

    Example:
        >>> x = torch.rand(2, 3, 21, 30)
        >>> nodes = wavelet_packet(x, "db2", level=2)
        >>> torch.allclose(iwavelet_packet(nodes, "db2", size=(21, 30)), x, atol=1e-5)
        True
    """
    check_dtype(coeffs, "coeffs")
    _check_order(order)
    num_new = len(axes) if order == "freq" else 1
    axes = negative_axes(axes, coeffs.ndim - num_new)
    options, stack = _Options.of(wavelet, mode, axes), min(axes) - 1
    level = _level_of(coeffs.shape[min(axes) - num_new : min(axes)], len(axes), order)
    sizes = _sizes(size, coeffs.shape, level, options)
    if order == "freq":
        coeffs = coeffs.flatten(min(axes) - num_new, stack)
        places = sorted(range(coeffs.shape[stack]), key=_natural_positions(level, len(axes)).__getitem__)
        coeffs = coeffs.index_select(stack, torch.tensor(places, device=coeffs.device))
    return in_float32(_synthesis, coeffs, options=options, sizes=sizes, stack=stack)


def packet_paths(level: int, num_axes: int = 2, order: PacketOrder = "freq") -> list[Any]:
    """Names of the nodes of one level, as they lie in the result of `wavelet_packet`.

    Args:
        level: Depth of the nodes in the tree.
        num_axes: Number of transformed axes.
        order: `freq` for lists nested as the grid of nodes, or `natural` for one list.

    Raises:
        ValueError: If `order` is unknown, `level` is negative or `num_axes` is not positive.

    Example:
        >>> packet_paths(2, num_axes=1), packet_paths(2, num_axes=1, order="natural")
        (['aa', 'ad', 'dd', 'da'], ['aa', 'ad', 'da', 'dd'])
        >>> packet_paths(1)
        [['a', 'v'], ['h', 'd']]
    """
    _check_order(order)
    if level < 0:
        raise ValueError(f"level must not be negative, got {level}")
    if num_axes < 1:
        raise ValueError(f"num_axes must be at least 1, got {num_axes}")
    letters = _LETTERS.get(num_axes) or ["".join(key) for key in product("ad", repeat=num_axes)]
    natural: list[Any] = ["".join(steps) for steps in product(letters, repeat=level)]
    if order == "natural":
        return natural
    paths = [natural[position] for position in _natural_positions(level, num_axes)]
    for _ in range(num_axes - 1):  # innermost axis first
        paths = [paths[start : start + (1 << level)] for start in range(0, len(paths), 1 << level)]
    return paths


class _Options(NamedTuple):
    """Arguments of `dwtn` with which its bands come in natural order."""

    banks: tuple[FilterBank, ...]
    modes: tuple[str, ...]
    axes: tuple[int, ...]

    @classmethod
    def of(cls, wavelet: WaveletLike, mode: Names, axes: tuple[int, ...]) -> "_Options":
        banks, modes = filter_banks(wavelet, len(axes)), per_axis(mode, len(axes), "mode")
        for name in modes:
            check_mode(name)
        return cls(_turned(banks), _turned(modes), _turned(axes))


def _turned(values: Sequence[_T]) -> tuple[_T, ...]:
    """Values of the axes in the order of `dwtn` for natural order, or back.

    `dwtn` counts the last of its axes fastest; the letters `a, h, v, d` of two axes count the first one fastest.
    """
    return tuple(values[::-1]) if len(values) == 2 else tuple(values)


def _check_order(order: str) -> None:
    if order not in get_args(PacketOrder):
        raise ValueError(f"order must be 'freq' or 'natural', got {order!r}")


def _check_level(x: Tensor, options: _Options, level: int) -> None:
    check_level([x.shape[axis] for axis in options.axes], [bank.num_taps for bank in options.banks], level)


def _analysis(x: Tensor, *, options: _Options, level: int, stack: int) -> Tensor:
    nodes = x.unsqueeze(stack)
    for _ in range(level):
        nodes = dwtn(nodes, *options, stack=stack).flatten(stack - 1, stack)  # (..., S, 2^n, ...) to (..., 2^n S, ...)
    return nodes


def _synthesis(nodes: Tensor, *, options: _Options, sizes: list[Any], stack: int) -> Tensor:
    num_bands = 1 << len(options.axes)
    for size in reversed(sizes):
        nodes = nodes.unflatten(stack, (nodes.shape[stack] // num_bands, num_bands))
        nodes = idwtn(nodes, *options, size=size, stack=stack)
    return nodes.squeeze(stack)


def _sizes(size: Sequence[int] | None, shape: Sequence[int], level: int, options: _Options) -> list[Any]:
    """Samples along the axes of `options` before every level; nothing is known without `size`."""
    if size is None:
        return [None] * level
    if len(size) != len(options.axes):
        raise ValueError(f"size must be one number per axis ({len(options.axes)}), got {len(size)}")
    sizes = [_turned(size)]
    for _ in range(level):
        taken = zip(sizes[-1], options.banks, options.modes, strict=True)
        sizes.append(tuple(band_length(length, bank.num_taps, mode) for length, bank, mode in taken))
    expected, given = _turned(sizes.pop()), _turned([shape[axis] for axis in options.axes])
    if expected != given:
        raise ValueError(f"size {tuple(size)} belongs to nodes of size {expected} at level {level}, got {given}")
    return sizes


def _level_of(counts: Sequence[int], num_axes: int, order: str) -> int:
    """Level of a number of nodes, given one number per new axis."""
    bits = 1 if order == "freq" else num_axes  # of a number of nodes, per level
    level = max(counts[0].bit_length() - 1, 0) // bits
    if any(count != 1 << level * bits for count in counts):
        rule = f"2^level along each of {num_axes} axes" if order == "freq" else f"{1 << num_axes}^level"
        raise ValueError(f"coeffs must have {rule} nodes in order {order!r}, got {tuple(counts)}")
    return level


# The compiler does not trace this call: numbers decide the result, which becomes a constant of the graph.
@constant_result
def _natural_positions(level: int, num_axes: int) -> list[int]:
    """Positions in natural order of the nodes of the frequency grid, row by row."""
    gray = [index ^ (index >> 1) for index in range(1 << level)]
    positions = []
    for node in product(gray, repeat=num_axes):
        position = 0
        for step in reversed(range(level)):
            for code in _turned(node):
                position = 2 * position + (code >> step & 1)
        positions.append(position)
    return positions
