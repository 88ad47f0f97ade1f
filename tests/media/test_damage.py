"""A clip holds the frames that can be decoded, with the same numbers and pixels from the start and by jumping."""

import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from subband.media import VideoReader, frame_source, probe, read_clip, video_reader
from subband.media.decoding import Damage
from subband.media.frame_index import RECORDS, FrameIndex, RecordCache

B_FRAMES = {"bf": "2", "g": "10"}
CLIPS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {  # name -> codec, its options, those of the container
    "plain.mp4": ("libx264", B_FRAMES, {}),
    "open_gop.mp4": ("libx264", {**B_FRAMES, "x264-params": "open-gop=1"}, {}),
    "fragments.mp4": ("libx264", B_FRAMES, {"movflags": "frag_keyframe+empty_moov"}),
    "refresh.mkv": ("libx264", {"x264-params": "intra-refresh=1:keyint=10"}, {}),
    "plain.mkv": ("libx264", B_FRAMES, {}),
    "plain.mov": ("mpeg4", {"g": "10"}, {}),
    "plain.avi": ("mpeg4", {"g": "10"}, {}),
    "plain.ts": ("libx264", B_FRAMES, {}),
    "hidden.webm": ("libvpx-vp9", {"cpu-used": "8", "lag-in-frames": "12", "auto-alt-ref": "1", "g": "10"}, {}),
}
COUNT = 26


def encode(path: Path, codec: str, options: dict[str, str], muxing: dict[str, str], count: int = COUNT) -> None:
    """A moving texture."""
    texture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8).repeat(3, 0).repeat(3, 1)
    with av.open(str(path), "w", options=muxing) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for index in range(count):
            pixels = np.ascontiguousarray(texture[index : index + 48, 2 * index : 2 * index + 64])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("clips")
    for name, settings in CLIPS.items():
        encode(folder / name, *settings)
    return {name: (folder / name).read_bytes() for name in CLIPS}


def flipped(content: bytes, place: float) -> bytes:
    """200 bytes in a part of the file are turned over."""
    begin = round(len(content) * place)
    return content[:begin] + bytes(255 - byte for byte in content[begin : begin + 200]) + content[begin + 200 :]


def hashes(path: Path, start: int = 0, count: int | None = None) -> list[int]:
    with VideoReader(path) as reader:
        count = len(list(reader)) if count is None else count
        return [zlib.crc32(pixels) for pixels in reader.frames(range(start, start + count))]


def test_the_same_frames_from_the_start_and_by_jumping(tmp_path: Path, clips: dict[str, bytes]) -> None:
    for name, content in clips.items():
        damaged = [content] if name.endswith("webm") else [content, flipped(content, 0.4), flipped(content, 0.7)]
        damaged += [] if name in ("plain.mov", "plain.mp4", "open_gop.mp4") else [content[: round(len(content) * 0.8)]]
        for number, data in enumerate(damaged):
            path = tmp_path / f"{number}_{name}"
            path.write_bytes(data)
            with warnings.catch_warnings():
                warnings.simplefilter("error" if number == 0 else "ignore")
                expected = hashes(path)
                if number == 0:
                    assert len(expected) == COUNT, name
                assert probe(path).num_frames == len(expected) == len(read_clip(path)), path.name
                for start in range(len(expected)):
                    assert hashes(path, start, 2) == expected[start : start + 2], f"{path.name} from {start}"


