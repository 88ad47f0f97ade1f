"""What is said without an extra, in Python and by every command; the table of extras; what a release holds."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import subband
from subband.cli.main import COMMANDS, _overview
from subband.extras import EXTRAS, advice, is_installed, names_extra, require
from subband.media.images import write_image

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "subband"
MODULES = {module for extra in EXTRAS.values() for module in extra.modules}
# Used where they are there; brought by jinja2.
OTHERS = {"spandrel_extra_arches", "markupsafe"}


def script(name):
    """A script of the checkout as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SMOKE, DIST = script("dist_smoke"), script("dist")

# In place of the finder of installed packages one that finds none of the packages of the extras.
BLOCKER = f"""
import sys
from importlib.machinery import PathFinder

class Without:
    find_distributions = PathFinder.find_distributions
    invalidate_caches = PathFinder.invalidate_caches

    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in {sorted(MODULES)} else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


def without_extras(code, folder, *words):
    """Run code where no extra is installed."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent), "SUBBAND_OFFLINE": "1", "SUBBAND_HOME": "home"}
    command = [sys.executable, "-c", BLOCKER + code, *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=folder, env=environment
    )


def test_every_command_shows_its_help(tmp_path):
    code = "from subband.cli.main import COMMANDS, main\nprint([main([command, '--help']) for command in COMMANDS])"
    result = without_extras(code, tmp_path)
    assert result.stdout.splitlines()[-1] == str([0] * len(COMMANDS)), result.stderr
    assert not result.stderr
    assert result.stdout.count("usage: subband ") == len(COMMANDS)


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """How the command lines that need an extra end without one, all in one process."""
    folder = tmp_path_factory.mktemp("plain") / "work"
    SMOKE.draw(folder)
    assert without_extras(SMOKE.READY, folder).returncode == 0
    cases = [case for case in SMOKE.CASES if case.needs]
    result = without_extras(SMOKE.RUNNER, folder, json.dumps([case.words.split() for case in cases]))
    found = [json.loads(line[6:]) for line in result.stdout.splitlines() if line.startswith("ENDED ")]
    assert len(found) == len(cases), result.stderr
    return folder, dict(zip(cases, found, strict=True))


@pytest.mark.parametrize("case", [case for case in SMOKE.CASES if case.needs], ids=lambda case: case.words)
def test_what_needs_an_extra_names_it(ends, case):
    folder, found = ends
    assert SMOKE.verdict(case, found[case], folder, with_extras=False) == ""


LIBRARY = """
import subband
from subband.media import read_clip, write_clip
from subband.media.jpeg_coefficients import read_jpeg_coefficients

def words(function, *args, **options):
    try:
        function(*args, **options)
    except ImportError as error:
        print(error)

def load(name):
    import importlib
    return importlib.import_module(name)

import torch
words(read_clip, "clip.y4m")
words(write_clip, "clip.mp4", torch.zeros(2, 3, 16, 16))
words(read_jpeg_coefficients, "photo.jpg")
words(subband.create_model, "framepose", backbone="timm:resnet18")
words(subband.from_pretrained, "user/name")
words(load, "subband.timm")
words(load, "subband.training.loop")
words(load, "subband.metrics.video")
words(load, "subband.metrics.detection")
words(lambda: load("subband.predictors.restoration") and load("subband.convert.spandrel").load_image_restorer("x.pth"))
"""
SAID = ["video", "video", "jpeg", "timm", "weights", "timm", "train", "train", "train", "spandrel"]


def test_python_names_extras_as_commands_do(tmp_path):
    SMOKE.draw(tmp_path / "work")
    write_image(tmp_path / "work" / "photo.jpg", torch.rand(3, 16, 16))
    torch.save({"weight": torch.zeros(1)}, tmp_path / "work" / "x.pth")
    result = without_extras(LIBRARY, tmp_path / "work")
    lines = result.stdout.splitlines()
    hints = [re.fullmatch(r"[^:]+ needs? the package \S+: pip install 'subband\[(\w+)\]'\.", line) for line in lines]
    assert [hint and hint[1] for hint in hints] == SAID, f"{lines} {result.stderr}"


def test_the_sentence(monkeypatch):
    said = r"^video files need the package av: pip install 'subband\[video\]'\.$"
    with pytest.raises(ModuleNotFoundError, match=said), names_extra("video files need"):
        raise ModuleNotFoundError("No module named 'av.codec'", name="av.codec")
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'nothing'$"), names_extra():
        raise ModuleNotFoundError("No module named 'nothing'", name="nothing")
    assert is_installed("av")
    monkeypatch.setitem(sys.modules, "av", None)
    assert not is_installed("av")
    with pytest.raises(ModuleNotFoundError, match=rf"^this needs the package av: {re.escape(advice('av'))}\.$"):
        require("av")


