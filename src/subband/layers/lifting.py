"""Wavelet transforms by lifting, with learnable steps: invertible whatever the parameters are.

The even and the odd samples of a signal take turns: a step adds to the ones a filtered copy of the others, so that the
inverse subtracts the same. A last factor balances the two bands; its logarithm is the parameter, so it never vanishes.

Source: W. Sweldens, The lifting scheme: a construction of second generation wavelets, SIAM J. Math. Anal. 29 (1998);
I. Daubechies and W. Sweldens, Factoring wavelet transforms into lifting steps, J. Fourier Anal. Appl. 4 (1998), for the
numbers of the 9/7 filters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from subband.layers._wavelet_base import Size, WaveletModule
from subband.layers.band_layout import Layout
from subband.transforms.arguments import check_dtype, in_float32, per_axis
from subband.transforms.haar import halves, interleave
from subband.transforms.padding import extend

__all__ = ["LiftingDWT1d", "LiftingDWT2d", "LiftingDWT3d"]

LiftingWavelet = Literal["haar", "bior2.2", "bior4.4"]
LiftingMode = Literal["symmetric", "periodization", "zero"]
_EXTENSIONS = {"symmetric": "constant", "periodization": "periodic", "zero": "zero"}  # of the even and the odd samples


class _Scheme(NamedTuple):
    """Steps in order, predictions and updates in turn, and the factor of the low band."""

    steps: tuple[tuple[float, ...], ...]
    scale: float


SCHEMES = {
    "haar": _Scheme(((-1.0,), (0.5,)), math.sqrt(2)),
    "bior2.2": _Scheme(((-0.5, -0.5), (0.25, 0.25)), math.sqrt(2)),
    "bior4.4": _Scheme(
        tuple((step, step) for step in (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)),
        1.149604398860241,
    ),
}


class LiftingSteps(nn.Module):
    """Learnable predict and update steps along one axis.

    With the even samples e and the odd samples o, a prediction is `o[k] += sum_j taps[j] * e[k + j]`, an update
    `e[k] += sum_j taps[j] * o[k - j]`.

    Args:
        wavelet: Initial steps.
        mode: Boundary mode, see `LiftingDWT1d`.
        dtype: Of the parameters.

    Example:
        >>> steps, x = LiftingSteps("bior2.2", "symmetric"), torch.rand(3, 8)
        >>> torch.allclose(steps.merge(*steps.split(x, -1), -1), x, atol=1e-6)
        True
    """

    def __init__(self, wavelet: LiftingWavelet, mode: LiftingMode, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        if wavelet not in SCHEMES:
            raise ValueError(f"wavelet must be one of {', '.join(SCHEMES)}, got {wavelet!r}")
        if mode not in _EXTENSIONS:
            raise ValueError(f"mode must be one of {', '.join(_EXTENSIONS)}, got {mode!r}")
        scheme = SCHEMES[wavelet]
        self.extension = _EXTENSIONS[mode]
        self.steps = nn.ParameterList(nn.Parameter(torch.tensor(taps, dtype=dtype)) for taps in scheme.steps)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scheme.scale), dtype=dtype))

    def split(self, x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """Low and high band of a signal of even length along a negative axis; signs are those of PyWavelets."""
        even, odd = halves(x, axis)
        for predict, update in self._pairs(x):
            odd = odd + self._prediction(even, predict, axis)
            even = even + self._update(odd, update, axis)
        scale = self.log_scale.to(x).exp()
        return even * scale, -odd / scale

    def merge(self, low: Tensor, high: Tensor, axis: int) -> Tensor:
        """Inverse of `split`."""
        scale = self.log_scale.to(low).exp()
        even, odd = low / scale, -high * scale
        for predict, update in reversed(self._pairs(low)):
            even = even - self._update(odd, update, axis)
            odd = odd - self._prediction(even, predict, axis)
        return interleave(even, odd, axis)

    def _pairs(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Taps of a prediction and of the update after it."""
        taps = [step.to(x) for step in self.steps]
        return list(zip(taps[::2], taps[1::2], strict=True))

    def _prediction(self, even: Tensor, taps: Tensor, axis: int) -> Tensor:
        reach, length = taps.shape[0] - 1, even.shape[axis]
        wide = extend(even, 0, reach, self.extension, axis)
        return _sum(wide.narrow(axis, j, length) * taps[j] for j in range(reach + 1))

    def _update(self, odd: Tensor, taps: Tensor, axis: int) -> Tensor:
        reach, length = taps.shape[0] - 1, odd.shape[axis]
        wide = extend(odd, reach, 0, self.extension, axis)
        return _sum(wide.narrow(axis, reach - j, length) * taps[j] for j in range(reach + 1))


