"""What the commands for photographs share: names of results, folders with bad files, nothing overwritten."""

import csv
import errno
import json
import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
import torch
from PIL import Image
from skimage import data

from subband.cli.main import main
from subband.cli.photographs import Job, beside, for_each, plan
from subband.media.images import read_image, write_image

COMMANDS = {"denoise": "denoised", "decompose": "bands", "compress": "compressed"}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_image(path, torch.from_numpy(data.astronaut()[60:108, 200:264].copy()).permute(2, 0, 1) / 255)
    return path


@pytest.fixture
def folder(tmp_path: Path, photo: Path) -> Path:
    """Three photographs, two of one name, and two bad files."""
    path = tmp_path / "photos"
    path.mkdir()
    pixels = read_image(photo).pixels
    write_image(path / "a.png", pixels)
    write_image(path / "a.jpg", pixels)
    write_image(path / "b.png", pixels[:1], bit_depth=16)
    (path / "cut.png").write_bytes(photo.read_bytes()[:1000])
    (path / "empty.jpg").write_bytes(b"")
    (path / "notes.txt").write_text("no photograph")
    return path


def refused(capsys: pytest.CaptureFixture, *words: object) -> str:
    assert main([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1, error
    return error


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_files_of_a_folder_are_left_out_and_named_at_the_end(command: str, folder: Path, capsys) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main([command, str(folder)]) == 2
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert [line.startswith("subband: warning: left out") for line in lines] == [True, True, True, False]
    assert lines[0].endswith("photos: 1 file: no picture (notes.txt).")
    assert "empty.jpg is empty (0 bytes)" in shown.err
    assert lines[-1] == "subband: error: 2 of 5 photographs could not be done: cut.png, empty.jpg."
    assert all(name in shown.out for name in ("a.jpg", "a.png", "b.png"))
    results = folder.parent / f"photos_{COMMANDS[command]}"
    assert {path.name.removesuffix(".png") for path in results.iterdir() if path.suffix not in (".csv", ".svg")} >= {
        "a.jpg",
        "b",
    }
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_overwritten_unless_asked(command: str, photo: Path, capsys) -> None:
    assert main([command, str(photo)]) == 0
    files = sorted(path for path in photo.parent.rglob("*") if path.is_file())
    assert len(files) > 1
    times = [path.stat().st_mtime_ns for path in files]
    capsys.readouterr()
    assert "exists already; choose another --out or add --overwrite" in refused(capsys, command, photo)
    assert [path.stat().st_mtime_ns for path in files] == times
    assert main([command, str(photo), "--overwrite"]) == 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), (b"", "is empty"), (b"text", "is not an image"), ("cut", "damaged or cut off")],
)
def test_one_bad_file_is_one_sentence(
    command: str, content: bytes | str | None, message: str, photo: Path, capsys
) -> None:
    bad = photo.parent / "bad.png"
    if content is not None:
        bad.write_bytes(photo.read_bytes()[:900] if isinstance(content, str) else content)
    assert message in refused(capsys, command, bad)
    assert {path.name for path in photo.parent.iterdir()} <= {"bad.png", "photo.png"}