def test_pictures_that_cannot_be_decoded_are_counted_in_one_warning_a_process(
    tmp_path: Path, clips: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.mp4"
    for place in (0, 13, 25):  # at the start, in the middle, at the end; not key frames but for the first
        with av.open(str(tmp_path / "in.mp4"), "w") as target:
            encode(tmp_path / "whole.mp4", "mpeg4", {"g": "12"}, {})
            with av.open(str(tmp_path / "whole.mp4")) as source:
                stream = target.add_stream_from_template(source.streams.video[0])
                for index, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
                    broken = av.Packet(bytes(40)) if index == place else packet
                    broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
                    broken.stream = stream
                    target.mux(broken)
        (tmp_path / "in.mp4").replace(path)
        with pytest.warns(UserWarning, match=r"x\.mp4 is damaged: .*") as told:
            length = probe(path).num_frames
        assert len(told) == 1
        assert length < COUNT
        monkeypatch.setattr(video_reader, "RECORDS", RecordCache())  # as in another process
        with pytest.warns(UserWarning, match="is damaged") as told:
            assert len(read_clip(path)) == length
        assert len(told) == 1
        monkeypatch.setattr(video_reader, "RECORDS", RecordCache())
        with pytest.warns(UserWarning, match="is damaged"), VideoReader(path) as reader:
            assert len(list(reader.stream(length - 2))) == 2
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # said already
            assert probe(path).num_frames == length
            for start in (0, 3, length - 2):
                assert len(read_clip(path, start, 2)) == 2
    assert "left out: 2, frames that were restored in part only: 3" in Damage(2, 3).describe(path)


def test_jpeg_pictures_that_break_off_do_not_depend_on_what_was_decoded_before(tmp_path: Path) -> None:
    for name in ("x.mov", "x.mkv", "x.avi"):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mjpeg", rate=25)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
            for index in range(12):
                pixels = np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                    if index in (0, 5, 6):
                        content = bytes(packet)
                        broken = av.Packet(content[: len(content) // 2] + b"\xff\xd9")
                        broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
                        broken.stream, broken.is_keyframe = stream, True
                        packet = broken
                    container.mux(packet)
        with pytest.warns(UserWarning, match="frames that were restored in part only: 3"):
            expected = hashes(path)
        assert len(expected) == 12, name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert probe(path).num_frames == 12
            for start in range(10):
                assert hashes(path, start, 2) == expected[start : start + 2], f"{name} from {start}"


@pytest.mark.parametrize(("name", "codec"), [("x.mkv", "mpeg4"), ("x.webm", "libvpx-vp9"), ("x.mp4", "mpeg4")])
def test_a_missing_end_is_named(tmp_path: Path, name: str, codec: str) -> None:
    """Also where FFmpeg finds it an end like any other, which depends on the place in Matroska files."""
    encode(tmp_path / name, codec, {}, {"movflags": "faststart"})
    content = (tmp_path / name).read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_clip(tmp_path / name)) == COUNT
    for share in (0.6, 0.62):
        (tmp_path / name).write_bytes(content[: round(len(content) * share)])
        with pytest.warns(UserWarning, match="is damaged: data is missing"):
            assert 0 < len(read_clip(tmp_path / name)) < COUNT


# Suffix, codec, size, and how much of the file is left.
CUT = [
    (".y4m", "wrapped_avframe", (48, 64), 0.77),
    (".dv", "dvvideo", (576, 720), 0.5),
    (".ts", "mpeg2video", (48, 64), 0.62),
    (".avi", "mpeg4", (48, 64), 0.9),
    (".flv", "flv1", (48, 64), 0.9),
    (".ivf", "libvpx", (48, 64), 0.75),
    (".mxf", "mpeg2video", (48, 64), 0.6),
]


@pytest.mark.parametrize(("suffix", "codec", "size", "share"), CUT)
def test_a_missing_end_is_named_where_sizes_tell(
    tmp_path: Path, suffix: str, codec: str, size: tuple[int, int], share: float
) -> None:
    """Wherever the cut is, also between two pictures."""
    path, count = tmp_path / f"x{suffix}", 5
    with av.open(str(path), "w", format={".y4m": "yuv4mpegpipe"}.get(suffix)) as container:
        stream = container.add_stream(codec, rate=25)
        (stream.height, stream.width), stream.pix_fmt = size, "yuv420p"
        for index in range(count):
            pixels = np.random.default_rng(index).integers(0, 255, (*size, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode())
    content = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert probe(path).num_frames == len(hashes(path)) == count
    for end in range(round(len(content) * share), round(len(content) * share) + 40, 13):
        path.write_bytes(content[:end])
        with pytest.warns(UserWarning, match=rf"x{suffix} is damaged: data is missing") as told:
            assert 0 < len(hashes(path)) <= count
        assert len(told) == 1, end


def test_transport_streams_of_other_units(tmp_path: Path) -> None:
    """Blu-ray discs put four bytes before every packet."""
    encode(tmp_path / "x.ts", "mpeg2video", {}, {}, count=6)
    content = (tmp_path / "x.ts").read_bytes()
    units = b"".join(bytes(4) + content[place : place + 188] for place in range(0, len(content), 188))
    path = tmp_path / "x.m2ts"
    path.write_bytes(units)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_clip(path)) == 6
    path.write_bytes(units[:-100])
    with pytest.warns(UserWarning, match="is damaged: data is missing"):
        read_clip(path)


def test_matroska_files_of_unknown_length_are_whole(tmp_path: Path) -> None:
    encode(tmp_path / "x.mkv", "mpeg4", {}, {"live": "1"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_clip(tmp_path / "x.mkv")) == COUNT


def test_checksums_of_png_pictures_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "x.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "rgb24"
        for index in range(5):
            pixels = np.full((48, 64, 3), 40 * index, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                content = bytearray(bytes(packet))
                if index == 3:
                    content[content.index(b"IEND") - 5] ^= 1  # of the checksum before, which no pixel needs
                broken = av.Packet(bytes(content))
                broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
                broken.stream, broken.is_keyframe = stream, True
                container.mux(broken)
    with pytest.warns(UserWarning, match="frames that were restored in part only: 1"):
        assert len(read_clip(path)) == 5


def test_no_frame_can_be_decoded(tmp_path: Path) -> None:
    encode(tmp_path / "x.mp4", "mpeg4", {}, {}, count=1)
    content = (tmp_path / "x.mp4").read_bytes()
    begin = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    (tmp_path / "x.mp4").write_bytes(content[:begin] + bytes(end - begin) + content[end:])
    with pytest.raises(ValueError, match=r"x\.mp4 holds no video frames that can be decoded: .*left out: 1\.$"):
        probe(tmp_path / "x.mp4")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts packets that are read and packets that are decoded; the process knows no file."""
    count = {"read": 0, "decoded": 0}
    read, decode = frame_source.video_packets, frame_source.decoded_frames

    def counted(key: str, packets: Any) -> Iterator[Any]:
        for packet in packets:
            count[key] += 1
            yield packet

    monkeypatch.setattr(frame_source, "video_packets", lambda *given: counted("read", read(*given)))
    monkeypatch.setattr(
        frame_source,
        "decoded_frames",
        lambda stream, packets, damage, alone: decode(stream, counted("decoded", packets), damage, alone),
    )
    return count


def test_a_short_part_reads_a_short_part(
    tmp_path: Path, clips: dict[str, bytes], work: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = 24  # most that decoders and their threads hold back
    path = tmp_path / "x.mp4"
    encode(path, "libx264", {**B_FRAMES, "threads": "1"}, {}, count=60)
    assert len(read_clip(path, 3, num_frames=2)) == 2
    assert work["decoded"] <= 5 + ahead
    with VideoReader(path):
        work.clear()
        work.update(read=0, decoded=0)
    with VideoReader(path):
        assert work == {"read": 0, "decoded": 0}, "opening a file again decodes nothing"
    expected = hashes(path)
    work.update(read=0, decoded=0)
    assert probe(path).num_frames == probe(path).num_frames == 60
    assert work["decoded"] == 60, "counted once"
    work.update(read=0, decoded=0)
    assert hashes(path, 55, 2) == expected[55:57]
    assert work["decoded"] <= 10 + ahead, "jumped"
    # Long clips are not decoded as a whole, nor, where the container lists its pictures, read as a whole.
    monkeypatch.setattr(video_reader, "COUNTED_FRAMES", 20)
    monkeypatch.setattr(video_reader, "_READ_ALONG", 4)
    for name in ("plain.mp4", "open_gop.mp4", "plain.mkv", "plain.mov"):
        path = tmp_path / name
        path.write_bytes(clips[name])
        expected = hashes(path)
        RECORDS.record(path).index = None
        for start in range(COUNT):
            work.update(read=0, decoded=0)
            assert hashes(path, start, 2) == expected[start : start + 2], f"{name} from {start}"
            assert RECORDS.record(path).index is None
        if name == "plain.mp4":
            assert work["read"] <= 10, "to the last key frame and from there"
        assert len(read_clip(path, -3)) == 3
        assert len(read_clip(path)) == COUNT


def test_a_long_clip_that_ends_early(tmp_path: Path, clips: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_reader, "COUNTED_FRAMES", 20)
    path = tmp_path / "x.mp4"
    encode(path, "libx264", B_FRAMES, {"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-6000])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with VideoReader(path) as reader:
            length = len(list(reader))
        assert length < COUNT
        assert len(read_clip(path)) == length
        assert len(read_clip(path, -4)) == 4
        with pytest.raises(ValueError, match=f"has {length} frames, but 40 frames"):
            read_clip(path, 0, num_frames=40)


def test_what_is_remembered_is_bounded_and_of_this_file(tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(4)]
    for file in files:
        file.touch()
    cache = RecordCache(max_frames=25, max_files=3)
    first = cache.record(files[0])
    assert cache.record(files[0]) is first
    files[0].write_text("changed")
    assert cache.record(files[0]) is not first
    for file in files[1:]:
        cache.record(file).index = FrameIndex(count=10)
        cache.record(file).index.times.extend(range(10))
    cache.trim()
    assert cache.record(files[3]).index is not None
    assert cache.record(files[1]).index is None, "the one that was not used for longest"
