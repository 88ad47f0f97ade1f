import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from subband.explain.explanation import Explanation
from subband.explain.occlusion import SubbandDrop
from subband.visual.explanation_page import Photograph, explanations_page, mean_drops

NAMES = ("LL1", "LH1", "HL1", "HH1")


def photograph(name: str, values: tuple[float, ...], explained: str = "cat") -> Photograph:
    drops = [SubbandDrop(n, torch.tensor([v]), torch.tensor([v / 10])) for n, v in zip(NAMES, values, strict=True)]
    explanation = Explanation(
        image=torch.full((3, 8, 12), 0.5),
        heat=torch.zeros(2, 2),
        drops=drops,
        probabilities=torch.tensor([0.25, 0.75]),
        class_index=1,
        classes=("other", explained),
        shares=None,
    )
    return Photograph.of(explanation, name, f"{name} panel.png")


PHOTOGRAPHS = [
    photograph("one", (1.0, 0.5, -0.5, 2.0)),
    photograph("two", (3.0, 0.5, -1.5, 0.0)),
    photograph("<three>", (2.0, 0.5, -1.0, 0.5), "<b>dog & cat</b>"),
]


def test_means_are_over_photographs():
    means = mean_drops(PHOTOGRAPHS)
    assert [drop.name for drop in means] == list(NAMES)
    assert [drop.logit.item() for drop in means] == pytest.approx([2.0, 0.5, -1.0, 2.5 / 3])
    assert [drop.probability.item() for drop in means] == pytest.approx([0.2, 0.05, -0.1, 0.25 / 3])


def test_what_the_page_says():
    html = explanations_page(PHOTOGRAPHS, "gfnet <x>", [("Wavelet", "db2 & co")], {})
    text = re.sub(r"<[^>]*>", "", html)
    assert "loses most without LL1: +2.00" in text
    assert "Without HL1 it gains: −1.00" in text
    assert "LL1 is the most decisive subband of 2 of 3" in text
    assert "one; loses most without HH1: +2.00" in text
    assert "two; loses most without LL1: +3.00" in text
    assert "db2 &amp; co" in html
    assert "gfnet &lt;x&gt;" in html
    assert "&lt;b&gt;dog &amp; cat&lt;/b&gt;, 75.0 %" in html
    assert "<b>dog" not in html
    assert 'href="%3Cthree%3E%20panel.png"' in html
    assert "Filters" not in text


def test_the_page_holds_everything_it_shows():
    html = explanations_page(PHOTOGRAPHS, "gfnet", [], {"a": torch.rand(24, 4, 4), "b": torch.rand(24, 4, 4)})
    assert "default-src 'none'" in html
    assert "<script" not in html
    sources = re.findall(r'src="([^"]+)"', html)
    assert len(sources) == 4
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "://" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", html)
    sizes = [Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).size for source in sources]
    assert sizes == [(26, 8)] * 3 + [(24 * 5 - 1, 2 * 5 - 1)]


def test_images_are_the_image_and_the_map_over_it():
    image = np.array(Image.open(io.BytesIO(PHOTOGRAPHS[0].images)))
    assert image[0, 0].tolist() == [128, 128, 128, 255]
    assert image[0, 12:14, 3].tolist() == [0, 0]
    assert image[0, -1].tolist() == [64, 64, 66, 255]


def test_a_page_about_nothing():
    with pytest.raises(ValueError, match="at least one photograph"):
        explanations_page([], "gfnet", [], {})
