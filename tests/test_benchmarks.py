"""The benchmarks run and write their results; that of the transforms finds that all libraries agree."""

import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from subband.models.model_folder import BUNDLED_FOLDER, read_card

SCRIPTS = Path(__file__).parent.parent / "benchmarks"


def run_script(name, *words, folder):
    """What a script prints."""
    command = [sys.executable, str(SCRIPTS / name), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def scripts(monkeypatch):
    """Makes the modules beside the scripts importable for the time of a test."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


def test_the_pages_of_results_are_what_their_files_give(tmp_path):
    run_script("results.py", "--check", folder=tmp_path)


@pytest.fixture
def copied(tmp_path):
    """A copy of the files that the pages of results are made of."""
    folder = tmp_path / "benchmarks"
    shutil.copytree(SCRIPTS / "results", folder / "results")
    for name in ("plan.py", "records.py", "results.py", "sources.py", "RESULTS.md"):
        shutil.copy(SCRIPTS / name, folder)
    (tmp_path / "docs").mkdir()
    shutil.copy(SCRIPTS.parent / "docs" / "leaderboard.md", tmp_path / "docs")
    return folder


def make_pages(folder, *words):
    command = [sys.executable, str(folder / "results.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_changed_figure_shows_on_the_pages(copied):
    file = copied / "results" / "demo.json"
    text = file.read_text("utf-8")
    assert "28.66" in text
    file.write_text(text.replace("28.66", "28.67"), encoding="utf-8")
    checked = make_pages(copied, "--check")
    assert checked.returncode == 1
    assert "RESULTS.md is not what the files in results/ give" in checked.stderr
    assert make_pages(copied).returncode == 0
    assert "| 28.67 |" in (copied / "RESULTS.md").read_text("utf-8")
    board = (copied.parent / "docs" / "leaderboard.md").read_text("utf-8")
    assert "| 28.67 |" in board
    assert "MSE 28.67" in board
    assert make_pages(copied, "--check").returncode == 0


def test_a_record_without_a_task_is_named(copied):
    shutil.copy(copied / "results" / "demo.json", copied / "results" / "more.json")
    (copied / "results" / "media.json").unlink()
    made = make_pages(copied)
    assert made.returncode == 1
    assert made.stderr == "more.json is in no task of plan.py; media of plan.py is not in results/\n"


def test_every_row_and_what_belongs_to_it_is_on_the_leaderboard(scripts):
    from records import line, read_record
    from results import BOARD, facts

    sections = {part.split("\n")[0]: part for part in BOARD.read_text("utf-8").split("\n### ")}
    for file in sorted((SCRIPTS / "results").glob("*.json")):
        record = read_record(file)
        if record.rows:
            lines = sections[record.title].splitlines()
            assert {*map(line, [record.columns, *record.rows]), f"{facts(record)}."} <= set(lines), file
            assert {f"    {command}" for command in record.command} <= set(lines), file


@pytest.mark.parametrize(
    ("hardware", "short"),
    [
        ("AMD EPYC (shared virtual machine, 2 cores, no GPU), 1 thread", "AMD EPYC, 2 cores"),
        ("Intel(R) Xeon(R) Processor @ 2.60GHz, 2 cores, 1 CPU thread(s)", "Intel Xeon, 2 cores"),
        ("NVIDIA H200", "NVIDIA H200"),
    ],
)
def test_the_leaderboard_names_the_class_of_the_hardware(scripts, hardware, short):
    from results import hardware_class

    assert hardware_class(hardware) == short


def test_results_come_back_as_they_were_written(scripts, tmp_path):
    from records import line, measured, read_record, rounded, write_record

    row = ['a "word", ± 1', 1234567, rounded(1.1, 2), rounded(1234.4, 0), None]
    record = measured("Title", ["a", "b", "c", "d", "e"], [row, row], seeds=[0, 1], about=["An umlaut: ä."])
    write_record(record, tmp_path / "new" / "record.json")
    again = read_record(tmp_path / "new" / "record.json")
    assert again == record
    assert line(again.rows[0]) == '| a "word", ± 1 | 1,234,567 | 1.10 | 1,234 | - |'
    assert isinstance(again.rows[0][2], Decimal)
    assert all((again.date, again.hardware, again.commit, again.command))
    with pytest.raises(ValueError, match=r"2 cells for 1 columns"):
        write_record(measured("Title", ["a"], [[1, 2]]), tmp_path / "record.json")
    (tmp_path / "record.json").write_text('{"title": "x", "when": 0}')
    with pytest.raises(ValueError, match=r"record.json: .*when"):
        read_record(tmp_path / "record.json")


def test_every_file_of_results_is_complete(scripts):
    from records import read_record

    files = sorted((SCRIPTS / "results").glob("*.json"))
    assert len(files) >= 15
    for file in files:
        record = read_record(file)
        assert record.title, file
        assert record.hardware, file
        assert len(record.date.split("-")) == 3, file
        assert all(len(row) == len(record.columns) for row in record.rows), file


def test_runs_of_several_seeds_become_rows(scripts, tmp_path):
    from trained import rows_of

    for seed, mse in enumerate((1.0, 2.0)):
        folder = tmp_path / f"a_seed{seed}"
        folder.mkdir()
        metrics = {"mse": mse, "mae": 1.0, "psnr": 20.0, "ssim": 0.5}
        row = {"parameters": 10, "train_seconds": 3.0, "metrics": metrics}
        (folder / "scores.json").write_text(json.dumps({"rows": [row]}))
    (row,) = rows_of("ablation-wast", tmp_path, [0, 1])
    assert row == ["a", 10, "1.50 ± 0.71", "1.00 ± 0.00", "20.00 ± 0.00", "0.5000 ± 0.0000", "3 ± 0"]


@pytest.mark.slow
def test_the_benchmark_of_moving_mnist_writes_its_results(scripts, tmp_path):
    from records import read_record

    run_script("moving_mnist.py", "--batch-size", "1", "--out", "rates.json", folder=tmp_path)
    record = read_record(tmp_path / "rates.json")
    assert [row[0] for row in record.rows] == ["loop over samples", "one tensor program", "zeros of that size"]
    assert record.command == ["python benchmarks/moving_mnist.py --batch-size 1 --out rates.json"]


def table(text):
    """Cells of a Markdown table without its head."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return lines[2:]


@pytest.mark.slow
def test_the_benchmark_of_the_transforms_runs(tmp_path):
    files = {kind: tmp_path / f"results.{kind}" for kind in ("json", "csv", "markdown", "plot")}
    files["plot"] = tmp_path / "results.png"
    words = [f"--{kind}={file}" for kind, file in files.items()]
    out = tmp_path / "record.json"
    run_script("transforms.py", "--cases", "haar 3-D", "--rounds", "1", *words, f"--out={out}", folder=tmp_path)
    record = json.loads(out.read_text())
    assert [row[:2] for row in record["rows"]] == [["haar 3-D 4x16x10x64x64", way] for way in ("forward", "f+b")]
    assert all(file.stat().st_size > 0 for file in files.values())
    rows = json.loads(files["json"].read_text())["rows"]
    assert [row["pass"] for row in rows] == ["forward", "f+b"]
    for row in rows:
        assert not row["remarks"]
        assert {"clone", "subband", "OpenSTL layer"} <= set(row["ms"])
    assert "PyWavelets" in rows[0]["ms"]


@pytest.mark.slow
def test_the_benchmark_of_the_classifiers_runs(tmp_path):
    words = ["wsfvit_p0", "--batch", "1", "--repeats", "1", "--out", "record.json"]
    rows = table(run_script("classification.py", *words, folder=tmp_path))
    assert [row[:3] for row in json.loads((tmp_path / "record.json").read_text())["rows"]] == [
        ["wsfvit_p0", 1, mode] for mode in ("forward", "train")
    ]
    assert [row[:3] for row in rows] == [["wsfvit_p0", "1", mode] for mode in ("forward", "train")]
    for row in rows:
        published, ours, ratio = map(float, row[3:])
        assert ratio == pytest.approx(published / ours, abs=0.1)


def test_objects_of_two_detectors_are_compared(scripts):
    import torch

    from detection import agreement

    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40], [5, 5, 9, 9]])
    scores, labels = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 2, 1])
    moved = boxes + torch.tensor([[0.25], [0.0], [3.0]])
    assert agreement([boxes, scores, labels], [moved, scores, labels]) == (2, 0.25)
    assert agreement([boxes[:1], scores[:1], labels[:1]], [moved, scores, labels + 1])[0] == 0


