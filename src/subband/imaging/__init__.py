"""The classics of wavelet image processing as functions of tensors: noise removal, fusion, coding, decomposition."""

from subband.imaging.coder import RatePoint, decode_file, decode_image, encode_image, rate_distortion
from subband.imaging.decomposition import BandBox, BandEnergy, band_energies, coefficient_mosaic, mosaic_layout
from subband.imaging.denoise import denoise_wavelet, estimate_sigma
from subband.imaging.fusion import fuse
from subband.imaging.resize import imresize

__all__ = [
    "BandBox",
    "BandEnergy",
    "RatePoint",
    "band_energies",
    "coefficient_mosaic",
    "decode_file",
    "decode_image",
    "denoise_wavelet",
    "encode_image",
    "estimate_sigma",
    "fuse",
    "imresize",
    "mosaic_layout",
    "rate_distortion",
]
