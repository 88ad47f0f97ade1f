"""The one way in which files of weights are read: plain data and tensors only, never code.

Training scripts store more than weights: their command line (`argparse.Namespace`), a best score (a NumPy scalar),
paths, a scheduler's counters. What such plain values need is let through by name, and most of these names mean a
stand-in from here, not what a file asks for: NumPy's own constructors, for one, take sizes and pointers on trust.
Everything else is refused by its name.
"""

from __future__ import annotations

import argparse
import datetime
import pathlib
import pickle
import re
import types
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from subband.file_kinds import is_safetensors, other_kind
from subband.files import utf8_path

__all__ = ["read_checkpoint", "read_safetensors"]

NUMPY_TYPES = (
    "bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 longlong ulonglong float16 float32 float64 complex64 "
    "complex128"
)
NUMPY_DTYPES = (
    "BoolDType Int8DType Int16DType Int32DType Int64DType UInt8DType UInt16DType UInt32DType UInt64DType Float16DType "
    "Float32DType Float64DType Complex64DType Complex128DType"
)


def read_checkpoint(path: str | Path) -> Any:
    """What `torch.save` or safetensors wrote into a file, on the CPU; which of the two is told by the content.

    Tensors are mapped from the file where its format allows it, so that optimizer state beside the weights takes no
    memory. NumPy scalars come as Python numbers, paths as pure paths; NumPy arrays, types and the like are left out.

    Args:
        path: A file with any suffix.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, something else (an HTML page, an archive), or a pickle that needs more than plain
            data, naming what it needs.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {path}.")
    if path.is_file() and is_safetensors(path):
        return read_safetensors(path)
    kind = other_kind(path)
    if kind is not None:
        raise ValueError(f"{path} {kind}.")
    try:
        with torch.serialization.safe_globals(PLAIN), warnings.catch_warnings():  # type: ignore[arg-type]
            warnings.simplefilter("ignore", UserWarning)  # about pickle protocols; what follows says it better
            with utf8_path(path) as file:
                return torch.load(file, map_location="cpu", weights_only=True, mmap=_is_mappable(path))
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path} is refused: {_reason(str(error))}; re-save its state dict alone.") from None
    except OSError:
        raise
    except Exception as error:  # torch raises many types for damaged files
        words = str(error).splitlines() or [type(error).__name__]
        if isinstance(error, EOFError) or "EOF" in words[0]:
            raise ValueError(f"{path} is cut off, it ends before its content does; download it again.") from None
        raise ValueError(f"{path} cannot be read as a checkpoint: {words[0].rstrip('.')}.") from None


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file by name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or something else.
    """
    if not path.exists():
        raise FileNotFoundError(f"no weights at {path}.")
    kind = None if path.is_file() and is_safetensors(path) else other_kind(path)
    if kind is not None:
        raise ValueError(f"{path} {kind}.")
    try:
        with utf8_path(path) as file:
            return load_file(file)
    except (SafetensorError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {str(error).rstrip('.')}.") from None


def _is_mappable(path: Path) -> bool:
    """Whether the tensors lie in the file as they are in memory; packing a file anew may have compressed them."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(item.compress_type == zipfile.ZIP_STORED for item in archive.infolist())


def _reason(message: str) -> str:
    """Why torch's restricted unpickler stopped, in our words."""
    harm = "and loading that could run code hidden in the file"
    found = re.search(r"GLOBAL (\S+) (?:was not|whose module)", message)
    if found:
        return f"it needs {found[1]}, which is no plain data, {harm}"
    found = re.search(r"(?:function|got) <(?:class|function|built-in function) '?([\w.]+)", message)
    if found:
        return f"it uses {found[1]} in a way that plain data does not, {harm}"
    if "Unsupported operand" in message:
        return f"its pickle protocol is another one than torch.save's, {harm}"
    return f"it needs more than tensors and plain data, {harm}"


class _Nothing:
    """A value that no network needs: made from anything, keeps nothing."""

    def __new__(cls, *args: Any) -> _Nothing:
        return super().__new__(cls)

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _Dict:
    """Mappings of other types, as plain dicts; torch fills no others."""

    def __new__(cls, *args: Any) -> dict[Any, Any]:  # type: ignore[misc]
        return {}


class _List:
    """Sequences of other types, as plain lists."""

    def __new__(cls, *args: Any) -> list[Any]:  # type: ignore[misc]
        return []


class _Text:
    """Texts of other types, as plain ones."""

    def __new__(cls, text: Any = "") -> str:  # type: ignore[misc]
        return str(text) if isinstance(text, str) else ""


class _NumpyType:
    """The name of a NumPy type."""

    def __init__(self, code: Any = "", *options: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


def _numpy_scalar(kind: Any, content: Any = None, *_: Any) -> int | float | complex | bool | None:
    """A NumPy scalar as a Python number; None for what is no number."""
    is_number = isinstance(kind, _NumpyType) and re.fullmatch(r"[biufc]\d{1,2}", str(kind.code))
    if not is_number or not isinstance(content, bytes):
        return None
    values = np.frombuffer(content, dtype=np.dtype(f"{kind.order}{kind.code}"))
    return values[0].item() if len(values) == 1 else None


def _named(target: Any, module: str, names: str) -> list[tuple[Any, str]]:
    return [(target, f"{module}.{name}") for name in names.split()]


def _plain_globals() -> list[tuple[Any, str]]:
    """What a pickle may name beyond torch's own list, with what it gets."""
    found = [
        *_named(argparse.Namespace, "argparse", "Namespace"),
        *_named(types.SimpleNamespace, "types", "SimpleNamespace"),
        *_named(frozenset, "builtins", "frozenset"),
        *_named(_Nothing, "builtins", "list dict tuple int float str bool bytes object"),
        *_named(_Dict, "collections", "defaultdict"),
        *_named(_List, "collections", "deque"),
        *_named(_Text, "torch.torch_version", "TorchVersion"),
    ]
    found += [(getattr(datetime, name), f"datetime.{name}") for name in ("date", "datetime", "time", "timedelta")]
    for module in ("pathlib", "pathlib._local"):
        found += _named(pathlib.PurePosixPath, module, "PosixPath PurePosixPath Path PurePath")
        found += _named(pathlib.PureWindowsPath, module, "WindowsPath PureWindowsPath")
    for module in ("lightning.fabric", "lightning_fabric"):
        found += _named(_Dict, f"{module}.utilities.data", "AttributeDict")
    for module in ("lightning.pytorch", "pytorch_lightning"):
        found += _named(_Dict, f"{module}.utilities.parsing", "AttributeDict")
    for core in ("numpy.core", "numpy._core"):  # before and since NumPy 2
        found += _named(_numpy_scalar, f"{core}.multiarray", "scalar")
        found += _named(_Nothing, f"{core}.multiarray", "_reconstruct")
    found += _named(_NumpyType, "numpy", "dtype") + _named(_Nothing, "numpy", "ndarray")
    found += _named(_Nothing, "numpy", NUMPY_TYPES)
    return found + _named(_NumpyType, "numpy.dtypes", NUMPY_DTYPES)


PLAIN = _plain_globals()
