"""Numbers of the pages against the files they come from: which are wrong, and which say no source.

A measured number has its address in a comment right behind it or its unit, which no reader sees:
`0.55 dB<!--= deblurring_bundled :: mean :: gain dB -->`; `sources.py` says what addresses there are. A
whole table of a record stands between `<!--table RECORD-->` and `<!--/table-->`, the paragraphs behind it likewise
between `<!--notes RECORD-->` and `<!--/notes-->`.

usage: python benchmarks/page_numbers.py [PAGE...]            say what is wrong; exit code 1 if anything is
       python benchmarks/page_numbers.py --write [PAGE...]    write the numbers and tables that their sources give
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from records import table
from sources import as_number, record, values

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"<!--= (?P<address>.+?) -->")
BLOCK = re.compile(
    r"(?P<open><!--(?P<what>table|notes) (?P<name>\w+)-->\n)(?P<body>.*?)(?P<close><!--/(?P=what)-->)", re.DOTALL
)
CODE = re.compile(r"^(```|~~~)[\s\S]*?^\1|`[^`\n]+`|(?<=\n\n)(?:(?: {4}|\t).*\n)+", re.MULTILINE)
COMMENT = re.compile(r"<!--.*?-->|\]\([^)\n]*\)|https?://\S+", re.DOTALL)
FIGURE = r"(?:(?<=[\s(|])[+−-]|(?<![\w.,+−/@^-]))\d[\d,]*(?:\.\d+)?"
# A number and what may stand between it and its mark: a unit, bold.
MARKED = re.compile(
    r"(?P<figure>(?:(?:(?<=[\s(|])|^)[+−-])?\d[\d,]*(?:\.\d+)?)(?P<unit>(?:[ \u00a0-]?[^\d\s|<>]+){0,3})$"
)
UNITS = (
    "dB",
    "%",
    "percent",
    "times",
    r"x(?! ?\d)",
    "ms",
    "µs",
    "s",
    "seconds?",
    "minutes?",
    "min",
    "hours?",
    "[kMG]B",
    "[MG]",
    "G?MACs?",
    "GMACs?",
    "AP",
    "PCK",
    "bits?(?: per (?:value|pixel|dimension))",
    "bpp",
    "million",
    "px",
    "fps",
    "frames/s",
    "(?:frames|images|crops|sequences|clips) (?:per|a) second",
)
UNIT = rf"(?:{'|'.join(UNITS)})(?![\w/])"
# The first number of "1.3 to 2.2x" has the unit of the second.
MEASURED = re.compile(rf"(?P<figure>{FIGURE})(?=(?:\s+(?:to|and|or)\s+{FIGURE}|[-–]\d[\d,.]*)?\s?{UNIT})")
NAMES = r"\b(?:PSNR|SSIM|MSE|MAE|FID|LPIPS|AP\d*|PCK\S*|top-[15]|accuracy)\b"
SCORED = re.compile(rf"(?:{NAMES}|\bdistance\b)[^.|\n\d]{{0,20}}?(?P<figure>{FIGURE})")
EXACT = re.compile(r"(?<![\w.,])(?P<figure>\d[\d,]*\.\d{3,})(?![\w.])")
HEADING = re.compile(rf"{NAMES}|(?:^|[\s(]){UNIT}")
MILLION = re.compile(r"^[ \u00a0]?(?:million\b|M\b(?!B))")
WRITTEN_WHOLE = ("leaderboard.md", "which_model.md")
# What looks like a measurement and is none.
NOT_MEASURED = {
    r"\d+(?: x \d+)+": "sizes of pictures and clips",
    r"(?m)^\| `(?:exposure|(?:sharp|noise|jpeg)_share|speed|highlights|brightness)`.*": "settings of drawn blur",
    r"more than 120 million pixels|its 0\.1 and 99\.9 percentiles|at least 70 %": "limits in the code",
    r"\(8 to 100 % of the area\)|`--min-score` \(0\.3\)|scores above 0\.2": "settings",
    r"(?m)^\| `(?:fft_modulus|psnr_estrnn|pckh?)`.*": "parts of the definitions of losses and metrics",
    r"(?m)^\| `(?:barber_agakov|info_nce|nwj|club)_bound`.*|is 2\.0433 nats": "tests/losses/test_mutual_information.py",
    r"arXiv \d{4}\.\d{4,5}": "numbers of papers",
    r"in PyWavelets from 1\.10|takes odd sizes from 1\.10": "versions of another package",
}


def pages() -> list[Path]:
    """Pages whose numbers are compared: all but those that a script writes whole."""
    found = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if page.name not in WRITTEN_WHOLE]


def faults(text: str) -> Iterator[tuple[int, str]]:
    """Line and complaint, for every number that is not what its source says or that has none."""
    found = [*_wrong(text), *_unmarked(text)]
    yield from sorted((text.count("\n", 0, place) + 1, complaint) for place, complaint in found)


def written(text: str) -> str:
    """The text with the numbers and tables that their sources give.

    Raises:
        ValueError: If an address leads nowhere, or a mark stands behind no number.
    """
    text = BLOCK.sub(lambda found: found["open"] + _block(found) + found["close"], text)
    done, last = "", 0
    for mark in MARK.finditer(text):
        done += text[last : mark.start()]
        last = mark.start()
        number = _behind(done)
        given, known = as_number(number["figure"]), _scaled(mark["address"], number["unit"])
        if not _fits(number["figure"], known) and len(known) == 1:
            done = done[: number.start("figure")] + _like(number["figure"], known[0]) + number["unit"]
        elif not _fits(number["figure"], known):
            raise ValueError(f"none of the numbers at {mark['address']!r} is {given}")
    return done + text[last:]


def _wrong(text: str) -> Iterator[tuple[int, str]]:
    for found in BLOCK.finditer(text):
        try:
            if found["body"] != _block(found):
                yield found.start(), f"{found['what']} of {found['name']}: not what the file gives"
        except ValueError as error:
            yield found.start(), str(error)
    for mark in MARK.finditer(text):
        try:
            number = _behind(text[: mark.start()])
            known = _scaled(mark["address"], number["unit"])
        except ValueError as error:
            yield mark.start(), str(error)
            continue
        if not _fits(number["figure"], known):
            said = f"{known[0]:.6g} by" if len(known) == 1 else "none of"
            yield number.start("figure"), f"{number['figure']} is {said} {mark['address']!r}"


def _unmarked(text: str) -> Iterator[tuple[int, str]]:
    marked = set()
    for mark in MARK.finditer(text):
        start = text.rfind("\n", 0, mark.start()) + 1
        number = MARKED.search(MARK.sub(_blank, text[start : mark.start()]))
        marked |= {start + number.start("figure")} if number else set()
    bare = text
    for pattern in (BLOCK, COMMENT, *map(re.compile, NOT_MEASURED), CODE):
        bare = pattern.sub(_blank, bare)
    found = {
        number.start("figure"): number["figure"] for way in (MEASURED, SCORED, EXACT) for number in way.finditer(bare)
    }
    for place, figure in sorted({**found, **_in_tables(bare)}.items()):
        if place not in marked:
            yield place, f"{figure} says no source"


def _in_tables(text: str) -> dict[int, str]:
    """Numbers in tables: those with a decimal point, and all where the heading names a unit or a score."""
    found: dict[int, str] = {}
    units: list[bool] = []
    place, before = 0, ""
    for line in text.splitlines(keepends=True):
        cells = [(cell.start(), cell[0]) for cell in re.finditer(r"[^|\n]+", line)] if line.startswith("|") else []
        if cells and set(line) <= set("|-: \n"):
            units = [HEADING.search(heading) is not None for heading in before.strip("|\n").split("|")]
        for (start, cell), has_unit in zip(cells, [*units, *[False] * len(cells)], strict=False):
            for number in re.finditer(FIGURE, cell):
                if has_unit or "." in number[0]:
                    found[place + start + number.start()] = number[0]
        units = units if cells else []
        place, before = place + len(line), line
    return found


def _blank(found: re.Match[str]) -> str:
    """Spaces in place of what was found, so that places and lines stay; code must not swallow a mark."""
    return re.sub(r"[^\n]", " ", found[0])


def _behind(text: str) -> re.Match[str]:
    number = MARKED.search(text, text.rfind("\n") + 1)
    if number is None:
        raise ValueError(f"no number before the mark: {text[-30:]!r}")
    return number


def _scaled(address: str, unit: str) -> list[Decimal]:
    known = values(address)
    return [value / 10**6 for value in known] if MILLION.search(unit) else known


def _fits(figure: str, known: list[Decimal]) -> bool:
    """Whether a number, with as many digits as it has, is one of those known."""
    given = as_number(figure)
    return any(abs(value - given) <= _unit(given) / 2 for value in known)


def _unit(given: Decimal) -> Decimal:
    return Decimal(1).scaleb(int(given.as_tuple().exponent))


def _like(figure: str, value: Decimal) -> str:
    """A value with the digits, the plus and the minus sign of another."""
    given = as_number(figure)
    sign = "+" if figure.startswith("+") else ""
    text = f"{value.quantize(_unit(given)):{sign},}"
    return text.replace("-", "−") if "−" in figure else text


def _block(found: re.Match[str]) -> str:
    source = record(found["name"])
    return (table(source) if found["what"] == "table" else "\n\n".join(source.notes)) + "\n"


def main() -> None:
    """Compare or write."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("pages", type=Path, nargs="*", metavar="PAGE", help="by default all that are compared")
    parser.add_argument("--write", action="store_true", help="write what the sources give")
    options = parser.parse_args()
    count = 0
    for page in options.pages or pages():
        text = page.read_text("utf-8")
        if options.write:
            text = written(text)
            page.write_text(text, encoding="utf-8")
        for line, complaint in faults(text):
            count += 1
            print(f"{page.resolve().relative_to(ROOT)}:{line}: {complaint}")
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
