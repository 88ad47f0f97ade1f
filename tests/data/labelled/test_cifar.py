import pickle

import numpy as np
import pytest
import torch

from subband.data.labelled.cifar import cifar10, cifar100


def batch(folder, name, key, number, first):
    pixels = (first + np.arange(number)[:, None]).astype(np.uint8).repeat(3072, axis=1)
    labels = [index % 2 for index in range(number)]
    with open(folder / name, "wb") as file:
        pickle.dump({b"data": pixels, key: labels}, file)


def names(folder, name, key):
    with open(folder / name, "wb") as file:
        pickle.dump({key: [b"cat", b"dog"]}, file)


def values(split):
    images = torch.stack([split[index][0] for index in range(len(split))])
    return sorted((split.spec.preprocessing.denormalize(images)[:, 0, 0, 0] * 255).round().int().tolist())


def test_cifar10_reads_all_batches(tmp_path):
    for number in range(1, 6):
        batch(tmp_path, f"data_batch_{number}", b"labels", 10, first=20 * number)
    batch(tmp_path, "test_batch", b"labels", 6, first=200)
    names(tmp_path, "batches.meta", b"label_names")
    data = cifar10(path=str(tmp_path), augment="none", flip=False)
    assert data.spec.classes == ("cat", "dog")
    assert [len(split) for split in (data.train, data.val, data.test)] == [46, 4, 6]
    wanted = [20 * number + index for number in range(1, 6) for index in range(10)]
    assert sorted(values(data.train) + values(data.val)) == wanted
    assert values(data.test) == list(range(200, 206))
    assert data.test.labels == (0, 1, 0, 1, 0, 1)


def test_cifar100_reads_fine_labels(tmp_path):
    batch(tmp_path, "train", b"fine_labels", 20, first=0)
    batch(tmp_path, "test", b"fine_labels", 4, first=100)
    names(tmp_path, "meta", b"fine_label_names")
    data = cifar100(path=str(tmp_path), img_size=16)
    assert [len(split) for split in (data.train, data.val, data.test)] == [18, 2, 4]
    assert data.train[0][0].shape == (3, 16, 16)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"CIFAR batch not found: .*train"):
        cifar100(path=str(tmp_path))
    batch(tmp_path, "train", b"labels", 20, first=0)
    with pytest.raises(ValueError, match=r"train is not a CIFAR batch: it has no fine_labels"):
        cifar100(path=str(tmp_path))
    (tmp_path / "train").write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match=r"it holds a list"):
        cifar100(path=str(tmp_path))


def test_published_augmentation_and_statistics_are_options(tmp_path):
    pytest.importorskip("timm")
    batch(tmp_path, "train", b"fine_labels", 20, first=0)
    batch(tmp_path, "test", b"fine_labels", 4, first=100)
    names(tmp_path, "meta", b"fine_label_names")
    half = (0.5, 0.5, 0.5)
    data = cifar100(path=str(tmp_path), rand_augment="rand-m9-inc1", erasing=1.0, mean=half, std=half)
    assert (data.spec.preprocessing.mean, data.spec.preprocessing.std) == (half, half)
    assert data.train[0][0].std() > 0.2
    torch.testing.assert_close(data.test[0][0], torch.full((3, 32, 32), 100 / 127.5 - 1))


def test_whatever_a_damaged_pickle_raises_names_the_file(tmp_path):
    for content in (b"", b"h\x05.", b"\x80\x04K", b"(lp0\nS'x\n", b"}\x8c\xffa", b"cnumpy\n_reconstruct\n(tR."):
        (tmp_path / "train").write_bytes(content)
        with pytest.raises(ValueError, match=r"train is not a CIFAR batch: \w+"):
            cifar100(path=str(tmp_path))
