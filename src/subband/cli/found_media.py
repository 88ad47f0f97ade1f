"""What commands that find things in photographs and videos have in common: sources, results, stops, bad files."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from typing import Any, NamedTuple

from subband.cli.found_files import Found
from subband.cli.options import refuse_existing
from subband.cli.photographs import Timing, beside, fitting_name, report_failures
from subband.files import shown
from subband.signals import Stopped, exit_code


def is_clip(source: Path) -> bool:
    """Whether a source moves: an animation, or no picture by its name and content.

    Args:
        source: File or folder.
    """
    from subband.media.picture_files import READ_SUFFIXES, is_animated, picture_format

    if not source.is_file():
        return False
    return is_animated(source) or (picture_format(source) is None and source.suffix.lower() not in READ_SUFFIXES)


def photographs(source: Path) -> list[Path]:
    """Those of a folder, or the one.

    Args:
        source: File or folder.

    Raises:
        ValueError: If a folder holds none.
    """
    from subband.media.images import list_images

    return list_images(source) if source.is_dir() else [source]


def results_folder(source: Path, out: str | None, ending: str, *, overwrite: bool, moves: bool) -> Path:
    """Where results go; checked as far as that goes before any work.

    Args:
        source: File or folder.
        out: The folder that was asked for; None for one beside the source.
        ending: Of the name of that one.
        overwrite: Whether results may exist.
        moves: Whether the source is a clip, whose unfinished job may lie in the folder.

    Raises:
        FileExistsError: If there is something and `overwrite` is not set.
        ValueError: If `out` is a file or the folder of the source.
    """
    usual = beside(source, ending) if source.is_dir() else source.with_name(fitting_name(source.stem, f"_{ending}"))
    folder = Path(out) if out else usual
    if folder.is_file():
        raise ValueError(f"--out {folder} is a file; the results go into a folder.")
    if folder.resolve() == (source if source.is_dir() else source.parent).resolve():
        raise ValueError(f"--out {folder} is the folder of the input; choose another name.")
    if moves and _is_unfinished(clip_target(source, folder)):
        return folder
    return refuse_existing(folder, overwrite)


def clip_target(source: Path, folder: Path) -> Path:
    """The video with what was found, in the folder of results.

    Args:
        source: The clip.
        folder: Where results go.
    """
    return folder / (source.name if source.suffix.lower() in clip_suffixes() else fitting_name(source.stem, ".mp4"))


def clip_suffixes() -> set[str]:
    """Endings of the files that clips are written into."""
    from subband.media.video_writer import VIDEO_SUFFIXES

    return {*VIDEO_SUFFIXES, ".gif", ".webp", ".apng"}


def _is_unfinished(target: Path) -> bool:
    from subband.predictors.segments import work_path

    return not target.exists() and work_path(target).is_dir()


@contextmanager
def folder_for(target: Path) -> Iterator[None]:
    """Makes the folder of a file; one that was new and stays empty is removed.

    Args:
        target: The file.
    """
    folder = target.parent
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


class PhotographResults(NamedTuple):
    """What became of photographs.

    Attributes:
        found: What those that could be read show.
        failed: Names of the others.
        stop: What interrupted the work, if anything did.
        timing: How long it took.
    """

    found: list[Found]
    failed: list[str]
    stop: BaseException | None
    timing: Timing


def work_through(
    results: Iterable[Any], targets: Sequence[Path], finish: Callable[[Any, Path], Found]
) -> PhotographResults:
    """Finish photographs one by one and show how far it is; Ctrl-C and SIGTERM keep what is done.

    Args:
        results: One for each photograph, with `file`, `error`, `network_seconds` and `reading_seconds`, such as
            `FileDetections`.
        targets: Where the picture of each goes.
        finish: Writes the picture of a photograph that could be read.

    Raises:
        ValueError: If the only photograph cannot be read; or another error of reading.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    began, network, reading = time.perf_counter(), 0.0, 0.0
    found: list[Found] = []
    failed: list[str] = []
    stop: BaseException | None = None
    try:
        shown_results = track(
            results, "photographs", len(targets), console=console, transient=True, disable=not console.is_terminal
        )
        for result, target in zip(shown_results, targets, strict=True):
            network, reading = network + result.network_seconds, reading + result.reading_seconds
            if result.error is None:
                target.parent.mkdir(exist_ok=True)
                found.append(finish(result, target))
                continue
            if len(targets) == 1:
                raise result.error
            warnings.warn(f"left out: {result.error}", stacklevel=2)
            failed.append(shown(result.file.name))
    except (KeyboardInterrupt, Stopped) as error:
        stop = error
    return PhotographResults(found, failed, stop, Timing(time.perf_counter() - began, network, reading))


def end_photographs(outcome: PhotographResults, count: int) -> None:
    """End a command with an error if it was interrupted or photographs were bad.

    Args:
        outcome: From `work_through`.
        count: How many photographs there were.

    Raises:
        Stopped: If it was interrupted.
        ValueError: If photographs could not be read.
    """
    if outcome.stop is not None:
        code = outcome.stop.code if isinstance(outcome.stop, Stopped) else exit_code(SIGINT)
        raise Stopped(f"interrupted after {len(outcome.found)} of {count} photographs, which are done.", code)
    report_failures(outcome.failed, count)
