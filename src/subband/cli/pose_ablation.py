"""Networks for pose against each other on the command line: a teacher, its students, and what they have to beat."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from subband.cli.comparison import Column, show_comparison
from subband.cli.options import example_input
from subband.files import shown, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jsonargparse import Namespace

    from subband.config import RecipeConfig
    from subband.training.comparison import Entry

__all__ = ["SCORES", "ablate_pose"]

PLOT_FILE, CPU_SECONDS = "plot.png", "cpu_seconds.json"
# Heading, key, factor, digits.
SCORES = (
    ("PCK@0.1 %", "pck_strict", 100, 2),
    ("occluded %", "pck_strict_occluded", 100, 2),
    ("OKS AP %", "ap", 100, 1),
    ("jitter px", "jitter", 1, 2),
)


class _Clock:
    """Processor time of every run, kept in its folder; of a run that was stopped, that since it went on is missing."""

    def __init__(self) -> None:
        self._started: float | None = None

    def start(self, announcement: str) -> None:
        print(announcement, flush=True)
        self._started = time.process_time()

    def stop(self, entry: Entry, recipe: RecipeConfig, folder: Path) -> None:
        if self._started is not None:
            write_atomically(folder / CPU_SECONDS, json.dumps(time.process_time() - self._started).encode())
        self._started = None


class _Cost(NamedTuple):
    gmacs: float
    clips_per_second: float


def ablate_pose(args: Namespace) -> None:
    """Train, measure, print the table, write the plot.

    Args:
        args: Those of `subband benchmark`.
    """
    from subband.tasks.pose.ablation import TEACHER, first_entries, student_entries
    from subband.training.comparison import run_folder, train_entries

    out = Path(args.out or "runs/ablation_pose")
    changes = {"trainer": {"device": args.device}}
    clock = _Clock()
    rows: dict[str, list[dict[str, Any]]] = {}
    entries: dict[str, Entry] = {}
    for seed in dict.fromkeys(args.seeds):
        first = first_entries(args.epochs, changes)
        teacher = next(run_folder(out, entry, seed) for entry in first if entry.label == TEACHER)
        for some in (first, student_entries(teacher, args.epochs, changes)):
            trained = train_entries(
                some, [seed], out, announce=clock.start, resume_command="the same command again", done=clock.stop
            )
            for label, found in trained.items():
                rows.setdefault(label, []).extend(found)
            entries |= {entry.label: entry for entry in some}
    if not all(rows.values()):
        return  # only the first of several processes has them
    folders = {label: [run_folder(out, entry, seed) for seed in args.seeds] for label, entry in entries.items()}
    costs = _costs({label: some[0] for label, some in folders.items()})
    facts = {
        "GMAC": {label: f"{cost.gmacs:.3f}" for label, cost in costs.items()},
        "clips/s": {label: f"{cost.clips_per_second:.0f}" for label, cost in costs.items()},
        "CPU min": {label: _minutes(some) for label, some in folders.items()},
    }
    columns = [Column(heading, partial(_score, key, factor), digits) for heading, key, factor, digits in SCORES]
    show_comparison(rows, columns, facts=facts)
    print("boxes: given; clips/s: of a single clip at a time, with as many threads as PyTorch takes here.")
    write_atomically(out / PLOT_FILE, _plot(rows, costs))
    print(f"plot: {shown(out / PLOT_FILE)}")


def _minutes(folders: Sequence[Path]) -> str:
    """Processor time of runs; a dash where it is not known of all of them."""
    from subband.training.comparison import mean_and_spread

    files = [folder / CPU_SECONDS for folder in folders]
    known = all(file.is_file() for file in files)
    return mean_and_spread([json.loads(file.read_text()) / 60 for file in files], 1) if known else "-"


def _score(key: str, factor: float, run: Mapping[str, Any]) -> float | None:
    value = run["metrics"].get(key)
    return None if value is None else factor * value


def _costs(folders: Mapping[str, Path]) -> dict[str, _Cost]:
    """What networks cost by label; equal networks are measured once."""
    from subband.models.checkpoint import load_model
    from subband.models.complexity import count_macs, median_ms

    known: dict[str, _Cost] = {}
    found = {}
    for label, folder in folders.items():
        model: Any = load_model(folder).eval()
        network = json.dumps(model.model_config, sort_keys=True, default=str)
        if network not in known:
            inputs = example_input(model)
            counts = count_macs(model, inputs)
            total = counts.macs + counts.fft_macs + counts.dwt_macs
            known[network] = _Cost(total / 1e9, 1e3 / median_ms(model, inputs, repeats=9))
        found[label] = known[network]
    return found


def _plot(rows: Mapping[str, Sequence[Mapping[str, Any]]], costs: Mapping[str, _Cost]) -> bytes:
    """Scores of every run over what its network costs; runs of one network hang together."""
    from subband.visual.colors import series_styles
    from subband.visual.plots import Curve, Panel, line_panels_png

    heading, key, factor, _ = SCORES[0]
    heights = {label: sorted(_known(_score(key, factor, run) for run in runs)) for label, runs in rows.items()}
    styles = series_styles(list(rows))

    def panel(title: str, x_label: str, cost: Mapping[str, float]) -> Panel:
        curves = [Curve([cost[name]] * len(y), y, styles[name], with_markers=True) for name, y in heights.items()]
        return Panel(title, x_label, curves)

    low, high = min(min(y) for y in heights.values()), max(max(y) for y in heights.values())
    room = 0.1 * (high - low) or 1.0
    panels = [
        panel("speed", "clips per second", {name: cost.clips_per_second for name, cost in costs.items()}),
        panel("work", "GMAC of a clip", {name: cost.gmacs for name, cost in costs.items()}),
    ]
    return line_panels_png(panels, heading, (low - room, high + room), styles, log_x=True)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
