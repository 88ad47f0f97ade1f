"""Install a wheel into an empty environment and run every command there, far from the checkout. Standard library only.

usage: python3 scripts/dist_smoke.py dist/subband-*.whl

At first without extras, where each of `CASES` must work, or end with exit code 2 and one sentence that names the extra;
then with all extras, where each must work. Everything they read is drawn here.
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SIDE = 64
NUM_FRAMES = 16
# Runs commands in the environment by its entry point, and says how each one ended.
RUNNER = """
import contextlib, importlib.metadata, io, json, sys, time, traceback
(entry,) = importlib.metadata.entry_points(group="console_scripts", name="subband")
main = entry.load()
for words in json.loads(sys.argv[1]):
    out, err, began = io.StringIO(), io.StringIO(), time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except BaseException:
            code = None
            traceback.print_exc()
    end = {"code": code, "out": out.getvalue(), "err": err.getvalue(), "seconds": time.perf_counter() - began}
    print("ENDED " + json.dumps(end), flush=True)
"""
# Makes what cases read and only others with an extra would make: runs, a coded photograph, weights of another project.
READY = """
import pathlib, shutil, subband, torch
from subband.imaging import rate_distortion
torch.manual_seed(0)
tiny = dict(img_size=16, widths=[8, 8, 8, 8], blocks=1, refine_width=8, refine_blocks=1, mode="paper")
subband.save_model(subband.create_model("wavelet_vae_s", **tiny), "paper/model", metadata={"img_size": 16})
tiny = dict(dims=[8], depths=[1], patch_size=2, num_classes=2, img_size=16)
subband.save_model(subband.create_model("gfnet_ti", **tiny), "trained/model", metadata={"classes": ["a", "b"]})
shutil.copy("tiny.yaml", "trained/config.yaml")
torch.save({"weight": torch.zeros(1)}, "foreign.pth")
pathlib.Path("kept.sbw").write_bytes(rate_distortion(torch.rand(3, 32, 32), [0.1])[0].data)
"""
PHOTOS = (
    "{name: photo_patches, args: {path: photos, img_size: 16, num_train: 8, num_val: 2, num_test: 2}, batch_size: 4}"
)
FILES = {
    "paper/config.yaml": f"""task: generation
model: {{name: wavelet_vae_s, args: {{widths: [8, 8, 8, 8], blocks: 1, refine_width: 8, refine_blocks: 1}}}}
data: {PHOTOS}
loss: [{{name: objective}}]
trainer: {{epochs: 1, device: cpu, tensorboard: false}}
""",
    "tiny.yaml": """task: classification
model: {name: gfnet_ti, args: {dims: [8], depths: [1], patch_size: 2}}
data: {name: image_folder, batch_size: 2, args: {path: classes, img_size: 16}}
loss: [{name: cross_entropy}]
trainer: {epochs: 1, device: cpu, tensorboard: false}
""",
    "digits.yaml": """task: classification
