import json

import pytest
import torch
from PIL import Image

from subband.cli.main import main
from subband.data import build_data
from subband.data.restoration import pair_folder
from subband.data.restoration.paired_files import find_pairs
from subband.media import probe, read_clip, write_clip
from subband.media.images import write_image

QUICK = ["--no-interpolate", "--stride", "2"]


@pytest.fixture
def video(tmp_path, rng):
    """A folder of 13 frames: 6 pairs with a stride of 2."""
    picture = torch.rand(3, 32, 40, generator=rng)
    write_clip(tmp_path / "pan", torch.stack([picture.roll(index, -1) for index in range(13)]))
    return tmp_path / "pan"


@pytest.fixture
def photos(tmp_path, rng):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in (("a.png", (60, 80)), ("b.png", (80, 60))):
        write_image(folder / name, torch.rand(3, *size, generator=rng))
    return folder


def run(*words) -> int:
    return main(["synthesize-blur", *map(str, words)])


def refused(capsys, *words) -> str:
    assert run(*words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("subband: error: ")
    assert "Traceback" not in "".join(lines)
    return lines[-1]


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def test_a_video_becomes_pairs_that_a_data_set_reads(video, tmp_path, capsys):
    out = tmp_path / "new" / "pairs"
    assert run(video, out, "--stride", "2", "--exposure", "1", "1") == 0
    shown = capsys.readouterr().out
    assert f"wrote {out}: blur, sharp, synthesis.json" in shown
    record = json.loads((out / "synthesis.json").read_text())
    assert record["is_complete"]
    assert record["clips"] == {"pan": 6}
    assert record["settings"]["exposure"] == [1, 1]
    assert record["seed"] == 0
    frames = read_clip(video)
    sharp, blurred = (read_clip(out / side / "pan") for side in ("sharp", "blur"))
    assert torch.equal(sharp, frames[1:-1:2])
    assert not torch.equal(blurred, sharp)
    for name in ("copy1", "copy2"):
        for side in ("blur", "sharp"):
            (out / side / name).symlink_to(out / side / "pan")
    data = build_data("paired_folder", {"path": out, "frames": 2, "crop": 16}, 0)
    assert data.train[0][0].shape == (2, 3, 16, 16)


def test_stored_values_are_averaged_with_a_gamma_of_one(video, tmp_path):
    assert run(video, tmp_path / "pairs", *QUICK, "--response", "1", "--exposure", "1", "1") == 0
    frames = read_clip(video)
    blurred = read_clip(tmp_path / "pairs" / "blur" / "pan")
    expected = torch.stack([frames[first : first + 3].mean(0) for first in range(0, 11, 2)])
    torch.testing.assert_close(blurred, expected, atol=1 / 254, rtol=0)


def test_photographs_become_clips(photos, tmp_path):
    out = tmp_path / "pairs"
    assert run(photos, out, "--photos", "--num-frames", "3", "--speed", "20") == 0
    assert {path.name for path in (out / "blur").iterdir()} == {"a", "b"}
    assert probe(out / "sharp" / "a").num_frames == 3
    assert read_clip(out / "blur" / "a").shape == (3, 3, 48, 64)
    assert run(photos / "a.png", tmp_path / "one", "--num-frames", "2", "--size", "16", "24") == 0
    assert read_clip(tmp_path / "one" / "blur" / "a").shape == (2, 3, 16, 24)


def test_the_seed_chooses_all_and_a_clip_does_not_depend_on_when_it_was_made(photos, tmp_path):
    words = [photos, "--photos", "--num-frames", "2", "--noise-share", "1"]
    runs = []
    for number, seed in enumerate((0, 0, 1)):
        assert run(words[0], tmp_path / f"{number}", *words[1:], "--seed", seed) == 0
        runs.append(contents(tmp_path / f"{number}"))
    assert runs[0] == runs[1]
    assert runs[0]["sharp/a/000000.png"] != runs[2]["sharp/a/000000.png"]


@pytest.mark.parametrize("num_written", [1, 4, 7])
def test_an_interrupted_job_goes_on(video, photos, tmp_path, monkeypatch, num_written):
    jobs = {"video": [video, *QUICK], "photos": [photos, "--photos", "--num-frames", "3"]}
    original = pair_folder.write_image
    for name, (source, *words) in jobs.items():
        assert run(source, tmp_path / f"{name}_whole", *words) == 0
        left = [num_written]

        def write(path, pixels, overwrite, left=left):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            original(path, pixels, overwrite=overwrite)

        monkeypatch.setattr(pair_folder, "write_image", write)
        out = tmp_path / f"{name}_parts"
        assert run(source, out, *words) == 130
        monkeypatch.setattr(pair_folder, "write_image", original)
        assert len(contents(out)) == num_written
        times = {path: path.stat().st_mtime_ns for path in (out / "sharp").rglob("*.png")}
        assert run(source, out, *words) == 0
        assert contents(out) == contents(tmp_path / f"{name}_whole")
        assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_clip_that_is_not_finished_is_no_pair(photos, tmp_path, monkeypatch, capsys):
    original, left, words = pair_folder.write_image, [10], [photos, tmp_path / "pairs", "--photos", "--num-frames", "3"]

    def write(path, pixels, overwrite):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        original(path, pixels, overwrite=overwrite)

    monkeypatch.setattr(pair_folder, "write_image", write)
    assert run(*words) == 130  # all of a, two pairs of b
    monkeypatch.setattr(pair_folder, "write_image", original)
    with pytest.warns(UserWarning, match="b: not finished, give the same command of synthesize-blur again"):
        assert [pair.name for pair in find_pairs(tmp_path / "pairs", ["blur"], ["sharp"])] == ["a"]
    assert run(*words) == 0
    assert [pair.name for pair in find_pairs(tmp_path / "pairs", ["blur"], ["sharp"])] == ["a", "b"]


def test_two_processes_do_not_fill_one_folder(video, tmp_path, capsys, in_use):
    out = tmp_path / "pairs"
    with in_use(out):
        assert "pairs is in use by process" in refused(capsys, video, out, *QUICK)
    assert run(video, out, *QUICK) == 0
    assert sorted(path.name for path in out.iterdir()) == ["blur", "sharp", "synthesis.json"]
    with in_use(out):
        before = contents(out)
        assert "pairs is in use by process" in refused(capsys, video, out, *QUICK, "--overwrite")
        assert contents(out) == before


def test_pairs_that_are_there_are_not_replaced(video, tmp_path, capsys):
    out = tmp_path / "pairs"
    assert run(video, out, *QUICK) == 0
    before = contents(out)
    assert "holds finished pairs; choose another name or add --overwrite" in refused(capsys, video, out, *QUICK)
    record = json.loads((out / "synthesis.json").read_text())
    (out / "synthesis.json").write_text(json.dumps(record | {"is_complete": False}))
    text = refused(capsys, video, out, *QUICK, "--seed", "4", "--sharp-share", "0.5")
    assert "an interrupted job with another seed, settings;" in text
    assert contents(out) == before
    assert run(video, out, "--stride", "3", "--no-interpolate", "--overwrite") == 0
    assert len(contents(out)) == 2 * 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for words in ([], ["--overwrite"]):
        assert "was not made by this command" in refused(capsys, video, tmp_path / "mine", *words)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_videos_in_and_out(video, tmp_path):
    clip = read_clip(video)
    (tmp_path / "videos").mkdir()
    write_clip(tmp_path / "videos" / "one.mp4", clip, fps=24)
    write_clip(tmp_path / "videos" / "two.gif", clip)
    out = tmp_path / "pairs"
    assert run(tmp_path / "videos", out, *QUICK, "--format", "mkv", "--fps", "12") == 0
    assert {path.name for path in (out / "sharp").iterdir()} == {"one.mkv", "two.mkv"}
    info = probe(out / "sharp" / "one.mkv")
    assert (info.num_frames, info.fps) == (6, 12)
    original, stored = read_clip(tmp_path / "videos" / "one.mp4")[1:-1:2], read_clip(out / "sharp" / "one.mkv")
    assert (original - stored).abs().mean() < 0.1  # of noise, with chroma of half resolution
    assert json.loads((out / "synthesis.json").read_text())["clips"] == {"one": 6, "two": 6}


def test_one_bad_photograph_of_several_is_named(photos, tmp_path, capsys):
    (photos / "bad.png").write_bytes((photos / "a.png").read_bytes()[:200])
    out = tmp_path / "pairs"
    text = refused(capsys, photos, out, "--photos", "--num-frames", "2")
    assert "1 of 3 clips could not be made: bad." in text
    assert {path.name for path in (out / "blur").iterdir()} == {"a", "b"}
    write_image(photos / "bad.png", torch.rand(3, 60, 60), overwrite=True)
    assert "another sources" in refused(capsys, photos, out, "--photos", "--num-frames", "2")


def test_frames_of_several_sizes_are_no_clip(photos, tmp_path, capsys):
    text = refused(capsys, photos, tmp_path / "pairs")
    assert "is no clip: a.png has 80 x 60 pixels, b.png 60 x 80; add --photos" in text
    write_image(photos / "b.png", torch.rand(3, 60, 80), overwrite=True)
    text = refused(capsys, photos, tmp_path / "pairs")
    assert "photos has 2 frames, too few for an exposure with --stride 2; add --photos if" in text
    assert not (tmp_path / "pairs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.mp4", "pairs"], "nothing.mp4 does not exist."),
        (["pan", "pan/pairs"], "pan/pairs lies in the folder that is read"),
        (["pan", "pan"], "pan lies in the folder that is read"),
        (["pan", "file"], "file is a file; pairs go into a folder."),
        (["text.mp4", "pairs"], "text.mp4"),
        (["bad.png", "pairs"], "bad.png"),
        (["text.mp4", "pairs", "--photos"], "text.mp4"),
        (["one.png", "pairs", "--size", "8", "200"], "--size must be at least 16 x 16 pixels, got 8 x 200."),
        (["pan", "pairs", "--stride", "13"], "pan has 13 frames, too few for an exposure with --stride 13;"),
        (["pan", "pairs", "--stride", "0"], "--stride must be at least 1, got 0."),
        (["pan", "pairs", "--max-side", "3"], "--max-side must be at least 16, got 3."),
        (["pan", "pairs", "--exposure", "0.5", "2"], "--exposure must be a pair (low, high) between 0.01 and 1"),
        (["pan", "pairs", "--sharp-share", "-1"], "--sharp-share must be a number between 0 and 1, got -1"),
        (["pan", "pairs", "--response", "raw"], "--response must be srgb or a gamma such as 2.2, got raw."),
        (["pan", "pairs", "--response", "9"], "--response must be 'srgb' or a gamma between 0.5 and 4"),
        (["pan", "pairs", "--format", "avi"], "--format must be png or mkv, got avi."),
        (["pan", "pairs", "--format", "mkv", "--fps", "0"], "--fps must be between 1/3600 and 1000, got 0"),
        (["pan", "pairs", "--device", "abacus"], "abacus"),
    ],
)
def test_bad_input_is_one_sentence(words, message, video, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("text")
    (tmp_path / "text.mp4").write_text("no video, only text " * 20)
    Image.new("RGB", (40, 40)).save("one.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "one.png").read_bytes()[:60])
    assert message in refused(capsys, *words)
    assert not (tmp_path / "pairs").exists()
