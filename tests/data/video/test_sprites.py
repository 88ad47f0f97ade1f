import gzip
import struct

import numpy as np
import pytest
import torch

from subband.data.video.sprites import handwritten_digits, read_sprites, split_sprites


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 6, 7), dtype=np.uint8)


def idx_bytes(images):
    return struct.pack(">IIII", 0x803, *images.shape) + images.tobytes()


def test_every_format_gives_the_same_sprites(tmp_path, images):
    (tmp_path / "a-idx3-ubyte").write_bytes(idx_bytes(images))
    with gzip.open(tmp_path / "b-idx3-ubyte.gz", "wb") as file:
        file.write(idx_bytes(images))
    np.save(tmp_path / "c.npy", images)
    np.savez(tmp_path / "d.npz", x_train=images, x_test=images[:2])
    np.savez(tmp_path / "e.npz", images=images, labels=np.arange(5))
    for path in sorted(tmp_path.iterdir()):
        assert torch.equal(read_sprites(path), torch.from_numpy(images)), path.name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.gz", b"not gzip", "cannot be unpacked"),
        ("x.bin", b"", "not an idx file"),
        ("x.bin", struct.pack(">IIII", 0x801, 1, 1, 1), "not an idx file"),
        ("x.bin", struct.pack(">IIII", 0x803, 2, 2, 2) + bytes(7), "7 of 8 bytes"),
        ("x.bin", struct.pack(">IIII", 0x803, 2**20, 2**10, 2**10), "announces"),
        ("x.gz", gzip.compress(bytes(64), mtime=0)[:12], "cannot be unpacked: Compressed file ended"),
        ("x.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20, "cannot be unpacked: Error -3"),
        ("x.npy", b"", r"cannot be read as an array \(.npy\)"),
        ("x.npy", b"\x93NUMPY\x01\x00\x04\x00{'a(", r"cannot be read as an array \(.npy\)"),
        ("x.npz", b"", "cannot be read as an npz archive"),
        ("x.npz", b"PK\x03\x04 cut off", "cannot be read as an npz archive"),
    ],
)
def test_broken_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        read_sprites(tmp_path / name)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"digits\.npy"):
        read_sprites(tmp_path / "digits.npy")


def test_arrays_must_be_uint8_images(tmp_path):
    np.save(tmp_path / "float.npy", np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match=r"float.npy must be an array \(N, h, w\) of uint8"):
        read_sprites(tmp_path / "float.npy")
    np.savez(tmp_path / "two.npz", a=np.zeros((1, 2, 2), np.uint8), b=np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(ValueError, match=r"two\.npz must hold"):
        read_sprites(tmp_path / "two.npz")


@pytest.mark.parametrize("with_test", [True, False])
def test_splits_are_disjoint_and_complete(with_test):
    sprites = torch.arange(10, dtype=torch.uint8)[:, None, None]
    splits = split_sprites(sprites, 5, with_test=with_test)
    assert torch.equal(torch.cat(splits), sprites)
    assert [len(split) for split in splits] == ([5, 2, 3] if with_test else [5, 5, 0])


@pytest.mark.parametrize("held_out", [0, 1, 10])
def test_empty_splits_are_refused(held_out):
    with pytest.raises(ValueError, match="held_out must be between 2 and 9"):
        split_sprites(torch.zeros(10, 1, 1, dtype=torch.uint8), held_out, with_test=True)


def test_handwritten_digits_are_enlarged_not_changed():
    digits = handwritten_digits(24)
    assert digits.shape == (1797, 24, 24)
    assert digits.dtype == torch.uint8
    from sklearn.datasets import load_digits

    # Averaging the 3x3 pixels that one original pixel became gives it back up to what bicubic smooths away.
    small = torch.nn.functional.avg_pool2d(digits.float(), 3) / 255 * 16
    original = torch.from_numpy(load_digits().images).float()
    assert torch.corrcoef(torch.stack([small.flatten(), original.flatten()]))[0, 1] > 0.98
