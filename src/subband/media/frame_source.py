"""An opened video file that is decoded from its start or from a key frame, the same frames either way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from subband.media.containers import open_container, reading
from subband.media.decoding import (
    Damage,
    decode_packet,
    decoded_frames,
    report_errors,
    stands_alone,
    use_one_thread,
    video_packets,
    video_stream,
)

# Containers whose packet times are the times of the frames; others are read from frame 0.
_SEEKABLE = ("mov", "matroska")
_TRIES = 3
_FARTHEST = 2**62  # units of time, which FFmpeg stores in 64 bits


class Landing(NamedTuple):
    """A place that was jumped to.

    Attributes:
        time: Time of its key frame, in units of the stream.
        decoding_time: When the key frame is decoded, likewise.
        frames: Frames from the key frame on. Those that are shown before it are left out: they may need pictures from
            before the place.
        num_before: Tells how many pictures were left out that way, once the first frame was taken.
    """

    time: int
    decoding_time: int | None
    frames: Iterator[Any]
    num_before: Callable[[], int]


class FrameSource:
    """Decodes one video stream.

    Several threads decode until damage is met. From then on there is one, since with several it depends on chance which
    frames come out after an error.

    Args:
        file: The file.
        name: What messages call it.
        one_thread: Decode by one thread from the start.

    Raises:
        ValueError: If it is no video that can be decoded.
        ImportError: If PyAV is not installed.
    """

    def __init__(self, file: Path, name: Path, *, one_thread: bool) -> None:
        self.needs_one_thread = one_thread
        self.damage = Damage()
        """What was wrong in the present iteration."""
        self._file = file
        self._name = name
        self._turn_count = 0
        self._first_packet: tuple[int | None, ...] | None = None
        self._open()

    def close(self) -> None:
        """Closes the file."""
        self.container.close()

    def reopen(self) -> None:
        """Opens the file anew: a decoder that was used before may fill what is missing from its old buffers."""
        self.close()
        self._open()

    @property
    def can_seek(self) -> bool:
        """Whether the file lets jump to a time."""
        return self.container.format.name.startswith(_SEEKABLE)

    def packets(self) -> Iterator[Any]:
        """Packets from the start on, without decoding them."""
        return self._rewound()

    def whole(self) -> Iterator[Any]:
        """All frames."""
        return self._steady(self._from_start)

    def landing(self, time: int) -> Landing | None:
        """Frames from a key frame at or before a time on; None if the file does not let jump there.

        Args:
            time: In units of the stream.
        """
        if not self.can_seek:
            return None
        target = time
        for _ in range(_TRIES):
            first = self._packet_near(target)
            if first is None or first.pts is None:
                return None
            if first.is_keyframe and first.pts <= time:
                return self._landed(first, target)
            earlier = min(first.pts if first.dts is None else first.dts, target)
            target = earlier - 1
        return None

    def _landed(self, first: Any, target: int) -> Landing:
        num_before: list[int] = []
        frames = self._steady(lambda: self._from_key(target, num_before))
        return Landing(first.pts, first.dts, frames, lambda: len(num_before))

    def _open(self) -> None:
        self.container = open_container(self._file)
        try:
            self.stream = video_stream(self.container, self._name)
        except BaseException:
            self.container.close()
            raise
        context = self.stream.codec_context
        self._is_intra_only = stands_alone(context)
        if self._is_intra_only:
            report_errors(context)
        if self.needs_one_thread:
            use_one_thread(context)
        else:
            self.stream.thread_type = "AUTO"
        self._is_at_start = True

    def _rewound(self) -> Iterator[Any]:
        """Packets from the first one on. A jump to the start that leads elsewhere, as edit lists make it, is undone."""
        can_return = self.can_seek and not self.needs_one_thread and self._first_packet is not None
        if not self._is_at_start and can_return:
            first = self._packet_near(min(self.stream.start_time or 0, 0))
            if first is not None and _place(first) == self._first_packet:
                return chain([first], self._packets_here)
        if not self._is_at_start:
            self.reopen()
        self._turn_count += 1
        self._is_at_start = False
        packets = video_packets(self.container, self.stream, self._name, self._new_damage())
        first = next(packets, None)
        if first is None:
            return iter(())
        self._first_packet = _place(first)
        return chain([first], packets)

    def _steady(self, begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """Frames that do not depend on the number of threads."""
        count = 0
        if not self.needs_one_thread:
            for frame in begin():
                if self.damage.is_found:
                    break
                yield frame
                count += 1
            if not (self.damage.is_found or self.damage.may_hide):
                return
            self.needs_one_thread = True
            self.reopen()
        yield from islice(begin(), count, None)

    def _from_start(self) -> Iterator[Any]:
        return self._decoded(self._rewound())

    def _from_key(self, target: int, num_before: list[int]) -> Iterator[Any]:
        """Frames from the key frame on that a jump to `target` leads to."""
        first = self._packet_near(target)
        packets = self._packets_here
        num_before.clear()
        if first is None or first.pts is None:
            return iter(())
        time = first.pts

        def counted() -> Iterator[Any]:
            for packet in packets:
                if packet.pts is not None and packet.pts < time and not packet.is_discard:
                    num_before.append(1)
                yield packet

        frames = self._decoded(chain([first], counted()))
        return (frame for frame in frames if frame.pts is None or frame.pts >= time)

    def _packet_near(self, target: int) -> Any | None:
        """The first packet after a jump."""
        self._turn_count += 1
        self._is_at_start = False
        with reading(self._name):
            self.container.seek(max(-_FARTHEST, min(target, _FARTHEST)), stream=self.stream, backward=True)
        self._packets_here = video_packets(self.container, self.stream, self._name, self._new_damage())
        return next(self._packets_here, None)

    def _new_damage(self) -> Damage:
        self.damage = Damage()
        return self.damage

    def _decoded(self, packets: Iterator[Any]) -> Iterator[Any]:
        turn = self._turn_count
        alone = self._decoded_alone if self._is_intra_only and self.needs_one_thread else None
        for frame in decoded_frames(self.stream, packets, self.damage, alone):
            if turn != self._turn_count:
                raise RuntimeError(f"{self._name} is iterated anew; one iteration of a reader runs at a time.")
            yield frame

    def _decoded_alone(self, packet: Any) -> list[Any]:
        """What a decoder that has decoded nothing before makes of a damaged picture that needs no other one.

        Where such a picture breaks off, the frame keeps what its buffer held: an earlier frame, by chance.
        """
        container = open_container(self._file)
        try:
            context = video_stream(container, self._name).codec_context
            use_one_thread(context)
            return decode_packet(context, packet) + decode_packet(context, None)
        finally:
            container.close()


def _place(packet: Any) -> tuple[int | None, ...]:
    return packet.pts, packet.dts, packet.pos, packet.size
