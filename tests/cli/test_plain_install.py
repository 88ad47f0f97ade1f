"""After `pip install subband` without extras every command starts, and what needs an extra names it in one sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import subband
from subband.cli.main import COMMANDS, EXTRAS
from subband.media.images import write_image

# A finder that comes first and finds none of the packages of the extras.
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
from subband.cli.main import COMMANDS, main
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code where no extra is installed."""
    source = f"BLOCKED = {set(EXTRAS)!r}\n{BLOCKER}\n{code}"
    environment = {**os.environ, "PYTHONPATH": str(Path(subband.__file__).parents[1])}
    command = [sys.executable, "-c", source]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=folder, env=environment
    )


def test_every_command_shows_its_help(tmp_path):
    result = run("print([main([command, '--help']) for command in COMMANDS])", tmp_path)
    assert result.stdout.splitlines()[-1] == str([0] * len(COMMANDS)), result.stderr
    assert not result.stderr
    assert result.stdout.count("usage: subband ") == len(COMMANDS)


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        (["train", "video_prediction/wast_digits", "--out", "run"], "lightning", "train"),
        (["evaluate", "wast_photos", "--recipe", "video_prediction/wast_digits", "--out", "run"], "lightning", "train"),
        (["predict", "clip.mp4"], "PyAV", "video"),
        (["export", "persistence", "--out", "x.onnx"], "onnx", "export"),
        (["explain", "photo.png", "--model", "gfnet_digits"], "matplotlib", "visual"),
    ],
)
def test_what_needs_an_extra_names_it(words, package, extra, tmp_path):
    write_image(tmp_path / "photo.png", torch.rand(3, 16, 16))
    (tmp_path / "clip.mp4").write_bytes(b"no video, but enough to open")
    result = run(f"sys.exit(main({words!r}))", tmp_path)
    assert result.returncode == 2, result.stderr
    (sentence,) = result.stderr.splitlines()
    assert re.match("subband: error: ", sentence)
    assert package in sentence
    assert f"pip install 'subband[{extra}]'" in sentence


def test_what_needs_no_extra_works(tmp_path):
    write_image(tmp_path / "photo.png", torch.rand(3, 16, 16))
    result = run("sys.exit(main(['classify', 'photo.png', '--model', 'gfnet_digits']))", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "probability" in result.stdout


def test_the_table_of_extras_is_that_of_the_project():
    file = Path(__file__).parents[2] / "pyproject.toml"
    text = file.read_text("utf-8")
    names = {"sklearn": "scikit-learn", "skimage": "scikit-image"}
    for package, extra in EXTRAS.items():
        (listed,) = re.findall(rf"^{extra} = \[(.*?)\n?\]$", text, re.MULTILINE | re.DOTALL)
        assert f'"{names.get(package, package)}' in listed, package
    (core,) = re.findall(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert all(f'"{name}' in core for name in ("jsonargparse[signatures]", "rich", "torch"))
