"""Joints, occluded ones apart, and filters of networks for clips on the report's page."""

import re

import numpy as np

from subband.visual.plots import heat_map
from subband.visual.report.pose import _joint_table
from subband.visual.report.pose_filters import filter_figures, whole_spectrum
from subband.visual.report.runs import Row


def row(label: str, **facts: object) -> Row:
    return Row(label=label, facts={"name": label, "metrics": {}, **facts})


def joints(
    *shares: float | None, occluded: tuple[float | None, ...] | None = None
) -> dict[str, dict[str, float | None]]:
    found = {name: {"pck": share} for name, share in zip(("nose", "left_wrist"), shares, strict=True)}
    for name, share in zip(found, occluded or (), strict=False):
        found[name]["pck_occluded"] = share
    return found


def cells(page: str) -> list[list[str]]:
    lines = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [[re.sub("<[^>]*>", "", one).strip() for one in re.findall(r"<t[hd].*?</t[hd]>", line)] for line in lines]


def test_occluded_joints_have_columns_of_their_own() -> None:
    rows = [
        row("a", per_joint=joints(0.5, 1.0, occluded=(0.25, None))),
        row("b", per_joint=joints(0.75, 0.5, occluded=(0.125, 0.0))),
    ]
    page = _joint_table(rows, ("nose", "left_wrist"))
    assert cells(page) == [
        ["Joint", "a", "a, occluded", "b", "b, occluded"],
        ["nose", "50.0", "25.0", "75.0", "12.5"],
        ["left wrist", "100.0", "–", "50.0", "0.0"],
    ]
    assert re.findall("<strong>(.*?)</strong>", page) == ["25.0", "75.0", "100.0", "0.0"], "best of each kind"


def test_scores_without_occluded_joints_have_no_such_columns() -> None:
    rows = [row("old", per_joint=joints(0.5, None)), row("b", per_joint=joints(0.5, None, occluded=(None, None)))]
    assert cells(_joint_table(rows, ("nose", "left_wrist"))) == [
        ["Joint", "old", "b"],
        ["nose", "50.0", "50.0"],
        ["left wrist", "–", "–"],
    ]


def test_the_left_half_of_a_filter_is_the_right_one_turned_around_zero() -> None:
    for num_frames in (1, 2, 3, 4, 5):
        weights = np.random.default_rng(0).random((num_frames, 9))
        whole = whole_spectrum(weights)
        assert whole.shape == (num_frames + (num_frames + 1) % 2, 17)
        np.testing.assert_array_equal(whole, whole[::-1, ::-1])
        np.testing.assert_array_equal(whole[:num_frames, 9:], weights[:, 1:])


def test_filters_have_a_plot_for_every_scale_and_one_range_of_colors() -> None:
    scales = [{"reduction": 4, "amplitudes": np.ones((3, 9)).tolist()}]
    scales += [{"reduction": 8, "amplitudes": (np.ones((3, 9)) + 0.25 * np.eye(3, 9)).tolist()}]
    page = filter_figures([row("plain"), row("clips", clip_filters=scales)])
    assert page.count("<svg") == 2
    assert "plain" not in page
    for words in ("Maps 4 times smaller than the crop", "cycles per frame", "cycles per entry of the map"):
        assert words in page
    assert page.count(">1.25<") == page.count(">0.75<") == 2, "the colors of both mean the same"
    assert filter_figures([row("plain")]) == ""


def test_a_table_of_colors_puts_the_first_row_at_the_bottom() -> None:
    svg = heat_map(np.array([[0.0, 0.0], [2.0, 2.0]]), (-1, 1, 0, 8), "a & b", "x", "y", (0, 2))
    assert 'aria-label="a &amp; b"' in svg
    assert "currentColor" in svg
    assert "<image" in svg
