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

from subband.predictors.inputs import as_image

__all__ = ["FileResult", "in_batches", "read_ahead", "read_groups", "read_pixels"]

WHITE = 255
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
    with closing(read_groups(files, read, batch_size)) as groups:
        for group in groups:
            began = time.perf_counter()
            inputs = [one.output for one in group if one.output is not None]
            outputs = iter(compute(torch.stack(inputs)) if inputs else ())
            seconds = (time.perf_counter() - began) / max(len(inputs), 1)
            for one in group:
                is_read = one.error is None
                yield one._replace(output=next(outputs), network_seconds=seconds) if is_read else one


def read_groups(
    files: Sequence[Path], read: Callable[[Path], Tensor], size: int
) -> Generator[list[FileResult], None, None]:
    """Read files ahead and give them in groups, in their order.

    Args:
        files: The files.
        read: Gives the tensor of a file; a ValueError or OSError becomes the result of that file.
        size: Files in a group that could be read, fewer in the last one; as many are read ahead.

    Yields:
        Results whose `output` is the tensor of the file.
    """
    group: list[FileResult] = []
    with closing(read_ahead(files, read, size)) as coming:
        for file, future in coming:
            began = time.perf_counter()
            tensor: Tensor | None = None
            error: ValueError | OSError | None = None
            try:
                tensor = future.result()
            except (ValueError, OSError) as problem:
                error = problem
            group.append(FileResult(file, tensor, error, time.perf_counter() - began, 0.0))
            if sum(one.error is None for one in group) == size:
                yield group
                group = []
    if group:
        yield group


def read_pixels(file: Path) -> Tensor:
    """Pixels of an image file, `(3, H, W)` uint8: a quarter of the memory of floating point.

    Args:
        file: As `subband.media.read_image` takes it.

    Raises:
        ValueError: If it cannot be read.
    """
    return (as_image(file) * WHITE).round().to(torch.uint8).expand(3, -1, -1)


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
