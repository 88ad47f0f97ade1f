"""Detectors against stored outputs of the published ones: from maps to detections, masks, losses and gradients."""

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest
from torch import Tensor

import subband
from subband.models.detection.losses import sample_anchors, usable_anchors
from subband.models.detection.paste import paste_masks
from subband.models.detection.regions import pool_regions, region_levels
from subband.models.detection.results import Detections, Targets

CASES = {
    "maskrcnn_t_224x320": "wsfvit_t_maskrcnn",
    "maskrcnn_t_224x448": "wsfvit_t_maskrcnn",
    "cascade_t_224x320": "wsfvit_t_cascade_maskrcnn",
}
QUICK = "maskrcnn_t_224x320"
STRIDES = (4, 8, 16, 32)


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[] if name == QUICK else pytest.mark.slow) for name in CASES]
)
def stored(request, golden) -> Any:
    """A stored case: its arrays, the detector with its weights, the image, and what follows from it."""
    path = golden / "detection" / f"{request.param}.json"
    manifest = json.loads(path.read_text())
    with np.load(path.with_suffix(".npz")) as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files}
    state = state_dict_from_manifest(path)
    model: Any = subband.load_published(CASES[request.param], {"state_dict": state, "meta": {}, "optimizer": {}})
    images = make_input(request.param, manifest["input"]["shape"], kind="normal")
    size = tuple(manifest["img_meta"]["img_shape"])
    with torch.no_grad():
        raw = model.backbone(padded(images, manifest["img_meta"]["pad_shape"]))
        maps = model.features(images)
        scores = model.rpn(maps)
        (found,) = model(images)
    tolerance = 1e-4 if "cascade" in request.param else 5e-5
    return SimpleNamespace(
        name=request.param,
        manifest=manifest,
        state=state,
        arrays=arrays,
        model=model,
        images=images,
        size=size,
        raw=raw,
        maps=maps,
        scores=scores,
        found=found,
        tolerance=tolerance,
    )


def padded(images: Tensor, sides: list[int]) -> Tensor:
    result = images.new_zeros(*images.shape[:2], *sides)
    result[..., : images.shape[-2], : images.shape[-1]] = images
    return result


def close(stored: Any, found: Tensor, key: str, tolerance: float | None = None) -> None:
    wanted = stored.arrays[key].float()
    assert found.shape == wanted.shape, key
    bound = (tolerance or stored.tolerance) * float(wanted.abs().max())
    assert float((found.float() - wanted).abs().max()) <= bound, key


def map_close(stored: Any, item: Tensor, key: str) -> None:
    steps = stored.manifest["slices"][f"{key}_slice"]
    close(stored, item[tuple(slice(None, None, step) for step in steps)], f"{key}_slice")
    close(stored, torch.stack([item.mean(), item.std(), item.abs().max()]), f"{key}_stats")


def bits(stored: Any, key: str, size: tuple[int, int]) -> Tensor:
    packed = stored.arrays[key].numpy()
    return torch.from_numpy(np.unpackbits(packed, axis=1)[:, : size[0] * size[1]]).view(-1, *size).bool()


def same_detections(stored: Any, found: Detections, key: str, scale: float = 1.0) -> None:
    prefix = key.removesuffix("dets")
    wanted = stored.arrays[key]
    assert found.labels.tolist() == stored.arrays[f"{prefix}labels"].tolist()
    assert float((found.boxes / scale - wanted[:, :4]).abs().max()) < 0.02
    assert float((found.scores - wanted[:, 4]).abs().max()) < 1e-4


def same_masks(stored: Any, found: Detections, prefix: str, size: tuple[int, int], scale: float = 1.0) -> None:
    pasted = paste_masks(found.mask_probs, found.boxes / scale, size)
    areas = stored.arrays[f"{prefix}mask_areas"]
    assert int((pasted.sum((1, 2)) - areas).abs().max()) <= 4
    wanted = bits(stored, f"{prefix}mask_bits", size)
    assert int((pasted[: len(wanted)] ^ wanted).sum()) <= 4


