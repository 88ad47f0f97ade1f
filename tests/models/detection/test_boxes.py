"""Boxes, anchors, regions, matching and pasting against values of the published code and against plain loops."""

import pytest
import torch
from torch.nn import functional as F

from subband.models.detection.boxes import box_iou, decode_boxes, encode_boxes, generalized_iou_loss, grouped_nms
from subband.models.detection.families import FAMILIES
from subband.models.detection.matching import BACKGROUND, IGNORED, match_boxes, sample_matches
from subband.models.detection.paste import paste_masks
from subband.models.detection.regions import crop_masks, pool_regions, region_levels
from subband.models.detection.rpn import level_anchors

STDS = [stage.stds for stage in FAMILIES["cascade"].stages]


def boxes_of(generator, count, side=100.0):
    corners = side * torch.rand(count, 2, generator=generator)
    return torch.cat([corners, corners + 1 + side / 2 * torch.rand(count, 2, generator=generator)], dim=1)


@pytest.mark.parametrize(
    ("stds", "wanted"),
    list(
        zip(
            STDS,
            [
                (0.6962, 25.5163, 125.3038, 206.4837),
                (5.6861, 22.8771, 117.3139, 213.1230),
                (7.1658, 21.9745, 114.8142, 215.3855),
            ],
            strict=True,
        )
    ),
)
def test_decoded_boxes_are_the_published_ones(stds, wanted):
    box, delta = torch.tensor([10.0, 20.0, 110.0, 220.0]), torch.tensor([0.3, -0.2, 1.1, -0.5])
    torch.testing.assert_close(decode_boxes(box, delta, stds), torch.tensor(wanted), rtol=0, atol=1e-3)


def test_sides_are_limited_from_above_and_below():
    box = torch.tensor([10.0, 20.0, 110.0, 220.0])
    small = decode_boxes(box, torch.tensor([0.3, -0.2, 1.1, -40.0]), STDS[0])
    torch.testing.assert_close(small[[1, 3]], torch.tensor([114.4, 117.6]), rtol=0, atol=1e-3)
    large = decode_boxes(box, torch.tensor([0.0, 0.0, 40.0, 0.0]), STDS[0])
    assert float(large[2] - large[0]) == pytest.approx(62.5 * 100)


def test_decoding_inverts_encoding_and_clips(rng):
    boxes, targets = boxes_of(rng, 50), boxes_of(rng, 50)
    for stds in STDS:
        found = decode_boxes(boxes, encode_boxes(boxes, targets, stds), stds)
        torch.testing.assert_close(found, targets, rtol=0, atol=1e-3)
        clipped = decode_boxes(boxes, encode_boxes(boxes, targets, stds), stds, (60, 80))
        assert clipped.min() >= 0
        assert clipped[:, 1::2].max() == 60
        assert clipped[:, ::2].max() == 80


def test_overlaps(rng):
    first, second = boxes_of(rng, 5), boxes_of(rng, 6)
    for i, a in enumerate(first.tolist()):
        for j, b in enumerate(second.tolist()):
            shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
            areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
            assert float(box_iou(first, second)[i, j]) == pytest.approx(shared / (areas - shared), abs=1e-5)
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    others = torch.tensor([[5.0, 5.0, 15.0, 20.0], [20.0, 20.0, 30.0, 30.0]])
    torch.testing.assert_close(generalized_iou_loss(box, others), torch.tensor([1.138889, 1.777778]))


def test_suppression_keeps_to_its_group_and_order(rng):
    boxes, scores = boxes_of(rng, 200, 30.0), torch.rand(200, generator=rng)
    groups = torch.randint(3, (200,), generator=rng)
    kept: list[int] = []
    for index in scores.argsort(descending=True).tolist():
        rivals = [other for other in kept if groups[other] == groups[index]]
        if not rivals or float(box_iou(boxes[[index]], boxes[rivals]).max()) <= 0.5:
            kept.append(index)
    assert grouped_nms(boxes, scores, groups, 0.5).tolist() == kept
    assert grouped_nms(boxes[:0], scores[:0], groups[:0], 0.5).shape == (0,)


def test_anchors_have_fixed_strides_and_are_not_rounded():
    wanted = [(-22.6274, -11.3137, 22.6274, 11.3137), (-16, -16, 16, 16), (-11.3137, -22.6274, 11.3137, 22.6274)]
    torch.testing.assert_close(level_anchors((1, 1), 4, torch.zeros(())), torch.tensor(wanted), rtol=0, atol=1e-4)
    anchors = level_anchors((14, 18), 64, torch.zeros(())).view(14, 18, 3, 4)  # the last map of 896 x 1120
    assert ((anchors[..., :2] + anchors[..., 2:]) / 2)[13, 17, 1].tolist() == [17 * 64, 13 * 64]
    sizes = anchors[0, 0, :, 2:] - anchors[0, 0, :, :2]
    torch.testing.assert_close(sizes.prod(1), torch.full((3,), 512.0**2))


