"""Gray slices of DICOM files, as a radiologist's screen shows them; needs the package pydicom, the extra `dicom`.

The values are those that the file means: stored numbers times the rescale slope plus its intercept (or through its
table), then through the window or table that the file recommends first. In files of photometric interpretation
MONOCHROME1, where large means dark, they are turned around. Source: DICOM PS3.3, C.7.6.3, C.11.1 and C.11.2.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.extras import is_installed, names_extra
from subband.files import shown
from subband.media.pixels import MAX_IMAGE_PIXELS

__all__ = ["has_dicom_reader", "is_dicom", "num_slices", "read_slice"]

_PREAMBLE = 128  # bytes that mean nothing before the four letters that say what a file is
_DIRECTORY = "1.2.840.10008.1.3.10"  # kind of a file that lists others


def is_dicom(path: Path) -> bool:
    """Whether a file is a DICOM file by its content.

    Args:
        path: The file.
    """
    with path.open("rb") as file:
        return file.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"


def has_dicom_reader() -> bool:
    """Whether the package pydicom is installed."""
    return is_installed("pydicom")


def num_slices(path: Path) -> int:
    """Pictures of a DICOM file, its frames; 0 for one that lists other files. No pixels are read.

    Args:
        path: The file.

    Raises:
        ValueError: If it is damaged.
    """
    with _reading(path):
        header = _header(path)
        if header.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY:
            return 0
        return int(header.get("NumberOfFrames") or 1)


def read_slice(path: Path, number: int = 0) -> Tensor:
    """One picture of a DICOM file.

    Args:
        path: The file.
        number: Which of its frames, 0 for the first.

    Returns:
        `(1, H, W)` float32, larger is brighter; the range is the file's own.

    Raises:
        ValueError: If the file is damaged, in color, without pixels, larger than 120 million pixels, or compressed in a
            way that needs another package.
    """
    with names_extra("DICOM files need"):
        from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

    with _reading(path):
        header = _header(path)
        kind = header.get("PhotometricInterpretation")
        if kind is None:
            raise ValueError("it holds no picture")
        if not kind.startswith("MONOCHROME"):
            raise ValueError(f"its pictures are no gray ones but {kind}")
        if header.Rows * header.Columns > MAX_IMAGE_PIXELS:
            raise ValueError(f"it has {header.Columns} x {header.Rows} pixels, more than {MAX_IMAGE_PIXELS}")
        meant = _of_frame(header, number)
        values = apply_voi_lut(apply_modality_lut(pixel_array(path, index=number), meant), meant)
    if kind == "MONOCHROME1":
        values = values.max() - values.astype(np.float64) + values.min()
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]


def _header(path: Path) -> Any:
    with names_extra("DICOM files need"):
        from pydicom import dcmread

    return dcmread(path, stop_before_pixels=True)


def _of_frame(header: Any, number: int) -> Any:
    """What is said of one frame: of the file, then of all frames together, then of this one."""
    found = header[:]  # a copy
    shared, own = (header.get(f"{who}FunctionalGroupsSequence") for who in ("Shared", "PerFrame"))
    for group in (*(shared or ())[:1], *(own or ())[number : number + 1]):
        for macro in group:
            if macro.VR == "SQ" and macro.value:
                found.update(macro.value[0])
    return found


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Makes one sentence that names the file of whatever goes wrong inside; the parser raises many types."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about values that are written in unusual ways
            yield
    except FileNotFoundError:
        raise
    except Exception as error:
        words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{shown(path)} cannot be read as a DICOM file: {words}.") from error
