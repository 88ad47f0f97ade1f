"""The wavelet transform of one level, its inverse and their adjoints as linear maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from subband.transforms import _filter_bank, _small, separable
from subband.transforms._filter_bank import Axis
from subband.transforms._linear import LinearMap, Tensors, apply, is_traced

__all__ = ["adjoint_of_synthesis", "analysis", "analysis_adjoint", "synthesis"]


def analysis(x: Tensor, axes: tuple[Axis, ...], stack: int | None) -> Tensors:
    """All bands of one level with any filters.

    Args:
        x: Any shape, floating or complex.
        axes: The transformed axes; banks of tensors are differentiated too.
        stack: Negative position of the band axis, or `None` for separate tensors.

    Returns:
        Bands in sorted key order.
    """
    if any(axis.bank.is_learnable for axis in axes):
        return _plain_analysis(x, axes, stack)
    if not is_traced(x) and _small.is_small(x, axes, _num_coefficients(x, axes)):
        return _small.analysis(x, axes, stack)
    return apply(_Analysis(axes, stack), x)


def synthesis(bands: Sequence[Tensor], axes: tuple[Axis, ...], stack: int | None) -> Tensor:
    """Inverse of `analysis`.

    Args:
        bands: `2^n` tensors in sorted key order, or one stacked tensor.
        axes: The transformed axes.
        stack: Negative position of the band axis, or `None` for separate tensors.
    """
    if any(axis.bank.is_learnable for axis in axes):
        return _plain_synthesis(_separate(bands, stack), axes)
    num_values = bands[0].numel() * (len(bands) if stack is None else 1)
    if not is_traced(bands[0]) and _small.is_small(bands[0], axes, num_values):
        return _small.synthesis(bands, axes, stack)
    return apply(_Synthesis(axes, stack), *bands)


def analysis_adjoint(
    bands: Sequence[Tensor], axes: tuple[Axis, ...], stack: int | None, lengths: tuple[int, ...]
) -> Tensor:
    """Transposed map of `analysis`, for filters of numbers.

    Args:
        bands: `2^n` tensors in sorted key order, or one stacked tensor.
        axes: The axes of the analysis.
        stack: Negative position of the band axis, or `None` for separate tensors.
        lengths: Samples of the signal that was analyzed along every one of `axes`.
    """
    result: Tensor = apply(_AnalysisAdjoint(axes, stack, lengths), *bands)
    return result


def adjoint_of_synthesis(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """The axes of the analysis that is the transposed map of a synthesis."""
    # The inverse does not know the extension; only `periodization` continues the bands, in both directions.
    modes = ("periodization" if axis.mode == "periodization" else "zero" for axis in axes)
    return tuple(Axis(a.axis, a.bank.time_reversed(), mode) for a, mode in zip(axes, modes, strict=True))


def _num_coefficients(x: Tensor, axes: tuple[Axis, ...]) -> int:
    number = x.numel()
    for axis, bank, mode in axes:
        length = x.shape[axis]
        number = number // length * 2 * _filter_bank.band_length(length, len(bank.dec_lo), mode)
    return number


@dataclass(frozen=True)
class _Analysis(LinearMap):
    axes: tuple[Axis, ...]
    stack: int | None

    def eager(self, *tensors: Tensor) -> Tensors:
        (x,) = tensors
        if not _has_fast_path(x):
            return self.traced(x)
        if x.is_complex():
            parts = _filter_bank.analysis(torch.view_as_real(x), _beside_real_axis(self.axes), None)
            return _stacked([torch.view_as_complex(part.contiguous()) for part in parts], self.stack)
        return _filter_bank.analysis(x, self.axes, self.stack)

    def traced(self, *tensors: Tensor) -> Tensors:
        return _plain_analysis(tensors[0], self.axes, self.stack)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return _AnalysisAdjoint(self.axes, self.stack, tuple(shapes[0][axis.axis] for axis in self.axes))


@dataclass(frozen=True)
class _AnalysisAdjoint(LinearMap):
    axes: tuple[Axis, ...]
    stack: int | None
    lengths: tuple[int, ...]

    def eager(self, *bands: Tensor) -> Tensor:
        if not _has_fast_path(bands[0]):
            return self.traced(*bands)
        reversed_axes = tuple(axis._replace(bank=axis.bank.time_reversed()) for axis in self.axes)
        return _synthesis_of_any_dtype(_separate(bands, self.stack), reversed_axes, self.lengths)

    def traced(self, *bands: Tensor) -> Tensor:
        parts = _separate(bands, self.stack)
        for (axis, bank, mode), length in zip(reversed(self.axes), reversed(self.lengths), strict=True):
            pairs = zip(parts[::2], parts[1::2], strict=True)
            run = partial(separable.analyze_adjoint, bank=bank, mode=mode, length=length)
            parts = [_on_rows(run, pair, axis)[0] for pair in pairs]
        return parts[0]

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return _Analysis(self.axes, self.stack)


@dataclass(frozen=True)
class _Synthesis(LinearMap):
    axes: tuple[Axis, ...]
    stack: int | None

    def eager(self, *bands: Tensor) -> Tensor:
        if not _has_fast_path(bands[0]):
            return self.traced(*bands)
        return _synthesis_of_any_dtype(_separate(bands, self.stack), self.axes, None)

    def traced(self, *bands: Tensor) -> Tensor:
        return _plain_synthesis(_separate(bands, self.stack), self.axes)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return _Analysis(adjoint_of_synthesis(self.axes), self.stack)


def _has_fast_path(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.numel() > 0


def _plain_analysis(x: Tensor, axes: tuple[Axis, ...], stack: int | None) -> Tensors:
    parts = [x]
    for axis, bank, mode in axes:
        run = partial(separable.analyze, bank=bank, mode=mode)
        parts = [band for part in parts for band in _on_rows(run, (part,), axis)]
    return _stacked(parts, stack)


def _plain_synthesis(parts: Sequence[Tensor], axes: tuple[Axis, ...]) -> Tensor:
    for axis, bank, mode in reversed(axes):
        pairs = zip(parts[::2], parts[1::2], strict=True)
        run = partial(separable.synthesize, bank=bank, mode=mode)
        parts = [_on_rows(run, pair, axis)[0] for pair in pairs]
    return parts[0]


def _on_rows(run: Callable[..., Tensors], tensors: tuple[Tensor, ...], axis: int) -> tuple[Tensor, ...]:
    """Filter an axis; when compiling for the CPU the last one as the rows of the transposed tensor.

    The compiler vectorises loads with a stride along rows only, which is worth two transpositions.
    """
    x = tensors[0]
    is_innermost = axis == -1 and x.ndim > 1 and x.stride(-1) == 1
    if not is_innermost or x.device.type != "cpu" or not torch.compiler.is_dynamo_compiling():
        result = run(*tensors, axis=axis)
        return (result,) if isinstance(result, Tensor) else result
    turned = (tensor.transpose(-1, -2).contiguous() for tensor in tensors)
    result = run(*turned, axis=-2)
    return tuple(part.transpose(-1, -2) for part in ((result,) if isinstance(result, Tensor) else result))


def _synthesis_of_any_dtype(bands: Sequence[Tensor], axes: tuple[Axis, ...], lengths: tuple[int, ...] | None) -> Tensor:
    if bands[0].is_complex():
        real = [torch.view_as_real(band.resolve_conj()) for band in bands]
        return torch.view_as_complex(_filter_bank.synthesis(real, _beside_real_axis(axes), lengths).contiguous())
    return _filter_bank.synthesis(bands, axes, lengths)


def _beside_real_axis(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """The axes once the real and the imaginary part have an axis of their own at the end."""
    return tuple(axis._replace(axis=axis.axis - 1) for axis in axes)


def _separate(bands: Sequence[Tensor], stack: int | None) -> Sequence[Tensor]:
    return bands if stack is None else bands[0].unbind(stack)


def _stacked(parts: Sequence[Tensor], stack: int | None) -> Tensors:
    return tuple(parts) if stack is None else torch.stack(tuple(parts), stack)
