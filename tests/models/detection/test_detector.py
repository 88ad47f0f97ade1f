"""Detectors as a whole: sizes, cost, backbones, batches, and losses that a seed repeats."""

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import subband
from subband.config import OptimConfig
from subband.convert.detection import CASCADE_RCNN, MASK_RCNN
from subband.models.complexity import count_parameters
from subband.models.detection.boxes import box_iou, has_area
from subband.models.detection.paste import paste_masks
from subband.models.detection.results import Targets
from subband.training.schedule import build_optimizer

WSFVIT = {
    "img_size": 64,
    "dims": (8, 16, 24, 32),
    "depths": (1, 1, 1, 1),
    "num_heads": (2, 4, 4, 8),
    "head_dim": 4,
    "stem_dim": 8,
}
TINY = {"backbone_args": WSFVIT, "dim": 16, "hidden_dim": 32, "num_classes": 3}
FAMILIES = ["rcnn", "cascade"]
# As published, in G at 1120 x 896: convolutions (but those padded by the size of the image) and linear layers alone,
# 1000 regions through box heads, 100 through mask heads.
PUBLISHED_MACS = {
    "wsfvit_t_maskrcnn": 254.6,
    "wsfvit_t_cascade_maskrcnn": 733,
    "wsfvit_s_cascade_maskrcnn": 788,
    "wsfvit_m_cascade_maskrcnn": 885,
}


def tiny(**options):
    torch.manual_seed(1)
    return subband.create_model("wsfvit_p0_maskrcnn", **{**TINY, **options})


def example(generator, batch=2):
    """Images with two bright objects each, of classes 0 and 2, with their pixels."""
    images = 0.1 * torch.randn(batch, 3, 64, 64, generator=generator)
    targets = []
    for index, image in enumerate(images):
        boxes = torch.tensor([[4.0, 6.0, 30.0, 40.0], [34.0, 20.0 - 8 * index, 62.0, 58.0]])
        masks = torch.zeros(2, 64, 64, dtype=torch.bool)
        masks[0, 6:40, 4:30] = True
        masks[1, 20 - 8 * index : 58, 34:62] = torch.ones(38 + 8 * index, 28).tril().bool()
        image[0] += 2 * masks[0]
        image[2] -= 2 * masks[1]
        targets.append(Targets(boxes, torch.tensor([0, 2]), masks))
    return images, targets


@pytest.mark.parametrize("name", PUBLISHED_MACS)
def test_cost_is_the_published_one(name):
    with torch.device("meta"):
        model = subband.create_model(name).eval()
        images = torch.zeros(1, 3, 896, 1120)
        regions, masks = torch.zeros(1000, 256, 7, 7), torch.zeros(100, 256, 14, 14)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.rpn(model.features(images))
        for head in model.heads.box_heads:
            head(regions)
        for head in model.heads.mask_heads:
            head(masks)
    counts = counter.get_flop_counts()["Global"]
    aten = torch.ops.aten
    macs = sum(counts.get(operator, 0) for operator in (aten.convolution, aten.addmm, aten.mm, aten.bmm)) / 2
    trunk = model.backbone.trunk
    pixels = 896 * 1120
    macs -= pixels / 4 * trunk.stem.conv1.weight.numel()
    for stage, (dim, blocks) in enumerate(zip(trunk.dims, trunk.levels, strict=True)):
        tokens, head_dim = pixels / 16 / 4**stage, dim // (4 << stage)
        macs -= tokens * 4 * dim * 9  # the convolution that halves the map
        macs -= len(blocks) * 2 * tokens * dim * (2 * 49 + head_dim)  # attention in windows, grids, across channels
    assert macs / 1e9 == pytest.approx(PUBLISHED_MACS[name], rel=0.01)


@pytest.mark.parametrize(
    ("backbone", "args", "dims"),
    [
        ("gfnet_h_ti", {"dims": (8, 12, 16, 24), "depths": (1, 1, 1, 1), "img_size": 64}, (8, 12, 16, 24)),
        ("dct_resnet50", {"depths": (1, 1, 1, 1), "width": 4, "img_size": 64}, (16, 32, 64, 128)),
        ("timm:resnet18", {}, (64, 128, 256, 512)),
        ("timm:convnext_atto", {}, (40, 80, 160, 320)),
    ],
)
def test_backbones(rng, backbone, args, dims):
    model = tiny(backbone=backbone, backbone_args=args)
    assert model.backbone.dims == dims
    images = torch.randn(1, 3, 70, 64, generator=rng)
    assert [tuple(item.shape) for item in model.features(images)] == [
        (1, 16, 24, 16),
        (1, 16, 12, 8),
        (1, 16, 6, 4),
        (1, 16, 3, 2),
        (1, 16, 2, 1),
    ]
    sum(model.losses(images, [example(rng, 1)[1][0]]).values()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    again = subband.create_model("wsfvit_p0_maskrcnn", **model.model_config["args"])
    again.load_state_dict(model.state_dict())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backbone": "vit_ti", "backbone_args": {}}, "has maps .16,. times smaller than images"),
        ({"backbone": "wast"}, "backbone must be a classifier, or timm:NAME, got 'wast'"),
        ({"backbone": "timm:nothing"}, "timm has no model 'nothing'"),
        ({"backbone": "timm:vit_tiny_patch16_224", "backbone_args": {}}, "has maps .16, 16, 16. times smaller"),
        ({"family": "yolo"}, "family must be rcnn or cascade, got 'yolo'"),
        ({"num_classes": 0}, "num_classes must be positive, got 0"),
    ],
)
def test_what_cannot_be_built(options, words):
    with pytest.raises(ValueError, match=words):
        tiny(**options)


