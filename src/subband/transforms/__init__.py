"""Pure functions of tensors: wavelet and Fourier transforms, boundary extension and padding."""

from subband.transforms.block_dct import block_dct2, block_frequencies, block_idct2, zigzag_order
from subband.transforms.coefficient_arrays import from_array, from_vector, to_array, to_vector
from subband.transforms.coeffs import Coeffs
from subband.transforms.cwt import central_frequency, cwt, scale2frequency
from subband.transforms.dct import dct, dct2, dctn, idct, idct2, idctn
from subband.transforms.details import Details
from subband.transforms.dtcwt import DTCWTCoeffs, dtcwt2, idtcwt2
from subband.transforms.dwt import dwt, dwt2, dwtn, idwt, idwt2, idwtn
from subband.transforms.filters import FilterBank, Wavelet, WaveletLike
from subband.transforms.fourier import fourier_filter, irfft2, irfft2_parts, irfftn, rfft2, rfft2_parts, rfftn
from subband.transforms.fully_separable import SeparableCoeffs, fswavedecn, fswaverecn
from subband.transforms.lengths import dwt_coeff_len, dwt_max_level, wavedecn_shapes
from subband.transforms.multilevel import wavedec, wavedec2, wavedec3, wavedecn, waverec, waverec2, waverec3, waverecn
from subband.transforms.packets import iwavelet_packet, packet_paths, wavelet_packet
from subband.transforms.padding import MODES, BoundaryMode, crop, extend, pad, pad_to_multiple
from subband.transforms.polar import amplitude, from_amplitude_phase, phase, phasor
from subband.transforms.spectrum import (
    half_spectrum_weights,
    radial_bins,
    radial_frequency,
    radial_spectrum,
    spectral_energy,
)
from subband.transforms.stationary import iswt, iswt2, iswtn, swt, swt2, swt_max_level, swtn

__all__ = [
    "MODES",
    "BoundaryMode",
    "Coeffs",
    "DTCWTCoeffs",
    "Details",
    "FilterBank",
    "SeparableCoeffs",
    "Wavelet",
    "WaveletLike",
    "amplitude",
    "block_dct2",
    "block_frequencies",
    "block_idct2",
    "central_frequency",
    "crop",
    "cwt",
    "dct",
    "dct2",
    "dctn",
    "dtcwt2",
    "dwt",
    "dwt2",
    "dwt_coeff_len",
    "dwt_max_level",
    "dwtn",
    "extend",
    "fourier_filter",
    "from_amplitude_phase",
    "from_array",
    "from_vector",
    "fswavedecn",
    "fswaverecn",
    "half_spectrum_weights",
    "idct",
    "idct2",
    "idctn",
    "idtcwt2",
    "idwt",
    "idwt2",
    "idwtn",
    "irfft2",
    "irfft2_parts",
    "irfftn",
    "iswt",
    "iswt2",
    "iswtn",
    "iwavelet_packet",
    "packet_paths",
    "pad",
    "pad_to_multiple",
    "phase",
    "phasor",
    "radial_bins",
    "radial_frequency",
    "radial_spectrum",
    "rfft2",
    "rfft2_parts",
    "rfftn",
    "scale2frequency",
    "spectral_energy",
    "swt",
    "swt2",
    "swt_max_level",
    "swtn",
    "to_array",
    "to_vector",
    "wavedec",
    "wavedec2",
    "wavedec3",
    "wavedecn",
    "wavedecn_shapes",
    "wavelet_packet",
    "waverec",
    "waverec2",
    "waverec3",
    "waverecn",
    "zigzag_order",
]
