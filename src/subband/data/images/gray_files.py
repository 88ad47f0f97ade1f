"""Gray pictures of a folder: picture files, and the slices of DICOM files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from subband.data.images.unlabelled import luma
from subband.data.spec import reading_files
from subband.extras import advice
from subband.files import shown
from subband.media.dicom import has_dicom_reader, is_dicom, num_slices, read_slice
from subband.media.frames import natural_key
from subband.media.images import on_white, read_image
from subband.media.picture_files import NO_PICTURE, find_pictures, warn_animated, warn_left_out

__all__ = ["GrayPicture", "gray_files_below", "pictures_of", "read_gray"]

_NEEDS = f"needs the package pydicom ({advice('pydicom')})"


class GrayPicture(NamedTuple):
    """Where a gray picture is.

    Attributes:
        path: Its file.
        number: Which slice of a DICOM file; None for a picture file.
    """

    path: Path
    number: int | None = None


def gray_files_below(folder: Path) -> list[Path]:
    """Picture and DICOM files of a folder and of those inside it; one warning names what else is there.

    DICOM files, which often have no suffix, are found by their content.

    Raises:
        ValueError: If there are none.
    """
    found = find_pictures(folder, with_subfolders=True)
    others = found.left_out.pop(NO_PICTURE, [])
    scans = [path for path in others if is_dicom(path)]
    rest = [path for path in others if path not in set(scans)]
    if scans and has_dicom_reader():
        found.files.extend(scans)
    elif scans:
        found.left_out[_NEEDS] = scans
    if rest:
        found.left_out[NO_PICTURE] = rest
    if not found.files:
        beside = f"; it holds {found.summary()}" if found.summary() else ""
        raise ValueError(f"{shown(folder)} holds no photographs{beside}")
    warn_left_out(folder, found)
    warn_animated(path for path in found.files if path not in set(scans))
    return sorted(found.files, key=lambda path: [natural_key(Path(part)) for part in path.relative_to(folder).parts])


def pictures_of(path: Path) -> list[GrayPicture]:
    """The pictures of a file: one, or every slice of a DICOM file; none of one that only lists others."""
    if not is_dicom(path):
        return [GrayPicture(path)]
    try:
        return [GrayPicture(path, number) for number in range(num_slices(path))]
    except ValueError:
        return [GrayPicture(path, 0)]  # named, and left out, when it is read


def read_gray(picture: GrayPicture) -> Tensor:
    """A picture `(1, H, W)`: in [0, 1], colors by their luma; of DICOM files in the unit of the file.

    Raises:
        DamagedFileError: If it cannot be read.
    """
    with reading_files():
        if picture.number is not None:
            return read_slice(picture.path, picture.number)
        image = on_white(read_image(picture.path))
    return luma(image) if len(image) == 3 else image
