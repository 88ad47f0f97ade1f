import pytest
import torch

import subband
from subband.data.labelled.images import Preprocessing
from subband.explain.explanation import explain
from subband.explain.frequencies import frequency_shares
from subband.explain.grad_cam import grad_cam
from subband.explain.occlusion import subband_occlusion

CLASSES = ("cat", "dog", "fox", "owl", "elk", "emu")
PREPROCESSING = Preprocessing(size=(64, 64), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


@pytest.fixture
def inputs(rng) -> torch.Tensor:
    return PREPROCESSING.normalize(torch.rand(3, 64, 64, generator=rng))


@pytest.mark.parametrize("wanted", [None, 4])
def test_all_parts_are_about_one_class(wanted, inputs):
    model = subband.create_model("wsfvit_p0", img_size=64, num_classes=6).eval()
    found = explain(model, inputs, classes=CLASSES, preprocessing=PREPROCESSING, class_index=wanted, stage=1)
    logits = model(inputs[None]).detach()
    index = int(logits.argmax()) if wanted is None else wanted
    assert (found.class_index, found.explained) == (index, CLASSES[index])
    torch.testing.assert_close(found.probabilities, logits[0].softmax(0))
    assert found.probability == pytest.approx(logits[0].softmax(0)[index].item())
    torch.testing.assert_close(found.heat, grad_cam(model, inputs[None], index, 1)[0])
    for own, expected in zip(found.drops, subband_occlusion(model, inputs[None], index), strict=True):
        assert own.name == expected.name
        torch.testing.assert_close(own.logit, expected.logit)
    assert found.shares is None
    torch.testing.assert_close(PREPROCESSING.normalize(found.image), inputs, atol=1e-5, rtol=1e-5)


def test_the_most_probable_classes_come_first(inputs):
    model = subband.create_model("wsfvit_p0", img_size=64, num_classes=6).eval()
    found = explain(model, inputs, classes=CLASSES, preprocessing=PREPROCESSING)
    top = found.top()
    assert len(top) == 5
    assert len(found.top(9)) == 6
    assert top[0] == (found.explained, pytest.approx(found.probability))
    assert [p for _, p in top] == sorted((p for _, p in top), reverse=True)


def test_networks_on_cosine_coefficients_have_shares_of_frequencies(inputs):
    model = subband.create_model("dct_resnet50", width=8, depths=(1, 1, 1, 1), num_classes=6).eval()
    found = explain(model, inputs, classes=CLASSES, preprocessing=PREPROCESSING, class_index=2, wavelet="haar", level=1)
    assert len(found.drops) == 4
    expected = frequency_shares(model, inputs[None], 2)
    torch.testing.assert_close(found.shares.logit, expected.logit, equal_nan=True)
