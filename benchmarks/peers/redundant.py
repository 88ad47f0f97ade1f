"""Undecimated transforms, packets, dual-tree and continuous wavelets by subband and by other libraries."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pywt
import torch
from torch import Tensor

from peers.contestant import Contestant, as_array
from peers.stand_ins import optional
from peers.wavelets import FLOAT32_TAPS, MODE
from subband import transforms
from subband.compat import pytorch_wavelets as drop_in

__all__ = ["continuous", "drop_in_dual_tree", "dual_tree", "packets_2d", "stationary_1d", "stationary_2d"]


def stationary_1d(wavelet: str, level: int) -> list[Contestant]:
    """Undecimated transform along the last axis: approximation, then details from the coarsest."""
    options = {"wavelet": wavelet, "level": level, "trim_approx": True}
    contestants = [
        Contestant("PyWavelets", as_array(partial(pywt.swt, **options)), is_tensor_program=False),
        Contestant("subband", lambda x: transforms.swt(x, **options), can_compile=True),
    ]
    if (ptwt := optional("ptwt")) is not None:
        contestants.append(Contestant("ptwt", partial(ptwt.swt, wavelet=wavelet, level=level)))
    return contestants


def stationary_2d(wavelet: str, level: int) -> list[Contestant]:
    """Undecimated transform over the last two axes."""
    options = {"wavelet": wavelet, "level": level, "trim_approx": True}
    return [
        Contestant("PyWavelets", as_array(partial(pywt.swt2, axes=(-2, -1), **options)), is_tensor_program=False),
        Contestant("subband", lambda x: transforms.swt2(x, **options), can_compile=True),
    ]


def packets_2d(wavelet: str, level: int) -> list[Contestant]:
    """All packets of a level over the last two axes, in natural order."""

    def by_pywavelets(x: np.ndarray) -> list[np.ndarray]:
        tree = pywt.WaveletPacket2D(x, wavelet, mode=MODE, maxlevel=level, axes=(-2, -1))
        return [node.data for node in tree.get_level(level, order="natural")]

    contestants = [
        Contestant("PyWavelets", as_array(by_pywavelets), is_tensor_program=False),
        Contestant(
            "subband",
            lambda x: transforms.wavelet_packet(
                x, wavelet=wavelet, mode=MODE, level=level, axes=(-2, -1), order="natural"
            ),
            lambda result: result.unbind(-3),
            can_compile=True,
        ),
    ]
    if (ptwt := optional("ptwt")) is not None:

        def by_ptwt(x: Tensor) -> list[Tensor]:
            tree = ptwt.WaveletPacket2D(x, wavelet, mode=MODE, maxlevel=level)
            return [tree[path] for path in tree.get_level(level, "natural")]

        contestants.append(Contestant("ptwt", by_ptwt))
    return contestants


def dual_tree(level: int) -> list[Contestant]:
    """Dual-tree complex wavelets of `(B, C, H, W)`: low band, then `(..., 6, h, w)` complex from the finest level."""
    contestants = []
    if (library := optional("dtcwt")) is not None:
        transform = library.Transform2d(biort="near_sym_a", qshift="qshift_a")

        def by_dtcwt(x: np.ndarray) -> list[np.ndarray]:
            pyramids = [transform.forward(image, nlevels=level) for image in x.reshape(-1, *x.shape[-2:])]
            bands = [np.stack([pyramid.lowpass for pyramid in pyramids])]
            for index in range(level):
                bands.append(np.stack([np.moveaxis(pyramid.highpasses[index], -1, 0) for pyramid in pyramids]))
            return [band.reshape(*x.shape[:-2], *band.shape[1:]) for band in bands]

        contestants.append(Contestant("dtcwt", as_array(by_dtcwt), is_tensor_program=False))
    contestants.append(Contestant("subband", lambda x: transforms.dtcwt2(x, level=level), _our_bands, can_compile=True))
    if (library := optional("pytorch_wavelets")) is not None:
        forward = library.DTCWTForward(biort="near_sym_a", qshift="qshift_a", J=level)
        contestants.append(Contestant("pytorch_wavelets", forward, _complex_bands, tolerance=FLOAT32_TAPS))
    return contestants


def drop_in_dual_tree(level: int) -> list[Contestant]:
    """`dual_tree` with the modules that stand in for pytorch_wavelets as ours."""
    forward = drop_in.DTCWTForward(J=level)
    ours = Contestant("subband", forward, _complex_bands, can_compile=True)
    return [ours if contestant.name == "subband" else contestant for contestant in dual_tree(level)]


def _our_bands(coeffs: transforms.DTCWTCoeffs) -> list[Tensor]:
    return [coeffs.low, *coeffs.highs]


def _complex_bands(result: Any) -> list[Tensor]:
    low, highs = result
    return [low, *[torch.view_as_complex(high.contiguous()) for high in highs]]


def continuous(wavelet: str, num_scales: int) -> list[Contestant]:
    """Continuous wavelet transform of `(B, N)`, `(scales, B, N)`."""
    scales = np.arange(1, num_scales + 1)
    numbers = scales.tolist()

    def by_pywavelets(x: np.ndarray) -> np.ndarray:
        return pywt.cwt(x, scales, wavelet, method="fft", axis=-1)[0]

    contestants = [
        Contestant("PyWavelets", as_array(by_pywavelets), is_tensor_program=False),
        Contestant("subband", lambda x: transforms.cwt(x, numbers, wavelet)[0], can_compile=True),
    ]
    if (ptwt := optional("ptwt")) is not None:
        contestants.append(Contestant("ptwt", lambda x: ptwt.cwt(x, scales, wavelet)[0]))
    return contestants
