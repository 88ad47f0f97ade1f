"""What a video file says beside its frames."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from subband.media.containers import repeats_chapters
from subband.media.frames import Chapter, ClipDetails, ColorTags, StreamInfo

_MOST_FPS = 240  # Matroska files without a rate claim one of 1000


def mean_rate(stream: Any, begin: Sequence[Any]) -> Fraction | None:
    """Frames per second by the header, or by two frames where the header has the unit of time in its place.

    Args:
        stream: The video stream.
        begin: Its first frames.
    """
    rate = stream.average_rate or stream.guessed_rate
    if not rate or rate <= _MOST_FPS or len(begin) < 2 or None in (begin[0].pts, begin[1].pts):
        return rate or None
    seconds = (begin[1].pts - begin[0].pts) * stream.time_base
    return (1 / seconds).limit_denominator(1001) if seconds > 0 else rate


def clip_details(container: Any, stream: Any, first: Any, rate: Fraction | None, *, is_transposed: bool) -> ClipDetails:
    """Everything but the frames.

    Args:
        container: An opened file.
        stream: Its video stream.
        first: The first frame.
        rate: Frames per second.
        is_transposed: Whether frames are turned by a quarter.
    """
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    # Frames tell the first two since PyAV 17 only.
    context = stream.codec_context
    tags = (context.color_primaries, context.color_trc, first.colorspace, first.color_range)
    colors = ColorTags(*(int(tag) for tag in tags))
    return ClipDetails(
        codec=stream.codec_context.name,
        time_base=stream.time_base,
        start=Fraction(container.start_time or 0, 1_000_000),
        about_frames=_about_frames(container, stream, rate),
        pixel_aspect=1 / aspect if is_transposed and aspect else aspect or Fraction(1),
        colors=colors,
        bit_depth=max((component.bits for component in first.format.components), default=8),
        # WebM stores transparency beside the pixels, where the decoder does not look.
        has_alpha=any(component.is_alpha for component in first.format.components)
        or stream.metadata.get("alpha_mode") == "1",
        is_interlaced=bool(first.interlaced_frame),
        streams=tuple(
            _stream_info(other)
            for other in container.streams
            if other.index != stream.index and not repeats_chapters(container, other)
        ),
        chapters=chapters_of(container),
    )


def _about_frames(container: Any, stream: Any, rate: Fraction | None) -> int | None:
    if stream.frames:
        return stream.frames
    seconds = stream.duration * stream.time_base if stream.duration else Fraction(container.duration or 0, 1_000_000)
    count = round(seconds * rate) if seconds and rate else None
    # A broken time stamp makes a clip of years; no frame takes less than a byte.
    return None if count is None or count > container.size > 0 else count


def _stream_info(stream: Any) -> StreamInfo:
    context = stream.codec_context
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=None if context is None else context.name,
        language=stream.metadata.get("language"),
    )


def chapters_of(container: Any) -> tuple[Chapter, ...]:
    """Chapters of an opened container; none where the installed PyAV cannot read them.

    Args:
        container: An opened file.
    """
    found = container.chapters() if hasattr(container, "chapters") else []
    return tuple(
        Chapter(
            entry["start"] * entry["time_base"],
            entry["end"] * entry["time_base"],
            entry.get("metadata", {}).get("title", ""),
        )
        for entry in found
    )
