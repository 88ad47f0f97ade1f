"""Import packages that no longer import as they are, with stand-ins for what is gone.

pytorch_wavelets 1.3.0 reads its filters through `pkg_resources`, which setuptools dropped in version 81; the NumPy
package dtcwt 0.14.0 calls `np.asfarray` and `np.issubsctype`, which NumPy 2 dropped. Only these programs see the
stand-ins.
"""

from __future__ import annotations

import importlib
import importlib.resources
import sys
from types import ModuleType
from typing import BinaryIO

import numpy as np

__all__ = ["optional"]


def optional(name: str) -> ModuleType | None:
    """The package, or `None` if it is not installed."""
    if name == "pytorch_wavelets":
        _stand_in_for_pkg_resources()
    if name == "dtcwt":
        _stand_in_for_old_numpy()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def _stand_in_for_pkg_resources() -> None:
    if "pkg_resources" in sys.modules:
        return
    module = ModuleType("pkg_resources")
    module.resource_stream = _open_resource  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = module


def _open_resource(package: str, name: str) -> BinaryIO:
    return importlib.resources.files(package).joinpath(name).open("rb")


def _stand_in_for_old_numpy() -> None:
    if not hasattr(np, "asfarray"):
        np.asfarray = _to_floating  # type: ignore[attr-defined]
    if not hasattr(np, "issubsctype"):
        np.issubsctype = np.issubdtype  # type: ignore[attr-defined]


def _to_floating(values: object, dtype: type = np.float64) -> np.ndarray:
    return np.asarray(values, dtype=dtype if np.issubdtype(dtype, np.inexact) else np.float64)
