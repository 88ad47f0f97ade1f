"""The supported surface: a list of its names, and that documentation, examples and benchmarks use nothing else.

After a deliberate change, write the list anew: python tests/test_surface.py --write
"""

import ast
import dataclasses
import importlib
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import subband
from subband.cli.main import COMMANDS
from subband.config import LossTerm, RecipeConfig, StageConfig, list_recipes

ROOT = Path(__file__).parent.parent
SNAPSHOT = Path(__file__).with_name("surface.txt")

# Modules whose public names are the supported ones.
MODULES = (
    "subband",
    "subband.compat.pytorch_wavelets",
    "subband.data",
    "subband.diffusers",
    "subband.imaging",
    "subband.layers",
    "subband.losses",
    "subband.media",
    "subband.metrics",
    "subband.predictors",
    "subband.timm",
    "subband.transforms",
)
OPEN = {*MODULES, "subband.cli.main"}
# What has no other way, file by file.
EXCEPTIONS = {
    # The time of one part of a network, and torchvision's network where its library does not load.
    "benchmarks/detection.py": {"subband._torchvision", "subband.models.detection.regions"},
    "benchmarks/detection_small.py": {"subband._torchvision"},
    "benchmarks/pose.py": {"subband._torchvision", "subband.models.complexity"},
    # What has to be right on a GPU, also where it is not offered by name.
    "benchmarks/gpu_checks/application.py": {
        "subband.data.video.moving_photos",
        "subband.data.video.moving_sprites",
        "subband.data.video.photo_tiles",
        "subband.explain.explanation",
        "subband.explain.filters",
        "subband.models.complexity",
    },
    "benchmarks/gpu_checks/compiled.py": {"subband.models.registry"},
    "benchmarks/gpu_checks/detection.py": {"subband.models.detection.results"},
    "benchmarks/gpu_checks/layers.py": {"subband.layers.attention"},
    "benchmarks/gpu_checks/models.py": {"subband.models.arguments", "subband.models.registry", "subband.tasks"},
    "benchmarks/gpu_checks/training.py": {"subband.config", "subband.training.loop"},
    "benchmarks/prediction_bundled.py": {"subband.media.frames"},
    "benchmarks/sources.py": {"subband.models.registry"},
    # What is bundled, what was published, and how large models are.
    "benchmarks/which_model.py": {
        "subband.catalogue.entries",
        "subband.models.model_folder",
        "subband.models.registry",
    },
    "benchmarks/gpu_moving_mnist.py": {"subband.config", "subband.training.loop"},
    "benchmarks/pose_smoothing.py": {"subband.predictors.pose.following"},
    "benchmarks/quantization.py": {"subband.config"},
    "benchmarks/records.py": {"subband.environment"},
}


def config_keys(config: type, prefix: str = "") -> Iterator[str]:
    """Dotted keys of a configuration class."""
    for name, hint in get_type_hints(config).items():
        if dataclasses.is_dataclass(hint):
            yield from config_keys(hint, f"{prefix}{name}.")
        else:
            yield prefix + name


def surface() -> list[str]:
    """A line for every supported name."""
    names = [f"{module}.{name}" for module in MODULES for name in importlib.import_module(module).__all__]
    keys = [*config_keys(RecipeConfig), *(f"loss[].{key}" for key in config_keys(LossTerm))]
    keys += [f"stages[].{key}" for key in config_keys(StageConfig)]
    return sorted(
        [
            *(f"name {name}" for name in names),
            *(f"command {command}" for command in COMMANDS),
            *(f"recipe {recipe}" for recipe in list_recipes()),
            *(f"config {key}" for key in keys),
        ]
    )


def python_of(path: Path) -> str:
    """The Python in a file: all of a script; the fenced blocks and the indented imports of a page."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        return text
    fenced = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(
        r"(?:^    .*\n|^\n)+", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    blocks = [textwrap.dedent(block) for block in indented if re.search(r"^ +(?:import|from) ", block, re.MULTILINE)]
    return "\n".join([*fenced, *blocks])


def used(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """Modules of subband that Python code imports, with the name it takes from them; `subband.part` counts as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.split(".")[0] == "subband")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "subband":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole, None) if is_module(whole) else (str(node.module), alias.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "subband":
            whole = f"subband.{node.attr}"
            yield (whole, None) if is_module(whole) else ("subband", node.attr)


def is_module(name: str) -> bool:
    folder = Path(subband.__file__).parent.joinpath(*name.split(".")[1:])
    return folder.is_dir() or folder.with_suffix(".py").is_file()


def outside(path: Path) -> list[str]:
    """What a file uses that is not supported."""
    name = path.relative_to(ROOT).as_posix()
    found = []
    for module, attribute in used(ast.parse(python_of(path))):
        if module not in OPEN | EXCEPTIONS.get(name, set()):
            found.append(f"{name}: {module}")
        elif attribute is not None and module in MODULES and attribute not in importlib.import_module(module).__all__:
            found.append(f"{name}: {module}.{attribute}")
    return found


def test_the_surface_is_the_one_written_down():
    written, now = SNAPSHOT.read_text("utf-8").splitlines(), surface()
    gone, new = sorted(set(written) - set(now)), sorted(set(now) - set(written))
    assert written == now, f"gone: {gone}; new: {new}; if that is meant: python tests/test_surface.py --write"


def test_every_name_of_the_surface_is_there_once():
    for name in MODULES:
        module = importlib.import_module(name)
        assert len(set(module.__all__)) == len(module.__all__), name
        assert not [item for item in module.__all__ if not hasattr(module, item)], name


def test_formulas_of_metrics_and_predictors_load_little():
    code = (
        "import sys\nfrom subband.metrics import psnr\nimport subband.predictors\n"
        "print(*{'torchmetrics', 'lightning', 'torchvision', 'timm', 'av', 'PIL', 'rich'} & set(sys.modules))\n"
        "from subband.metrics import SubbandEnergy\nprint('torchmetrics' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout.splitlines() == ["", "True"]


def test_documentation_examples_and_benchmarks_use_the_surface_only():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    scripts = [*(ROOT / "examples").glob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert not [name for path in [*pages, *scripts] for name in outside(path)]


def test_no_exception_is_unneeded():
    for name, modules in EXCEPTIONS.items():
        assert modules <= {module for module, _ in used(ast.parse(python_of(ROOT / name)))}, name


def test_what_is_not_supported_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n    import subband\n    subband.models.gfnet\n\n    from subband.losses import nothing\n\n"
        "```python\nfrom subband.media.video import read_clip\nfrom subband.transforms import dwt2\n```\n"
    )
    expected = {"subband.models", "subband.losses.nothing", "subband.media.video"}
    assert set(outside(page)) == {f"page.md: {name}" for name in expected}


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/test_surface.py --write")
    SNAPSHOT.write_text("\n".join(surface()) + "\n", encoding="utf-8")
