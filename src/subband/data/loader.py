"""Batches of samples in a repeatable order, shared between processes, resumed in the middle of an epoch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset

from subband.data.random import permutation
from subband.data.spec import SampleSource, SupportsBatch, SupportsCheck


class SampleLoader:
    """Iterates over a data set in batches; one iteration is one epoch.

    A shuffled loader asks for the keys `epoch * len(dataset) + index` in an order that is a pure function of (seed,
    epoch); one that does not shuffle asks for `0 .. N - 1` every time. With several processes every process gets the
    same number of batches, no sample twice, and none is left out unless `drop_last` says so; the last batch of a
    process may then hold one sample more than `batch_size`.

    `state_dict()` counts the batches handed out, so a loader restored from it continues with the next one; if the epoch
    was complete, with the next epoch. Lightning saves and restores it with its checkpoints and says which epoch begins.

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
        """
        if self._batches and not (self._is_restored and self._batches < len(self)):
            self._epoch, self._batches = self._epoch + 1, 0
        self._is_restored = False
        for batch in self._load(self._keys(self._epoch)[self._batches :]):
            self._batches += 1
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

    def _load(self, keys: list[list[int]]) -> Iterator[Any]:
        """Batches of the given keys on the loader's device."""
        if self.num_workers == 0:
            for batch in keys:
                yield _read(self.dataset, batch, self.collate, self.device)
            return
        # A generator of its own, so that making worker seeds does not disturb the run's random numbers.
        workers: DataLoader[Any] = DataLoader(
            _KeyedBatches(self.dataset, self.collate),
            sampler=keys,
            batch_size=None,
            num_workers=self.num_workers,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),
        )
        for batch in workers:
            yield move_batch(batch, self.device)


class _KeyedBatches(Dataset[Any]):
    """What worker processes see: a list of keys in, a batch out."""

    def __init__(self, dataset: SampleSource, collate: Callable[[Sequence[Any]], Any]) -> None:
        self.dataset, self.collate = dataset, collate

    def __getitem__(self, keys: Sequence[int]) -> Any:
        return _read(self.dataset, keys, self.collate, torch.device("cpu"))


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


def _read(
    dataset: SampleSource, keys: Sequence[int], collate: Callable[[Sequence[Any]], Any], device: torch.device
) -> Any:
    if isinstance(dataset, SupportsBatch):
        return dataset.batch(keys, device)
    return move_batch(collate([dataset[key] for key in keys]), device)
