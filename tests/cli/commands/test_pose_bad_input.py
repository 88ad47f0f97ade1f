"""Labels, boxes, clips and checkpoints that do not fit, sent through whole commands: one sentence, nothing lost."""

import json
from pathlib import Path

import pytest
import torch
from tests.data.pose.test_people import NAMES, image, person, ramp, write_labels

import subband
from subband.cli.main import main
from subband.joints import COCO
from subband.media import write_clip, write_image

SMALL = {"channels": 4, "img_size": (64, 48)}
CROPS = {"size": [64, 48], "convention": "classic"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a network for single crops with COCO's joints."""
    return save(tmp_path_factory.mktemp("crops") / "model", "framepose", list(COCO.names), **SMALL)


@pytest.fixture(scope="module")
def clip_model(tmp_path_factory):
    """That of a network for clips of five frames."""
    folder = tmp_path_factory.mktemp("clips") / "model"
    return save(folder, "freqpose", list(COCO.names), groups=2, num_frames=5, **SMALL)


def save(folder, name, joints, **args):
    torch.manual_seed(0)
    network = subband.create_model(name, num_joints=len(joints), **args)
    return subband.save_model(network, folder, metadata={"joints": joints, "preprocessing": CROPS})


def labelled(folder, people, names=NAMES):
    folder.mkdir()
    for number in range(len(people)):
        write_image(folder / f"{number}.png", ramp())
    images = [image(number, f"{number}.png") for number in range(len(people))]
    write_labels(folder / "people.json", images, people, names=names)
    return folder


def call(capsys, *words):
    """Exit code and the two outputs; never a traceback."""
    code = main(list(map(str, words)))
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return code, " ".join(shown.out.split()), " ".join(shown.err.split())


def evaluated(capsys, model, data):
    return call(capsys, "evaluate", model, "--data.args.path", data, "--out", data / "scores", "--device", "cpu")


def posed(capsys, source, model, *words):
    return call(capsys, "pose", source, "--model", model, "--device", "cpu", *words)


def given(path, *entries):
    path.write_text(json.dumps(entries))
    return path


def test_boxes_outside_or_without_area_are_left_out_of_the_scores(model, tmp_path, capsys):
    people = [person(0), person(1, 2, bbox=[70.0, 5.0, 20.0, 20.0]), person(2, 3, bbox=[5.0, 5.0, 0.0, 20.0])]
    code, _, error = evaluated(capsys, model, labelled(tmp_path / "data", people))
    assert code == 0, error
    assert "of 3 people, 0 have no labelled joint and 2 are crowds or have no box inside their image" in error
    assert json.loads((tmp_path / "data" / "scores" / "scores.json").read_text())["data"]["people"] == 1


def test_boxes_outside_or_without_area_are_left_out_of_a_video(model, tmp_path, capsys):
    write_clip(tmp_path / "clip.apng", torch.rand(3, 3, 40, 60), fps=5)
    boxes = given(
        tmp_path / "boxes.json",
        {"frame": 0, "bbox": [5, 5, 30, 30]},
        {"frame": 1, "bbox": [80, 5, 30, 30]},
        {"frame": 2, "bbox": [5, 5, 0, 30]},
    )
    code, out, error = posed(capsys, tmp_path / "clip.apng", model, "--boxes", boxes, "--out", tmp_path / "found")
    assert code == 0, error
    assert "boxes without area are left out (1, entry 2 for example)" in error
    assert "boxes outside of the 60 x 40 pixels of the video are left out (1, one in frame 1 for example)" in error
    assert "2 of 3 frames show nobody." in out


def test_pictures_and_videos_without_people_give_files_without_people(model, tmp_path, capsys):
    write_image(tmp_path / "a.png", torch.rand(3, 20, 20))
    write_clip(tmp_path / "clip.apng", torch.rand(2, 3, 20, 20), fps=5)
    contents = {"images": [{"id": 1, "file_name": "a.png", "frame": 0}], "annotations": []}
    (tmp_path / "boxes.json").write_text(json.dumps(contents))
    for source in ("a.png", "clip.apng"):
        out = tmp_path / f"found {Path(source).stem}"
        code, text, error = posed(capsys, tmp_path / source, model, "--boxes", tmp_path / "boxes.json", "--out", out)
        assert code == 0, error
        assert "nobody was found." in text
        assert json.loads((out / "poses.json").read_text())["annotations"] == []
        assert len((out / "poses.csv").read_text().splitlines()) == 1


def test_more_people_than_colors_are_all_followed(model, tmp_path, capsys):
    write_clip(tmp_path / "clip.apng", torch.rand(2, 3, 40, 200), fps=5)
    boxes = [{"frame": frame, "bbox": [22 * place, 2, 20, 36]} for frame in range(2) for place in range(9)]
    words = ("--boxes", given(tmp_path / "boxes.json", *boxes), "--out", tmp_path / "found", "--min-score", 0)
    code, _, error = posed(capsys, tmp_path / "clip.apng", model, *words)
    assert code == 0, error
    found = json.loads((tmp_path / "found" / "poses.json").read_text())["annotations"]
    assert [one["track_id"] for one in found] == 2 * list(range(9))


def test_people_with_missing_joints(model, tmp_path, capsys):
    without = person(0)
    del without["keypoints"]
    code, _, error = evaluated(capsys, model, labelled(tmp_path / "some", [without, person(1, 2)]))
    assert code == 0, error
    assert "of 2 people, 1 have no labelled joint" in error
    code, _, error = evaluated(capsys, model, labelled(tmp_path / "few", [person(0, keypoints=[1, 2, 2])]))
    assert code == 2
    assert "annotation 1 needs x, y and visibility of 17 joints, got 3 numbers" in error
    assert not (tmp_path / "few" / "scores").exists()


def test_joints_that_nobody_labelled(model, tmp_path, capsys):
    hidden = [0 if place % 3 == 2 else value for place, value in enumerate(person(0)["keypoints"])]
    data = labelled(tmp_path / "none", [person(0, keypoints=hidden), person(1, 2, keypoints=hidden)])
    code, _, error = evaluated(capsys, model, data)
    assert code == 2
    assert "people.json: none of 2 people has a labelled joint and a box." in error
    assert not (data / "scores").exists()


@pytest.mark.parametrize("length", [1, 2, 4])
def test_clips_that_are_shorter_than_the_network_sees(length, clip_model, tmp_path, capsys):
    source = tmp_path / "clip.apng"
    write_clip(source, torch.rand(length, 3, 40, 60, generator=torch.Generator().manual_seed(0)), fps=5)
    code, _, error = posed(capsys, source, clip_model, "--out", tmp_path / "found", "--smooth")
    if length == 1:  # a picture that does not move
        assert code == 2
        assert "--smooth is for videos" in error
        return
    assert code == 0, error
    found = json.loads((tmp_path / "found" / "poses.json").read_text())
    assert len(found["images"]) == len(found["annotations"]) == length


def test_videos_that_are_shorter_than_a_clip_of_the_data(clip_model, tmp_path, capsys):
    (tmp_path / "data" / "a").mkdir(parents=True)
    for number in range(2):
        write_image(tmp_path / "data" / "a" / f"{number}.png", ramp())
    write_labels(tmp_path / "data" / "people.json", [image(0, "a/0.png"), image(1, "a/1.png")], [person(0), person(1)])
    words = ("--data.name", "pose_videos", "--data.args.path", tmp_path / "data", "--data.args.img_size", "[64,48]")
    words += ("--data.args.test_fraction", "1.0", "--out", tmp_path / "scores", "--device", "cpu")
    code, _, error = call(capsys, "evaluate", clip_model, *words)
    assert code == 0, error
    facts = json.loads((tmp_path / "scores" / "scores.json").read_text())["data"]
    assert (facts["people"], facts["frames"]) == (2, 5)
    code, _, error = call(capsys, "evaluate", clip_model, *words, "--data.args.frames", "7")
    assert code == 2
    assert "is built for clips of 5 frames at most, the data has 7" in error


def test_labels_with_other_names_of_joints(model, tmp_path, capsys):
    names = [f"point {number}" for number in range(17)]
    data = labelled(tmp_path / "others", [person(0, names=names)], names)
    words = ("--data.name", "pose_videos", "--data.args.path", data, "--data.args.img_size", "[64,48]")
    words += ("--data.args.test_fraction", "1.0", "--data.args.frames", "1", "--out", tmp_path / "scores")
    code, _, error = call(capsys, "evaluate", model, *words, "--device", "cpu")
    assert code == 2
    assert "trained with other joints than the data has: 'nose', not 'point 0'" in error
    code, _, error = evaluated(capsys, model, data)  # a folder is read with the joints that the weights name
    assert code == 2
    assert "people.json has none of the joints nose, left_eye" in error
    assert "it has point 0, point 1" in error


def test_checkpoints_of_another_head_or_of_other_joints(model, tmp_path, capsys):
    data = labelled(tmp_path / "data", [person(0)])
    other = save(tmp_path / "four", "framepose", ["nose", "left_wrist", "right_wrist", "tail"], **SMALL)
    code, _, error = evaluated(capsys, other, data)
    assert code == 2
    assert "finds 4 joints, but the data has 17" in error
    sizes = {"dim": 16, "depth": 1, "num_heads": 2, "img_size": (64, 48)}
    network = subband.create_model("vitpose_s", **sizes, head="simple")
    torch.save({"state_dict": subband.export_published(network)}, tmp_path / "simple.pth")
    words = [word for pair in ("dim=16", "depth=1", "num_heads=2", "img_size=[64,48]") for word in ("--set", pair)]
    code, _, error = posed(capsys, data / "0.png", "vitpose_s", "--checkpoint", tmp_path / "simple.pth", *words)
    assert code == 2
    assert "head" in error
    assert not (data / "0_poses").exists()
    code, _, error = posed(
        capsys, data / "0.png", "vitpose_s", "--checkpoint", tmp_path / "simple.pth", *words, "--set", "head=simple"
    )
    assert code == 0, error
