"""`subband classify`: tables, files, and every kind of image and mistake."""

import csv
import json
import struct
import threading
import warnings
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data
from torch import nn

import subband
from subband.cli.main import main
from subband.data.labelled.preprocessing import Preprocessing
from subband.media.images import write_image

PREPARE = Preprocessing(size=(16, 16))
CLASSES = ("apple", "pear, conference", "plum", "fig")


@pytest.fixture
def model(tmp_path: Path) -> nn.Module:
    """A network with large random weights, stored in the folder `model`."""
    torch.manual_seed(7)
    network = subband.create_model("gfnet_ti", num_classes=4, dims=(8,), depths=(1,), patch_size=4, img_size=16)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    nn.init.normal_(network.head.weight, std=2)  # type: ignore[union-attr, arg-type]
    nn.init.zeros_(network.head.bias)  # type: ignore[union-attr, arg-type]
    facts = {"classes": list(CLASSES), "preprocessing": PREPARE.to_dict()}
    subband.save_model(network, tmp_path / "model", metadata=facts)
    return network.eval()


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()[60:108, 200:264].copy()).permute(2, 0, 1) / 255


@pytest.fixture
def photos(tmp_path: Path, pixels: torch.Tensor) -> Path:
    """Five photographs that differ."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(1, 6):
        part = pixels.roll(9 * number, 2)[:, : 20 + 4 * number]
        write_image(folder / f"{number}.png", part if number % 2 else 1 - part.flip(0))
    return folder


@torch.no_grad()
def expected(model: nn.Module, pixels: torch.Tensor) -> list[float]:
    return model(PREPARE(pixels.expand(3, -1, -1))[None]).softmax(1)[0].tolist()


def classify(photo: Path, *words: object) -> list[list[dict]]:
    """Classes of each photograph, from the JSON file of the command."""
    out = photo.parent / "classes.json"
    command = ["classify", photo, "--model", photo.parent / "model", "--device", "cpu", "--out", out, "--overwrite"]
    assert main([str(word) for word in (*command, *words)]) == 0
    return [photograph["classes"] for photograph in json.loads(out.read_text())["photographs"]]


def probabilities(photo: Path) -> list[float]:
    """Of a single photograph, in order of the classes."""
    (guesses,) = classify(photo)
    return [guess["probability"] for guess in sorted(guesses, key=lambda guess: guess["index"])]


def refused(capsys: pytest.CaptureFixture, *words: object) -> str:
    assert main([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1, error
    return error


def test_one_photograph_shows_its_classes(model, pixels, tmp_path, capsys):
    write_image(tmp_path / "a.png", pixels)
    assert main(["classify", str(tmp_path / "a.png"), "--model", str(tmp_path / "model"), "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    ranking = sorted(zip(expected(model, pixels), CLASSES, strict=True), reverse=True)
    rows = [line.split() for line in shown.splitlines() if line.rstrip().endswith("%")]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert [row[-2] for row in rows] == [f"{100 * value:.1f}" for value, _ in ranking]
    assert [" ".join(row[1:-2]) for row in rows] == [name for _, name in ranking]
    assert "1 photograph in " in shown
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "model"}


def test_the_bundled_classifier_reads_digits(tmp_path):
    from sklearn.datasets import load_digits

    digits = load_digits()
    (tmp_path / "digits").mkdir()
    for number in range(10):
        write_image(tmp_path / "digits" / f"{number}.png", torch.from_numpy(digits.images[number]).float()[None] / 16)
    guesses = classify(tmp_path / "digits", "--model", "gfnet_digits", "--top", 1)
    right = sum(row[0]["class"] == str(label) for row, label in zip(guesses, digits.target[:10], strict=True))
    assert right >= 9


def test_csv_of_a_folder_in_natural_order(model, photos, tmp_path, capsys):
    (photos / "1.png").rename(photos / "10.png")
    out = tmp_path / "new" / "classes.csv"
    words = ["classify", photos, "--model", tmp_path / "model", "--top", 2, "--batch-size", 2, "--out", out]
    assert main([*map(str, words)]) == 0
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["photograph"] for row in rows] == [str(photos / f"{n}.png") for n in (2, 3, 4, 5, 10) for _ in "ab"]
    assert [row["rank"] for row in rows] == ["1", "2"] * 5
    for row in rows:
        image = read(row["photograph"])
        values = expected(model, image)
        assert float(row["probability"]) == pytest.approx(values[int(row["index"])], abs=1e-6)
        assert row["class"] == CLASSES[int(row["index"])]
    for row in rows[::2]:
        assert float(row["probability"]) == pytest.approx(max(expected(model, read(row["photograph"]))), abs=1e-6)
    shown = capsys.readouterr().out
    assert "5 photographs in " in shown
    assert "s waiting for files" in shown
    assert f"wrote {out}" in shown
    assert len({row["class"] for row in rows[::2]}) > 1, "the photographs of this test must differ for the network"


def read(path: str) -> torch.Tensor:
    from subband.media.images import read_image

    return read_image(path).pixels


def test_the_size_of_batches_changes_nothing(model, photos):
    results = [classify(photos, "--batch-size", size) for size in (1, 2, 5, 64)]
    for result in results[1:]:
        for guesses, first in zip(result, results[0], strict=True):
            assert [guess["class"] for guess in guesses] == [guess["class"] for guess in first]
            values = [guess["probability"] for guess in first]
            assert [guess["probability"] for guess in guesses] == pytest.approx(values, abs=1e-6)


def test_json_says_which_weights(model, photos, tmp_path):
    (guesses, *_) = classify(photos, "--top", 3)
    assert [guess["rank"] for guess in guesses] == [1, 2, 3]
    facts = json.loads((tmp_path / "classes.json").read_text())
    assert (facts["model"], facts["checkpoint"]) == (str(tmp_path / "model"), None)
    assert [Path(item["photograph"]).name for item in facts["photographs"]] == [f"{n}.png" for n in range(1, 6)]


def test_names_from_a_file(model, photos, tmp_path, capsys):
    (tmp_path / "names.txt").write_text("Apfel\nBirne\n\nPflaume\nFeige\n", "utf-8")
    own, stored = classify(photos, "--classes", tmp_path / "names.txt"), classify(photos)
    names = dict(zip(CLASSES, ("Apfel", "Birne", "Pflaume", "Feige"), strict=True))
    assert [[guess["class"] for guess in row] for row in own] == [
        [names[guess["class"]] for guess in row] for row in stored
    ]
    capsys.readouterr()
    (tmp_path / "names.txt").write_text("Apfel\nBirne\n")
    words = ("classify", photos, "--model", tmp_path / "model", "--classes", tmp_path / "names.txt")
    assert "names.txt has 2 names, but the network tells 4 classes apart; one name per line" in refused(capsys, *words)
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe")
    assert "names.txt is not a text file in UTF-8" in refused(capsys, *words)
    (tmp_path / "names.txt").unlink()
    assert "names.txt is not a file" in refused(capsys, *words)


def test_published_weights_by_name_and_checkpoint(tmp_path, photos, pixels):
    torch.manual_seed(0)
    network = subband.create_model("wsfvit_p0", img_size=32, num_classes=7).eval()
    nn.init.normal_(network.head.weight)  # type: ignore[union-attr, arg-type]
    torch.save({"state_dict": subband.export_published(network)}, tmp_path / "p0.pth")
    out = tmp_path / "classes.json"
    options = ["--set", "img_size=32", "--set", "num_classes=7", "--out", out, "--device", "cpu"]
    words = ["classify", photos / "5.png", "--model", "wsfvit_p0", "--checkpoint", tmp_path / "p0.pth", *options]
    assert main([*map(str, words)]) == 0
    (photograph,) = json.loads(out.read_text())["photographs"]
    with torch.no_grad():
        inputs = Preprocessing(size=(32, 32))(read(str(photos / "5.png")))
        values, indices = network(inputs[None]).softmax(1)[0].topk(5)
    assert [guess["index"] for guess in photograph["classes"]] == indices.tolist()
    assert [guess["class"] for guess in photograph["classes"]] == [f"class {index}" for index in indices]
    found = [guess["probability"] for guess in photograph["classes"]]
    assert found == pytest.approx(values.tolist(), abs=1e-6)


def test_checkpoints_that_do_not_fit(tmp_path, photos, capsys):
    network = subband.create_model("gfnet_ti", img_size=32, num_classes=7)
    torch.save(subband.export_published(network), tmp_path / "ti.pth")
    options = ("--checkpoint", tmp_path / "ti.pth", "--set", "img_size=32", "--set", "num_classes=7")
    error = refused(capsys, "classify", photos, "--model", "gfnet_xs", *options)
    assert "ti.pth does not fit" in error
    assert error.rstrip().endswith("it looks like gfnet_ti")
    (tmp_path / "ti.pth").write_bytes(b"not weights")
    assert "ti.pth" in refused(capsys, "classify", photos, "--model", "gfnet_ti", *options)


def test_what_model_may_be(tmp_path, photos, model, capsys):
    command = ("classify", photos)
    assert "--model is needed: a run folder, a model folder" in refused(capsys, *command)
    assert "wsfvit_t alone has fresh weights, which know nothing; add --checkpoint FILE" in refused(
        capsys, *command, "--model", "wsfvit_t"
    )
    assert "tau_mmnist is for video prediction, not a classifier" in refused(capsys, *command, "--model", "tau_mmnist")
    assert "wast_photos is for video prediction" in refused(capsys, *command, "--model", "wast_photos")
    assert "no model at" in refused(capsys, *command, "--model", "nothing")
    stored = (*command, "--model", tmp_path / "model")
    assert "--set changes a model name" in refused(capsys, *stored, "--set", "num_classes=3")
    assert "goes with a model name such as wsfvit_t, but" in refused(capsys, *stored, "--checkpoint", "a.pth")
    assert "unknown model 'wsfvit_z'; did you mean" in refused(
        capsys, *command, "--model", "wsfvit_z", "--checkpoint", "a.pth"
    )
    for own in (tmp_path / "model", tmp_path / "model" / "model.safetensors"):
        error = refused(capsys, *command, "--model", "gfnet_ti", "--checkpoint", own)
        assert f"{own} is no published file; name a folder of ours by --model alone" in error
    assert "no checkpoint at a.pth" in refused(capsys, *command, "--model", "wsfvit_p0", "--checkpoint", "a.pth")


def test_all_kinds_of_images_say_the_same(model, pixels, tmp_path):
    write_image(tmp_path / "plain.png", pixels)
    image = Image.open(tmp_path / "plain.png")
    plain = probabilities(tmp_path / "plain.png")
    write_image(tmp_path / "deep.png", pixels, bit_depth=16)
    assert probabilities(tmp_path / "deep.png") == pytest.approx(plain, abs=1e-4)
    other = Image.new("RGB", image.size, "red")
    image.quantize(64).save(tmp_path / "palette.png")
    image.quantize(64).save(tmp_path / "moving.gif", save_all=True, append_images=[other.quantize(64)])
    # What a palette changes is in both; the first image of the animation counts.
    assert probabilities(tmp_path / "moving.gif") == pytest.approx(probabilities(tmp_path / "palette.png"), abs=1e-6)
    assert probabilities(tmp_path / "palette.png") == pytest.approx(plain, abs=0.1)
    image.convert("CMYK").save(tmp_path / "print.tif")
    assert probabilities(tmp_path / "print.tif") == pytest.approx(plain, abs=0.02)
    write_image(tmp_path / "gray.png", pixels.mean(0, keepdim=True))
    image.convert("RGB").rotate(90, expand=True).save(tmp_path / "lying.jpg", quality=100, subsampling=0, exif=turned())
    assert probabilities(tmp_path / "lying.jpg") == pytest.approx(plain, abs=0.05)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    return exif


def test_transparency_is_white(model, pixels, tmp_path):
    alpha = torch.ones(1, *pixels.shape[1:])
    alpha[..., :20] = 0
    alpha[..., 20:30] = 0.5
    write_image(tmp_path / "glass.png", pixels, alpha=alpha, bit_depth=16)
    write_image(tmp_path / "opaque.png", alpha * pixels + 1 - alpha, bit_depth=16)
    write_image(tmp_path / "all.png", pixels, bit_depth=16)
    glass = probabilities(tmp_path / "glass.png")
    assert glass == pytest.approx(probabilities(tmp_path / "opaque.png"), abs=1e-4)
    assert glass != pytest.approx(probabilities(tmp_path / "all.png"), abs=1e-2)


@pytest.mark.parametrize("size", [(5, 3), (1, 1), (90, 1)])
def test_tiny_images_are_enlarged(size, model, tmp_path, rng):
    tiny = (torch.rand(3, *size, generator=rng) * 255).round() / 255
    write_image(tmp_path / "tiny.png", tiny)
    assert probabilities(tmp_path / "tiny.png") == pytest.approx(expected(model, tiny), abs=1e-5)


def bomb() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty (0 bytes)"),
        (b"a shopping list", "is not an image of a known kind"),
        (b"cut", "damaged or cut off"),
        (bomb(), "says it has more pixels than can be read"),
    ],
)
def test_one_bad_file_is_one_sentence(content, message, model, pixels, tmp_path, capsys):
    if content == b"cut":
        write_image(tmp_path / "whole.png", pixels)
        content = (tmp_path / "whole.png").read_bytes()[:900]
    if content is not None:
        (tmp_path / "bad.jpg").write_bytes(content)
    error = refused(
        capsys, "classify", tmp_path / "bad.jpg", "--model", tmp_path / "model", "--out", tmp_path / "a.csv"
    )
    assert "bad.jpg" in error
    assert message in error
    assert not (tmp_path / "a.csv").exists()


def test_a_narrow_image_is_named(model, tmp_path, capsys):
    write_image(tmp_path / "line.png", torch.zeros(1, 2, 300))
    error = refused(capsys, "classify", tmp_path / "line.png", "--model", tmp_path / "model")
    assert "line.png: an image of 300 x 2 pixels is too narrow" in error


def test_bad_files_of_a_folder_are_left_out_and_named_at_the_end(model, photos, tmp_path, capsys):
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes()[:500])
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "notes.txt").write_text("no photograph")
    out = tmp_path / "classes.csv"
    words = ["classify", photos, "--model", tmp_path / "model", "--batch-size", 2, "--out", out]
    assert main([*map(str, words)]) == 2
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert [line.startswith("subband: warning: left out") for line in lines] == [True, True, True, False]
    assert lines[-1] == "subband: error: 2 of 6 photographs could not be done: 2.png, empty.jpg."
    with open(out, newline="") as file:
        found = {Path(row["photograph"]).name for row in csv.DictReader(file)}
    assert found == {"1.png", "3.png", "4.png", "5.png"}
    assert "4 photographs in " in shown.out


def test_folders_without_photographs(model, photos, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    model_words = ("--model", tmp_path / "model")
    assert "none holds no photographs" in refused(capsys, "classify", tmp_path / "none", *model_words)
    (tmp_path / "classes").mkdir()
    photos.rename(tmp_path / "classes" / "cat")
    error = refused(capsys, "classify", tmp_path / "classes", *model_words)
    assert "classes holds folders but no photographs" in error
    assert f"subband evaluate MODEL --data.args.path {tmp_path / 'classes'}" in error


def test_nothing_is_overwritten_unless_asked(model, photos, tmp_path, capsys):
    out = tmp_path / "classes.csv"
    out.write_text("mine")
    words = ("classify", photos, "--model", tmp_path / "model", "--out")
    assert "exists already; choose another --out or add --overwrite" in refused(capsys, *words, out)
    assert out.read_text() == "mine"
    assert main([*map(str, words), str(out), "--overwrite"]) == 0
    assert out.read_text().startswith("photograph,rank,class,index,probability\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--top", "0"), "--top must be at least 1, got 0"),
        (("--batch-size", "0"), "--batch-size must be at least 1, got 0"),
        (("--out", "classes.txt"), "--out must end in .csv or .json, not classes.txt"),
        (("--device", "tpu"), "device must be one of"),
    ],
)
def test_wrong_options_are_one_sentence(words, message, model, photos, tmp_path, capsys):
    assert message in refused(capsys, "classify", photos, "--model", tmp_path / "model", *words)


def test_a_photograph_named_like_a_table_is_not_replaced(model, photos, tmp_path, capsys):
    photo = (photos / "1.png").rename(tmp_path / "photo.csv")
    words = ("classify", photo, "--model", tmp_path / "model", "--out", photo, "--overwrite")
    assert "is the photograph itself" in refused(capsys, *words)


def test_interrupted(model, photos, tmp_path, monkeypatch, capsys):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("subband.predictors.classification.ImageClassifier.predict", interrupt)
    words = ["classify", photos, "--model", tmp_path / "model", "--out", tmp_path / "a.csv"]
    before = warnings.showwarning, list(warnings.filters), threading.active_count()
    assert main([*map(str, words)]) == 130
    assert (warnings.showwarning, list(warnings.filters), threading.active_count()) == before
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists()
