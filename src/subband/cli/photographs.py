"""What the commands for photographs have in common: a file or a folder, names of results, progress, bad files."""

from __future__ import annotations

import os
import sys
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from subband.cli.options import refuse_existing
from subband.files import NO_SPACE, described, shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from subband.media.images import LoadedImage

Result = TypeVar("Result")

_MAX_NAME_BYTES = 250  # of 255, so that a table beside a result has room for its own suffix


class Timing(NamedTuple):
    """Seconds in all, in the network, and waited for photographs to be read."""

    total: float
    network: float
    reading: float


class Job(NamedTuple):
    """One photograph and where its result goes."""

    source: Path
    target: Path

    @property
    def name(self) -> str:
        """Name of the photograph for tables and messages."""
        return shown(self.source.name)


def add_photo_arguments(parser: ArgumentParser, out: str) -> None:
    """Add `photo`, `--out` and `--overwrite`.

    Args:
        parser: Parser of the command.
        out: Help text of `--out`.
    """
    parser.add_argument("photo", type=str, help="Photograph, or folder of photographs.")
    add_output_arguments(parser, out)


def add_output_arguments(parser: ArgumentParser, out: str) -> None:
    """Add `--out` and `--overwrite`.

    Args:
        parser: Parser of the command.
        out: Help text of `--out`.
    """
    parser.add_argument("--out", type=str, default=None, help=out)
    parser.add_argument("--overwrite", action="store_true", help="Replace existing results.")


def plan(
    source: str,
    out: str | None,
    ending: str,
    *,
    suffix: str = ".png",
    overwrite: bool = False,
    reserved: Sequence[str] = (),
) -> list[Job]:
    """Which photographs there are and where their results go; checks what can be checked before any work.

    Args:
        source: Photograph or folder.
        out: File (or existing folder) for a photograph, folder for a folder; by default a name beside `source` with
            `_ending`.
        ending: What the result is, for example `denoised`.
        suffix: Suffix of results, empty if every result is a folder.
        overwrite: Whether results may exist.
        reserved: Names of further files beside the results of a folder.

    Raises:
        FileNotFoundError: If there is no `source`.
        FileExistsError: If there is a result and `overwrite` is not set.
        ValueError: If the folder holds no photographs, or a result would replace a photograph.
    """
    from subband.media.images import list_images
    from subband.media.picture_files import warn_animated

    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{shown(path)} does not exist.")
    if not path.is_dir():
        warn_animated([path])
        name = fitting_name(path.stem, f"_{ending}{suffix}")
        target = Path(out) if out else path.with_name(name)
        if suffix and target.is_dir():
            target = target / name
        if target.resolve() == path.resolve():
            raise ValueError(f"--out {target} is the photograph itself; choose another name.")
        return [Job(path, refuse_existing(target, overwrite))]
    folder = Path(out) if out else beside(path, ending)
    if folder.resolve() == path.resolve():
        raise ValueError(f"--out {folder} is the folder of the photographs; choose another name.")
    if folder.is_file():
        raise ValueError(f"--out {folder} is a file; the results of a folder go into a folder.")
    refuse_existing(folder, overwrite)
    files = list_images(path)
    return [Job(file, folder / name) for file, name in zip(files, result_names(files, suffix, reserved), strict=True)]


def plan_several(sources: Sequence[str], out: str | None, ending: str, *, overwrite: bool = False) -> list[Job]:
    """`plan` for any number of photographs and folders; results of several go into one folder.

    Args:
        sources: Photographs and folders.
        out: As of `plan` for one source; for several a folder, by default one called like `ending`.
        ending: What the results are, for example `reconstructed`.
        overwrite: Whether results may exist.

    Raises:
        FileNotFoundError: If a source is not there.
        FileExistsError: If there is a result and `overwrite` is not set.
        ValueError: If a folder holds no photographs, or a result would replace a photograph.
    """
    from subband.media.images import list_images
    from subband.media.picture_files import warn_animated

    if len(sources) == 1:
        return plan(sources[0], out, ending, overwrite=overwrite)
    files: list[Path] = []
    for path in map(Path, sources):
        if not path.exists():
            raise FileNotFoundError(f"{shown(path)} does not exist.")
        if not path.is_dir():
            warn_animated([path])
        files += list_images(path) if path.is_dir() else [path]
    folder = Path(out or ending)
    if folder.is_file():
        raise ValueError(f"--out {folder} is a file; the results of several photographs go into a folder.")
    if folder.resolve() in {file.resolve().parent for file in files}:
        raise ValueError(f"--out {folder} is a folder of the photographs; choose another name.")
    refuse_existing(folder, overwrite)
    return [Job(file, folder / name) for file, name in zip(files, result_names(files, ".png"), strict=True)]


