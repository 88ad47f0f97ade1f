"""Clips are written frame by frame, complete or not at all, with what the file they come from holds."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from subband.media import VideoReader, VideoWriter, open_clip, open_writer, writers
from subband.media.stream_copy import Piece, join_pieces

MILLISECOND = Fraction(1, 1000)


def gray(value: int, height: int = 16, width: int = 24) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def times_of(path: Path) -> list[Fraction]:
    with open_clip(path) as reader:
        return [1000 * frame.time for frame in reader]


def write(path: Path, frames: list[np.ndarray], times: list[int] | None = None) -> None:
    """Frames at times in seconds."""
    with open_writer(path) as writer:
        for index, pixels in enumerate(frames):
            writer.write(pixels, None if times is None else Fraction(times[index]))


def stop(path: Path) -> None:
    """An error after the first frame."""
    with open_writer(path) as writer:
        writer.write(gray(1))
        assert not path.exists()
        raise RuntimeError("enough")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".gif", ".webp", ".apng"])
def test_times_are_kept(tmp_path: Path, suffix: str) -> None:
    path, times = tmp_path / f"x{suffix}", [0, 50, 110, 400, 460]
    options = {"time_base": MILLISECOND} if suffix in (".mp4", ".mov", ".mkv", ".webm") else {}
    with open_writer(path, **options) as writer:
        for index, time in enumerate(times):
            writer.write(gray(40 * index), time * MILLISECOND)
    assert times_of(path) == times


def test_constant_rate_without_times(tmp_path: Path) -> None:
    with open_writer(tmp_path / "x.mp4", fps=30000 / 1001) as writer:
        for index in range(4):
            writer.write(gray(index))
    with VideoReader(tmp_path / "x.mp4") as reader:
        assert [frame.time for frame in reader] == [Fraction(1001 * index, 30000) for index in range(4)]


@pytest.mark.parametrize("name", ["x.mp4", "x.gif", "x.png", "x"])
def test_nothing_appears_before_the_end_or_after_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match="enough"):
        stop(tmp_path / name)
    with pytest.raises(ValueError, match="a clip without frames"):
        write(tmp_path / name, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.mp4", "x.gif", "x"])
def test_frames_of_another_kind_are_refused(tmp_path: Path, name: str) -> None:
    for wrong in (gray(1, 16, 26), gray(1)[..., 0], gray(1).astype(np.float32)):
        with pytest.raises(ValueError, match=r"must (have one size|be \(H, W, 3\) of uint8)"):
            write(tmp_path / name, [gray(1), wrong])


@pytest.mark.parametrize("name", ["x.mp4", "x.gif"])
def test_times_must_grow(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="the times of frames must grow"):
        write(tmp_path / name, [gray(1)] * 3, [0, 5, 3])


def test_options_of_videos_are_for_videos(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"x\.gif is no video and takes no options"):
        open_writer(tmp_path / "x.gif", options={"crf": "1"})
    with pytest.raises(ValueError, match=r"x\.gif is no video that can be written"):
        VideoWriter(tmp_path / "x.gif")
    with pytest.raises(ValueError, match="fps and time_base must be above 0"):
        VideoWriter(tmp_path / "x.mp4", time_base=Fraction(0))


def test_options_of_the_encoder(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    for crf in (5, 45):
        with VideoWriter(tmp_path / f"{crf}.mp4", options={"crf": str(crf)}) as writer:
            writer.write(noise)
    assert (tmp_path / "45.mp4").stat().st_size < 0.5 * (tmp_path / "5.mp4").stat().st_size


def test_animations_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "MAX_ANIMATION_VALUES", 3 * gray(0).size)
    with pytest.raises(ValueError, match=r"x\.gif would hold more than .* write a video"):
        write(tmp_path / "x.gif", [gray(index) for index in range(4)])


def test_folder_and_strip(tmp_path: Path) -> None:
    for name in ("x", "x.png"):
        with open_writer(tmp_path / name) as writer:
            for index in range(3):
                writer.write(gray(index))
    assert [file.name for file in sorted((tmp_path / "x").iterdir())] == [f"frame_000{index}.png" for index in range(3)]
    assert Image.open(tmp_path / "x.png").size == (72, 16)


def write_source(path: Path, layout: str = "mono") -> None:
    """A second of video, sound, and (in Matroska) subtitles, from second 2 on; two chapters and a title."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.height, video.width, video.pix_fmt = 16, 24, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000)
        sound.codec_context.layout = layout
        text = container.add_mux_stream("subrip", time_base=MILLISECOND) if path.suffix == ".mkv" else None
        container.metadata["title"] = "holiday"
        chapters = [(0, 2500, "arrival"), (2500, 3000, "departure")]
        container.set_chapters(
            [
                {"id": index, "start": start, "end": end, "time_base": MILLISECOND, "metadata": {"title": title}}
                for index, (start, end, title) in enumerate(chapters, 1)
            ]
        )
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(gray(20 * index), format="rgb24")
            frame.pts, frame.time_base = 20 + index, Fraction(1, 10)
            container.mux(video.encode(frame))
            audio = av.AudioFrame.from_ndarray(np.full((1, 800), index, np.int16), format="s16", layout="mono")
            audio.rate, audio.pts, audio.time_base = 8000, 16000 + 800 * index, Fraction(1, 8000)
            container.mux(sound.encode(audio))
        container.mux(video.encode())
        if text is not None:
            packet = av.Packet(b"hello")
            packet.stream, packet.pts, packet.dts, packet.duration = text, 2500, 2500, 300
            packet.time_base = MILLISECOND
            container.mux(packet)


