"""Makes the stand-ins for torchvision's operators at the last moment: when something is about to import torchvision.

Whether torchvision needs them takes an import of torch to find out, which `import subband` shall not cost.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

__all__ = ["watch_torchvision"]


def watch_torchvision() -> None:
    """Have `subband._torchvision.register_fallback_ops` run before torchvision is imported, if it is not yet."""
    if "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _Watcher())


class _Watcher:
    """A finder of modules that finds none; it goes when torchvision comes."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "torchvision":
            with contextlib.suppress(ValueError):  # another thread was faster
                sys.meta_path.remove(self)
            from subband._torchvision import register_fallback_ops

            register_fallback_ops()
