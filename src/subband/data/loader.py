"""Batches of samples in a repeatable order, shared between processes, resumed in the middle of an epoch."""

import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset

from subband.data.dataset_files import listed_problems
from subband.data.random import permutation, uniform
from subband.data.spec import DamagedFileError, SampleSource, SupportsBatch, SupportsCheck
from subband.signals import STOP_SIGNALS, delayed_signals

_BAD_FILE = (DamagedFileError, FileNotFoundError, PermissionError, IsADirectoryError)
_KINDS = (*_BAD_FILE, OSError, ImportError, TypeError, ValueError)  # what the user is told in one sentence
_MAX_SUBSTITUTES = 32


class SampleLoader:
    """Iterates over a data set in batches; one iteration is one epoch.

    A shuffled loader asks for the keys `epoch * len(dataset) + index` in an order that is a pure function of (seed,
    epoch); one that does not shuffle asks for `0 .. N - 1` every time. With several processes every process gets the
    same number of batches, no sample twice, and none is left out unless `drop_last` says so; the last batch of a
    process may then hold one sample more than `batch_size`.

    `state_dict()` counts the batches handed out, so a loader restored from it continues with the next one; if the epoch
    was complete, with the next epoch. Lightning saves and restores it with its checkpoints and says which epoch begins.

    A sample whose file cannot be read (`DamagedFileError`, a missing file) is left out, with one warning an epoch that
    counts and names the files. Batches that `drop_last` keeps full get another sample in its place, always the same
    one, so that a run can be repeated and resumed; other batches are smaller by it, or missing if nothing is left.

    Args:
        dataset: Map-style samples. One with a `batch` method makes whole batches on `device`; one with a `check_batch`
            method is shown the first batch.
        batch_size: Samples per batch and process.
        shuffle: New order and new keys every epoch (training) instead of keys `0 .. N - 1` (validation, test).
        drop_last: Leave out the samples that do not fill a batch in every process.
        seed: Chooses the orders.
        num_workers: Worker processes that prepare batches ahead; 0 prepares them here.
        device: Where batches are put; None leaves them on the CPU.
        collate: Makes a batch of samples; by default their tensors are stacked.
        rank: Number of this process; that of torch.distributed when None.
        world_size: Number of processes, likewise; given together with `rank`.

    Attributes:
        left_out: What was wrong with the samples that could not be read, by index.

    Raises:
        ValueError: If a number is out of range, or the data set has too few samples for a single batch.
    """

    def __init__(
        self,
        dataset: SampleSource,
        batch_size: int,
        *,
        shuffle: bool,
        drop_last: bool,
        seed: int,
        num_workers: int = 0,
        device: torch.device | str | None = None,
        collate: Callable[[Sequence[Any]], Any] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if num_workers < 0:
            raise ValueError(f"num_workers must not be negative, got {num_workers}")
        if (rank is None) != (world_size is None):
            raise ValueError("rank and world_size must be given together")
        if rank is not None and world_size is not None and not 0 <= rank < world_size:
            raise ValueError(f"rank must be in 0..{world_size - 1}, got {rank}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = seed
        self.num_workers = num_workers
        self.device = torch.device(device or "cpu")
        self.collate = collate or stack_samples
        self.left_out: dict[int, str] = {}
        self._process = None if rank is None or world_size is None else (rank, world_size)
        self._epoch = 0
        self._batches = 0  # handed out in this epoch
        self._is_restored = False
        self._is_checked = False
        _ = len(self)  # too few samples should be an error here, not in the middle of a run

    def __len__(self) -> int:
        """Batches per epoch and process."""
        _, world_size = self._rank_and_world_size()
        per_process = len(self.dataset) // world_size
        if self.drop_last:
            num_batches = per_process // self.batch_size
        else:
            num_batches = -(-per_process // self.batch_size)
        if num_batches == 0:
            raise ValueError(
                f"{len(self.dataset)} samples are too few for a batch_size of {self.batch_size} "
                f"in {world_size} process{'es' * (world_size > 1)}"
            )
        return num_batches

    def __iter__(self) -> Iterator[Any]:
        """Batches of the next epoch, or of the rest of a restored one.

        Nothing happens before the first batch is asked for: Lightning makes iterators it never uses.

        Raises:
            ValueError: If no sample can be read, or, of several processes, none of a batch.
        """
        if self._batches and not (self._is_restored and self._batches < len(self)):
            self._epoch, self._batches = self._epoch + 1, 0
        self._is_restored = False
        known, is_empty = len(self.left_out), True
        for batch, left_out in self._load(self._keys(self._epoch)[self._batches :]):
            self._batches += 1
            self.left_out |= left_out
            if self._batches == len(self) and len(self.left_out) > known:  # here: nobody may ask for more than that
                self._warn(list(self.left_out)[known:])
            if batch is None:
                self._check_empty(is_empty)
                continue
            is_empty = False
            if not self._is_checked and isinstance(self.dataset, SupportsCheck):
                self.dataset.check_batch(batch)
            self._is_checked = True
            yield batch

    batch_sampler = None  # Lightning asks for it where there is a sampler

    @property
    def sampler(self) -> "SampleLoader":
        """The loader itself: before every epoch Lightning calls `set_epoch` of a loader's `sampler`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Begin this epoch with the next iteration; a restored loader that is in the middle of it stays there."""
        if not (self._is_restored and epoch == self._epoch):
            self._epoch, self._batches = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Number of the epoch and of the batches handed out in it."""
        return {"epoch": self._epoch, "batches": self._batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after the batches that `state_dict` counted."""
        self._epoch, self._batches = int(state["epoch"]), int(state["batches"])
        self._is_restored = True

    def _rank_and_world_size(self) -> tuple[int, int]:
        if self._process is not None:
            return self._process
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1

    def _keys(self, epoch: int) -> list[list[int]]:
        """Keys of every batch of this process."""
        rank, world_size = self._rank_and_world_size()
        num_samples = len(self.dataset)
        if self.shuffle:
            keys = (epoch * num_samples + permutation(self.seed, epoch, num_samples)).tolist()
        else:
            keys = list(range(num_samples))
        mine = keys[rank::world_size]
        num_batches, size = len(self), self.batch_size
        batches = [mine[index * size : (index + 1) * size] for index in range(num_batches)]
        if not self.drop_last:
            batches[-1] = mine[(num_batches - 1) * size :]
        return batches

    def _warn(self, indices: list[int]) -> None:
        replaced = ", which others stand in for" if self.drop_last else ""
        warnings.warn(
            f"left out {len(indices)} of {len(self.dataset)} samples{replaced}: {self._listed(indices)}", stacklevel=2
        )

    def _listed(self, indices: Sequence[int]) -> str:
        return listed_problems(list(dict.fromkeys(self.left_out[index] for index in indices)))

    def _check_empty(self, is_empty: bool) -> None:
        """Refuse data of which nothing is left; processes that train together need equally many batches."""
        if is_empty and self._batches == len(self):
            raise ValueError(f"none of {len(self.left_out)} samples can be read: {self._listed(list(self.left_out))}")
        if self._rank_and_world_size()[1] > 1:
            raise ValueError(
                f"no sample of a batch can be read: {self._listed(list(self.left_out)[-self.batch_size :])}"
            )

    def _load(self, keys: list[list[int]]) -> Iterator[tuple[Any, dict[int, str]]]:
        """Batches of the given keys on the loader's device, None if empty, and what could not be read."""
        reader = _KeyedBatches(self.dataset, self.collate, is_full=self.drop_last)
        if self.num_workers == 0:
            for batch in keys:
                yield reader.read(batch, self.device)
            return
        # A generator of its own, so that making worker seeds does not disturb the run's random numbers.
        workers: DataLoader[Any] = DataLoader(
            reader,
            sampler=keys,
            batch_size=None,
            num_workers=self.num_workers,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),
            worker_init_fn=_leave_signals_to_the_parent,
        )
        for found in _of_workers(workers):
            if isinstance(found, _Failure):
                raise found.kind(found.message)
            yield move_batch(found.batch, self.device), found.left_out


def check_readable(dataset: SampleSource, what: str) -> None:
    """Refuse data of which nothing can be read, by the first sample that can: before hours go by, not after.

    Args:
        dataset: Map-style samples.
        what: What they are for, for the message.

    Raises:
        ValueError: If no sample can be read.
    """
    reasons: dict[str, None] = {}
    for index in range(len(dataset)):
        try:
            dataset[index]
        except _BAD_FILE as error:
            reasons[_reason(error)] = None
        else:
            return
    raise ValueError(f"none of {len(dataset)} {what} samples can be read: {listed_problems(list(reasons))}")


class _Found(NamedTuple):
    """A batch, None if it is empty, and what could not be read."""

    batch: Any
    left_out: dict[int, str]


class _Failure(NamedTuple):
    """An error of a worker process, as the main process raises it: without the traceback of the worker."""

    kind: type[Exception]
    message: str


class _KeyedBatches(Dataset[Any]):
    """What worker processes see: a list of keys in, a batch out."""

    def __init__(self, dataset: SampleSource, collate: Callable[[Sequence[Any]], Any], *, is_full: bool) -> None:
        self.dataset, self.collate, self.is_full = dataset, collate, is_full

    def __getitem__(self, keys: Sequence[int]) -> _Found | _Failure:
        try:
            return self.read(keys, torch.device("cpu"))
        except _KINDS as error:
            kind = next(kind for kind in _KINDS if isinstance(error, kind))
            return _Failure(kind, str(error))

    def read(self, keys: Sequence[int], device: torch.device) -> _Found:
        """The batch of some keys."""
        if isinstance(self.dataset, SupportsBatch):
            return _Found(self.dataset.batch(keys, device), {})
        left_out: dict[int, str] = {}
        samples = [sample for key in keys for sample in self._sample(key, left_out)]
        return _Found(move_batch(self.collate(samples), device) if samples else None, left_out)

    def _sample(self, key: int, left_out: dict[int, str]) -> list[Any]:
        """The sample of a key in a list, that of another in full batches, or nothing."""
        count = len(self.dataset)
        draws = uniform(0, [key], _MAX_SUBSTITUTES)[0] if self.is_full else ()
        # Of the same epoch, so that what is drawn for it is that of no other sample of the run.
        for other in (key, *(key - key % count + int(draw * count) for draw in draws)):
            try:
                return [self.dataset[other]]
            except _BAD_FILE as error:
                left_out[other % count] = _reason(error)
        if self.is_full:
            raise ValueError(f"too many samples cannot be read, among them: {'; '.join(list(left_out.values())[:3])}")
        return []


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error).rstrip(".")


def _of_workers(workers: DataLoader[Any]) -> Iterator[Any]:
    """What worker processes return; one that was killed is an error in a sentence."""
    try:
        with delayed_signals():  # a worker process would die of one that comes before it ignores them
            batches = iter(workers)
        yield from batches
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise OSError(
            "a process that reads files has ended on its own, by lack of memory perhaps; try fewer of them "
            "(data.num_workers)."
        ) from error


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ctrl-C and SIGTERM reach worker processes too; they go on until the parent needs no more batches."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def stack_samples(samples: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    """A batch from samples that are tuples of tensors: each position stacked.

    Example:
        >>> images, labels = stack_samples(
        ...     [(torch.zeros(3, 2, 2), torch.tensor(1)), (torch.ones(3, 2, 2), torch.tensor(0))]
        ... )
        >>> images.shape, labels
        (torch.Size([2, 3, 2, 2]), tensor([1, 0]))
    """
    return tuple(torch.stack(column) for column in zip(*samples, strict=True))


def move_batch(batch: Any, device: torch.device | str) -> Any:
    """Everything with a `to` method inside tuples, lists and mappings on a device; the rest as it is.

    Example:
        >>> move_batch({"image": torch.zeros(2), "boxes": [torch.ones(1)], "name": "a"}, "cpu")["name"]
        'a'
    """
    if hasattr(batch, "to"):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: move_batch(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(move_batch(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(move_batch(value, device) for value in batch)
    return batch