def test_parameters_and_names(stored):
    counts = {
        name: sum(p.numel() for p in part.parameters())
        for name, part in (
            ("backbone", stored.model.backbone),
            ("neck", stored.model.fpn),
            ("rpn_head", stored.model.rpn),
            ("roi_head", stored.model.heads),
        )
    }
    assert counts == stored.manifest["params_of"]
    written = subband.export_published(stored.model)
    assert set(written) == {entry["key"] for entry in stored.manifest["state_dict"]}
    assert all(torch.equal(written[key], value) for key, value in stored.state.items())
    again: Any = subband.load_published(CASES[stored.name], written)
    assert all(map(torch.equal, again.state_dict().values(), stored.model.state_dict().values()))


def test_maps_and_scores(stored):
    for level, item in enumerate(stored.raw):
        map_close(stored, item, f"backbone{level}")
    for level, item in enumerate(stored.maps):
        map_close(stored, item, f"fpn{level}")
        sides = item.shape[-2:]
        logits = stored.scores.logits[level].unflatten(1, (*sides, 3)).movedim(-1, 1)
        map_close(stored, logits, f"rpn_cls{level}")
        deltas = stored.scores.deltas[level].flatten(1).unflatten(1, (*sides, 12)).movedim(-1, 1)
        map_close(stored, deltas, f"rpn_reg{level}")


def test_anchors(stored):
    anchors = stored.scores.anchors
    assert [len(item) for item in anchors] == stored.arrays["num_anchors"].tolist()
    close(stored, torch.stack([item[:3] for item in anchors]), "base_anchors", 1e-6)
    close(stored, torch.stack([item[-3:] for item in anchors]), "anchors_last", 1e-6)


def test_proposals(stored):
    (found,) = stored.model.rpn.propose(stored.scores, [stored.size], per_level=1000, total=1000)
    wanted = stored.arrays["proposals"][:, :4]
    assert len(found) == len(wanted)
    distances = torch.cdist(found, wanted, p=float("inf"))  # nearly equal scores may change places
    assert float(distances.min(0).values.max()) < 0.02
    assert float(distances.min(1).values.max()) < 0.02
    assert int((distances.diagonal() < 0.02).sum()) > 980


