import pickle
import warnings

import pytest
import torch

from subband.data import SampleLoader, UnlabelledData, UnlabelledImages, UnlabelledSpec, build_data
from subband.data.images.digit_images import digit_images
from subband.data.images.photo_patches import photo_patches
from subband.data.images.rectangle_images import rectangle_images
from subband.data.images.unlabelled import StoredImages, luma, resized
from subband.data.labelled.digits import digits


def stored(count, *, flip=False, seed=0):
    spec = UnlabelledSpec(channels=1, height=2, width=2)
    pixels = torch.arange(count * 4).view(count, 1, 2, 2)
    return UnlabelledImages(StoredImages(pixels, 255, (2, 2)), count, spec, flip=flip, seed=seed)


def test_mirroring_is_a_function_of_seed_and_key():
    images = stored(5, flip=True)
    plain = stored(5)
    for key in range(40):
        assert torch.equal(images[key], images[key])
        assert torch.equal(images[key], plain[key]) or torch.equal(images[key].flip(-1), plain[key])
    mirrored = [torch.equal(images[key], plain[key].flip(-1)) for key in range(40)]
    assert 10 < sum(mirrored) < 30
    other = stored(5, flip=True, seed=1)
    assert mirrored != [torch.equal(other[key], plain[key].flip(-1)) for key in range(40)]


def test_samples_survive_pickling_and_come_out_of_the_loader_as_batches():
    images = pickle.loads(pickle.dumps(stored(6)))
    loader = SampleLoader(images, 4, shuffle=False, drop_last=False, seed=0, collate=torch.stack)
    assert [batch.shape for batch in loader] == [(4, 1, 2, 2), (2, 1, 2, 2)]


def test_values_outside_their_range_are_warned_about():
    images = UnlabelledImages(lambda index: torch.full((1, 2, 2), 255.0), 2, stored(1).spec)
    loader = SampleLoader(images, 2, shuffle=False, drop_last=False, seed=0, collate=torch.stack)
    with pytest.warns(UserWarning, match=r"images lie in \[255, 255\]"):
        list(loader)


def test_impossible_sizes_and_splits_are_refused():
    with pytest.raises(ValueError, match=r"channels must be 1 or 3, got 2"):
        UnlabelledSpec(channels=2, height=4, width=4)
    with pytest.raises(ValueError, match=r"height and width must be at least 1"):
        UnlabelledSpec(channels=3, height=0, width=4)
    with pytest.raises(ValueError, match=r"a split holds no image"):
        stored(0)
    other = UnlabelledSpec(channels=3, height=2, width=2)
    with pytest.raises(ValueError, match=r"images of the train split are"):
        UnlabelledData(stored(1), stored(1), stored(1), other)


def test_resizing_takes_the_largest_central_part():
    image = torch.zeros(1, 4, 8)
    image[..., 2:6] = 1
    assert torch.equal(resized(image, (2, 2)), torch.ones(1, 2, 2))
    ramp = torch.linspace(0, 1, 64).view(1, 8, 8)
    assert torch.equal(resized(ramp, (8, 8)), ramp)
    assert torch.equal(resized(ramp, (4, 8)).mean(), ramp[:, 2:6].mean())
    assert resized(torch.rand(3, 5, 7), (16, 8)).shape == (3, 16, 8)


def test_patches_are_a_function_of_seed_and_key_and_of_other_photographs_in_every_split():
    pytest.importorskip("skimage")
    data = photo_patches(num_train=6, num_val=4, num_test=4, seed=3)
    again, other = photo_patches(num_train=6, seed=3), photo_patches(num_train=6, num_test=4, seed=4)
    for key in (0, 5, 6, 1000):
        patch = data.train[key]
        assert patch.shape == (3, 32, 32)
        assert torch.equal(patch, again.train[key])
        assert not torch.equal(patch, other.train[key])
        torch.testing.assert_close((255 * patch).round(), 255 * patch, rtol=0, atol=1e-4)
    assert not torch.equal(data.train[0], data.train[6])  # a new epoch, new patches
    assert torch.equal(data.test[3], other.test[3])
    names = [set(split.photos.names) for split in (data.train, data.val, data.test)]
    assert [len(own) for own in names] == [11, 2, 2]
    assert len(set.union(*names)) == 15


