"""Mask R-CNN on WSF-ViT as it was published (MMDetection 2.11), translated plainly: the yardstick for boxes and speed.

Graph, order of operations, rules and state-dict names are those of the published code; the text is ours. Nothing is
optimized on purpose. One image at a time, as its tests run. `subband.models.detection.detector.Detector` must give the
same boxes, faster.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from published.wsfvit import PublishedBackbone

STRIDES = (4, 8, 16, 32, 64)
RATIOS = (0.5, 1.0, 2.0)


class ConvModule(nn.Module):
    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Neck(nn.Module):
    def __init__(self, dims: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(ConvModule(before, dim, 1) for before in dims)
        self.fpn_convs = nn.ModuleList(ConvModule(dim, dim, 3) for _ in dims)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        laterals = [conv(item) for conv, item in zip(self.lateral_convs, maps, strict=True)]
        for level in range(len(laterals) - 1, 0, -1):
            size = laterals[level - 1].shape[-2:]
            laterals[level - 1] = laterals[level - 1] + F.interpolate(laterals[level], size=size, mode="nearest")
        outputs = [conv(item) for conv, item in zip(self.fpn_convs, laterals, strict=True)]
        return [*outputs, F.max_pool2d(outputs[-1], 1, stride=2)]


def decode(boxes: Tensor, deltas: Tensor, stds: tuple[float, ...], size: tuple[int, int]) -> Tensor:
    """Boxes `(N, 4)` and deltas `(N, 4 * K)` to `(N, 4 * K)`."""
    count = deltas.shape[1] // 4
    deltas = deltas * deltas.new_tensor(stds).repeat(1, count)
    dx, dy, dw, dh = (deltas[:, place::4] for place in range(4))
    limit = abs(math.log(16 / 1000))
    dw, dh = dw.clamp(-limit, limit), dh.clamp(-limit, limit)
    px, py = ((boxes[:, place] + boxes[:, place + 2]).mul(0.5)[:, None].expand_as(dx) for place in (0, 1))
    pw, ph = ((boxes[:, place + 2] - boxes[:, place])[:, None].expand_as(dx) for place in (0, 1))
    gw, gh, gx, gy = pw * dw.exp(), ph * dh.exp(), px + pw * dx, py + ph * dy
    x1, y1, x2, y2 = gx - gw * 0.5, gy - gh * 0.5, gx + gw * 0.5, gy + gh * 0.5
    height, width = size
    corners = [x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)]
    return torch.stack(corners, dim=-1).view(deltas.shape)


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """Groups are moved apart and treated as one."""
    apart = boxes + groups.to(boxes)[:, None] * (boxes.max() + 1)
    return torch.ops.torchvision.nms(apart, scores, threshold)


class RPNHead(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.rpn_conv = nn.Conv2d(dim, dim, 3, padding=1)
        self.rpn_cls = nn.Conv2d(dim, len(RATIOS), 1)
        self.rpn_reg = nn.Conv2d(dim, 4 * len(RATIOS), 1)

    def forward(self, maps: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        hidden = [F.relu(self.rpn_conv(item)) for item in maps]
        return [(self.rpn_cls(item), self.rpn_reg(item)) for item in hidden]

    def anchors(self, size: tuple[int, int], stride: int) -> Tensor:
        base = []
        for ratio in RATIOS:
            width, height = 8 * stride / math.sqrt(ratio), 8 * stride * math.sqrt(ratio)
            base.append([-width / 2, -height / 2, width / 2, height / 2])
        y, x = torch.meshgrid(*(torch.arange(side) * stride for side in size), indexing="ij")
        shifts = torch.stack([x.flatten(), y.flatten(), x.flatten(), y.flatten()], dim=1)
        return (torch.tensor(base)[None] + shifts[:, None]).view(-1, 4)

    def get_bboxes(self, scores: list[tuple[Tensor, Tensor]], size: tuple[int, int]) -> Tensor:
        found, objectness, levels = [], [], []
        for level, (logits, deltas) in enumerate(scores):
            anchors = self.anchors((logits.shape[2], logits.shape[3]), STRIDES[level])
            values = logits[0].permute(1, 2, 0).reshape(-1).sigmoid()
            deltas = deltas[0].permute(1, 2, 0).reshape(-1, 4)
            if len(values) > 1000:
                values, order = values.sort(descending=True)
                values, chosen = values[:1000], order[:1000]
                deltas, anchors = deltas[chosen], anchors[chosen]
            found.append(decode(anchors, deltas, (1.0, 1.0, 1.0, 1.0), size))
            objectness.append(values)
            levels.append(values.new_full((len(values),), level))
        boxes, values = torch.cat(found), torch.cat(objectness)
        return boxes[batched_nms(boxes, values, torch.cat(levels), 0.7)[:1000]]


def roi_extract(maps: list[Tensor], boxes: Tensor, side: int) -> Tensor:
    rois = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], dim=1)
    scale = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    levels = (scale / 56 + 1e-6).log2().floor().clamp(0, 3).long()
    features = maps[0].new_zeros(len(boxes), maps[0].shape[1], side, side)
    for level in range(4):
        inside = (levels == level).nonzero()[:, 0]
        if len(inside):
            features[inside] = torch.ops.torchvision.roi_align(
                maps[level], rois[inside], 1 / STRIDES[level], side, side, 0, True
            )
    return features


class BBoxHead(nn.Module):
    def __init__(self, dim: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.shared_fcs = nn.ModuleList([nn.Linear(49 * dim, hidden), nn.Linear(hidden, hidden)])
        self.fc_cls = nn.Linear(hidden, num_classes + 1)
        self.fc_reg = nn.Linear(hidden, 4 * num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.flatten(1)
        for linear in self.shared_fcs:
            x = F.relu(linear(x))
        return self.fc_cls(x), self.fc_reg(x)

    def get_bboxes(self, boxes: Tensor, logits: Tensor, deltas: Tensor, size: tuple[int, int]) -> list[Tensor]:
        scores = logits.softmax(1)[:, :-1]
        moved = decode(boxes, deltas, (0.1, 0.1, 0.2, 0.2), size).view(len(boxes), -1, 4)
        labels = torch.arange(scores.shape[1]).expand_as(scores)
        valid = (scores > 0.05).flatten().nonzero()[:, 0]
        moved, scores, labels = moved.flatten(0, 1)[valid], scores.flatten()[valid], labels.flatten()[valid]
        kept = batched_nms(moved, scores, labels, 0.5)[:100] if len(valid) else valid
        return [moved[kept], scores[kept], labels[kept]]


class MaskHead(nn.Module):
    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ConvModule(dim, dim, 3) for _ in range(4))
        self.upsample = nn.ConvTranspose2d(dim, dim, 2, stride=2)
        self.conv_logits = nn.Conv2d(dim, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.conv_logits(F.relu(self.upsample(x)))


class RoIHead(nn.Module):
    def __init__(self, dim: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.bbox_head = BBoxHead(dim, hidden, num_classes)
        self.mask_head = MaskHead(dim, num_classes)


class PublishedMaskRCNN(nn.Module):
    """The published Mask R-CNN, for an image `(1, 3, H, W)` whose sides are filled up to multiples of 224."""

    def __init__(
        self,
        *,
        dims: tuple[int, ...] = (64, 128, 256, 512),
        dim: int = 256,
        hidden: int = 1024,
        num_classes: int = 80,
        **options: int | tuple[int, ...],
    ) -> None:
        super().__init__()
        sizes = {"depths": (1, 2, 3, 1), "num_heads": (4, 8, 16, 32), "head_dim": 32, "stem_dim": 32, **options}
        self.backbone = PublishedBackbone(dims=dims, **sizes)
        self.neck = Neck(dims, dim)
        self.rpn_head = RPNHead(dim)
        self.roi_head = RoIHead(dim, hidden, num_classes)

    def forward(self, x: Tensor, size: tuple[int, int]) -> list[Tensor]:
        """Boxes, scores, labels and mask probabilities of an image of `size`."""
        maps = self.neck(self.backbone(x))
        proposals = self.rpn_head.get_bboxes(self.rpn_head(maps), size)
        logits, deltas = self.roi_head.bbox_head(roi_extract(maps, proposals, 7))
        boxes, scores, labels = self.roi_head.bbox_head.get_bboxes(proposals, logits, deltas, size)
        masks = self.roi_head.mask_head(roi_extract(maps, boxes, 14)).sigmoid()
        return [boxes, scores, labels, masks[torch.arange(len(labels)), labels]]
