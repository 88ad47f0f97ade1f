import importlib
import inspect

import pytest

from subband.data import DATASETS, DetectionData, ImageData, PairData, PoseData, UnlabelledData, VideoData, build_data


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_a_function_with_typed_keyword_arguments(name):
    module, attribute = DATASETS[name].split(":")
    signature = inspect.signature(getattr(importlib.import_module(module), attribute))
    assert signature.return_annotation in (
        *(VideoData, "VideoData"),
        *(PairData, "PairData"),
        *(DetectionData, "DetectionData"),
        *(ImageData, "ImageData"),
        *(PoseData, "PoseData"),
        *(UnlabelledData, "UnlabelledData"),
    )
    for parameter in signature.parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.annotation is not parameter.empty


def test_unknown_name_gets_the_closest_one():
    with pytest.raises(ValueError, match="unknown data set 'moving_digit'; did you mean 'moving_digits'"):
        build_data("moving_digit", {}, 0)


def test_unknown_argument_lists_the_allowed_ones():
    with pytest.raises(TypeError, match=r"'moving_digits' has no argument 'image_size'; it takes in_frames.*img_size"):
        build_data("moving_digits", {"image_size": 32}, 0)


def test_seed_is_not_an_argument():
    with pytest.raises(TypeError, match="no argument 'seed'"):
        build_data("moving_digits", {"seed": 1}, 0)


def test_missing_argument_is_named():
    with pytest.raises(TypeError, match="'mmnist_cifar' needs the argument 'root'"):
        build_data("mmnist_cifar", {}, 0)


@pytest.mark.parametrize(
    ("name", "args", "error", "message"),
    [
        (
            "moving_digits",
            {"num_train": "10k"},
            TypeError,
            "'num_train' of data set 'moving_digits' must be int, got '10k'",
        ),
        ("moving_digits", {"num_train": True}, TypeError, "must be int, got True"),
        ("moving_digits", {"num_train": 2.5}, TypeError, r"must be int, got 2\.5"),
        ("moving_digits", {"img_size": [64]}, TypeError, r"must be int or \(int, int\), got \[64\]"),
        ("moving_digits", {"augment": 1}, TypeError, "must be bool, got 1"),
        (
            "moving_digits",
            {"noise": "rain"},
            ValueError,
            "must be 'dynamic' or 'missing' or 'perceptual' or null, got 'rain'",
        ),
        ("moving_mnist", {"root": 3}, TypeError, "must be str or null, got 3"),
    ],
)
def test_values_of_another_type_are_named(name, args, error, message):
    with pytest.raises(error, match=message):
        build_data(name, args, 0)


def test_lists_whole_numbers_and_paths_are_accepted(tmp_path):
    args = {"img_size": [32, 40], "speed": 1, "sprite_size": 8, "num_train": 2, "num_val": 2, "num_test": 2}
    assert build_data("moving_digits", args, 0).spec.in_shape == (10, 1, 32, 40)
    with pytest.raises(FileNotFoundError, match=r"nothing\.npy"):
        build_data("moving_mnist", {"digits": tmp_path / "nothing.npy"}, 0)
