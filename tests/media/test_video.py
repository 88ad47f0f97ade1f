"""Clips are written and read back; everything that is not a clip is refused with one sentence naming the file."""

import re
import shutil
import struct
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from subband.media import frames as frame_sizes
from subband.media import video, writers
from subband.media.video import probe, read_clip, write_clip
from subband.media.video_reader import VideoReader


@pytest.fixture
def clip() -> Tensor:
    """Twelve 32 x 48 color frames; frame t is flat with red = t / 12, which tells frames apart after compression."""
    frames = torch.full((12, 3, 32, 48), 0.5)
    frames[:, 0] = (torch.arange(12) / 12).view(12, 1, 1)
    return frames


def _encode(path: Path, frames: Tensor, **options: str) -> None:
    """A video with B-frames and one key frame in five, so that reading from the middle needs a seek and reordering."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "5", "g": "5", "bf": "2"})
        stream.height, stream.width = frames.shape[2:]
        stream.pix_fmt = "yuv420p"
        for frame in (frames.permute(0, 2, 3, 1) * 255).round().byte().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _red(frames: Tensor) -> list[int]:
    """Which frames of `clip` these are."""
    return (frames[:, 0].mean((1, 2)) * 12).round().int().tolist()


@pytest.mark.parametrize(("name", "tolerance"), [("x.mp4", 0.02), ("x.gif", 0.02), ("x", 0.002)])
def test_round_trip(clip: Tensor, tmp_path: Path, name: str, tolerance: float) -> None:
    write_clip(tmp_path / name, clip, fps=10)
    read = read_clip(tmp_path / name)
    assert read.dtype == torch.float32
    torch.testing.assert_close(read, clip, atol=tolerance, rtol=0)
    info = probe(tmp_path / name)
    assert (info.num_frames, info.height, info.width) == (12, 32, 48)
    assert info.fps == (None if name == "x" else pytest.approx(10))


def test_round_trip_texture(tmp_path: Path) -> None:
    rows, columns = torch.meshgrid(torch.linspace(0, 6, 40), torch.linspace(0, 6, 56), indexing="ij")
    frames = torch.stack([0.5 + 0.4 * torch.sin(rows + columns + t / 3) for t in range(6)]).unsqueeze(1)
    write_clip(tmp_path / "x.mp4", frames)
    read = read_clip(tmp_path / "x.mp4", gray=True)
    assert read.shape == frames.shape
    assert (read - frames).abs().mean() < 0.01


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
def test_frame_numbers_are_exact(clip: Tensor, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    _encode(path, clip)
    assert probe(path).num_frames == 12
    for start in range(12):
        assert _red(read_clip(path, start, num_frames=1)) == [start]
    assert _red(read_clip(path, 1, num_frames=4, stride=3)) == [1, 4, 7, 10]
    assert _red(read_clip(path, 7)) == [7, 8, 9, 10, 11]
    assert _red(read_clip(path, -4, num_frames=2, stride=2)) == [8, 10]


def test_frame_numbers_with_a_varying_rate(clip: Tensor, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "x.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "5", "g": "4", "bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        stream.time_base = Fraction(1, 1000)
        for index, image in enumerate((clip.permute(0, 2, 3, 1) * 255).round().byte().numpy()):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = 17 * index**2, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for start in (0, 5, 11):
        assert _red(read_clip(tmp_path / "x.mkv", start, num_frames=1)) == [start]


def test_only_the_asked_for_part_is_decoded(clip: Tensor, tmp_path: Path) -> None:
    _encode(tmp_path / "x.mp4", clip)
    with VideoReader(tmp_path / "x.mp4") as reader:
        numbers = [index for index, _ in reader._numbered_from(10)]
    assert numbers[-1] == 11
    assert numbers[0] >= 5  # at least one key frame in five, so frames 0 to 4 need no decoding


def test_gray_and_size(clip: Tensor, tmp_path: Path) -> None:
    write_clip(tmp_path / "x", clip)
    gray = read_clip(tmp_path / "x", start=6, num_frames=1, size=(16, 20), gray=True)
    assert gray.shape == (1, 1, 16, 20)
    torch.testing.assert_close(gray, torch.full_like(gray, 0.5), atol=0.003, rtol=0)  # luma weights sum to 1
    red = read_clip(tmp_path / "x", start=0, num_frames=1, gray=True)
    torch.testing.assert_close(red, torch.full_like(red, 0.5 * (1 - 0.299)), atol=0.003, rtol=0)


def test_odd_sides_are_padded_in_mp4(tmp_path: Path) -> None:
    write_clip(tmp_path / "x.mp4", torch.full((3, 1, 15, 21), 0.7))
    read = read_clip(tmp_path / "x.mp4")
    assert read.shape == (3, 3, 16, 22)
    torch.testing.assert_close(read, torch.full_like(read, 0.7), atol=0.02, rtol=0)


def test_strip_holds_frames_side_by_side(clip: Tensor, tmp_path: Path) -> None:
    write_clip(tmp_path / "x.png", clip)
    strip = torch.from_numpy(np.array(Image.open(tmp_path / "x.png"))) / 255
    assert strip.shape == (32, 12 * 48, 3)
    torch.testing.assert_close(strip[:, 5 * 48 : 6 * 48].permute(2, 0, 1), clip[5], atol=0.003, rtol=0)


def test_values_are_clipped(tmp_path: Path) -> None:
    write_clip(tmp_path / "x", torch.tensor([-3.0, 9.0]).view(2, 1, 1, 1).expand(2, 1, 4, 4))
    assert read_clip(tmp_path / "x").mean((1, 2, 3)).tolist() == [0, 1]


def test_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        Image.new("L", (6, 4), number).save(tmp_path / f"frame{number}.png")
    (tmp_path / "notes.txt").write_text("not a frame")
    assert (read_clip(tmp_path)[:, 0, 0, 0] * 255).round().tolist() == [1, 2, 10]


def test_folder_with_two_sizes(tmp_path: Path) -> None:
    Image.new("L", (6, 4)).save(tmp_path / "a1.png")
    Image.new("L", (5, 4)).save(tmp_path / "a2.png")
    with pytest.raises(ValueError, match=r"a2\.png is 5 x 4 pixels but the first frame"):
        read_clip(tmp_path)


def test_rotation_note_of_phones(clip: Tensor, tmp_path: Path) -> None:
    clip[:, :, :, :24] = 0  # left half black
    _encode(tmp_path / "x.mp4", clip)
    content = bytearray((tmp_path / "x.mp4").read_bytes())
    matrix = content.index(b"tkhd") + 44  # ISO 14496-12: the display matrix of the track header
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 32 << 16, 0, 1 << 30)
    (tmp_path / "x.mp4").write_bytes(content)
    assert (probe(tmp_path / "x.mp4").height, probe(tmp_path / "x.mp4").width) == (48, 32)
    frame = read_clip(tmp_path / "x.mp4", num_frames=1)[0]
    assert frame[1, :18].mean() < 0.05  # x' = height - y, y' = x is a clockwise quarter turn: left moves to the top
    assert frame[1, 30:].mean() > 0.45


def _make_bad(folder: Path, clip: Tensor) -> dict[str, Path]:
    """Files that are not readable clips, by what is wrong with them."""
    names = ("zero.mp4", "text.mp4", "cut.mp4", "cut_fast.mp4", "list.m3u8", "cut.gif", "text.gif")
    files = {name: folder / name for name in names}
    files["zero.mp4"].touch()
    files["text.mp4"].write_text("no video at all\n" * 100)
    files["list.m3u8"].write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n")
    files["text.gif"].write_text("no image")
    noise = torch.rand(clip.shape)
    _encode(folder / "whole.mp4", noise)
    files["cut.mp4"].write_bytes((folder / "whole.mp4").read_bytes()[:-3000])
    _encode(folder / "fast.mp4", noise, movflags="faststart")
    files["cut_fast.mp4"].write_bytes((folder / "fast.mp4").read_bytes()[:-3000])
    write_clip(folder / "whole.gif", noise)
    files["cut.gif"].write_bytes((folder / "whole.gif").read_bytes()[:-3000])
    return files


BAD = ["zero.mp4", "text.mp4", "cut.mp4", "cut_fast.mp4", "list.m3u8", "cut.gif", "text.gif"]


@pytest.mark.parametrize("name", BAD)
def test_unreadable_files(clip: Tensor, tmp_path: Path, name: str) -> None:
    path = _make_bad(tmp_path, clip)[name]
    with pytest.raises(ValueError, match=re.escape(name)) as caught:
        read_clip(path)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message


def test_missing_file_and_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\.mp4 does not exist"):
        probe(tmp_path / "x.mp4")
    with pytest.raises(ValueError, match="holds no images"):
        probe(tmp_path)


def test_sound_without_image(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "x.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(ValueError, match="has no video stream"):
        probe(tmp_path / "x.mkv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 3, "num_frames": 10}, "has 12 frames, but 10 frames from frame 3 with stride 1 need 13"),
        ({"num_frames": 5, "stride": 3}, "need 13"),
        ({"start": 12}, "start 12 lies outside"),
        ({"start": -13}, "start -13 lies outside"),
        ({"num_frames": 0}, "num_frames must be at least 1"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"size": (0, 5)}, "size must be positive"),
    ],
)
def test_impossible_ranges(clip: Tensor, tmp_path: Path, options: dict[str, int], message: str) -> None:
    write_clip(tmp_path / "x", clip)
    with pytest.raises(ValueError, match=message):
        read_clip(tmp_path / "x", **options)


def test_size_limits(clip: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "x.mp4", clip)
    write_clip(tmp_path / "x", clip)
    monkeypatch.setattr(video, "MAX_CLIP_VALUES", 12 * 3 * 32 * 48 - 1)
    with pytest.raises(ValueError, match="read fewer frames"):
        read_clip(tmp_path / "x.mp4")
    assert len(read_clip(tmp_path / "x.mp4", num_frames=11)) == 11
    monkeypatch.setattr(frame_sizes, "MAX_FRAME_PIXELS", 32 * 48 - 1)
    for name in ("x.mp4", "x"):
        with pytest.raises(ValueError, match="frames of 48 x 32 pixels"):
            probe(tmp_path / name)


def test_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    Image.new("1", (14000, 14000)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match=r"bomb\.png"):
        read_clip(tmp_path / "bomb.png")


@pytest.mark.parametrize("name", ["x.mp4", "x.gif", "x.png", "x"])
def test_existing_output_is_kept(clip: Tensor, tmp_path: Path, name: str) -> None:
    write_clip(tmp_path / name, clip[:4])
    with pytest.raises(FileExistsError, match="exists already"):
        write_clip(tmp_path / name, clip)
    if name != "x.png":
        assert probe(tmp_path / name).num_frames == 4
        write_clip(tmp_path / name, clip[:3], overwrite=True)
        assert probe(tmp_path / name).num_frames == 3
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_failed_write_leaves_nothing(clip: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(writer: writers.AnimationWriter) -> None:
        writer._temporary.write_bytes(b"half")
        raise OSError("disk is full")

    monkeypatch.setattr(writers.AnimationWriter, "_finish", fail)
    (tmp_path / "x.gif").write_bytes(b"old")
    with pytest.raises(OSError, match="disk is full"):
        write_clip(tmp_path / "x.gif", clip, overwrite=True)
    assert (tmp_path / "x.gif").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_foreign_folder_is_never_replaced(clip: Tensor, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="other files than numbered frames"):
        write_clip(tmp_path, clip, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("name", "shape", "fps", "message"),
    [
        ("x.xyz", (2, 3, 4, 4), 10, "no known suffix"),
        ("x.gif", (2, 2, 4, 4), 10, "C = 1 or 3"),
        ("x.gif", (0, 3, 4, 4), 10, "at least one frame"),
        ("x.gif", (3, 4, 4), 10, "frames must be"),
        ("x.gif", (2, 3, 4, 4), 0, "fps must be above 0"),
    ],
)
def test_impossible_writes(tmp_path: Path, name: str, shape: tuple[int, ...], fps: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_clip(tmp_path / name, torch.zeros(shape), fps=fps)
    with pytest.raises(FileNotFoundError, match="make it first"):
        write_clip(tmp_path / "missing" / "x.gif", torch.zeros(2, 3, 4, 4))


def test_real_clips(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "video_clips" / "mmaction2_demo.mp4"
    assert probe(path).num_frames == 280
    by_seek = read_clip(path, start=-10, size=(64, 85))
    decoded = [frame.to_ndarray(format="rgb24") for frame in av.open(str(path)).decode(video=0)][-10:]
    expected = torch.stack([video._to_tensor(frame, (64, 85), False) for frame in decoded])
    torch.testing.assert_close(by_seek, expected, atol=0, rtol=0)
    shutil.copy(shared_data / "video_clips" / "mmaction2_test.avi", tmp_path / "clip.avi")
    assert len(read_clip(tmp_path / "clip.avi", stride=20, size=(24, 32))) == 9


def test_without_pyav(tmp_path: Path, clip: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"pip install 'subband\[video\]'"):
        write_clip(tmp_path / "x.mp4", clip)
    write_clip(tmp_path / "x.gif", clip)  # needs Pillow only
    assert probe(tmp_path / "x.gif").num_frames == 12
