import pytest
import torch
from PIL import Image

from subband.data import build_data
from subband.data.labelled.images import (
    Augmentation,
    ImageSpec,
    LabelledImages,
    Preprocessing,
    StoredPixels,
    hold_out_per_class,
)


def make(augment="none", flip=False, seed=0, size=16, number=6):
    pixels = torch.rand(number, 3, 20, 28, generator=torch.Generator().manual_seed(1))
    spec = ImageSpec(classes=("a", "b"), preprocessing=Preprocessing(size=(size, size), crop_ratio=0.8))
    labels = [index % 2 for index in range(number)]
    return LabelledImages(
        StoredPixels(pixels, 1.0), labels, spec, augmentation=Augmentation(crop=augment, flip=flip), seed=seed
    ), pixels


@pytest.mark.parametrize("augment", ["shift", "resized_crop"])
def test_samples_are_a_function_of_seed_and_key(augment):
    data, _ = make(augment, flip=True)
    again, _ = make(augment, flip=True)
    other, _ = make(augment, flip=True, seed=1)
    for key in (0, 7, 600):
        assert torch.equal(data[key][0], again[key][0])
        assert data[key][1] == key % 6 % 2
    assert not torch.equal(data[0][0], data[6][0])  # the same image in the next epoch
    assert any(not torch.equal(data[key][0], other[key][0]) for key in range(6))


def test_shift_moves_by_at_most_an_eighth_and_flips_only_if_asked():
    data, pixels = make("shift")
    prepared = data.spec.preprocessing(pixels[0])
    seen = set()
    for key in range(0, 600, 6):
        image = data[key][0]
        matches = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if torch.equal(image[:, 2:-2, 2:-2], prepared[:, 2 + down : 14 + down, 2 + right : 14 + right])
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) > 15


def test_hold_out_is_per_class_and_complete():
    labels = [index % 3 for index in range(60)]
    kept, held_out = hold_out_per_class(labels, 0.2)
    assert sorted(kept + held_out) == list(range(60))
    assert [sum(labels[i] == label for i in held_out) for label in range(3)] == [4, 4, 4]
    assert hold_out_per_class(labels, 0.2) == (kept, held_out)
    with pytest.raises(ValueError, match=r"class 1 has 1 image\(s\)"):
        hold_out_per_class([0, 0, 1], 0.5)
    with pytest.raises(ValueError, match=r"must lie between 0 and 1, got 1"):
        hold_out_per_class(labels, 1)


def test_digits_are_those_of_scikit_learn_and_in_one_split_each():
    data = build_data("digits", {}, seed=0)
    assert [len(split) for split in (data.train, data.val, data.test)] == [1295, 143, 359]
    images = torch.stack([data.test[index][0] for index in range(len(data.test))])
    assert data.spec.preprocessing.denormalize(images).mul(16).sub(8).abs().max().item() == pytest.approx(8, abs=1e-4)
    assert torch.equal(images[:, 0], images[:, 2])
    assert sorted(set(data.test.labels)) == list(range(10))


def test_names_and_arguments_are_checked():
    with pytest.raises(ValueError, match=r"unknown data set 'digit'; did you mean 'digits'\?"):
        build_data("digit", {}, seed=0)
    with pytest.raises(TypeError, match=r"data set 'digits' has no argument 'color'"):
        build_data("digits", {"color": 1}, seed=0)
    with pytest.raises(ValueError, match=r"'none' or 'shift' or 'resized_crop'"):
        build_data("digits", {"augment": "crop"}, seed=0)
    with pytest.raises(ValueError, match=r"a split holds no image"):
        make(number=0)


def test_pillow_agrees_on_the_whole_chain(tmp_path):
    """A file through `image_folder`, against Pillow's own reader."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.new("RGB", (16, 16), (number * 10, 20, 200)).save(tmp_path / name / f"{number}.png")
    data = build_data("image_folder", {"path": str(tmp_path), "img_size": 16, "crop_ratio": 1.0}, seed=0)
    image = data.spec.preprocessing.denormalize(data.test[0][0])
    torch.testing.assert_close(image[1:, 0, 0], torch.tensor([20.0, 200.0]) / 255)