@pytest.mark.parametrize("head", ["classic", "simple"])
def test_the_plain_vitpose_gives_the_numbers_of_ours(scripts, head):
    import torch

    import subband
    from published.vitpose import PublishedViTPose

    torch.manual_seed(0)
    plain = PublishedViTPose(dim=12, depth=2, num_heads=3, size=(32, 48), head=head).eval()
    for value in plain.parameters():
        torch.nn.init.normal_(value, std=0.2)
    sizes = {"dim": 12, "depth": 2, "num_heads": 3, "img_size": (32, 48)}
    ours = subband.load_published("vitpose_s", plain.state_dict(), head=head, **sizes)
    crops = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        wanted = plain(crops)
        assert wanted.std() > 0.01
        torch.testing.assert_close(ours(crops), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_benchmark_of_pose_runs(scripts, tmp_path):
    from records import read_record

    words = ("vitpose_s:simple", "freqpose", "--batch=1", "--rounds=1", "--memory", "--out=a.json")
    run_script("pose.py", *words, folder=tmp_path)
    record = read_record(tmp_path / "a.json")
    rows = [dict(zip(record.columns, row, strict=True)) for row in record.rows]
    vitpose, clips = ([row for row in rows if row["network"] == name] for name in words[:2])
    assert vitpose[0]["numbers"] == clips[0]["numbers"] == "float32"
    assert float(vitpose[0]["GMAC"]) == pytest.approx(4.66, abs=0.01)
    assert float(vitpose[0]["difference"]) <= 1e-4
    assert float(vitpose[0]["than plain"]) == pytest.approx(
        float(vitpose[0]["plain ms"]) / float(vitpose[0]["ours ms"]), abs=0.02
    )
    assert vitpose[0]["plain MB"] > 0
    assert clips[0]["plain ms"] is None


@pytest.mark.slow
def test_the_benchmark_of_restoration_runs(scripts, tmp_path):
    from records import read_record

    run_script("restoration.py", "estrnn", "--clips", "5x16x20", "--rounds=1", "--out=a.json", folder=tmp_path)
    row, *others = read_record(tmp_path / "a.json").rows
    assert row[:3] == ["estrnn", "5x16x20", "float32"]
    assert all(row[:3] == ["estrnn", "5x16x20", "bfloat16"] for row in others)  # where the processor has them
    assert float(row[3]) <= 1e-4
    assert float(row[6]) == pytest.approx(float(row[4]) / float(row[5]), abs=0.2)
    run_script("restoration.py", "identity", "--command", "--rounds=1", "--out=b.json", folder=tmp_path)
    rows = read_record(tmp_path / "b.json").rows
    assert [row[1] for row in rows] == ["reading", "network", "encoding", "side by side", "command"]


@pytest.mark.slow
def test_the_benchmark_of_super_resolution_runs(scripts, tmp_path):
    from records import read_record

    run_script("super_resolution.py", "--size=12x10", "--frames=2", "--repeats=1", "--out=a.json", folder=tmp_path)
    published, ours = read_record(tmp_path / "a.json").rows
    assert [row[0] for row in (published, ours)] == ["plain", "basicvsr_pp"]
    assert float(ours[5]) <= 1e-4
    assert float(ours[4]) == pytest.approx(float(published[2]) / float(ours[2]), abs=0.1)


@pytest.mark.slow
def test_the_benchmark_of_integers_runs(tmp_path):
    bundled = BUNDLED_FOLDER / "gfnet_digits"
    shutil.copytree(bundled, tmp_path / "run" / "model")
    card = read_card(bundled)
    (tmp_path / "run" / "config.yaml").write_text(card["metadata"]["recipe"])
    single, integer = table(
        run_script("quantization.py", "run", "--repeats", "1", "--calibration-images", "64", folder=tmp_path)
    )
    assert single[:2] == ["run (gfnet_ti)", "float32"]
    assert float(single[2]) == pytest.approx(100 * card["metadata"]["scores"]["top1"], abs=0.01)
    assert float(single[3]) == 100 >= float(integer[3]) > 98
    assert float(integer[4]) < 0.5 * float(single[4])


@pytest.mark.slow
def test_the_benchmark_of_media_runs(tmp_path):
    rows = table(run_script("media.py", "--frames", "12", "--repeats", "1", folder=tmp_path))
    assert [row[1] for row in rows] == ["12", "12", "12", "12", "5", "12"]
    assert all(float(row[2]) > 0 for row in rows)


@pytest.mark.slow
def test_the_benchmarks_of_generation_run(scripts, tmp_path):
    from records import read_record

    small = ("--models", "wavelet_vae_xs", "--rounds=1")
    run_script("generation.py", "training", *small, "--batch=1", "--out=a.json", folder=tmp_path)
    (row,) = read_record(tmp_path / "a.json").rows
    assert row[:4] == ["wavelet_vae_xs", 1_384_322, 1, "float32"]
    assert float(row[5]) == 1
    run_script("generation.py", "reconstruct", *small, "--sizes", "64x48", "--out=b.json", folder=tmp_path)
    (row,) = read_record(tmp_path / "b.json").rows
    assert row[:2] == ["wavelet_vae_xs", "64 x 48"]
    run_script(
        "generation.py", "sampling", "--models", "conv_vae_e", "--num=1", "--rounds=1", "--out=c.json", folder=tmp_path
    )
    (row,) = read_record(tmp_path / "c.json").rows
    assert row[:4] == ["conv_vae_e, 128 pixels", 1, 1, "float32"]


@pytest.mark.slow
def test_the_benchmark_of_denoising_knows_bayesshrink(scripts, tmp_path):
    import torch

    from records import read_record
    from subband import create_model
    from subband.media import write_image
    from subband.models.checkpoint import save_model

    (tmp_path / "photos").mkdir()
    ramp = torch.linspace(0.2, 0.8, 40).expand(3, 40, 40)
    write_image(tmp_path / "photos" / "ramp.png", ramp)
    sizes = {"base_dims": (32,), "multipliers": ((1,),), "attention": ((),)}
    save_model(create_model("wavelet_diffusion", img_size=16, **sizes), tmp_path / "diffusion")
    words = ("photos", "--models", "diffusion", "--crop=32", "--sigmas", "0.1", "--steps", "1", "2", "--out=a.json")
    run_script("generation_denoising.py", *words, folder=tmp_path)
    rows = read_record(tmp_path / "a.json").rows
    assert [row[0] for row in rows] == ["none", "BayesShrink", "diffusion, 1 steps", "diffusion, 2 steps"]
    assert float(rows[0][2]) == pytest.approx(20, abs=0.5)
    assert float(rows[1][2]) > 26


def test_the_benchmark_of_smoothing_scores_joints_with_and_without(scripts, tmp_path):
    import torch

    from records import read_record
    from subband import create_model
    from subband.joints import POSETRACK
    from subband.models.checkpoint import save_model

    torch.manual_seed(0)
    model = create_model("freqpose", num_frames=3, channels=4, groups=2, img_size=(32, 32))
    prepare = {"size": [32, 32], "padding": 1.0, "convention": "classic"}
    save_model(model, tmp_path / "model", metadata={"joints": list(POSETRACK.names), "preprocessing": prepare})
    words = ("--weights", "model", "--videos=2", "--length=8", "--out=a.json")
    run_script("pose_smoothing.py", *words, folder=tmp_path)
    found, smooth = read_record(tmp_path / "a.json").rows
    assert [found[:2], smooth[:2]] == [
        ["freqpose", "as they are found"],
        ["freqpose", "through the 1 Euro filter"],
    ]
    assert 0 < smooth[5] < found[5] * 7 / 10, "joints of a network that knows nothing jump; smoothed they jump less"
