"""ImageClassifier gives the network what it was trained with, and its logits as probabilities with names."""

import pytest
import torch
from torch import nn

import subband
from subband.data.labelled.preprocessing import Preprocessing
from subband.models.gfnet import GFNet
from subband.models.protocols.classifier import Classifier
from subband.predictors.classification import ImageClassifier

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
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"must be floating point in \[0, 1\], got torch.uint8"),
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
