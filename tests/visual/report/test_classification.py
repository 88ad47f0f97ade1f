"""The page about classifiers says what the run folders say."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from subband.visual.report.page import write_report
from subband.visual.report.runs import read_runs

MakeRun = Callable[..., Path]
HEADINGS = ["Scores", "Classes", "Mistakes", "Test images", "Robustness", "Training", "How it was made"]


def _headings(page: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", page)


def test_page_of_one_run(make_classifier_run: MakeRun) -> None:
    folder = make_classifier_run("gfnet")
    page = write_report([folder]).read_text()
    [row] = json.loads((folder / "scores.json").read_text())["rows"]
    assert "<h1>gfnet on digits</h1>" in page
    assert "subband · image classification" in page
    assert _headings(page) == HEADINGS
    assert f"<strong>{100 * row['metrics']['top1']:.2f}</strong>" in page
    assert f"<strong>{row['metrics']['cross_entropy']:.4f}</strong>" in page
    assert page.count("<article") == 6 + 2
    assert page.count("figure class") == 3 + 3  # robustness; loss, accuracy, learning rate
    assert "16 × 12" in page
    assert "not computed" not in page
    assert "subband train gfnet.yaml" in page


def test_runs_share_images_and_figures(make_classifier_run: MakeRun, tmp_path: Path) -> None:
    folders = [make_classifier_run("gfnet"), make_classifier_run("dct", skill=1.0, robust=False)]
    page = write_report(folders, tmp_path / "both.html").read_text()
    assert page.count("<h2>Scores</h2>") == 1
    assert page.count("<article") == 6 + 2 * 2  # the same images, once; mistakes of each
    assert page.count("<table class=") == 2
    assert page.count("figure class") == 6
    assert "Next comes dct" in page


def test_a_run_with_scores_alone(make_classifier_run: MakeRun) -> None:
    folder = make_classifier_run("gfnet", robust=False)
    for name in ("metrics.csv", "samples.npz", "config.yaml"):
        (folder / name).unlink()
    assert _headings(write_report([folder]).read_text()) == ["Scores", "Classes", "Mistakes", "How it was made"]


def test_robustness_of_another_test_set_is_left_out(make_classifier_run: MakeRun) -> None:
    folder = make_classifier_run("gfnet")
    document = json.loads((folder / "robustness.json").read_text())
    document["data"]["images"] += 1
    (folder / "robustness.json").write_text(json.dumps(document))
    assert "<h2>Robustness</h2>" not in write_report([folder]).read_text()


@pytest.mark.parametrize("content", ["{", "[]", '{"rows": [{}]}', '{"rows": [], "data": {}}'])
def test_damaged_robustness(make_classifier_run: MakeRun, content: str) -> None:
    folder = make_classifier_run("gfnet")
    (folder / "robustness.json").write_text(content)
    with pytest.raises(ValueError, match=r"robustness\.json was not written by subband evaluate --robustness"):
        write_report([folder])


def test_tasks_do_not_mix(make_run: MakeRun, make_classifier_run: MakeRun) -> None:
    with pytest.raises(ValueError, match=r"of one task, these are of classification and video_prediction; write one"):
        write_report([make_run("wast"), make_classifier_run("gfnet")])


def test_samples_that_do_not_fit(make_classifier_run: MakeRun) -> None:
    folder = make_classifier_run("gfnet")
    images, labels = np.zeros((2, 3, 4, 4), np.uint8), np.zeros(2, int)
    good = {"inputs": images, "targets": labels, "prediction/gfnet": np.zeros((2, 7), np.float32)}
    np.savez(folder / "samples.npz", **good)
    assert read_runs([folder])[0].samples is not None
    for changes in (
        {"prediction/gfnet": np.zeros((3, 7), np.float32)},
        {"prediction/gfnet": np.zeros((2, 7), int)},
        {"targets": np.zeros((2, 1), int)},
        {"targets": np.zeros(2)},
        {"inputs": images.astype(float)},
        {"inputs": images[0]},
        {"inputs": np.uint8(1)},
        {"mistakes/gfnet/inputs": images, "mistakes/gfnet/targets": labels[:1]},
    ):
        np.savez(folder / "samples.npz", **{**good, **changes})
        with pytest.raises(ValueError, match=r"samples\.npz cannot be read"):
            read_runs([folder])


def test_text_from_runs_is_escaped(make_classifier_run: MakeRun) -> None:
    classes = [f"<script>{index}</script>" for index in range(3)]
    page = write_report([make_classifier_run("<b>", classes=classes)]).read_text()
    assert "<script" not in page
    assert "<b></b>" not in page
    assert "default-src 'none'" in page
