"""Single arrays of an `.npz` archive, without bringing the archive into memory as float64."""

import zipfile
from pathlib import Path
from typing import IO

import numpy as np

_LOCAL_HEADER_SIZE = 30
_ROWS_AT_ONCE = 1024


def open_npz_array(path: Path, name: str) -> np.ndarray:
    """An array of the archive: mapped from disk where it is stored uncompressed, otherwise unpacked as float32.

    Args:
        path: The archive.
        name: Name of the array.

    Raises:
        ValueError: If the file is no archive, lacks the array, or the array is not a plain numeric one in C order.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(f"{name}.npy")
            with archive.open(member) as file:
                shape, is_fortran, dtype = _read_header(file)
                header_size = file.tell()
                if is_fortran or dtype.hasobject:
                    raise ValueError(f"{name} is not a plain numeric array in C order")
                if member.compress_type == zipfile.ZIP_STORED:
                    offset = _data_offset(path, member) + header_size
                    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
                return _unpack(file, shape, dtype)
    except KeyError:
        raise ValueError(f"{path} has no array {name!r}") from None
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as an npz archive: {error}") from error


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _data_offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the member's bytes begin: after a local header whose name and extra field vary in length."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER_SIZE)
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return member.header_offset + _LOCAL_HEADER_SIZE + lengths


def _unpack(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    array = np.empty(shape, dtype=np.float32)
    row_size = dtype.itemsize * int(np.prod(shape[1:]))
    for first in range(0, shape[0], _ROWS_AT_ONCE):
        rows = array[first : first + _ROWS_AT_ONCE]
        rows[:] = np.frombuffer(file.read(row_size * len(rows)), dtype=dtype).reshape(rows.shape)
    return array
