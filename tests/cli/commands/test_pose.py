"""`subband pose`: photographs, folders and videos into pictures and files; what is refused."""

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import subband
from subband.cli.main import main
from subband.joints import POSETRACK
from subband.media import read_clip, write_clip
from subband.media.images import read_image, write_image
from subband.predictors.pose import PosePredictor
from subband.predictors.segments import work_path

TINY = {"dim": 16, "depth": 1, "num_heads": 2, "img_size": (64, 48), "num_joints": 15}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """The folder of a network with fresh weights that is sure of every joint."""
    torch.manual_seed(3)
    network: Any = subband.create_model("vitpose_s", **TINY)
    torch.nn.init.normal_(network.head.final.weight, std=0.2)
    torch.nn.init.constant_(network.head.final.bias, 0.5)
    facts = {"joints": list(POSETRACK.names)}
    return subband.save_model(network, tmp_path_factory.mktemp("pose") / "model", metadata=facts)


@pytest.fixture(scope="module")
def detectors(tmp_path_factory) -> dict[str, Path]:
    """Folders of a detector that is sure of many things: one that knows people, one that does not."""
    small = {"img_size": 64, "window": (2, 2), "dims": (8, 8, 8, 8), "depths": (1, 1, 1, 1), "num_heads": (2, 2, 2, 2)}
    small |= {"head_dim": 4, "stem_dim": 8}
    torch.manual_seed(3)
    network: Any = subband.create_model(
        "wsfvit_p0_fasterrcnn_s", num_classes=2, dim=8, hidden_dim=16, backbone_args=small
    )
    torch.nn.init.normal_(network.heads.box_heads[0].classify.weight, std=0.5)
    folder, sides = tmp_path_factory.mktemp("detectors"), {"short_side": 48, "long_side": 64}
    return {
        name: subband.save_model(network, folder / name, metadata={"classes": ["cat", name], "preprocessing": sides})
        for name in ("Person", "dog")
    }


