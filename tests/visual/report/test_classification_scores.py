import re

import pytest
from scipy.stats import binomtest

from subband.metrics.descriptors import CLASSIFICATION_METRICS
from subband.visual.colors import series_styles
from subband.visual.report.classification_scores import (
    class_bars,
    confusion_findings,
    confusion_tables,
    interval,
    verdict,
)
from subband.visual.report.runs import Row, Run
from subband.visual.report.scores import score_table

CLASSES = ["cat", "dog", "<owl>"]
COUNTS = [[8, 2, 0], [1, 9, 0], [0, 4, 6]]


def _row(name: str, top1: float, **facts: object) -> Row:
    return Row(label=name, facts={"name": name, "metrics": {"top1": top1, "cross_entropy": 1.0}, **facts})


def _runs(images: int, classes: int) -> list[Run]:
    data = {"images": images, "classes": list(map(str, range(classes)))}
    return [Run(folder=None, task="classification", data=data, rows=[], environment={}, config=None)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("right", "count"), [(0, 10), (351, 359), (50, 50)])
def test_interval_is_scipys(right: int, count: int) -> None:
    wanted = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert interval(right / count, count) == pytest.approx((wanted.low, wanted.high), abs=1e-5)


def test_verdict_of_one_model() -> None:
    text = verdict(_runs(12000, 8), [_row("gfnet", 0.9)])
    low, high = (100 * end for end in interval(0.9, 12000))
    assert text == (
        "gfnet names the right class of 90.0\u202f% of 12\u202f000 test images "
        f"(95\u202f% interval {low:.1f} to {high:.1f}\u202f%; guessing: 12\u202f%)."
    )


@pytest.mark.parametrize(
    ("images", "ending"),
    [
        (100, "with 88.0\u202f%; the intervals overlap, so these images do not settle which of the two is better."),
        (100_000, "Next comes wsfvit with 88.0\u202f%."),
    ],
)
def test_verdict_says_whether_the_images_are_enough(images: int, ending: str) -> None:
    text = verdict(_runs(images, 10), [_row("wsfvit", 0.88), _row("gfnet", 0.9), _row("dct", 0.1)])
    assert text.startswith("gfnet names")
    assert text.endswith(ending)


def test_top5_is_a_column_only_where_it_was_measured() -> None:
    row = _row("gfnet", 0.9)
    styles = series_styles([row.label])
    without = score_table([row], styles, CLASSIFICATION_METRICS)
    row.facts["metrics"]["top5"] = 1.0
    assert "Top-1" in without
    assert "Top-5" not in without
    assert "Top-5" in score_table([row], styles, CLASSIFICATION_METRICS)


def test_bars_of_all_classes_the_hardest_first() -> None:
    rows = [_row("a", 0.8, per_class={"cat": 0.8, "dog": 0.95, "<owl>": 0.55})]
    rows.append(_row("b", 0.8, per_class={"cat": 0.1, "dog": 1.0, "<owl>": 0.5}))
    html = class_bars(rows, series_styles(["a", "b"]))
    assert re.findall(r'class="name">([^/]*)</span>', html) == ["cat", "&lt;owl&gt;", "dog"]
    assert re.findall(r"--share: ([\d.]+)%; --color: var\((--series-\d)\)", html)[:2] == [
        ("80.0", "--series-1"),
        ("10.0", "--series-2"),
    ]
    assert "95\u202f%" in html
    assert class_bars([_row("c", 0.1)], series_styles(["c"])) == ""


def test_many_classes_show_their_ends() -> None:
    shares = {f"class {index:03d}": index / 100 for index in range(60)}
    html = class_bars([_row("a", 0.3, per_class=shares)], series_styles(["a"]))
    names = re.findall(r'class="name">class (\d+)</span>', html)
    assert list(map(int, names)) == [*range(20), *range(59, 39, -1)]
    assert "The 20 hardest of 60 classes" in html
    assert html.count('<ul class="legend">') == 1


def test_most_frequent_mistakes() -> None:
    html = confusion_findings([_row("a", 0.8, confusion=COUNTS), _row("b", 0.8)], CLASSES)
    assert html.count("<li>") == 1
    assert "<i>&lt;owl&gt;</i> taken for <i>dog</i> (4 of 10), <i>cat</i> taken for <i>dog</i> (2 of 10)" in html
    perfect = [[10, 0, 0], [0, 10, 0], [0, 0, 10]]
    assert "no mistake at all" in confusion_findings([_row("a", 1.0, confusion=perfect)], CLASSES)


def test_confusion_table() -> None:
    html = confusion_tables([_row("a", 0.8, confusion=COUNTS)], CLASSES)
    lines = re.findall(r"<tr>.*?</tr>", html)
    assert [re.sub("<[^>]*>", " ", line).split() for line in lines[1:]] == [
        ["cat", "8", "2"],
        ["dog", "1", "9"],
        ["&lt;owl&gt;", "4", "6"],
    ]
    assert lines[3].count("<td></td>") == 1
    assert "--color: var(--series-2); --shade: 42%" in lines[3]  # 12 + 48 * sqrt(0.4)
    both = confusion_tables([_row("a", 0.8, confusion=COUNTS), _row("b", 0.8, confusion=COUNTS)], CLASSES)
    assert both.count("<details open>") == 1
    assert both.count("<table") == 2
    assert confusion_tables([_row("a", 0.8, confusion=COUNTS)], [str(index) for index in range(31)]) == ""
