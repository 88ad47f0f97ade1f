"""Make RESULTS.md and docs/leaderboard.md out of the files in results/, by the plan in plan.py.

RESULTS.md has every record whole; the leaderboard has, task by task, a short table of what matters most and then the
tables of all records.

usage: python benchmarks/results.py            write both pages
       python benchmarks/results.py --check    only say whether they are what the files give
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from plan import PLAN, Headline, Task
from records import Record, line, table
from sources import RESULTS, SEPARATOR, cell, record

HERE = Path(__file__).parent
PAGE, BOARD = HERE / "RESULTS.md", HERE.parent / "docs" / "leaderboard.md"
LINK = "../benchmarks/RESULTS.md"

INTRODUCTION = """# Results

This page is made of the files in `results/` by `python benchmarks/results.py`; do not edit it. Every script writes such
a file with `--out`. Who measured: the subband authors, but for columns that say who published them. "Plain" is our
translation of a published graph in `benchmarks/published/`, measured by us, not the published code. Timings of a shared
machine are good as ratios within one run, less as absolute numbers.
"""
BOARD_INTRODUCTION = """# Leaderboard

Every row that was measured, by task: first the few that matter most, then the tables. The subband authors measured all
of it, but for columns whose heading says who published them. "Plain" is our translation of a published graph, measured
by us. Timings of a shared machine are good as ratios within one run, less as absolute numbers; `±` is a standard
deviation over seeds. What else belongs to a table (versions, seeds, what it says and what not) stands in
[the results](../benchmarks/RESULTS.md); what authors say of their weights stands in
[which model for what](which_model.md), in a column of its own.

This page is made of the files in `benchmarks/results/` by `python benchmarks/results.py`; do not edit it. To add a row,
run the command of its table with `--out` and then that script.
"""
HEADINGS = ("model", "data", "score", "cost", "measured by", "date", "hardware", "command", "all rows")
MEASURED_BY = "subband authors"


def missing() -> list[str]:
    """What the plan and the files do not share."""
    planned = [name for task in PLAN for name in task.records]
    found = {path.stem for path in RESULTS.glob("*.json")}
    twice = [f"{name} is twice in plan.py" for name in sorted(set(planned)) if planned.count(name) > 1]
    lost = [f"{name}.json is in no task of plan.py" for name in sorted(found - set(planned))]
    return [*twice, *lost, *(f"{name} of plan.py is not in results/" for name in sorted(set(planned) - found))]


def hardware_class(hardware: str) -> str:
    """Name of the processor or GPU, and how many cores."""
    name = re.split(r"[,(@]", hardware.replace("(R)", ""))[0].strip().removesuffix(" Processor")
    cores = re.search(r"\d+ (?=(?:shared )?cores)", hardware)
    return f"{name}, {cores[0]}cores" if cores else name


def anchor(title: str) -> str:
    """What a link to a heading ends in, on GitHub and in the documentation."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip())


def facts(source: Record) -> str:
    """When, on what and at which commit a record was measured."""
    commit = f"commit {source.commit}" if source.commit else "commit not noted"
    return f"{source.date}, {hardware_class(source.hardware)}, {commit}"


def commands(source: Record) -> list[str]:
    """The commands as a block of code, if there are any."""
    return ["\n".join(f"    {command}" for command in source.command)] if source.command else []


def section(source: Record) -> str:
    """Heading, facts, commands, table and paragraphs of a record."""
    word = "seed" if len(source.seeds) == 1 else "seeds"
    seeds = f", {word} {' '.join(map(str, source.seeds))}" if source.seeds else ""
    commit = f"commit {source.commit}" if source.commit else "commit not noted"
    parts = [f"### {source.title}", f"{source.date}, {source.hardware}, {source.software}, {commit}{seeds}."]
    tables = [table(source)] if source.rows else []
    return "\n\n".join([*parts, *commands(source), *source.about, *tables, *source.notes]) + "\n"


def page() -> str:
    """All of RESULTS.md."""
    parts = [INTRODUCTION]
    for task in PLAN:
        parts += [f"## {task.name}\n", *(section(record(name)) for name in task.records)]
    return "\n".join(parts)


def headline(row: Headline) -> str:
    """A row of the short table of a task."""
    source = record(row.record)

    def fill(text: str) -> str:
        return re.sub(r"\{(.+?)\}", lambda found: cell(f"{row.record}{SEPARATOR}{found[1]}"), text)

    command = "<br>".join(f"`{words.replace('|', chr(92) + '|')}`" for words in source.command) or "-"
    texts = [row.model, row.data, fill(row.score), fill(row.cost)]
    where = f"[{source.title}]({LINK}#{anchor(source.title)})"
    return line([*texts, MEASURED_BY, source.date, hardware_class(source.hardware), command, where])


def board_section(task: Task) -> str:
    """Short table and all tables of a task."""
    short = [line(HEADINGS), "|---" * len(HEADINGS) + "|", *(headline(row) for row in task.headlines)]
    parts = [f"## {task.name}", "\n".join(short)]
    for source in map(record, task.records):
        if source.rows:
            parts += [f"### {source.title}", f"{facts(source)}.", *commands(source), table(source)]
    return "\n\n".join(parts) + "\n"


def board() -> str:
    """All of the leaderboard."""
    return "\n".join([BOARD_INTRODUCTION, *(board_section(task) for task in PLAN)])


def main() -> None:
    """Write or check both pages."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page is out of date")
    options = parser.parse_args()
    if missing():
        sys.exit("; ".join(missing()))
    for file, text in ((PAGE, page()), (BOARD, board())):
        if not options.check:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text("utf-8") != text:
            sys.exit(f"{file.name} is not what the files in results/ give; run python benchmarks/results.py.")


if __name__ == "__main__":
    main()
