"""A clip through a function: windows, times, sound, and jobs that are stopped and go on."""

import io
import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from subband.media import ColorTags, VideoReader, open_clip, probe, read_clip, write_clip
from subband.media.video_writer import VideoWriter
from subband.predictors.progress import Progress, show_progress
from subband.predictors.streaming import stream_clip

MILLISECOND = Fraction(1, 1000)
LOSSLESS = {"crf": "0", "preset": "ultrafast"}


def invert(frames: Tensor) -> Tensor:
    return 1 - frames


def numbered(count: int, height: int = 16, width: int = 24) -> Tensor:
    """Gray frames whose brightness is their number times 5 of 255."""
    return (torch.arange(count) * 5 / 255).view(-1, 1, 1, 1).expand(-1, 3, height, width)


def levels(path: Path) -> list[int]:
    """Brightness of the frames in steps of 5 of 255."""
    return (read_clip(path).mean((1, 2, 3)) * 51).round().int().tolist()


def times_of(path: Path) -> list[Fraction]:
    with open_clip(path) as reader:
        return [frame.time for frame in reader.stream()]


def write_with_sound(path: Path, times: list[int], *, chapters: bool = False) -> None:
    """Frames at given milliseconds, a second of sound, and subtitles where the format has them."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"crf": "0", "bf": "2", "g": "5"})
        video.height, video.width, video.pix_fmt = 16, 24, "yuv420p"
        video.codec_context.time_base = MILLISECOND
        sound = container.add_stream("aac", rate=16000)
        sound.codec_context.layout = "mono"
        sound.metadata["language"] = "deu"
        if chapters:
            container.set_chapters(
                [{"id": 1, "start": 0, "end": 500, "time_base": MILLISECOND, "metadata": {"title": "first half"}}]
            )
        for image, time in zip(numbered(len(times)), times, strict=True):
            pixels = np.ascontiguousarray((image * 255).round().byte().permute(1, 2, 0).numpy())
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, MILLISECOND
            container.mux(video.encode(frame))
        container.mux(video.encode())
        wave = (np.sin(np.arange(16000) / 10) * 8000).astype(np.int16)[None]
        audio = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        audio.rate, audio.pts = 16000, 0
        container.mux(sound.encode(audio))
        container.mux(sound.encode())


def sound_of(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux(audio=0) if packet.size]
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in found]


@pytest.mark.parametrize(("window", "overlap"), [(1, 0), (4, 0), (4, 2), (5, 3), (7, 1)])
@pytest.mark.parametrize("count", [1, 3, 4, 7, 12, 20])
def test_every_frame_is_processed_once_in_its_place(tmp_path: Path, window: int, overlap: int, count: int) -> None:
    write_clip(tmp_path / "clip", numbered(count))
    lengths = []

    def process(frames: Tensor) -> Tensor:
        lengths.append(len(frames))
        return 1 - frames

    options = {"window": window, "overlap": overlap, "segment_frames": 5}
    assert stream_clip(tmp_path / "clip", tmp_path / "out", process, **options) == count
    assert levels(tmp_path / "out") == [51 - index for index in range(count)]
    assert set(lengths) == {min(window, count)}
    assert {path.name for path in tmp_path.iterdir()} == {"clip", "out"}


def test_half_of_the_overlap_comes_from_each_neighbor(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", numbered(10))

    def places(frames: Tensor) -> Tensor:
        return numbered(len(frames))

    stream_clip(tmp_path / "clip", tmp_path / "out", places, window=6, overlap=4)
    assert levels(tmp_path / "out") == [0, 1, 2, 3, 2, 3, 2, 3, 4, 5]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_segments_of_a_video_are_joined(tmp_path: Path, suffix: str) -> None:
    write_clip(tmp_path / "clip.mp4", numbered(23), fps=20)
    target = tmp_path / f"out{suffix}"
    assert stream_clip(tmp_path / "clip.mp4", target, invert, window=3, segment_frames=6) == 23
    found = levels(target)
    assert len(found) == 23
    assert max(abs(level - (51 - index)) for index, level in enumerate(found)) <= 1
    steps = [float(after - before) for before, after in zip(times_of(target), times_of(target)[1:], strict=False)]
    assert steps == pytest.approx([0.05] * 22, abs=0.001)
    assert probe(target).fps == pytest.approx(20, rel=0.05)


def test_odd_sizes_and_other_sizes(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", torch.full((3, 3, 15, 21), 0.7))
    with pytest.warns(UserWarning, match="clip is 21 x 15 pixels and out.mp4 needs even sides: .* to 22 x 16"):
        stream_clip(tmp_path / "clip", tmp_path / "out.mp4", invert)
    assert (probe(tmp_path / "out.mp4").height, probe(tmp_path / "out.mp4").width) == (16, 22)
    stream_clip(tmp_path / "clip", tmp_path / "out", lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert (probe(tmp_path / "out").height, probe(tmp_path / "out").width) == (30, 42)
    stream_clip(tmp_path / "clip", tmp_path / "small", lambda x: x[:, :1], size=7)
    assert (probe(tmp_path / "small").height, probe(tmp_path / "small").width) == (5, 7)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_varying_rate_and_sound_are_kept(tmp_path: Path, suffix: str) -> None:
    times = [0, 33, 100, 120, 350, 360, 400, 700, 730, 910]
    clip, target = tmp_path / f"clip{suffix}", tmp_path / f"out{suffix}"
    write_with_sound(clip, times, chapters=True)
    assert [1000 * time for time in times_of(clip)] == times
    stream_clip(clip, target, invert, window=3, overlap=1, segment_frames=4, options=LOSSLESS)
    assert [1000 * time for time in times_of(target)] == times
    assert levels(target) == [51 - index for index in range(10)]
    before, after = sound_of(clip), sound_of(target)
    assert [data for _, data in after] == [data for _, data in before]
    assert [float(time) for time, _ in after] == pytest.approx([float(time) for time, _ in before], abs=0.002)
    with VideoReader(target) as reader:
        assert [(stream.kind, stream.codec, stream.language) for stream in reader.details.streams][:1] == [
            ("audio", "aac", "deu")
        ]
        assert [(float(chapter.end), chapter.title) for chapter in reader.details.chapters] == [(0.5, "first half")]


def test_what_the_new_format_cannot_hold_is_named(tmp_path: Path) -> None:
    write_with_sound(tmp_path / "clip.mp4", [0, 100])
    with pytest.warns(UserWarning, match=r"audio stream 1 of .*clip\.mp4 is left out: webm files cannot hold it"):
        stream_clip(tmp_path / "clip.mp4", tmp_path / "out.webm", invert)
    with VideoReader(tmp_path / "out.webm") as reader:
        assert reader.details.streams == ()


def test_animations_keep_their_times(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.gif", numbered(6), fps=5)
    stream_clip(tmp_path / "clip.gif", tmp_path / "out.gif", invert, window=2, segment_frames=3)
    assert [float(time) for time in times_of(tmp_path / "out.gif")] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    stream_clip(tmp_path / "clip.gif", tmp_path / "out.mp4", invert)
    assert times_of(tmp_path / "out.mp4") == times_of(tmp_path / "clip.gif")


class Interrupted:
    """A process that is stopped at its n-th call."""

    def __init__(self, calls: int, error: BaseException) -> None:
        self.calls, self.error = calls, error

    def __call__(self, frames: Tensor) -> Tensor:
        self.calls -= 1
        if self.calls < 0:
            raise self.error
        return 1 - frames


@pytest.mark.parametrize("clip", ["clip.mp4", "clip.mkv", "clip.ts", "clip"])
@pytest.mark.parametrize("target", ["out.mp4", "out"])
def test_a_stopped_job_goes_on_and_gives_the_same(tmp_path: Path, clip: str, target: str) -> None:
    if clip == "clip":
        write_clip(tmp_path / clip, numbered(29))
    else:
        write_with_sound(tmp_path / clip, [40 * index for index in range(29)])
    options = {"window": 5, "overlap": 2, "segment_frames": 6}
    stream_clip(tmp_path / clip, tmp_path / f"whole_{target}", invert, **options)
    calls = []

    def counted(frames: Tensor) -> Tensor:
        calls.append(len(frames))
        return 1 - frames

    with pytest.raises(KeyboardInterrupt):
        stream_clip(tmp_path / clip, tmp_path / target, Interrupted(7, KeyboardInterrupt()), **options)
    assert not (tmp_path / target).exists()
    notes = sorted((tmp_path / f"{target}.parts").glob("segment_*.json"))
    assert notes
    stream_clip(tmp_path / clip, tmp_path / target, counted, **options)
    assert len(calls) < 9
    assert not (tmp_path / f"{target}.parts").exists()
    torch.testing.assert_close(read_clip(tmp_path / target), read_clip(tmp_path / f"whole_{target}"), atol=0, rtol=0)
    assert times_of(tmp_path / target) == times_of(tmp_path / f"whole_{target}")


def test_an_encoder_with_loss_differs_within_the_segment_of_the_stop_only(tmp_path: Path) -> None:
    texture = torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(0))
    write_clip(tmp_path / "clip", torch.stack([texture.roll(index, 2) for index in range(24)]))
    for name, options in {"lossy": {"crf": "30"}, "lossless": LOSSLESS}.items():
        whole, target = tmp_path / f"whole_{name}.mp4", tmp_path / f"{name}.mp4"
        settings = {"window": 2, "segment_frames": 8, "options": {**options, "threads": "1"}}
        stream_clip(tmp_path / "clip", whole, invert, **settings)
        with pytest.raises(KeyboardInterrupt):
            stream_clip(tmp_path / "clip", target, Interrupted(6, KeyboardInterrupt()), **settings)
        stream_clip(tmp_path / "clip", target, invert, **settings)
        differs = (read_clip(target) != read_clip(whole)).flatten(1).any(1).tolist()
        assert not any(differs[:8] + differs[16:])
        assert any(differs) == (name == "lossy")
        assert times_of(target) == times_of(whole)


@pytest.mark.parametrize("count", range(20, 26))
def test_the_last_window_is_the_same_after_a_stop(tmp_path: Path, count: int) -> None:
    write_clip(tmp_path / "clip", numbered(count))

    def centered(frames: Tensor) -> Tensor:
        return (frames - frames.mean(0) + 0.5).clamp(0, 1)

    def stopping(frames: Tensor) -> Tensor:
        if frames.amin() > 0.2:
            raise RuntimeError("stopped")
        return centered(frames)

    options = {"window": 6, "segment_frames": 6}
    stream_clip(tmp_path / "clip", tmp_path / "whole", centered, **options)
    with pytest.raises(RuntimeError, match="stopped"):
        stream_clip(tmp_path / "clip", tmp_path / "out", stopping, **options)
    assert (tmp_path / "out.parts" / "segment_0000.json").exists()
    stream_clip(tmp_path / "clip", tmp_path / "out", centered, **options)
    torch.testing.assert_close(read_clip(tmp_path / "out"), read_clip(tmp_path / "whole"), atol=0, rtol=0)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", numbered(12))
    with pytest.raises(RuntimeError, match="broken"):
        stream_clip(
            tmp_path / "clip", tmp_path / "out", Interrupted(3, RuntimeError("broken")), window=2, segment_frames=2
        )
    with pytest.raises(ValueError, match=r"out\.parts holds an unfinished job with other settings \(window 2 instead"):
        stream_clip(tmp_path / "clip", tmp_path / "out", invert, window=3, segment_frames=2)
    options = {"window": 2, "segment_frames": 2}
    with pytest.raises(ValueError, match=r"settings None instead of \{'model': 'a'\}"):
        stream_clip(tmp_path / "clip", tmp_path / "out", invert, settings={"model": "a"}, **options)
    write_clip(tmp_path / "clip", numbered(13), overwrite=True)
    with pytest.raises(ValueError, match="other settings"):
        stream_clip(tmp_path / "clip", tmp_path / "out", invert, **options)
    (tmp_path / "out.parts" / "settings.json").unlink()
    with pytest.raises(ValueError, match=r"out\.parts is no work folder"):
        stream_clip(tmp_path / "clip", tmp_path / "out", invert, **options)


def test_a_segment_that_is_not_noted_is_made_again(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", numbered(9))
    with pytest.raises(RuntimeError, match="broken"):
        stream_clip(tmp_path / "clip", tmp_path / "out.mp4", Interrupted(6, RuntimeError("broken")), segment_frames=2)
    parts = tmp_path / "out.mp4.parts"
    notes = sorted(parts.glob("segment_*.json"))
    assert json.loads(notes[-1].read_text())["is_last"] is False
    notes[-1].unlink()
    assert stream_clip(tmp_path / "clip", tmp_path / "out.mp4", invert, segment_frames=2) == 9
    assert levels(tmp_path / "out.mp4") == [51 - index for index in range(9)]


def test_progress(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numbered(10))
    seen: list[Progress] = []
    stream_clip(tmp_path / "clip.mp4", tmp_path / "out.mp4", invert, window=4, progress=seen.append)
    assert [(state.done, state.total) for state in seen] == [(4, 10), (8, 10), (10, 10)]
    assert seen[0].seconds_left > 0
    assert seen[-1].seconds_left == 0


def test_the_bar_ends_with_all_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "clip.mp4", numbered(5))
    with show_progress("inverting") as update:
        stream_clip(tmp_path / "clip.mp4", tmp_path / "out.mp4", invert, progress=update)
    shown = capsys.readouterr()
    assert "inverting" in shown.err
    assert "5 of 5 frames, 0:00 left" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize(("done", "total"), [(0, None), (3, 6), (3, None)])
def test_the_bar_of_a_job_that_failed(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, done: int, total: int | None
) -> None:
    """Nothing is left of it, or how far the job was; not a full bar."""
    screen = io.StringIO()
    screen.isatty = lambda: is_terminal
    monkeypatch.setattr("sys.stderr", screen)
    for name, value in {"COLUMNS": "80", "LINES": "24", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)

    def fail() -> None:
        with show_progress("inverting") as update:
            if done:
                update(Progress(done, total, 1.0, None))
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    lines = re.sub(r"\x1b\[\?\d+[hl]|\x1b\[0?m", "", screen.getvalue())
    if not done:
        assert lines.endswith("\x1b[1A\x1b[2K") if is_terminal else lines == ""
        return
    last = lines.rstrip().splitlines()[-1]
    assert last.endswith("3 frames" if total is None else "3 of 6 frames")
    assert last.count("━") == (0 if total is None else 20)


def test_color_tags_and_pixel_aspect_are_kept(tmp_path: Path) -> None:
    tags, aspect = ColorTags(9, 16, 9, 1), Fraction(4, 3)
    pixels = np.full((16, 24, 3), (200, 60, 30), np.uint8)
    with VideoWriter(tmp_path / "clip.mp4", colors=tags, pixel_aspect=aspect, options=LOSSLESS) as writer:
        for _ in range(3):
            writer.write(pixels)
    stream_clip(tmp_path / "clip.mp4", tmp_path / "out.mp4", lambda frames: frames, options=LOSSLESS)
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert reader.details.colors == tags
        assert reader.details.pixel_aspect == aspect
        assert np.abs(next(reader.stream()).pixels.astype(int) - pixels).max() <= 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "overlap must be at least 0 and below window"),
        ({"window": 2, "overlap": 2}, "overlap must be at least 0 and below window"),
        ({"segment_frames": 0}, "segment_frames must be at least 1"),
        ({"size": 0}, "the longest side must be at least 1"),
    ],
)
def test_impossible_arguments(tmp_path: Path, options: dict[str, int], message: str) -> None:
    write_clip(tmp_path / "clip", numbered(3))
    with pytest.raises(ValueError, match=message):
        stream_clip(tmp_path / "clip", tmp_path / "out", invert, **options)


KILLED = """
import os, sys
from subband.predictors.streaming import stream_clip

