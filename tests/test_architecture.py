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
READERS = {"weight_files", "file_kinds", "hub_client"}
ROOT_MODULES = READERS | {
    "box_operators",
    "config",
    "device",
    "environment",
    "extras",
    "files",
    "joints",
    "signals",
    "_torchvision",
    "_torchvision_hook",
    "_version",
}
BELOW_TRAINING = CORE | {"losses", "metrics", "media", "data", "convert", "imaging", "predictors", "explain"}
BELOW_TRAINING |= {"catalogue"}
BELOW_TASKS = BELOW_TRAINING | {"training", "visual", "export"} | ROOT_MODULES

# Package -> the parts of subband that its files may import. The root package (version, create_model) is open to all but
# the transforms and layers; nothing outside cli imports cli.
ALLOWED = {
    "transforms": {"transforms"},
    "compat": {"transforms", "compat"},
    "imaging": {"transforms", "imaging"},
    "layers": {"transforms", "layers"},
    "models": CORE | READERS | {"box_operators", "extras", "files", "_version"},
    "catalogue": {"extras", "models", "files", "file_kinds", "hub_client", "signals", "_version", "catalogue"},
    "convert": CORE | READERS | {"catalogue", "convert", "extras"},
    "losses": {"transforms", "losses"},
    "metrics": {"extras", "transforms", "joints", "metrics"} | READERS,
    "media": {"extras", "transforms", "files", "media"},
    "data": {"extras", "transforms", "files", "joints", "signals", "imaging", "media", "data"},
    "predictors": CORE | {"extras", "metrics", "device", "files", "joints", "media", "data", "predictors"},
    "explain": CORE | {"extras", "data", "explain"},
    "hub": CORE | READERS | {"extras", "metrics", "files", "signals", "hub"},
    "export": CORE | {"extras", "media", "data", "predictors", "export", "_version"},
    "training": BELOW_TRAINING | ROOT_MODULES | {"training", "tasks", "visual", ""},  # of visual a type only
    "visual": BELOW_TRAINING | {"environment", "extras", "files", "joints", "visual", "tasks", ""},
    "tasks": BELOW_TASKS | {"tasks", ""},
    "cli": BELOW_TASKS | {"tasks", "hub", "cli", ""},
    "": {"models", "convert", "hub", "layers", "transforms", ""} | ROOT_MODULES,
}
# The models as timm's, its augmentations, its list of ImageNet's class names, its networks as backbones.
TIMM_USERS = {"timm.py", "data/labelled/augmentation.py", "data/labelled/imagenet_names.py"}
TIMM_USERS |= {"models/detection/timm_stages.py"}
# The stand-ins for its operators; its Inception, whose weights give distances of another name than FID.
TORCHVISION_USERS = {"_torchvision.py", "metrics/inception.py"}
NETWORK_IMPORTS = {"torch", "einops", "subband"}  # of layers and of every public model file
# Packages that take long to import, or that come with an extra: a function imports them where it needs them.
HEAVY = {"PIL", "av", "hickle", "jpeglib", "jsonargparse", "lightning", "lpips", "matplotlib", "netCDF4", "onnx"}
HEAVY |= {"gdown", "huggingface_hub"}
HEAVY |= {
    "onnxruntime",
    "onnxscript",
    "pycocotools",
    "pydicom",
    "rich",
    "skimage",
    "sklearn",
    "spandrel",
    "spandrel_extra_arches",
    "timm",
}
HEAVY |= {"torch_fidelity", "torchmetrics", "torchvision", "xarray"}
# What a network needs anyway, and the list of models or the help text of a command does not.
SLOW = HEAVY | {"einops", "numpy", "pywt", "safetensors", "torch"}


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


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def import_statements(node: ast.AST, in_function: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Imports that run, and whether they wait for the call of a function; those for type checkers only do not run."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, in_function
        elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from import_statements(child, in_function or inside)


def targets(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Modules of subband by their full name, others by the name of their package."""
    if isinstance(node, ast.Import):
        names = {alias.name for alias in node.names}
    else:
        names = {f"{node.module}.{alias.name}" for alias in node.names}
        names = {name if name in MODULES else str(node.module) for name in names}
    return {name if name in MODULES else name.split(".")[0] for name in names}


@cache
def imports_of(path: Path, *, at_top_only: bool = False) -> frozenset[str]:
    statements = import_statements(tree(path))
    found = {name for node, in_function in statements if not (in_function and at_top_only) for name in targets(node)}
    return frozenset(found - {module_name(path)})


@cache
def loaded_by(module: str) -> frozenset[str]:
    """All that importing a module brings along: what stands at the top of its file, and so on."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        if name in MODULES:
            packages = {".".join(name.split(".")[:depth]) for depth in range(2, name.count(".") + 1)}
            waiting += packages | imports_of(MODULES[name], at_top_only=True)
    return frozenset(found)


def instant_modules() -> frozenset[str]:
    """Modules that importing the package, showing options or listing models brings along."""
    entries = [name for name in MODULES if name.startswith(("subband.cli.", "subband.models.sizes."))]
    return frozenset().union(*map(loaded_by, ["subband", "subband.models.registry", *entries]))


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_imports_point_downwards():
    upward = []
    for path in FILES:
        parts = {part_of(name) for name in imported(path) if name.split(".")[0] == "subband"}
        upward += [f"{name_of(path)} imports {part or 'subband'}" for part in parts - ALLOWED[package_of(path)]]
    assert not upward


def circles(edges: dict[str, frozenset[str]]) -> list[list[str]]:
    """What is left of a graph when names that import, or are imported by, nothing that is left are removed."""
    left = set(edges)
    while True:
        imported_by_some = {name for source in left for name in edges[source]}
        kept = {name for name in left & imported_by_some if edges[name] & left}
        if kept == left:
            return [[name, *sorted(edges[name] & left)] for name in sorted(left)]
        left = kept


def test_circles_are_found():
    edges = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": {"e"}, "e": set(), "f": {"f2"}, "f2": set()}
    assert circles({name: frozenset(ends) for name, ends in edges.items()}) == [["b", "c"], ["c", "b"]]


def test_no_file_imports_itself_through_others():
    edges = {name: imports_of(path) for name, path in MODULES.items()}
    edges["subband"] = frozenset()  # its functions open the rooms for users, so nearly all of them lead back to it
    assert not circles(edges)


def test_options_and_tables_need_nothing_slow():
    slow = {name: sorted(loaded_by(name) & SLOW) for name in instant_modules() if loaded_by(name) & SLOW}
    assert not slow


def test_imports_that_are_not_heavy_stand_at_the_top():
    hidden = []
    instant = instant_modules()
    # These must stay as thin as torch allows: they put off whatever else they need.
    thin = loaded_by("subband.transforms") | loaded_by("subband._torchvision")
    for name, path in MODULES.items():
        if name_of(path) in ("__init__.py", "timm.py"):
            continue
        for node, in_function in import_statements(tree(path)):
            for item in targets(node) if in_function else ():
                if name in thin and name not in instant:
                    may_wait = item not in thin
                else:
                    may_wait = bool(loaded_by(item) & (SLOW if name in instant else HEAVY))
                hidden += [] if may_wait else [f"{name_of(path)}:{node.lineno} imports {item}"]
    assert not hidden


def test_a_module_that_other_packages_import_has_no_underscore():
    private = []
    for path in FILES:
        for name in imports_of(path) & set(MODULES):
            foreign = name != "subband._version" and package_of(MODULES[name]) != package_of(path)
            hidden = any(piece.startswith("_") for piece in name.split("."))
            private += [f"{name_of(path)} imports {name}"] if foreign and hidden else []
    assert not private


def test_class_names_are_unique():
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name_of(path))
    assert not {name: files for name, files in places.items() if len(files) > 1}


def test_third_party_imports_stay_in_their_places():
    misplaced = []
    for path in FILES:
        package, packages = package_of(path), {name.split(".")[0] for name in imported(path)}
        forbidden = set() if name_of(path) in TIMM_USERS else {"timm"}
        forbidden |= set() if name_of(path) in TORCHVISION_USERS else {"torchvision"}
        if package not in ("training", "tasks", "cli"):
            forbidden |= {"lightning", "pytorch_lightning"}
        if package == "layers" or (package == "models" and path.name != "checkpoint.py"):
            allowed = NETWORK_IMPORTS | ({"timm"} if name_of(path) in TIMM_USERS else set())
            forbidden |= packages - allowed - set(sys.stdlib_module_names)
        misplaced += [f"{name_of(path)} imports {name}" for name in packages & forbidden]
    assert not misplaced


def test_importing_subband_loads_nothing_and_its_transforms_torch_only():
    code = """
import sys
def added(code, before):
    exec(code, {})
    return sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(*added("import subband", set(sys.modules)))
import torch
print(*added("import subband; subband.dwt2", set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    package, transforms = (set(line.split()) for line in result.stdout.splitlines())
    assert "subband" in package & transforms
    assert not package - {"subband"} - set(sys.stdlib_module_names)
    assert not transforms & (SLOW | {"jinja2", "scipy", "yaml"})


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