def result_names(files: Sequence[Path], suffix: str, reserved: Sequence[str] = ()) -> list[str]:
    """Names of results that differ for all files, also where upper and lower case are one.

    Args:
        files: Photographs.
        suffix: Of the results.
        reserved: Names that are taken.

    Example:
        >>> result_names([Path("a.jpg"), Path("a.png"), Path("a.jpg.png"), Path("b.png")], ".png")
        ['a.jpg.png', 'a.png.png', 'a.jpg-2.png', 'b.png']
    """
    counts = Counter(_key(file.stem) for file in files)
    taken = {_key(name) for name in reserved}
    names = []
    for file in files:
        # a.png beside a.jpg: both names are kept whole.
        stem = file.stem if counts[_key(file.stem)] == 1 else file.name
        name = fitting_name(stem, suffix)
        for number in count(2):
            if _key(name) not in taken:
                break
            name = fitting_name(stem, f"-{number}{suffix}")
        taken.add(_key(name))
        names.append(name)
    return names


def fitting_name(stem: str, ending: str) -> str:
    """A name that file systems take: of a long one the end of the stem is left out.

    Args:
        stem: Name of the photograph without its suffix.
        ending: What stands after it.
    """
    room = _MAX_NAME_BYTES - len(os.fsencode(ending))
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return stem + ending


def _key(name: str) -> str:
    """Equal for names that some file systems take for one."""
    return unicodedata.normalize("NFC", name).casefold()


def beside(folder: Path, ending: str) -> Path:
    """A name for a result beside a folder; also for `.` and `..`, which have no name of their own.

    Args:
        folder: The folder.
        ending: What the result is, for example `denoised`.
    """
    named = folder if folder.name not in ("", "..") else folder.resolve()
    return named.with_name(fitting_name(named.name, f"_{ending}"))


def for_each(jobs: Sequence[Job], work: Callable[[Job], Result]) -> tuple[list[Result], list[str]]:
    """Do the work for every photograph; of several, a bad one is reported and the others go on.

    Args:
        jobs: What `plan` returns.
        work: Reads the photograph, writes the result, returns what a table shall say.

    Returns:
        results: What `work` returned, without the bad ones.
        failed: File names of the bad ones, for `report_failures`.

    Raises:
        ValueError: What `work` raises for a single photograph.
        OSError: Likewise.
    """
    folder = jobs[0].target.parent
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return ([work(jobs[0])], []) if len(jobs) == 1 else _for_several(jobs, work)
    finally:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


def _for_several(jobs: Sequence[Job], work: Callable[[Job], Result]) -> tuple[list[Result], list[str]]:
    from rich.console import Console
    from rich.progress import track

    results, failed = [], []
    console = Console(stderr=True)
    for job in track(jobs, "photographs", console=console, transient=True, disable=not console.is_terminal):
        try:
            results.append(work(job))
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno in NO_SPACE:
                done = f"{len(results)} of {len(jobs)} photographs are done"
                raise OSError(f"{error.filename}: {error.strerror}; {done}.") from error
            warnings.warn(f"left out: {described(error)}", stacklevel=2)
            failed.append(job.name)
    return results, failed


def report_failures(failed: Sequence[str], num_jobs: int) -> None:
    """End a command with an error if photographs were bad; the others are done by then.

    Args:
        failed: File names.
        num_jobs: How many photographs there were.

    Raises:
        ValueError: If anything failed.
    """
    sys.stdout.flush()
    if failed:
        raise ValueError(f"{len(failed)} of {num_jobs} photographs could not be done: {', '.join(failed)}.")


def show_timing(count: int, timing: Timing, device: str) -> None:
    """Print how long photographs took a network.

    Args:
        count: How many there were.
        timing: What was measured.
        device: Where the network is.
    """
    print(
        f"{count} photograph{'s' if count > 1 else ''} in {timing.total:.1f} s "
        f"({speed_text(count, timing.total, device)}): "
        f"{timing.network:.1f} s in the network, {timing.reading:.1f} s waiting for files"
    )


def speed_text(count: int, seconds: float, device: str) -> str:
    """How many a second, and where, for example `2.4 a second on cpu, 2 threads`.

    Args:
        count: What was done.
        seconds: How long it took.
        device: Where the network is.
    """
    import torch

    threads = torch.get_num_threads()
    where = f"cpu, {threads} thread{'s' if threads > 1 else ''}" if device == "cpu" else device
    return f"{count / seconds:.1f} a second on {where}"


def check_options(dry_run: Callable[[], object]) -> None:
    """Try the options on a tiny image, so that a wrong one is found before any photograph is read.

    Args:
        dry_run: Raises an error for a wrong option.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about levels that are too many for a tiny image only
        dry_run()


def size_of(image: LoadedImage) -> str:
    """Width, height and kind of a photograph for a table.

    Args:
        image: The photograph.
    """
    kind = "gray" if len(image.pixels) == 1 else "color"
    alpha = ", alpha" if image.alpha is not None else ""
    return f"{image.pixels.shape[2]} x {image.pixels.shape[1]} {kind}{alpha}, {image.info.bit_depth} bit"
