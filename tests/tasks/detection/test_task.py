"""Detectors train, are scored, resumed and fine-tuned on a few drawn images in COCO's layout."""

import json
import os
import subprocess
import sys

import pytest
import torch

import subband
from subband.cli.main import main
from subband.config import LossTerm, build_recipe, recipe_text
from subband.data.detection.folder import detection_folder
from subband.media.images import write_image
from subband.metrics.detection import AveragePrecision, ImageDetections, TrueObjects
from subband.metrics.detection_counts import DetectionCounts
from subband.models.detection.results import Detections
from subband.tasks.detection.batches import collate, detect, true_objects
from subband.tasks.detection.samples import DetectionSamples
from subband.tasks.detection.task import DetectionTask, loss_weight
from subband.training.loop import evaluate, train

BACKBONE = {
    **{"img_size": 64, "dims": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_heads": [2, 2, 2, 2]},
    **{"head_dim": 4, "stem_dim": 8},
}
CLASSES = {3: "red", 7: "blue"}
TWO_PROCESSES = """
import os, sys, torch
from pathlib import Path
from subband.config import load_recipe
from subband.models.detection.results import Targets
from subband.tasks.detection.task import DetectionTask
from subband.training.loop import train

rank, original = int(os.environ.get("LOCAL_RANK", 0)), DetectionTask.losses
folder = Path(sys.argv[1]).parent

def losses(self, batch, part):
    if rank == 1:
        batch = batch._replace(targets=[Targets(*(value[:0] for value in target)) for target in batch.targets])
    torch.save(self.model.state_dict(), folder / f"weights_{rank}.pt")  # in the end those after the first step
    return original(self, batch, part)

DetectionTask.losses = losses
train(load_recipe(sys.argv[1]), Path(sys.argv[2]), progress=False)
"""


def draw(folder, count=8, with_masks=True, classes=CLASSES):
    """Images of two squares each with a COCO file beside them."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(3)
    contents = {"images": [], "annotations": [], "categories": [{"id": k, "name": v} for k, v in classes.items()]}
    for index in range(count):
        image = 0.2 * torch.rand(3, 48, 64, generator=generator)
        for place, number in enumerate(classes):
            side = 18 + index % 8
            left, top = 2 + 62 // len(classes) * place, 3 + index % 8
            image[-place, top : top + side, left : left + side] = 1
            corners = [left, top, left + side, top, left + side, top + side, left, top + side]
            item = {"image_id": index, "category_id": number, "bbox": [left, top, side, side], "iscrowd": 0}
            item |= {"id": 2 * index + place, "area": side**2, "segmentation": [corners] if with_masks else []}
            contents["annotations"].append(item)
        write_image(folder / f"{index}.png", image)
        contents["images"].append({"id": index, "file_name": f"{index}.png", "height": 48, "width": 64})
    (folder / "instances.json").write_text(json.dumps(contents))
    return folder


def settings(folder, **trainer):
    args = {"path": str(folder), "short_side": 48, "long_side": 64, "val_fraction": 0.25, "test_fraction": 0.25}
    return {
        "task": "detection",
        "model": {
            "name": "wsfvit_p0_maskrcnn",
            "args": {"backbone_args": BACKBONE, "dim": 8, "hidden_dim": 16},
        },
        "data": {"name": "detection_folder", "args": args, "batch_size": 2},
        "loss": [{"name": "detection"}],
        "optim": {"name": "adamw", "lr": 2e-3, "schedule": "constant"},
        "trainer": {"device": "cpu", "epochs": 1, "tensorboard": False, "log_every_steps": 1, **trainer},
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A detector with masks after one epoch, its data and its scores."""
    folder = tmp_path_factory.mktemp("detection")
    recipe = settings(draw(folder / "squares"), monitor="val_mask_ap")
    scores = train(build_recipe(recipe), folder / "run", progress=False)
    return folder, recipe, scores


def test_a_run_is_scored_and_keeps_what_a_predictor_needs(run):
    folder, _, scores = run
    (row,) = scores["rows"]
    assert scores["data"]["classes"] == ["red", "blue"]
    assert (scores["data"]["images"], scores["data"]["objects"]) == (2, 4)
    assert {"ap", "ap50", "mask_ap", "ap_small"} <= set(row["metrics"])
    assert row["metrics"]["ap_large"] is None  # nothing is that large
    model = subband.load_model(folder / "run")
    facts = model.metadata
    assert (model.num_classes, facts["classes"], facts["category_ids"]) == (2, ["red", "blue"], [3, 7])
    assert facts["preprocessing"]["long_side"] == 64
    assert main(["evaluate", str(folder / "run"), "--device", "cpu"]) == 0
    again = json.loads((folder / "run" / "scores.json").read_text())
    assert again["rows"][0]["metrics"] == row["metrics"]


def test_weights_are_scored_on_a_folder_that_lacks_a_class(run, tmp_path, capsys):
    folder, _, _ = run
    blue = draw(tmp_path / "other", 3, True, {4: "blue"})
    command = ["evaluate", str(folder / "run" / "model"), "--data.args.path", str(blue), "--device", "cpu"]
    assert main([*command, "--data.num_workers", "0", "--out", str(tmp_path / "scores")]) == 0
    assert "other, test set: 3 images, 3 objects, 2 classes" in " ".join(capsys.readouterr().out.split())
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores["data"]["classes"] == ["red", "blue"]
    assert set(scores["rows"][0]["per_class"]) == {"blue"}
    green = draw(tmp_path / "strange", 3, True, {4: "green"})
    assert main([*command[:2], "--data.args.path", str(green), "--out", str(tmp_path / "none")]) == 2
    assert "has none of the classes red, blue; it has green" in " ".join(capsys.readouterr().err.split())


def test_boxes_come_back_in_pixels_of_the_file(run):
    folder, recipe, _ = run
    args = {**recipe["data"]["args"], "short_side": 36, "long_side": 48}
    data = detection_folder(**args)
    batch = collate([data.test[0], data.test[1]])
    assert batch.images.shape == (2, 3, 36, 48)
    model = subband.load_model(folder / "run").eval()

    def perfect(image, image_sizes=None):
        index = next(i for i, other in enumerate(batch.images) if torch.equal(image[0], other))
        boxes, labels, masks = batch.targets[index]
        inside = torch.ones(len(boxes), 28, 28) if masks is not None else None
        return [Detections(boxes, torch.ones(len(boxes)), labels, inside)]

    model.forward = perfect
    found, true = detect(model, batch, with_masks=True), true_objects(batch, with_masks=True)
    for one, other in zip(found, true, strict=True):
        assert (one.boxes - other.boxes).abs().max() < 1e-4
        assert other.masks.shape[1:] == one.masks.shape[1:] == (48, 64)
    metric = AveragePrecision(with_masks=True)
    metric.update(found, true)
    assert metric.compute()["ap"] == 1


def test_batches_hold_images_of_several_sizes(run):
    _, recipe, _ = run
    data = detection_folder(**recipe["data"]["args"], augment="crop", seed=1)
    samples = [data.train[key] for key in range(24)]
    batch = collate(samples)
    assert len({sample.image.shape for sample in samples}) > 3
    assert batch.images.shape[-2:] == (max(s.image.shape[1] for s in samples), max(s.image.shape[2] for s in samples))
    for image, sample, (height, width) in zip(batch.images, samples, batch.sizes, strict=True):
        assert torch.equal(image[:, :height, :width], sample.image)
        assert not image[:, height:].any()
        boxes, labels, masks = sample.objects
        for box, label, mask in zip(boxes, labels, masks, strict=True):  # squares move with their pixels
            if (box[2:] - box[:2]).min() < 4:
                continue  # a strip at the border of a part, of a pixel or none
            assert sample.image[-label][mask].mean() > 1
            rows, columns = mask.nonzero(as_tuple=True)
            corners = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert (corners - box).abs().max() <= 3.5  # nearest pixels, twice, of half the size
    again = detection_folder(**recipe["data"]["args"], augment="crop", seed=1).train
    assert torch.equal(again[20].image, samples[20].image)
    assert not torch.equal(again[20 + len(again)].image.sum(), samples[20].image.sum())


def test_a_stopped_run_goes_on_as_if_nothing_had_been(run, losses, monkeypatch):
    folder, recipe, _ = run
    original, calls = DetectionTask.losses, []

    def cut(self, batch, part):
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("power cut")
        return original(self, batch, part)

    monkeypatch.setattr(DetectionTask, "losses", cut)
    short = build_recipe({**recipe, "trainer": {**recipe["trainer"], "checkpoint_every_steps": 1}})
    with pytest.raises(KeyError, match="power cut"):
        train(short, folder / "cut", progress=False)
    monkeypatch.setattr(DetectionTask, "losses", original)
    train(short, folder / "cut", resume=True, progress=False)
    assert losses(folder / "cut") == losses(folder / "run")
    whole, resumed = (subband.load_model(folder / name).state_dict() for name in ("run", "cut"))
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


@pytest.mark.slow
def test_two_processes_train_though_one_sees_no_objects(run, tmp_path, table):
    """Every weight gets a gradient in both, so neither waits for the other; scores are of the images of both."""
    _, recipe, _ = run
    trainer = {**recipe["trainer"], "num_devices": 2, "strategy": "ddp", "epochs": 2}
    (tmp_path / "recipe.yaml").write_text(recipe_text(build_recipe({**recipe, "trainer": trainer})))
    (tmp_path / "train.py").write_text(TWO_PROCESSES)
    command = [sys.executable, str(tmp_path / "train.py"), str(tmp_path / "recipe.yaml"), str(tmp_path / "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "two" / "scores.json").read_text())["rows"]
    assert row["steps"] == 2  # of four images, two in each process
    logged = table(tmp_path / "two")
    assert [float(line["train_mask"]) > 0 for line in logged if line["train_mask"]] == [True, True]
    assert len([line for line in logged if line["val_mask_ap"]]) == 2
    weights = [torch.load(tmp_path / f"weights_{rank}.pt") for rank in (0, 1)]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_other_classes_start_from_a_trained_detector(run, tmp_path):
    folder, _, _ = run
    other = settings(draw(tmp_path / "three", 4, False, {1: "a", 2: "b", 3: "c"}))
    other["model"]["args"]["with_masks"] = False
    other = build_recipe(other)
    spec = DetectionTask.build_data(other).spec
    model = DetectionTask.build_model(other, spec)
    with pytest.warns(
        UserWarning, match="tell 2 classes apart, the data has 3; these layers start fresh: heads.box_head"
    ):
        DetectionTask.start_weights(model, str(folder / "run"))
    start = subband.load_model(folder / "run").state_dict()
    own = model.state_dict()
    unlike = {name for name, value in own.items() if value.shape != start[name].shape}
    assert {name.rsplit(".", 2)[1] for name in unlike} == {"classify", "regress"}
    assert all(torch.equal(own[name], start[name]) for name in own if name not in unlike)
    with pytest.raises(ValueError, match="tells 2 classes apart, but the data has 3; fine-tune it"):
        evaluate(other, folder / "run", tmp_path / "scores")


def test_a_classifier_gives_its_backbone(run, tmp_path):
    _, recipe, _ = run
    recipe = build_recipe(recipe)
    model = DetectionTask.build_model(recipe, DetectionTask.build_data(recipe).spec)
    classifier = subband.create_model("wsfvit_p0", **BACKBONE, num_classes=5)
    subband.save_model(classifier, tmp_path / "classifier")
    DetectionTask.start_weights(model, str(tmp_path / "classifier"))
    assert all(map(torch.equal, model.backbone.trunk.state_dict().values(), classifier.trunk.state_dict().values()))
    subband.save_model(subband.create_model("wsfvit_p0", **{**BACKBONE, "stem_dim": 16}), tmp_path / "other")
    with pytest.raises(ValueError, match="a classifier that does not fit the backbone: "):
        DetectionTask.start_weights(model, str(tmp_path / "other"))


def test_a_frozen_backbone_stays_as_it_is(run, tmp_path):
    folder, recipe, _ = run
    frozen = {**recipe, "trainer": {**recipe["trainer"], "monitor": "val_loss"}}
    frozen["model"] = {**recipe["model"], "weights": str(folder / "run")}
    frozen["model"]["args"] = {**recipe["model"]["args"], "freeze_norms": True}
    frozen["optim"] = {"name": "adamw", "lr": 1e-2, "schedule": "cosine", "warmup_epochs": 0.5, "min_lr": 1e-3}
    frozen["optim"]["lr_factors"] = {"backbone.": 0.0}
    train(build_recipe(frozen), tmp_path / "run", progress=False)
    before, after = (subband.load_model(place / "run").state_dict() for place in (folder, tmp_path))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"fpn", "rpn", "heads"}


def test_masks_follow_the_data(tmp_path):
    without = settings(draw(tmp_path / "boxes", 4, False))
    spec = DetectionTask.build_data(build_recipe(without)).spec
    assert not DetectionTask.build_model(build_recipe(without), spec).with_masks
    without["model"]["args"]["with_masks"] = True
    with pytest.raises(ValueError, match="with_masks is set, but no object of the data has an outline"):
        DetectionTask.build_model(build_recipe(without), spec)
    del without["model"]["args"]["with_masks"]
    without["trainer"]["monitor"] = "val_mask_ap"
    with pytest.raises(ValueError, match="val_mask_ap needs masks, which this detector has not; use val_ap"):
        train(build_recipe(without), tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match="loss must be detection, got mse"):
        loss_weight([LossTerm(name="mse")])


def test_the_page_shows_scores_and_classes(run, tmp_path):
    folder, _, scores = run
    (row,) = scores["rows"]
    chosen, table = row["choice"], row["confusion"]
    assert sum(map(sum, table[:2])) == scores["data"]["objects"] == chosen["hits"] + chosen["missed"]
    assert table[0][0] + table[1][1] == chosen["hits"]
    curves = [curve["0.50"] for curve in row["curves"].values()]
    assert sum(map(sum, curves)) / 202 == pytest.approx(row["metrics"]["ap50"], abs=1e-4)
    assert main(["report", str(folder / "run"), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "Average precision of boxes" in page
    assert "AP50" in page
    assert "does best with boxes of score" in page
    assert "From left to right: the true boxes, then those of run." in page
    assert page.count("a test image with boxes") == 2, "each once, among the worst or the best"


def test_the_worst_and_the_best_images_are_kept(run):
    _, recipe, _ = run
    images = detection_folder(**recipe["data"]["args"]).test
    sides = images[0].truth.size[::-1]
    true = [
        torch.cat([one.truth.objects.labels[:, None], one.truth.objects.boxes], 1) for one in (images[0], images[1])
    ]
    found = [torch.cat([rows, torch.tensor([[0.9], [0.2]])], 1) for rows in true]  # the second object too unsure
    found[1] = torch.cat([found[1], torch.tensor([[0.0, 50, 30, 60, 40, 0.8]])])  # and nothing taken for one
    counts = DetectionCounts(2)
    for one, rows in zip((images[0], images[1]), found, strict=True):
        parts = ImageDetections(rows[:, 1:5], rows[:, 5], rows[:, 0].long(), None)
        objects = TrueObjects(*one.truth.objects[:2], one.truth.areas, one.truth.is_crowd, None)
        counts.update([parts], [objects])
    samples = DetectionSamples(images, [0, 1], {"net": found}, {"net": 0.5})
    arrays = samples.arrays({"net": counts}, 1)
    assert set(arrays) == {"inputs", "targets", "prediction/net"} | {
        f"{kind}/net/{key}" for kind in ("mistakes", "best") for key in ("inputs", "targets", "prediction")
    }
    assert arrays["mistakes/net/prediction"].shape == (1, 2, 6)
    scale = 320 / max(sides)
    assert arrays["mistakes/net/targets"][0] == pytest.approx(true[1].numpy() * [1, *[scale] * 4])
    assert arrays["best/net/prediction"][0] == pytest.approx(found[0][:1].numpy() * [1, *[scale] * 4, 1])
    assert arrays["inputs"].shape == (1, 3, 320, 320)
    assert samples.arrays({"net": counts}, 0) == {}


def test_crowds_are_not_shown(run):
    _, recipe, _ = run
    images = detection_folder(**recipe["data"]["args"]).test
    first, second = images.images[0].objects
    crowded = images.images[0]._replace(objects=(first._replace(is_crowd=True), second))
    images.images = (crowded, *images.images[1:])
    counts = DetectionCounts(2)
    counts.update(
        [ImageDetections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long), None)] * 2,
        [
            TrueObjects(*images[index].truth.objects[:2], images[index].truth.areas, images[index].truth.is_crowd, None)
            for index in (0, 1)
        ],
    )
    nothing = [torch.zeros(0, 6), torch.zeros(0, 6)]
    arrays = DetectionSamples(images, [0, 1], {"net": nothing}, {"net": 0.5}).arrays({"net": counts}, 2)
    assert (arrays["targets"][:, :, 0] >= 0).sum(1).tolist() == [1, 2]