calls = []


def process(frames):
    calls.append(1)
    if len(calls) > 12:
        os._exit(9)
    return 1 - frames


stream_clip(sys.argv[1], sys.argv[2], process, segment_frames=3)
"""


def test_a_killed_job_goes_on(tmp_path: Path) -> None:
    write_with_sound(tmp_path / "clip.mp4", [40 * index for index in range(20)])
    command = [sys.executable, "-c", KILLED, str(tmp_path / "clip.mp4"), str(tmp_path / "out.mp4")]
    assert subprocess.run(command, timeout=120).returncode == 9
    assert not (tmp_path / "out.mp4").exists()
    assert (tmp_path / "out.mp4.parts" / "segment_0001.json").exists()
    assert stream_clip(tmp_path / "clip.mp4", tmp_path / "out.mp4", invert, segment_frames=3) == 20
    assert levels(tmp_path / "out.mp4") == [51 - index for index in range(20)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]


MEMORY = """
import sys
from pathlib import Path
import torch
from subband.predictors.streaming import ClipNetwork, NetworkRunner, stream_clip


def restore(frames, view):
    state, results = torch.zeros_like(frames[0]), []
    for frame in frames:
        state = 0.5 * state + 0.5 * frame
        results.append(state)
    return torch.stack(results[1:])


