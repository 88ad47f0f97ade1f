"""Published weights: what there is and on what terms, and getting, checking and removing it.

Nothing is hosted by this package: files come from where their authors put them, when they are asked for, into
SUBBAND_HOME (by default a folder `subband` in the user's cache folder).
"""

from __future__ import annotations

import difflib
import fnmatch
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.catalogue.cache import cached_file, file_of, looked_over, read_record, remove_weights
from subband.catalogue.entries import PublishedWeights, client_of, find_weights, list_weights
from subband.catalogue.fetch import get_weights, put_weights, size_text, terms
from subband.cli.option_rules import Needs
from subband.cli.options import open_table, show_table
from subband.files import shown
from subband.models.registry import model_spec

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

EXAMPLES = """examples:
  subband weights list
  subband weights list 'tau*' --task video_prediction
  subband weights info wsfvit_t
  subband weights get gfnet_ti tau_mmnist --dry-run                      (size, licence and address; fetches nothing)
  subband weights get gfnet_ti
  subband weights get vitpose_b_original --from ~/Downloads/vitpose-b.pth    (a file that only a browser gets)
  subband weights path gfnet_ti
  subband weights verify
  subband weights remove gfnet_ti
"""

OPTION_RULES = (
    Needs("--task", lambda args: args.action == "list", "goes with list only"),
    Needs("--json", lambda args: args.action in ("list", "info"), "goes with list and info only"),
    Needs("--dry-run", lambda args: args.action == "get", "goes with get only"),
    Needs("--from", lambda args: args.action == "get" and not args.dry_run, "goes with get, and not with --dry-run"),
)
CLIENTS = {
    "https": "fetched over HTTPS",
    "drive": "fetched by gdown (extra weights)",
    "hub": "fetched by huggingface_hub (extra weights)",
    "hand": "for a browser only",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("action", type=str, help=f"{', '.join(ACTIONS)}.")
    parser.add_argument(
        "names",
        nargs="*",
        type=str,
        default=[],
        help="Names of the table, or of models; for list also shell-style patterns. verify takes all by default.",
    )
    parser.add_argument("--task", type=str, default=None, help="Only weights of this task, for list.")
    parser.add_argument("--json", action="store_true", help="Print JSON with all that is known, for list and info.")
    parser.add_argument("--dry-run", action="store_true", help="Show size, licence and address; fetch nothing.")
    parser.add_argument("--from", type=str, default=None, help="A file that was fetched by hand: check and take it.")


def run(args: Namespace) -> None:
    """Do what the first word says."""
    if args.action not in ACTIONS:
        close = difflib.get_close_matches(args.action, ACTIONS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it does {', '.join(ACTIONS)}."
        raise ValueError(f"unknown action {args.action!r}; {hint}")
    ACTIONS[args.action](args)


def _list(args: Namespace) -> None:
    rows = _matching(args.names or ["*"], args.task)
    if args.json:
        print(json.dumps([_facts(row) for row in rows], indent=2))
        return
    table = open_table(("name", "model", "task", "trained on", "published", "size", "here"))
    for row in rows:
        published = next(iter(_figures(row)), "-")
        part = " (backbone only)" if row.loader else ""
        here = "yes" if file_of(row).is_file() else "-"
        table.add_row(row.name, row.model + part, row.task, row.trained_on, published, size_text(row), here)
    show_table(table)
    print("Licences, addresses and notes: subband weights info NAME. Nothing of it is hosted by this package.")


def _figures(row: PublishedWeights) -> list[str]:
    """Published figures with their units behind them."""
    figures = []
    for name, value in row.metrics.items():
        unit = next((unit for unit in (" %", " dB") if name.endswith(unit)), "")
        figures.append(f"{name.removesuffix(unit)} {value:g}{unit}")
    return figures


def _matching(patterns: list[str], task: str | None) -> list[PublishedWeights]:
    tasks = sorted({row.task for row in list_weights()})
    if task is not None and task not in tasks:
        raise ValueError(f"--task must be one of {', '.join(tasks)}, not {task!r}.")
    rows = list_weights()
    for pattern in patterns:
        if not any(fnmatch.filter((row.name, *row.models), pattern) for row in rows):
            find_weights(pattern)  # its error names the closest
    return [
        row
        for row in rows
        if task in (None, row.task) and any(fnmatch.filter((row.name, *row.models), pattern) for pattern in patterns)
    ]


def _facts(row: PublishedWeights) -> dict[str, Any]:
    record = read_record(row)
    is_here = file_of(row).is_file()
    return {**asdict(row), "file_here": str(file_of(row)) if is_here else None, "record": record and asdict(record)}


def _info(args: Namespace) -> None:
    rows = [find_weights(name) for name in _named(args)]
    if args.json:
        print(json.dumps([_facts(row) for row in rows], indent=2))
        return
    for row in rows:
        _show(row)


def _show(row: PublishedWeights) -> None:
    overrides = ", ".join(f"{key}={value}" for key, value in row.overrides.items())
    here = file_of(row)
    record = read_record(row) if here.is_file() else None
    lines = {
        "name": row.name,
        "model": row.model + (f" with {overrides}" if overrides else ""),
        "  also for": ", ".join(row.also_fits),
        "task": row.task.replace("_", " "),
        "paper": model_spec(row.model).paper,
        "trained on": row.trained_on,
        "published": ", ".join(_figures(row)) or "no figures known",
        "  on": row.tested_on,
        "inputs": row.inputs,
        "  preparation": _preparation(row),
        "classes": row.classes,
        "licence": row.licence,
        "size": size_text(row),
        "SHA-256": row.sha256 + ("..." if len(row.sha256) == 8 else "") or "unknown",
        "loads by": row.loader or f'subband.load_published("{row.name}")',
        "from": f"{row.address} ({CLIENTS[client_of(row.address)]})",
        "  file": row.file + (f", as {row.member} in an archive" if row.member else ""),
        "  or from": ", ".join(f"{address} ({CLIENTS[client_of(address)]})" for address in row.alternatives),
        "read at": row.source,
        "here": shown(here) if here.is_file() else f"no; its place is {shown(here)}",
        "  noted": f"{record.size:,} bytes, SHA-256 {record.sha256}, {record.date}"
        if record and here.is_file()
        else "",
    }
    for label, text in lines.items():
        if text:
            print(f"{label + ':':<15}{text}")
    for note in row.notes:
        print(f"note: {note}")
    print()


def _preparation(row: PublishedWeights) -> str:
    """What the table of models says about the images of a classifier's published weights, beyond what is usual."""
    if row.task != "classification":
        return ""
    own = model_spec(row.model).preprocessing
    return ", ".join(f"{key} {value}" for key, value in own.items()) or "as usual for ImageNet"


def _get(args: Namespace) -> None:
    names = _named(args)
    rows = [find_weights(name) for name in names]
    if args["from"] is not None:
        if len(rows) != 1:
            raise ValueError(f"--from is the file of one name, but {len(rows)} are given.")
        path = put_weights(rows[0], Path(args["from"]).expanduser())
        print(f"{rows[0].name}: {shown(path)}")
        return
    for row in rows:
        if args.dry_run:
            print(f"{terms(row)} ({CLIENTS[client_of(row.address)]}); would lie at {shown(file_of(row))}")
        else:
            print(f"{row.name}: {shown(get_weights(row))}")


def _path(args: Namespace) -> None:
    for name in _named(args):
        row = find_weights(name)
        path = cached_file(row)
        if path is None:
            raise FileNotFoundError(f"{row.name} is not here; get it with `subband weights get {row.name}`.")
        print(path)


def _remove(args: Namespace) -> None:
    for name in _named(args):
        row = find_weights(name)
        if remove_weights(row):
            print(f"{row.name}: removed")
        else:
            warnings.warn(f"{row.name} is not here; nothing to remove.", stacklevel=2)


def _verify(args: Namespace) -> None:
    here = [row for row in list_weights() if file_of(row).is_file()]
    rows = [find_weights(name) for name in args.names] if args.names else here
    bad = []
    for row in rows:
        if not file_of(row).is_file():
            raise FileNotFoundError(f"{row.name} is not here; get it with `subband weights get {row.name}`.")
        try:
            print(f"{row.name}: {looked_over(row)}")
        except ValueError as error:
            bad.append(str(error))
    if not rows:
        print("No published weights are here.")
    if bad:
        raise ValueError(" ".join(bad))


def _named(args: Namespace) -> list[str]:
    if not args.names:
        raise ValueError(f"{args.action} needs a name (see `subband weights list`).")
    return list(args.names)


ACTIONS: dict[str, Callable[[Any], None]] = {
    "list": _list,
    "info": _info,
    "get": _get,
    "path": _path,
    "remove": _remove,
    "verify": _verify,
}
