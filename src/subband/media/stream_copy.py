"""Streams, chapters and metadata copied from one video file to another, and finished pieces of a video joined."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from subband.files import new_path
from subband.media.containers import file_url, import_av, open_container, reading, repeats_chapters, writing

_COPIED = ("audio", "subtitle", "data", "attachment")
_TRIED_PACKETS = 2000
_INTERLEAVED = 10  # seconds by which a packet may stand too late in a file
_NOT_COPIED = {"major_brand", "minor_version", "compatible_brands", "encoder"}  # facts about the old file


class Piece(NamedTuple):
    """A finished piece of a video.

    Attributes:
        path: File with one video stream.
        times: Time of each frame in the joined video, ascending, in units of its time base.
    """

    path: Path
    times: list[int]


class CopiedPart(NamedTuple):
    """The part of a file that is copied.

    Attributes:
        shift: Time in the file, in seconds, that becomes 0.
        is_start: Whether what lies before is left out.
        duration: Seconds from `shift` on after which all is left out; None for nothing.
    """

    shift: Fraction = Fraction(0)
    is_start: bool = False
    duration: Fraction | None = None


class StreamCopier:
    """Copies what is not video from a file into a container that is being written.

    Streams that the new format cannot hold are left out with a warning, and so are chapters where the installed PyAV
    cannot write them.

    Args:
        target: Container of PyAV, opened for writing, whose own streams are added already.
        source: File to copy from.
        part: Which part of it. Sound begins and ends with whole packets inside; subtitles are shortened to it.

    Raises:
        ValueError: If `source` cannot be read.
    """

    def __init__(self, target: Any, source: Path, *, part: CopiedPart | None = None) -> None:
        self._target = target
        self._path = source
        self._container = open_container(source)
        self._part = part or CopiedPart()
        self._streams: dict[int, Any] = {}
        unfit = _unfit_streams(source, target.format.name)
        for stream in self._container.streams:
            if stream.type in _COPIED and not repeats_chapters(self._container, stream):
                self._add(stream, stream.index in unfit)
        self._name_further_videos()
        self._copy_chapters()
        self._target.metadata.update(
            {key: value for key, value in self._container.metadata.items() if key.lower() not in _NOT_COPIED}
        )
        self._packets = self._demux()
        self._held = next(self._packets, None)

    def copy_until(self, seconds: Fraction | None) -> None:
        """Copies the packets up to a time of the new file, or all that are left.

        Args:
            seconds: The time; None for all.

        Raises:
            ValueError: If the source is damaged.
        """
        while self._held is not None:
            time, packet = self._held
            if seconds is not None and time > seconds:
                return
            self._target.mux(packet)
            self._held = next(self._packets, None)

    def close(self) -> None:
        """Closes the source."""
        self._container.close()

    def _add(self, stream: Any, is_unfit: bool) -> None:
        name = f"{stream.type} stream {stream.index}"
        if is_unfit:
            message = f"{name} of {self._path} is left out: {self._target.format.name} files cannot hold it."
            warnings.warn(message, stacklevel=2)
            return
        copied = self._target.add_stream_from_template(stream)
        for key in ("language", "title"):
            if key in stream.metadata:
                copied.metadata[key] = stream.metadata[key]
        copied.disposition = stream.disposition.value  # as a number, which PyAV 17 wants
        self._streams[stream.index] = copied

    def _name_further_videos(self) -> None:
        covers = import_av().stream.Disposition.attached_pic
        count = sum(not stream.disposition & covers for stream in self._container.streams.video)
        if count > 1:
            message = f"{self._path} has {count} video streams; the first is taken, the others are left out."
            warnings.warn(message, stacklevel=2)

    def _copy_chapters(self) -> None:
        if not hasattr(self._container, "chapters"):
            warnings.warn("chapters are left out: the installed PyAV cannot copy them.", stacklevel=2)
            return
        chapters = self._container.chapters()
        for chapter in chapters:
            back, end = self._units(chapter["time_base"])
            chapter["start"], chapter["end"] = max(chapter["start"] - back, 0), max(chapter["end"] - back, 0)
            chapter["end"] = chapter["end"] if end is None else min(chapter["end"], end)
        if self._part.is_start or self._part.duration is not None:
            chapters = [chapter for chapter in chapters if chapter["start"] < chapter["end"]]
        if chapters:
            self._target.set_chapters(chapters)

    def _units(self, time_base: Fraction) -> tuple[int, int | None]:
        """Shift and duration in a unit of time."""
        duration = self._part.duration
        return round(self._part.shift / time_base), None if duration is None else round(duration / time_base)

    def _demux(self) -> Iterator[tuple[Fraction, Any]]:
        wanted = [self._container.streams[index] for index in self._streams]
        if not wanted:
            return
        latest: dict[int, int] = {}
        with reading(self._path):
            for packet in self._container.demux(wanted):
                if packet.dts is None or not packet.size:
                    continue
                index, (back, end) = packet.stream.index, self._units(packet.time_base)
                if end is not None and packet.dts - back - end > _INTERLEAVED / packet.time_base:
                    return
                if not self._shorten(packet, back, end):
                    continue
                # Muxers refuse decoding times that do not grow, which careless files have.
                packet.dts = latest[index] = max(packet.dts - back, latest.get(index, packet.dts - back - 1) + 1)
                if packet.pts is not None:
                    packet.pts = max(packet.pts - back, packet.dts)
                time = packet.dts * packet.time_base
                packet.stream = self._streams[index]
                yield time, packet

    def _shorten(self, packet: Any, back: int, end: int | None) -> bool:
        """Fits a subtitle into the part; of all packets, whether they belong to it."""
        start = (packet.dts if packet.pts is None else packet.pts) - back
        if end is not None and start >= end:
            return False
        is_subtitle, length = packet.stream.type == "subtitle", packet.duration or 0
        if self._part.is_start and start < 0:
            if not is_subtitle or start + length <= 0:
                return False
            packet.pts = packet.dts = back
            packet.duration = length = start + length
            start = 0
        if is_subtitle and end is not None and start + length > end:
            packet.duration = end - start
        return True


def join_pieces(
    path: Path,
    pieces: Sequence[Piece],
    time_base: Fraction,
    *,
    container_format: str,
    copy_from: Path | None = None,
    part: CopiedPart | None = None,
    overwrite: bool = False,
) -> None:
    """Joins pieces of a video without encoding them again, beside what is copied from another file.

    Args:
        path: File to write; it appears when it is complete.
        pieces: In their order, all from one encoder with the same settings.
        time_base: Unit of the pieces' times, in seconds.
        container_format: FFmpeg's name of the new file's format.
        copy_from: File whose other streams, chapters and metadata are taken over.
        part: Which part of it.
        overwrite: Replaces an existing file.

    Raises:
        FileExistsError: If `path` exists and `overwrite` is False.
        ValueError: If a piece does not hold the frames it should.
    """
    av = import_av()
    with (
        new_path(path, overwrite=overwrite) as temporary,
        writing(path),
        av.open(file_url(temporary), "w", format=container_format) as out,
    ):
        with av.open(file_url(pieces[0].path)) as first:
            stream = out.add_stream_from_template(first.streams.video[0], opaque=True)
            stream.time_base = time_base
            if rate := _mean_rate(pieces, time_base):
                stream.codec_context.framerate = rate
        copier = None if copy_from is None else StreamCopier(out, copy_from, part=part)
        try:
            for packet in _packets(pieces, time_base):
                packet.stream = stream
                if copier is not None:
                    copier.copy_until(packet.dts * time_base)
                out.mux(packet)
            if copier is not None:
                copier.copy_until(None)
        finally:
            if copier is not None:
                copier.close()


def _packets(pieces: Sequence[Piece], time_base: Fraction) -> Iterator[Any]:
    """Packets of all pieces with the times of the joined video.

    Frames are stored in the order of decoding, and a decoding time must never be later than the time of the frame. The
    sorted times serve as decoding times, moved by as many frames as the encoder ever looked ahead.
    """
    ranks = [_ranks(piece) for piece in pieces]
    delay = max(place - rank for order in ranks for place, rank in enumerate(order))
    times = [time for piece in pieces for time in piece.times]
    steps = [after - before for before, after in pairwise(times)] or [round(Fraction(1, 25) / time_base) or 1]
    steps.append(steps[-1])
    decoding = [times[0] - steps[0] * (delay - place) for place in range(delay)] + times
    first = 0
    for piece, order in zip(pieces, ranks, strict=True):
        for place, packet in enumerate(_stored(piece.path)):
            packet.time_base = time_base
            packet.pts, packet.dts = piece.times[order[place]], decoding[first + place]
            packet.duration = steps[first + order[place]]
            yield packet
        first += len(order)


def _mean_rate(pieces: Sequence[Piece], time_base: Fraction) -> Fraction | None:
    """Frames per second, which Matroska has to be told."""
    num_steps = sum(len(piece.times) for piece in pieces) - 1
    seconds = (pieces[-1].times[-1] - pieces[0].times[0]) * time_base
    return (num_steps / seconds).limit_denominator(1001) if num_steps else None


def _ranks(piece: Piece) -> list[int]:
    """For each packet as stored, which frame of the piece it is in the order of showing."""
    times = [packet.pts for packet in _stored(piece.path)]
    if len(times) != len(piece.times):
        raise ValueError(f"{piece.path} holds {len(times)} frames instead of {len(piece.times)}.")
    number = {time: index for index, time in enumerate(sorted(times))}
    return [number[time] for time in times]


def _stored(path: Path) -> Iterator[Any]:
    with import_av().open(file_url(path)) as container:
        yield from (packet for packet in container.demux(video=0) if packet.size)


def _unfit_streams(source: Path, container_format: str) -> set[int]:
    """Numbers of the streams that a format cannot hold.

    Some formats say so only when they have data, at the end of all work. So the first packet of each stream is written
    to a file in memory.
    """
    with open_container(source) as container, reading(source):
        packets: dict[int, Any] = {}
        for packet in islice(container.demux(), _TRIED_PACKETS):
            if packet.size and packet.dts is not None:
                packets.setdefault(packet.stream.index, packet)
            if len(packets) == len(container.streams):
                break
        others = [stream for stream in container.streams if stream.type in _COPIED]
        return {stream.index for stream in others if not _fits(stream, packets.get(stream.index), container_format)}


def _fits(stream: Any, packet: Any | None, container_format: str) -> bool:
    av = import_av()
    try:
        with av.open(io.BytesIO(), "w", format=container_format) as trial:
            copied = trial.add_stream_from_template(stream)
            trial.start_encoding()
            if packet is not None:
                packet.stream = copied
                trial.mux(packet)
    except (av.error.FFmpegError, ValueError):
        return False
    return True
