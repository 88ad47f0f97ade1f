import os
import signal
import warnings

import pytest
import torch
from torch.utils.data._utils import worker

from subband.data import BatchedClips, Clips, ClipSpec, SampleLoader

SPEC = ClipSpec(in_frames=1, out_frames=1, channels=1, height=1, width=1, data_range=(-1e6, 1e6))


class Keys(Clips):
    """Shows which keys a loader asked for: the inputs are the key, the targets its negative."""

    def __init__(self, length, spec=SPEC):
        self.length, self.spec = length, spec

    def __len__(self):
        return self.length

    def __getitem__(self, key):
        return torch.full(self.spec.in_shape, float(key)), torch.full(self.spec.in_shape, -float(key))


class BatchedKeys(BatchedClips):
    spec = SPEC

    def __len__(self):
        return 10

    def batch(self, keys, device="cpu"):
        inputs = torch.tensor(keys, dtype=torch.float32, device=device)[:, None, None, None, None]
        return inputs, -inputs


def loader(length=10, batch_size=3, *, dataset=None, **changes):
    options = {"shuffle": True, "drop_last": False, "seed": 0} | changes
    return SampleLoader(dataset or Keys(length), batch_size, **options)


def keys_of(batches):
    return [[int(key) for key in inputs.flatten()] for inputs, _ in batches]


def flat(batches):
    return [key for batch in keys_of(batches) for key in batch]


def test_unshuffled_keys_are_always_the_same():
    ordered = loader(shuffle=False)
    for _ in range(2):
        assert keys_of(ordered) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert len(ordered) == 4


def test_shuffled_keys_cover_each_epoch_once_in_new_orders():
    shuffled = loader()
    epochs = [flat(shuffled) for _ in range(3)]
    for number, keys in enumerate(epochs):
        assert sorted(keys) == list(range(10 * number, 10 * (number + 1)))
    assert len({tuple(key % 10 for key in keys) for keys in epochs}) == 3
    assert epochs[0] == flat(loader())
    assert epochs[0] != flat(loader(seed=1))


def test_drop_last_leaves_full_batches():
    dropped = loader(drop_last=True)
    assert [len(batch) for batch in keys_of(dropped)] == [3, 3, 3]
    assert len(dropped) == 3


@pytest.mark.parametrize("dataset", [Keys(10), BatchedKeys()], ids=["items", "batches"])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_way_of_loading_gives_the_same_batches(dataset, num_workers):
    state = torch.get_rng_state()
    loaded = list(loader(dataset=dataset, num_workers=num_workers))
    assert keys_of(loaded) == keys_of(loader())
    assert all(torch.equal(inputs, -targets) for inputs, targets in loaded)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("stop", range(9))
def test_a_restored_loader_continues_with_the_next_batch(stop, num_workers):
    def endless(source):
        while True:
            yield from source

    whole = [next(batches) for batches in [endless(loader())] for _ in range(9)]
    first = loader(num_workers=num_workers)
    batches = endless(first)
    for _ in range(stop):
        next(batches)
    second = loader(num_workers=num_workers)
    second.load_state_dict(first.state_dict())
    batches = endless(second)
    assert keys_of(whole[stop:]) == keys_of(next(batches) for _ in range(9 - stop))


def test_state_counts_batches_handed_out():
    counted = loader()
    assert counted.state_dict() == {"epoch": 0, "batches": 0}
    batches = iter(counted)
    assert counted.state_dict() == {"epoch": 0, "batches": 0}
    next(batches)
    assert counted.state_dict() == {"epoch": 0, "batches": 1}


def test_an_epoch_that_was_not_finished_is_followed_by_the_next():
    # Lightning stops at len() or at limit_train_batches and never exhausts the iterator.
    stopped = loader()
    batches = iter(stopped)
    for _ in range(len(stopped)):
        next(batches)
    assert sorted(flat(stopped)) == list(range(10, 20))
    next(iter(stopped))
    assert sorted(flat(stopped)) == list(range(30, 40))


def test_making_iterators_changes_nothing():
    made = loader()
    for _ in range(3):
        iter(made)
    assert flat(made) == flat(loader())


def test_set_epoch_jumps_but_keeps_the_place_in_a_restored_epoch():
    jumped = loader()
    jumped.sampler.set_epoch(2)
    assert sorted(flat(jumped)) == list(range(20, 30))
    jumped.set_epoch(2)
    assert sorted(flat(jumped)) == list(range(20, 30))
    restored = loader()
    restored.load_state_dict({"epoch": 2, "batches": 3})
    restored.set_epoch(2)
    assert [len(batch) for batch in keys_of(restored)] == [1]
    restored.load_state_dict({"epoch": 2, "batches": 3})
    restored.set_epoch(3)
    assert sorted(flat(restored)) == list(range(30, 40))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    ("length", "batch_size", "world_size"), [(10, 3, 2), (11, 1, 2), (12, 2, 3), (13, 4, 3), (3, 5, 3)]
)
def test_processes_share_every_sample_once_in_equally_many_batches(shuffle, length, batch_size, world_size):
    ranks = [
        keys_of(loader(length, batch_size, shuffle=shuffle, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    assert sorted(key for batches in ranks for batch in batches for key in batch) == list(range(length))
    assert all(1 <= len(batch) <= batch_size + 1 for batches in ranks for batch in batches)


def test_processes_drop_what_does_not_fill_a_batch_everywhere():
    ranks = [keys_of(loader(11, 2, drop_last=True, rank=rank, world_size=2)) for rank in range(2)]
    assert [[len(batch) for batch in batches] for batches in ranks] == [[2, 2], [2, 2]]


def test_process_numbers_come_from_torch_distributed_when_it_runs(monkeypatch):
    late = loader(10, 5, shuffle=False)
    assert len(late) == 2
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    assert len(late) == 1
    assert keys_of(late) == [[1, 3, 5, 7, 9]]


def test_first_batch_is_checked_for_its_range_once():
    spec = ClipSpec(in_frames=1, out_frames=1, channels=1, height=1, width=1)
    wrong = SampleLoader(Keys(4, spec), 2, shuffle=False, drop_last=False, seed=0)
    wrong.load_state_dict({"epoch": 0, "batches": 1})
    with pytest.warns(UserWarning, match="input frames lie in"):
        list(wrong)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"num_workers": -1}, "num_workers"),
        ({"rank": 0}, "rank and world_size must be given together"),
        ({"rank": 2, "world_size": 2}, r"rank must be in 0\.\.1"),
        ({"batch_size": 11, "drop_last": True}, "10 samples are too few for a batch_size of 11 in 1 process"),
        ({"batch_size": 1, "rank": 0, "world_size": 11}, "10 samples are too few"),
    ],
)
def test_impossible_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        loader(**changes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_process_that_reads_as_it_begins_changes_nothing(number, monkeypatch):
    """A launcher signals a whole group; a process that has just been started does not ignore signals yet."""

    def set_and_be_hit():
        begin()
        os.kill(os.getpid(), number)

    begin = worker.signal_handling._set_worker_signal_handlers
    monkeypatch.setattr(worker.signal_handling, "_set_worker_signal_handlers", set_and_be_hit)
    batches = flat(loader(7, 2, num_workers=2, shuffle=False))
    assert batches == list(range(7))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
