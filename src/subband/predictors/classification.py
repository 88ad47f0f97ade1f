"""Classes of any image: it is brought into the form a network was trained on, and logits become probabilities with
names.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from subband.data.labelled.imagenet_names import NUM_IMAGENET_CLASSES, imagenet_names
from subband.data.labelled.preprocessing import Preprocessing
from subband.device import pick_device
from subband.files import shown
from subband.models.checkpoint import load_model, model_of_card
from subband.models.model_folder import find_model_folder, read_card
from subband.models.preprocessing import published_preprocessing
from subband.models.protocols.classifier import Classifier
from subband.predictors.inputs import ImageInput, as_image
from subband.predictors.read_ahead import FileResult, in_batches

_MAX_RATIO = 100  # resizing the shorter side to that of the input would make a huge image of a narrow one


class ImageClassifier:
    """A classifier that takes images as they come out of a file.

    Args:
        model: Network; it is put into eval mode.
        classes: Names in order of the logits. By default those stored beside the weights; else, for 1000 classes,
            ImageNet's (their names come with timm); else `class 0`, `class 1` and so on.
        preprocessing: How an image becomes an input. By default what is stored beside the weights, else that of the
            published weights of this model name.
        device: Where to compute: `auto`, `cpu`, `cuda`, `cuda:INDEX` or `mps`; None leaves the network where it is.

    Attributes:
        model: The network.
        classes: Names in order of the logits.
        preprocessing: How an image becomes an input.

    Raises:
        TypeError: If the network is no classifier.
        ValueError: If it takes other images than color ones, tells no classes apart, or another number than there are
            names, or there is no such device.

    Example:
        >>> import numpy as np
        >>> from subband import create_model
        >>> model = create_model("wsfvit_p0", img_size=64, num_classes=2)
        >>> classifier = ImageClassifier(model, classes=("cat", "dog"), device="cpu")
        >>> classifier.classify([torch.rand(3, 120, 90), np.zeros((64, 64), dtype=np.uint8)]).shape
        torch.Size([2, 2])
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
        device: torch.device | str | None = None,
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
        self.model = (model if device is None else model.to(pick_device(device))).eval()
        self.classes = tuple(map(str, names))
        self.preprocessing = preprocessing or _known_preprocessing(model, facts.get("preprocessing"))

    @classmethod
    def load(cls, source: str | Path, *, device: torch.device | str = "cpu") -> ImageClassifier:
        """Classifier from weights on disk or in the package.

        Args:
            source: What `subband.load_model` takes: model folder, run folder or name of bundled weights.
            device: Where to compute: `auto`, `cpu`, `cuda`, `cuda:INDEX` or `mps`.

        Raises:
            FileNotFoundError: If there is nothing at `source`.
            TypeError: If it holds no classifier.
            ValueError: If there is no such device.
        """
        return cls(load_model(source), device=device)

    def prepare(self, image: ImageInput) -> Tensor:
        """The input of the network for one image.

        Args:
            image: File, Pillow image, array `(H, W)` or `(H, W, C)`, or tensor `(C, H, W)`; C = 1 or 3, of any size;
                `uint8`, or floating point in [0, 1].

        Returns:
            `(3, h, w)`, resized, cropped and normalized.

        Raises:
            ValueError: If shape or type do not fit, a file cannot be read, or one side is more than a hundred times the
                other.
            TypeError: If it is none of these kinds.
        """
        pixels = as_image(image)
        height, width = pixels.shape[-2:]
        if max(height, width) > _MAX_RATIO * min(height, width):
            raise ValueError(
                f"an image of {width} x {height} pixels is too narrow to be classified; "
                f"one side may be {_MAX_RATIO} times the other at most."
            )
        return self.preprocessing(pixels.expand(3, -1, -1))

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

    def classify(self, images: ImageInput | Sequence[ImageInput]) -> Tensor:
        """Probabilities of the classes of one image or of several, which may differ in size.

        Args:
            images: What `prepare` takes, or a list of it.

        Returns:
            `(B, K)` float32 on the CPU, B = 1 for one image.

        Raises:
            ValueError: As `prepare`.
            TypeError: As `prepare`.
        """
        several: Sequence[Any] = images if isinstance(images, list | tuple) else [images]
        if not several:
            raise ValueError("classifying needs at least one image, got an empty list.")
        return self.predict(torch.stack([self.prepare(image) for image in several]))

    def classify_files(self, files: Sequence[Path], *, batch_size: int = 16) -> Generator[FileResult, None, None]:
        """Probabilities of the classes of many image files, in their order.

        Threads read the next files while the network computes; at most `batch_size` files wait in memory. Close the
        generator (`contextlib.closing`) to end the threads early.

        Args:
            files: Files as `subband.media.read_image` takes them.
            batch_size: Images that go through the network at once.

        Yields:
            One result for each file; a file that cannot be read has an error instead of probabilities.

        Raises:
            ValueError: If `batch_size` is not positive.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        return in_batches(files, self._prepare_file, self.predict, batch_size)

    def _prepare_file(self, file: Path) -> Tensor:
        image = as_image(file)
        try:
            return self.prepare(image)
        except ValueError as error:
            raise ValueError(f"{shown(file)}: {error}") from None


def read_preprocessing(source: str | Path) -> Preprocessing:
    """How the weights of a classifier want an image prepared; no weights are loaded.

    Args:
        source: What `subband.load_model` takes: model folder, run folder or name of bundled weights.

    Raises:
        FileNotFoundError: If there is nothing at `source`.
        TypeError: If it holds no classifier.

    Example:
        >>> read_preprocessing("gfnet_digits").size
        (8, 8)
    """
    folder = find_model_folder(source)
    card = read_card(folder)
    with torch.device("meta"):  # a network without memory, which tells its sizes
        model = model_of_card(card, folder)
    if not isinstance(model, Classifier):
        raise TypeError(f"{source} holds a {type(model).__name__}, which is no classifier.")
    return _known_preprocessing(model, card["metadata"].get("preprocessing"))


def _default_names(num_classes: int) -> Sequence[str]:
    names = imagenet_names() if num_classes == NUM_IMAGENET_CLASSES else None
    return names or [f"class {index}" for index in range(num_classes)]


def _known_preprocessing(model: Classifier, stored: Mapping[str, Any] | None) -> Preprocessing:
    if stored is None and not hasattr(model, "model_config"):  # built without a name
        return Preprocessing(size=model.img_size)
    return Preprocessing.from_dict(stored or published_preprocessing(model) or {})
