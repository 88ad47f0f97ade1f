"""`subband evaluate`: on a run's own test set, on a folder of images, and on distorted images."""

import csv
import json

import pytest
import torch
import yaml

import subband
from subband.cli.main import main
from subband.data.labelled.folder import image_folder
from subband.media.images import read_image, write_image
from subband.models.gfnet import GFNet
from subband.predictors.classification import ImageClassifier
from subband.tasks.classification.task import scores
from subband.training import loop

RECIPE = {
    "task": "classification",
    "model": {"name": "gfnet_ti", "args": {"dims": [8], "depths": [1], "patch_size": 2}},
    "data": {"name": "digits", "batch_size": 400},
    "loss": [{"name": "cross_entropy"}],
    "trainer": {"device": "cpu"},
}
PREPARATION = {"crop_ratio": 0.8, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "crop_mode": "squash"}


def save(folder, num_classes, img_size, metadata):
    torch.manual_seed(0)
    args = {**RECIPE["model"]["args"], "num_classes": num_classes, "img_size": img_size}
    model = subband.create_model("gfnet_ti", **args)
    torch.nn.init.normal_(model.head.weight, std=0.5)  # so that answers differ from image to image
    return subband.save_model(model, folder, metadata=metadata)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """What training leaves, without the training."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "run" / "model", 10, 8, {"classes": list("0123456789")})
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(RECIPE))
    (tmp_path / "bare.yaml").write_text("task: classification\n")
    return tmp_path / "run"


@pytest.fixture
def images(tmp_path, rng):
    """Twelve images in two classes."""
    for number in range(12):
        folder = tmp_path / "images" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number}.png", torch.rand(3, 24, 30 + number, generator=rng))
    return tmp_path / "images"


@pytest.fixture
def converted(tmp_path, monkeypatch):
    """A model folder as `subband convert` makes it: no recipe, but how images are prepared."""
    monkeypatch.chdir(tmp_path)
    preprocessing = {"size": (16, 16), "interpolation": "bilinear", "antialias": True, **PREPARATION}
    return save(tmp_path / "converted", 2, 16, {"source": "published layout", "preprocessing": preprocessing})


def counted(monkeypatch, name):
    """Arguments of the calls of a function of the training loop."""
    calls, function = [], getattr(loop, name)
    monkeypatch.setattr(loop, name, lambda *args: calls.append(args) or function(*args))
    return calls


def test_options_go_before_the_settings_of_the_last_stage(run):
    own = {"data": {"batch_size": 7, "num_workers": 1}, "evaluation": {"num_samples": 2}, "trainer": {"device": "cuda"}}
    stages = [{"name": "first", "settings": {"seed": 3}}, {"name": "second", "settings": own}]
    (run / "config.yaml").write_text(yaml.safe_dump({**RECIPE, "stages": stages}))
    words = ["--device", "cpu", "--data.batch_size", "300", "--out", "out"]
    used = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "evaluate", lambda recipe, *words, **options: used.append(recipe))
        assert main(["evaluate", str(run), *words]) == 0
    (recipe,) = used
    assert (recipe.trainer.device, recipe.data.batch_size, recipe.data.num_workers) == ("cpu", 300, 1)
    assert (recipe.seed, recipe.evaluation.batch_size, recipe.evaluation.num_samples) == (0, 300, 2)
    assert recipe.stages == []


def test_the_batch_size_of_the_command_line_counts(run, monkeypatch):
    recipe = {**RECIPE, "evaluation": {"batch_size": 300}}
    (run / "config.yaml").write_text(yaml.safe_dump(recipe))
    seen = []
    forward = GFNet.forward
    monkeypatch.setattr(GFNet, "forward", lambda self, x: seen.append(len(x)) or forward(self, x))
    assert main(["evaluate", "run", "--data.batch_size", "100"]) == 0
    assert max(seen) == 100


def read(path):
    return json.loads(path.read_text())


def test_robustness_of_a_run(run, capsys, monkeypatch):
    loaded = counted(monkeypatch, "load_model")
    words = ["--robustness", "--radii", "0.5", "1.5", "--qualities", "20"]
    assert main(["evaluate", "run", *words]) == 0
    assert (len(loaded), loaded[0]) == (1, ("run",))  # robustness is measured on the network that was scored
    shown = capsys.readouterr().out
    scored, document = read(run / "scores.json"), read(run / "robustness.json")
    assert document["data"] == scored["data"]
    assert document["model"] == "run"
    rows = document["rows"]
    cases = [(row["distortion"], row["strength"]) for row in rows]
    assert cases[:3] == [("none", None), ("low_pass", 0.5), ("low_pass", 1.5)]
    assert cases[3:] == [("high_pass", 0.5), ("high_pass", 1.5), ("jpeg", 20)]
    metrics = scored["rows"][0]["metrics"]
    for index in (0, 2):  # all of the image is left
        assert {key: rows[index][key] for key in metrics} == pytest.approx(metrics, abs=1e-6)
    assert len({round(row["cross_entropy"], 6) for row in rows}) == 5
    with open(run / "robustness.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["cross_entropy"]) for row in table] == [row["cross_entropy"] for row in rows]
    assert f"{rows[5]['cross_entropy']:.4f}" in shown
    assert read_image(run / "robustness.png").pixels.shape[2] > 1000


def test_a_folder_of_images_is_prepared_as_the_weights_want_it(converted, images):
    words = ["evaluate", "converted", "--data.args.path", "images", "--out", "scored"]
    assert main([*words, "--data.num_workers", "0"]) == 0
    document = read(converted.parent / "scored" / "scores.json")
    assert document["data"]["images"] == 12  # all of them: these weights have seen none
    classifier = ImageClassifier.load("converted")
    files = [path for name in ("cat", "dog") for path in sorted((images / name).iterdir(), key=lambda p: int(p.stem))]
    inputs = torch.stack([classifier.prepare(read_image(path).pixels) for path in files])
    labels = torch.tensor([0] * 6 + [1] * 6)
    with torch.no_grad():
        wanted = scores(classifier.model(inputs), labels, ("cat", "dog"))["metrics"]
    assert document["rows"][0]["metrics"] == pytest.approx(wanted, abs=1e-6)


def test_what_is_given_goes_before_what_is_stored(converted, images):
    (converted.parent / "test.yaml").write_text(
        yaml.safe_dump({**RECIPE, "data": {"name": "image_folder", "args": {"path": "images", "crop_ratio": 0.9}}})
    )
    options = ["--recipe", "test.yaml", "--data.args.test_fraction", "0.5", "--data.args.interpolation", "bicubic"]
    assert main(["evaluate", "converted", *options, "--out", "scored", "--evaluation.num_samples", "12"]) == 0
    assert read(converted.parent / "scored" / "scores.json")["data"]["images"] == 6
    from numpy import load

    pixels = torch.from_numpy(load(converted.parent / "scored" / "samples.npz")["inputs"])
    args = {**PREPARATION, "crop_ratio": 0.9, "interpolation": "bicubic", "img_size": 16, "test_fraction": 0.5}
    data = image_folder(path=str(images), **args)
    wanted = torch.stack([data.test[index][0] for index in range(6)])
    wanted = (data.spec.preprocessing.denormalize(wanted) * 255).clamp(0, 255).round()
    torch.testing.assert_close(pixels.float(), wanted)


def test_imagenet_layout_without_training_images(converted, images):
    (converted.parent / "imagenet").mkdir()
    images.rename(converted.parent / "imagenet" / "val")
    options = ["--data.args.path", "imagenet", "--data.num_workers", "0"]
    assert main(["evaluate", "converted", *options, "--out", "scored"]) == 0
    assert read(converted.parent / "scored" / "scores.json")["data"]["images"] == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--robustness", "--radii", "2"], "a radius must lie between 0 and 1.5"),
        (["run", "--robustness", "--qualities", "0"], "a JPEG quality must lie between 1 and 100, got 0"),
        (["run", "--data.args.img_size", "9"], "run keeps the scores of its own test set; name a folder for others"),
        (["run", "--data.args.size", "9", "--out", "x"], "data set 'digits' has no argument 'size'"),
        (["run", "--recipe", "bare.yaml", "--out", "x"], "bare.yaml: "),
        (["run/model"], "run/model holds no config.yaml; name the test set with --recipe, or a folder of images with"),
        (["run/model", "--data.args.path", "nowhere"], "nowhere"),
        (["wast_photos", "--data.args.path", "run", "--out", "x"], "wast_photos is for video_prediction; name its"),
        (
            ["wast_photos", "--recipe", "video_prediction/wast_digits", "--robustness", "--out", "x"],
            "--robustness measures the accuracy of classifiers, but the recipe is for video_prediction",
        ),
    ],
)
def test_refused_in_one_sentence(run, capsys, words, message):
    assert main(["evaluate", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (run / "scores.json").exists()
    assert not (run.parent / "x").exists()