def test_regions_are_read_from_their_level(rng):
    maps = [torch.rand(2, 3, 64 >> level, 80 >> level, generator=rng) for level in range(4)]
    small = torch.tensor([[8.0, 16.0, 64.0, 72.0]])  # 56 x 56: 14 elements of the finest map, two samples a bin
    large = torch.tensor([[32.0, 0.0, 256.0, 224.0], [5.0, 5.0, 5.0, 90.0]])
    assert region_levels(torch.cat([small, large]), 4).tolist() == [0, 2, 0]
    found = pool_regions(maps, [small, large], (4, 8, 16, 32), 7)
    samples = maps[0][0, :, 4:18, 2:16]
    torch.testing.assert_close(found[0], F.avg_pool2d(samples, 2))
    torch.testing.assert_close(found[1], F.avg_pool2d(maps[2][1, :, :14, 2:16], 2))
    assert not found[2].any(), "a box without width has no samples"
    assert pool_regions(maps, [small[:0], small[:0]], (4, 8, 16, 32), 7).shape == (0, 3, 7, 7)


def test_objects_take_their_best_boxes():
    iou = torch.tensor([[0.75, 0.45, 0.45, 0.10, 0.2], [0.10, 0.50, 0.20, 0.20, 0.2]])
    rules = {"positive": 0.7, "negative": 0.3}
    assert match_boxes(iou, **rules, best=None).tolist() == [0, IGNORED, IGNORED, BACKGROUND, BACKGROUND]
    assert match_boxes(iou, **rules, best=0.3).tolist() == [0, 1, IGNORED, BACKGROUND, BACKGROUND]
    assert match_boxes(iou[1:], **rules, best=0.6).tolist() == [BACKGROUND, IGNORED, *[BACKGROUND] * 3]
    tied = torch.tensor([[0.4, 0.4, 0.1], [0.4, 0.1, 0.2]])
    assert match_boxes(tied, **rules, best=0.3).tolist() == [1, 0, BACKGROUND], "the later object wins"
    assert match_boxes(iou[:0], **rules, best=0.3).tolist() == [BACKGROUND] * 5


def test_samples_are_a_share_of_objects_filled_with_background(rng):
    matches = torch.tensor([0] * 40 + [BACKGROUND] * 200 + [IGNORED] * 60)[torch.randperm(300, generator=rng)]
    sample = sample_matches(matches, num_samples=64, positive_share=0.25, generator=rng)
    assert (len(sample.positives), len(sample.negatives)) == (16, 48)
    assert (matches[sample.positives] == 0).all()
    assert (matches[sample.negatives] == BACKGROUND).all()
    assert sample.positives.equal(sample.positives.unique())
    everything = sample_matches(matches, num_samples=10**6, positive_share=0.5, generator=None)
    assert (len(everything.positives), len(everything.negatives)) == (40, 200)


def test_masks_are_pasted_at_centers_of_pixels():
    box = torch.tensor([[3.3, 4.6, 9.7, 12.2]])
    pasted = paste_masks(torch.ones(1, 28, 28), box, (16, 14))[0]
    rows, columns = pasted.nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max(), int(pasted.sum())) == (5, 11, 3, 9, 49)


def test_masks_are_pasted_by_the_formula_also_over_the_border(rng):
    mask = torch.rand(1, 28, 28, generator=rng)
    boxes = torch.tensor([[-7.3, 2.1, 20.4, 30.9], [4.0, 4.0, 4.5, 9.0], [50.0, 50.0, 60.0, 60.0]])
    found = paste_masks(mask.expand(3, -1, -1), boxes, (24, 16))
    for box, pasted in zip(boxes, found, strict=True):
        x = 2 * (torch.arange(16) + 0.5 - box[0]) / (box[2] - box[0]) - 1
        y = 2 * (torch.arange(24) + 0.5 - box[1]) / (box[3] - box[1]) - 1
        grid = torch.stack([x.expand(24, 16), y[:, None].expand(24, 16)], dim=-1)
        assert pasted.equal(F.grid_sample(mask[None], grid[None], align_corners=False)[0, 0] >= 0.5)
    assert found[0].any()
    assert not found[2].any()


def test_masks_of_boxes_are_cut_out(rng):
    masks = torch.zeros(2, 40, 40, dtype=torch.bool)
    masks[1, 10:20, 8:36] = True
    cropped = crop_masks(
        masks, torch.tensor([1, 0]), torch.tensor([[8.0, 6.0, 36.0, 34.0], [0.0, 0.0, 28.0, 28.0]]), 28
    )
    assert cropped[0].equal(masks[1, 6:34, 8:36].float())
    assert not cropped[1].any()
