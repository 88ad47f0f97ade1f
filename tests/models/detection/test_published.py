"""A detector against the plain translation of the published graph, which moves classes apart to remove boxes."""

from typing import Any

import torch
from torch.nn import functional as F

import subband
from published.detection import PublishedMaskRCNN, batched_nms
from subband.models.detection.boxes import grouped_nms

SIZES = {"dims": (8, 8, 8, 8), "depths": (1, 1, 1, 1), "num_heads": (2, 2, 2, 2), "head_dim": 4, "stem_dim": 8}


def test_objects_are_those_of_the_published_graph(rng):
    torch.manual_seed(0)
    plain = PublishedMaskRCNN(dim=8, hidden=16, num_classes=5, **SIZES).eval()
    torch.nn.init.normal_(plain.roi_head.bbox_head.fc_cls.weight, std=0.5)
    torch.nn.init.normal_(plain.roi_head.bbox_head.fc_reg.weight, std=0.05)
    options = {"dim": 8, "hidden_dim": 16, "num_classes": 5, "backbone_args": {**SIZES, "img_size": 224}}
    ours: Any = subband.load_published("wsfvit_t_maskrcnn", plain.state_dict(), **options)
    images = torch.randn(1, 3, 150, 200, generator=rng)
    with torch.no_grad():
        (found,) = ours(images)
        wanted = plain(F.pad(images, (0, 24, 0, 74)), (150, 200))
    assert len(found.boxes) == len(wanted[0]) > 20
    assert found.labels.equal(wanted[2])
    for part, theirs, bound in zip(
        found, (wanted[0], wanted[1], wanted[2], wanted[3]), (0.02, 1e-4, 0, 5e-3), strict=True
    ):
        assert float((part.float() - theirs.float()).abs().max()) <= bound


def test_groups_moved_apart_lose_the_same_boxes(rng):
    """Up to overlaps so near the limit that the rounding of moved boxes decides."""
    corners = 1000 * torch.rand(3000, 2, generator=rng)
    boxes = torch.cat([corners, corners + 20 + 200 * torch.rand(3000, 2, generator=rng)], dim=1)
    scores, groups = torch.rand(3000, generator=rng), torch.randint(8, (3000,), generator=rng)
    moved, grouped = (rule(boxes, scores, groups, 0.5).tolist() for rule in (batched_nms, grouped_nms))
    assert len(set(moved) ^ set(grouped)) <= 2
    assert len(grouped) < 2800
