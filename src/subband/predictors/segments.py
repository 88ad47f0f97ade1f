"""The work folder of a long job on a video: finished segments, by which a job that was killed goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from subband.files import contents, remove_folder, write_atomically
from subband.media.frames import Frame, frame_rate
from subband.media.sources import FolderReader
from subband.media.stream_copy import CopiedPart, Piece, join_pieces
from subband.media.video_writer import CODECS, FORMATS, VIDEO_SUFFIXES, VideoWriter
from subband.media.writers import FolderWriter, check_clip_length, open_writer
from subband.predictors.windows import Restart

_SETTINGS_FILE, _NOTES_FILE = "settings.json", "notes.json"


class VideoStyle(NamedTuple):
    """How the result is stored.

    Attributes:
        time_base: Unit of the times in seconds.
        fps: Frames per second, for frames without times.
        options: Arguments of `VideoWriter` beside those.
        copy_from: File whose audio, subtitles, chapters and metadata are taken over.
        part: Which part of `copy_from` is taken.
    """

    time_base: Fraction
    fps: float
    options: dict[str, Any]
    copy_from: Path | None
    part: CopiedPart


class Segment(NamedTuple):
    """A finished segment.

    Attributes:
        path: Video file, or folder of images.
        times: Time of each frame in units of the time base.
        restart: Where the next segment begins.
        is_last: Whether it is the last one.
    """

    path: Path
    times: list[int]
    restart: Restart
    is_last: bool


class WorkFolder:
    """Segments of one job beside its output.

    The folder is made with the first segment; whoever works in it holds its `folder_lock`. A segment is finished when
    its note (`.json`) is there. Segments of a video are encoded as the video will be; those of an animation or a folder
    of images are folders of PNG files.

    Args:
        target: The output.
        settings: All that the result depends on. A folder with segments that were made with others is refused.
        style: How the result is stored.

    Attributes:
        notes: What the job has noted.
        segments: Those that are finished.

    Raises:
        FileNotFoundError: If the folder of `target` does not exist.
        ValueError: If the work folder was made with other settings.
    """

    def __init__(self, target: Path, settings: Mapping[str, Any], style: VideoStyle) -> None:
        self.target = target
        self.path = work_path(target)
        self._style = style
        self._is_video = target.suffix.lower() in VIDEO_SUFFIXES
        if not target.parent.is_dir():
            raise FileNotFoundError(f"the folder {target.parent} for {target.name} does not exist; make it first.")
        self._settings = json.loads(json.dumps(dict(settings)))
        self.notes: dict[str, Any] = {}
        self.segments: list[Segment] = []
        if contents(self.path):
            self._compare(self.path / _SETTINGS_FILE, self._settings)

    def _compare(self, note: Path, wanted: Mapping[str, Any]) -> None:
        try:
            found = json.loads(note.read_text())
        except (OSError, ValueError):
            raise ValueError(f"{self.path} is no work folder of a job on {self.target.name}; remove it.") from None
        changed = [key for key in sorted({*found, *wanted}) if found.get(key) != wanted.get(key)]
        if changed and not self._note(0).is_file():
            remove_folder(self.path)  # nothing was finished
            return
        if changed:
            facts = ", ".join(f"{key} {found.get(key)} instead of {wanted.get(key)}" for key in changed)
            raise ValueError(
                f"{self.path} holds an unfinished job with other settings ({facts}); remove it or take them again."
            )
        self.segments = list(self._finished())
        notes = self.path / _NOTES_FILE
        self.notes = json.loads(notes.read_text()) if notes.is_file() else {}

    def note(self, name: str, value: Any) -> None:
        """Notes something for a job that goes on.

        Args:
            name: What to find it by in `notes`.
            value: Anything that JSON has.
        """
        self.notes[name] = value
        self._make()
        write_atomically(self.path / _NOTES_FILE, json.dumps(self.notes).encode())

    def _make(self) -> None:
        if not self.path.is_dir():
            self.path.mkdir()
        if not (self.path / _SETTINGS_FILE).is_file():
            write_atomically(self.path / _SETTINGS_FILE, json.dumps(self._settings, indent=1).encode())

    def _finished(self) -> Iterator[Segment]:
        number = 0
        while (note := self._note(number)).is_file():
            facts = json.loads(note.read_text())
            before = None if facts["before"] is None else Fraction(facts["before"])
            restart = Restart(*(facts[field] for field in Restart._fields[:-1]))._replace(before=before)
            yield Segment(self._file(number), facts["times"], restart, facts["is_last"])
            number += 1

    def _file(self, number: int) -> Path:
        # MP4 holds both codecs and any unit of time.
        return self.path / f"segment_{number:04d}{'.mp4' if self._is_video else ''}"

    def _note(self, number: int) -> Path:
        return self.path / f"segment_{number:04d}.json"

    @property
    def restart(self) -> Restart:
        """Where to go on."""
        return self.segments[-1].restart if self.segments else Restart()

    @property
    def is_complete(self) -> bool:
        """Whether all segments are there."""
        return bool(self.segments) and self.segments[-1].is_last

    @contextmanager
    def new_segment(self) -> Iterator[SegmentWriter]:
        """The next segment; it is finished when the block ends without an error."""
        number = len(self.segments)
        path = self._file(number)
        self._make()
        with _writer(path, self.target, self._style) as writer:
            segment = SegmentWriter(writer, self.target, self._style.time_base, self._style.fps, self.restart.done)
            yield segment
        facts = segment.restart._asdict() | {"times": segment.times, "is_last": segment.is_last}
        write_atomically(self._note(number), json.dumps(facts, default=str).encode())
        self.segments.append(Segment(path, segment.times, segment.restart, segment.is_last))

    def drop_if_empty(self) -> None:
        """Removes the folder if no segment was finished, so that nothing is left of a job that failed at once."""
        if not self.segments:
            remove_folder(self.path)

    def finish(self, *, overwrite: bool) -> None:
        """Joins the segments to the output and removes the work folder.

        Args:
            overwrite: Replaces an existing output.

        Raises:
            FileExistsError: If there is an output and `overwrite` is False.
        """
        style = self._style
        if self._is_video:
            join_pieces(
                self.target,
                [Piece(segment.path, segment.times) for segment in self.segments],
                style.time_base,
                container_format=FORMATS[self.target.suffix.lower()],
                copy_from=style.copy_from,
                part=style.part,
                overwrite=overwrite,
            )
        else:
            with open_writer(self.target, fps=style.fps, overwrite=overwrite) as writer:
                for frame in self._images():
                    writer.write(frame.pixels, frame.time)
        remove_folder(self.path)

    def _images(self) -> Iterator[Frame]:
        for segment in self.segments:
            frames = FolderReader(segment.path).frames(range(len(segment.times)))
            for pixels, time in zip(frames, segment.times, strict=True):
                yield Frame(pixels, time * self._style.time_base)


def work_path(target: Path) -> Path:
    """Where the work folder of an output is.

    Args:
        target: The output.
    """
    return target.with_name(f"{target.name}.parts")


class SegmentWriter:
    """Writes the frames of one segment and notes their times.

    Args:
        writer: Where the frames go.
        target: The output, for which a frame may be one too many.
        time_base: Unit of the times.
        fps: Frames per second, for frames without times.
        first: Number of the first frame in the clip.
    """

    restart: Restart
    is_last: bool

    def __init__(
        self, writer: VideoWriter | FolderWriter, target: Path, time_base: Fraction, fps: float, first: int
    ) -> None:
        self._writer = writer
        self._target = target
        self._time_base = time_base
        self._rate = frame_rate(fps)
        self._first = first
        self.times: list[int] = []

    def write(self, pixels: Sequence[np.ndarray], times: Sequence[Fraction | None]) -> None:
        """Writes frames.

        Args:
            pixels: `(H, W, 3)` uint8 each.
            times: When they are shown, in seconds; None for the constant rate.

        Raises:
            ValueError: If the output cannot hold so many.
        """
        check_clip_length(self._target, self._first + len(self.times) + len(pixels), *pixels[0].shape[:2])
        for frame, time in zip(pixels, times, strict=True):
            seconds = (self._first + len(self.times)) / self._rate if time is None else time
            units = round(seconds / self._time_base)
            if self.times and units <= self.times[-1]:
                units = self.times[-1] + 1
            self.times.append(units)
            self._writer.write(frame, units * self._time_base)


def _writer(path: Path, target: Path, style: VideoStyle) -> Any:
    """A writer of one segment, in the codec of the target."""
    if target.suffix.lower() not in VIDEO_SUFFIXES:
        return FolderWriter(path, overwrite=True)
    return VideoWriter(
        path,
        fps=style.fps,
        time_base=style.time_base,
        codec=CODECS[target.suffix.lower()],
        overwrite=True,
        **style.options,
    )
