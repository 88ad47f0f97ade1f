"""Faster, Mask and Cascade R-CNN on any backbone, with the exact boxes, scores and masks of WSF-ViT's detectors.

Their checkpoints load (`subband.convert.detection`), without MMDetection, on which they were published.

Different from the published code: images need not be padded by the caller; images of a batch may have other sizes;
overlapping boxes are removed within each level and class by themselves (published: moved apart and treated as one,
which rounds coordinates). Different from torchvision's detectors, which give other boxes: anchors are not rounded and
have fixed strides, regions are read aligned and with as many samples as they need, small boxes stay, the background is
the last class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.exporting import is_exporting
from subband.models.detection.backbones import REDUCTIONS, build_backbone
from subband.models.detection.families import FAMILIES, FamilyName
from subband.models.detection.fpn import FPN
from subband.models.detection.losses import region_losses, rpn_losses
from subband.models.detection.results import Detections, Targets
from subband.models.detection.roi_heads import RoIHeads
from subband.models.detection.rpn import RPN
from subband.models.shareable import Shareable

__all__ = ["Detector"]

STRIDES = (*REDUCTIONS, 64)
COLORS = 3
PROPOSALS = 1000  # of an image, and before that of a level
TRAIN_PROPOSALS_PER_LEVEL = 2000
EXAMPLE_TILES = 2  # along each side of an example, of the smallest image

Sizes = Sequence[tuple[int, int]]


class Detector(Shareable, nn.Module):
    """Finds objects in images: boxes, classes and, if wanted, masks.

    Args:
        backbone: A classifier of this package with maps 4, 8, 16 and 32 times smaller than the image, or `timm:NAME`.
        backbone_args: Constructor arguments of the backbone.
        family: `rcnn` (Mask R-CNN, Faster R-CNN without masks) or `cascade`, three heads after one another.
        num_classes: K, without the background.
        with_masks: Whether there are mask heads.
        dim: Channels of the feature pyramid.
        hidden_dim: Width of the linear layers of box heads.
        freeze_norms: Let batch norms of the backbone keep their running statistics in training, as published; with
            fresh weights they are as good as absent then.
        keep_empty: Propose and detect boxes without area, too, as published: what lies outside the image comes to that.
            They are never right, and a network of few classes may be sure enough of them to fill its list.

    Attributes:
        rules: Settings of the family, those of training among them.

    Shape:
        images `(B, 3, H, W)`, normalized, filled with zeros at the right and bottom where they are smaller than others
        of the batch; one `Detections` for each image.

    Raises:
        ValueError: If an argument is out of its range, or the backbone has other maps.

    Example:
        >>> import subband
        >>> model = subband.create_model("wsfvit_p0_fasterrcnn_s", num_classes=2).eval()
        >>> (found,) = model(torch.zeros(1, 3, 224, 224), image_sizes=[(200, 150)])
        >>> found.boxes.shape[1], found.mask_probs is None
        (4, True)
    """

    task = "detection"
    input_axes = "B C H W"

    def __init__(
        self,
        *,
        backbone: str,
        backbone_args: Mapping[str, Any] | None = None,
        family: FamilyName = "rcnn",
        num_classes: int = 80,
        with_masks: bool = True,
        dim: int = 256,
        hidden_dim: int = 1024,
        freeze_norms: bool = True,
        keep_empty: bool = True,
    ) -> None:
        super().__init__()
        if family not in FAMILIES:
            raise ValueError(f"family must be {' or '.join(FAMILIES)}, got {family!r}.")
        for name, value in (("num_classes", num_classes), ("dim", dim), ("hidden_dim", hidden_dim)):
            if value < 1:
                raise ValueError(f"{name} must be positive, got {value}.")
        self.rules = FAMILIES[family]
        self.num_classes, self.with_masks, self.freeze_norms = num_classes, with_masks, freeze_norms
        self.backbone = build_backbone(backbone, backbone_args or {})
        self.fpn = FPN(self.backbone.dims, dim)  # type: ignore[arg-type]
        self.rpn = RPN(dim, STRIDES, keep_empty=keep_empty)
        self.heads = RoIHeads(
            self.rules,
            dim,
            REDUCTIONS,
            num_classes=num_classes,
            hidden_dim=hidden_dim,
            with_masks=with_masks,
            keep_empty=keep_empty,
        )
        self.train()

    @property
    def size_multiple(self) -> tuple[int, int]:
        """What H and W of images are filled up to multiples of."""
        return self.backbone.size_multiple  # type: ignore[return-value]

    def train(self, mode: bool = True) -> Detector:
        """Switch to training or evaluation; with `freeze_norms`, batch norms of the backbone stay in evaluation."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train(mode and not self.freeze_norms)
        return self

    def no_weight_decay(self) -> set[str]:
        """What the backbone's attention knows of positions."""
        return {name for name, _ in self.named_parameters() if name.endswith("position_bias")}

    def decayed_vectors(self) -> set[str]:
        """Biases, and the norms of box heads, as published; the norms of the backbone never decay."""
        norms = tuple(
            f"{name}." for name, part in self.backbone.named_modules(prefix="backbone") if "Norm" in type(part).__name__
        )
        vectors = (name for name, parameter in self.named_parameters() if parameter.ndim == 1)
        return {name for name in vectors if not name.startswith(norms)}

    def features(self, x: Tensor) -> list[Tensor]:
        """Feature pyramid of images `x`, `(B, 3, H, W)`: five maps, 4 to 64 times smaller than the padded images.

        Raises:
            ValueError: If the shape is another one.
        """
        if x.ndim != 4 or x.shape[1] != COLORS or not x.numel():
            raise ValueError(f"images must be (B, {COLORS}, H, W), got {tuple(x.shape)}.")
        bottom, right = (-side % multiple for side, multiple in zip(x.shape[-2:], self.size_multiple, strict=True))
        return self.fpn(self.backbone(F.pad(x, (0, right, 0, bottom))))

    def forward(self, x: Tensor, image_sizes: Sizes | None = None) -> list[Detections]:
        """Find objects.

        Args:
            x: Images `(B, 3, H, W)`, normalized.
            image_sizes: `(H, W)` of each image without what it was filled up with; all of `x` by default.

        Raises:
            ValueError: If a size does not lie within the images, or the shape of `x` is another one.
        """
        if is_exporting():
            raise ValueError("a detector cannot be exported: how much it finds, and so its graph, depends on the image")
        sizes = _checked_sizes(x, image_sizes)
        maps = self.features(x)
        proposals = self.rpn.propose(self.rpn(maps), sizes, per_level=PROPOSALS, total=PROPOSALS)
        return self.heads(maps, proposals, sizes)

    def losses(
        self,
        x: Tensor,
        targets: Sequence[Targets],
        image_sizes: Sizes | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """What training minimizes the sum of.

        Args:
            x: Images `(B, 3, H, W)`, normalized.
            targets: Objects of each image; there may be none.
            image_sizes: As of `forward`.
            generator: Of the CPU, chooses which boxes are learnt from; PyTorch's own by default.

        Returns:
            Scalars: `objectness` and `proposal_box` of the region proposals, `class`, `box` and, with masks, `mask` of
            the heads; in a cascade `class_1` to `mask_3`, weighted.

        Raises:
            ValueError: If targets do not belong to these images, or have labels that are no classes.
        """
        sizes = _checked_sizes(x, image_sizes)
        targets = [self._checked_target(target, x) for target in targets]
        if len(targets) != len(x):
            raise ValueError(f"targets must be one for each of {len(x)} images, got {len(targets)}.")
        alone = [
            (height + -height % self.size_multiple[0], width + -width % self.size_multiple[1])
            for height, width in sizes
        ]
        maps = self.features(x)
        scores = self.rpn(maps)
        found = rpn_losses(scores, sizes, alone, targets, self.rules, generator)
        per_level, total = TRAIN_PROPOSALS_PER_LEVEL, self.rules.proposals
        proposals = self.rpn.propose(scores, sizes, per_level=per_level, total=total)
        return found | region_losses(self.heads, maps, proposals, sizes, targets, self.rules, generator)

    def _checked_target(self, target: Targets, x: Tensor) -> Targets:
        """Objects of one image, with masks as large as the batch."""
        boxes, labels, masks = target
        if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1]:
            raise ValueError(
                f"boxes and labels must be (G, 4) and (G,), got {tuple(boxes.shape)}, {tuple(labels.shape)}."
            )
        if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
            raise ValueError(f"labels must be from 0 to {self.num_classes - 1}, got {sorted(set(labels.tolist()))}.")
        if boxes.numel() and not bool((boxes[:, 2:] > boxes[:, :2]).all()):
            raise ValueError("boxes must be x1, y1, x2, y2 with x1 < x2 and y1 < y2.")
        if not self.with_masks:
            return Targets(boxes, labels)
        if masks is None or masks.ndim != 3 or len(masks) != len(boxes):
            found = None if masks is None else tuple(masks.shape)
            raise ValueError(f"masks must be (G, H, W), one for each of {len(boxes)} boxes, got {found}.")
        bottom, right = x.shape[-2] - masks.shape[-2], x.shape[-1] - masks.shape[-1]
        return Targets(boxes, labels, F.pad(masks, (0, max(right, 0), 0, max(bottom, 0))))

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute blocks of the backbone in the backward pass; a WSF-ViT's only.

        Raises:
            ValueError: If the backbone cannot.
        """
        if not hasattr(self.backbone, "grad_checkpointing"):
            raise ValueError("this backbone has no gradient checkpointing.")
        self.backbone.grad_checkpointing = enable  # type: ignore[assignment]

    def example_input(self, *, batch: int = 1, height: int | None = None, width: int | None = None) -> Tensor:
        """Random images, the same in every run: `(batch, 3, height, width)`, by default of few windows.

        Raises:
            ValueError: If a size is not positive.
        """
        defaults = (EXAMPLE_TILES * side for side in self.size_multiple)
        height, width = (
            side if given is None else given for side, given in zip(defaults, (height, width), strict=True)
        )
        if min(batch, height, width) < 1:
            raise ValueError(f"batch, height and width must be positive, got {batch}, {height} and {width}.")
        return torch.randn((batch, COLORS, height, width), generator=torch.Generator().manual_seed(0))


def _checked_sizes(x: Tensor, image_sizes: Sizes | None) -> list[tuple[int, int]]:
    """`(H, W)` of each image."""
    height, width = x.shape[-2:]
    if image_sizes is None:
        return [(height, width)] * len(x)
    sizes = [(int(rows), int(columns)) for rows, columns in image_sizes]
    if len(sizes) != len(x) or any(not (0 < rows <= height and 0 < columns <= width) for rows, columns in sizes):
        raise ValueError(
            f"image_sizes must be one (H, W) for each of {len(x)} images, within {height} x {width}, got {sizes}."
        )
    return sizes
