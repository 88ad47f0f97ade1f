"""Pure functions of tensors: wavelet and Fourier transforms, boundary extension and padding."""

from subband.transforms.coefficient_arrays import from_array, from_vector, to_array, to_vector
from subband.transforms.dwt import dwt, dwt2, dwtn, idwt, idwt2, idwtn
from subband.transforms.filters import FilterBank, Wavelet, WaveletLike
from subband.transforms.fourier import half_spectrum_weights, radial_bins, radial_frequency, radial_spectrum
from subband.transforms.fully_separable import SeparableCoeffs, fswavedecn, fswaverecn
from subband.transforms.lengths import dwt_coeff_len, dwt_max_level, wavedecn_shapes
from subband.transforms.multilevel import wavedec, wavedec2, wavedec3, wavedecn, waverec, waverec2, waverec3, waverecn
from subband.transforms.packets import iwavelet_packet, packet_paths, wavelet_packet
from subband.transforms.padding import MODES, BoundaryMode, crop, extend, pad, pad_to_multiple
from subband.transforms.pyramid import Coeffs, Details
from subband.transforms.stationary import undecimated_haar2

__all__ = [
    "MODES",
    "BoundaryMode",
    "Coeffs",
    "Details",
    "FilterBank",
    "SeparableCoeffs",
    "Wavelet",
    "WaveletLike",
    "crop",
    "dwt",
    "dwt2",
    "dwt_coeff_len",
    "dwt_max_level",
    "dwtn",
    "extend",
    "from_array",
    "from_vector",
    "fswavedecn",
    "fswaverecn",
    "half_spectrum_weights",
    "idwt",
    "idwt2",
    "idwtn",
    "iwavelet_packet",
    "packet_paths",
    "pad",
    "pad_to_multiple",
    "radial_bins",
    "radial_frequency",
    "radial_spectrum",
    "to_array",
    "to_vector",
    "undecimated_haar2",
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
]
