"""Blocks that more than one network uses; the transforms as modules can be imported from here."""

from subband.layers.block_dct import BlockDCT2d, BlockIDCT2d
from subband.layers.deform_conv import deform_conv2d
from subband.layers.dtcwt import DTCWT2d, IDTCWT2d
from subband.layers.dynamic_conv import dynamic_conv2d
from subband.layers.fourier_convolution import FFC, FFCNormAct, FFCResidualBlock
from subband.layers.fourier_unit import FourierUnit
from subband.layers.frequency_block import FrequencySpatialBlock, SpectralConv2d
from subband.layers.frequency_gate import FrequencyGate, gate_penalty
from subband.layers.jpeg_dct import JPEG_SUBSETS, JpegDCT2d, jpeg_planes
from subband.layers.learnable_wavelet import (
    LearnableDWT1d,
    LearnableDWT2d,
    LearnableDWT3d,
    alias_loss,
    reconstruction_loss,
)
from subband.layers.lifting import LiftingDWT1d, LiftingDWT2d, LiftingDWT3d
from subband.layers.packets import (
    IWaveletPacket1d,
    IWaveletPacket2d,
    IWaveletPacket3d,
    WaveletPacket1d,
    WaveletPacket2d,
    WaveletPacket3d,
)
from subband.layers.spectral import (
    FilterLayout,
    FourierFilter2d,
    fourier_filter_kernel,
    fourier_filter_magnitude,
    resize_fourier_filter,
)
from subband.layers.spectral_alignment import PyramidAlignment, SpectralAlignment, SpectrumPrior
from subband.layers.spectral_transform import SpectralTransform
from subband.layers.stationary import ISWT1d, ISWT2d, ISWT3d, SWT1d, SWT2d, SWT3d
from subband.layers.temporal_energy import EnergyMode, TemporalEnergyAggregation, temporal_energy_weights
from subband.layers.unbiased_fourier_unit import UnbiasedFourierUnit
from subband.layers.wavelet import DWT1d, DWT2d, DWT3d, IDWT1d, IDWT2d, IDWT3d

__all__ = [
    "BlockDCT2d",
    "BlockIDCT2d",
    "DTCWT2d",
    "DWT1d",
    "DWT2d",
    "DWT3d",
    "EnergyMode",
    "FFC",
    "FFCNormAct",
    "FFCResidualBlock",
    "FilterLayout",
    "FourierFilter2d",
    "FourierUnit",
    "FrequencyGate",
    "FrequencySpatialBlock",
    "IDTCWT2d",
    "IDWT1d",
    "IDWT2d",
    "IDWT3d",
    "ISWT1d",
    "ISWT2d",
    "ISWT3d",
    "IWaveletPacket1d",
    "IWaveletPacket2d",
    "IWaveletPacket3d",
    "JPEG_SUBSETS",
    "JpegDCT2d",
    "LearnableDWT1d",
    "LearnableDWT2d",
    "LearnableDWT3d",
    "LiftingDWT1d",
    "LiftingDWT2d",
    "LiftingDWT3d",
    "PyramidAlignment",
    "SWT1d",
    "SWT2d",
    "SWT3d",
    "SpectralAlignment",
    "SpectralConv2d",
    "SpectralTransform",
    "SpectrumPrior",
    "TemporalEnergyAggregation",
    "UnbiasedFourierUnit",
    "WaveletPacket1d",
    "WaveletPacket2d",
    "WaveletPacket3d",
    "alias_loss",
    "deform_conv2d",
    "dynamic_conv2d",
    "fourier_filter_kernel",
    "fourier_filter_magnitude",
    "gate_penalty",
    "jpeg_planes",
    "reconstruction_loss",
    "resize_fourier_filter",
    "temporal_energy_weights",
]
