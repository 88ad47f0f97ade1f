import io
import os
import warnings

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from subband.explain.explanation import Explanation
from subband.explain.frequencies import FrequencyShares
from subband.explain.occlusion import SubbandDrop
from subband.visual.explanation_panel import AGAINST, FOR, draw_drops, heat_overlay, panel
from subband.visual.sheet import short, signed

COLOR = (0.2, 0.8, 0.4)


def explanation(height: int = 24, width: int = 24, level: int = 2, **changes: object) -> Explanation:
    """An image of one color; only the upper left place speaks for the class."""
    names = [f"LL{level}", *(f"{band}{number}" for number in range(level, 0, -1) for band in ("LH", "HL", "HH"))]
    values = [1.5, -0.5, *[0.25] * (len(names) - 2)]
    heat = torch.zeros(3, 3)
    heat[0, 0] = 1.0
    facts = {
        "image": torch.tensor(COLOR)[:, None, None].expand(3, height, width),
        "heat": heat,
        "drops": [
            SubbandDrop(n, torch.tensor([v]), torch.tensor([v / 10])) for n, v in zip(names, values, strict=True)
        ],
        "probabilities": torch.tensor([0.1, 0.7, 0.2]),
        "class_index": 1,
        "classes": ("cat", "dog", "fox"),
        "shares": None,
    }
    return Explanation(**(facts | changes))


def pixels(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))


def colors_of(image: np.ndarray) -> set[tuple[int, ...]]:
    numbers = np.unique(image.astype(np.int32) @ (1 << 16, 1 << 8, 1))
    return {(number >> 16, number >> 8 & 255, number & 255) for number in numbers.tolist()}


def rgb(name: str) -> tuple[int, ...]:
    return tuple(int(name[start : start + 2], 16) for start in (1, 3, 5))


def test_the_photograph_and_its_map_stand_in_the_image():
    image = pixels(panel(explanation(), "photo.png"))
    colors = colors_of(image)
    assert tuple(round(255 * value) for value in COLOR) in colors
    assert {rgb(FOR), rgb(AGAINST)} <= colors
    assert (252, 255, 200) in colors, "the brightest of the heat map"
    assert (image[[0, -1]] == 255).all(), "the paper is white"
    assert (image[:, [0, -1]] == 255).all()


def test_images_are_as_large_as_what_they_hold():
    plain = pixels(panel(explanation(), "photo.png"))
    upright = pixels(panel(explanation(height=36), "photo.png"))
    filters = pixels(
        panel(explanation(), "photo.png", spectra={"one": torch.rand(24, 8, 8), "two": torch.rand(24, 8, 8)})
    )
    widths = {image.shape[1] for image in (plain, upright, filters)}
    assert len(widths) == 1
    assert upright.shape[0] > plain.shape[0] < filters.shape[0]
    yellow, blue = (255, 255, 217), (8, 29, 88)
    assert {yellow, blue} <= colors_of(filters)
    assert not {yellow, blue} & colors_of(plain)


def test_frequencies_that_are_missing_are_gray():
    logit = torch.full((1, 3, 8, 8), torch.nan)
    logit[:, :, :4, :4] = torch.tensor([1.0, -1.0]).repeat(8).reshape(4, 4)
    is_kept = ~logit.isnan()
    shown = colors_of(pixels(panel(explanation(), "photo.png")))
    with_maps = pixels(panel(explanation(shares=FrequencyShares(logit, is_kept)), "photo.png"))
    gray = rgb("#eceae5")
    assert gray in colors_of(with_maps)
    assert gray not in shown
    count = {name: (with_maps == rgb(name)).all(-1).sum() for name in (FOR, AGAINST, "#eceae5")}
    assert count["#eceae5"] > 2 * count[FOR]
    assert count[FOR] > 10_000 < count[AGAINST]


@pytest.mark.parametrize("level", [1, 2, 3, 5])
def test_bars_have_the_height_of_the_drops(level):
    drops = explanation(level=level).drops
    axes = Figure().add_subplot()
    draw_drops(axes, drops)
    bars = axes.containers[0]
    assert [bar.get_height() for bar in bars] == pytest.approx([drop.logit.item() for drop in drops])
    assert [to_hex(bar.get_facecolor()) for bar in bars[:2]] == [FOR, AGAINST]
    assert [label.get_text() for label in axes.get_xticklabels()] == [drop.name for drop in drops]
    low, high = axes.get_ylim()
    assert low < -0.5
    assert high > 1.5


def test_nothing_stays_nothing():
    drops = [SubbandDrop(name, torch.tensor([1e-9]), torch.zeros(1)) for name in ("LL1", "LH1", "HL1", "HH1")]
    axes = Figure().add_subplot()
    draw_drops(axes, drops)
    assert axes.get_ylim()[1] > 0.01


def test_the_overlay_is_half_the_image():
    shown = heat_overlay(explanation())
    brightest = torch.tensor((252, 255, 200)) / 255
    torch.testing.assert_close(shown[:, 0, 0], 0.5 * torch.tensor(COLOR) + 0.5 * brightest)
    torch.testing.assert_close(shown[:, -1, -1], 0.5 * torch.tensor(COLOR) + torch.tensor((0.0, 0.0, 2 / 255)))


def test_texts_that_fit():
    assert [signed(value) for value in (0.0, 2.345, -12.34, -345.6)] == ["0.00", "+2.35", "−12.3", "−346"]
    assert short("tench, Tinca tinca", 30) == "tench, Tinca tinca"
    assert short("tench, Tinca tinca", 6) == "tench"
    assert short("supercalifragilistic", 6) == "super…"
    image = pixels(panel(explanation(classes=("a" * 80, "b" * 80, "c, d")), "n" * 80))
    assert (image[:, -40:] == 255).all(), "nothing runs out of the image"


def test_names_are_drawn_as_they_are():
    classes = (r"$\nope{$", "two\nlines", os.fsdecode(b"\xff") + "😀")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a sign that the font lacks is no news
        for index in range(3):
            drawn = panel(explanation(classes=classes, class_index=index), r"$x^2$ \$ $\nope{$ 😀.png", "$ $")
    # A formula would be narrower than its dollar signs.
    figure = Figure()
    assert figure.text(0, 0, "$x$").get_parse_math(), "Matplotlib's own setting stays"
    assert pixels(drawn).ndim == 3
