"""What was found in the frames of a clip, noted beside its finished segments for as long as the job is unfinished."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from subband.predictors.segments import work_path

__all__ = ["FrameNotes", "frame_notes"]


class FrameNotes:
    """A line for each frame, in the order in which they are found; a job that goes on finds some frames again.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, lines: list[dict[str, Any]]) -> None:
        """Note frames.

        Args:
            lines: What is known of each, in values that JSON has; `number` is that of the frame.
        """
        with self._path.open("a") as file:
            # A line begins with its end, so that one of a job that was killed while it wrote spoils no other.
            file.write("".join(f"\n{json.dumps(line)}" for line in lines))
            file.write("\n")

    def read(self) -> list[dict[str, Any]]:
        """What is noted, in order of the frames; of a frame that was found again the later line."""
        if not self._path.exists():
            return []
        found = filter(None, map(_parsed, self._path.read_text().splitlines()))
        by_number = {line["number"]: line for line in found}
        return [by_number[number] for number in sorted(by_number)]


@contextmanager
def frame_notes(target: Path) -> Iterator[FrameNotes]:
    """Notes about a job of `stream_clip`, which are there as long as its work folder is.

    Args:
        target: What the job writes.
    """
    path = target.with_name(f"{target.name}.found")
    if not work_path(target).exists():
        path.unlink(missing_ok=True)
    try:
        yield FrameNotes(path)
    finally:
        if not work_path(target).exists():
            path.unlink(missing_ok=True)


def _parsed(line: str) -> dict[str, Any] | None:
    """A whole line; None of an empty one, or one that was never finished."""
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return found
