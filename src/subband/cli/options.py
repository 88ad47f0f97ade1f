"""Small helpers shared by the commands: models, `--set` values, output files and terminal tables."""

from __future__ import annotations

import os
import re
import shutil
import sys
import traceback
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from subband import tasks
from subband.files import shown
from subband.hub_client import is_hub_name
from subband.models.model_folder import bundled_models
from subband.models.registry import create_model, list_models

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser
    from rich.table import Table
    from torch import Tensor, nn

_UNBROKEN = 1000  # wider than any table
_SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def add_model_arguments(parser: ArgumentParser) -> None:
    """Add the options that `open_model` reads: `model` and `--set`."""
    parser.add_argument(
        "model",
        type=str,
        help="Model name (fresh weights), model folder, run folder, name of bundled weights, or "
        "hf:user/name[@REVISION] of the Hugging Face Hub.",
    )
    add_set_argument(parser)


def add_set_argument(parser: ArgumentParser) -> None:
    """Add the option `--set key=value`, read by `parse_overrides`."""
    parser.add_argument(
        "--set",
        type=str,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="Change an argument of the named model, e.g. in_shape=[10,1,64,64]; may be repeated.",
    )


def open_model(source: str, overrides: Sequence[str] = ()) -> nn.Module:
    """The network that a command line names, in evaluation mode.

    Args:
        source: Model name, model folder, run folder, name of bundled weights, or `hf:user/name`. A model name comes
            first; write `./NAME` for a folder called like a model.
        overrides: `key=value` texts for a model name.

    Raises:
        ValueError: If there is nothing of that name, or overrides are given for stored weights.
        TypeError: If the model has no argument of an override's name.
        FileNotFoundError: If the source is a path and nothing is there.
    """
    from subband.models.checkpoint import load_model

    if source in list_models():
        return create_model(source, **parse_overrides(overrides)).eval()
    is_stored = Path(source).exists() or source in bundled_models() or len(Path(source).parts) > 1
    is_stored = is_stored or is_hub_name(source)
    if is_stored and overrides:
        raise ValueError(f"--set changes a model name such as wast, but {source} holds weights, whose shape is fixed.")
    # Neither a path nor weights: the registry answers with the closest names.
    return load_model(source) if is_stored else create_model(source)


def example_input(
    model: nn.Module, *, batch: int = 1, height: int | None = None, width: int | None = None
) -> tuple[Tensor, ...]:
    """Arguments that a model is called with, random, the same in every run.

    Args:
        model: Network made by this package.
        batch: B.
        height: H; that of training by default.
        width: W; that of training by default.

    Raises:
        ValueError: If a size is not positive.
    """

    from subband.models.arguments import as_arguments

    return as_arguments(tasks.example_input(model, batch=batch, height=height, width=width))


def sizes_text(inputs: Iterable[Tensor]) -> str:
    """Sizes of what a network is called with, such as `1 x 3 x 224 x 224`."""
    return ", ".join(" x ".join(map(str, tensor.shape)) for tensor in inputs)


