"""Classes of any image: it is brought into the form a network was trained on, and logits become probabilities with names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from subband.data.labelled.imagenet_names import NUM_IMAGENET_CLASSES, imagenet_names
from subband.data.labelled.preprocessing import Preprocessing
from subband.models.checkpoint import load_model
from subband.models.preprocessing import published_preprocessing
from subband.models.protocols.classifier import Classifier

_MAX_RATIO = 100  # resizing the shorter side to that of the input would make a huge image of a narrow one


class ImageClassifier:
    """A classifier that takes images as they come out of a file.

    Args:
        model: Network; it is put into eval mode and stays on its device.
        classes: Names in order of the logits. By default those stored beside the weights; else, for 1000 classes,
            ImageNet's (their names come with timm); else `class 0`, `class 1` and so on.
        preprocessing: How an image becomes an input. By default what is stored beside the weights, else that of the
            published weights of this model name.

    Attributes:
        model: The network.
        classes: Names in order of the logits.
        preprocessing: How an image becomes an input.

    Raises:
        TypeError: If the network is no classifier.
        ValueError: If it takes other images than color ones, tells no classes apart, or another number than there are
            names.

    Example:
        >>> from subband import create_model
        >>> classifier = ImageClassifier(create_model("wsfvit_p0", img_size=64, num_classes=2), classes=("cat", "dog"))
        >>> inputs = classifier.prepare(torch.rand(3, 120, 90))[None]
        >>> inputs.shape, classifier.predict(inputs).shape
        (torch.Size([1, 3, 64, 64]), torch.Size([1, 2]))
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        classes: Sequence[str] | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        if not isinstance(model, Classifier):
            raise TypeError(f"model must be a classifier, not a {type(model).__name__}.")
        if model.in_chans != 3:
            raise ValueError(f"classifying images needs a network for 3 channels, this one takes {model.in_chans}.")
        if model.num_classes < 2:
            raise ValueError(
                f"classifying needs at least two classes, this network has num_classes={model.num_classes}."
            )
        facts: Any = getattr(model, "metadata", {})
        names = classes or facts.get("classes") or _default_names(model.num_classes)
        if len(names) != model.num_classes:
            raise ValueError(f"got {len(names)} names for a network that tells {model.num_classes} classes apart.")
        self.model = model.eval()
        self.classes = tuple(map(str, names))
        self.preprocessing = preprocessing or _known_preprocessing(model, facts.get("preprocessing"))

    @classmethod
    def load(cls, source: str | Path, *, device: torch.device | str = "cpu") -> ImageClassifier:
        """Classifier from weights on disk or in the package.

        Args:
            source: What `subband.load_model` takes: model folder, run folder or name of bundled weights.
            device: Where to compute.

        Raises:
            FileNotFoundError: If there is nothing at `source`.
            TypeError: If it holds no classifier.
        """
        return cls(load_model(source).to(device))

    def prepare(self, image: Tensor) -> Tensor:
        """The input of the network for one image.

        Args:
            image: `(C, H, W)` float in [0, 1], C = 1 or 3, of any size.

        Returns:
            `(3, h, w)`, resized, cropped and normalized.

        Raises:
            ValueError: If shape or type do not fit, or one side is more than a hundred times the other.
        """
        if image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape:
            raise ValueError(f"image must be (C, H, W) with C = 1 or 3, got {tuple(image.shape)}.")
        if not image.is_floating_point():
            raise ValueError(f"image must be floating point in [0, 1], got {image.dtype}; divide 8-bit values by 255.")
        height, width = image.shape[-2:]
        if max(height, width) > _MAX_RATIO * min(height, width):
            raise ValueError(
                f"an image of {width} x {height} pixels is too narrow to be classified; "
                f"one side may be {_MAX_RATIO} times the other at most."
            )
        return self.preprocessing(image.expand(3, -1, -1))

    @torch.no_grad()
    def predict(self, inputs: Tensor) -> Tensor:
        """Probabilities of the classes.

        Args:
            inputs: `(B, 3, h, w)`, made by `prepare`, on any device.

        Returns:
            `(B, K)` float32 on the CPU; every row sums to 1.
        """
        parameter = next(self.model.parameters())
        return self.model(inputs.to(parameter)).float().softmax(1).cpu()


def _default_names(num_classes: int) -> Sequence[str]:
    names = imagenet_names() if num_classes == NUM_IMAGENET_CLASSES else None
    return names or [f"class {index}" for index in range(num_classes)]


def _known_preprocessing(model: Classifier, stored: Mapping[str, Any] | None) -> Preprocessing:
    if stored is None and not hasattr(model, "model_config"):  # built without a name
        return Preprocessing(size=model.img_size)
    return Preprocessing.from_dict(stored or published_preprocessing(model) or {})
