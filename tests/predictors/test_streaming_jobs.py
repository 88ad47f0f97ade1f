"""Jobs on a part of a clip, long ones, and sources and disks as they are: what is said, what is left, what goes on."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from subband.media import VideoReader, VideoWriter, open_clip, read_clip, write_clip, writers
from subband.predictors.progress import Progress
from subband.predictors.streaming import ClipNetwork, NetworkRunner, clip, parse_seconds, pipeline, stream_clip

MILLISECOND = Fraction(1, 1000)
LOSSLESS = {"crf": "0", "preset": "ultrafast"}


def invert(frames: Tensor) -> Tensor:
    return 1 - frames


def numbered(count: int, height: int = 16, width: int = 24) -> Tensor:
    """Gray frames whose brightness is their number times 5 of 255."""
    return (torch.arange(count) * 5 / 255).view(-1, 1, 1, 1).expand(-1, 3, height, width)


def levels(path: Path) -> list[int]:
    return (read_clip(path).mean((1, 2, 3)) * 51).round().int().tolist()


def times_of(path: Path) -> list[float]:
    with open_clip(path) as reader:
        return [float(frame.time) for frame in reader.stream()]


def write_full(path: Path) -> None:
    """40 frames at 10 a second, four seconds of sound, and two chapters of two seconds."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"crf": "0", "bf": "2", "g": "5"})
        video.height, video.width, video.pix_fmt = 16, 24, "yuv420p"
        sound = container.add_stream("pcm_s16le" if path.suffix == ".mkv" else "aac", rate=8000)
        sound.codec_context.layout = "mono"
        container.set_chapters(
            [
                {"id": 1, "start": 0, "end": 2000, "time_base": MILLISECOND, "metadata": {"title": "one"}},
                {"id": 2, "start": 2000, "end": 4000, "time_base": MILLISECOND, "metadata": {"title": "two"}},
            ]
        )
        for image in numbered(40):
            pixels = np.ascontiguousarray((image * 255).round().byte().permute(1, 2, 0).numpy())
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode())
        wave = (np.arange(32000) // 8).astype(np.int16)[None]  # each value lasts a millisecond
        for first in range(0, 32000, 800):
            audio = av.AudioFrame.from_ndarray(wave[:, first : first + 800], format="s16", layout="mono")
            audio.rate, audio.pts = 8000, first
            container.mux(sound.encode(audio))
        container.mux(sound.encode())


def sound_of(path: Path) -> tuple[float, float, list[int]]:
    """First and last time of the sound, and its first values."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    end = frames[-1].time + frames[-1].samples / 8000
    return frames[0].time, end, frames[0].to_ndarray()[0][:8].tolist()


def chapters_of(path: Path) -> list[tuple[float, float, str]]:
    with VideoReader(path) as reader:
        return [(float(chapter.start), float(chapter.end), chapter.title) for chapter in reader.details.chapters]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("start", "duration"), [("1.5s", "1s"), ("0:01.5", None), (0, 2.3)])
def test_a_part_of_a_video_with_its_sound(tmp_path: Path, suffix: str, start: Any, duration: Any) -> None:
    source, target = tmp_path / f"clip{suffix}", tmp_path / f"out{suffix}"
    write_full(source)
    first = round(10 * parse_seconds(start))
    count = 40 - first if duration is None else round(10 * parse_seconds(duration))
    options = {"start": start, "duration": duration, "options": LOSSLESS, "segment_frames": 7}
    assert stream_clip(source, target, invert, **options) == count
    assert levels(target) == [51 - first - index for index in range(count)]
    assert times_of(target) == pytest.approx([index / 10 for index in range(count)], abs=0.002)
    begin, end, values = sound_of(target)
    assert 0 <= begin < 0.13
    assert end == pytest.approx(count / 10, abs=0.2)
    if suffix == ".mkv":
        assert values[0] == round(1000 * (begin + first / 10))
    ends = [(0.0, 0.5, "one"), (0.5, min(2.5, count / 10), "two")] if first else [(0.0, 2.0, "one"), (2.0, 2.3, "two")]
    assert chapters_of(target) == ends


def test_subtitles_of_a_part_are_shortened(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "odd_media" / "sample_with_srt.mkv"

    def texts(path: Path) -> list[tuple[float, float, bytes]]:
        with av.open(str(path)) as container:
            found = [packet for packet in container.demux(subtitles=0) if packet.size]
            return [(float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p)) for p in found]

    whole = texts(source)
    begin, length = whole[0][0] + whole[0][1] / 2, 0.4
    stream_clip(source, tmp_path / "out.mkv", invert, start=begin, duration=length, options=LOSSLESS)
    expected = [
        (max(time - begin, 0), min(time + span, begin + length) - max(time, begin), text)
        for time, span, text in whole
        if time + span > begin and time < begin + length
    ]
    found = texts(tmp_path / "out.mkv")
    assert [text for _, _, text in found] == [text for _, _, text in expected]
    assert [time for time, _, _ in found] == pytest.approx([time for time, _, _ in expected], abs=0.002)
    assert [span for _, span, _ in found] == pytest.approx([span for _, span, _ in expected], abs=0.002)


def test_a_part_of_an_animation_and_of_a_folder(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.gif", numbered(12), fps=5)
    write_clip(tmp_path / "clip", numbered(12))
    stream_clip(tmp_path / "clip.gif", tmp_path / "out.gif", invert, start=1, duration="0.6s")
    assert levels(tmp_path / "out.gif") == [46, 45, 44]
    assert times_of(tmp_path / "out.gif") == pytest.approx([0, 0.2, 0.4])
    stream_clip(tmp_path / "clip", tmp_path / "out", invert, start=1, duration="0.6s", fps=5, window=2)
    assert levels(tmp_path / "out") == [46, 45, 44]
    for name in ("clip", "clip.gif"):
        with pytest.raises(ValueError, match=rf"start 99 s lies outside .*{name}"):
            stream_clip(tmp_path / name, tmp_path / "late", invert, start=99)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("late")]


@pytest.mark.parametrize("name", ["out.gif", "out.webp", "out.apng", "out.png"])
def test_what_is_too_long_for_an_animation_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(writers, "MAX_ANIMATION_VALUES", 5 * 3 * 16 * 24)
    write_clip(tmp_path / "clip.mkv", numbered(8), fps=5)
    calls: list[Tensor] = []

    def process(frames: Tensor) -> Tensor:
        calls.append(frames)
        return frames

    before = sorted(tmp_path.iterdir())
    for part in ({}, {"start": 0.4}, {"duration": 1.2}):
        with pytest.raises(ValueError, match=rf"{name} would hold more than .* 5 frames of 24 x 16 pixels; write"):
            stream_clip(tmp_path / "clip.mkv", tmp_path / name, process, **part)
    assert not calls
    assert sorted(tmp_path.iterdir()) == before
    stream_clip(tmp_path / "clip.mkv", tmp_path / name, process, duration=1)
    stream_clip(tmp_path / "clip.mkv", tmp_path / "out.mp4", process)


def test_results_larger_than_the_frames_are_refused_when_they_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when all are made."""
    write_clip(tmp_path / "clip", numbered(30, 16, 12))
    calls: list[int] = []

    def doubled(frames: Tensor) -> Tensor:
        calls.append(len(frames))
        return frames.repeat_interleave(2, 2).repeat_interleave(2, 3)

    monkeypatch.setattr(writers, "MAX_ANIMATION_VALUES", 30 * 3 * 16 * 12)
    with pytest.raises(ValueError, match=r"out\.gif would hold more than .* 7 frames of 24 x 32 pixels"):
        stream_clip(tmp_path / "clip", tmp_path / "out.gif", doubled)
    assert len(calls) < 20
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": -1}, "start must be a time of at least 0 seconds, got -1"),
        ({"start": "soon"}, "start must be a time such as 5s, 1:02.5 or 1:00:00, got 'soon'"),
        ({"duration": float("nan")}, "duration must be a time of at least 0 seconds"),
        ({"duration": "0s"}, "duration must be above 0 seconds"),
        ({"scene_cuts": "on"}, "scene_cuts must be auto or off, got 'on'"),
    ],
)
def test_impossible_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_clip(tmp_path / "clip", numbered(3))
    with pytest.raises(ValueError, match=message):
        stream_clip(tmp_path / "clip", tmp_path / "out", invert, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]


