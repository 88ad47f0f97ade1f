"""`subband explain`: images, the page of a folder, and every kind of mistake."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import nn

import subband
from subband.cli.commands.explain import find_class
from subband.cli.main import main
from subband.data.labelled.preprocessing import Preprocessing
from subband.explain.detection import explain_detection
from subband.explain.explanation import explain
from subband.media.images import read_image, write_image
from subband.predictors.detection import DetectionPredictor

PREPARE = Preprocessing(size=(32, 32))
CLASSES = ("apple", "pear, conference", "plum", "fig")


@pytest.fixture
def model(tmp_path: Path) -> nn.Module:
    """A network with large random weights, stored in the folder `model`."""
    network = subband.create_model("gfnet_ti", num_classes=4, dims=(8,), depths=(2,), patch_size=4, img_size=32)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    nn.init.normal_(network.head.weight, std=2)  # type: ignore[union-attr, arg-type]
    facts = {"classes": list(CLASSES), "preprocessing": PREPARE.to_dict()}
    subband.save_model(network, tmp_path / "model", metadata=facts)
    return network.eval()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_image(path, torch.from_numpy(data.astronaut()[60:124, 190:254].copy()).permute(2, 0, 1) / 255)
    return path


@pytest.fixture
def words(model: nn.Module, photo: Path) -> list[str]:
    """A command that works."""
    return ["explain", str(photo), "--model", str(photo.with_name("model"))]


def numbers(shown: str) -> dict[str, tuple[float, float]]:
    """The printed table: subband to drop of the logit, and of the probability in percent."""
    rows = re.findall(r"^ ([LH]{2}\d) +(-?[\d.]+) +(-?[\d.]+) *$", shown, re.MULTILINE)
    return {name: (float(logit), float(probability)) for name, logit, probability in rows}


def refused(capsys: pytest.CaptureFixture, *words: object) -> str:
    assert main([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1, error
    return error


def test_one_photograph(model, words, photo, capsys):
    assert main([*words, "--level", "2"]) == 0
    shown = capsys.readouterr().out
    inputs = PREPARE(read_image(photo).pixels)
    expected = explain(model, inputs, classes=CLASSES, preprocessing=PREPARE, level=2)
    assert f"photo.png: {expected.explained}, {100 * expected.probability:.1f} %" in shown
    found = numbers(shown)
    assert list(found) == [drop.name for drop in expected.drops]
    for drop in expected.drops:
        values = (drop.logit.item(), 100 * drop.probability.item())
        assert found[drop.name] == pytest.approx(values, abs=6e-3)
    image = np.array(Image.open(photo.with_name("photo_explained.png")).convert("RGB"))
    assert image.shape[1] == 1893
    colors = set((image.reshape(-1, 3).astype(int) @ (65536, 256, 1)).tolist())
    assert 0x0072B2 in colors, "bars"
    assert {0xFFFFD9, 0x081D58} <= colors, "filters"


def test_the_class_that_is_named_is_explained(model, words, photo, capsys):
    inputs = PREPARE(read_image(photo).pixels)
    other = int(model(inputs[None])[0].argmin())
    results = []
    for wanted in (CLASSES[other], CLASSES[other].upper(), str(other)):
        assert main([*words, "--class", wanted, "--overwrite"]) == 0
        shown = capsys.readouterr().out
        assert f"photo.png: {CLASSES[other]}, " in shown
        results.append(numbers(shown))
    assert results[0] == results[1] == results[2]
    expected = explain(model, inputs, classes=CLASSES, preprocessing=PREPARE, class_index=other)
    assert [logit for logit, _ in results[0].values()] == pytest.approx(
        [d.logit.item() for d in expected.drops], abs=6e-4
    )


def test_a_folder_has_a_page_too(words, photo, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = read_image(photo).pixels
    write_image(folder / "a.png", pixels)
    write_image(folder / "b & c.jpg", 1 - pixels)
    write_image(folder / "gray.png", pixels[:1], alpha=torch.ones_like(pixels[:1]))
    (folder / "empty.png").write_bytes(b"")
    command = ["explain", str(folder), *words[2:], "--wavelet", "haar", "--level", "1"]
    assert main(command) == 2
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1] == "subband: error: 1 of 4 photographs could not be done: empty.png."
    assert all(name in shown.out for name in ("a.png", "b & c.jpg", "gray.png", "wrote 3 images and index.html"))
    out = tmp_path / "photos_explained"
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b & c.png", "gray.png", "index.html"]
    html = (out / "index.html").read_text("utf-8")
    assert "b &amp; c.jpg" in html
    assert 'href="b%20%26%20c.png"' in html
    assert len(re.findall(r'src="data:image/png;base64,', html)) == 4, "three photographs, one image of filters"
    singles = []
    for name in ("a.png", "b & c.jpg", "gray.png"):
        single = ["explain", str(folder / name), *command[2:], "--out", str(tmp_path / "one.png"), "--overwrite"]
        assert main(single) == 0
        singles.append(numbers(capsys.readouterr().out))
    means = numbers(shown.out)
    assert list(means) == ["LL1", "LH1", "HL1", "HH1"]
    for name, (logit, _) in means.items():
        assert logit == pytest.approx(sum(single[name][0] for single in singles) / 3, abs=2e-3)


def test_networks_on_cosine_coefficients(photo, tmp_path, capsys):
    network = subband.create_model("dct_resnet50", width=8, depths=(1, 1, 1, 1), num_classes=3, img_size=64)
    subband.save_model(network, tmp_path / "dct", metadata={})
    assert main(["explain", str(photo), "--model", str(tmp_path / "dct"), "--stage", "1"]) == 0
    assert "class " in capsys.readouterr().out
    image = np.array(Image.open(tmp_path / "photo_explained.png").convert("RGB")).astype(int) @ (65536, 256, 1)
    assert (image == 0xECEAE5).sum() > 1000, "frequencies that the network does not take"


def test_nothing_is_overwritten_unless_asked(words, photo, capsys):
    out = photo.with_name("photo_explained.png")
    out.write_text("mine")
    assert "exists already; choose another --out or add --overwrite" in refused(capsys, *words)
    assert out.read_text() == "mine"
    assert main([*words, "--overwrite"]) == 0
    assert read_image(out).pixels.shape[0] == 3
    assert "is the photograph itself" in refused(capsys, *words, "--out", photo, "--overwrite")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--level", "0"), "--level must be at least 1, got 0"),
        (("--wavelet", "nowave"), "nowave"),
        (("--stage", "1"), "--stage must lie within the 1 stages"),
        (("--class", "aple"), "--class 'aple' is no class of this network; did you mean 'apple'?"),
        (("--class", "4"), "--class '4' is no class of this network; there are 4, from 0"),
        (("--out", "why.jpg"), "--out must end in .png, not why.jpg"),
        (("--device", "tpu"), "device must be one of"),
        (("--model", "wsfvit_p0"), "fresh weights"),
    ],
)
def test_wrong_options_are_one_sentence(options, message, words, photo, monkeypatch, capsys):
    monkeypatch.chdir(photo.parent)
    assert message in refused(capsys, *words, *options)
    assert sorted(path.name for path in photo.parent.iterdir()) == ["model", "photo.png"]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "does not exist"), (b"", "is empty"), (b"text", "is not an image")]
)
def test_a_bad_photograph_is_one_sentence(content, message, words, photo, capsys):
    bad = photo.with_name("bad.png")
    if content is not None:
        bad.write_bytes(content)
    assert message in refused(capsys, "explain", bad, *words[2:])
    assert not photo.with_name("bad_explained.png").exists()


def test_names_of_classes():
    names = ["tench, Tinca tinca", "crane", "crane", "7", "goldfish"]
    assert [find_class(wanted, names) for wanted in ("tinca TINCA", "tench, tinca tinca", " goldfish", "7", "0")] == [
        0,
        0,
        4,
        3,
        0,
    ]
    with pytest.raises(ValueError, match=r"means 2 classes; name it by its number, one of \[1, 2\]"):
        find_class("crane", names)


@pytest.fixture
def finder(tiny_detector, tmp_path: Path) -> Path:
    """The folder of a detector that is sure of many things."""
    facts = {"classes": ["cat", "dog", "cow"], "preprocessing": {"short_side": 64, "long_side": 64}}
    return subband.save_model(tiny_detector(), tmp_path / "finder", metadata=facts)


def test_one_detection(finder, photo, capsys):
    words = ["explain", str(photo), "--model", str(finder), "--level", "1", "--device", "cpu"]
    assert main([*words, "--detection", "2"]) == 0
    shown = capsys.readouterr().out
    predictor = DetectionPredictor.load(finder, min_score=0.05)
    (found,) = predictor.detect(photo)
    assert f"photo.png: detection 2, {found.names[2]}, score {found.scores[2]:.3f}" in shown
    inputs = predictor.preprocessing(read_image(photo).pixels)
    expected = explain_detection(predictor.model, inputs, 2, level=1)
    rows = re.findall(r"^ ([LH]{2}1) +([\d.]+) +([\d.]+) *$", shown, re.MULTILINE)
    assert rows == [(drop.name, f"{drop.everywhere:.3f}", f"{drop.inside:.3f}") for drop in expected.drops]
    image = np.array(Image.open(photo.with_name("photo_explained.png")).convert("RGB"))
    assert image.shape[1] == 1893
    colors = set((image.reshape(-1, 3).astype(int) @ (65536, 256, 1)).tolist())
    assert {0x0072B2, 0xD55E00} <= colors, "bars"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--detection", "100"), "photo.png: the detection must be within the "),
        (("--detection", "-1"), "from 0, got -1"),
        (("--class", "cat"), "--class is for classifiers; "),
        (("--stage", "0"), "--stage is for classifiers; "),
        (("--classes", "names.txt"), "--classes is for classifiers; "),
        (("--out", "why.jpg"), "--out must end in .png"),
        (("--model", "gfnet_digits", "--detection", "0"), "--detection is for detectors; gfnet_digits is a classifier"),
        (("--model", "wast_photos"), "is for video prediction, not a classifier or a detector"),
    ],
)
def test_options_that_do_not_fit_the_network(options, message, finder, photo, monkeypatch, capsys):
    monkeypatch.chdir(photo.parent)
    assert message in refused(capsys, "explain", photo, "--model", finder, "--device", "cpu", *options)
    assert not photo.with_name("photo_explained.png").exists()


def test_a_detector_is_asked_about_one_photograph(finder, photo, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "a.png", torch.zeros(3, 8, 8))
    message = "photos is a folder; of a detector, one photograph is explained at a time"
    assert message in refused(capsys, "explain", tmp_path / "photos", "--model", finder, "--device", "cpu")
