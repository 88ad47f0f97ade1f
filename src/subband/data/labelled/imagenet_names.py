"""Names of ImageNet's classes, as timm lists them."""

from __future__ import annotations

import functools

NUM_IMAGENET_CLASSES = 1000
"""Classes of ImageNet-1k (Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015)."""


@functools.cache
def imagenet_names() -> tuple[str, ...] | None:
    """English names of the 1000 classes in the order of their WordNet numbers, which is that of published weights.

    Returns:
        All synonyms of each class, separated by commas; None if timm, which brings the list, is not installed.

    Example:
        >>> imagenet_names()[281]
        'tabby, tabby cat'
    """
    try:
        from timm.data import ImageNetInfo
    except ImportError:
        return None
    return tuple(ImageNetInfo().label_descriptions())