class Stopping:
    """Frames minus the mean of their window, and an error at the n-th call."""

    def __init__(self, calls: int = 1000) -> None:
        self.calls = calls

    def __call__(self, frames: Tensor) -> Tensor:
        self.calls -= 1
        if self.calls < 0:
            raise RuntimeError("stopped")
        return frames - frames.mean(0) + 0.5


@pytest.mark.parametrize("name", ["clip.mp4", "clip.h264", "clip.avi", "clip"])
def test_a_stopped_job_on_a_part_goes_on(tmp_path: Path, name: str) -> None:
    """Also where a file has no time stamps, or those of decoding only."""
    if name == "clip.mp4":
        write_full(tmp_path / name)
    elif name == "clip":
        write_clip(tmp_path / name, numbered(40))
    else:
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=10, options={"bf": "2", "g": "6"})
            stream.height, stream.width, stream.pix_fmt = 16, 24, "yuv420p"
            for image in numbered(40):
                pixels = np.ascontiguousarray((image * 255).round().byte().permute(1, 2, 0).numpy())
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    options = {"window": 5, "overlap": 2, "segment_frames": 6, "start": 0.5, "duration": 2.6, "scene_cuts": "auto"}
    whole, rest = Stopping(), Stopping()
    count = stream_clip(tmp_path / name, tmp_path / "whole", whole, **options)
    assert count == pytest.approx(26, abs=1)
    for calls in (3, 3):
        with pytest.raises(RuntimeError, match="stopped"):
            stream_clip(tmp_path / name, tmp_path / "out", Stopping(calls), **options)
    with pytest.raises(ValueError, match=r"other settings \(start 1/2 instead of 1\)"):
        stream_clip(tmp_path / name, tmp_path / "out", Stopping(), **{**options, "start": 1})
    with pytest.raises(ValueError, match=r"other settings \(scene_cuts auto instead of off\)"):
        stream_clip(tmp_path / name, tmp_path / "out", Stopping(), **{**options, "scene_cuts": "off"})
    assert stream_clip(tmp_path / name, tmp_path / "out", rest, **options) == count
    assert rest.calls == whole.calls + 6  # windows that were done before
    torch.testing.assert_close(read_clip(tmp_path / "out"), read_clip(tmp_path / "whole"), atol=0, rtol=0)


