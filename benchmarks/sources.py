"""Where a number of the pages comes from: the value behind an address such as `demo :: WaST :: PSNR dB`.

RECORD :: ROW :: COLUMN      a cell of results/RECORD.json; ROW is its first cell, or several of its cells joined
                             by " & "; a heading that stands twice is "ms", then "ms 2". Of "0.61 ± 0.02" the first
                             number counts, with " ±" behind the heading the second
RECORD :: max :: COLUMN      also min, mean and count (how many are above 0), of all rows but one called "mean";
                             max(A & B) of those with both cells, max(A or B) of those with either
RECORD :: rows :: all        how many rows there are, but for one called "mean"; rows(A & B) likewise
RECORD :: text               one of the numbers in the paragraphs around the table
card NAME :: a.b.c           of a bundled network's config.json
card NAME :: text            one of the numbers in its texts
size NAME                    megabytes of its weights
parameters NAME              of a bundled or a named network; in millions before "million" and "M"
published NAME :: FIGURE     what its authors say: of weights/catalogue.json or published/figures.json
(ADDRESS) / (ADDRESS)        also - and *; either may be a number
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from records import Cell, Record, read_record, shown

HERE = Path(__file__).parent
RESULTS, FIGURES = HERE / "results", HERE / "published" / "figures.json"
WEIGHTS = HERE.parent / "src" / "subband" / "weights"
SEPARATOR, JOINER, EITHER = " :: ", " & ", " or "
NUMBER = re.compile(r"[+−-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
_COMBINED = re.compile(r"\((?P<first>.*?)\) (?P<operator>[-/*]) \((?P<second>.*)\)")
_AGGREGATE = re.compile(r"(?P<name>min|max|mean|count|rows)(?:\((?P<cells>.*)\))?")


def values(address: str) -> list[Decimal]:
    """What may stand where the address is given: one value, but for texts, where every number of them may.

    Raises:
        ValueError: If there is nothing at the address.
    """
    combined = _COMBINED.fullmatch(address)
    if combined is not None:
        first, second = (_one(combined[name]) for name in ("first", "second"))
        return [_calculate(first, combined["operator"], second)]
    kind, _, rest = address.partition(" ")
    readers: dict[str, Callable[[str], list[Decimal]]] = {
        "card": _card,
        "size": lambda name: [Decimal((_folder(name) / "model.safetensors").stat().st_size) / 10**6],
        "parameters": lambda name: [Decimal(_parameters(name))],
        "published": _published,
    }
    if kind in readers:
        return readers[kind](rest)
    return _of_record(address)


def cell(address: str) -> str:
    """What stands in a cell of a record, as its table shows it; of an aggregate the number.

    Raises:
        ValueError: If there is no such cell.
    """
    name, row, column = address.split(SEPARATOR)
    source = record(name)
    if _aggregate(source, row) is not None:
        digits = max(_digits(one[_place(source, column)]) for one in source.rows)
        return f"{values(address)[0]:,.{digits}f}"
    return shown(_row(source, row)[_place(source, column)])


def numbers_in(text: str) -> list[Decimal]:
    """All numbers of a text."""
    return [as_number(found) for found in NUMBER.findall(text)]


def as_number(text: str) -> Decimal:
    """A written number: commas between thousands, any minus sign."""
    return Decimal(text.replace(",", "").replace("−", "-"))


@cache
def record(name: str) -> Record:
    """The file of this name in results/.

    Raises:
        ValueError: If there is none.
    """
    file = RESULTS / f"{name}.json"
    if not file.is_file():
        raise ValueError(f"there is no {file.parent.name}/{file.name}")
    return read_record(file)


def _one(text: str) -> Decimal:
    if NUMBER.fullmatch(text):
        return as_number(text)
    found = values(text)
    if len(found) != 1:
        raise ValueError(f"{text!r} is no single value")
    return found[0]


def _calculate(first: Decimal, operator: str, second: Decimal) -> Decimal:
    if operator == "-":
        return first - second
    return first * second if operator == "*" else first / second


def _of_record(address: str) -> list[Decimal]:
    name, *place = address.split(SEPARATOR)
    source = record(name)
    if place == ["text"]:
        return numbers_in(" ".join([*source.about, *source.notes]))
    if len(place) != 2:
        raise ValueError(f"{address!r} is not RECORD{SEPARATOR}ROW{SEPARATOR}COLUMN")
    row, column = place
    aggregate = _aggregate(source, row)
    if aggregate is None:
        return [_number(_row(source, row), column, source)]
    cells = aggregate["cells"]
    chosen = [one for one in (_rows(source, cells) if cells else source.rows) if one[0] != "mean"]
    if aggregate["name"] == "rows":
        return [Decimal(len(chosen))]
    found = [_number(one, column, source) for one in chosen if _filled(one[_place(source, column)])]
    if not found:
        raise ValueError(f"{name} has no rows for {row!r}")
    if aggregate["name"] == "count":
        return [Decimal(sum(value > 0 for value in found))]
    ways: dict[str, Callable[[list[Decimal]], Decimal]] = {"min": min, "max": max, "mean": statistics.mean}
    return [ways[aggregate["name"]](found)]


def _aggregate(source: Record, row: str) -> re.Match[str] | None:
    """Parts of an address of several rows; None for that of one, which may be called "mean"."""
    return None if any(one[0] == row for one in source.rows) else _AGGREGATE.fullmatch(row)


def _row(source: Record, text: str) -> list[Cell]:
    rows = _rows(source, text)
    if len(rows) != 1:
        raise ValueError(f"{source.title!r} has {len(rows)} rows with {text!r}")
    return rows[0]


def _rows(source: Record, text: str) -> list[list[Cell]]:
    """Rows with this first cell, or with all of these cells; after "or" those of the others too."""
    if EITHER in text:
        return [row for part in text.split(EITHER) for row in _rows(source, part)]
    wanted = text.split(JOINER)
    if len(wanted) == 1:
        first = [row for row in source.rows if str(row[0]) == text]
        if first:
            return first
    return [row for row in source.rows if set(wanted) <= {str(cell) for cell in row}]


def _place(source: Record, column: str) -> int:
    """Where a column is; the second of a name is called by it and " 2"."""
    seen: dict[str, int] = {}
    for place, heading in enumerate(source.columns):
        seen[heading] = seen.get(heading, 0) + 1
        if column in (heading, f"{heading} {seen[heading]}") and (seen[heading] == 1 or column != heading):
            return place
    raise ValueError(f"there is no column {column!r} among {', '.join(source.columns)}")


def _digits(value: Cell) -> int:
    """How many digits after the point a cell shows."""
    return -int(value.as_tuple().exponent) if isinstance(value, Decimal) else 0


def _filled(cell: Cell) -> bool:
    return cell is not None and NUMBER.search(str(cell)) is not None


def _number(row: list[Cell], column: str, source: Record) -> Decimal:
    name = column.removesuffix(" ±")
    cell = str(row[_place(source, name)])
    found = numbers_in(cell)
    which = 0 if name == column else 1
    if len(found) <= which:
        raise ValueError(f"{cell!r} in column {column!r} is no number")
    return found[which]


def _folder(name: str) -> Path:
    folder = WEIGHTS / name
    if not (folder / "config.json").is_file():
        raise ValueError(f"there are no bundled weights {name!r}")
    return folder


def _card(address: str) -> list[Decimal]:
    name, _, path = address.partition(SEPARATOR)
    text = (_folder(name) / "config.json").read_text("utf-8")
    value: Any = json.loads(text, parse_float=Decimal)
    if path == "text":
        return [number for part in _texts(value) for number in numbers_in(part)]
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ValueError(f"config.json of {name} has no {path!r}")
        value = value[key]
    if not isinstance(value, int | Decimal):
        raise ValueError(f"{path!r} of {name} is no number")
    return [Decimal(value)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, part in value.items() if key != "recipe" for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


@cache
def _parameters(name: str) -> int:
    from subband import load_model  # loads torch, which nothing else here needs
    from subband.models.registry import catalog

    if name in catalog():
        return catalog()[name].params
    return sum(value.numel() for value in load_model(_folder(name)).parameters())


def _published(address: str) -> list[Decimal]:
    name, _, figure = address.partition(SEPARATOR)
    catalogue = json.loads((WEIGHTS / "catalogue.json").read_text("utf-8"), parse_float=Decimal)["weights"]
    known = {entry["name"]: entry.get("metrics", {}) for entry in catalogue}
    if FIGURES.is_file():
        known |= {
            key: entry["figures"] for key, entry in json.loads(FIGURES.read_text("utf-8"), parse_float=Decimal).items()
        }
    if figure not in known.get(name, {}):
        raise ValueError(f"nothing published is known as {address!r}")
    return [Decimal(str(known[name][figure]))]
