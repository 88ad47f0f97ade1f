"""Pure functions of tensors: wavelet and Fourier transforms, boundary extension and padding."""

from subband.transforms.dwt import dwt, dwt2, dwtn, idwt, idwt2, idwtn
from subband.transforms.filters import FilterBank, filter_bank
from subband.transforms.fourier import half_spectrum_weights, radial_bins, radial_frequency, radial_spectrum
from subband.transforms.padding import MODES, BoundaryMode, crop, extend, pad_to_multiple
from subband.transforms.stationary import undecimated_haar2

__all__ = [
    "MODES",
    "BoundaryMode",
    "FilterBank",
    "crop",
    "dwt",
    "dwt2",
    "dwtn",
    "extend",
    "filter_bank",
    "half_spectrum_weights",
    "idwt",
    "idwt2",
    "idwtn",
    "pad_to_multiple",
    "radial_bins",
    "radial_frequency",
    "radial_spectrum",
    "undecimated_haar2",
]
