"""Frequency-domain vision in PyTorch.

The transforms of `subband.transforms` are names of this package too: `subband.dwt2(x)`. Importing it takes no time, not
even torch is imported: every name loads what it needs when it is first used.
"""

# ruff: noqa: F403, F405

from __future__ import annotations

from subband import _early_signals  # noqa: F401  isort: skip  first: Ctrl-C may come while the rest is loaded
import importlib
from typing import TYPE_CHECKING, Any

from subband._torchvision_hook import watch_torchvision
from subband._version import __version__

if TYPE_CHECKING:
    from subband import transforms
    from subband.convert.published import export_published, load_published
    from subband.hub.upload import push_to_hub
    from subband.models.checkpoint import from_pretrained, load_model, save_model
    from subband.models.registry import create_model, list_models
    from subband.transforms import *

# Written out, since asking `subband.transforms` would import torch; a test compares the two.
__all__ = [
    "__version__",
    "create_model",
    "export_published",
    "from_pretrained",
    "list_models",
    "load_model",
    "load_published",
    "push_to_hub",
    "save_model",
    "transforms",
    # Those of `subband.transforms`.
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
    "downcoef",
    "dtcwt2",
    "dwt",
    "dwt2",
    "dwt_coeff_len",
    "dwt_max_level",
    "dwtn",
    "dwtn_max_level",
    "extend",
    "fourier_filter",
    "frequency2scale",
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
    "imra",
    "imra2",
    "imran",
    "irfft2",
    "irfft2_parts",
    "irfftn",
    "iswt",
    "iswt2",
    "iswtn",
    "iwavelet_packet",
    "mra",
    "mra2",
    "mran",
    "orthogonal_filter_bank",
    "packet_paths",
    "pad",
    "pad_to_multiple",
    "phase",
    "phasor",
    "qmf",
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
    "threshold",
    "threshold_firm",
    "to_array",
    "to_vector",
    "upcoef",
    "wavedec",
    "wavedec2",
    "wavedec3",
    "wavedecn",
    "wavedecn_shapes",
    "wavedecn_size",
    "wavelet_packet",
    "waverec",
    "waverec2",
    "waverec3",
    "waverecn",
    "zigzag_order",
]

# Must come before anything imports torchvision (lightning and torchmetrics do); see subband._torchvision.
watch_torchvision()

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    PLACES = {
        "create_model": "subband.models.registry",
        "export_published": "subband.convert.published",
        "from_pretrained": "subband.models.checkpoint",
        "list_models": "subband.models.registry",
        "load_model": "subband.models.checkpoint",
        "load_published": "subband.convert.published",
        "push_to_hub": "subband.hub.upload",
        "save_model": "subband.models.checkpoint",
    }

    def __getattr__(name: str) -> Any:
        """A name at its first use; afterwards it is there."""
        if name not in __all__:
            raise AttributeError(f"module 'subband' has no attribute {name!r}")
        place = importlib.import_module(PLACES.get(name, "subband.transforms"))
        globals()[name] = place if name == "transforms" else getattr(place, name)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
