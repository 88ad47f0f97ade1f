"""ImageClassifier gives the network what it was trained with, and its logits as probabilities with names."""

import threading
from contextlib import closing

import pytest
import torch
from PIL import Image
from torch import nn

import subband
from subband.data.labelled.preprocessing import Preprocessing
from subband.media.images import write_image
from subband.models.gfnet import GFNet
from subband.models.protocols.classifier import Classifier
from subband.predictors.classification import ImageClassifier, read_preprocessing

SMALL = {"dims": (8,), "depths": (1,), "patch_size": 4, "img_size": 16}


def network(num_classes: int = 4, **metadata: object) -> nn.Module:
    torch.manual_seed(0)
    model = subband.create_model("gfnet_ti", num_classes=num_classes, **SMALL)
    for parameter in model.parameters():  # fresh weights answer nearly the same to everything
        nn.init.normal_(parameter, std=0.3)
    model.metadata = metadata
    return model


def test_probabilities_are_those_of_a_plain_forward_pass(rng: torch.Generator) -> None:
    model = network()
    classifier = ImageClassifier(model)
    image = torch.rand(3, 20, 30, generator=rng)
    inputs = classifier.prepare(image)[None]
    expected = model.eval()(Preprocessing(size=(16, 16))(image)[None]).softmax(1)
    assert expected.amax() > 0.3  # not what an untrained network says to everything
    torch.testing.assert_close(classifier.predict(inputs), expected)