def test_what_was_computed_before_an_error_is_kept(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numbered(12))
    with pytest.raises(RuntimeError, match="stopped"):
        stream_clip(tmp_path / "clip.mp4", tmp_path / "out.mp4", Stopping(7))
    rest = Stopping()
    assert stream_clip(tmp_path / "clip.mp4", tmp_path / "out.mp4", rest) == 12
    assert 1000 - rest.calls == 5


def test_slow_jobs_have_short_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "clip", numbered(6))
    monkeypatch.setattr(pipeline, "SEGMENT_SECONDS", -1)
    with pytest.raises(RuntimeError, match="stopped"):
        stream_clip(tmp_path / "clip", tmp_path / "out", Stopping(4))
    assert len(list((tmp_path / "out.parts").glob("segment_*.json"))) == 4


def test_a_job_that_failed_at_once_leaves_nothing(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", numbered(6))
    with pytest.raises(RuntimeError, match="stopped"):
        stream_clip(tmp_path / "clip", tmp_path / "out", Stopping(0), segment_frames=3)
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]
    parts = tmp_path / "out.parts"  # as a kill leaves it before the first segment is finished
    parts.mkdir()
    (parts / "settings.json").write_text('{"window": 7}')
    (parts / "segment_0000").mkdir()
    assert stream_clip(tmp_path / "clip", tmp_path / "out", invert) == 6
    assert not parts.exists()
    parts.mkdir()
    (parts / "notes of mine.txt").touch()
    with pytest.raises(ValueError, match=r"out\.parts is no work folder of a job on out; remove it"):
        stream_clip(tmp_path / "clip", tmp_path / "out", invert, overwrite=True)
    assert (parts / "notes of mine.txt").exists()


def test_two_processes_do_not_make_one_result(tmp_path: Path, in_use: Any) -> None:
    write_clip(tmp_path / "clip", numbered(3))
    target = tmp_path / "out.gif"
    with in_use(tmp_path / "out.gif.parts"), pytest.raises(OSError, match=r"out.gif.parts is in use by process \d+"):
        stream_clip(tmp_path / "clip", target, invert)
    assert not target.exists()
    assert (tmp_path / "out.gif.parts").is_dir()  # the other one was killed
    assert stream_clip(tmp_path / "clip", target, invert) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip", "out.gif"]


