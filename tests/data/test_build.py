import importlib
import inspect

import pytest

from subband.data import DATASETS, VideoData, build_data


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_a_function_with_typed_keyword_arguments(name):
    module, attribute = DATASETS[name].split(":")
    signature = inspect.signature(getattr(importlib.import_module(module), attribute))
    assert signature.return_annotation in (VideoData, "VideoData")
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
