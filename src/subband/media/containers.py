"""Video files opened with PyAV, with errors that name the file."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from subband.extras import names_extra

# A file may name other files or addresses (playlists); only containers that hold their own data are opened.
_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,kux,ogg,asf,asf_o,rm,ivr,mxf,dv,nut,nuv,gxf,lxf,wtv,"
    "ty,swf,nsv,pva,pmp,mtv,dhav,ifv,lmlm4,mlv,cine,r3d,viv,vivo,vividas,"
    "h261,h263,h264,hevc,vvc,evc,apv,m4v,vc1,vc1test,cavsvideo,avs2,avs3,dirac,dnxhd,obu,av1,ivf,"
    "yuv4mpegpipe,mjpeg,mjpeg_2000,smjpeg,mpjpeg,gif,apng,jpegxl_anim,flic,filmstrip,"
    "4xm,avs,bethsoftvid,bfi,bink,bmv,c93,cdxl,dfa,dsicin,dxa,ea,film_cpk,gdv,hnm,idcin,iff,ipmovie,iv8,jv,mm,mods,"
    "moflex,mv,mvi,nc,paf,psxstr,rl2,roq,rpl,siff,smk,thp,tiertexseq,tmv,txd,usm,vmd,wc3movie,wsvqa,xmv,yop"
)
_OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}


def import_av() -> ModuleType:
    """PyAV, which only video files need.

    Raises:
        ImportError: If it is not installed; the message says how to install it.
    """
    with names_extra("video files need"):
        import av
    return av


def file_url(path: Path) -> str:
    """A path as FFmpeg takes it: without the prefix, `a:b.mp4` would be an address of the protocol `a`.

    Args:
        path: Any path.
    """
    return f"file:{path}"


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


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what FFmpeg refuses to write inside the block into a ValueError that names the file."""
    av = import_av()
    try:
        yield
    except av.error.FFmpegError as error:
        if isinstance(error, OSError | MemoryError):
            raise
        raise ValueError(f"{path} cannot be written as a video: FFmpeg refuses it ({error.strerror}).") from error


def open_container(path: Path) -> Any:
    """Opens a video file for reading.

    Raises:
        ValueError: If it cannot be opened or has no video stream.
        ImportError: If PyAV is not installed.
    """
    av = import_av()
    with reading(path):
        # Titles in an old encoding are no reason to refuse the images.
        container = av.open(file_url(path), options=_OPEN_OPTIONS, metadata_errors="replace")
    if not container.streams.video:
        container.close()
        raise ValueError(f"{path} has no video stream.")
    return container


def is_pipe(path: Path) -> bool:
    """Whether what is at a path can be read once only: a pipe, a socket or a terminal.

    Args:
        path: An existing path.
    """
    mode = path.stat().st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


@contextmanager
def stored(path: Path) -> Iterator[Path]:
    """Yields a file that can be read more than once: `path` itself, or a temporary copy of what comes out of a pipe.

    Args:
        path: A file, or a pipe such as `/dev/stdin`.

    Raises:
        ValueError: If it is a terminal, or nothing comes.
    """
    if not is_pipe(path):
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="subband-") as copy:
        with path.open("rb") as pipe:
            if os.isatty(pipe.fileno()):
                raise ValueError(f"{path} is a terminal; send a clip through a pipe or name a file.")
            shutil.copyfileobj(pipe, copy, 1 << 20)
        copy.flush()
        if not copy.tell():
            raise ValueError(f"{path} is empty (0 bytes).")
        yield Path(copy.name)


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
