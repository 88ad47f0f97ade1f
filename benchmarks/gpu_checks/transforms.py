"""Every transform, forward and inverse, with its gradients: on the device as on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gpu_checks.check import LINEAR, SUMS, Check, Figure, Setting, compare_function, noise
from subband import transforms as st

__all__ = ["CASES", "Case", "checks"]


class Case(NamedTuple):
    """A function of tensors, the shapes of its arguments, and how exact it is."""

    run: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...] = ((2, 3, 21, 30),)
    limit: float = LINEAR

    def inputs(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
        """Its arguments on the CPU."""
        return tuple(noise(*shape, seed=place, dtype=dtype) for place, shape in enumerate(self.shapes))


def one_level(x: Tensor, wavelet: Any = "db2", mode: str = "symmetric") -> Any:
    bands = st.dwt2(x, wavelet, mode)
    return bands, st.idwt2(2 * bands, wavelet, mode)


def one_level_learned(x: Tensor, *taps: Tensor) -> Any:
    return one_level(x, st.FilterBank(*taps))


def line(x: Tensor) -> Any:
    approx, detail = st.dwt(x, "bior4.4", "reflect")
    return approx, detail, st.idwt(approx, 2 * detail, "bior4.4", "reflect")


def clip(x: Tensor) -> Any:
    axes = (-4, -2, -1)
    bands = st.dwtn(x, axes=axes, stack=0)
    return bands, st.idwtn(2 * bands, axes=axes, stack=0)


def complex_signal(x: Tensor) -> Any:
    return one_level(torch.complex(x, x.flip(-1)), "db3", "antireflect")


def several_levels(x: Tensor) -> Any:
    coeffs = [
        st.wavedec(x, "db2", level=2),
        st.wavedec2(x, "sym4", "periodization", level=1),
        st.wavedecn(x, "haar", axes=(-3, -1)),
    ]
    volume = st.wavedec3(x, "haar", level=1)
    images = [
        st.waverec(coeffs[0]),
        st.waverec2(coeffs[1].map(torch.tanh)),
        st.waverecn(coeffs[2]),
        st.waverec3(volume),
    ]
    return coeffs, volume, images


def arranged(x: Tensor) -> Any:
    coeffs = st.wavedec2(x, "db2", level=2)
    array, vector = st.to_array(coeffs), st.to_vector(coeffs)
    return array, vector, st.from_array(2 * array, coeffs), st.from_vector(vector.square(), coeffs)


def undecimated(x: Tensor) -> Any:
    one, two, three = st.swt(x, "db2", 2), st.swt2(x, "haar", 2, trim_approx=True), st.swtn(x, "db2", 1, axes=(-2, -1))
    return one, two, three, st.iswt(one, "db2"), st.iswt2(two, "haar"), st.iswtn(three, "db2", axes=(-2, -1))


def resolutions(x: Tensor) -> Any:
    """Multiresolution analysis both ways, single bands, thresholds."""
    one, two, three = st.mra(x, "db2", 2), st.mra2(x, "db2", 1, transform="dwt2"), st.mran(x, "haar", 1, (1, 3))
    sums = st.imra(one), st.imra2(two), st.imran(three)
    bands = st.downcoef("d", x, "db2", level=2), st.upcoef("a", x, "db2", level=2)
    shrunk = [st.threshold(x, 0.5, mode) for mode in ("soft", "hard", "garrote", "greater", "less")]
    return one, two, three, sums, bands, shrunk, st.threshold_firm(x, 0.25, 0.75)


def from_scaling_filter(x: Tensor, taps: Tensor) -> Any:
    bank = st.orthogonal_filter_bank(taps.square() + 0.1)
    return st.qmf(taps), bank, one_level(x, bank)


def packets(x: Tensor, order: str) -> Any:
    nodes = st.wavelet_packet(x, "db2", 2, order=order)
    return nodes, st.iwavelet_packet(nodes.tanh(), "db2", order=order, size=(21, 30))


def separable(x: Tensor) -> Any:
    coeffs = st.fswavedecn(x, "db2", levels=2, axes=(-2, -1))
    return coeffs, st.fswaverecn(coeffs)


def dual_tree(x: Tensor) -> Any:
    coeffs = st.dtcwt2(x, 3)
    return coeffs, st.idtcwt2(coeffs.map(lambda band: 2 * band))


def continuous(x: Tensor, wavelet: str, method: str) -> Any:
    return st.cwt(x, (1.0, 2.5, 7.0, 40.0), wavelet, 0.5, method)  # type: ignore[arg-type]


def cosine(x: Tensor) -> Any:
    """By the matrix for short sides, by the Fourier transform for long ones."""
    coeffs = [st.dct(x, axis=-2), st.dct2(x), st.dctn(x, axes=(-3, -1))]
    return coeffs, st.idct(coeffs[0], axis=-2), st.idct2(2 * coeffs[1]), st.idctn(coeffs[2], axes=(-3, -1))


def blocks(x: Tensor) -> Any:
    spatial, keep = st.block_dct2(x), (0, 9, 17)
    channels, few = st.block_dct2(x, layout="channels", order="zigzag"), st.block_dct2(x, layout="channels", keep=keep)
    images = st.block_idct2(2 * spatial), st.block_idct2(channels, layout="channels", order="zigzag")
    return spatial, channels, few, images, st.block_idct2(few, layout="channels", keep=keep)


def fourier(x: Tensor) -> Any:
    spectrum, parts, volume = st.rfft2(x), st.rfft2_parts(x), st.rfftn(x, axes=(1, 2, 3))
    size = (x.shape[-2], x.shape[-1])
    images = (
        st.irfft2(2 * spectrum, size),
        st.irfft2_parts(parts, size),
        st.irfftn(volume, tuple(x.shape[1:]), axes=(1, 2, 3)),
    )
    return spectrum, parts, volume, images


def any_half_spectrum(x: Tensor) -> Tensor:
    """No image has this spectrum: libraries must ignore the imaginary parts that cannot be."""
    return st.irfft2(torch.complex(x, x.flip(-1).flip(-2)), (x.shape[-2], 2 * x.shape[-1] - 2))


def filtered(x: Tensor, weight: Tensor) -> Any:
    return [st.fourier_filter(x, weight, method=method) for method in ("fft", "matrix")]


def polar(x: Tensor) -> Any:
    spectrum = torch.complex(x, x.flip(-1) + 0.5)
    return (
        st.amplitude(spectrum),
        st.phasor(spectrum),
        st.from_amplitude_phase(st.amplitude(spectrum), st.phase(spectrum)),
    )


def radial(x: Tensor) -> Any:
    spectrum, width = st.rfft2(x), x.shape[-1]
    energies = st.spectral_energy(spectrum, width), st.spectral_energy(spectrum, width, [0.1, 0.3])
    return st.radial_spectrum(x), energies, st.radial_frequency(9, 8, x), st.half_spectrum_weights(9, x)


def borders(x: Tensor) -> Any:
    whole, size = st.pad_to_multiple(x, 8, "reflect")
    return (
        [st.pad(x, (3, 4), mode) for mode in st.MODES],
        st.extend(x, 40, 50, "symmetric", -1),
        whole,
        st.crop(whole, size),
    )


TAPS = (4,)
CASES: dict[str, Case] = {
    "dwt2": Case(one_level),
    "cosine transforms": Case(cosine, ((2, 3, 21, 134),), 2 * LINEAR),
    "Fourier transforms": Case(fourier),
    "Fourier filter": Case(filtered, ((2, 6, 9, 8), (6, 9, 5, 2))),
    "half spectrum of no image": Case(any_half_spectrum, ((2, 3, 8, 5),)),
    "wavedec*": Case(several_levels, ((2, 8, 16, 24),)),
    "dtcwt2": Case(dual_tree),
    "block_dct2": Case(blocks, ((2, 3, 16, 24),)),
    "swt*": Case(undecimated, ((2, 3, 16, 24),)),
    "mra*, thresholds": Case(resolutions, ((2, 4, 16, 24),)),
    "orthogonal_filter_bank": Case(from_scaling_filter, ((2, 3, 21, 30), (4,))),
    "wavelet_packet freq": Case(partial(packets, order="freq")),
    "wavelet_packet natural": Case(partial(packets, order="natural")),
    "fswavedecn": Case(separable),
    "cwt fft": Case(partial(continuous, wavelet="morl", method="fft"), ((3, 200),), SUMS),
    "cwt conv": Case(partial(continuous, wavelet="morl", method="conv"), ((3, 200),), SUMS),
    "cwt fft, complex": Case(partial(continuous, wavelet="cmor1.5-1.0", method="fft"), ((3, 200),), SUMS),
    "cwt conv, complex": Case(partial(continuous, wavelet="cmor1.5-1.0", method="conv"), ((3, 200),), SUMS),
    "dwt": Case(line, ((2, 3, 301),)),
    "dwtn of clips": Case(clip, ((2, 5, 3, 8, 9),)),
    "dwt2 of complex numbers": Case(complex_signal),
    "dwt2 with learned taps": Case(one_level_learned, ((2, 3, 21, 30), *((TAPS,) * 4))),
    "to_array, to_vector": Case(arranged),
    "amplitude and phase": Case(polar, limit=SUMS),
    "radial spectrum": Case(radial, limit=SUMS),
    "padding": Case(borders),
    **{f"dwt2 {mode}": Case(partial(one_level, mode=mode)) for mode in st.MODES},
}


# Whatever is a convolution or a matrix product.
TF32 = ("block_dct2", "cosine transforms", "Fourier filter", "cwt conv")


def compare_by_default(case: Case, setting: Setting) -> list[Figure]:
    """With the settings that users have: PyTorch lets cuDNN round the factors of convolutions to 10 bits (TF32)."""
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, True
    try:
        return compare_function(case.run, case.inputs(), setting.device, case.limit)
    finally:
        torch.backends.cudnn.allow_tf32 = before


def checks(setting: Setting) -> Iterator[Check]:
    """In float32 with gradients; in an autocast region, which must change nothing; in float64; in half precision."""
    device = setting.device
    for name, case in CASES.items():
        yield Check(name, partial(compare_function, case.run, case.inputs(), device, case.limit))
    for name, case in list(CASES.items())[: 3 if setting.is_quick else None]:
        run = partial(compare_function, case.run, case.inputs(), device, case.limit, precision=torch.bfloat16)
        yield Check(f"{name}, inside autocast", run)
    for name, case in list(CASES.items())[: 1 if setting.is_quick else None]:
        run = partial(compare_function, case.run, case.inputs(torch.float64), device, 1e-12 / LINEAR * case.limit)
        yield Check(f"{name}, float64", run)
    for name in TF32:
        yield Check(f"{name}, PyTorch's own precision", partial(compare_by_default, CASES[name], setting))
    for dtype in (torch.float16, torch.bfloat16):
        # Computed in float32 and rounded: a sum of products that is a little off may round to the next number.
        limit = 4 * torch.finfo(dtype).eps
        yield Check(f"dwt2, {dtype}", partial(compare_function, one_level, CASES["dwt2"].inputs(dtype), device, limit))
        spectrum = partial(compare_function, st.rfft2, CASES["dwt2"].inputs(dtype), device, LINEAR)
        yield Check(f"rfft2, {dtype}", spectrum)
