"""One level of the wavelet transform as operators that a compiler calls instead of looking into them.

Where sizes are symbols a compiler needs minutes for the sums that make up a few levels, since it simplifies the bounds
of every one of them. There it shall see one call a level, which runs as outside of the compiler. The derivative of each
operator is the other one.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from subband.transforms import _maps
from subband.transforms._compiling import constant_result, is_exporting
from subband.transforms._filter_bank import Axis, band_length, signal_length
from subband.transforms.arguments import without_autocast
from subband.transforms.filters import FilterBank

__all__ = ["analysis", "are_wanted", "synthesis"]


def are_wanted(x: Tensor, axes: Sequence[Axis], stack: int | None = None) -> bool:
    """Whether a tensor is being compiled for the CPU with symbols for the lengths of its transformed axes.

    Fixed lengths, also beside a batch of any size, compile quickly, and the fused sums are faster than our own loops.
    Devices without such loops need the sums, exported programs know no operators of ours, and functional transforms
    have no derivatives of them.

    Args:
        x: The signal, or one of its bands, or a tensor of all of them.
        axes: The transformed axes.
        stack: Negative position of the band axis in a tensor of bands.

    Example:
        >>> are_wanted(torch.ones(3), [])
        False
    """
    if not torch.compiler.is_dynamo_compiling() or is_exporting() or _is_transformed() or x.device.type != "cpu":
        return False
    has_static_value = torch.fx.experimental.symbolic_shapes.has_static_value  # a compiler has imported this module
    shape = x.shape if stack is None else x.select(stack, 0).shape
    has_fixed_lengths = all(has_static_value(shape[axis.axis]) for axis in axes)
    return not has_fixed_lengths and not any(axis.bank.is_learnable for axis in axes)


def analysis(x: Tensor, axes: Sequence[Axis], stack: int | None) -> Tensor | tuple[Tensor, ...]:
    """All bands of one level, as `_maps.analysis` gives them."""
    bands = _analysis(x, *_plain(axes), stack)
    return tuple(bands) if stack is None else bands[0]


def synthesis(bands: Sequence[Tensor], axes: Sequence[Axis], stack: int | None) -> Tensor:
    """Inverse of `analysis`, as `_maps.synthesis` computes it."""
    return _synthesis(list(bands), *_plain(axes), stack, None)


@constant_result
def _is_transformed() -> bool:
    return torch._C._are_functorch_transforms_active()


_Plain = tuple[list[int], str, list[int], list[float]]


def _plain(axes: Sequence[Axis]) -> _Plain:
    """Axes as an operator takes them: their numbers, modes, numbers of taps, and all taps."""
    taps = [tap for axis in axes for filter_taps in axis.bank for tap in filter_taps]
    return [axis.axis for axis in axes], " ".join([axis.mode for axis in axes]), [len(a.bank[0]) for a in axes], taps


def _axes(places: Sequence[int], modes: str, counts: Sequence[int], taps: Sequence[float]) -> tuple[Axis, ...]:
    """Inverse of `_plain`."""
    rest = iter(taps)
    banks = [FilterBank(*(tuple(itertools.islice(rest, count)) for _ in range(4))) for count in counts]
    return tuple(Axis(*parts) for parts in zip(places, banks, modes.split(), strict=True))


@torch.library.custom_op("subband::wavelet_analysis", mutates_args=())
def _analysis(
    x: Tensor, places: Sequence[int], modes: str, counts: Sequence[int], taps: Sequence[float], stack: int | None
) -> list[Tensor]:
    with without_autocast(x.device):
        result = _maps.analysis(x, _axes(places, modes, counts, taps), stack)
    return [band.contiguous() for band in ((result,) if isinstance(result, Tensor) else result)]


@torch.library.custom_op("subband::wavelet_synthesis", mutates_args=())
def _synthesis(
    bands: Sequence[Tensor],
    places: Sequence[int],
    modes: str,
    counts: Sequence[int],
    taps: Sequence[float],
    stack: int | None,
    lengths: Sequence[int] | None,
) -> Tensor:
    """The inverse of the analysis, or its adjoint for signals of some lengths."""
    axes = _axes(places, modes, counts, taps)
    with without_autocast(bands[0].device):
        if lengths is None:
            return _maps.synthesis(bands, axes, stack).contiguous()
        return _maps.analysis_adjoint(bands, axes, stack, tuple(lengths)).contiguous()


@_analysis.register_fake
def _(
    x: Tensor, places: Sequence[int], modes: str, counts: Sequence[int], taps: Sequence[float], stack: int | None
) -> list[Tensor]:
    shape, number = list(x.shape), 1 << len(places)
    for place, mode, count in zip(places, modes.split(), counts, strict=True):
        shape[place] = band_length(shape[place], count, mode)
    if stack is None:
        return [x.new_empty(shape) for _ in range(number)]
    shape.insert(x.ndim + 1 + stack, number)
    return [x.new_empty(shape)]


@_synthesis.register_fake
def _(
    bands: Sequence[Tensor],
    places: Sequence[int],
    modes: str,
    counts: Sequence[int],
    taps: Sequence[float],
    stack: int | None,
    lengths: Sequence[int] | None,
) -> Tensor:
    shape = list(bands[0].shape)
    if stack is not None:
        del shape[stack]
    for index, (place, mode, count) in enumerate(zip(places, modes.split(), counts, strict=True)):
        shape[place] = signal_length(shape[place], count, mode) if lengths is None else lengths[index]
    return bands[0].new_empty(shape)


def _keep_lengths(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    x, *ctx.plain, ctx.stack = inputs
    ctx.lengths = [x.shape[place] for place in ctx.plain[0]]


def _backward_of_analysis(ctx: Any, grads: list[Tensor]) -> tuple[Tensor | None, ...]:
    return _synthesis(grads, *ctx.plain, ctx.stack, ctx.lengths), *(None,) * 5


def _keep_map(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, *ctx.plain, ctx.stack, ctx.lengths = inputs


def _backward_of_synthesis(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    axes = _axes(*ctx.plain)
    axes = axes if ctx.lengths is not None else _maps.adjoint_of_synthesis(axes)
    return _analysis(grad, *_plain(axes), ctx.stack), *(None,) * 6


_analysis.register_autograd(_backward_of_analysis, setup_context=_keep_lengths)
_synthesis.register_autograd(_backward_of_synthesis, setup_context=_keep_map)