@pytest.mark.parametrize("family", FAMILIES)
def test_images_that_are_filled_up_change_nothing(rng, family):
    model = tiny(family=family).eval()
    images = torch.randn(1, 3, 50, 64, generator=rng)
    filled = torch.nn.functional.pad(images, (0, 0, 0, 14))
    with torch.no_grad():
        (alone,) = model(images)
        (found,) = model(filled, image_sizes=[(50, 64)])
        first, second = model(torch.cat([filled, filled.flip(3)]), [(50, 64), (40, 60)])
    assert len(alone.boxes) == 100
    for ours, wanted, again in zip(found, alone, first, strict=True):
        torch.testing.assert_close(ours, wanted)
        torch.testing.assert_close(again, wanted, rtol=1e-4, atol=1e-4)
    assert alone.mask_probs.shape == (100, 28, 28)
    assert second.boxes[:, 1::2].max() <= 40
    assert second.boxes[:, ::2].max() <= 60
    assert (alone.scores.diff() <= 0).all()
    assert set(alone.labels.tolist()) <= {0, 1, 2}


def test_a_cascade_that_refines_nothing_is_one_stage(rng):
    one, three = tiny(with_masks=False).eval(), tiny(family="cascade", with_masks=False).eval()
    three.load_state_dict(one.state_dict(), strict=False)
    for head in three.heads.box_heads:
        head.load_state_dict(three.heads.box_heads[0].state_dict())
        torch.nn.init.zeros_(head.regress.weight)
    images = torch.randn(1, 3, 64, 64, generator=rng)
    with torch.no_grad():
        maps = three.features(images)
        boxes = three.rpn.propose(three.rpn(maps), [(64, 64)], per_level=1000, total=50)
        logits, _ = three.heads.predict(0, maps, boxes)
        (found,) = three.heads(maps, boxes, [(64, 64)])
    assert found.scores[0] == pytest.approx(float(logits.softmax(1)[:, :-1].max()), rel=1e-5)
    assert torch.cdist(found.boxes, boxes[0], p=float("inf")).min(1).values.max() < 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_are_those_of_the_seed(rng, family):
    model = tiny(family=family)
    model.rules = dataclasses.replace(model.rules, rpn_samples=16, region_samples=16)
    images, targets = example(rng)
    targets[1] = Targets(*(value[:0] for value in targets[1]))  # nothing to be found
    found = [
        model.losses(images, targets, [(64, 64), (60, 50)], generator=torch.Generator().manual_seed(seed))
        for seed in (5, 5, 6)
    ]
    suffixes = [""] if family == "rcnn" else ["_1", "_2", "_3"]
    names = {f"{name}{suffix}" for name in ("class", "box", "mask") for suffix in suffixes}
    assert set(found[0]) == names | {"objectness", "proposal_box"}
    assert all(value.isfinite() and value >= 0 for value in found[0].values())
    assert found[0] == found[1]
    for name in ("objectness", f"class{suffixes[-1]}"):
        assert found[0][name] != found[2][name]


def test_images_without_objects_teach_the_background_alone(rng):
    model = tiny()
    images, targets = example(rng, 1)
    losses = model.losses(images, [Targets(*(value[:0] for value in targets[0]))])
    assert losses["proposal_box"] == losses["box"] == losses["mask"] == 0
    assert losses["objectness"] > 0
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": torch.tensor([0, 3])}, r"labels must be from 0 to 2, got \[0, 3\]"),
        ({"labels": torch.tensor([0])}, r"boxes and labels must be \(G, 4\) and \(G,\), got \(2, 4\), \(1,\)"),
        ({"boxes": torch.tensor([[4.0, 4.0, 2.0, 9.0]] * 2)}, "x1 < x2 and y1 < y2"),
        ({"masks": None}, r"masks must be \(G, H, W\), one for each of 2 boxes, got None"),
        ({"masks": torch.zeros(1, 64, 64)}, r"one for each of 2 boxes, got \(1, 64, 64\)"),
    ],
)
def test_targets_are_checked(rng, change, words):
    images, targets = example(rng, 1)
    with pytest.raises(ValueError, match=words):
        tiny().losses(images, [targets[0]._replace(**change)])


