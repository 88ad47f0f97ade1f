"""Shortest times of several functions that take turns, and the memory policy that makes them comparable."""

from __future__ import annotations

import ctypes
import platform
import time
from collections.abc import Callable, Mapping

import torch

__all__ = ["describe_clock", "keep_memory", "shortest"]

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h
ENOUGH_SECONDS = 0.03  # of one function per round
MOST_CALLS = 30  # per round


def keep_memory() -> str:
    """Tell glibc never to give freed memory back to the system; returns a sentence about what was done.

    Otherwise every tensor above 32 MB is new memory, whose pages the system has to hand out one by one while the
    function under test touches them: a copy of 50 MB then takes more than ten times as long, and fast and slow
    functions look alike.
    """
    if platform.libc_ver()[0] != "glibc":
        return "as the system does it (no glibc)"
    libc = ctypes.CDLL(None)
    done = libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    return "freed memory is kept for the next tensor (mallopt)" if done else "as the system does it (mallopt refused)"


def describe_clock(device: torch.device) -> str:
    """Which clock `shortest` reads."""
    if device.type == "cuda":
        return "GPU events around a queue of calls"
    return "processor time of the one thread" if torch.get_num_threads() == 1 else "wall time"


def shortest(
    functions: Mapping[str, Callable[[], object]], rounds: int, device: torch.device, *, warmups: int = 2
) -> dict[str, float]:
    """Shortest time of one call of each in milliseconds, over rounds in which all take turns, after some warm-ups.

    With one thread, the clock is the time that the thread had a processor, which other programs hardly disturb. On a
    GPU, calls are queued behind each other and the mean over a queue counts as one time.
    """
    measure = _queue_on_gpu if device.type == "cuda" else _calls_on_cpu
    for function in functions.values():
        for _ in range(warmups):
            function()
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            best[name] = min(best[name], measure(function))
    return best


def _calls_on_cpu(function: Callable[[], object]) -> float:
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    best, total, calls = float("inf"), 0.0, 0
    while total < ENOUGH_SECONDS and calls < MOST_CALLS:
        started = clock()
        result = function()
        elapsed = clock() - started
        del result  # before the next call, so that its memory can be used again
        best, total, calls = min(best, elapsed), total + elapsed, calls + 1
    return 1e3 * best


def _queue_on_gpu(function: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    started = time.perf_counter()
    function()
    torch.cuda.synchronize()
    calls = max(3, min(200, int(ENOUGH_SECONDS / (time.perf_counter() - started))))
    start.record()
    for _ in range(calls):
        function()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / calls
