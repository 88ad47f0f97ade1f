"""Many files through a network: read by threads ahead of it, and put together in batches."""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["FileResult", "in_batches", "read_ahead"]

READERS = min(4, os.cpu_count() or 1)  # files read at a time; an image takes some 20 bytes a pixel while it is read


class FileResult(NamedTuple):
    """What came of one file.

    Attributes:
        file: The file.
        output: Its part of what the network gave, None if the file could not be read.
        error: Why it could not be read, else None.
        reading_seconds: Time the network had to wait for the file.
        network_seconds: Its share of the time of its batch.
    """

    file: Path
    output: Tensor | None
    error: ValueError | OSError | None
    reading_seconds: float
    network_seconds: float


def in_batches(
    files: Sequence[Path], read: Callable[[Path], Tensor], compute: Callable[[Tensor], Tensor], batch_size: int
) -> Generator[FileResult, None, None]:
    """Read files, compute on batches of them, and give the results one by one in the order of the files.

    Args:
        files: The files.
        read: Gives the tensor of a file; a ValueError or OSError becomes the result of that file.
        compute: Takes a batch `(B, ...)` and gives `(B, ...)`.
        batch_size: Files in a batch; as many are read ahead.

    Yields:
        A result for every file.
    """
    waiting: list[FileResult] = []
    inputs: list[Tensor] = []
    with closing(read_ahead(files, read, batch_size)) as coming:
        for file, future in coming:
            began = time.perf_counter()
            try:
                inputs.append(future.result())
                error: ValueError | OSError | None = None
            except (ValueError, OSError) as problem:
                error = problem
            waiting.append(FileResult(file, None, error, time.perf_counter() - began, 0.0))
            if len(inputs) == batch_size:
                yield from _finished(waiting, inputs, compute)
                waiting, inputs = [], []
    yield from _finished(waiting, inputs, compute)


def read_ahead(
    files: Sequence[Path], read: Callable[[Path], Tensor], ahead: int
) -> Generator[tuple[Path, Future[Tensor]], None, None]:
    """Start reading files before they are needed.

    Threads read in the background. While one file is being used, at most `ahead` of the next ones are read or wait.

    Args:
        files: The files.
        read: Gives the tensor of a file.
        ahead: How many files may wait.

    Yields:
        Each file in order, with the future that holds its tensor.
    """
    pool = ThreadPoolExecutor(READERS)
    waiting: deque[tuple[Path, Future[Tensor]]] = deque()
    with warnings.catch_warnings():
        # The reader ignores Pillow's warnings file by file, which threads undo for each other.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            for file in files:
                waiting.append((file, pool.submit(read, file)))
                if len(waiting) > ahead:
                    yield waiting.popleft()
            yield from waiting
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(
    waiting: list[FileResult], inputs: list[Tensor], compute: Callable[[Tensor], Tensor]
) -> Generator[FileResult, None, None]:
    began = time.perf_counter()
    outputs = iter(compute(torch.stack(inputs)) if inputs else ())
    seconds = (time.perf_counter() - began) / max(len(inputs), 1)
    for result in waiting:
        is_read = result.error is None
        yield result._replace(output=next(outputs), network_seconds=seconds) if is_read else result