def optional_imports(node, inside=False):
    """Imports of packages of extras that run, and whether what they raise names the extra or is dealt with."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            names = [child.module] if isinstance(child, ast.ImportFrom) else [alias.name for alias in child.names]
            yield from ((name.partition(".")[0], child.lineno, inside) for name in names)
        is_named = isinstance(child, ast.With) and "names_extra" in ast.unparse(child.items[0])
        yield from optional_imports(child, inside or is_named or isinstance(child, ast.Try))


def test_every_import_of_an_optional_package_names_its_extra():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    (core,) = re.findall(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    names = {"pillow": "PIL", "pyyaml": "yaml", "PyWavelets": "pywt"}
    known = {names.get(name, name) for name in re.findall(r'"([\w-]+)', core)}
    known |= set(sys.stdlib_module_names) | {"subband"}
    found = 0
    for path in SOURCE.rglob("*.py"):
        for name, line, is_named in optional_imports(ast.parse(path.read_text("utf-8"))):
            place = f"{path.relative_to(SOURCE)}:{line} imports {name}"
            assert name in known | MODULES | OTHERS, f"{place}, which is in no extra"
            assert name not in MODULES or is_named, f"{place} outside `names_extra`"
            found += name in MODULES
    assert found > 50


def test_the_table_is_that_of_the_project():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for name, extra in EXTRAS.items():
        (listed,) = re.findall(rf"^{name} = \[(.*?)\n?\]$", text, re.MULTILINE | re.DOTALL)
        assert set(re.findall(r'"([\w-]+)[^"]*"', listed)) == set(extra.modules.values()), name
    (everything,) = re.findall(r'^all = \["subband\[(.*?)\]"\]$', text, re.MULTILINE)
    assert set(everything.split(",")) == set(EXTRAS)


def rows():
    """The table of `docs/install.md`, as it must be."""
    for name, extra in EXTRAS.items():
        packages = ", ".join(extra.modules.values())
        yield f"| `{name}` | {extra.purpose} | {packages} | {extra.uses} |"


def test_the_page_has_the_table():
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    listed = [line for line in page.splitlines() if re.match(r"\| `[a-z]+` \|", line)]
    assert listed == list(rows()), "\n".join(rows())
    for extra in EXTRAS.values():
        for command in re.findall(r"(?<!data set )`([a-z][a-z-]+)(?: [^`]*)?`", extra.uses):
            assert command in COMMANDS, command
    for name, extra in EXTRAS.items():  # what the cases say of commands, the table says, too
        for case in SMOKE.CASES:
            if name in case.needs and name not in ("video", "weights"):
                assert f"`{SMOKE.command(case)}" in extra.uses, f"{name}: {case.words}"


def test_every_command_is_tried_from_the_wheel():
    assert {SMOKE.command(case) for case in SMOKE.CASES} == set(COMMANDS)
    assert SMOKE.commands(_overview()) == set(COMMANDS)
    assert all(set(case.needs) <= set(EXTRAS) for case in SMOKE.CASES)


def test_a_case_that_ends_wrongly_is_seen(tmp_path):
    good = {"code": 0, "out": "", "err": ""}
    plain, lacking = SMOKE.Case("predict x", makes="x"), SMOKE.Case("train x", ("train",))
    hint = "subband: error: this needs the package lightning: pip install 'subband[train]'.\n"

    def fault(case, *, with_extras=True, **changes):
        return SMOKE.verdict(case, {**good, **changes}, tmp_path, with_extras=with_extras)

    assert "made no x" in fault(plain)
    assert "ended with 2" in fault(plain, code=2)
    assert "Traceback" in fault(plain, err="Traceback (most recent call last):")
    assert fault(lacking) == ""
    assert fault(lacking, code=2, err=hint, with_extras=False) == ""
    for changes in ({}, {"code": 1, "err": hint}, {"code": 2, "err": hint * 2}, {"code": 2, "err": "pip install x"}):
        assert "should name the extra train" in fault(lacking, with_extras=False, **changes)
    assert "should name" in fault(lacking, with_extras=False, code=2, err=hint.replace("[train]", "[video]"))


def test_what_the_wheel_must_hold_and_must_not():
    config = (ROOT / "pyproject.toml").read_text("utf-8")
    assert '[tool.hatch.build.targets.wheel]\npackages = ["src/subband"]\n' in config  # the folder as it is
    assert "exclude" not in config.split("[tool.hatch.build")[1].split("[tool.ruff]")[0]
    names = [f"subband/{path.relative_to(SOURCE).as_posix()}" for path in DIST.package_files()]
    whole = dict.fromkeys([*names, "subband-0.2.0.dist-info/licenses/LICENSE"], b"")
    assert DIST.wheel_faults(whole) == []
    for name in ("subband/py.typed", "subband/weights/catalogue.json", "subband/weights/gfnet_digits/config.json"):
        faults = DIST.wheel_faults({key: value for key, value in whole.items() if key != name})
        assert f"{name} is not in the wheel" in faults
    for name in ("tests/golden/a.npz", "subband/runs/x.ckpt", "subband/a/__pycache__/b.pyc"):
        assert f"{name} should not be in the wheel" in DIST.wheel_faults({**whole, name: b""})
    assert "subband/new.py is in the wheel, but not in src" in DIST.wheel_faults({**whole, "subband/new.py": b""})


def test_paths_of_a_machine_are_seen():
    paths = [b"/home/anna/data", b"/root/x", b"C:\\\\Users\\\\anna", b"/Users/anna/x"]
    for path in paths:
        assert DIST.machine_paths({"subband/a.yaml": b"path: " + path}), path
    assert not DIST.machine_paths({"subband/a.yaml": b"path: data/x, https://x.org/homes/y", "a.npz": paths[0]})


def citation():
    lines = (ROOT / "CITATION.cff").read_text("utf-8")
    return dict(re.findall(r"^([\w-]+): (.+)$", lines, re.MULTILINE))


def test_one_version_everywhere():
    log = (ROOT / "CHANGELOG.md").read_text("utf-8")
    version, date = re.search(r"^## (\S+) \((\d{4}-\d{2}-\d{2})\)$", log, re.MULTILINE).groups()
    facts = citation()
    assert facts["cff-version"] == "1.2.0"
    assert (facts["version"], facts["date-released"]) == (version, date)
    assert facts["license"] == "Apache-2.0"
    assert subband.__version__ == version
    assert not re.search(r"dev|rc|unreleased", subband.__version__)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert re.search(r'authors = \[\{ name = "(.*?)" \}\]', project)[1] in (ROOT / "CITATION.cff").read_text("utf-8")
