"""Whatever PyAV opens is read, upright, under any name, also from a pipe; what cannot be written is refused early."""

import os
import struct
import threading
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from subband.cli.main import main
from subband.data.video.folder import find_videos
from subband.media import check_clip_path, open_clip, probe, read_clip, write_clip
from subband.media.video_writer import VideoWriter
from subband.media.writers import check_clip_rate, open_writer
from subband.predictors.streaming import stream_clip

FORMATS: dict[str, tuple[str, str]] = {  # name -> codec, FFmpeg's format
    "x.mxf": ("mpeg2video", "mxf"),
    "x.nut": ("mpeg4", "nut"),
    "x.flv": ("flv", "flv"),
    "x.wmv": ("wmv2", "asf"),
    "x.mpg": ("mpeg1video", "mpeg"),
    "x.h264": ("libx264", "h264"),
    "x.ivf": ("libvpx-vp9", "ivf"),
    "x.y4m": ("rawvideo", "yuv4mpegpipe"),
    "x.3gp": ("libx264", "3gp"),
    "x.m2ts": ("libx264", "mpegts"),
    "x.gif.bin": ("gif", "gif"),
    "no suffix": ("libx264", "matroska"),
}


def encode(path: Path, codec: str, container_format: str, *, width: int = 64, count: int = 6, **notes: str) -> None:
    """Frames whose left half is bright and whose brightness grows."""
    with av.open(f"file:{path}", "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, width, "rgb8" if codec == "gif" else "yuv420p"
        stream.metadata.update(notes)
        for index in range(count):
            pixels = np.zeros((48, width, 3), np.uint8)
            pixels[:, : width // 2] = 100 + 20 * index
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def test_every_container_is_read(tmp_path: Path) -> None:
    for name, settings in FORMATS.items():
        encode(tmp_path / name, *settings)
        frames = read_clip(tmp_path / name)
        assert frames.shape == (6, 3, 48, 64), name
        bright = frames[..., :24].mean((1, 2, 3)) * 255
        assert (bright - (100 + 20 * torch.arange(6))).abs().max() < 20, name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find_videos(tmp_path, 6)) == len(FORMATS)


def test_any_name_is_read_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["a:b.mp4", "http:x.mkv", "%03d.mp4", "a b.webm", "\U0001f600.mov", "-x.mp4", "$HOME.mp4", "²x.gif", "x²3"]
    names += ["a?b#c.mp4", "frame%02d", os.fsdecode(b"a\xff.mp4")]
    for name in names:
        write_clip(name, torch.rand(2, 3, 16, 24), fps=5)
        assert len(read_clip(name)) == 2, name
        assert stream_clip(name, f"out {name}", lambda frames: 1 - frames) == 2, name
        assert probe(f"out {name}").num_frames == 2, name
    assert len(find_videos(tmp_path, 2)) == 2 * len(names)


def with_matrix(source: Path, target: Path, degrees: float) -> None:
    """A copy of an MP4 file with another display matrix in its track header."""
    angle = np.deg2rad(degrees)
    a, b = round(np.cos(angle) * 65536), round(np.sin(angle) * 65536)
    content = bytearray(source.read_bytes())
    place = content.index(b"tkhd") + 44  # ISO/IEC 14496-12
    content[place : place + 36] = struct.pack(">9i", a, b, 0, -b, a, 0, 0, 0, 1 << 30)
    target.write_bytes(content)


def brightest_side(path: Path) -> str:
    frame = read_clip(path, num_frames=1)[0, 0]
    height, width = frame.shape[0] // 2, frame.shape[1] // 2
    sides = {"left": frame[:, :width], "right": frame[:, width:], "top": frame[:height], "bottom": frame[height:]}
    return max(sides, key=lambda side: sides[side].mean().item())


def test_orientation(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    encode(path, "libx264", "mp4")
    assert brightest_side(path) == "left"
    for degrees, side in ((90, "top"), (90.3, "top"), (180, "right"), (270, "bottom"), (-90, "bottom"), (0, "left")):
        with_matrix(path, tmp_path / "turned.mp4", degrees)
        assert brightest_side(tmp_path / "turned.mp4") == side, degrees
    with_matrix(path, tmp_path / "odd.mp4", 30)
    with pytest.warns(
        UserWarning, match=r"odd\.mp4 says that its frames are to be turned by 30 degrees; they are left"
    ):
        assert brightest_side(tmp_path / "odd.mp4") == "left"
    for degrees, side in ((90, "top"), (180, "right"), (270, "bottom"), (360, "left")):  # a note of old files
        encode(tmp_path / "note.mkv", "libx264", "matroska", rotate=str(degrees))
        assert brightest_side(tmp_path / "note.mkv") == side, degrees
    encode(tmp_path / "note.mkv", "libx264", "matroska", rotate="45")
    with pytest.warns(UserWarning, match="turned by 45 degrees"):
        assert brightest_side(tmp_path / "note.mkv") == "left"


def test_the_roll_of_matroska_and_the_matrix_that_pyav_writes(tmp_path: Path) -> None:
    for suffix in ("mkv", "mp4"):
        with av.open(str(tmp_path / f"x.{suffix}"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            if not hasattr(stream, "set_display_rotation"):
                pytest.skip("the installed PyAV cannot write the rotation")
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            stream.set_display_rotation(90)  # counterclockwise: what is left comes to the bottom
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[:, :32] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        assert brightest_side(tmp_path / f"x.{suffix}") == "bottom", suffix


def test_sizes_that_change_and_pixels_that_are_not_square_are_named(tmp_path: Path) -> None:
    encode(tmp_path / "a.m2v", "mpeg2video", "mpeg2video")
    encode(tmp_path / "b.m2v", "mpeg2video", "mpeg2video", width=96)
    (tmp_path / "ab.m2v").write_bytes((tmp_path / "a.m2v").read_bytes() + (tmp_path / "b.m2v").read_bytes())
    with pytest.warns(UserWarning, match=r"ab\.m2v changes its frame size .* that of the first, 64 x 48"):
        frames = read_clip(tmp_path / "ab.m2v")
    assert frames.shape == (11, 3, 48, 64)  # as ffmpeg: the decoder starts anew and drops the frame it held back
    with VideoWriter(tmp_path / "x.mp4", pixel_aspect=Fraction(12, 11)) as writer:
        writer.write(np.zeros((16, 24, 3), np.uint8))
    with pytest.warns(UserWarning, match=r"the pixels of .*x\.mp4 are not square \(12:11\)"):
        read_clip(tmp_path / "x.mp4")


def test_further_videos_are_named_and_covers_are_no_clip(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "x.mkv"), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for index, stream in enumerate(streams):
            stream.height, stream.width, stream.pix_fmt = 48, 64 + 32 * index, "yuv420p"
        for stream in streams:
            pixels = np.zeros((48, stream.width, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    with pytest.warns(UserWarning, match=r"x\.mkv has 2 video streams; the first is taken, the others are left out"):
        stream_clip(tmp_path / "x.mkv", tmp_path / "y.mkv", lambda frames: frames)
    assert probe(tmp_path / "y.mkv").width == 64
    with av.open(str(tmp_path / "cover.mp4"), "w") as container:
        cover, video = container.add_stream("mjpeg", rate=25), container.add_stream("mpeg4", rate=25)
        cover.height, cover.width, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        for stream in (cover, video):
            pixels = np.zeros((stream.height, stream.width, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    assert probe(tmp_path / "cover.mp4").width == 64


def test_rates_and_places_are_checked_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("x.mp4", "x.mkv", "x.webm", "x.gif", "x.webp", "x.apng")
    for name in names:
        for fps in (1e6, 1001, 0, -1, float("nan"), float("inf"), 1e-5):
            with pytest.raises(ValueError, match=rf"{name} cannot have .* frames per second"):
                open_writer(tmp_path / name, fps=fps)
        for fps in (0.1, 1 / 30, 30000 / 1001, 999.9):
            write_clip(tmp_path / name, torch.rand(3, 3, 16, 24), fps=fps, overwrite=True)
            if fps < 1:
                with open_clip(tmp_path / name) as reader:
                    assert [float(frame.time) for frame in reader] == pytest.approx([0, 1 / fps, 2 / fps]), name
    with pytest.raises(ValueError, match=r"x\.gif cannot show a frame for 1000 s, at most 655 s"):
        check_clip_rate(tmp_path / "x.gif", 0.001)
    check_clip_rate(tmp_path / "x.png", 1e6)  # has no rate
    for place in ("/dev/stdout", "/dev/stdout.mp4", "/dev/fd/1", "/dev/null"):
        with pytest.raises(ValueError, match="is no place for a clip"):
            check_clip_path(place)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ValueError, match=r"pipe\.mp4 is no place for a clip"):
        write_clip(tmp_path / "pipe.mp4", torch.rand(2, 3, 16, 24), overwrite=True)
    with VideoWriter(tmp_path / "fast.mp4", fps=1000, time_base=Fraction(1, 100000)) as writer:
        for index in range(30):
            writer.write(np.zeros((16, 24, 3), np.uint8), Fraction(index, 5000))
    work: list[Any] = []
    with pytest.raises(ValueError, match=r"y\.mp4 cannot have 5000 frames per second"):
        stream_clip(tmp_path / "fast.mp4", tmp_path / "y.mp4", work.append)
    assert main(["predict", str(tmp_path / "fast.mp4"), "--model", "none", "--out", str(tmp_path / "y.gif")]) == 2
    assert "y.gif cannot have 5000 frames per second" in capsys.readouterr().err
    assert main(["predict", "-", "--out", str(tmp_path / "y.gif")]) == 2
    assert "For standard input, give /dev/stdin." in capsys.readouterr().err


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for container_format in ("matroska", "mp4"):
        encode(tmp_path / "x", "libx264", container_format)
        sender = threading.Thread(target=lambda: pipe.write_bytes((tmp_path / "x").read_bytes()))
        sender.start()
        frames = read_clip(pipe, -4)
        sender.join()
        torch.testing.assert_close(frames, read_clip(tmp_path / "x", -4), atol=0, rtol=0)
    sender = threading.Thread(target=lambda: pipe.write_bytes(b""))
    sender.start()
    with pytest.raises(ValueError, match=r"pipe is empty \(0 bytes\)"):
        open_clip(pipe)
    sender.join()
    with pytest.raises(ValueError, match="pipe is a pipe, but a job that may go on later reads its clip again"):
        stream_clip(pipe, tmp_path / "out.mp4", lambda frames: frames)
