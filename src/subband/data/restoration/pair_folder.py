"""A folder of pairs that grows clip by clip, frame by frame, and goes on where it was stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from subband.data.restoration.synthesis import FramePairs
from subband.files import contents, leavings, remove_folder, shown, write_atomically
from subband.media.images import write_image
from subband.media.video import to_pixels
from subband.media.video_writer import VideoWriter

RECORD = "synthesis.json"
"""File that says how the pairs were made."""

PairFormat = Literal["png", "mkv"]

SIDES = ("blur", "sharp")
_NEARLY_LOSSLESS = {"crf": "4", "preset": "medium"}


class PairFolder:
    """`blur/CLIP` and `sharp/CLIP`, with a record of the settings; whoever makes one holds its `folder_lock`.

    Args:
        path: Folder to make, or one that an interrupted job with the same facts has left.
        facts: All that the pairs depend on, as it will be in the record.
        overwrite: Replace pairs that are there, provided that the folder has a record.

    Raises:
        FileExistsError: If the folder holds something else, other pairs, or the finished ones.
        FileNotFoundError: If there is no folder for it.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self.path, self._facts = path, json.loads(json.dumps(facts))
        self._finished: dict[str, int] = {}
        if contents(path):
            self._take_over(overwrite)
        path.mkdir(exist_ok=True)
        for side in SIDES:
            (path / side).mkdir(exist_ok=True)
        self._write_record(is_complete=False)

    def is_finished(self, clip: str) -> bool:
        """Whether all frames of a clip are there."""
        return clip in self._finished

    def write_frames(self, clip: str, pairs: Callable[[int], FramePairs], report: Callable[[int], None]) -> int:
        """Write a clip as numbered PNG files, after those that are there.

        Args:
            clip: Its name.
            pairs: Gives the pairs from a number on.
            report: Called with the number of frames that are there.

        Returns:
            Frames of the clip.

        Raises:
            ValueError: If the source is damaged; nothing is left of the clip then.
        """
        folders = [self.path / side / clip for side in SIDES]
        for folder in folders:
            folder.mkdir(exist_ok=True)
        number = 0
        while all(_frame(folder, number).exists() for folder in folders):
            number += 1
        for folder in folders:
            for rest in leavings(_frame(folder, number)):
                rest.unlink()
        report(number)
        try:
            for pair in pairs(number):
                for folder, frame in zip(folders, pair, strict=True):
                    write_image(_frame(folder, number), frame, overwrite=True)
                number += 1
                report(number)
        except ValueError:  # a bad source: part of its clip must not pass for all of it
            for folder in folders:
                shutil.rmtree(folder)
            raise
        return self._finish(clip, number)

    def write_videos(
        self, clip: str, pairs: Callable[[int], FramePairs], report: Callable[[int], None], fps: float
    ) -> int:
        """Write a clip as two nearly lossless videos, which appear when they are complete.

        Args:
            clip: Its name.
            pairs: Gives the pairs from a number on.
            report: Called with the number of frames that are there.
            fps: Frames per second.

        Returns:
            Frames of the clip.
        """
        paths = [self.path / side / f"{clip}.mkv" for side in SIDES]
        for path in paths:
            for rest in leavings(path):
                rest.unlink()
        number = 0
        with ExitStack() as stack:
            writers = [
                stack.enter_context(VideoWriter(path, fps=fps, options=_NEARLY_LOSSLESS, overwrite=True))
                for path in paths
            ]
            for pair in pairs(0):
                for writer, frame in zip(writers, pair, strict=True):
                    writer.write(to_pixels(frame[None])[0])
                number += 1
                report(number)
        return self._finish(clip, number)

    def complete(self) -> None:
        """Note that all clips are there."""
        self._write_record(is_complete=True)

    def remove_if_empty(self) -> None:
        """Remove the folder if there is not a single pair in it."""
        if self._finished or any(path.is_file() for side in SIDES for path in (self.path / side).rglob("*")):
            return
        for side in SIDES:
            shutil.rmtree(self.path / side)
        (self.path / RECORD).unlink()
        remove_folder(self.path)

    def _take_over(self, overwrite: bool) -> None:
        """What is there belongs to this job, is replaced, or is refused."""
        record = _read_record(self.path)
        if record is None:
            raise FileExistsError(f"{shown(self.path)} is there and was not made by this command; choose another name.")
        if overwrite:
            for side in SIDES:
                shutil.rmtree(self.path / side, ignore_errors=True)
            return
        if record.pop("is_complete", False):
            raise FileExistsError(f"{shown(self.path)} holds finished pairs; choose another name or add --overwrite.")
        self._finished = dict(record.pop("clips", {}))
        changed = [name for name in {**record, **self._facts} if record.get(name) != self._facts.get(name)]
        if changed:
            raise FileExistsError(
                f"{shown(self.path)} holds pairs of an interrupted job with another {', '.join(changed)}; give the "
                "same options to go on, choose another name, or add --overwrite."
            )

    def _finish(self, clip: str, num_frames: int) -> int:
        self._finished[clip] = num_frames
        self._write_record(is_complete=False)
        return num_frames

    def _write_record(self, *, is_complete: bool) -> None:
        record = {**self._facts, "clips": self._finished, "is_complete": is_complete}
        write_atomically(self.path / RECORD, (json.dumps(record, indent=2) + "\n").encode())


def finished_clips(path: Path) -> set[str] | None:
    """Names of the clips that are whole in a folder that a job has not finished; None for any other folder.

    Args:
        path: Folder of pairs.
    """
    record = _read_record(path)
    return None if record is None or record.get("is_complete", True) else set(record["clips"])


def _frame(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.png"


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((path / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("clips"), dict) else None
