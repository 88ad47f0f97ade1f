"""Clips are read frame by frame through one interface, with what their files say beside the frames."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from subband.media import ColorTags, Frame, VideoReader, open_clip, read_clip, write_clip
from subband.media.video_writer import VideoWriter

TIMES = [0, 40, 100, 110, 300, 420, 500, 650, 651, 900]  # milliseconds


def numbered(count: int, height: int = 16, width: int = 24) -> Tensor:
    """Gray frames whose brightness is their number times 20 of 255."""
    return (torch.arange(count) * 20 / 255).view(-1, 1, 1, 1).expand(-1, 3, height, width)


def number(pixels: np.ndarray) -> int:
    return round(float(pixels.mean()) / 20)


@pytest.fixture
def varying(tmp_path: Path) -> Path:
    """Ten frames at `TIMES`, a key frame in five, two B-frames."""
    path = tmp_path / "varying.mkv"
    options = {"crf": "5", "g": "5", "bf": "2"}
    with VideoWriter(path, time_base=Fraction(1, 1000), options=options) as writer:
        for frame, time in zip(numbered(10), TIMES, strict=True):
            writer.write((frame * 255).round().byte().permute(1, 2, 0).numpy(), Fraction(time, 1000))
    return path


def test_times_of_a_varying_rate(varying: Path) -> None:
    with open_clip(varying) as reader:
        frames = list(reader)
        assert [frame.time * 1000 for frame in frames] == TIMES
        assert [number(frame.pixels) for frame in frames] == list(range(10))
        assert [frame.time for frame in reader.stream()] == [frame.time for frame in frames]  # again from the start


@pytest.mark.parametrize("first", [0, 1, 4, 5, 9])
def test_seeking_by_number_and_by_time(varying: Path, first: int) -> None:
    with VideoReader(varying) as reader:
        expected = list(range(first, 10))
        assert [number(frame.pixels) for frame in reader.stream(first)] == expected
        assert [number(frame.pixels) for frame in reader.stream(Fraction(TIMES[first], 1000))] == expected
        later = reader.stream(Fraction(TIMES[first] * 10 - 5, 10000))  # half a millisecond before
        assert [number(frame.pixels) for frame in later] == expected
        assert list(reader.stream(Fraction(5))) == []


@pytest.mark.parametrize("name", ["x.mp4", "x.gif", "x.webp", "x.apng", "x"])
def test_one_interface_for_all_kinds(tmp_path: Path, name: str) -> None:
    write_clip(tmp_path / name, numbered(6), fps=5)
    with open_clip(tmp_path / name) as reader:
        assert (reader.info.num_frames, reader.height, reader.width) == (6, 16, 24)
        assert reader.details.about_frames == 6
        frames = list(reader.stream(start=2))
        assert [number(frame.pixels) for frame in frames] == [2, 3, 4, 5]
        times = [None] * 4 if name == "x" else [Fraction(index, 5) for index in range(2, 6)]
        assert [frame.time for frame in frames] == times
        if name != "x":
            assert [number(frame.pixels) for frame in reader.stream(Fraction(3, 5))] == [3, 4, 5]
            assert {frame.duration for frame in frames} == {Fraction(1, 5)}
        assert [number(pixels) for pixels in reader.frames(range(1, 6, 2))] == [1, 3, 5]


def test_a_folder_has_no_times(tmp_path: Path) -> None:
    write_clip(tmp_path / "x", numbered(3))
    with open_clip(tmp_path / "x") as reader, pytest.raises(ValueError, match="has no time stamps"):
        next(reader.stream(Fraction(1)))


@pytest.mark.parametrize("name", ["x.mp4", "x.gif", "x"])
def test_scaling_on_the_way(tmp_path: Path, name: str) -> None:
    ramp = torch.linspace(0, 1, 48).expand(2, 3, 32, 48)
    write_clip(tmp_path / name, ramp)
    with open_clip(tmp_path / name) as reader:
        for size, expected in ((24, (16, 24)), ((10, 48), (10, 48)), (None, (32, 48)), (100, (32, 48))):
            pixels = next(reader.stream(size=size)).pixels
            assert pixels.shape == (*expected, 3)
        small = next(reader.stream(size=24)).pixels[:, :, 0].mean(0) / 255
        assert np.abs(small - np.linspace(0, 1, 48).reshape(24, 2).mean(1)).max() < 0.04
        with pytest.raises(ValueError, match="the longest side must be at least 1"):
            next(reader.stream(size=0))
        with pytest.raises(ValueError, match="size must be a positive height and width"):
            next(reader.stream(size=(0, 4)))


MATRICES = {  # display matrix of the track header (ISO/IEC 14496-12) -> what it does to an array (H, W, 3)
    "left": ((0, -1, 1, 0), lambda x: np.rot90(x, 1)),
    "right": ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),
    "half": ((-1, 0, 0, -1), lambda x: np.rot90(x, 2)),
    "mirrored": ((-1, 0, 0, 1), lambda x: x[:, ::-1]),
    "transposed": ((0, 1, 1, 0), lambda x: x.swapaxes(0, 1)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_rotation_and_mirroring(tmp_path: Path, name: str) -> None:
    (a, b, c, d), turn = MATRICES[name]
    rows, columns = torch.meshgrid(torch.linspace(0, 0.9, 16), torch.linspace(0, 0.7, 24), indexing="ij")
    path = tmp_path / "x.mp4"
    write_clip(path, torch.stack((rows, columns, rows * columns)).expand(2, -1, -1, -1))
    with VideoReader(path) as reader:
        upright = next(iter(reader)).pixels
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    expected = turn(upright)
    with VideoReader(path) as reader:
        assert (reader.height, reader.width) == expected.shape[:2]
        np.testing.assert_array_equal(next(iter(reader)).pixels, expected)
        scaled = next(reader.stream(size=12)).pixels
        assert scaled.shape[:2] == tuple(side // 2 for side in expected.shape[:2])
    frames = read_clip(path, num_frames=1)
    assert frames.shape[2:] == expected.shape[:2]


def test_pixel_aspect_and_color_tags(tmp_path: Path) -> None:
    tags = ColorTags(primaries=1, transfer=1, matrix=1, value_range=1)
    pixels = np.full((16, 24, 3), (30, 200, 90), np.uint8)
    with VideoWriter(tmp_path / "x.mp4", colors=tags, pixel_aspect=Fraction(12, 11), options={"crf": "1"}) as writer:
        writer.write(pixels)
    with VideoReader(tmp_path / "x.mp4") as reader:
        assert reader.details.colors == tags
        assert reader.details.pixel_aspect == Fraction(12, 11)
        assert np.abs(next(iter(reader)).pixels.astype(int) - pixels).max() <= 3


def test_plain_files_have_plain_details(tmp_path: Path) -> None:
    write_clip(tmp_path / "x.mp4", numbered(2))
    with VideoReader(tmp_path / "x.mp4") as reader:
        details = reader.details
    assert (details.codec, details.pixel_aspect, details.start) == ("h264", 1, 0)
    assert details.streams == details.chapters == ()
    assert details.colors == ColorTags()


def test_opened_once_for_facts_frames_and_seeking(varying: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    open_file = av.open
    monkeypatch.setattr(
        av, "open", lambda file, *args, **options: opened.append(file) or open_file(file, *args, **options)
    )
    with open_clip(varying) as reader:
        assert reader.info.num_frames == 10
        assert len(read_clip(reader, 3, num_frames=4)) == 4
        assert len(read_clip(reader, -2)) == 2
        assert len(list(reader)) == 10
    assert len(opened) == 1


def test_one_iteration_at_a_time(varying: Path) -> None:
    with VideoReader(varying) as reader:
        first = iter(reader)
        next(first)
        next(reader.stream())
        with pytest.raises(RuntimeError, match="one iteration of a reader runs at a time"):
            list(first)


def test_a_cut_file_is_noticed_while_streaming(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 32, 48, 3), np.uint8)
    with av.open(str(tmp_path / "x.mp4"), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for pixels in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "x.mp4").read_bytes()[:-9000])
    seen: list[Frame] = []
    with VideoReader(tmp_path / "cut.mp4") as reader, pytest.raises(ValueError, match=r"cut\.mp4"):
        seen.extend(reader)
    assert len(seen) < 20


def test_animations_with_many_durations(tmp_path: Path) -> None:
    images = [Image.new("RGB", (8, 6), (40 * index, 0, 0)) for index in range(4)]
    durations = [30, 100, 250, 70]
    images[0].save(tmp_path / "x.gif", save_all=True, append_images=images[1:], duration=durations)
    with open_clip(tmp_path / "x.gif") as reader:
        frames = list(reader)
    assert [frame.duration * 1000 for frame in frames] == durations
    assert [frame.time * 1000 for frame in frames] == [0, 30, 130, 380]


def test_real_media(shared_data: Path) -> None:
    with VideoReader(shared_data / "odd_media" / "sample_with_chapters.mkv") as reader:
        assert [chapter.title for chapter in reader.details.chapters] == ["Chapter 1", "Chapter 2"]
        assert [(stream.kind, stream.codec) for stream in reader.details.streams] == [("audio", "aac")]
    with VideoReader(shared_data / "odd_media" / "sample_h264_iframes_only.ts") as reader:
        assert len(list(reader)) == reader.info.num_frames == 30
    with VideoReader(shared_data / "odd_media" / "torchcodec_nasa_13013_hdr.mp4") as reader:
        assert reader.details.colors == ColorTags(9, 16, 9, 1)
    with VideoReader(shared_data / "odd_media" / "sample_with_srt.mkv") as reader:
        assert reader.fps == pytest.approx(30, abs=1)  # the header claims 1000
