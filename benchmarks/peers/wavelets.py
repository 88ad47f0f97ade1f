"""Discrete wavelet transforms, one and several levels, forward and inverse, by subband and by other libraries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pywt
import torch
from torch import Tensor

from peers.contestant import Contestant, as_array
from peers.stand_ins import optional
from published.haar_layers import OpenSTLHaar, OpenSTLInverseHaar, vd_diff_haar, vd_diff_inverse_haar
from subband import transforms
from subband.compat import pytorch_wavelets as drop_in

__all__ = ["drop_in_2d", "inverse_2d", "multilevel_2d", "multilevel_inverse_2d", "one_level"]

MODE = "symmetric"
FLOAT32_TAPS = 1e-6  # what filters that were rounded to single precision cost


def one_level(wavelet: str, ndim: int) -> list[Contestant]:
    """One level over the last one, two or three axes; bands in sorted key order."""
    axes = tuple(range(-ndim, 0))
    contestants = [_pywavelets(wavelet, axes), *_subband(wavelet, axes)]
    if (ptwt := optional("ptwt")) is not None:
        contestants += _ptwt(ptwt, wavelet, axes)
    if ndim < 3 and (library := optional("pytorch_wavelets")) is not None:
        contestants.append(_pytorch_wavelets(library, wavelet, ndim))
    if wavelet == "haar" and ndim > 1:
        contestants.append(Contestant("OpenSTL layer", OpenSTLHaar(ndim), tolerance=FLOAT32_TAPS))
    if wavelet == "haar" and ndim == 2:
        contestants.append(Contestant("VD-Diff layer", vd_diff_haar, _vd_diff_bands))
    return contestants


def keys(ndim: int) -> list[str]:
    return ["".join(letters) for letters in product("ad", repeat=ndim)]


def by_key(result: dict[str, Any]) -> list[Tensor]:
    """Bands of a dictionary in sorted key order."""
    return [torch.as_tensor(result[key]) for key in sorted(result)]


def image_bands(result: Any) -> list[Tensor]:
    """`aa, ad, da, dd` of `(cA, (cH, cV, cD))`."""
    approx, (horizontal, vertical, diagonal) = result
    return [torch.as_tensor(band) for band in (approx, vertical, horizontal, diagonal)]


def _pywavelets(wavelet: str, axes: tuple[int, ...]) -> Contestant:
    if len(axes) == 1:
        return Contestant(
            "PyWavelets", as_array(partial(pywt.dwt, wavelet=wavelet, mode=MODE)), is_tensor_program=False
        )
    if len(axes) == 2:
        run = partial(pywt.dwt2, wavelet=wavelet, mode=MODE, axes=axes)
        return Contestant("PyWavelets", as_array(run), image_bands, is_tensor_program=False)
    run = partial(pywt.dwtn, wavelet=wavelet, mode=MODE, axes=axes)
    return Contestant("PyWavelets", as_array(run), by_key, is_tensor_program=False)


def _subband(wavelet: str, axes: tuple[int, ...]) -> list[Contestant]:
    """Ours, into one stacked tensor and into separate bands; only for Haar both are compiled, which takes long."""
    if len(axes) == 1:
        run = partial(transforms.dwt, wavelet=wavelet, mode=MODE)
        return [Contestant("subband", run, can_compile=True)]
    stacked = partial(transforms.dwtn, wavelet=wavelet, mode=MODE, axes=axes, stack=-len(axes) - 1)
    one_tensor = Contestant(
        "subband", stacked, lambda result: result.unbind(-len(axes) - 1), can_compile=wavelet == "haar"
    )
    separate = partial(transforms.dwtn, wavelet=wavelet, mode=MODE, axes=axes)
    return [one_tensor, Contestant("subband, separate bands", separate, by_key, can_compile=True)]


def _ptwt(ptwt: Any, wavelet: str, axes: tuple[int, ...]) -> list[Contestant]:
    options = {"wavelet": wavelet, "mode": MODE, "level": 1}
    if len(axes) == 1:
        return [Contestant("ptwt", partial(ptwt.wavedec, **options))]
    if len(axes) == 2:
        return [Contestant("ptwt", partial(ptwt.wavedec2, **options), image_bands)]

    def in_key_order(result: Any) -> list[Tensor]:
        approx, details = result
        return [approx, *[details[key] for key in keys(3)[1:]]]

    return [
        Contestant("ptwt", partial(ptwt.wavedec3, **options), in_key_order),
        Contestant("ptwt separable", partial(ptwt.fswavedec3, **options), in_key_order),
    ]


def _pytorch_wavelets(library: Any, wavelet: str, ndim: int) -> Contestant:
    if ndim == 1:
        run = library.DWT1DForward(J=1, wave=wavelet, mode=MODE)
        return Contestant("pytorch_wavelets", run, lambda result: [result[0], result[1][0]], tolerance=FLOAT32_TAPS)

    def bands(result: Any) -> list[Tensor]:
        low, (high,) = result
        return [low, high[:, :, 1], high[:, :, 0], high[:, :, 2]]

    run = library.DWTForward(J=1, wave=wavelet, mode=MODE)
    return Contestant("pytorch_wavelets", run, bands, tolerance=FLOAT32_TAPS)


def _vd_diff_bands(result: Tensor) -> list[Tensor]:
    ll, hl, lh, hh = result.chunk(4)
    return [ll, -hl, -lh, hh]


def inverse_2d(wavelet: str) -> list[Contestant]:
    """Synthesis of `(B, C, 4, H, W)`, bands `aa, ad, da, dd`."""

    def nested(x: Tensor) -> tuple[Tensor, ...]:
        aa, ad, da, dd = (band.contiguous() for band in x.unbind(-3))
        return aa, da, ad, dd

    def in_tuple(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda aa, da, ad, dd: function((aa, (da, ad, dd)), wavelet)

    pywavelets = as_array(in_tuple(partial(pywt.idwt2, mode=MODE)))
    separate = in_tuple(partial(transforms.idwt2, mode=MODE))
    contestants = [
        Contestant("PyWavelets", pywavelets, arguments=nested, is_tensor_program=False),
        Contestant("subband", partial(transforms.idwt2, wavelet=wavelet, mode=MODE)),
        Contestant("subband, separate bands", separate, arguments=nested, can_compile=True),
    ]
    if (ptwt := optional("ptwt")) is not None:
        contestants.append(Contestant("ptwt", in_tuple(ptwt.waverec2), arguments=nested))
    if (library := optional("pytorch_wavelets")) is not None:
        inverse = library.DWTInverse(wave=wavelet, mode=MODE)

        def low_and_high(x: Tensor) -> tuple[Tensor, ...]:
            return x[:, :, 0].contiguous(), x[:, :, [2, 1, 3]]

        run = lambda low, high: inverse((low, [high]))  # noqa: E731
        contestants.append(Contestant("pytorch_wavelets", run, arguments=low_and_high, tolerance=FLOAT32_TAPS))
    if wavelet == "haar":
        contestants.append(Contestant("OpenSTL layer", OpenSTLInverseHaar(2), arguments=lambda x: x.unbind(2)))
        contestants.append(Contestant("VD-Diff layer", vd_diff_inverse_haar, arguments=_to_vd_diff))
    return contestants


def _to_vd_diff(x: Tensor) -> tuple[Tensor, ...]:
    aa, ad, da, dd = x.unbind(2)
    return (torch.cat((aa, -ad, -da, dd)),)


def multilevel_2d(wavelet: str, level: int) -> list[Contestant]:
    """Several levels over the last two axes; bands as PyWavelets orders them."""
    options = {"wavelet": wavelet, "mode": MODE, "level": level}
    contestants = [
        Contestant("PyWavelets", as_array(partial(pywt.wavedec2, **options)), is_tensor_program=False),
        Contestant("subband", lambda x: transforms.wavedec2(x, **options), _coarsest_first, can_compile=True),
    ]
    if (ptwt := optional("ptwt")) is not None:
        contestants.append(Contestant("ptwt", partial(ptwt.wavedec2, **options)))
    if (library := optional("pytorch_wavelets")) is not None:
        run = library.DWTForward(J=level, wave=wavelet, mode=MODE)
        contestants.append(Contestant("pytorch_wavelets", run, _finest_first, tolerance=FLOAT32_TAPS))
    return contestants


def drop_in_2d(wavelet: str, level: int) -> list[Contestant]:
    """Several levels in the layout of pytorch_wavelets, by that library and by the modules that stand in for it."""
    options = {"wavelet": wavelet, "mode": MODE, "level": level}
    run = drop_in.DWTForward(J=level, wave=wavelet, mode=MODE)
    contestants = [
        Contestant("PyWavelets", as_array(partial(pywt.wavedec2, **options)), is_tensor_program=False),
        Contestant("subband", run, _finest_first, can_compile=True),
    ]
    if (library := optional("pytorch_wavelets")) is not None:
        run = library.DWTForward(J=level, wave=wavelet, mode=MODE)
        contestants.append(Contestant("pytorch_wavelets", run, _finest_first, tolerance=FLOAT32_TAPS))
    return contestants


def _finest_first(result: Any) -> list[Tensor]:
    low, highs = result
    return [low, *[band for high in reversed(highs) for band in high.unbind(2)]]


def _coarsest_first(coeffs: Any) -> list[Tensor]:
    approx, *details = coeffs
    return [approx, *[band for h, v, d in details for band in (h, v, d)]]


def multilevel_inverse_2d(wavelet: str, level: int) -> list[Contestant]:
    """Synthesis from several levels of coefficients, those of the input of the case."""
    options = {"wavelet": wavelet, "mode": MODE}

    def coefficients(x: Tensor) -> tuple[Tensor, ...]:
        approx, *details = transforms.wavedec2(x, level=level, **options)
        return (approx, *[band for h, v, d in details for band in (h, v, d)])

    def nested(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda approx, *bands: function([approx, *zip(*[iter(bands)] * 3, strict=True)], wavelet)

    pywavelets = as_array(nested(partial(pywt.waverec2, mode=MODE)))
    contestants = [
        Contestant("PyWavelets", pywavelets, arguments=coefficients, is_tensor_program=False),
        Contestant(
            "subband", nested(partial(transforms.waverec2, mode=MODE)), arguments=coefficients, can_compile=True
        ),
    ]
    if (ptwt := optional("ptwt")) is not None:
        contestants.append(Contestant("ptwt", nested(ptwt.waverec2), arguments=coefficients))
    if (library := optional("pytorch_wavelets")) is not None:
        synthesis = library.DWTInverse(wave=wavelet, mode=MODE)

        def finest_first(x: Tensor) -> tuple[Tensor, ...]:
            approx, *bands = coefficients(x)
            return (approx, *[torch.stack(level, 2) for level in zip(*[iter(bands)] * 3, strict=True)][::-1])

        run = lambda low, *highs: synthesis((low, list(highs)))  # noqa: E731
        contestants.append(Contestant("pytorch_wavelets", run, arguments=finest_first, tolerance=FLOAT32_TAPS))
    return contestants