def test_a_batch_gives_what_single_images_give(rng: torch.Generator) -> None:
    classifier = ImageClassifier(network())
    inputs = torch.stack([classifier.prepare(torch.rand(3, 16 + i, 40 - i, generator=rng)) for i in range(5)])
    single = torch.cat([classifier.predict(row[None]) for row in inputs])
    together = classifier.predict(inputs)
    torch.testing.assert_close(together, single, atol=1e-6, rtol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3
    torch.testing.assert_close(together.sum(1), torch.ones(5))


def test_predict_needs_no_gradient_and_leaves_training_mode() -> None:
    model = network().train()
    probabilities = ImageClassifier(model).predict(torch.zeros(1, 3, 16, 16))
    assert not probabilities.requires_grad
    assert not model.training


def test_inputs_take_the_type_of_the_weights() -> None:
    probabilities = ImageClassifier(network().double()).predict(torch.zeros(1, 3, 16, 16))
    assert probabilities.dtype == torch.float32


def test_gray_images_are_taken_as_color(rng: torch.Generator) -> None:
    gray = torch.rand(1, 20, 20, generator=rng)
    classifier = ImageClassifier(network())
    torch.testing.assert_close(classifier.prepare(gray), classifier.prepare(gray.expand(3, -1, -1)))


def test_names_given_go_before_names_stored_and_those_before_numbers() -> None:
    stored = {"classes": list("abcd")}
    assert ImageClassifier(network(**stored), classes=list("wxyz")).classes == tuple("wxyz")
    assert ImageClassifier(network(**stored)).classes == tuple("abcd")
    assert ImageClassifier(network()).classes == ("class 0", "class 1", "class 2", "class 3")


def test_a_thousand_classes_without_names_are_those_of_imagenet() -> None:
    classes = ImageClassifier(network(1000)).classes
    assert classes[281] == "tabby, tabby cat"
    named = [f"kind {index}" for index in range(1000)]
    assert ImageClassifier(network(1000, classes=named)).classes[281] == "kind 281"


def test_without_timm_a_thousand_classes_have_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subband.predictors.classification.imagenet_names", lambda: None)
    assert ImageClassifier(network(1000)).classes[281] == "class 281"


def test_preprocessing_given_stored_published() -> None:
    stored = Preprocessing(size=(16, 16), crop_ratio=0.5)
    given = Preprocessing(size=(8, 8))
    model = network(preprocessing=stored.to_dict())
    assert ImageClassifier(model).preprocessing == stored
    assert ImageClassifier(model, preprocessing=given).preprocessing == given
    with torch.device("meta"):
        published = subband.create_model("wsfvit_t_384")
    found = ImageClassifier(published).preprocessing
    assert (found.size, found.crop_mode, found.crop_ratio, found.mean) == ((384, 384), "squash", 0.95, (0.5, 0.5, 0.5))
    unnamed = GFNet(num_classes=4, **SMALL)  # type: ignore[arg-type]
    assert ImageClassifier(unnamed).preprocessing == Preprocessing(size=(16, 16))


def test_a_model_folder_gives_the_same_classifier(tmp_path, rng: torch.Generator) -> None:
    stored = {"classes": list("abcd"), "preprocessing": Preprocessing(size=(16, 16), crop_ratio=0.9).to_dict()}
    model = network(**stored)
    subband.save_model(model, tmp_path, metadata=stored)
    before, after = ImageClassifier(model), ImageClassifier.load(tmp_path)
    assert (after.classes, after.preprocessing) == (before.classes, before.preprocessing)
    image = torch.rand(3, 30, 20, generator=rng)
    results = [classifier.predict(classifier.prepare(image)[None]) for classifier in (before, after)]
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(2, 8, 8), r"image must be \(C, H, W\) with C = 1 or 3, got \(2, 8, 8\)"),
        (torch.zeros(1, 3, 8, 8), r"image must be \(C, H, W\)"),
        (torch.zeros(3, 0, 8), r"image must be \(C, H, W\)"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), r"must be uint8, or floating point in \[0, 1\], got torch.int64"),
        (torch.zeros(1, 3, 301), r"301 x 3 pixels is too narrow to be classified; one side may be 100 times"),
    ],
)
def test_wrong_images(image: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageClassifier(network()).prepare(image)


def test_wrong_networks_and_names() -> None:
    with pytest.raises(TypeError, match="model must be a classifier, not a Linear"):
        ImageClassifier(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="at least two classes, this network has num_classes=0"):
        ImageClassifier(network(0))
    with pytest.raises(ValueError, match="got 3 names for a network that tells 4 classes apart"):
        ImageClassifier(network(), classes=list("abc"))
    gray = subband.create_model("gfnet_ti", in_chans=1, **SMALL)
    assert isinstance(gray, Classifier)
    with pytest.raises(ValueError, match="needs a network for 3 channels, this one takes 1"):
        ImageClassifier(gray)


def test_the_same_image_in_every_form_gives_the_same_probabilities(tmp_path, rng: torch.Generator) -> None:
    pixels = torch.randint(0, 256, (3, 20, 30), generator=rng, dtype=torch.uint8)
    array = pixels.permute(1, 2, 0).numpy()
    write_image(tmp_path / "image.png", pixels / 255)
    classifier = ImageClassifier(network(), device="auto" if not torch.cuda.is_available() else "cpu")
    expected = classifier.predict(classifier.prepare(pixels / 255)[None])
    forms = [pixels, pixels / 255, array, array / 255, Image.fromarray(array), tmp_path / "image.png"]
    for image in [*forms, str(tmp_path / "image.png")]:
        torch.testing.assert_close(classifier.classify(image), expected)
    torch.testing.assert_close(classifier.classify(forms), expected.expand(len(forms), -1))
    with pytest.raises(ValueError, match="at least one image"):
        classifier.classify([])
    with pytest.raises(ValueError, match="device must be one of auto"):
        ImageClassifier(network(), device="tpu")


@pytest.fixture
def files(tmp_path, rng: torch.Generator) -> list:
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for number, path in enumerate(paths):
        write_image(path, torch.rand(3, 16 + number, 24, generator=rng))
    paths[2].write_bytes(b"no image")
    return paths


@pytest.mark.parametrize("batch_size", [1, 3, 6, 16])
def test_files_come_in_order_and_a_bad_one_with_its_error(files: list, batch_size: int) -> None:
    classifier = ImageClassifier(network())
    results = list(classifier.classify_files(files, batch_size=batch_size))
    assert [result.file for result in results] == files
    assert [result.error is None for result in results] == [path != files[2] for path in files]
    assert str(files[2]) in str(results[2].error)
    assert results[2].output is None
    for result in results:
        if result.output is not None:
            torch.testing.assert_close(result.output, classifier.classify(result.file)[0], atol=1e-6, rtol=1e-5)
    assert min(result.reading_seconds for result in results) >= 0 < sum(result.network_seconds for result in results)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        classifier.classify_files(files, batch_size=0)


def test_reading_stays_within_reach_of_the_network_and_ends_with_it(files: list) -> None:
    classifier, read = ImageClassifier(network()), []
    prepare = classifier._prepare_file
    classifier._prepare_file = lambda file: read.append(file) or prepare(files[0])  # type: ignore[method-assign]
    many, threads = files * 20, threading.active_count()
    with closing(classifier.classify_files(many, batch_size=2)) as results:
        next(results)
        assert len(read) <= 2 * 2 + 1  # a batch that is computed, and as many files ahead
    assert threading.active_count() == threads


def test_preprocessing_is_read_without_weights(tmp_path) -> None:
    stored = Preprocessing(size=(16, 16), crop_ratio=0.9)
    subband.save_model(network(), tmp_path / "a", metadata={"preprocessing": stored.to_dict()})
    subband.save_model(network(), tmp_path / "b")
    (tmp_path / "a" / "model.safetensors").unlink()
    assert read_preprocessing(tmp_path / "a") == stored
    assert read_preprocessing(tmp_path / "b") == ImageClassifier(network()).preprocessing
    with pytest.raises(TypeError, match="which is no classifier"):
        read_preprocessing("wast_photos")
