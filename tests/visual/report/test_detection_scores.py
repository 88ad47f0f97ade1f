"""What the report says of detectors, in numbers that are worked out by hand."""

import re

import pytest

from subband.visual.colors import series_styles
from subband.visual.report.detection_scores import (
    choice_findings,
    class_tables,
    curve_plots,
    taken_findings,
    taken_tables,
)
from subband.visual.report.runs import Row

CLASSES = ["cat", "<dog>"]
CURVE = [1.0] * 51 + [0.5] * 25 + [0.0] * 25
CHOICE = {"min_score": 0.4, "hits": 6, "missed": 4, "wrong": 2, "f1": {"0.4": 2 / 3, "0.99": 0.0}}
COUNTS = [[4, 1, 1], [0, 2, 2], [1, 0, 0]]


def row(label="a", **facts):
    usual = {
        "curves": {"cat": {"0.50": CURVE, "0.75": [0.5] * 101}, "<dog>": {"0.50": [1.0] * 101, "0.75": CURVE}},
        "per_class": {"cat": 0.4, "<dog>": 0.7},
        "choice": CHOICE,
        "confusion": COUNTS,
    }
    return Row(label=label, facts={"name": label, "metrics": {}, **usual, **facts})


def cells(html):
    lines = re.findall(r"<tr>.*?</tr>", html, re.DOTALL)
    return [re.sub("<[^>]*>", " ", line).split() for line in lines]


def test_the_score_that_suits_a_model_best():
    html = choice_findings([row(), Row(label="old", facts={"name": "old", "metrics": {}})])
    assert html.count("<li>") == 1
    assert "does best with boxes of score 0.4 or more: it finds 6 of 10 objects (60.0\u202f%)" in html
    assert "75.0\u202f% of its 8 boxes are right (F1 66.7\u202f%)" in html
    nothing = {**CHOICE, "hits": 0, "wrong": 0}
    assert "0.0\u202f% of its 0 boxes are right" in choice_findings([row(choice=nothing)])


def test_numbers_of_every_class():
    html = class_tables([row()], [*CLASSES, "cow"])
    assert cells(html)[1:] == [
        ["cat", "40.0", "62.9", "50.0", "6", "66.7", "80.0"],  # (51 + 12.5) / 101; 4 of 6, 4 of 5 boxes
        ["&lt;dog&gt;", "70.0", "100.0", "62.9", "4", "50.0", "66.7"],
    ]
    assert cells(class_tables([row(confusion=None)], CLASSES))[1] == ["cat", "40.0", "62.9", "50.0"]
    assert class_tables([row("a"), row("b")], CLASSES).count("<table") == 2


def test_what_is_taken_for_what():
    words = taken_findings([row()], CLASSES)
    assert (
        "most frequent mistakes: <i>&lt;dog&gt;</i> missed (2 of 4), <i>cat</i> taken for <i>&lt;dog&gt;</i> (1 of 6), "
        "<i>cat</i> missed (1 of 6), one box of <i>cat</i> where there is no object." in words
    )
    assert "no mistake at all" in taken_findings([row(confusion=[[3, 0, 0], [0, 1, 0], [0, 0, 0]])], CLASSES)
    table = cells(taken_tables([row()], CLASSES))
    assert table[0] == ["cat", "&lt;dog&gt;", "missed"]
    assert table[1:] == [["cat", "4", "1", "1"], ["&lt;dog&gt;", "2", "2"], ["no", "object", "1"]]
    assert taken_tables([row()], ["a"] * 31) == ""


def test_curves_of_the_mean_and_of_every_class(monkeypatch):
    drawn = {}

    def keep(curves, title, *labels, **options):
        drawn[title] = curves
        return ""

    monkeypatch.setattr("subband.visual.report.detection_scores.line_plot", keep)
    html = curve_plots([row()], series_styles(["a"]))
    assert html.index("All classes, mean") < html.index("F1 by least score") < html.index("cat") < html.index("&lt;dog")
    pale, strong = drawn["Precision by recall: All classes, mean"]
    assert (pale.is_faint, strong.is_faint) == (True, False)
    assert [strong.y[0], strong.y[60], strong.y[100]] == [100, 75, 50]
    assert pale.y[60] == pytest.approx(50)
    assert list(strong.x) == list(range(101))
    assert drawn["F1 by least score"][0].y == [pytest.approx(200 / 3), 0]
    many = {f"{number}": {"0.50": CURVE, "0.75": CURVE} for number in range(20)}
    html = curve_plots([row(curves=many, per_class={})], series_styles(["a"]))
    assert "The 11 hardest classes; 9 more are in scores.json." in html
    assert curve_plots([Row(label="old", facts={"name": "old", "metrics": {}})], {}) == ""