model: {name: gfnet_ti, args: {dims: [8], depths: [1], patch_size: 2}}
data: {name: digits, batch_size: 400}
loss: [{name: cross_entropy}]
trainer: {epochs: 1, device: cpu, tensorboard: true}
""",
}


class Case(NamedTuple):
    """One command line.

    Attributes:
        words: What stands after `subband`.
        needs: Extras without which it does not work.
        makes: File or folder that is there afterwards.
        lacking: It is tried without extras alone: it would ask the network, or its file is none.
    """

    words: str
    needs: tuple[str, ...] = ()
    makes: str = ""
    lacking: bool = False


CASES = (
    Case("models wast*"),
    Case("info persistence --repeats 1"),
    Case("predict frames --num-frames 2 --out next.png", makes="next.png"),
    Case("predict clip.y4m --num-frames 2 --out next.mp4", ("video",), "next.mp4"),
    Case("predict frames --num-frames 2 --compare --out compared.png", ("train",), "compared.png"),
    Case("classify photos --model gfnet_digits --out classes.csv", makes="classes.csv"),
    Case("classify photo.png --model hf:user/name", ("weights",), lacking=True),
    Case("detect photo.png --out found", makes="found"),
    Case("pose photo.png --out posed", makes="posed"),
    Case("explain photo.png --model gfnet_digits --out why.png", ("visual",), "why.png"),
    Case("deblur frames sharp --duration 0.2", makes="sharp"),
    Case("deblur frames sharp.mp4 --duration 0.2", ("video",), "sharp.mp4"),
    Case("deblur frames sharp_too --duration 0.2 --compare", ("video",), "sharp_too_compare.html"),
    Case("deblur photo.png x.png --model foreign.pth", ("spandrel",), lacking=True),
    Case("upscale photo.png large.png", makes="large.png"),
    Case("denoise photo.png --out clean.png", makes="clean.png"),
    Case("generate --num 2 --out drawn", makes="drawn/grid.png"),
    Case("fit-prior paper --kind factorised", ("train",)),
    Case("reconstruct photo.png --model wavelet_vae_cells --out again.png", makes="again.png"),
    Case("latent photo.png --out maps", makes="maps"),
    Case("edit photo.png --gain level=1:0.5 --out softer.png", makes="softer.png"),
    Case("interpolate photo.png other.png --num 3 --out ways", makes="ways/grid.png"),
    Case("decompose photo.png --out bands.png", makes="bands.png"),
    Case("fuse photo.png other.png --out fused.png", makes="fused.png"),
    Case("compress photo.png --keep 0.05 --no-images --out rates", ("visual",), "rates"),
    Case("decompress kept.sbw --out decoded.png", makes="decoded.png"),
    Case("synthesize-blur photos pairs --photos --num-frames 2 --size 32 32", makes="pairs"),
    Case("train --list"),
    Case("train tiny.yaml --out fresh --quiet", ("train",), "fresh/model"),
    Case("train digits.yaml --out fresh_too --quiet", ("train", "digits"), "fresh_too/model"),
    Case("evaluate trained", ("train",)),
    Case("evaluate trained --robustness --radii 0.5 --qualities 20 --out robust", ("train", "visual"), "robust"),
    Case("report trained --out page.html", ("visual",), "page.html"),
    Case("convert gfnet_digits --to-published --out digits.pth", makes="digits.pth"),
    Case("weights list gfnet*"),
    Case("weights info gfnet_ti"),
    Case("weights get gfnet_ti --from digits.pth"),
    Case("weights path gfnet_ti"),
    Case("weights verify"),
    Case("weights remove gfnet_ti"),
    Case("push gfnet_digits user/name --license apache-2.0 --dry-run"),
    Case("export persistence --out persistence.pt2", makes="persistence.pt2"),
    Case("export gfnet_digits --out digits.onnx", ("export",), "digits.onnx"),
    Case("benchmark speed persistence --repeats 1 --threads 1"),
)


def main() -> None:
    if len(sys.argv) != 2 or not sys.argv[1].endswith(".whl"):
        sys.exit("usage: python3 scripts/dist_smoke.py WHEEL")
    wheel = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="subband-smoke-") as folder:
        environment = Path(folder) / "environment"
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
        for name in ("subband", "subband[all]"):  # as somebody does who reads which extra to install
            began = time.perf_counter()
            install(python, f"{wheel}{name.removeprefix('subband')}")
            print(f"{name}: installed in {time.perf_counter() - began:.0f} s", flush=True)
            check(python, Path(folder) / name, with_extras=name != "subband")
            print(f"{name}: {time.perf_counter() - began:.0f} s in all", flush=True)


def install(python: Path, wanted: str) -> None:
    """Install a wheel in the tested versions. Nothing is compiled beforehand, most of which no case imports."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    pip += ["--constraint", str(ROOT / "constraints.txt")]
    # torch first and by its exact version, as scripts/bootstrap.py does, so that no other build is picked.
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    subprocess.run([*pip, *[line for line in lines if line.startswith("torch==")]], check=True)
    subprocess.run([*pip, wanted], check=True)


def check(python: Path, folder: Path, *, with_extras: bool) -> None:
    """Run all cases in a new folder; ends the program where one does not do what it should."""
    draw(folder)
    cases = [case for case in CASES if not (with_extras and case.lacking)]
    environment = outside()
    where = run([str(python), "-I", "-c", "import subband; print(subband.__file__)"], folder, environment).stdout
    if Path(where.strip()).is_relative_to(ROOT):
        sys.exit(f"the checkout is on the path of {python}: {where}")
    script = python.with_name("subband")
    print(run([str(script), "--version"], folder, environment).stdout.strip(), flush=True)
    untested = commands(run([str(script), "--help"], folder, environment).stdout) - {command(case) for case in CASES}
    if untested:
        sys.exit(f"commands without a case in {Path(__file__).name}: {', '.join(sorted(untested))}")
    run([str(python), "-I", "-c", READY], folder, environment)
    wrong = [words for words in judged(python, cases, folder, with_extras) if words]
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(cases)} command lines as they should be", flush=True)


