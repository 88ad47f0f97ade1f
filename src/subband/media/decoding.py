"""Pictures of a video stream decoded as the ffmpeg program does: what cannot be decoded is skipped and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subband.media.containers import import_av, reading
from subband.media.endings import is_cut_off

_CHECKED = "png"  # pictures with checksums, for which FFmpeg looks when it is told to


def stands_alone(context: Any) -> bool:
    """Whether every picture of a stream is decoded without others.

    Args:
        context: The decoder.
    """
    return bool(context.codec.intra_only) or context.name == _CHECKED


def report_errors(context: Any) -> None:
    """Lets a decoder that is not yet open refuse damaged pictures; some, that of JPEG pictures for one, hide them else.

    Args:
        context: The decoder.
    """
    kinds = "crccheck+explode" if context.name == _CHECKED else "explode"
    context.options = {**context.options, "err_detect": kinds}


@dataclass
class Damage:
    """What was found wrong while a clip was decoded.

    Attributes:
        num_lost: Pictures that could not be decoded; they are no frames of the clip.
        num_marred: Frames that the decoder could restore in part only.
        is_cut: Whether data is missing: a picture is incomplete, or the file could not be read to its end.
        may_hide: Whether fewer frames came than pictures went in, which several threads may have lost at the end.
    """

    num_lost: int = 0
    num_marred: int = 0
    is_cut: bool = False
    may_hide: bool = False

    @property
    def is_found(self) -> bool:
        """Whether the clip is not whole."""
        return bool(self.num_lost or self.num_marred or self.is_cut)

    def describe(self, path: Path) -> str:
        """One sentence for a warning.

        Args:
            path: The clip.

        Example:
            >>> Damage(num_lost=2, is_cut=True).describe(Path("a.mp4"))
            'a.mp4 is damaged: data is missing, pictures that could not be decoded and are left out: 2.'
        """
        facts = ["data is missing"] if self.is_cut else []
        if self.num_lost:
            facts.append(f"pictures that could not be decoded and are left out: {self.num_lost}")
        if self.num_marred:
            facts.append(f"frames that were restored in part only: {self.num_marred}")
        return f"{path} is damaged: {', '.join(facts)}."


def video_stream(container: Any, path: Path) -> Any:
    """The first video stream that is no cover picture and has a decoder.

    Args:
        container: An opened file.
        path: What messages call it.

    Raises:
        ValueError: If there is no decoder for any.
    """
    found = [stream for stream in container.streams.video if stream.codec_context is not None]
    if not found:
        raise ValueError(f"{path} cannot be read as a video: the installed PyAV has no decoder for it.")
    cover = import_av().stream.Disposition.attached_pic
    return next((stream for stream in found if not stream.disposition & cover), found[0])


def video_packets(container: Any, stream: Any, path: Path, damage: Damage) -> Iterator[Any]:
    """Packets of a stream from the present position on; where reading fails, the clip ends, as in ffmpeg.

    Args:
        container: An opened file.
        stream: Its video stream.
        path: What messages call it.
        damage: Where incomplete data is noted.
    """
    av = import_av()
    end = None
    with reading(path):
        try:
            for packet in container.demux(stream):
                # Empty packets would end the decoding: the last one of PyAV's, and some that AVI files hold.
                if packet.size:
                    damage.is_cut |= packet.is_corrupt and not packet.is_discard
                    end = None if packet.pos is None else packet.pos + packet.size
                    yield packet
            damage.is_cut |= is_cut_off(container, end)
        except av.error.InvalidDataError:
            damage.is_cut = True


def use_one_thread(context: Any) -> None:
    """Lets a decoder that is not yet open decode by one thread.

    Args:
        context: The decoder.
    """
    context.thread_type = "NONE"
    context.thread_count = 1


def decoded_frames(
    stream: Any,
    packets: Iterable[Any],
    damage: Damage,
    alone: Callable[[Any], list[Any]] | None = None,
) -> Iterator[Any]:
    """Frames of packets, in the order of showing.

    Like the ffmpeg program, this shows frames that the decoder restored in part, and leaves out what it does not give
    out: pictures that cannot be decoded, and those before the first from which decoding can begin.

    Args:
        stream: The video stream.
        packets: Its packets.
        damage: Where pictures that cannot be decoded are counted.
        alone: Decodes a damaged packet without those before it, in streams whose pictures need no others.
    """
    context = stream.codec_context
    num_waiting = 0
    for packet in packets:
        frames = _decode(context, packet, damage, alone)
        num_waiting += (not packet.is_discard) - len(frames)
        yield from frames
    last = _decode(context, None, damage, None)
    damage.may_hide = len(last) + damage.num_lost < num_waiting
    yield from last


def decode_packet(context: Any, packet: Any | None) -> list[Any]:
    """Frames that a decoder gives out for a packet; none if it cannot decode it.

    Args:
        context: The decoder.
        packet: The packet; None for the frames that are still inside.
    """
    return _try_to_decode(context, packet) or []


def _decode(context: Any, packet: Any | None, damage: Damage, alone: Callable[[Any], list[Any]] | None) -> list[Any]:
    frames = _try_to_decode(context, packet)
    if alone is not None and (frames is None or any(frame.is_corrupt for frame in frames)):
        frames = alone(packet) or None
        damage.num_marred += len(frames or ())
    elif frames is not None:
        damage.num_marred += sum(frame.is_corrupt for frame in frames)
    if frames is None:
        damage.num_lost += 1
    return frames or []


def _try_to_decode(context: Any, packet: Any | None) -> list[Any] | None:
    """Frames of a packet, None if it cannot be decoded."""
    av = import_av()
    try:
        return list(context.decode(packet))
    except av.error.MemoryError:
        raise
    except av.error.EOFError:
        return []
    except av.error.FFmpegError:
        return None