def test_an_hour_ahead_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "clip", numbered(40))
    now = [0.0]

    def slow(seconds: float) -> Callable[[Tensor], Tensor]:
        def process(frames: Tensor) -> Tensor:
            now[0] += seconds
            return frames

        return process

    monkeypatch.setattr(clip.time, "perf_counter", lambda: now[0])
    seen: list[Progress] = []
    with pytest.warns(UserWarning, match=r"about 1:05:00 h are ahead for .*clip at 0\.01 frames a second") as told:
        stream_clip(tmp_path / "clip", tmp_path / "out", slow(100), progress=seen.append)
    assert len(told) == 1
    assert (seen[9].done, seen[9].total, seen[9].seconds_left) == (10, 40, 3000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream_clip(tmp_path / "clip", tmp_path / "out", slow(80), overwrite=True)
        stream_clip(tmp_path / "clip", tmp_path / "out", slow(100), overwrite=True, duration=2, progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (20, 20)


def test_what_is_not_kept_is_named(tmp_path: Path) -> None:
    for name, pixels, codec in (
        ("deep.mkv", "yuv420p10le", "libx264"),
        ("clear.mov", "argb", "qtrle"),
        ("clear.webm", "yuva420p", "libvpx-vp9"),
    ):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.height, stream.width, stream.pix_fmt = 16, 24, pixels
            if name == "deep.mkv":
                stream.codec_context.color_trc = 16
            frame = av.VideoFrame.from_ndarray(np.full((16, 24, 3), 90, np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
            container.mux(stream.encode())
    words = "deep.mkv has 10 bits per value and the HDR curve PQ; the result has 8, and keeps the curve with its tags"
    with pytest.warns(UserWarning, match=words):
        stream_clip(tmp_path / "deep.mkv", tmp_path / "deep.mp4", invert)
    with VideoReader(tmp_path / "deep.mp4") as reader:
        assert reader.details.colors.transfer == 16
        assert (reader.details.bit_depth, reader.details.has_alpha) == (8, False)
    for name in ("clear.mov", "clear.webm"):
        with pytest.warns(UserWarning, match=rf"{name} is transparent in places; the result leaves transparency out"):
            stream_clip(tmp_path / name, tmp_path / "clear.mp4", invert, overwrite=True)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16"])
def test_transparent_and_deep_pictures_are_named(tmp_path: Path, mode: str) -> None:
    from PIL import Image

    (tmp_path / "clip").mkdir()
    image = Image.new(mode, (24, 16), 0)
    image.save(tmp_path / "clip" / "1.png", **({"transparency": 0} if mode == "P" else {}))
    words = "has 16 bits per value; the result has 8" if mode == "I;16" else "shows transparent parts on white"
    with pytest.warns(UserWarning, match=words):
        stream_clip(tmp_path / "clip", tmp_path / "out", lambda frames: frames)
    assert levels(tmp_path / "out") == [0 if mode == "I;16" else 51]
    Image.new("RGBA", (24, 16), (9, 9, 9, 255)).save(tmp_path / "clip" / "1.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream_clip(tmp_path / "clip", tmp_path / "out", lambda frames: frames, overwrite=True)


def test_sources_without_frames_and_damaged_ones(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=16000)
        sound.codec_context.layout = "mono"
        audio = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), format="s16", layout="mono")
        audio.rate, audio.pts = 16000, 0
        container.mux(sound.encode(audio))
        container.mux(sound.encode())
    with pytest.raises(ValueError, match=r"sound\.mp4 has no video stream"):
        stream_clip(tmp_path / "sound.mp4", tmp_path / "out.mp4", invert)
    with av.open(str(tmp_path / "nothing.mkv"), "w") as container:
        container.add_stream("mpeg4", rate=10).width = 16
        container.start_encoding()
    with pytest.raises(ValueError, match=r"nothing\.mkv"):
        stream_clip(tmp_path / "nothing.mkv", tmp_path / "out.mp4", invert)
    with av.open(str(tmp_path / "clip.ts"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        noise = np.random.default_rng(0)
        for _ in range(20):
            pixels = noise.integers(0, 255, (48, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    content = (tmp_path / "clip.ts").read_bytes()
    (tmp_path / "cut.ts").write_bytes(content[: len(content) * 2 // 3])
    with pytest.warns(UserWarning, match=r"cut\.ts is damaged: .*data is missing|cut\.ts is damaged: frames that were"):
        count = stream_clip(tmp_path / "cut.ts", tmp_path / "out.mp4", invert, window=4, overlap=2)
    assert 8 < count < 20
    assert len(times_of(tmp_path / "out.mp4")) == count


def test_a_time_stamp_of_years_is_no_time(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = 16, 24, "yuvj420p"
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((16, 24, 3), 40 * number, np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                packet.pts = packet.dts = 100 * number + (2**40 if number > 2 else 0)
                packet.time_base = MILLISECOND
                container.mux(packet)
    seen: list[Progress] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no hour is ahead
        assert stream_clip(tmp_path / "clip.mkv", tmp_path / "out.mp4", invert, progress=seen.append) == 6
    assert seen[-1].total is None
    times = times_of(tmp_path / "out.mp4")
    assert times[:3] == pytest.approx([0, 0.1, 0.2])
    assert times == sorted(set(times))
    assert times[-1] < 1


def test_what_no_file_can_hold_is_one_sentence(tmp_path: Path) -> None:
    def write() -> None:
        with VideoWriter(tmp_path / "x.mp4", time_base=MILLISECOND) as writer:
            for time in (0, 2**40, 2**41):
                writer.write(np.zeros((16, 24, 3), np.uint8), Fraction(time))

    with pytest.raises(ValueError, match=r"x\.mp4 cannot be written as a video: FFmpeg refuses it"):
        write()
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numbered(3))
    with pytest.raises(FileNotFoundError, match=r"the folder .*absent for out.mp4 does not exist; make it first"):
        stream_clip(tmp_path / "clip.mp4", tmp_path / "absent" / "out.mp4", invert)
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4 does not exist"):
        stream_clip(tmp_path / "gone.mp4", tmp_path / "out.mp4", invert)
    with pytest.raises(ValueError, match=r"out\.doc has no known suffix"):
        stream_clip(tmp_path / "clip.mp4", tmp_path / "out.doc", invert)


FULL = """
import resource, sys
from subband.predictors.streaming import stream_clip

for target, limit in zip(sys.argv[2::2], sys.argv[3::2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    try:
        stream_clip(sys.argv[1], target, lambda frames: 1 - frames, segment_frames=4)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="files are limited by setrlimit")
def test_a_full_disk_is_said_and_the_job_goes_on(tmp_path: Path) -> None:
    """A limit to the size of files stands for it: the segments fit and their sum does not, or not even the first."""
    write_clip(tmp_path / "clip.mp4", torch.rand(24, 3, 48, 64, generator=torch.Generator().manual_seed(0)))
    size, target, other = (tmp_path / "clip.mp4").stat().st_size, tmp_path / "out.mp4", tmp_path / "other.mp4"
    command = [sys.executable, "-c", FULL, tmp_path / "clip.mp4", target, str(size // 2), other, "2000"]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True, timeout=120)
    words = "what is finished is kept in out.mp4.parts, and the same call goes on with it"
    whole, first = result.stdout.splitlines()
    assert whole == f"{target}: File too large; {words}", result.stderr
    assert first == f"{other}.parts/segment_0000.mp4: File too large", result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "out.mp4.parts"}
    calls: list[int] = []
    stream_clip(tmp_path / "clip.mp4", target, lambda frames: calls.append(1) or 1 - frames, segment_frames=4)
    assert not calls  # only the joining was left
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "out.mp4"}


def test_networks_enlarge_files(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numbered(7, 18, 26), fps=20)
    network = ClipNetwork(
        restore=lambda x, view: x[1:].repeat_interleave(2, 2).repeat_interleave(2, 3),
        **{"past_frames": 1, "scale": 2, "window": 3, "size_multiple": 8},
    )
    assert stream_clip(tmp_path / "clip.mp4", tmp_path / "out.mp4", NetworkRunner(network), scene_cuts="auto") == 7
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert (reader.height, reader.width, reader.fps) == (36, 52, 20)
    assert levels(tmp_path / "out.mp4") == list(range(7))
