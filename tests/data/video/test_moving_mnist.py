import gzip
import pickle
import struct

import numpy as np
import pytest
import torch

from subband.data import build_data


@pytest.fixture
def root(tmp_path):
    """A data folder in the published layout, with 40 sprites, 6 test sequences and 2,100 CIFAR images."""
    random = np.random.default_rng(0)
    sprites = random.integers(0, 4, (40, 28, 28), dtype=np.uint8) * 85
    for folder, test in (("moving_mnist", "mnist_test_seq"), ("moving_fmnist", "fmnist_test_seq")):
        (tmp_path / folder).mkdir()
        with gzip.open(tmp_path / folder / "train-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">IIII", 0x803, *sprites.shape) + sprites.tobytes())
        np.save(tmp_path / folder / f"{test}.npy", random.integers(0, 256, (20, 6, 64, 64), dtype=np.uint8))
    sequences = random.integers(0, 256, (20, 6, 64, 64, 3), dtype=np.uint8)
    np.save(tmp_path / "moving_mnist" / "mnist_cifar_test_seq.npy", sequences)
    batches = tmp_path / "cifar10" / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        pixels = random.integers(0, 256, (350, 3072), dtype=np.uint8)
        (batches / name).write_bytes(pickle.dumps({b"data": pixels, b"labels": [0]}, protocol=4))
    return tmp_path


def test_published_files(root):
    data = build_data("moving_mnist", {"root": str(root), "held_out": 4}, 0)
    assert (len(data.train), len(data.val), len(data.test)) == (10_000, 1_000, 6)
    stored = np.load(root / "moving_mnist" / "mnist_test_seq.npy")
    inputs, targets = data.test.batch([5, 1])
    for row, index in enumerate((5, 1)):
        expected = torch.from_numpy(stored[:, index]).float()[:, None] / 255
        assert torch.equal(torch.cat([inputs[row], targets[row]]), expected)
    assert torch.equal(data.test[11][0], inputs[0])  # key 11 is sample 5 of the second epoch
    assert len(data.train.sprites) == 36
    assert len(data.val.sprites) == 4


def test_all_held_out_sprites_are_split_when_the_test_set_is_generated(root):
    digits = str(root / "moving_mnist" / "train-images-idx3-ubyte.gz")
    data = build_data("moving_mnist", {"digits": digits, "held_out": 10, "num_test": 7}, 0)
    kinds = [{bytes(sprite.numpy()) for sprite in split.sprites} for split in (data.train, data.val, data.test)]
    assert [len(kind) for kind in kinds] == [30, 5, 5]
    assert not kinds[0] & kinds[1]
    assert not kinds[0] & kinds[2]
    assert not kinds[1] & kinds[2]
    assert len(data.test) == 7


def test_scored_sequences_do_not_depend_on_the_seed():
    args = {"num_train": 4, "num_val": 4, "num_test": 4, "sprite_size": 12}
    first, second = (build_data("moving_digits", args, seed) for seed in (0, 1))
    for split in ("val", "test"):
        assert torch.equal(getattr(first, split)[2][0], getattr(second, split)[2][0])
    assert not torch.equal(first.train[2][0], second.train[2][0])


def test_noise_and_augmentation_are_for_training_only(root):
    data = build_data("noisy_mmnist", {"root": str(root), "noise": "missing", "held_out": 4}, 0)
    assert (data.train.noise, data.val.noise) == ("missing", None)
    data = build_data("moving_digits", {"augment": True, "noise": "perceptual"}, 0)
    assert [(split.augment, split.noise) for split in (data.train, data.val, data.test)] == [
        (True, "perceptual"),
        (False, None),
        (False, None),
    ]


def test_fashion_has_its_own_folder(root):
    data = build_data("moving_fmnist", {"root": str(root), "held_out": 4, "num_test": 3}, 0)
    stored = np.load(root / "moving_fmnist" / "fmnist_test_seq.npy")
    assert len(data.test) == 3
    assert torch.equal(data.test[2][1][:, 0], torch.from_numpy(stored[10:, 2]).float() / 255)


def test_white_digits_on_a_still_image(root):
    data = build_data("mmnist_cifar", {"root": str(root), "held_out": 4}, 0)
    assert data.spec.in_shape == (10, 3, 64, 64)
    assert torch.cat([data.train.sprites, data.val.sprites]).unique().tolist() == [0, 255]
    assert (len(data.train.backgrounds), len(data.val.backgrounds)) == (1_100, 1_000)
    frames = torch.cat(data.train[3])
    scene = frames.amin(0)
    covered = frames != scene
    assert (frames[covered] == 1).all()
    assert not covered.all()
    stored = np.load(root / "moving_mnist" / "mnist_cifar_test_seq.npy")
    expected = torch.from_numpy(stored[:10, 4]).permute(0, 3, 1, 2).float() / 255
    assert torch.equal(data.test[4][0], expected)


@pytest.mark.parametrize("args", [{}, {"root": "a", "digits": "b"}])
def test_exactly_one_source(args):
    with pytest.raises(ValueError, match="give either root, a data folder with moving_mnist/, or a file of sprites"):
        build_data("moving_mnist", args, 0)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("moving_mnist", "moving_mnist/train-images-idx3-ubyte.gz"),
        ("moving_mnist", "moving_mnist/mnist_test_seq.npy"),
        ("moving_fmnist", "moving_fmnist/fmnist_test_seq.npy"),
        ("mmnist_cifar", "moving_mnist/mnist_cifar_test_seq.npy"),
        ("mmnist_cifar", "cifar10/cifar-10-batches-py/data_batch_3"),
    ],
)
def test_missing_files_are_named(root, name, file):
    (root / file).unlink()
    with pytest.raises(FileNotFoundError, match=file):
        build_data(name, {"root": str(root), "held_out": 4}, 0)


def test_test_files_of_another_form_are_refused(root):
    path = root / "moving_mnist" / "mnist_test_seq.npy"
    args = {"root": str(root), "held_out": 4}
    with pytest.raises(ValueError, match="has 20 frames, in_frames \\+ out_frames asks for 30"):
        build_data("moving_mnist", args | {"out_frames": 20}, 0)
    with pytest.raises(ValueError, match="has 6 sequences, asked for 7"):
        build_data("moving_mnist", args | {"num_test": 7}, 0)
    np.save(path, np.zeros((20, 6, 32, 32), np.uint8))
    with pytest.raises(ValueError, match=r"clips of the test split are .*height=32"):
        build_data("moving_mnist", args, 0)
    np.save(path, np.zeros((20, 6, 64, 64)))
    with pytest.raises(ValueError, match="must be uint8"):
        build_data("moving_mnist", args, 0)


def test_pickles_with_code_are_refused(root):
    path = root / "cifar10" / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(b"cos\nsystem\n(S'echo unsafe'\ntR.")
    with pytest.raises(ValueError, match=r"test_batch is not a CIFAR batch: os.system is not allowed"):
        build_data("mmnist_cifar", {"root": str(root), "held_out": 4}, 0)