def test_streams_chapters_and_metadata_are_copied(tmp_path: Path) -> None:
    write_source(tmp_path / "source.mkv")
    with VideoReader(tmp_path / "source.mkv") as reader:
        kinds = [(stream.kind, stream.codec) for stream in reader.details.streams]
    assert [kind for kind, _ in kinds] == ["audio", "subtitle"]
    with VideoWriter(tmp_path / "x.mkv", copy_from=tmp_path / "source.mkv", shift=Fraction(2)) as writer:
        for index in range(10):
            writer.write(gray(255 - 20 * index))
    with VideoReader(tmp_path / "x.mkv") as reader:
        assert [(stream.kind, stream.codec) for stream in reader.details.streams] == kinds
        chapters = [(float(chapter.start), float(chapter.end), chapter.title) for chapter in reader.details.chapters]
        assert chapters == [(0, 0.5, "arrival"), (0.5, 1, "departure")]
    with av.open(str(tmp_path / "x.mkv")) as container:
        assert container.metadata["title"] == "holiday"
        packets = [packet for packet in container.demux() if packet.size and packet.stream.type != "video"]
        sound = np.concatenate([np.frombuffer(bytes(p), np.int16) for p in packets if p.stream.type == "audio"])
        assert sound.tolist() == np.repeat(np.arange(10), 800).tolist()
        assert min(packet.pts for packet in packets if packet.stream.type == "audio") == 0
        text = [packet for packet in packets if packet.stream.type == "subtitle"]
        assert [(packet.pts, bytes(packet)) for packet in text] == [(500, b"hello")]


@pytest.mark.filterwarnings("ignore:subtitle stream")
def test_what_cannot_be_held_is_left_out_with_a_warning(tmp_path: Path) -> None:
    write_source(tmp_path / "source.mkv")
    left_out = r"stream \d of .*source\.mkv is left out: mp4 files cannot hold it"
    with pytest.warns(UserWarning, match=f"subtitle {left_out}"):  # noqa: SIM117
        with VideoWriter(tmp_path / "x.mp4", copy_from=tmp_path / "source.mkv", shift=Fraction(2)) as writer:
            writer.write(gray(1))
    with VideoReader(tmp_path / "x.mp4") as reader:
        assert [stream.kind for stream in reader.details.streams] == ["audio"]
    # Matroska does not say where the speakers of plain sound stand, and MP4 has to know; it complains at the end only.
    write_source(tmp_path / "source.mkv", layout="stereo")
    with pytest.warns(UserWarning, match=f"audio {left_out}"):  # noqa: SIM117
        with VideoWriter(tmp_path / "y.mp4", copy_from=tmp_path / "source.mkv") as writer:
            writer.write(gray(1))


def test_joined_pieces_with_b_frames_and_a_varying_rate(tmp_path: Path) -> None:
    times = [0, 10, 500, 510, 520, 900, 910, 1500, 1501, 1502, 1503, 2000]
    pieces = []
    for number, part in enumerate((times[:5], times[5:6], times[6:])):
        path = tmp_path / f"{number}.mp4"
        with VideoWriter(path, time_base=MILLISECOND, options={"crf": "1", "bf": "3", "b-adapt": "0"}) as writer:
            for time in part:
                writer.write(gray(20 * times.index(time)), time * MILLISECOND)
        assert writer.times == part
        pieces.append(Piece(path, part))
    join_pieces(tmp_path / "x.mp4", pieces, MILLISECOND, container_format="mp4")
    assert times_of(tmp_path / "x.mp4") == times
    with VideoReader(tmp_path / "x.mp4") as reader:
        assert [round(frame.pixels.mean() / 20) for frame in reader] == list(range(12))
        assert reader.info.num_frames == 12
    pieces[1] = Piece(pieces[1].path, [900, 905])
    with pytest.raises(ValueError, match=r"1\.mp4 holds 1 frames instead of 2"):
        join_pieces(tmp_path / "y.mp4", pieces, MILLISECOND, container_format="mp4")
    assert not (tmp_path / "y.mp4").exists()
