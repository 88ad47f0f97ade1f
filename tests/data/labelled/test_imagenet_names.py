"""The names are ImageNet's, in its order, and nobody needs timm to go without them."""

import sys

import pytest

from subband.data.labelled.imagenet_names import NUM_IMAGENET_CLASSES, imagenet_names


def test_names_are_in_the_order_of_published_weights():
    names = imagenet_names()
    assert names is not None
    assert len(names) == NUM_IMAGENET_CLASSES
    assert [names[index].split(",")[0] for index in (0, 281, 999)] == ["tench", "tabby", "toilet tissue"]


def test_without_timm_there_are_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "timm.data", None)
    imagenet_names.cache_clear()
    try:
        assert imagenet_names() is None
    finally:
        imagenet_names.cache_clear()