def test_patches_of_impossible_sizes_are_refused():
    pytest.importorskip("skimage")
    assert photo_patches(img_size=300, num_test=40).test[39].shape == (3, 300, 300)
    with pytest.raises(ValueError, match=r"img_size must lie within 1 and 300"):
        photo_patches(img_size=301)
    with pytest.raises(ValueError, match=r"a split must have at least 1 patch, got 0"):
        photo_patches(num_val=0)


def test_digits_are_split_as_those_with_labels():
    pytest.importorskip("sklearn")
    data, labelled = digit_images(img_size=8), digits(augment="none")
    for name in ("train", "val", "test"):
        images, others = getattr(data, name), getattr(labelled, name)
        assert len(images) == len(others)
        torch.testing.assert_close(images[7].expand(3, -1, -1), others.spec.preprocessing.denormalize(others[7][0]))
    enlarged = build_data("digit_images", {"img_size": 32}, 0).test[0]
    assert enlarged.shape == (1, 32, 32)
    assert 0 <= enlarged.min() < enlarged.max() <= 1


def test_patches_of_a_loader_with_workers_are_those_without():
    pytest.importorskip("skimage")
    data = photo_patches(img_size=8, num_val=6)
    options = {"shuffle": False, "drop_last": False, "seed": 0, "collate": torch.stack}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, other = (list(SampleLoader(data.val, 4, num_workers=number, **options)) for number in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_gray_patches_are_the_luma_of_those_in_color():
    pytest.importorskip("skimage")
    colored, gray = photo_patches(num_train=3, seed=5), photo_patches(gray=True, num_train=3, seed=5)
    for key in (0, 2, 7):
        assert gray.train[key].shape == (1, 32, 32)
        torch.testing.assert_close(gray.train[key], luma(colored.train[key]), rtol=0, atol=0.51 / 255)
        torch.testing.assert_close((255 * gray.train[key]).round(), 255 * gray.train[key], rtol=0, atol=1e-4)


def test_rectangles_are_a_function_of_seed_and_index():
    data, other = rectangle_images(num_train=4, seed=3), rectangle_images(num_train=4, seed=4)
    assert torch.equal(data.train[1], rectangle_images(num_train=4, seed=3).train[5])  # an index, not a key
    assert not torch.equal(data.train[1], other.train[1])
    assert torch.equal(data.test[1], other.test[1])
    images = torch.stack([data.test[index] for index in range(64)])
    assert images.shape == (64, 1, 16, 16)
    steps = images.diff(dim=-1).abs()
    assert (steps < 0.1).float().mean() > 0.85  # flat but for noise; edges are few
    assert 0.015 < steps.median() < 0.025  # 0.67 times the root of 2 times 0.02
    with pytest.raises(ValueError, match="img_size must be at least 4, got 3"):
        rectangle_images(img_size=3)


def test_images_with_values_that_are_no_numbers_are_left_out_by_name():
    spec, pixels = UnlabelledSpec(channels=1, height=2, width=2), torch.zeros(4, 1, 2, 2)
    pixels[1, 0, 1, 0], pixels[2, 0, 0, 0] = float("nan"), float("inf")
    images = UnlabelledImages(StoredImages(pixels, 1, (2, 2)), 4, spec)
    loader = SampleLoader(images, 2, shuffle=False, drop_last=False, seed=0, collate=torch.stack)
    with pytest.warns(
        UserWarning, match=r"left out 2 of 4 samples: image 1 has values that are no numbers .*; image 2"
    ):
        assert sum(map(len, loader)) == 2
    everything = UnlabelledImages(StoredImages(pixels[1:3], 1, (2, 2)), 2, spec)
    loader = SampleLoader(everything, 2, shuffle=True, drop_last=True, seed=0, collate=torch.stack)
    with pytest.raises(ValueError, match=r"too many samples cannot be read, among them: image . has values"):
        next(iter(loader))
