"""Networks for pose train on drawn figures, teacher and student in one recipe, are scored, resumed and shown."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import subband
from subband.cli.main import main
from subband.config import build_recipe, load_recipe, stage_recipes
from subband.data import build_data
from subband.data.pose.heatmaps import heatmap_targets
from subband.models.pose.freqpose import FramePose, FreqPose
from subband.predictors.pose import PosePredictor
from subband.tasks.pose.batches import Poses, collate, crop_points, image_points
from subband.tasks.pose.networks import check_network, take_network
from subband.tasks.pose.scores import PoseRow
from subband.tasks.pose.task import PoseTask
from subband.training.loop import train

SMALL = {"channels": 4, "groups": 2}
FIGURES = {"num_train": 6, "num_val": 2, "num_test": 2, "frames": 3, "img_size": 32, "scored_frames": 4}


def settings(model="framepose", args=None, losses=("heatmap_mse",), **more):
    return {
        "task": "pose",
        "model": {"name": model, "args": {"channels": 4} if args is None else args},
        "data": {"name": "drawn_figures", "args": FIGURES, "batch_size": 3},
        "loss": [{"name": name} for name in losses],
        "optim": {"name": "adamw", "lr": 1e-3, "schedule": "constant"},
        "trainer": {"device": "cpu", "epochs": 1, "tensorboard": False, "log_every_steps": 1},
        **more,
    }


def small(**args):
    return FreqPose(num_joints=15, num_frames=3, img_size=(32, 32), **SMALL, **args)


@pytest.fixture(scope="module")
def data():
    return build_data("drawn_figures", FIGURES, 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A student after its teacher, an epoch each."""
    folder = tmp_path_factory.mktemp("pose")
    teacher = {"model": {"name": "freqpose_teacher", "args": SMALL}, "loss": [{"name": "heatmap_mse"}]}
    stages = [
        {"name": "teacher", "settings": teacher},
        {"name": "student", "settings": {"model": {"teacher": "previous"}}},
    ]
    losses = ("heatmap_mse", "early_mse", "distill_ba", "distill_vsd")
    recipe = settings("freqpose", SMALL, losses, stages=stages)
    recipe["optim"]["lr_factors"] = {"backbone": 0.1}
    return folder, train(build_recipe(recipe), folder / "run", progress=False)


def test_a_student_is_scored_and_keeps_what_a_predictor_needs(run):
    folder, scores = run
    (row,) = scores["rows"]
    assert (scores["data"]["people"], scores["data"]["clips"], scores["data"]["boxes"]) == (8, 2, "given")
    assert {"pck", "pck_occluded", "ap", "posetrack_ap", "jitter"} <= set(row["metrics"])
    assert set(row["per_joint"]) == set(scores["data"]["joints"])
    assert all({"pck", "pck_occluded"} <= set(one) for one in row["per_joint"].values())
    assert [(one["reduction"], np.shape(one["amplitudes"])) for one in row["clip_filters"]] == [
        (reduction, (3, 9)) for reduction in (4, 8, 16, 32)
    ]
    assert [len(one["frames"]) for one in row["over_time"]] == [4, 4]
    model = subband.load_model(folder / "run")
    assert model.motion is None
    assert not any(name.startswith("guess_") or "motion" in name for name in model.state_dict())
    facts = model.metadata
    assert facts["joints"] == scores["data"]["joints"]
    assert (facts["preprocessing"]["size"], facts["preprocessing"]["padding"]) == ([32, 32], 1.25)
    assert facts["stride"] == PosePredictor(model).stride == 1
    far = dataclasses.replace(build_data("drawn_figures", FIGURES, 0).spec, stride=3)
    assert PoseTask.model_metadata(far)["stride"] == 3
    args = PoseTask.folder_args(str(folder / "run"), only_test=True)
    assert args == {"img_size": [32, 32], "targets": "plain", "joints": "posetrack", "test_fraction": 1.0}
    assert "train_distill_ba" in (folder / "run" / "metrics.csv").read_text().splitlines()[0]