network = ClipNetwork(restore=restore, past_frames=1, settle=2, window=10, tile_overlap=16, size_multiple=4)
options = {"preset": "ultrafast", "crf": "30"}
for name in sys.argv[1:]:
    stream_clip(name, name + ".out.mp4", NetworkRunner(network, tile=96), scene_cuts="auto", options=options)
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process alone is read from /proc")
def test_memory_does_not_grow_with_the_length_of_a_clip(tmp_path: Path) -> None:
    frame, clips = np.empty((90, 160, 3), np.uint8), []
    for minutes in (1, 4):
        clips.append(tmp_path / f"{minutes}.mp4")
        with VideoWriter(clips[-1], fps=10, options={"preset": "ultrafast", "crf": "30"}) as writer:
            for index in range(600 * minutes):
                frame[:] = 20 * (index // 50 % 8)  # another brightness every five seconds
                frame[:, index % 160] = 255
                writer.write(frame)
    command = [sys.executable, "-c", MEMORY, *map(str, clips)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    short, long = map(float, result.stdout.split())
    out = tmp_path / "4.mp4.out.mp4"
    assert probe(out).num_frames == 2400
    with open_clip(out) as reader:  # a jump into the result leads to the right frame
        found = next(reader.stream(start=Fraction(212))).pixels
    assert abs(int(found[0, 0, 0]) - 20 * (2100 // 50 % 8)) <= 4
    # 1800 frames more are 78 MB of pixels, and 310 MB as numbers for a network.
    assert long - short < 30, f"MB at the peak: {short}, then {long}"


def test_impossible_places_and_processes(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numbered(3))
    with pytest.raises(ValueError, match="is the clip itself"):
        stream_clip(tmp_path / "clip.mp4", tmp_path / "clip.mp4", invert, overwrite=True)
    write_clip(tmp_path / "taken.mp4", numbered(2))
    with pytest.raises(FileExistsError, match="exists already"):
        stream_clip(tmp_path / "clip.mp4", tmp_path / "taken.mp4", invert)
    with pytest.raises(ValueError, match="no known suffix"):
        stream_clip(tmp_path / "clip.mp4", tmp_path / "out.xyz", invert)
    with pytest.raises(ValueError, match=r"process must return 2 frames .* got \(1, 3, 16, 24\)"):
        stream_clip(tmp_path / "clip.mp4", tmp_path / "out.mp4", lambda frames: frames[:1], window=2)
    sizes = iter((8, 8, 10))
    with pytest.raises(ValueError, match=r"process must return frames of one size, got \(10, 24\) after \(8, 24\)"):
        stream_clip(
            tmp_path / "clip.mp4", tmp_path / "x.mp4", lambda frames: frames[:, :, : next(sizes)], segment_frames=1
        )