def outside() -> dict[str, str]:
    """The variables of the environment without what would bring a checkout or the network in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SUBBAND", "VIRTUAL"))}
    return kept | {"SUBBAND_OFFLINE": "1", "SUBBAND_HOME": "home", "OMP_NUM_THREADS": "1"}


def judged(python: Path, cases: list[Case], folder: Path, with_extras: bool) -> list[str]:
    """What is wrong with the end of each case; empty where nothing is."""
    words = json.dumps([case.words.split() for case in cases])
    result = subprocess.run(
        [str(python), "-I", "-c", RUNNER, words], cwd=folder, env=outside(), capture_output=True, text=True, check=False
    )
    ends = [json.loads(line[6:]) for line in result.stdout.splitlines() if line.startswith("ENDED ")]
    if len(ends) != len(cases):
        return [f"the process ended after {len(ends)} of {len(cases)} cases: {result.stderr[-2000:]}"]
    found = []
    for case, end in zip(cases, ends, strict=True):
        fault = verdict(case, end, folder, with_extras=with_extras)
        found.append(f"subband {case.words}: {fault}" if fault else "")
        print(f"{end['seconds']:6.1f} s  {'WRONG' if fault else 'good '}  subband {case.words}", flush=True)
    return found


def verdict(case: Case, end: dict[str, Any], folder: Path, *, with_extras: bool) -> str:
    """What is wrong with how a command ended; empty if nothing is.

    Args:
        case: The command line.
        end: What `RUNNER` said of it.
        folder: Where it ran.
        with_extras: Whether its extras are installed.
    """
    if "Traceback" in end["err"]:
        return end["err"]
    if case.needs and not with_extras:
        hints = re.findall(r"pip install 'subband\[(\w+)\]'", end["err"])
        errors = [line for line in end["err"].splitlines() if line.startswith("subband: error: ")]
        if end["code"] != 2 or len(errors) != 1 or not set(hints) & set(case.needs):
            return f"should name the extra {' or '.join(case.needs)}, but ended with {end['code']}: {end['err']}"
        return ""
    if end["code"] != 0:
        return f"ended with {end['code']}: {end['err']}"
    if case.makes and not (folder / case.makes).exists():
        return f"made no {case.makes}: {end['out']}"
    return ""


def run(words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(words[:2])} failed: {result.stderr}")
    return result


def command(case: Case) -> str:
    return case.words.split()[0]


def commands(overview: str) -> set[str]:
    """Names of all commands, of the text of `subband --help`."""
    return set(re.findall(r"^  ([a-z][a-z-]+) +\S", overview.partition("examples:")[0], re.MULTILINE))


def draw(folder: Path) -> None:
    """A moving square as frames and as a clip, photographs, photographs in class folders, and the settings."""
    folder.mkdir(parents=True)
    frames = [picture(6 + 2 * index, 20) for index in range(NUM_FRAMES)]
    for index, frame in enumerate(frames):
        write_png(folder / "frames" / f"{index:03}.png", frame)
    gray = b"".join(b"FRAME\n" + frame[::3] + b"\x80" * (SIDE * SIDE // 2) for frame in frames)
    (folder / "clip.y4m").write_bytes(f"YUV4MPEG2 W{SIDE} H{SIDE} F10:1 Ip A1:1 C420jpeg\n".encode() + gray)
    write_png(folder / "photo.png", frames[0])
    write_png(folder / "other.png", frames[4])
    for index in range(8):
        write_png(folder / "photos" / f"{index}.png", picture(5 * index, 3 * index))
    for index in range(20):
        write_png(folder / "classes" / "ab"[index % 2] / f"{index}.png", picture(2 * index, 40 * (index % 2)))
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def picture(left: int, top: int) -> bytes:
    """RGB bytes, row by row: a bright square on a ramp."""
    rows = range(SIDE)
    inside = {(row, column) for row in range(top, top + 14) for column in range(left, left + 14)}
    return b"".join(
        bytes((230, 220, 60)) if (row, column) in inside else bytes((row * 2, 90, column * 2))
        for row in rows
        for column in rows
    )


def write_png(path: Path, pixels: bytes) -> None:
    """An RGB picture of `SIDE` by `SIDE` pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = b"".join(b"\0" + pixels[start : start + 3 * SIDE] for start in range(0, len(pixels), 3 * SIDE))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


if __name__ == "__main__":
    main()
