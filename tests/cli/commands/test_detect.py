"""`subband detect`: photographs, folders and videos into pictures and files; what is refused."""

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import subband
from subband.cli.commands import detect as command
from subband.cli.main import main
from subband.media import read_clip, write_clip
from subband.media.images import read_image, write_image
from subband.models import model_folder
from subband.predictors.detection import DetectionPredictor
from subband.predictors.segments import work_path

CLASSES = ("cat", "dog, small", "=cow")


@pytest.fixture(scope="module")
def model(tiny_detector, tmp_path_factory) -> Path:
    """The folder of a detector that is sure of many things."""
    facts = {
        "classes": list(CLASSES),
        "category_ids": [4, 9, 2],
        "preprocessing": {"short_side": 48, "long_side": 64},
    }
    return subband.save_model(tiny_detector(), tmp_path_factory.mktemp("detector") / "model", metadata=facts)


@pytest.fixture
def photos(tmp_path) -> Path:
    """A photograph of every kind: gray, opaque and transparent, of 16 bits, turned, tiny, narrow; a broken one."""
    generator = torch.Generator().manual_seed(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = torch.rand(3, 40, 60, generator=generator)
    write_image(folder / "a.png", pixels)
    write_image(folder / "a.jpg", pixels[:1])
    write_image(folder / "b.png", pixels, alpha=torch.rand(1, 40, 60, generator=generator))
    write_image(folder / "c.png", pixels, bit_depth=16)
    write_image(folder / "e.png", pixels[:, :3, :4])
    write_image(folder / "f.png", pixels[:, :3].repeat(1, 1, 2))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray((pixels.permute(1, 2, 0) * 255).byte().numpy()).save(folder / "d.png", exif=exif)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


def call(source: Path, model: Path | str, *words: object) -> int:
    return main(["detect", *map(str, (source, "--model", model, "--device", "cpu", *words))])


def refused(capsys, source: Path, model: Path | str, *words: object) -> str:
    assert call(source, model, *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


def stored(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "detections.json").read_text())


def test_a_folder_of_every_kind_of_photograph(model, photos, tmp_path, capsys):
    out = tmp_path / "new" / "found"
    assert call(photos, model, "--out", out, "--min-score", 0.05, "--batch-size", 3) == 2
    shown = capsys.readouterr()
    assert "warning: left out: " in shown.err
    assert "error: 1 of 8 photographs could not be done: broken.png." in shown.err
    assert "7 photographs in " in shown.out
    content = stored(out)
    names = ["a.jpg", "a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]
    assert [image["file_name"] for image in content["images"]] == names
    sizes = [(60, 40)] * 4 + [(40, 60), (4, 3), (120, 3)]
    assert [(image["width"], image["height"]) for image in content["images"]] == sizes
    assert content["categories"] == [
        {"id": number, "name": name} for number, name in zip((4, 9, 2), CLASSES, strict=True)
    ]
    pictures = ["a.jpg.jpg", "a.png.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"]
    assert {path.name for path in out.iterdir()} == {*pictures, "detections.csv", "detections.json"}
    for picture, size in zip(pictures, sizes, strict=True):
        assert read_image(out / picture).pixels.shape[:0:-1] == size
    predictor = DetectionPredictor.load(model, min_score=0.05)
    (wanted,) = predictor.detect(photos / "c.png")
    found = [entry for entry in content["annotations"] if entry["image_id"] == 4]
    assert len(found) == len(wanted) > 5
    left, top, width, height = found[0]["bbox"]
    assert [left, top, left + width, top + height] == pytest.approx(wanted.boxes[0].tolist(), abs=0.01)
    assert found[0]["category_id"] == (4, 9, 2)[int(wanted.labels[0])]
    with open(out / "detections.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(content["annotations"])
    assert {row["class"] for row in rows} <= {"cat", "dog, small", "'=cow"}
    assert float(rows[-1]["right"]) == pytest.approx(sum(content["annotations"][-1]["bbox"][::2]), abs=0.01)


def test_results_are_read_by_cocos_own_tools(model, photos, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    out = tmp_path / "found"
    assert call(photos / "a.png", model, "--out", out, "--min-score", 0.05) == 0
    loaded = coco.COCO(str(out / "detections.json"))
    results = loaded.loadRes(stored(out)["annotations"])
    assert len(results.anns) == len(stored(out)["annotations"]) > 5
    assert loaded.annToMask(next(iter(results.anns.values()))).shape == (40, 60)


def test_what_is_drawn_is_on_the_photograph(model, photos, tmp_path, capsys):
    out = photos / "a_detected"
    assert call(photos / "a.png", model, "--min-score", 0.4) == 0
    shown = capsys.readouterr().out
    assert "Found by" in shown
    before, after = (read_image(path).pixels for path in (photos / "a.png", out / "a.jpg"))
    assert float((before - after).abs().mean()) > 0.02
    assert f"wrote {out}" in shown
    assert call(photos / "a.png", model, "--min-score", 1, "--out", tmp_path / "none") == 0
    assert "nothing with a score of 1 or more was found." in capsys.readouterr().out
    assert stored(tmp_path / "none")["annotations"] == []


def test_classes_tiles_and_half_precision(model, photos, tmp_path):
    words = ("--min-score", 0.05, "--classes", "cat,=COW", "--tile", 32, "--half")
    assert call(photos / "a.png", model, *words, "--out", tmp_path / "found") == 0
    found = stored(tmp_path / "found")["annotations"]
    assert {entry["category_id"] for entry in found} == {4, 2}
    predictor = DetectionPredictor.load(model, min_score=0.05, only=["cat", "=cow"], tile=32, half=True)
    assert len(found) == len(predictor.detect(photos / "a.png")[0])


@pytest.fixture
def clip(tmp_path) -> Path:
    path = tmp_path / "clip.mkv"
    write_clip(path, torch.rand(5, 3, 40, 60, generator=torch.Generator().manual_seed(1)), fps=5)
    return path


def test_a_video_comes_out_as_a_video(model, clip, tmp_path, capsys):
    out = tmp_path / "found"
    assert call(clip, model, "--out", out, "--min-score", 0.05, "--batch-size", 2) == 0
    assert "5 frames in " in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["clip.mkv", "detections.csv", "detections.json"]
    content = stored(out)
    assert [(image["frame"], image["seconds"]) for image in content["images"]] == [
        (number, pytest.approx(number / 5)) for number in range(5)
    ]
    frames, drawn = read_clip(clip), read_clip(out / "clip.mkv")
    assert drawn.shape == frames.shape
    predictor = DetectionPredictor.load(model, min_score=0.05)
    for number, wanted in enumerate(predictor.detect(list(frames)), start=1):
        assert len(wanted) == sum(entry["image_id"] == number for entry in content["annotations"])
    with open(out / "detections.csv", newline="") as file:
        assert {row["frame"] for row in csv.DictReader(file)} == {"0", "1", "2", "3", "4"}


def test_a_video_that_was_stopped_goes_on(model, clip, tmp_path, capsys, monkeypatch, plain_signals):
    whole, out = tmp_path / "whole", tmp_path / "found"
    assert call(clip, model, "--out", whole, "--min-score", 0.05, "--batch-size", 1) == 0
    original, calls = DetectionPredictor.detect, []

    def stopped(self, images):
        calls.append(None)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGTERM)
        return original(self, images)

    monkeypatch.setattr(DetectionPredictor, "detect", stopped)
    words = ("--out", out, "--min-score", 0.05, "--batch-size", 1)
    assert call(clip, model, *words) == 143
    assert work_path(out / "clip.mkv").is_dir()
    assert not (out / "detections.json").exists()
    assert call(clip, model, *words) == 0, capsys.readouterr().err
    assert len(calls) < 4 + 5, "frames that were finished are not looked at again"
    assert sorted(path.name for path in out.iterdir()) == ["clip.mkv", "detections.csv", "detections.json"]
    for key in ("images", "annotations"):
        assert stored(out)[key] == stored(whole)[key]


def test_photographs_that_are_done_are_kept(model, photos, tmp_path, capsys, monkeypatch, plain_signals):
    original, calls = DetectionPredictor.detect, []

    def stopped(self, images):
        calls.append(None)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, images)

    monkeypatch.setattr(DetectionPredictor, "detect", stopped)
    assert call(photos, model, "--out", tmp_path / "found", "--batch-size", 1) == 143
    assert "interrupted after 2 of 8 photographs, which are done." in capsys.readouterr().err
    assert [image["file_name"] for image in stored(tmp_path / "found")["images"]] == ["a.jpg", "a.png"]


def test_the_network_of_the_package_is_the_default_once_there_is_one(model, photos, tmp_path, capsys, monkeypatch):
    words = ["detect", str(photos / "a.png"), "--out", str(tmp_path / "found")]
    monkeypatch.setattr(model_folder, "BUNDLED_FOLDER", tmp_path / "weights")
    assert main(words) == 2
    assert "--model is needed: a run folder, a model folder" in capsys.readouterr().err
    subband.save_model(subband.load_model(model), tmp_path / "weights" / command.BUNDLED)
    assert main(words) == 0
    assert "the network in the package, knows class 0, class 1, class 2" in capsys.readouterr().out


def test_published_files(detector_sizes, photos, tmp_path, capsys):
    torch.manual_seed(0)
    network = subband.create_model("wsfvit_t_maskrcnn", **detector_sizes)
    state = subband.export_published(network)
    torch.save({"meta": {"CLASSES": CLASSES}, "state_dict": state}, tmp_path / "mmdet.pth")
    words = ["--checkpoint", tmp_path / "mmdet.pth", "--out", tmp_path / "found"]
    numbers = detector_sizes["backbone_args"].items()
    backbone = ", ".join(f"{key}: {list(v) if isinstance(v, tuple) else v}" for key, v in numbers)
    pairs = ("num_classes=3", "dim=8", "hidden_dim=16", f"backbone_args={{{backbone}}}")
    sizes = [word for pair in pairs for word in ("--set", pair)]
    assert call(photos / "e.png", "wsfvit_t_maskrcnn", *words, *sizes) == 0, capsys.readouterr().err
    assert [item["name"] for item in stored(tmp_path / "found")["categories"]] == list(CLASSES)
    sizes[1] = "num_classes=80"
    error = refused(capsys, photos / "e.png", "wsfvit_t_maskrcnn", *words, "--overwrite", *sizes)
    assert "has a head of 3 classes, but the model is built for 80; pass num_classes=3" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--classes", "dgo"), "'dgo' is no class of this detector, which knows cat, dog, small, =cow"),
        (("--classes", ","), "--classes takes names of classes"),
        (("--min-score", "0"), "min_score must be from 0.05 to 1, got 0.0"),
        (("--tile", "8"), "tile must be at least 32 pixels, got 8"),
        (("--batch-size", "0"), "batch_size must be at least 1, got 0"),
        (("--device", "tpu"), "tpu"),
        (("--model", "gfnet_digits"), "is for classification, not a detector"),
        (("--model", "wsfvit_t_maskrcnn"), "alone has fresh weights, which know nothing; add --checkpoint FILE"),
        (("--model", "wsfvit_t_maskrcnn", "--checkpoint", "none.pth"), "none.pth"),
        (("--model", "runs/none"), "no model at runs/none"),
    ],
)
def test_options_that_do_not_fit(model, photos, capsys, words, message):
    assert message in refused(capsys, photos / "a.png", model, *words)


def test_sources_that_do_not_fit(model, photos, tmp_path, capsys):
    assert "broken.png" in refused(capsys, photos / "broken.png", model)
    assert "does not exist" in refused(capsys, tmp_path / "none", model)
    (tmp_path / "empty").mkdir()
    assert "holds no photographs" in refused(capsys, tmp_path / "empty", model)
    (tmp_path / "notes.txt").write_text("no video")
    assert "notes.txt" in refused(capsys, tmp_path / "notes.txt", model)
    assert not (tmp_path / "notes_detected").exists()
    assert "is the folder of the input" in refused(capsys, photos, model, "--out", photos)
    assert "is a file" in refused(capsys, photos, model, "--out", photos / "a.png")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "exists already" in refused(capsys, photos, model, "--out", tmp_path / "full")
