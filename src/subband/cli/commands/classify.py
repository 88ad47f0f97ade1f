"""Say what photographs show: the most probable classes of one photograph, or of every photograph of a folder.

Folders inside a folder are not searched. Transparent parts count as white, of an animation the first image counts.
The network sees what its weights were trained with: the photograph is resized and its center cropped as is stored
beside them.
"""

from __future__ import annotations

import csv
import io
import json
import time
import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, NamedTuple

from subband.cli.classifier import add_classifier_arguments, open_classifier
from subband.cli.option_rules import Needs
from subband.cli.options import cell, open_table, refuse_existing, show_table
from subband.cli.photographs import Timing, add_photo_arguments, report_failures, show_timing
from subband.files import new_path, shown
from subband.signals import Stopped, exit_code

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor

    from subband.predictors.classification import ImageClassifier

EXAMPLES = """examples:
  subband classify digit.png --model gfnet_digits   (a digit that fills the image, white on black)
  subband classify photo.jpg --model wsfvit_t --checkpoint wsfvit_t.pth
  subband classify photos/ --model runs/flowers --top 3 --out classes.csv
"""

OPTION_RULES = (
    Needs("--overwrite", lambda args: args.out is not None, "goes with --out, without which nothing is written", True),
)

_COLUMNS = ("photograph", "rank", "class", "index", "probability")


class Guess(NamedTuple):
    """One class of a photograph, with the numbers of the result file."""

    rank: int
    name: str
    label: int
    probability: float


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_photo_arguments(parser, "File for the classes of every photograph, .csv or .json.")
    add_classifier_arguments(parser)
    parser.add_argument("--top", type=int, default=5, help="Classes per photograph, the most probable ones.")
    parser.add_argument("--batch-size", type=int, default=16, help="Photographs that go through the network at once.")


def run(args: Namespace) -> None:
    """Read, classify, print a table."""
    for option in ("top", "batch_size"):
        if args[option] < 1:
            raise ValueError(f"--{option.replace('_', '-')} must be at least 1, got {args[option]}.")
    out = None if args.out is None else _check_out(args)
    files = _photographs(Path(args.photo))
    classifier = open_classifier(args)
    results, failed, timing, stop = _classify(files, classifier, args.top, args.batch_size)
    if results:
        if Path(args.photo).is_dir():
            _show_folder(results, args.model)
        else:
            _show_photograph(*results[0], args.model)
        show_timing(len(results), timing, next(classifier.model.parameters()).device.type)
    if results and out is not None:
        _write(out, results, args)
        print(f"wrote {shown(out)}")
    if stop is not None:
        code = stop.code if isinstance(stop, Stopped) else exit_code(SIGINT)
        raise Stopped(f"interrupted after {len(results)} of {len(files)} photographs, which are done.", code)
    report_failures(failed, len(files))


def _check_out(args: Namespace) -> Path:
    path = Path(args.out)
    if path.suffix.lower() not in (".csv", ".json"):
        raise ValueError(f"--out must end in .csv or .json, not {shown(path.name)}.")
    if path.resolve() == Path(args.photo).resolve():
        raise ValueError(f"--out {path} is the photograph itself; choose another name.")
    return refuse_existing(path, args.overwrite)


def _photographs(source: Path) -> list[Path]:
    from subband.media.images import list_images
    from subband.media.picture_files import find_pictures, warn_animated

    if not source.is_dir():
        if source.is_file():
            warn_animated([source])
        return [source]
    try:
        return list_images(source)
    except ValueError:
        if not find_pictures(source).folders:
            raise
    raise ValueError(
        f"{shown(source)} holds folders but no photographs; name one of them, or, if each is a class, measure how "
        f"often a model is right: subband evaluate MODEL --data.args.path {source} --out FOLDER."
    )


def _classify(
    files: Sequence[Path], classifier: ImageClassifier, top: int, batch_size: int
) -> tuple[list[tuple[Path, list[Guess]]], list[str], Timing, BaseException | None]:
    """The classes of every photograph that can be read, the names of the others, how long it took, and what ended it.

    A signal ends it after the photographs that are done by then.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    began = time.perf_counter()
    guesses: list[tuple[Path, list[Guess]]] = []
    failed, network, reading = [], 0.0, 0.0
    stop: BaseException | None = None
    try:
        # Closed here, not when the garbage is collected: threads end and warnings are as before when an error goes on.
        with closing(classifier.classify_files(files, batch_size=batch_size)) as results:
            for result in track(
                results, "photographs", len(files), console=console, transient=True, disable=not console.is_terminal
            ):
                network, reading = network + result.network_seconds, reading + result.reading_seconds
                if result.output is not None:
                    guesses.append((result.file, _guesses(result.output, classifier.classes, top)))
                elif result.error is not None:
                    if len(files) == 1:
                        raise result.error
                    warnings.warn(f"left out: {result.error}", stacklevel=2)
                    failed.append(shown(result.file.name))
    except (KeyboardInterrupt, Stopped) as error:
        stop = error
    return guesses, failed, Timing(time.perf_counter() - began, network, reading), stop


def _guesses(probabilities: Tensor, classes: Sequence[str], top: int) -> list[Guess]:
    """The most probable classes of one photograph."""
    values, labels = probabilities.topk(min(top, len(classes)))
    pairs = enumerate(zip(values.tolist(), labels.tolist(), strict=True), start=1)
    return [Guess(rank, classes[label], label, value) for rank, (value, label) in pairs]


def _show_photograph(file: Path, guesses: list[Guess], model: str) -> None:
    table = open_table(
        ["rank", "class", "probability"], title=f"{shown(file.name)} by {shown(model)}", right=["rank", "probability"]
    )
    for guess in guesses:
        table.add_row(str(guess.rank), shown(guess.name), _percent(guess))
    show_table(table)


def _show_folder(results: list[tuple[Path, list[Guess]]], model: str) -> None:
    headings = ["photograph", "class", "probability", "then"]
    width = 4 if len(results[0][1]) > 1 else 3
    table = open_table(headings[:width], title=f"Most probable class by {shown(model)}", right=["probability"])
    for file, guesses in results:
        following = [f"{shown(guess.name)} ({_percent(guess)})" for guess in guesses[1:2]]
        table.add_row(shown(file.name), shown(guesses[0].name), _percent(guesses[0]), *following)
    show_table(table)


def _percent(guess: Guess) -> str:
    return f"{100 * guess.probability:.1f} %"


def _write(path: Path, results: list[tuple[Path, list[Guess]]], args: Namespace) -> None:
    with new_path(path, overwrite=args.overwrite) as temporary:
        text = _as_csv(results) if path.suffix.lower() == ".csv" else _as_json(results, args)
        # Bytes of names that are no UTF-8: the escapes of JSON, which a reader turns into the same name again.
        temporary.write_text(text, "utf-8", errors="backslashreplace")


def _as_csv(results: list[tuple[Path, list[Guess]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for file, guesses in results:
        for rank, name, label, probability in guesses:
            writer.writerow((cell(file), rank, cell(name), label, probability))
    return text.getvalue()


def _as_json(results: list[tuple[Path, list[Guess]]], args: Namespace) -> str:
    photographs = [
        {
            _COLUMNS[0]: str(file),
            "classes": [dict(zip(_COLUMNS[1:], guess, strict=True)) for guess in guesses],
        }
        for file, guesses in results
    ]
    facts = {"model": args.model, "checkpoint": args.checkpoint, "photographs": photographs}
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
