"""Rows of the benchmark as a table, a file, or a picture."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from records import Cell, line, rounded

__all__ = ["Row", "columns", "headings", "write_csv", "write_json", "write_markdown"]

Facts = dict[str, str | int]


@dataclass(frozen=True)
class Row:
    """Times in milliseconds of one case in one direction; `remarks` says whose numbers are wrong."""

    case: str
    direction: str
    times: dict[str, float]
    remarks: dict[str, str]

    def ours(self, is_compiled: bool) -> float | None:
        """Our best eager or best compiled time."""
        names = [name for name in self.times if name.split(",")[0] == "subband"]
        return min((self.times[n] for n in names if n.endswith("compiled") == is_compiled), default=None)

    def peer(self) -> tuple[str, float] | None:
        """The fastest contestant that is neither ours nor the floor."""
        peers = [(t, name) for name, t in self.times.items() if name != "clone" and name.split(",")[0] != "subband"]
        return (min(peers)[1], min(peers)[0]) if peers else None

    def gain(self, with_compiled: bool) -> float | None:
        """How many times faster our best is than the fastest peer."""
        times = [t for t in (self.ours(False), self.ours(True) if with_compiled else None) if t is not None]
        peer = self.peer()
        return peer[1] / min(times) if peer and times else None

    def cells(self, with_compiled: bool) -> list[Cell]:
        """Cells under `columns`."""
        clone, peer = self.times["clone"], self.peer()
        cells: list[Cell] = [self.case, self.direction, rounded(clone, 2)]
        for is_compiled in (False, True)[: 1 + with_compiled]:
            time = self.ours(is_compiled)
            if time is None:
                cells += [None] * 3
            else:
                cells += [rounded(time, 2), rounded(time / clone, 1), rounded(peer[1] / time, 1) if peer else None]
        if peer:
            star = "*" if peer[0] in self.remarks else ""
            cells += [f"{peer[0]}{star}", rounded(peer[1], 1), rounded(peer[1] / clone, 1)]
        else:
            cells += [None] * 3
        return cells

    def summary(self, with_compiled: bool) -> str:
        """A line of a Markdown table."""
        return line(self.cells(with_compiled))


def columns(with_compiled: bool) -> list[str]:
    """Headings of the table."""
    titles = ["case", "pass", "clone ms", "subband ms", "x clone", "faster than peer"]
    if with_compiled:
        titles += ["compiled ms", "x clone", "faster than peer"]
    return [*titles, "fastest peer", "ms", "x clone"]


def headings(with_compiled: bool) -> str:
    """Head of the Markdown table."""
    titles = columns(with_compiled)
    return f"{line(titles)}\n|{'---|' * len(titles)}"


def write_json(file: Path, rows: list[Row], facts: Facts, with_compiled: bool) -> None:
    content = [{"case": r.case, "pass": r.direction, "ms": r.times, "remarks": r.remarks} for r in rows]
    file.write_text(json.dumps({"environment": facts, "rows": content}, indent=1) + "\n")


def write_csv(file: Path, rows: list[Row], facts: Facts, with_compiled: bool) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case", "pass", "contestant", "ms", "times clone", "remark"])
        for row in rows:
            for name, time in row.times.items():
                ratio = time / row.times["clone"]
                remark = row.remarks.get(name, "")
                writer.writerow([row.case, row.direction, name, f"{time:.4f}", f"{ratio:.3f}", remark])


def write_markdown(file: Path, rows: list[Row], facts: Facts, with_compiled: bool) -> None:
    """Environment, summary, and the table of every contestant."""
    lines = [*(f"- {key}: {value}" for key, value in facts.items()), "", headings(with_compiled)]
    lines += [row.summary(with_compiled) for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row.times))
    lines += ["", f"| ms | pass | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for row in rows:
        cells = [f"{row.times[n]:.2f}{'*' if n in row.remarks else ''}" if n in row.times else "" for n in names]
        lines.append(f"| {row.case} | {row.direction} | {' | '.join(cells)} |")
    remarks = {f"\\* {name}, {row.case} {row.direction}: {text}" for row in rows for name, text in row.remarks.items()}
    file.write_text("\n".join([*lines, "", *sorted(remarks)]) + "\n")