def test_heads_on_fixed_regions(stored):
    boxes = stored.arrays["fixed_rois"]
    assert region_levels(boxes, len(STRIDES)).tolist() == stored.arrays["fixed_levels"].tolist()
    for key, size in (("box", 7), ("mask", 14)):
        features = pool_regions(stored.maps[:4], [boxes], STRIDES, size)
        channels = stored.arrays[f"fixed_{key}_feats_slice"].shape[1]
        close(stored, features[:, :: features.shape[1] // channels], f"fixed_{key}_feats_slice")
    stages = len(stored.model.rules.stages)
    for stage in range(stages):
        suffix = f"_s{stage}" if stages > 1 else ""
        with torch.no_grad():
            logits, deltas = stored.model.heads.predict(stage, stored.maps, [boxes])
            masks = stored.model.heads.predict_masks(stage, stored.maps, [boxes])
        close(stored, logits, f"fixed_cls{suffix}")
        close(stored, deltas.flatten(1), f"fixed_reg{suffix}")
        close(stored, masks[:, ::16], f"fixed_mask_slice{suffix}")
        figures = torch.stack([masks.mean((1, 2, 3)), masks.std((1, 2, 3)), masks.abs().amax((1, 2, 3))], dim=1)
        close(stored, figures, f"fixed_mask_stats{suffix}")


def test_detections_of_given_proposals(stored):
    with torch.no_grad():
        (found,) = stored.model.heads(stored.maps, [stored.arrays["given_proposals"]], [stored.size])
    same_detections(stored, found, "given_dets")
    close(stored, found.mask_probs[:20], "given_mask_probs", 5e-3)
    same_masks(stored, found, "given_", stored.size)
    if "cascade" in stored.name:  # the others rescale the whole result
        rescaled(stored, found)


def rescaled(stored: Any, found: Detections) -> None:
    about = stored.manifest["img_meta"]["rescaled"]
    same_detections(stored, found, "rescaled_dets", about["scale_factor"][0])
    same_masks(stored, found, "rescaled_", tuple(about["ori_shape"]), about["scale_factor"][0])


def test_boxes_between_the_stages(stored):
    boxes = [stored.arrays["given_proposals"]]
    for stage in range(len(stored.model.rules.stages) - 1):
        with torch.no_grad():
            logits, deltas = stored.model.heads.predict(stage, stored.maps, boxes)
        close(stored, logits, f"given_cls_s{stage}")
        close(stored, deltas.flatten(1), f"given_reg_s{stage}")
        boxes = stored.model.heads.refine(stage, boxes, logits[:, :-1].argmax(1), deltas, [stored.size])
        close(stored, boxes[0], f"given_rois_s{stage + 1}")


def test_the_whole_detector(stored):
    same_detections(stored, stored.found, "dets")
    close(stored, stored.found.mask_probs[:20], "mask_probs", 5e-3)
    same_masks(stored, stored.found, "", stored.size)
    if "cascade" not in stored.name:
        rescaled(stored, stored.found)


@pytest.fixture
def learner(stored) -> Any:
    """The detector as the stored losses were computed: all boxes are sampled, at most 100 proposals."""
    before, rules = stored.model.state_dict(), stored.model.rules
    kept = {key: value.clone() for key, value in before.items()}
    stored.model.rules = dataclasses.replace(rules, rpn_samples=10**6, region_samples=10**6, proposals=100)
    yield stored.model.train()
    stored.model.rules = rules
    stored.model.zero_grad()
    stored.model.eval().load_state_dict(kept)


def targets_of(stored: Any) -> Targets:
    masks = bits(stored, "train_gt_mask_bits", tuple(stored.manifest["img_meta"]["pad_shape"]))
    return Targets(stored.arrays["train_gt_boxes"], stored.arrays["train_gt_labels"], masks)


def stored_losses(stored: Any) -> dict[str, float]:
    """Stored losses under our names."""
    values = dict(zip(stored.manifest["train"]["losses"], stored.arrays["train_losses"].tolist(), strict=True))
    wanted = {
        "objectness": sum(values[f"loss_rpn_cls[{level}]"] for level in range(5)),
        "proposal_box": sum(values[f"loss_rpn_bbox[{level}]"] for level in range(5)),
    }
    names = {"class": "loss_cls", "box": "loss_bbox", "mask": "loss_mask"}
    if "loss_cls" in values:
        return wanted | {ours: values[theirs] for ours, theirs in names.items()}
    return wanted | {f"{o}_{s + 1}": values[f"s{s}.{t}"] for s in range(3) for o, t in names.items()}


def test_sampled_anchors(stored, learner):
    target, anchors = targets_of(stored), torch.cat(stored.scores.anchors)
    usable = usable_anchors(anchors, learner.rules, stored.size, tuple(stored.manifest["img_meta"]["pad_shape"]))
    sample = sample_anchors(anchors, target.boxes, learner.rules, usable, None)
    assert [len(sample.positives), len(sample.negatives)] == stored.manifest["train"]["sampled"][0]
    close(stored, anchors[sample.positives], "train_rpn_pos_boxes")
    assert sample.objects.tolist() == stored.arrays["train_rpn_pos_gt"].tolist()


def test_losses_and_gradients(stored, learner):
    losses = learner.losses(stored.images, [targets_of(stored)])
    wanted = stored_losses(stored)
    assert set(losses) == set(wanted)
    for name, value in wanted.items():
        assert float(losses[name]) == pytest.approx(value, rel=5e-4, abs=1e-5), name
    sum(losses.values()).backward()
    for parameter in learner.parameters():
        parameter.data = parameter.grad  # the table of names is that of weights, and fits gradients, too
    gradients = subband.export_published(learner)
    norms, slices = stored.arrays["train_grad_norms"], stored.arrays["train_grad_slices"]
    for row, key in enumerate(stored.manifest["train"]["gradients"]):
        gradient = gradients[key].flatten()
        is_rough = "cascade" in stored.name and (("convs" in key and "mask" not in key) or "backbone" in key)
        bound = (5e-2 if is_rough else 1e-3) * float(gradient.abs().max())
        entries = gradient[:: max(1, len(gradient) // 12)][:12]
        assert float((entries - slices[row, : len(entries)]).abs().max()) <= bound, key
        assert float(gradient.double().norm()) == pytest.approx(float(norms[row]), rel=5e-2 if is_rough else 1e-3), key
    for stage, head in enumerate(learner.heads.box_heads if "cascade" in stored.name else ()):
        close(stored, head.norms[0].running_mean, f"train_running_mean_s{stage}", 1e-4)
