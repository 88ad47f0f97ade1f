"""How much memory is free, and how much a network takes."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Limit and use of a group of processes (containers), in versions 2 and 1 of Linux's interface.
_GROUP_FILES = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory")


def free_memory(device: torch.device) -> int | None:
    """Bytes that a network may still take on a device; None where the system does not say.

    Args:
        device: A device that is present.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    found = [*_available(), *_left_to_group()]
    return min(found, default=None)


def _available() -> list[int]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        names = os.sysconf_names if hasattr(os, "sysconf_names") else {}
        if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(names):
            return []
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2]  # others need memory, too


def _left_to_group() -> list[int]:
    left = []
    for limit, use in _GROUP_FILES:
        try:
            left.append(int(Path(limit).read_text()) - int(Path(use).read_text()))
        except (OSError, ValueError):  # no such file, or no limit ("max")
            continue
    return left


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch says that a tensor did not fit.

    Args:
        error: What was raised.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _MESSAGES)


def peak_bytes(function: Callable[[], Any]) -> int:
    """Most bytes that the tensors which a function makes take at once, on any device.

    Memory inside one operation is not seen.

    Args:
        function: What is called.

    Example:
        >>> peak_bytes(lambda: torch.zeros(1000) + 1)
        8000
    """
    with _Watch() as watch:
        function()
    return watch.peak


class _Watch(TorchDispatchMode):
    """Counts the bytes of living tensors that were made inside the block."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._bytes = 0
        self._living: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        results = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(results):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage(), given)
        self.peak = max(self.peak, self._bytes)
        return results

    def _count(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        key = storage._cdata
        if key in given or key in self._living:
            return
        size = storage.nbytes()
        self._living.add(key)
        self._bytes += size
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._living.discard(key)
        self._bytes -= size