def test_stored_weights_are_scored_again_and_shown(run):
    folder, scores = run
    assert main(["evaluate", str(folder / "run"), "--device", "cpu"]) == 0
    again = json.loads((folder / "run" / "scores.json").read_text())
    assert again["rows"][0]["metrics"] == scores["rows"][0]["metrics"]
    assert main(["report", str(folder / "run"), "--out", str(folder / "page.html")]) == 0
    page = (folder / "page.html").read_text()
    for words in (
        "left wrist",
        "figure 10000, person 0",
        "From left to right: the true joints",
        "given",
        ", occluded",
        "cycles per frame",
    ):
        assert words in page


def test_true_heatmaps_get_full_marks(data):
    batch = collate([data.test[index] for index in range(len(data.test))])
    maps, _ = heatmap_targets(batch.joints, batch.visible, (32, 32))
    row = PoseRow(data.spec)
    row.add(batch, crop_points(maps, data.spec))
    values = row.compute()["metrics"]
    assert values["pck"] == 1
    assert values["pck_strict"] > 0.95  # maps of 8 x 8 are coarse at the border
    assert values["ap50"] == 1
    assert values["jitter"] < 2


def test_one_joint_far_away_costs_its_share_and_shakes(data):
    batch = collate([data.test[index] for index in range(4)])
    points = batch.joints.clone()
    points[1, 4, 0] += 30
    row = PoseRow(data.spec)
    row.add(batch, Poses(points, torch.ones(4, 15)))
    found = row.compute()
    seen = int((batch.visible[:, 4] > 0).sum())
    name = data.spec.joints.names[4]
    assert found["per_joint"][name]["pck"] == pytest.approx((seen - 1) / seen)
    assert found["metrics"]["jitter"] > 0
    errors = found["over_time"][0]["errors"]
    assert errors[0] == 0
    assert errors[1] > 0
    assert [one["name"] for one in found["worst"]] == [batch.truths[0].clip]


def test_points_of_both_conventions_come_back_to_the_image(tmp_path):
    from tests.data.pose.test_people import image, person, ramp, write_image, write_labels

    write_image(tmp_path / "0.png", ramp())
    write_labels(tmp_path / "people.json", [image(0, "0.png")], [person(0)])
    for targets in ("udp", "plain"):
        args = {"path": str(tmp_path), "img_size": [64, 48], "test_fraction": 1.0, "targets": targets}
        data = build_data("coco_keypoints", args, 0)
        batch = collate([data.test[0]])
        maps, _ = heatmap_targets(batch.joints, batch.visible, (64, 48), kind=targets)
        found = image_points(crop_points(maps, data.spec).points, batch.truths)
        assert (found[0] - batch.truths[0].joints).abs().max() < 0.6


def test_a_student_takes_its_teacher_but_for_the_motion_branch():
    teacher, student = small(teacher=True), small()
    take_network(student, teacher, "the stage before")
    own = student.state_dict()
    assert all(torch.equal(own[name], value) for name, value in teacher.state_dict().items() if name in own)


def test_a_network_for_clips_starts_from_one_for_single_frames():
    frames, clips = FramePose(img_size=(32, 32), channels=4), small()
    before = {name: value.clone() for name, value in clips.state_dict().items()}
    take_network(clips, frames, "the stage before")
    taken = {name for name, value in clips.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.partition(".")[0] for name in taken} == {"backbone", "laterals"}
    assert all(torch.equal(clips.state_dict()[name], frames.state_dict()[name]) for name in taken)
    with pytest.raises(ValueError, match=r"do not fit the recipe's model: \d+ entries differ, first laterals"):
        take_network(small(), FramePose(img_size=(32, 32), channels=8), "frames")


