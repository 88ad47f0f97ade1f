import io
import math

import numpy as np
import pytest

from subband.visual.experiments import Bars, Lines, experiment_png

pytest.importorskip("matplotlib")


def picture(content):
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(float)


def count(pixels, color):
    """Pixels of nearly a color, given in hexadecimal."""
    wanted = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)])
    return int((np.abs(pixels - wanted).max(-1) < 12).sum())


BLUE, ORANGE = "#0072b2", "#d55e00"


def test_a_bar_is_as_long_as_the_mean_of_its_values():
    pixels = picture(experiment_png(Bars([("one", 1.0), ("two", 1.0), ("two", 3.0), ("none", math.nan)], "length")))
    one, two = count(pixels, BLUE), count(pixels, ORANGE)
    assert one > 1000
    assert two / one == pytest.approx(2, rel=0.05)


def test_curves_of_all_panels_are_drawn_on_one_scale():
    points = {"low": [(1.0, 0.0), (2.0, 1.0), (2.0, 3.0)], "nothing": [(1.0, math.nan)]}
    lines = Lines({"left": points, "right": {"high": [(1.0, 4.0), (2.0, 4.0)]}}, "x", "y")
    both = picture(experiment_png(lines))
    alone = picture(experiment_png(Lines({"left": points}, "x", "y")))
    assert both.shape[1] == 2 * alone.shape[1]
    assert count(both, BLUE) > 300
    assert count(both, ORANGE) > 300
    half = both.shape[1] // 2
    assert count(both[60:, :half], ORANGE) == 0  # below the legend


@pytest.mark.parametrize("nothing", [Bars([("a", math.nan)], "x"), Lines({"": {"a": []}}, "x", "y")])
def test_nothing_to_draw_is_an_error(nothing):
    with pytest.raises(ValueError, match="there is nothing to draw"):
        experiment_png(nothing)
