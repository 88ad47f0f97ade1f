"""The page says what the run folders say, and a browser shows it without complaint."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from subband.visual.report.page import write_report

MakeRun = Callable[..., Path]
Look = Callable[..., tuple[dict[str, Any], list[str]]]


@pytest.fixture
def bare_run(make_run: MakeRun) -> Path:
    """A run folder with the metrics and nothing else."""
    folder = make_run("wast")
    for name in ("metrics.csv", "samples.npz", "config.yaml"):
        (folder / name).unlink()
    scores = json.loads((folder / "scores.json").read_text())
    rows = [{"name": row["name"], "metrics": row["metrics"]} for row in scores["rows"]]
    (folder / "scores.json").write_text(json.dumps(scores | {"rows": rows}))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(look: Look, make_run: MakeRun, tmp_path: Path, width: int) -> None:
    runs = [make_run("a_model_with_quite_a_long_name", blur=0.3), make_run("tau", seed=2), make_run("wast", seed=3)]
    answer, console = look(write_report(runs, tmp_path / "report.html"), width)
    assert answer["width"] <= width
    assert answer["wide"] == []
    assert answer["broken"] == []
    # two clips: animation, input, target, four predictions with their errors
    assert answer["images"] == 2 * (1 + 2 + 2 * 4)
    assert answer["plots"] == 9
    assert answer["heading"] == "3 models on moving_digits"
    assert answer["requests"] == []
    assert console == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_classifiers_in_a_browser(look: Look, make_classifier_run: MakeRun, tmp_path: Path, width: int) -> None:
    classes = [f"{index} {'a_class_with_quite_a_long_name' * (index % 3)}" for index in range(30)]
    runs = [make_classifier_run(name, classes=classes) for name in ("a_model_with_quite_a_long_name", "gfnet")]
    answer, console = look(write_report(runs, tmp_path / "report.html"), width)
    assert answer["width"] <= width
    assert answer["wide"] == []
    assert answer["broken"] == []
    assert answer["images"] == 6 + 2 * 2  # test images, mistakes of both
    assert answer["plots"] == 6
    assert answer["requests"] == []
    assert console == []


@pytest.mark.slow
def test_the_browser_test_sees_faults(look: Look, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(
        '<h1>x</h1><img alt="lost" src="data:image/png;base64,AAAA"><div style="width: 2000px">wide</div>'
        "<script>console.error('fault')</script>"
    )
    answer, console = look(page, 390)
    assert answer["broken"] == ["lost"]
    assert answer["width"] >= 2000
    assert len(answer["wide"]) == 1
    assert len(console) == 1


def test_nothing_comes_from_outside(make_run: MakeRun) -> None:
    page = write_report([make_run("wast")]).read_text()
    addresses = re.findall(r'(?:src|srcset|href|url)\s*[=(]\s*"?([^")\s>]+)', page)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_page_of_one_run(make_run: MakeRun) -> None:
    folder = make_run("wast_digits")
    path = write_report([folder])
    assert path == folder / "report.html"
    page = path.read_text()
    scores = json.loads((folder / "scores.json").read_text())
    assert "<h1>wast_digits on moving_digits</h1>" in page
    for row in scores["rows"]:
        assert f"{row['metrics']['mse']:.2f}" in page
        assert f"{row['metrics']['ssim']:.4f}" in page
    assert page.count("not computed") == 2  # LPIPS of both rows
    assert "subband train wast_digits.yaml" in page
    assert "embed_dim: 20" in page
    assert "10 given, 10 predicted" in page
    assert "it loses high frequencies" in page


def test_runs_share_one_table_with_one_baseline(make_run: MakeRun) -> None:
    folders = [make_run("wast"), make_run("tau", seed=2)]
    page = write_report(folders, folders[0] / "both.html").read_text()
    assert page.count("persistence</th>") == 2  # main metrics, further metrics
    assert page.count("<article") == 2  # the same two clips, once
    assert page.count("<h2>Scores</h2>") == 1


def test_other_data_stands_apart(make_run: MakeRun) -> None:
    folders = [make_run("wast"), make_run("tau", seed=2, data="photos", channels=3)]
    page = write_report(folders, folders[0] / "both.html").read_text()
    assert page.count("<h2>Scores</h2>") == 2
    assert "scored on different data" in page
    assert "64 × 64, color" in page


def test_a_run_with_scores_alone(bare_run: Path) -> None:
    page = write_report([bare_run]).read_text()
    assert "<h2>Scores</h2>" in page
    for heading in ("Predictions", "Error over time", "Frequencies", "Training"):
        assert f"<h2>{heading}</h2>" not in page


def test_text_from_runs_is_escaped(bare_run: Path) -> None:
    scores = json.loads((bare_run / "scores.json").read_text())
    scores["data"]["name"] = scores["rows"][0]["name"] = "<img src=x onerror=alert(1)>"
    (bare_run / "scores.json").write_text(json.dumps(scores))
    (bare_run / "config.yaml").write_text("note: </pre><script>alert(1)</script>")
    page = write_report([bare_run]).read_text()
    assert "<script>" not in page
    assert "<img src=x" not in page


def test_existing_pages_are_kept(bare_run: Path) -> None:
    path = write_report([bare_run])
    path.write_text("notes in the margin")
    with pytest.raises(FileExistsError, match=r"report\.html exists already"):
        write_report([bare_run])
    assert path.read_text() == "notes in the margin"
    assert "<h1>" in write_report([bare_run], overwrite=True).read_text()


def test_same_runs_give_the_same_page(make_run: MakeRun) -> None:
    folder = make_run("wast")
    one = write_report([folder], folder / "one.html").read_text()
    assert one == write_report([folder], folder / "two.html").read_text()
