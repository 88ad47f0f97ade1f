import re

import pytest
import torch

from subband.data import build_data
from subband.data.labelled.folder import image_folder
from subband.data.labelled.images import Preprocessing
from subband.media.images import write_image


def fill(folder, classes=("cat", "dog"), number=10, channels=3):
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(number):
            write_image(folder / name / f"{index}.png", torch.full((channels, 12, 10), (label * 100 + index) / 255))


def values(split):
    return {round(255 * split.spec.preprocessing.denormalize(split[i][0]).mean().item()) for i in range(len(split))}


def test_a_folder_of_classes_is_split_the_same_way_every_time(tmp_path):
    fill(tmp_path)
    data = image_folder(path=str(tmp_path), img_size=8)
    parts = [values(split) for split in (data.train, data.val, data.test)]
    assert [len(part) for part in parts] == [14, 2, 4]
    assert set.union(*parts) == {*range(10), *range(100, 110)}
    again = image_folder(path=str(tmp_path), img_size=8, seed=5)
    assert [values(split) for split in (again.train, again.val, again.test)] == parts
    assert all(
        label == (value >= 100) for value, label in zip(sorted(values(data.test)), data.test.labels, strict=True)
    )


def test_transparent_parts_are_white(tmp_path):
    fill(tmp_path)
    for path in tmp_path.rglob("*.png"):
        write_image(path, torch.zeros(3, 12, 10), alpha=torch.full((1, 12, 10), 0.2), overwrite=True)
    assert values(image_folder(path=str(tmp_path), img_size=8, test_fraction=0.5).test) == {204}


def test_the_layout_of_imagenet_keeps_its_val_for_the_test(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val", number=3)
    data = image_folder(path=str(tmp_path), img_size=8, val_fraction=0.2)
    assert [len(split) for split in (data.train, data.val, data.test)] == [16, 4, 6]
    assert data.spec.classes == ("cat", "dog")


@pytest.mark.parametrize("layout", ["classes", "val", "train and val"])
def test_all_images_can_be_test_images(tmp_path, layout):
    fill(tmp_path if layout == "classes" else tmp_path / "val", number=3)
    if layout == "train and val":
        fill(tmp_path / "train")
    share = {} if layout == "val" else {"test_fraction": 1}
    data = image_folder(path=str(tmp_path), img_size=8, **share)
    assert values(data.test) == {*range(3), *range(100, 103)}
    assert data.test.labels == (0, 0, 0, 1, 1, 1)
    for split in (data.train, data.val):
        with pytest.raises(ValueError, match=r"every image of the folder is a test image .* nothing to train on"):
            len(split)


def test_a_class_may_be_called_val(tmp_path):
    fill(tmp_path, classes=("test", "val"))
    assert image_folder(path=str(tmp_path), img_size=8).spec.classes == ("test", "val")


def test_gray_images_become_three_equal_channels(tmp_path):
    fill(tmp_path, channels=1)
    image = image_folder(path=str(tmp_path), img_size=8).test[0][0]
    assert image.shape == (3, 8, 8)


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder of images not found"):
        image_folder(path=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"holds 0 class folder\(s\); it needs at least two"):
        image_folder(path=str(tmp_path))
    fill(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'empty'} holds no photographs")):
        image_folder(path=str(tmp_path))


def test_classes_of_train_and_val_must_agree(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val", classes=("cat", "mouse"))
    with pytest.raises(ValueError, match=r"only one of them has 'dog'"):
        image_folder(path=str(tmp_path))


def test_a_class_too_small_for_the_split_is_refused(tmp_path):
    fill(tmp_path, number=1)
    with pytest.raises(ValueError, match=r"class 0 has 1 image\(s\)"):
        image_folder(path=str(tmp_path))


def test_a_corrupt_image_is_named(tmp_path):
    fill(tmp_path)
    for path in (tmp_path / "cat").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    data = image_folder(path=str(tmp_path), img_size=8)
    with pytest.raises(ValueError, match=r"cat/\d\.png"):
        values(data.test)


def test_preprocessing_and_augmentation_of_published_training_are_options(tmp_path):
    pytest.importorskip("timm")
    fill(tmp_path)
    options = {
        "crop_mode": "squash",
        "interpolation": "bilinear",
        "antialias": False,
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
    }
    published = {"rand_augment": "rand-m7-mstd0.5-inc1", "erasing": 1.0, "train_interpolation": "random"}
    data = build_data("image_folder", {"path": str(tmp_path), "img_size": 8, **options, **published}, seed=0)
    wanted = Preprocessing(
        size=(8, 8), crop_mode="squash", interpolation="bilinear", antialias=False, mean=(0.5,) * 3, std=(0.25,) * 3
    )
    assert data.spec.preprocessing == wanted
    plain = build_data("image_folder", {"path": str(tmp_path), "img_size": 8, **options}, seed=0)
    assert torch.equal(plain.test[0][0], data.test[0][0])
    assert plain.train[0][0].std() < 1e-4  # one color
    assert data.train[0][0].std() > 0.2  # noise in a rectangle
    with pytest.raises(TypeError, match=r"'mean' of data set 'image_folder' must be \(float, float, float\)"):
        build_data("image_folder", {"path": str(tmp_path), "mean": 0.5}, seed=0)
