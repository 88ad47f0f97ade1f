"""One self-contained HTML page about one or more runs: no server, no script, nothing loaded from anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from subband.files import new_path
from subband.tasks import task_class
from subband.visual.colors import series_styles
from subband.visual.html import code, details, facts, heading, page, paragraph, part, section, stack
from subband.visual.report.runs import Row, Run, read_runs
from subband.visual.report.task_report import Styles, TaskReport, data_name

_SEVERAL = "The runs were scored on different data; each data set has a part of its own below."


def write_report(run_folders: list[Path], out: Path | None = None, overwrite: bool = False) -> Path:
    """Writes the report of run folders as one HTML file.

    Runs on the same test data share one table and one set of figures; runs on other data stand in a part of their own,
    since their scores cannot be compared. What a run does not hold (a training log, samples, weights of a metric) is
    left out or shown as "not computed".

    Args:
        run_folders: Folders of `subband train` or `subband evaluate`.
        out: HTML file to write; None is `report.html` in the first run folder.
        overwrite: Replaces an existing file.

    Returns:
        The file.

    Raises:
        FileNotFoundError: If a run folder has no `scores.json`, or the folder of `out` does not exist.
        FileExistsError: If `out` exists and `overwrite` is False.
        ValueError: If a file of a run folder cannot be read, there is no report for its task, or the runs are of
            different tasks.
        ImportError: If matplotlib is not installed.
    """
    runs = read_runs([Path(folder) for folder in run_folders])
    task = task_class(runs[0].task).report()
    target = Path(out) if out is not None else runs[0].folder / "report.html"
    styles = series_styles([row.label for run in runs for row in run.rows])
    groups = [list(group) for _, group in groupby(sorted(runs, key=_data_key), key=_data_key)]
    html = page(
        _title(groups),
        stack(*(_group(task, group, styles, len(groups) > 1) for group in groups)),
        subject=task.name,
        lead=task.lead,
        summary=_summary(task, groups[0]) if len(groups) == 1 else paragraph(_SEVERAL),
        footer=_footer(runs),
        sheets=task.sheets,
    )
    with new_path(target, overwrite=overwrite) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return target


def _data_key(run: Run) -> str:
    return json.dumps(run.data, sort_keys=True)


def _title(groups: Sequence[Sequence[Run]]) -> str:
    models = list(dict.fromkeys(row.label for group in groups for row in _rows(group) if not row.is_baseline))
    names = " and ".join(dict.fromkeys(data_name(group[0].data) for group in groups))
    return f"{models[0] if len(models) == 1 else f'{len(models)} models'} on {names}"


def _summary(task: TaskReport, runs: Sequence[Run]) -> Markup:
    """What came out and on which data, for runs on one data set."""
    return stack(paragraph(task.verdict(runs, _rows(runs))), facts(task.facts(runs)))


def _group(task: TaskReport, runs: Sequence[Run], styles: Styles, with_heading: bool) -> Markup:
    """All sections about runs on one data set."""
    rows = _rows(runs)
    own = {row.label: styles[row.label] for row in rows}
    head = part(data_name(runs[0].data), _summary(task, runs)) if with_heading else Markup()
    provenance = (block for run in runs for block in _provenance(run))
    made = section("How it was made", "Everything needed to repeat it.", *provenance)
    return stack(head, *task.sections(runs, rows, own), made)


def _rows(runs: Sequence[Run]) -> list[Row]:
    """Rows of all runs on one data set; baselines, equal in all of them, once and last."""
    rows = [row for run in runs for row in run.rows]
    models = [row for row in rows if not row.is_baseline]
    return models + list({row.label: row for row in rows if row.is_baseline}.values())


def _provenance(run: Run) -> list[Markup]:
    environment = dict(run.environment)
    command = environment.pop("command", None)
    pairs = [
        (name.replace("_", " ").capitalize(), str(value)) for name, value in environment.items() if value is not None
    ]
    blocks = [heading(run.folder.resolve().name)]
    if command:
        blocks.append(code(str(command)))
    blocks.append(facts(pairs))
    if run.config:
        blocks.append(details("Resolved configuration", code(run.config)))
    return blocks


def _footer(runs: Sequence[Run]) -> str:
    versions = sorted({str(run.environment.get("subband")) for run in runs if run.environment.get("subband")})
    written = f" {', '.join(versions)}" if versions else ""
    return f"Scored by subband{written}. This file holds everything it shows."
