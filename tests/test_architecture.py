"""Rules about the source tree itself: who imports whom, what an import costs, sizes, docstrings, annotations."""

import ast
import inspect
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import subband

ROOT = Path(subband.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

MAX_FILE_LINES, MAX_FUNCTION_LINES = 450, 80
TYPICAL_FUNCTION_LINES, LONG_FUNCTION_LINES = 15, 45

CORE = {"transforms", "layers", "models"}
ROOT_MODULES = {"config", "environment", "files", "_torchvision", "_version"}
BELOW_TRAINING = CORE | {"losses", "metrics", "media", "data", "convert", "imaging", "predictors", "explain"}
BELOW_TASKS = BELOW_TRAINING | {"training", "visual", "export"} | ROOT_MODULES

# Package -> the parts of subband that its files may import. The root package (version, create_model) is open to all but
# the transforms and layers; nothing outside cli imports cli.
ALLOWED = {
    "transforms": {"transforms"},
    "imaging": {"transforms", "imaging"},
    "layers": {"transforms", "layers"},
    "models": CORE | {"files", "_version"},
    "convert": CORE | {"convert"},
    "losses": {"transforms", "losses"},
    "metrics": {"transforms", "metrics"},
    "media": {"transforms", "files", "media"},
    "data": {"transforms", "files", "media", "data"},
    "predictors": CORE | {"metrics", "files", "media", "data", "predictors", ""},
    "explain": CORE | {"data", "explain"},
    "export": CORE | {"media", "data", "predictors", "export", "_version"},
    "training": BELOW_TRAINING | ROOT_MODULES | {"training", "tasks", "visual", ""},  # of visual a type only
    "visual": BELOW_TRAINING | {"environment", "files", "visual", "tasks", ""},
    "tasks": BELOW_TASKS | {"tasks", ""},
    "cli": BELOW_TASKS | {"tasks", "cli", ""},
    "": {"models", "convert", "layers", "transforms", ""} | ROOT_MODULES,
}
# The models as timm's, its augmentations, its list of ImageNet's class names.
TIMM_USERS = {"timm.py", "data/labelled/augmentation.py", "data/labelled/imagenet_names.py"}
NETWORK_IMPORTS = {"torch", "einops", "subband"}  # of layers and of every public model file


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[str]:
    """Absolute dotted names of everything a file imports, wherever in the file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(dotted: str) -> str:
    """The part of subband that `subband.part.module.name` belongs to; `""` is the root package itself."""
    pieces = dotted.split(".")
    known = set(ALLOWED) | ROOT_MODULES
    return pieces[1] if len(pieces) > 1 and pieces[1] in known else ""


def package_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else ""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_imports_point_downwards():
    upward = []
    for path in FILES:
        parts = {part_of(name) for name in imported(path) if name.split(".")[0] == "subband"}
        upward += [f"{name_of(path)} imports {part or 'subband'}" for part in parts - ALLOWED[package_of(path)]]
    assert not upward


def test_third_party_imports_stay_in_their_places():
    misplaced = []
    for path in FILES:
        package, packages = package_of(path), {name.split(".")[0] for name in imported(path)}
        forbidden = set() if name_of(path) in TIMM_USERS else {"timm"}
        if path.name != "_torchvision.py":
            forbidden.add("torchvision")
        if package not in ("training", "tasks", "cli"):
            forbidden |= {"lightning", "pytorch_lightning"}
        if package == "layers" or (package == "models" and path.name != "checkpoint.py"):
            forbidden |= packages - NETWORK_IMPORTS - set(sys.stdlib_module_names)
        misplaced += [f"{name_of(path)} imports {name}" for name in packages & forbidden]
    assert not misplaced


def test_importing_subband_loads_torch_only():
    heavy = [
        "torchvision",
        "timm",
        "lightning",
        "matplotlib",
        "torchmetrics",
        "av",
        "PIL",
        "numpy",
        "einops",
        "safetensors",
    ]
    heavy += ["yaml", "pywt", "jsonargparse", "rich", "scipy", "skimage", "sklearn", "onnxruntime"]
    code = (
        "import sys, torch\nbefore = set(sys.modules)\nimport subband\n"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    added = result.stdout.split()
    assert "subband" in added
    assert not set(added) & set(heavy)


def test_files_and_functions_are_short():
    long = {
        name_of(path): size for path in FILES if (size := len(path.read_text("utf-8").splitlines())) > MAX_FILE_LINES
    }
    for path in FILES:
        long |= {f"{name_of(path)}: {f.name}": lines_of(f) for f in functions(path) if lines_of(f) > MAX_FUNCTION_LINES}
    assert not long


def test_most_functions_are_very_short():
    lengths = [lines_of(node) for path in FILES for node in functions(path)]
    assert statistics.median(lengths) < TYPICAL_FUNCTION_LINES
    assert statistics.quantiles(lengths, n=10)[-1] < LONG_FUNCTION_LINES


def public_definitions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{prefix}{node.name}.")


def test_modules_and_everything_public_have_a_docstring():
    undocumented = [name_of(path) for path in FILES if tree(path).body and not ast.get_docstring(tree(path))]
    for path in FILES:
        definitions = public_definitions(tree(path).body, f"{name_of(path)}: ")
        undocumented += [name for name, node in definitions if not ast.get_docstring(node)]
    assert not undocumented


def test_every_argument_has_a_type():
    untyped = []
    for path in FILES:
        for node in functions(path):
            given = node.args
            arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            names = [item.arg for item in arguments if item is not None and item.annotation is None]
            untyped += [f"{name_of(path)}: {node.name}({name})" for name in names if name not in ("self", "cls")]
    assert not untyped


def test_every_public_transform_has_an_example():
    functions = {name: getattr(subband.transforms, name) for name in subband.transforms.__all__}
    assert not [name for name, item in functions.items() if inspect.isfunction(item) and ">>>" not in item.__doc__]
