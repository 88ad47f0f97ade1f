import io

import pytest
from PIL import Image

from subband.visual.colors import series_styles
from subband.visual.robustness import GUESSING, robustness_findings, robustness_panels, robustness_png

ROWS = [
    {"distortion": "none", "strength": None, "top1": 0.8},
    *(
        {"distortion": "low_pass", "strength": s, "top1": t}
        for s, t in [(1.0, 0.8), (0.1, 0.73), (0.5, 0.72), (0.3, 0.6)]
    ),
    *({"distortion": "high_pass", "strength": s, "top1": t} for s, t in [(0.1, 0.79), (0.3, 0.75), (0.5, 0.2)]),
    *({"distortion": "jpeg", "strength": s, "top1": t} for s, t in [(5, 0.1), (95, 0.71)]),
]
STYLES = series_styles(["a", "b"])


def test_panels_are_sorted_and_in_percent() -> None:
    panels, key = robustness_panels({"a": ROWS, "b": ROWS[:5]}, STYLES, num_classes=4)
    assert [panel.title for panel in panels] == ["Low frequencies alone", "High frequencies alone", "JPEG"]
    guessing, plain, curve, *_ = panels[0].curves
    assert (guessing.x, guessing.y) == ([0.1, 1.0], [25.0, 25.0])
    assert plain.is_faint
    assert plain.y == pytest.approx([80, 80])
    assert curve.x == [0.1, 0.3, 0.5, 1.0]
    assert curve.y == pytest.approx([73, 60, 72, 80])
    assert [len(panel.curves) for panel in panels] == [5, 3, 3]
    assert list(key) == ["a", "b", GUESSING]


def test_what_was_not_measured_has_no_panel() -> None:
    assert robustness_panels({"a": ROWS[:1]}, STYLES, num_classes=4) == ([], {**key_of("a"), **key_of(GUESSING)})


def key_of(name: str) -> dict[str, object]:
    return {name: STYLES["a"] if name == "a" else series_styles(["persistence"])["persistence"]}


def test_findings_start_at_the_weakest_distortion() -> None:
    html = robustness_findings({"<a>": ROWS})
    # 0.72 is nine tenths of 0.8; the good value at radius 0.1 lies behind a bad one, and no JPEG is good enough.
    assert html == (
        '<ul class="findings"><li><b>&lt;a&gt;</b> keeps nine tenths of its accuracy from the frequencies up to 0.5 '
        "of Nyquist alone and without the frequencies up to 0.3 of Nyquist.</li></ul>"
    )
    weak = [ROWS[0], ROWS[-2]]
    assert "loses more than a tenth of its accuracy everywhere" in robustness_findings({"a": weak})
    assert robustness_findings({}) == ""


def test_png_has_the_panels_side_by_side() -> None:
    with Image.open(io.BytesIO(robustness_png(ROWS, "a", 4))) as image:
        colors = image.convert("RGB").getcolors(1 << 24)
        assert image.format == "PNG"
        assert image.width > 3 * image.height
    blue = (0, 0x72, 0xB2)
    assert colors is not None
    assert {color for _, color in colors} >= {blue, (255, 255, 255)}
