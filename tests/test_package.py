"""What importing the package, and what each command, brings along; the names of the package."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import subband
from subband.cli.main import COMMANDS
from subband.media.images import write_image

# Whatever a user would wait for without having asked for it.
SLOW = {
    "torch",
    "numpy",
    "einops",
    "safetensors",
    "pywt",
    "PIL",
    "av",
    "scipy",
    "pandas",
    "skimage",
    "sklearn",
    "jinja2",
}
UNASKED = {"lightning", "torchmetrics", "torchvision", "timm", "tensorboard", "scipy", "pandas", "sklearn", "skimage"}
UNASKED |= {"torch._dynamo", "torch._inductor", "torch.onnx._internal.exporter", "onnx", "av"}


def modules_after(code: str, folder: Path) -> set[str]:
    """Names of all modules that a fresh process has when it has run some code."""
    program = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, cwd=folder)
    return set(json.loads(result.stderr.splitlines()[-1]))


def test_help_version_and_the_list_of_models_need_nothing_slow(tmp_path):
    words = [["--version"], ["--help"], [], *([command, "--help"] for command in COMMANDS), ["models"]]
    words += [["models", "wast*", "--json"], ["train", "--list"], ["predcit"]]
    code = f"from subband.cli.main import main\nprint([main(words) for words in {words}])"
    loaded = modules_after(code, tmp_path)
    assert "subband.cli.commands.train" in loaded
    assert not loaded & (SLOW | UNASKED | {"matplotlib"})


@pytest.mark.slow
def test_commands_import_what_they_use_and_no_more(tmp_path):
    write_image(tmp_path / "a.png", torch.rand(3, 32, 32))
    (tmp_path / "clip").mkdir()
    for index in range(6):
        write_image(tmp_path / "clip" / f"{index}.png", torch.rand(1, 16, 16))
    commands = [
        "denoise a.png",
        "decompose a.png",
        "fuse a.png a.png --out fused.png",
        "classify a.png --model gfnet_digits",
        "predict clip --num-frames 1 --out next.png",
        "info persistence --repeats 1",
        "benchmark speed persistence --repeats 1",
    ]
    code = f"from subband.cli.main import main\nassert not any(main(words.split()) for words in {commands})"
    loaded = modules_after(code, tmp_path)
    assert {"torch", "PIL", "rich"} <= loaded
    assert not loaded & (UNASKED | {"matplotlib"})


def test_names_are_there_without_an_import_of_theirs():
    names = dir(subband)
    assert {"dwt2", "Coeffs", "create_model", "load_published", "transforms", "__version__"} <= set(names)
    assert set(subband.__all__) <= set(names)
    own = {"__version__", "transforms", *subband.PLACES}
    assert set(subband.__all__) - own == set(subband.transforms.__all__), "subband/__init__.py lists them, too"
    assert subband.dwt2 is subband.transforms.dwt2
    space: dict[str, object] = {}
    exec("from subband import *", space)
    assert set(subband.__all__) - {"__version__"} <= set(space)
    for name in ("nothing", "_nothing", "__nothing__", "models_"):
        with pytest.raises(AttributeError, match=rf"module 'subband' has no attribute '{name}'"):
            getattr(subband, name)


def test_a_submodule_is_no_name_of_the_package_until_it_is_imported(tmp_path):
    loaded = modules_after(
        "import subband\nassert not hasattr(subband, 'config')\nassert not hasattr(subband, '__wrapped__')\n"
        "from subband import file_kinds\nimport subband.device as device\nassert device.pick_device('cpu')",
        tmp_path,
    )
    assert {"subband.file_kinds", "torch"} <= loaded
    assert "subband.transforms" not in loaded
