"""Pure functions of tensors: wavelet and Fourier transforms, boundary extension and padding."""

from subband.transforms.dwt import dwt, dwt2, dwtn, idwt, idwt2, idwtn
from subband.transforms.filters import FilterBank, filter_bank
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
    "idwt",
    "idwt2",
    "idwtn",
    "pad_to_multiple",
    "undecimated_haar2",
]
