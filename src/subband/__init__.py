"""Frequency-domain vision in PyTorch.

The transforms of `subband.transforms` are names of this package too: `subband.dwt2(x)`. Importing it takes no time, not
even torch is imported: every name loads what it needs when it is first used.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from subband._torchvision_hook import watch_torchvision
from subband._version import __version__

if TYPE_CHECKING:
    from subband import transforms
    from subband.convert.published import export_published, load_published
    from subband.models.checkpoint import load_model, save_model
    from subband.models.registry import create_model, list_models
    from subband.transforms import *  # noqa: F403  the list of names is kept in one place, there

__all__ = [
    "__version__",
    "create_model",
    "export_published",
    "list_models",
    "load_model",
    "load_published",
    "save_model",
    "transforms",
]

# Must come before anything imports torchvision (lightning and torchmetrics do); see subband._torchvision.
watch_torchvision()

if TYPE_CHECKING:
    __all__ += transforms.__all__
else:  # not for type checkers, which would take any name for one of ours
    OWN_NAMES = globals().pop("__all__")  # those of the transforms join them when somebody asks
    PLACES = {
        "create_model": "subband.models.registry",
        "export_published": "subband.convert.published",
        "list_models": "subband.models.registry",
        "load_model": "subband.models.checkpoint",
        "load_published": "subband.convert.published",
        "save_model": "subband.models.checkpoint",
    }

    def __getattr__(name: str) -> Any:
        """A name at its first use; afterwards it is there."""
        if name in PLACES:
            globals()[name] = getattr(importlib.import_module(PLACES[name]), name)
        elif name in ("__all__", "transforms") or not (name.startswith("_") or _is_module(name)):
            transforms = importlib.import_module("subband.transforms")
            globals().update({known: getattr(transforms, known) for known in transforms.__all__})
            globals()["__all__"] = [*OWN_NAMES, *transforms.__all__]
        if name not in globals():
            raise AttributeError(f"module 'subband' has no attribute {name!r}")
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__getattr__("__all__")})

    def _is_module(name: str) -> bool:
        return importlib.util.find_spec(f"subband.{name}") is not None
