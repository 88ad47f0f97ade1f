import io
import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from subband.visual.colors import series_styles
from subband.visual.plots import Curve, Panel, energy_bars, line_panels_png, line_plot, signed_bars

STYLES = series_styles(["wast", "tau", "persistence"])
SVG = "{http://www.w3.org/2000/svg}"


def _paths(svg: str, variable: str) -> list[list[tuple[float, float]]]:
    """Points of the lines drawn in a color variable."""
    root = ElementTree.fromstring(svg)
    drawn = [
        p for p in root.iter(f"{SVG}path") if f"stroke: var({variable}" in p.get("style", "") and p.get("clip-path")
    ]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", p.get("d", ""))] for p in drawn]


def test_lines_follow_the_values() -> None:
    curves = [
        Curve([1, 2, 3], [1.0, 3.0, 2.0], STYLES["wast"]),
        Curve([1, 2, 3], [2.0, 2.0, 2.0], STYLES["persistence"]),
    ]
    svg = line_plot(curves, "Error & more", "frame", "MSE")
    [line] = _paths(svg, "--series-1")
    [level] = _paths(svg, "--baseline")
    assert line[1][1] < line[2][1] < line[0][1]  # SVG counts downwards
    assert line[2][1] == pytest.approx(level[0][1], abs=0.01)
    assert 'aria-label="Error &amp; more"' in svg


def test_plots_take_colors_and_size_from_the_page() -> None:
    svg = line_plot([Curve([0, 1], [0, 1], STYLES["tau"]), Curve([0, 1], [1, 0], None)], "t", "x", "y")
    assert "var(--series-2, #d55e00)" in svg
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert "<style" not in svg
    assert not re.search(r'<svg[^>]* (width|height)="', svg)
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", svg)
    assert svg == line_plot([Curve([0, 1], [0, 1], STYLES["tau"]), Curve([0, 1], [1, 0], None)], "t", "x", "y")


def test_gaps_and_log_axis() -> None:
    svg = line_plot([Curve([1, 2, 3, 4], [1, math.nan, 10, 20], STYLES["wast"])], "t", "x", "y", log_y=True)
    [line] = _paths(svg, "--series-1")
    assert len(line) == 3
    ticks = [node.text for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"1", "2", "5", "10", "20"} <= set(ticks)


def test_axis_is_cut_only_where_curves_reach_higher() -> None:
    def top(y_max: float | None) -> float:
        svg = line_plot([Curve([0, 1], [0, 100], STYLES["wast"])], "t", "x", "y", y_max=y_max)
        numbers = [
            float(node.text or "nan") for node in ElementTree.fromstring(svg).iter(f"{SVG}text") if node.text.isdigit()
        ]
        return max(numbers)

    assert top(None) == top(200) == 100
    assert top(40) == 40


def test_bars_are_percentages_of_the_target() -> None:
    ratios = {
        "wast": {"ll": 1.0, "lh": 0.5, "hl": 0.25, "hh": 0.125},
        "tau": dict.fromkeys(("ll", "lh", "hl", "hh"), 0.75),
    }
    svg = energy_bars(ratios, STYLES, "Energy")
    heights = []
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        if "fill: var(--series-1" in path.get("style", ""):
            ys = [float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path.get("d", ""))]
            heights.append(max(ys) - min(ys))
    assert heights == pytest.approx([heights[0] * share for share in (1, 0.5, 0.25, 0.125)], rel=1e-3)
    assert ">12<" in svg  # 12.5 % above its bar


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="at least one curve"):
        line_plot([], "t", "x", "y")
    with pytest.raises(ValueError, match="at least one model"):
        energy_bars({}, STYLES, "t")


def test_bars_above_and_below_zero() -> None:
    up, down = STYLES["wast"], STYLES["tau"]
    svg = signed_bars({"LL1": 2.0, "LH1": 1.0, "HL1": -0.5}, up, down, "Drops", "drop")

    def heights(variable: str) -> list[float]:
        bars = [
            p
            for p in ElementTree.fromstring(svg).iter(f"{SVG}path")
            if f"fill: var({variable}" in p.get("style", "") and p.get("clip-path")
        ]
        rows = [[float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", p.get("d", ""))] for p in bars]
        return [max(row) - min(row) for row in rows]

    (first, second), (third,) = heights("--series-1"), heights("--series-2")
    assert first == pytest.approx(2 * second, rel=1e-3)
    assert first == pytest.approx(4 * third, rel=1e-3)
    with pytest.raises(ValueError, match="at least one bar"):
        signed_bars({}, up, down, "Drops", "drop")


def test_a_fixed_axis_places_curves_alike() -> None:
    low, high = (
        line_plot([Curve([0, 1], [value, value], STYLES["wast"])], "t", "x", "y", y_range=(0, 100))
        for value in (20, 40)
    )
    middle = line_plot([Curve([0, 1], [20, 40], STYLES["wast"])], "t", "x", "y", y_range=(0, 100))
    ends = [point[1] for point in _paths(middle, "--series-1")[0]]
    assert ends == pytest.approx([_paths(low, "--series-1")[0][0][1], _paths(high, "--series-1")[0][0][1]], abs=0.01)


def test_panels_lie_side_by_side() -> None:
    panels = [Panel(title, "x", [Curve([0, 1], [0, 1], STYLES["tau"])]) for title in ("one", "two")]
    widths = []
    for shown in (panels[:1], panels):
        with Image.open(io.BytesIO(line_panels_png(shown, "y", (0, 1), {"tau": STYLES["tau"]}))) as image:
            widths.append(image.width)
    assert widths[1] == 2 * widths[0]
    with pytest.raises(ValueError, match="at least one panel"):
        line_panels_png([], "y", (0, 1), {})
