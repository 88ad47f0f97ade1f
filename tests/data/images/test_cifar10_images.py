import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from subband.data.images.cifar10_images import cifar10_images


def batch(folder, name, count, first):
    pixels = (first + np.arange(count)[:, None]).astype(np.uint8).repeat(3072, axis=1)
    with open(folder / name, "wb") as file:
        pickle.dump({b"data": pixels, b"labels": [index % 2 for index in range(count)]}, file)


def picture(value, side=32):
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def archive(path, contents):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in contents.items():
            file.writestr(name, content)


def first_values(split):
    return sorted(round(255 * split[index][0, 0, 0].item()) for index in range(len(split)))


def test_batches_of_torchvision(tmp_path):
    for number in range(1, 6):
        batch(tmp_path, f"data_batch_{number}", 10, first=20 * number)
    batch(tmp_path, "test_batch", 6, first=200)
    data = cifar10_images(path=str(tmp_path), flip=False)
    assert [len(split) for split in (data.train, data.val, data.test)] == [46, 4, 6]
    wanted = [20 * number + index for number in range(1, 6) for index in range(10)]
    assert sorted(first_values(data.train) + first_values(data.val)) == wanted
    assert first_values(data.test) == list(range(200, 206))
    assert cifar10_images(path=str(tmp_path), img_size=64).train[0].shape == (3, 64, 64)


def test_archives_of_pictures(tmp_path):
    train = {
        f"{kind}/{number:04d}.png": picture(100 * (kind == "dog") + number)
        for kind in ("cat", "dog")
        for number in range(8)
    }
    archive(tmp_path / "train.zip", {"README.txt": b"no picture", **train})
    archive(tmp_path / "test.zip", {"cat/0000.png": picture(7), "dog/0000.png": picture(9)})
    data = cifar10_images(path=str(tmp_path), val_fraction=0.25)
    assert [len(split) for split in (data.train, data.val, data.test)] == [12, 4, 2]
    assert sum(value >= 100 for value in first_values(data.val)) == 2
    assert first_values(data.test) == [7, 9]


def test_damaged_pictures_of_an_archive_are_named_and_counted(tmp_path):
    whole = {f"{kind}/{number}.png": picture(number) for kind in ("cat", "dog") for number in range(3)}
    archive(tmp_path / "train.zip", {**whole, "cat/3.png": picture(1)[:60], "dog/4.png": picture(1, side=16)})
    archive(tmp_path / "test.zip", {"cat/0.png": b"nothing"})
    with (
        pytest.warns(
            UserWarning, match=r"left out 2 of 8 pictures of .*train.zip: .*cat/3.png: .*dog/4.png: it has 16 x 16"
        ),
        pytest.raises(ValueError, match=r"test.zip has no picture that can be read: .*cat/0.png"),
    ):
        cifar10_images(path=str(tmp_path))
    (tmp_path / "train.zip").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"train.zip cannot be read as an archive"):
        cifar10_images(path=str(tmp_path))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder of CIFAR-10 not found: .*nothing"):
        cifar10_images(path=str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError, match=r"CIFAR batch not found: .*data_batch_1"):
        cifar10_images(path=str(tmp_path))
    archive(tmp_path / "train.zip", {"cat/0.png": picture(1)})
    with pytest.raises(FileNotFoundError, match=r"archive not found: looked for .*test.zip"):
        cifar10_images(path=str(tmp_path))


def test_the_archives_that_are_shared_here(shared_data):
    folder = shared_data / "cifar10"
    if not folder.is_dir():
        pytest.skip("the archives of CIFAR-10 are not here")
    data = cifar10_images(path=str(folder))
    assert [len(split) for split in (data.train, data.val, data.test)] == [9000, 1000, 2000]
    mean = torch.stack([data.test[index] for index in range(0, 2000, 4)]).mean((0, 2, 3))
    torch.testing.assert_close(mean, torch.tensor([0.491, 0.482, 0.447]), rtol=0, atol=0.02)