def test_other_joints_start_fresh_and_other_networks_are_refused(data):
    with pytest.warns(UserWarning, match="knows other joints than the data; these layers start fresh: "):
        take_network(small(), FreqPose(num_joints=17, num_frames=3, img_size=(32, 32), **SMALL), "weights")
    with pytest.raises(ValueError, match=r"weights of old do not fit the recipe's model: \d+ entries differ"):
        take_network(small(), FreqPose(num_joints=15, num_frames=3, channels=8, groups=2), "old")
    with pytest.raises(ValueError, match="net finds 17 joints, but the data has 15"):
        check_network(FreqPose(num_joints=17, num_frames=3), data.spec, "net")
    with pytest.raises(ValueError, match="net is built for clips of 2 frames at most, the data has 3"):
        check_network(FreqPose(num_joints=15, num_frames=2), data.spec, "net")
    with pytest.raises(ValueError, match="net is a Linear, no network for pose"):
        check_network(torch.nn.Linear(1, 1), data.spec, "net")
    model = small()
    model.metadata = {"joints": [*data.spec.joints.names[1:], "nose"]}
    with pytest.raises(ValueError, match="trained with other joints than the data has: 'head_bottom', not 'nose'"):
        check_network(model, data.spec, "net")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"args": {"channels": 4, "num_joints": 17}}, "num_joints is 17, but the data has 15 joints"),
        ({"model": "gfnet_ti", "args": {}}, "'gfnet_ti' is for classification"),
        ({"model": "freqpose", "args": SMALL, "losses": ("heatmap_mse", "distill_l2")}, "model.teacher names none"),
        ({"losses": ("early_mse",)}, "needs the loss heatmap_mse or heatmap_fourier"),
    ],
)
def test_recipes_that_do_not_fit_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(build_recipe(settings(**changes)), tmp_path / "run", progress=False)


def test_a_teacher_without_motion_is_refused(tmp_path):
    student = subband.create_model("freqpose", num_frames=3, img_size=(32, 32), **SMALL)
    subband.save_model(student, tmp_path / "teacher")
    recipe = settings("freqpose", SMALL, ("heatmap_mse", "distill_l2"))
    recipe["model"]["teacher"] = str(tmp_path / "teacher")
    with pytest.raises(ValueError, match="'distill_l2' asks what a teacher knows of motion"):
        train(build_recipe(recipe), tmp_path / "run", progress=False)
    recipe["loss"] = [{"name": "heatmap_mse"}]
    with pytest.raises(ValueError, match=r"model\.teacher is set, but no loss asks a teacher"):
        train(build_recipe(recipe), tmp_path / "other", progress=False)


def test_a_teacher_splits_its_motion_and_its_student_learns_what_passes(tmp_path):
    teacher = {"model": {"name": "freqpose_teacher", "args": {**SMALL, "gates": True}}}
    teacher["loss"] = [{"name": "heatmap_mse"}, {"name": "motion_club", "weight": 0.01}]
    stages = [
        {"name": "teacher", "settings": teacher},
        {"name": "student", "settings": {"model": {"teacher": "previous"}}},
    ]
    recipe = settings("freqpose", SMALL, ("heatmap_mse", "distill_ba"), stages=stages)
    train(build_recipe(recipe), tmp_path / "run", progress=False)
    first = subband.load_model(tmp_path / "run" / "stages" / "teacher")
    assert first.gates is not None
    assert subband.load_model(tmp_path / "run").gates is None
    heading = (tmp_path / "run" / "stages" / "teacher" / "metrics.csv").read_text().splitlines()[0]
    assert {"train_motion_club", "train_motion_club_fit"} <= set(heading.split(","))


def test_stored_samples_that_do_not_belong_together_are_known():
    crops, joints = np.zeros((2, 3, 8, 8), np.uint8), np.zeros((2, 15, 3))
    assert PoseTask.check_samples(crops, joints, {"a": joints})
    assert not PoseTask.check_samples(crops, joints, {"a": joints[:, :3]})
    assert not PoseTask.check_samples(crops[:1], joints, {"a": joints})


@pytest.mark.parametrize("name", ["", "_none", "_l2", "_ba", "_infonce", "_vsd"])
def test_controls_differ_from_the_recipe_in_the_losses_of_the_student_alone(name):
    stages, own = (stage_recipes(load_recipe(f"pose/freqpose_figures{one}")) for one in ("", name))
    assert own["teacher"] == stages["teacher"]
    kept = own["student"].__dict__ | {"loss": None}
    wanted = stages["student"].__dict__ | {"loss": None}
    if name == "_none":  # nothing is asked of a teacher
        kept, wanted = ({key: value for key, value in one.items() if key != "model"} for one in (kept, wanted))
    assert {**kept, "stages": None} == {**wanted, "stages": None}
    assert [term for term in own["student"].loss if not term.name.startswith("distill")] == stages["student"].loss[:3]
