"""After `pip install subband` without extras every command starts, and what needs an extra names it in one sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

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


LACKING = (
    (["train", "video_prediction/wast_digits", "--out", "run"], "lightning", "train"),
    (["evaluate", "wast_photos", "--recipe", "video_prediction/wast_digits", "--out", "run"], "lightning", "train"),
    (["predict", "clip.mp4"], "PyAV", "video"),
    (["export", "persistence", "--out", "x.onnx"], "onnx", "export"),
    (["explain", "photo.png", "--model", "gfnet_digits"], "matplotlib", "visual"),
    (["classify", "photo.png", "--model", "hf:user/name"], "huggingface_hub", "weights"),
)


def test_what_needs_an_extra_names_it_and_all_else_works(tmp_path):
    """In one process, since each spends seconds on importing torch."""
    write_image(tmp_path / "photo.png", torch.rand(3, 16, 16))
    (tmp_path / "clip.mp4").write_bytes(b"no video, but enough to open")
    works = ["classify", "photo.png", "--model", "gfnet_digits"]
    commands = [*(words for words, _, _ in LACKING), works]
    result = run(f"print([main(words) for words in {commands!r}])", tmp_path)
    assert result.stdout.splitlines()[-1] == str([2] * len(LACKING) + [0]), result.stderr
    assert "probability" in result.stdout
    for sentence, (_, package, extra) in zip(result.stderr.splitlines(), LACKING, strict=True):
        assert re.match("subband: error: ", sentence)
        assert package in sentence
        assert f"pip install 'subband[{extra}]'" in sentence


def test_the_table_of_extras_is_that_of_the_project():
    file = Path(__file__).parents[2] / "pyproject.toml"
    text = file.read_text("utf-8")
    names = {"sklearn": "scikit-learn", "skimage": "scikit-image", "torch_fidelity": "torch-fidelity"}
    for package, extra in EXTRAS.items():
        (listed,) = re.findall(rf"^{extra} = \[(.*?)\n?\]$", text, re.MULTILINE | re.DOTALL)
        assert f'"{names.get(package, package)}' in listed, package
    (core,) = re.findall(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert all(f'"{name}' in core for name in ("jsonargparse[signatures]", "rich", "torch"))