def _sum(terms: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, terms)


class _LiftingDWT(WaveletModule):
    num_axes: ClassVar[int]

    def __init__(
        self,
        wavelet: LiftingWavelet | tuple[LiftingWavelet, ...] = "haar",
        mode: LiftingMode = "symmetric",
        levels: int = 1,
        layout: Layout = "bands",
        *,
        order: Sequence[str] | None = None,
        signs: Sequence[int] | None = None,
        scale: float = 1.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(mode, levels, layout, order, signs, scale)
        if self.has_container:
            raise ValueError(f"layout 'bands' must have levels=1 in a lifting transform, got levels={levels}")
        names = per_axis(wavelet, self.num_axes, "wavelet")
        kinds = names[:1] if isinstance(wavelet, str) else names  # one set of steps for all axes, or one for each
        self.lifting = nn.ModuleList(LiftingSteps(name, mode, dtype) for name in kinds)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Any:
        """Transform `x`, `(B, C, *)`, floating or complex, any range."""
        return self._analyze(x)

    def inverse(self, coeffs: Any, size: Size | None = None) -> Tensor:
        """Inverse with the same steps, exact for any values of the parameters.

        Args:
            coeffs: What the module returned.
            size: Samples to keep along the transformed axes, the size before the transform; one number for one axis. If
                not given, odd sizes come back one larger.

        Returns:
            The signal, `(B, C, *)`.

        Raises:
            ValueError: If `coeffs` or `size` do not fit.
        """
        return self._synthesize(coeffs, size)

    def _transform(self, x: Tensor, axes: tuple[int, ...], stack: int | None) -> Any:
        check_dtype(x, "x")
        for axis in axes:
            if x.shape[axis] == 0:
                raise ValueError(f"x must have at least one sample along axis {axis}, got shape {tuple(x.shape)}")
        bands = in_float32(self._split, x, axes=axes)
        return bands if stack is None else torch.stack(list(bands.values()), stack)

    def _inverse_transform(
        self,
        bands: Mapping[str, Tensor] | Tensor,
        axes: tuple[int, ...],
        size: tuple[int, ...] | None,
        stack: int | None,
    ) -> Tensor:
        parts = bands.unbind(stack or 0) if isinstance(bands, Tensor) else [bands[key] for key in sorted(bands)]
        check_dtype(parts[0], "coeffs")
        x = in_float32(self._merge, *parts, axes=axes)
        for axis, length in zip(axes, size or [x.shape[axis] for axis in axes], strict=True):
            if x.shape[axis] - length not in (0, 1):
                raise ValueError(f"size must be equal to or one below {x.shape[axis]} along axis {axis}, got {length}")
            x = x.narrow(axis, 0, length) if x.shape[axis] != length else x
        return x

    def _split(self, x: Tensor, *, axes: tuple[int, ...]) -> dict[str, Tensor]:
        bands = {"": x}
        for axis, steps in zip(axes, self._steps(), strict=True):
            even = {key: extend(band, 0, band.shape[axis] % 2, "constant", axis) for key, band in bands.items()}
            pairs = {key: steps.split(band, axis) for key, band in even.items()}
            bands = {key + letter: pair[i] for key, pair in pairs.items() for i, letter in enumerate("ad")}
        return bands

    def _merge(self, *bands: Tensor, axes: tuple[int, ...]) -> Tensor:
        parts: Sequence[Tensor] = bands
        for axis, steps in zip(reversed(axes), reversed(self._steps()), strict=True):
            parts = [steps.merge(low, high, axis) for low, high in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    def _steps(self) -> list[LiftingSteps]:
        steps = [module for module in self.lifting if isinstance(module, LiftingSteps)]
        return steps * (self.num_axes // len(steps))


class LiftingDWT1d(_LiftingDWT):
    """Lifting transform of signals along the last axis, and its inverse, with learnable steps.

    Args:
        wavelet: Initial steps: `haar`, `bior2.2` (also called LeGall 5/3) or `bior4.4` (CDF 9/7). With `periodization`
            the initial transform is that of `subband.transforms.dwt`; with `symmetric` it is the one that mirrors a
            signal of even length at its end samples (PyWavelets' `reflect`), without the coefficients beyond the ends.
        mode: What follows the ends of the even and of the odd samples: `symmetric` repeats them, `periodization`
            continues periodically, `zero`. In every mode an odd length is made even by repeating the last sample.
        levels: Number of levels; one for layout `bands`.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape` of `subband.layers.wavelet.DWT1d`.
        order: Order of the bands, `("a", "d")` if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of both bands, applied at every level.
        dtype: Of the parameters.

    Shape:
        That of `DWT1d`, with `ceil(N / 2)` coefficients per band.

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> module, x = LiftingDWT1d("bior2.2"), torch.rand(2, 3, 15)
        >>> bands = module(x)
        >>> bands.shape, torch.allclose(module.inverse(bands, size=15), x, atol=1e-6)
        (torch.Size([2, 3, 2, 8]), True)
    """

    num_axes = 1


class LiftingDWT2d(_LiftingDWT):
    """Lifting transform of images along the last two axes, and its inverse, with learnable steps.

    Args:
        wavelet: Initial steps, see `LiftingDWT1d`; both axes share them, unless there is one name per axis.
        mode: `symmetric`, `periodization` or `zero`, see `LiftingDWT1d`.
        levels: Number of levels; one for layout `bands`.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape` of `subband.layers.wavelet.DWT2d`.
        order: Order of the bands, `("aa", "ad", "da", "dd")` if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of all bands, applied at every level.
        dtype: Of the parameters.

    Shape:
        That of `DWT2d`, with `ceil(H / 2)` rows and `ceil(W / 2)` columns per band.

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> module, x = LiftingDWT2d("bior4.4", levels=2, layout="split"), torch.rand(1, 3, 17, 20)
        >>> low, highs = module(x)
        >>> low.shape, torch.allclose(module.inverse((low, highs), size=(17, 20)), x, atol=1e-5)
        (torch.Size([1, 3, 5, 5]), True)
    """

    num_axes = 2


class LiftingDWT3d(_LiftingDWT):
    """Lifting transform of clips or volumes along the last three axes, and its inverse, with learnable steps.

    Args:
        wavelet: Initial steps, see `LiftingDWT1d`; all axes share them, unless there is one name per axis.
        mode: `symmetric`, `periodization` or `zero`, see `LiftingDWT1d`.
        levels: Number of levels; one for layout `bands`.
        layout: `bands` | `channels` | `interleaved` | `split` | `batch`, see `Shape` of `subband.layers.wavelet.DWT3d`.
        order: Order of the bands, sorted by their letters if not given.
        signs: +1 or -1 per band of `order`, all +1 if not given.
        scale: Factor of all bands, applied at every level.
        dtype: Of the parameters.

    Shape:
        That of `DWT3d`, with `ceil(N / 2)` coefficients per band along an axis of N samples.

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> LiftingDWT3d()(torch.rand(1, 2, 5, 8, 8)).shape
        torch.Size([1, 2, 8, 3, 4, 4])
    """

    num_axes = 3