@pytest.mark.parametrize("command", COMMANDS)
def test_folders_without_photographs(command: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "none").mkdir()
    assert "holds no photographs" in refused(capsys, command, tmp_path / "none")
    (tmp_path / "none" / "bad.png").write_bytes(b"")
    assert "is empty" in refused(capsys, command, tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["none"], "no empty folder is left behind"


@pytest.mark.parametrize("command", ["denoise", "decompose"])
def test_photographs_are_never_replaced(command: str, photo: Path, folder: Path, capsys) -> None:
    assert "is the photograph itself" in refused(capsys, command, photo, "--out", photo, "--overwrite")
    assert "is the folder of the photographs" in refused(capsys, command, folder, "--out", folder, "--overwrite")
    assert "is a file" in refused(capsys, command, folder, "--out", photo, "--overwrite")


def test_names_of_results(photo: Path, folder: Path, monkeypatch) -> None:
    assert plan(str(photo), None, "clean") == [Job(photo, photo.with_name("photo_clean.png"))]
    (photo.parent / "results").mkdir()
    (job,) = plan(str(photo), str(photo.parent / "results"), "clean")
    assert job.target == photo.parent / "results" / "photo_clean.png"
    names = [job.target.relative_to(folder.parent).as_posix() for job in plan(str(folder), None, "clean")]
    assert names[:3] == ["photos_clean/a.jpg.png", "photos_clean/a.png.png", "photos_clean/b.png"]
    monkeypatch.chdir(folder)
    assert beside(Path(), "clean") == folder.parent / "photos_clean"
    assert beside(Path("x/photos"), "clean") == Path("x/photos_clean")


NAMES = [
    "a:b",
    "=1+1",
    "two\nlines",
    "$x^2$ and $",
    "²1²",
    ":dog:",
    "[red]",
    "50% #1?",
    os.fsdecode(b"caf\xe9"),
    "x" * 251,
]


def test_names_of_any_kind_are_read_and_written(tmp_path: Path, capsys, monkeypatch) -> None:
    folder = tmp_path / "any"
    folder.mkdir()
    write_image(folder / "a.jpg", torch.rand(3, 16, 16))
    for name in [*NAMES, "a", "A", "a.jpg"]:
        write_image(folder / f"{name}.png", torch.rand(3, 16, 16))
    commands = {"denoise": (1, ["--cycle-spins", "0"]), "decompose": (2, ["--level", "1"])}
    for command, (results, options) in commands.items():
        out = tmp_path / command
        assert main([command, str(folder), "--out", str(out), *options]) == 0
        names = {path.name for path in out.iterdir()}
        wanted = results * len(list(folder.iterdir()))
        assert len(names) == len({name.casefold() for name in names}) == wanted, (command, names)
        table = capsys.readouterr().out
        assert all(name in table for name in ("two\\nlines.png", ":dog:.png", "[red].png", "caf\\xe9.png"))

    for out in ("classes.csv", "classes.json"):
        assert main(["classify", str(folder), "--model", "gfnet_digits", "--out", str(tmp_path / out)]) == 0
    with (tmp_path / "classes.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 1 + 5 * len(list(folder.iterdir()))
    listed = json.loads((tmp_path / "classes.json").read_text("utf-8"))["photographs"]
    assert all(Path(each["photograph"]).exists() for each in listed), "JSON gives the very names"

    monkeypatch.chdir(folder)
    assert main(["classify", "=1+1.png", "--model", "gfnet_digits", "--out", str(tmp_path / "one.csv")]) == 0
    assert (tmp_path / "one.csv").read_text().splitlines()[1].startswith("./=1+1.png,1,")
    for name in NAMES:
        assert main(["denoise", f"{name}.png", "--cycle-spins", "0"]) == 0, name
    write_image(folder / "-dash.png", torch.rand(3, 16, 16))
    capsys.readouterr()
    assert "-dash.png looks like an option; write ./-dash.png" in refused(capsys, "denoise", "-dash.png")
    assert main(["denoise", "./-dash.png", "--cycle-spins", "0"]) == 0
    assert main(["denoise", "--cycle-spins", "0", "--overwrite", "--", "-dash.png"]) == 0


def test_a_pipe_is_refused_and_not_read(tmp_path: Path, capsys) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)  # nobody writes into it: whoever opens it waits for ever
    for words in (["denoise"], ["classify", "--model", "gfnet_digits"], ["fuse", str(pipe)], ["compress"]):
        assert f"{pipe} is a pipe or a device; an image is read from a file" in refused(capsys, *words, str(pipe))


@pytest.mark.slow
def test_folders_of_results_and_links_of_pages_bear_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "any"
    folder.mkdir()
    names = ("$x^2$ and $", "50% #1?", os.fsdecode(b"caf\xe9"), "rates.svg")
    for name in names:
        write_image(folder / f"{name}.png", torch.rand(3, 16, 16))
    assert main(["compress", str(folder), "--out", str(tmp_path / "files"), "--keep", "0.1"]) == 0
    assert {path.name for path in (tmp_path / "files").iterdir()} == {*names, "rates.svg-2"}
    assert main(["decompress", str(tmp_path / "files"), "--out", str(tmp_path / "again")]) == 0
    assert len([path for path in (tmp_path / "again").rglob("*.png") if path.is_file()]) == 4

    assert main(["explain", str(folder), "--out", str(tmp_path / "why"), "--model", "gfnet_digits"]) == 0
    page = (tmp_path / "why" / "index.html").read_text("utf-8")
    links = re.findall(r'href="([^"]+\.png)"', page)
    assert len(links) == 4
    assert all(os.path.exists(os.fsencode(tmp_path / "why") + b"/" + unquote_to_bytes(link)) for link in links)
    assert "caf\\xe9.png" in page


def test_animated_and_other_files_are_counted(photo: Path, tmp_path: Path, capsys) -> None:
    first = Image.new("RGB", (16, 16))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=[Image.new("RGB", (16, 16), "white")])
    one = [str(tmp_path / "moving.gif")]
    for command, files in {"decompose": one, "fuse": [*one, *one], "classify": one}.items():
        options = ["--model", "gfnet_digits"] if command == "classify" else []
        assert main([command, *files, *options]) == 0
        assert "only the first image counts of" in capsys.readouterr().err, command


def test_a_full_disk_ends_a_folder_of_photographs(tmp_path):
    jobs = [Job(tmp_path / name, tmp_path / "out" / name) for name in ("a.png", "b.png", "c.png")]

    def work(job):
        if job.name == "b.png":
            raise OSError(errno.ENOSPC, "No space left on device", "out/b.png")
        job.target.touch()

    with pytest.raises(OSError, match=r"^out/b.png: No space left on device; 1 of 3 photographs are done.$"):
        for_each(jobs, work)
