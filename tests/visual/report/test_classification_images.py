import re

import numpy as np
import pytest

from subband.visual.colors import series_styles
from subband.visual.report.classification_images import image_cards, mistake_cards
from subband.visual.report.runs import Samples

CLASSES = ["cat", "<owl>", "dog", "eel"]
STYLES = series_styles(["a", "b"])


def _samples(*labels: str) -> Samples:
    probabilities = np.array([[0.1, 0.2, 0.65, 0.05], [0.7, 0.15, 0.05, 0.1]], np.float32)
    images = np.zeros((2, 3, 6, 4), np.uint8)
    return Samples(inputs=images, targets=np.array([2, 1]), predictions=dict.fromkeys(labels, probabilities))


def _texts(html: str) -> list[list[str]]:
    return [re.sub("<[^>]*>", " ", card).split() for card in re.findall("<article.*?</article>", html, re.DOTALL)]


def test_cards_show_the_three_most_likely_classes_mistakes_first() -> None:
    html = image_cards(_samples("a"), CLASSES, STYLES)
    wrong, right = _texts(html)
    assert wrong == ["&lt;owl&gt;", "cat", "✗", "70", "%", "&lt;owl&gt;", "15", "%", "eel", "10", "%"]
    assert right == ["dog", "dog", "✓", "65", "%", "&lt;owl&gt;", "20", "%", "cat", "10", "%"]
    assert "<b>&lt;owl&gt;</b>" in html
    assert 'alt="test image of class dog"' in html
    assert "--share: 65.0%" in html


def test_several_models_are_named_on_every_card() -> None:
    html = image_cards(_samples("a", "b"), CLASSES, STYLES)
    assert html.count('class="model"') == 4
    assert html.count("<ol") == 4


def test_nothing_to_show() -> None:
    assert image_cards(_samples(), CLASSES, STYLES) == ""


@pytest.mark.parametrize(("classes", "target"), [(CLASSES[:3], 2), (CLASSES, 4), (CLASSES, -1)])
def test_samples_of_other_classes_are_refused(classes: list[str], target: int) -> None:
    samples = _samples("a")
    samples.targets[0] = target
    with pytest.raises(ValueError, match=f"do not belong to its {len(classes)} classes"):
        image_cards(samples, classes, STYLES)


def test_mistakes_fold_away() -> None:
    html = mistake_cards("a<b", _samples("a"), CLASSES, STYLES, is_open=False)
    assert html.startswith("<details><summary>The mistakes a&lt;b is most sure of</summary>")
    assert len(_texts(html)) == 2
