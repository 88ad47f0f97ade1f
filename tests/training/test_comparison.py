"""Recipes against each other: order of the runs, what is kept, what is refused."""

import json

import pytest

from subband.config import load_recipe, recipe_text
from subband.training import comparison
from subband.training.comparison import Entry, mean_and_spread, run_folder, train_entries

ENTRIES = [Entry(label=name.upper(), name=name, recipe="video_prediction/wast_digits") for name in ("a", "b")]


@pytest.fixture
def trained(monkeypatch):
    """Runs that were asked for; a run of it gives its number as its score."""
    runs = []

    def train(recipe, folder, **options):
        runs.append((folder.name, recipe.seed, options["resume"], options["overwrite"]))
        return {"rows": [{"number": len(runs)}]}

    monkeypatch.setattr(comparison, "train", train)
    return runs


def test_every_entry_trains_with_the_first_seed_before_the_next(trained, tmp_path):
    said = []
    rows = train_entries(ENTRIES, [3, 5, 3], tmp_path, announce=said.append)
    assert [(name, seed) for name, seed, _, _ in trained] == [
        ("a_seed3", 3),
        ("b_seed3", 3),
        ("a_seed5", 5),
        ("b_seed5", 5),
    ]
    assert said == ["training A, seed 3", "training B, seed 3", "training A, seed 5", "training B, seed 5"]
    assert rows == {"A": [{"number": 1}, {"number": 3}], "B": [{"number": 2}, {"number": 4}]}


def test_finished_runs_are_kept_and_broken_off_ones_go_on(trained, tmp_path):
    done, half = (run_folder(tmp_path, entry, 0) for entry in ENTRIES)
    done.mkdir()
    (done / "scores.json").write_text(json.dumps({"rows": [{"number": 77}]}))
    (half / "checkpoints").mkdir(parents=True)
    (half / "checkpoints" / "last.ckpt").touch()
    assert train_entries(ENTRIES, [0], tmp_path) == {"A": [{"number": 77}], "B": [{"number": 1}]}
    assert trained == [("b_seed0", 0, True, False)]


def test_a_run_with_other_settings_stops_all_before_the_first(trained, tmp_path):
    folder = run_folder(tmp_path, ENTRIES[1], 0)
    folder.mkdir()
    (folder / "config.yaml").write_text(recipe_text(load_recipe(ENTRIES[1].recipe, {"optim": {"lr": 0.5}})))
    with pytest.raises(ValueError, match="b_seed0 holds a run with other settings"):
        train_entries(ENTRIES, [0], tmp_path)
    assert not trained


def test_mean_and_spread_need_numbers():
    assert mean_and_spread([2.0, 4.0], 1) == "3.0 ± 1.4"
    assert mean_and_spread([None], 1) == "-"