@pytest.fixture
def photos(tmp_path) -> Path:
    generator = torch.Generator().manual_seed(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in (("a.png", (40, 60)), ("b.jpg", (50, 30)), ("c.png", (20, 20))):
        write_image(folder / name, torch.rand(3, *size, generator=generator))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


@pytest.fixture
def clip(tmp_path) -> Path:
    path = tmp_path / "clip.apng"
    write_clip(path, torch.rand(6, 3, 40, 60, generator=torch.Generator().manual_seed(1)), fps=5)
    return path


def boxes(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps(entries))
    return path


def walking(path: Path) -> Path:
    """Two people in each of six frames, the second one not in frame 3."""
    left = [{"frame": number, "bbox": [2 + number, 3, 20, 30]} for number in range(6)]
    right = [{"frame": number, "bbox": [35 - number, 5, 20, 30]} for number in range(6) if number != 3]
    return boxes(path, *left, *right)


def call(source: Path, model: Path | str, *words: object) -> int:
    return main(["pose", *map(str, (source, "--model", model, "--device", "cpu", *words))])


def refused(capsys, source: Path, model: Path | str, *words: object) -> str:
    assert call(source, model, *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


def stored(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def test_a_folder_with_given_boxes(model, photos, tmp_path, capsys):
    given = boxes(
        tmp_path / "boxes.json",
        {"file_name": "a.png", "bbox": [5, 5, 30, 30], "score": 0.5},
        {"file_name": "photos/a.png", "bbox": [200, 5, 30, 30]},
        {"file_name": "b.jpg", "bbox": [0, 0, 10, 0]},
        {"file_name": "z.png", "bbox": [0, 0, 10, 10]},
        *({"file_name": "c.png", "bbox": [number, 0, 10, 20]} for number in range(8)),
    )
    contents = json.loads(given.read_text())
    contents[1]["file_name"] = "a.png"
    given.write_text(json.dumps(contents))
    assert call(photos, model, "--boxes", given, "--out", tmp_path / "new" / "found", "--min-score", 0) == 2
    shown = capsys.readouterr()
    for words in (
        "boxes without area are left out (1, entry 2 for example)",
        "images that are not among the photographs are not used (1, z.png for example)",
        "boxes outside of the 60 x 40 pixels of a.png are left out (1 of 2)",
        "1 of 4 photographs could not be done: broken.png.",
    ):
        assert words in shown.err
    assert "1 of 3 photographs show nobody." in shown.out
    assert "--detector says where" not in shown.out
    out = tmp_path / "new" / "found"
    assert {path.name for path in out.iterdir()} == {"a.jpg", "b.jpg", "c.jpg", "poses.json", "poses.csv"}
    content = stored(out / "poses.json")
    assert [image["file_name"] for image in content["images"]] == ["a.png", "b.jpg", "c.png"]
    assert content["categories"][0]["keypoints"] == list(POSETRACK.names)
    assert content["categories"][0]["skeleton"][0] == [3, 2]
    people = content["annotations"]
    assert [person["image_id"] for person in people] == [1] + 8 * [3], "eight people, six colors"
    (wanted,) = PosePredictor.load(model).find(photos / "a.png", [[[5, 5, 35, 35]]])
    found = torch.tensor(people[0]["keypoints"]).view(15, 3)
    torch.testing.assert_close(found[:, :2], wanted.joints[0], atol=2e-3, rtol=0)
    torch.testing.assert_close(found[:, 2], wanted.scores[0], atol=1e-4, rtol=0)
    assert people[0]["score"] == pytest.approx(0.5 * float(wanted.person_scores), abs=1e-4)
    assert people[0]["bbox"] == [5, 5, 30, 30]
    with open(out / "poses.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 * 15
    assert [rows[1][name] for name in ("person", "joint")] == ["0", "head_bottom"]
    assert float(rows[16]["x"]) == people[1]["keypoints"][3]
    assert not read_image(out / "c.jpg").pixels.equal(read_image(photos / "c.png").pixels)


def test_a_photograph_as_a_whole(model, photos, tmp_path, capsys):
    out, joints = tmp_path / "drawn.png", tmp_path / "more" / "joints.json"
    assert call(photos / "a.png", model, "--out", out, "--json", joints, "--flip-test", "--half") == 0
    assert "taken for one person; --boxes or --detector says where people are." in capsys.readouterr().out
    assert joints.with_suffix(".csv").is_file()
    assert stored(joints)["annotations"][0]["bbox"] == [0, 0, 60, 40]
    assert read_image(out).pixels.shape == (3, 40, 60)
    assert "exists already" in refused(capsys, photos / "a.png", model, "--out", out)
    assert "exists already" in refused(capsys, photos / "a.png", model, "--out", tmp_path / "x.png", "--json", joints)
    assert call(photos / "a.png", model) == 0
    assert sorted(path.name for path in (photos / "a_poses").iterdir()) == ["a.jpg", "poses.csv", "poses.json"]


def test_people_of_a_detector(model, detectors, photos, tmp_path, capsys):
    words = ("--detector-score", 0.05, "--out", tmp_path / "found")
    assert call(photos / "a.png", model, "--detector", detectors["Person"], *words) == 0
    from subband.predictors.detection import DetectionPredictor

    (wanted,) = DetectionPredictor.load(detectors["Person"], only=["person"], min_score=0.05).detect(photos / "a.png")
    people = stored(tmp_path / "found" / "poses.json")["annotations"]
    assert len(people) == len(wanted) > 1
    left, top, width, height = people[0]["bbox"]
    assert [left, top, left + width, top + height] == pytest.approx(wanted.boxes[0].tolist(), abs=0.01)
    error = refused(capsys, photos / "a.png", model, "--detector", detectors["dog"])
    assert f"--detector {detectors['dog']}: 'person' is no class of this detector, which knows cat, dog" in error
    assert "--detector gfnet_digits: model must be a detector" in refused(
        capsys, photos / "a.png", model, "--detector", "gfnet_digits"
    )


def test_a_video_with_people_who_keep_their_numbers(model, clip, tmp_path, capsys):
    out, given = tmp_path / "overlay.apng", walking(tmp_path / "boxes.json")
    assert call(clip, model, "--out", out, "--json", tmp_path / "poses.json", "--boxes", given, "--batch-size", 2) == 0
    assert "6 frames in " in capsys.readouterr().out
    content = stored(tmp_path / "poses.json")
    assert [(image["frame"], image["seconds"]) for image in content["images"]] == [
        (number, pytest.approx(number / 5)) for number in range(6)
    ]
    numbers = [[one["track_id"] for one in content["annotations"] if one["image_id"] == i] for i in range(1, 7)]
    assert numbers == [[0, 1], [0, 1], [0, 1], [0], [0, 1], [0, 1]]
    assert read_clip(out).shape == (6, 3, 40, 60)
    with open(tmp_path / "poses.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["frame"] for row in rows} == set("012345")
    assert len(rows) == 11 * 15
    again = tmp_path / "again"  # what was written says where people are
    assert call(clip, model, "--boxes", tmp_path / "poses.json", "--out", again, "--preview", "0.5") == 0
    for key in ("keypoints", "bbox", "track_id"):
        both = (stored(again / "poses.json")["annotations"], content["annotations"][: 2 * 3])
        assert [one[key] for one in both[0]] == [one[key] for one in both[1]]


def test_a_video_that_was_stopped_goes_on_with_its_people(model, clip, tmp_path, capsys, monkeypatch, plain_signals):
    words = ("--boxes", walking(tmp_path / "boxes.json"), "--smooth")
    monkeypatch.setattr("subband.predictors.pose.clip.FRAMES", 1)
    whole, out = tmp_path / "whole.apng", tmp_path / "overlay.apng"
    assert call(clip, model, "--out", whole, *words) == 0
    original, calls = PosePredictor.find_in_clip, []

    def stopped(self, *args, **options):
        calls.append(None)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGTERM)
        return original(self, *args, **options)

    monkeypatch.setattr(PosePredictor, "find_in_clip", stopped)
    assert call(clip, model, "--out", out, *words) == 143
    assert work_path(out).is_dir()
    assert not out.with_suffix(".json").exists()
    capsys.readouterr()
    assert "{'min_score': 0.3} instead of {'min_score': 0.4}" in refused(
        capsys, clip, model, "--out", out, *words, "--min-score", 0.4
    )
    before = len(calls)
    assert call(clip, model, "--out", out, *words) == 0, capsys.readouterr().err
    assert len(calls) - before < 6, "frames that were finished are not looked at again"
    for key in ("images", "annotations"):
        assert stored(out.with_suffix(".json"))[key] == stored(whole.with_suffix(".json"))[key]
    assert read_clip(out).equal(read_clip(whole)), "people are drawn as if nothing had happened"
    assert not list(tmp_path.glob("*.found")) + list(tmp_path.glob("*.parts"))


def test_photographs_that_are_done_are_kept(model, photos, tmp_path, capsys, monkeypatch, plain_signals):
    original, calls = PosePredictor.find, []

    def stopped(self, *args):
        calls.append(None)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *args)

    monkeypatch.setattr(PosePredictor, "find", stopped)
    assert call(photos, model, "--out", tmp_path / "found", "--batch-size", 1) == 143
    assert "interrupted after 2 of 4 photographs, which are done." in capsys.readouterr().err
    assert len(stored(tmp_path / "found" / "poses.json")["images"]) == 2


def test_frames_that_are_not_there(model, clip, tmp_path, capsys):
    given = boxes(tmp_path / "some.json", *({"frame": number, "bbox": [2, 3, 20, 30]} for number in (4, 9)))
    assert call(clip, model, "--boxes", given, "--out", tmp_path / "found") == 0
    shown = capsys.readouterr()
    assert "boxes of frames from 9 on were not used (1); clip.apng has 6 frames, counted from 0." in shown.err
    assert "5 of 6 frames show nobody." in shown.out
    late = boxes(tmp_path / "late.json", {"frame": 6, "bbox": [2, 3, 20, 30]})
    assert "from frame 6 on, but the video has 6 frames" in refused(
        capsys, clip, model, "--boxes", late, "--out", tmp_path / "late"
    )
    assert not (tmp_path / "late").exists()


def test_checkpoints_of_other_joints(photos, tmp_path, capsys):
    pairs = ("dim=16", "depth=1", "num_heads=2", "img_size=[64,48]")
    sizes = [word for pair in pairs for word in ("--set", pair)]
    network = subband.create_model("vitpose_s", **TINY)
    torch.save({"state_dict": subband.export_published(network)}, tmp_path / "pose.pth")
    words = ("--checkpoint", tmp_path / "pose.pth", *sizes)
    error = refused(capsys, photos / "a.png", "vitpose_s", *words)
    assert "15" in error
    assert "17" in error
    error = refused(capsys, photos / "a.png", "vitpose_s", *words, "--set", "num_joints=15", "--set", "head=simple")
    assert "head" in error
    assert call(photos / "a.png", "vitpose_s", *words, "--set", "num_joints=15") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--min-score", "2"), "--min-score must be from 0 to 1, got 2"),
        (("--smooth",), "--smooth is for videos;"),
        (("--preview", "5s"), "--preview is for videos;"),
        (("--scene-cuts", "off"), "--scene-cuts is for videos;"),
        (("--scene-cuts", "no"), "--scene-cuts must be auto or off, got 'no'"),
        (("--batch-size", "0"), "batch_size must be at least 1, got 0"),
        (("--json", "poses.txt"), "--json poses.txt must end in .json"),
        (("--out", "drawn.mp4"), "drawn.mp4 has no suffix of an image"),
        (("--boxes", "none.json"), "none.json"),
        (("--boxes", "none.json", "--detector", "x"), "--detector and --boxes exclude each other"),
        (("--detector-score", "0.5"), "--detector-score goes with --detector"),
        (("--model", "gfnet_digits"), "is for classification, not a network for pose"),
        (("--model", "vitpose_s"), "alone has fresh weights, which know nothing; add --checkpoint FILE"),
    ],
)
def test_options_that_do_not_fit(model, photos, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, photos / "a.png", model, *words)


def test_sources_that_do_not_fit(model, photos, clip, tmp_path, capsys):
    assert "does not exist" in refused(capsys, tmp_path / "none", model)
    assert "broken.png" in refused(capsys, photos / "broken.png", model)
    assert "must be a folder or end in one of .apng" in refused(capsys, clip, model, "--out", tmp_path / "x.jpg")
    assert "is the input itself" in refused(capsys, clip, model, "--out", clip, "--overwrite")
    given = walking(tmp_path / "boxes.json")
    words = ("--boxes", given, "--json", given, "--overwrite", "--out", tmp_path / "x.mp4")
    assert "the joints would replace --boxes" in refused(capsys, clip, model, *words)