def test_images_and_sizes_are_checked():
    model = tiny().eval()
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\), got \(1, 1, 64, 64\)"):
        model(torch.zeros(1, 1, 64, 64))
    for sizes in ([(64, 64)] * 2, [(65, 64)], [(0, 3)]):
        with pytest.raises(ValueError, match=r"image_sizes must be one \(H, W\) for each of 1 images, within 64 x 64"):
            model(torch.zeros(1, 3, 64, 64), sizes)
    with pytest.raises(ValueError, match="targets must be one for each of 1 images, got 0"):
        model.losses(torch.zeros(1, 3, 64, 64), [])


def test_norms_of_the_backbone_freeze():
    for freeze in (True, False):
        model = tiny(family="cascade", freeze_norms=freeze).train()
        assert model.backbone.trunk.stem.norm1.training is not freeze
        assert model.heads.box_heads[0].norms[0].training
        assert not model.eval().backbone.trunk.stem.norm1.training


def test_mixed_precision_is_close(rng):
    model = tiny().eval()
    images, targets = example(rng)
    wanted = model.losses(images, targets, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found = model.losses(images, targets, generator=torch.Generator().manual_seed(0))
        boxes = model(images)[0].boxes
    assert boxes.dtype == torch.float32
    assert all(value.isfinite() for value in found.values())
    for name in ("objectness", "proposal_box"):  # of samples that do not depend on what was found
        assert float(found[name]) == pytest.approx(float(wanted[name]), rel=0.02), name


def test_checkpointing_changes_nothing(rng):
    images, targets = example(rng, 1)
    gradients = []
    for is_on in (False, True):
        model = tiny()
        model.set_grad_checkpointing(is_on)
        sum(model.losses(images, targets, generator=torch.Generator().manual_seed(0)).values()).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*gradients)
    with pytest.raises(ValueError, match="no gradient checkpointing"):
        tiny(backbone="timm:resnet18", backbone_args={}).set_grad_checkpointing()


def test_saved_and_loaded_again(rng, tmp_path):
    model = tiny(family="cascade").eval()
    subband.save_model(model, tmp_path)
    images = torch.randn(1, 3, 64, 64, generator=rng)
    with torch.no_grad():
        for found, wanted in zip(subband.load_model(tmp_path)(images)[0], model(images)[0], strict=True):
            assert found.equal(wanted)


def test_small_presets_fit_a_small_file():
    with torch.device("meta"):
        assert 2 * count_parameters(subband.create_model("wsfvit_p0_fasterrcnn_s")) < 10e6


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_decay_as_published(family):
    model = tiny(family=family)
    groups = build_optimizer(model, OptimConfig(name="adamw", weight_decay=0.05)).param_groups
    decayed = {id(parameter) for group in groups if group["weight_decay"] for parameter in group["params"]}
    layout = CASCADE_RCNN if family == "cascade" else MASK_RCNN
    names = {ours: layout.to_published(ours) for ours, _ in model.named_parameters()}
    free = {ours for ours, theirs in names.items() if "norm" in theirs or "relative_position_bias_table" in theirs}
    assert {name for name, parameter in model.named_parameters() if id(parameter) not in decayed} == free
    assert any("norms" in name for name in free)
    assert "rpn.conv.bias" not in free


def test_boxes_without_area_are_detections_where_that_is_wanted(rng):
    """Anchors outside the image come to them; fresh weights find everything everywhere."""
    images = torch.randn(1, 3, 64, 64, generator=rng)
    with torch.no_grad():
        (published,), (ours,) = (tiny(keep_empty=keep).eval()(images, [(20, 30)]) for keep in (True, False))
    assert not has_area(published.boxes).all()
    assert has_area(ours.boxes).all()
    assert len(ours.boxes) >= has_area(published.boxes).sum() > 0
    own = tiny().eval()
    own.rpn.propose = lambda scores, sizes, **_: [images.new_zeros(0, 4)]
    with torch.no_grad():
        (nothing,) = own(images)
    assert [len(part) for part in nothing] == [0] * 4


def test_two_objects_are_learnt(rng):
    """Losses, targets and gradients lead from fresh weights to boxes, classes and masks."""
    model = tiny(freeze_norms=True)
    model.rules = dataclasses.replace(model.rules, rpn_samples=64, region_samples=64, proposals=64)
    images, targets = example(rng, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    for step in range(60):
        optimizer.param_groups[0]["lr"] = 5e-3 * min(1, (step + 1) / 10)
        losses = model.losses(images, targets, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    with torch.no_grad():
        (found,) = model.eval()(images)
    best = [int((found.labels == label).int().argmax()) for label in targets[0].labels]
    assert found.labels[best].tolist() == targets[0].labels.tolist()
    assert found.scores[best].min() > 0.6
    assert box_iou(targets[0].boxes, found.boxes[best]).diagonal().min() > 0.6
    pasted = paste_masks(found.mask_probs[best], found.boxes[best], (64, 64))
    shared = (pasted & targets[0].masks).sum((1, 2)) / (pasted | targets[0].masks).sum((1, 2))
    assert shared.min() > 0.5
