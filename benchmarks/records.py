"""Results of benchmarks as files: one table, with the facts under which it was measured.

A figure is stored as it is shown: `1.10` stays `1.10`, since its digits say how exact it is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path

__all__ = [
    "Cell",
    "Record",
    "add_out_argument",
    "describe_environment",
    "line",
    "measured",
    "read_record",
    "rounded",
    "shown",
    "table",
    "write_record",
]

Cell = str | int | Decimal | None


@dataclass(frozen=True, kw_only=True)
class Record:
    """One table of results; paragraphs and texts are Markdown.

    Attributes:
        title: What was measured.
        date: Day of the measurement, `YYYY-MM-DD`.
        commit: Short commit, `+` if there were changes; several in words. None if it was not noted.
        hardware: Processor or GPU, and how much of it.
        software: Versions.
        command: Command lines that give these rows.
        seeds: Seeds of everything random, empty if they were not noted or nothing is random.
        about: Paragraphs before the table.
        columns: Headings.
        rows: Cells of every row; None where there is nothing.
        notes: Paragraphs after the table.
    """

    title: str
    date: str
    commit: str | None
    hardware: str
    software: str
    command: list[str]
    seeds: list[int] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def describe_environment() -> dict[str, str | int]:
    """Date, hardware, versions, commit, command and thread count of this process."""
    from subband import environment  # loads torch, which reading results does not need

    return environment.describe_environment()


def add_out_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--out`, the file to which a script writes its record."""
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the results here, with date and commit")


def rounded(value: float, digits: int) -> Decimal | int:
    """A figure with so many digits after the point; a whole number for none."""
    return Decimal(f"{value:.{digits}f}") if digits else round(value)


def line(cells: Sequence[Cell]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(map(shown, cells))} |"


def shown(cell: Cell) -> str:
    """A cell as text."""
    if cell is None:
        return "-"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def table(record: Record) -> str:
    """The Markdown table of a record."""
    return "\n".join([line(record.columns), "|---" * len(record.columns) + "|", *map(line, record.rows)])


def measured(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    seeds: Sequence[int] = (),
    software: str = "",
    about: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Record:
    """A record of what this process has just measured: date, hardware, versions, commit and command are its own."""
    facts = describe_environment()
    names = {"python": "Python", "torch": "torch", "subband": "subband"}
    versions = [f"{name} {facts[key]}" for key, name in names.items()]
    return Record(
        title=title,
        date=str(facts["date"]),
        commit=str(facts["commit"]),
        hardware=f"{facts['hardware']}, {facts['threads']} CPU thread(s)",
        software=", ".join([*versions, software] if software else versions),
        command=[f"python benchmarks/{facts['command']}"],
        seeds=list(seeds),
        about=list(about),
        columns=list(columns),
        rows=[list(row) for row in rows],
        notes=list(notes),
    )


def write_record(record: Record, file: Path, *, is_final: bool = True) -> None:
    """Write a record as JSON, a line per row; a kill at any time leaves the file as it was before or as it is now.

    Args:
        record: What to write.
        file: Replaced if it is there.
        is_final: Say so on standard error; a script that writes after every row does not.

    Raises:
        ValueError: If a row has another number of cells than there are columns.
    """
    for row in record.rows:
        if len(row) != len(record.columns):
            raise ValueError(f"{file}: a row has {len(row)} cells for {len(record.columns)} columns: {row}")
    fields = [
        f' "{name}": {_table(value) if name == "rows" else _json_lines(value)}'
        for name, value in asdict(record).items()
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}-{os.getpid()}")
    aside.write_text("{\n" + ",\n".join(fields) + "\n}\n", encoding="utf-8")
    os.replace(aside, file)
    if is_final:
        print(f"wrote {file}", file=sys.stderr)


def read_record(file: Path) -> Record:
    """The record in a file.

    Raises:
        ValueError: If the file is not JSON, or a field is missing or unknown.
    """
    try:
        content = json.loads(file.read_text("utf-8"), parse_float=Decimal)
        return Record(**content)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from error


def _json_lines(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1).replace("\n", "\n ")


def _table(rows: Sequence[Sequence[Cell]]) -> str:
    # Written by hand, because the encoder of the standard library has no exact decimals.
    lines = ",\n".join(f"  [{', '.join(map(_json, row))}]" for row in rows)
    return f"[\n{lines}\n ]" if lines else "[]"


def _json(cell: Cell) -> str:
    return str(cell) if isinstance(cell, Decimal) else json.dumps(cell, ensure_ascii=False)