@contextmanager
def attempt(what: str) -> Iterator[None]:
    """Turns PyTorch's errors about a network and its input into one sentence.

    Args:
        what: Beginning of the sentence, for example `wast does not run on 1 x 1 pixels`.

    Raises:
        ValueError: In place of whatever else is raised inside, but for errors that are sentences already.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError):
        raise
    except Exception as error:
        if (refusal := _own_refusal(error)) is not None:
            raise refusal from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"{what}: {lines[0].rstrip('.')}.") from error


def _own_refusal(error: BaseException) -> ValueError | None:
    """What this package itself has refused, where an exporter has hidden it behind an error of its own."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(cause.__traceback__)]
        if isinstance(cause, ValueError) and files and Path(files[-1]).is_relative_to(Path(__file__).parents[1]):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Parse `key=value` options; values are typed by YAML.

    Besides YAML scalars and lists, `(1, 2)` gives a tuple and `3e-4` a float (YAML 1.1 alone would keep both as text).

    Args:
        pairs: Texts of the form `key=value`, the key a Python identifier.

    Raises:
        ValueError: If a text has no `=`, a key is not an identifier or comes twice, or a value is not YAML.

    Example:
        >>> parse_overrides(["in_shape=[10, 1, 64, 64]", "depths=(2, 8, 2)", "lr=3e-4", "name=haar"])
        {'in_shape': [10, 1, 64, 64], 'depths': (2, 8, 2), 'lr': 0.0003, 'name': 'haar'}
    """
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        key = key.strip()
        if not separator or not key.isidentifier():
            raise ValueError(f"--set takes key=value with a name before the equals sign, not {pair!r}.")
        if key in overrides:
            raise ValueError(f"--set {key} was given twice.")
        overrides[key] = parse_value(f"--set {key}", text.strip())
    return overrides


def parse_value(option: str, text: str) -> Any:
    """A value typed by YAML, by `(1, 2)` a tuple and by `3e-4` a float.

    Args:
        option: Where it stands, for the message.
        text: The value.

    Raises:
        ValueError: If it is not YAML.

    Example:
        >>> parse_value("--lr", "3e-4")
        0.0003
    """
    if text.startswith("(") and text.endswith(")"):
        return tuple(parse_value(option, f"[{text[1:-1]}]"))
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{option}: {text!r} is not a YAML value.") from error
    return _scientific(value)


def _scientific(value: Any) -> Any:
    if isinstance(value, list):
        return [_scientific(item) for item in value]
    return float(value) if isinstance(value, str) and _SCIENTIFIC.fullmatch(value) else value


def refuse_existing(path: str | Path, overwrite: bool = False) -> Path:
    """Check an output path before any work is done for it, and make its parent folder.

    An existing empty folder counts as free.

    Args:
        path: File or folder to be written.
        overwrite: Whether something that exists there may be replaced.

    Returns:
        The path; nothing has been written or removed.

    Raises:
        FileExistsError: If something is there and `overwrite` is not set.
        OSError: If the parent folder cannot be made or written.
    """
    path = Path(path)
    is_taken = path.is_file() or path.is_symlink() or (path.is_dir() and any(path.iterdir()))
    if is_taken and not overwrite:
        raise FileExistsError(f"{path} exists already; choose another --out or add --overwrite.")
    parent = path.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot write {path}: the folder {parent} cannot be made ({error.strerror}).") from error
    if not os.access(path if path.exists() else parent, os.W_OK):
        raise PermissionError(f"cannot write {path}: no permission.")
    return path


def open_table(columns: Sequence[str], *, title: str | None = None, right: Collection[str] = ()) -> Table:
    """Make an empty terminal table in the one style of all commands; fill it with `add_row`, print it with
    `show_table`.

    Args:
        columns: Column headings.
        title: Line above the table.
        right: Headings of the columns set flush right (numbers).
    """
    from rich import box
    from rich.table import Table

    class OneLineTable(Table):
        """A table whose cells are names that stay on their line."""

        def add_row(self, *cells: Any, **options: Any) -> None:
            super().add_row(*(shown(cell) if isinstance(cell, str) else cell for cell in cells), **options)

    table = OneLineTable(
        title=None if title is None else shown(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for heading in columns:
        table.add_column(shown(heading), justify="right" if heading in right else "left", no_wrap=heading in right)
    return table


def show_table(table: Table) -> None:
    """Print a table on standard output: as wide as the terminal, or unbroken when the output goes to a file or pipe."""
    from rich.console import Console

    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else _UNBROKEN
    # Names may hold what would be markup or the code of an emoji.
    Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False).print(table)


def cell(name: Path | str) -> str:
    """A name for a CSV file, on one line, that no spreadsheet takes for a formula: `./=1` is the same file as `=1`.

    Args:
        name: A path, or any other text.
    """
    text = shown(name)
    if not text.startswith(("=", "+", "-", "@")):
        return text
    return f"./{text}" if isinstance(name, Path) else f"'{text}"
