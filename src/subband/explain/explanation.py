"""Why a classifier decided as it did, as numbers: places, subbands, and what is known of its frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from subband.data.labelled.images import Preprocessing
from subband.explain.frequencies import FrequencyShares, frequency_shares
from subband.explain.grad_cam import explained_classes, grad_cam, telling_stage
from subband.explain.occlusion import WAVELET, SubbandDrop, subband_occlusion
from subband.models.dct.front_end import DCTClassifier
from subband.models.protocols.classifier import Classifier
from subband.transforms import WaveletLike


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What speaks for a class in one image.

    Attributes:
        image: The image as the network sees it, `(3, H, W)` in `[0, 1]`.
        heat: Places that speak for the class, `(h, w)` in `[0, 1]` (Grad-CAM).
        drops: What the class loses with each subband.
        probabilities: Of all classes, `(K,)`.
        class_index: The class that is explained.
        classes: Names of all classes.
        shares: What the cosine frequencies add to the logit, for networks that take those; else None.
    """

    image: Tensor
    heat: Tensor
    drops: list[SubbandDrop]
    probabilities: Tensor
    class_index: int
    classes: tuple[str, ...]
    shares: FrequencyShares | None

    @property
    def explained(self) -> str:
        """Name of the class that is explained."""
        return self.classes[self.class_index]

    @property
    def probability(self) -> float:
        """Its probability."""
        return self.probabilities[self.class_index].item()

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities.

        Args:
            count: How many, if there are as many.
        """
        best = self.probabilities.topk(min(count, len(self.classes)))
        return [(self.classes[i], p) for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]


def explain(
    model: Classifier,
    inputs: Tensor,
    *,
    classes: Sequence[str],
    preprocessing: Preprocessing,
    class_index: int | None = None,
    stage: int | None = None,
    wavelet: WaveletLike = WAVELET,
    level: int | None = None,
) -> Explanation:
    """Explain the class of one image.

    Args:
        model: Classifier of color images, in evaluation mode.
        inputs: The image as the network takes it, normalized, `(3, H, W)`, on any device.
        classes: Names in order of the logits.
        preprocessing: How the image was normalized.
        class_index: Class to explain; the most probable one if not given.
        stage: Which stage's map `grad_cam` looks at; the last one unless the image is small (`telling_stage`).
        wavelet: Wavelet of the subbands.
        level: Levels of the subbands; three if not given, or as many as a small image has room for.

    Raises:
        ValueError: If there is no such class, stage or wavelet, or `level` is below 1.

    Example:
        >>> import subband
        >>> model = subband.create_model("wsfvit_p0", img_size=64, num_classes=2).eval()
        >>> found = explain(model, torch.zeros(3, 64, 64), classes=("cat", "dog"), preprocessing=Preprocessing())
        >>> found.heat.shape, len(found.drops), found.explained in ("cat", "dog")
        (torch.Size([4, 4]), 10, True)
    """
    images = inputs[None].to(next(model.parameters()))
    with torch.no_grad():
        logits = model(images)
    index = int(explained_classes(logits, class_index))
    if stage is None:
        stage = telling_stage(model, images.shape[2], images.shape[3])
    return Explanation(
        image=preprocessing.denormalize(images[0]).clamp(0, 1).float().cpu(),
        heat=grad_cam(model, images, index, stage)[0].float().cpu(),
        drops=subband_occlusion(model, images, index, wavelet, level),
        probabilities=logits[0].float().softmax(0).cpu(),
        class_index=index,
        classes=tuple(classes),
        shares=frequency_shares(model, images, index) if isinstance(model, DCTClassifier) else None,
    )
