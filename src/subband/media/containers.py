"""Video files opened with PyAV, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

# A file may name other files or addresses (playlists); only containers that hold their own data are opened.
_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,avi,matroska,webm,mpegts,mpeg,mpegvideo,h264,hevc,flv,ogg,asf,ivf,yuv4mpegpipe,mjpeg",
}


def import_av() -> ModuleType:
    """PyAV, which only video files need.

    Raises:
        ImportError: If it is not installed; the message says how to install it.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError("video files need PyAV; install it with: pip install 'subband[video]'.") from error
    return av


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns whatever FFmpeg finds wrong inside the block into a ValueError that names the file."""
    av = import_av()
    try:
        yield
    except av.error.FFmpegError as error:
        raise ValueError(
            f"{path} cannot be read as a video: it is damaged, cut off or something else ({error.strerror})."
        ) from error


def open_container(path: Path) -> Any:
    """Opens a video file for reading.

    Raises:
        ValueError: If it cannot be opened or has no video stream.
        ImportError: If PyAV is not installed.
    """
    av = import_av()
    with reading(path):
        container = av.open(str(path), options=_OPEN_OPTIONS)
    if not container.streams.video:
        container.close()
        raise ValueError(f"{path} has no video stream.")
    container.streams.video[0].thread_type = "AUTO"
    return container


def repeats_chapters(container: Any, stream: Any) -> bool:
    """Whether a stream is the track in which QuickTime and MP4 files repeat the titles of their chapters.

    Args:
        container: An opened file.
        stream: One of its streams.
    """
    context = stream.codec_context
    is_plain_text = stream.type == "data" and (context is None or context.name == "bin_data")
    has_chapters = hasattr(container, "chapters") and bool(container.chapters())
    return is_plain_text and has_chapters and "mov" in container.format.name
