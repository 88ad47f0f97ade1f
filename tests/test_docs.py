"""What the pages claim in code is true: their Python blocks run, beside the libraries that they speak of."""

import functools
import importlib.util
import re
import shlex
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser

import subband
from subband.cli.main import COMMANDS
from subband.config import list_recipes

DOCS = Path(__file__).parent.parent / "docs"
PLAN = ["What it is", "Two-minute start", "Your own data", "Published weights", "Figures", "Limits"]
TASKS = {
    "video_prediction": "Video prediction",
    "classification": "Image classification",
    "restoration": "Video restoration",
    "super_resolution": "Super-resolution",
    "generation": "Image generation",
    "detection": "Detection",
    "pose": "Pose",
    "photographs": "Photographs",
    "transforms": "Transforms",
}
PEERS = {"ptwt", "pytorch_wavelets", "torchwavelets", "torch_dct", "dtcwt"}
PARTNERS = {"timm", "transformers", "diffusers", "spandrel", "onnxruntime"}  # what networks are exchanged with


def python_blocks(page, heading=None):
    """Python blocks of a page, or those under one heading of level two."""
    text = (DOCS / page).read_text(encoding="utf-8")
    if heading is not None:
        text = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def headings(page):
    return re.findall(r"^## (.*)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)


def run(blocks, page):
    namespace = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page} block {number}", "exec"), namespace)


def skip_without(libraries, blocks):
    """Skip what speaks of a library that is not installed; an import that fails is a fault of the page."""
    for name in sorted(libraries & set(re.findall(r"^(?:import|from) (\w+)", "\n".join(blocks), re.MULTILINE))):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


@pytest.fixture
def leaves_no_trace():
    """Takes back what a page puts into NumPy and among the modules for old libraries; it gives them nothing itself."""
    old = [name for name in ("asfarray", "issubsctype") if not hasattr(np, name)]
    had_resources = "pkg_resources" in sys.modules
    yield
    for name in old:
        vars(np).pop(name, None)
    if not had_resources:
        sys.modules.pop("pkg_resources", None)


def test_the_page_on_footage_runs():
    blocks = python_blocks("own_footage.md")
    assert len(blocks) == 1
    run(blocks, "own_footage.md")


@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("classification", 1),
        ("generation", 1),
        ("pose", 1),
        ("restoration", 1),
        ("super_resolution", 1),
        ("transforms", 12),
    ],
)
def test_a_page_on_a_task_runs(page, least, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # blocks may write files
    blocks = python_blocks(f"{page}.md")
    assert len(blocks) >= least
    run(blocks, f"{page}.md")


@pytest.mark.parametrize("page", TASKS)
def test_a_page_on_a_task_follows_the_plan(page):
    found = headings(f"{page}.md")
    assert found[: len(PLAN)] == PLAN
    assert [heading for heading in found[len(PLAN) :] if not heading.startswith("More: ")] == []
    assert (DOCS / f"{page}.md").read_text(encoding="utf-8").startswith(f"# {TASKS[page]}\n\n## ")


@pytest.mark.parametrize("heading", headings("migration.md"))
def test_the_migration_page_tells_the_truth(heading, leaves_no_trace):
    first, *_ = headings("migration.md")
    blocks = python_blocks("migration.md", heading)
    skip_without(PEERS, blocks)
    if heading != first:  # imports, data and `same` are shared
        blocks = [python_blocks("migration.md", first)[0], "picture = x[0, 0]", *blocks]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other libraries
        run(blocks, "migration.md")


@pytest.mark.filterwarnings("ignore")  # of the other libraries
@pytest.mark.parametrize("heading", headings("interchange.md"))
def test_networks_are_exchanged_as_the_page_says(heading, tmp_path, monkeypatch):
    first, *_ = headings("interchange.md")
    blocks = python_blocks("interchange.md", heading)
    assert "difference(" in "".join(blocks)
    skip_without(PARTNERS, blocks)
    if heading != first:
        blocks = [python_blocks("interchange.md", first)[0], *blocks]
    monkeypatch.chdir(tmp_path)  # blocks write files
    with torch.enable_grad():  # gives back what a page has switched off
        run(blocks, "interchange.md")


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_pictures_exist_and_are_small(page):
    for picture in re.findall(r"!\[[^\]]*\]\((images/[^)]+)\)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / picture).stat().st_size < (150_000 if "transforms/" in picture else 500_000)


def test_the_script_draws_what_the_page_shows():
    script = (DOCS.parent / "scripts" / "docs_pictures.py").read_text(encoding="utf-8")
    drawn = set(re.findall(r'^    "(\w+)": \w+,$', script.split("PICTURES: ")[1], re.MULTILINE))
    shown = set(re.findall(r"\(images/transforms/(\w+)\.png\)", (DOCS / "transforms.md").read_text(encoding="utf-8")))
    assert drawn == shown == {path.stem for path in (DOCS / "images" / "transforms").glob("*.png")}


def shown_by_the_reference():
    """Objects and whole modules that the pages of the reference show; of a module with a list of members only these."""
    for page in (DOCS / "reference").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for name, options in re.findall(r"^::: (\S+)\n((?:    .*\n)*)", text, re.MULTILINE):
            members = re.search(r"members: \[(.*)\]", options)
            yield from [f"{name}.{member}" for member in members[1].split(", ")] if members else [name]


def found_at(place):
    """What stands at a dotted name, if its module is loaded."""
    module, _, attribute = place.rpartition(".")
    return sys.modules.get(place) or getattr(sys.modules.get(module), attribute, None)


def is_shown(name, shown):
    module, _, attribute = name.rpartition(".")
    found = getattr(importlib.import_module(module), attribute)
    home = getattr(found, "__module__", module)
    places = {name, module, home, f"{home}.{getattr(found, '__qualname__', attribute)}"}
    # Aliases, and constants, which do not know where they were made.
    return isinstance(found, types.ModuleType) or bool(places & shown) or any(found_at(one) is found for one in shown)


def test_the_reference_shows_every_public_name():
    surface = (DOCS.parent / "tests" / "surface.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split()[1] for line in surface if line.startswith("name ")]
    models = {f"subband.timm.{name}" for name in subband.list_models()}  # one sentence names them all
    shown = set(shown_by_the_reference())
    assert [name for name in names if name not in {*models, "subband.__version__"} and not is_shown(name, shown)] == []
    assert not is_shown("subband.data.build_data", shown - {"subband.data.build_data"})


def command_lines():
    """Page, and words of every `subband` command in its code."""
    for page in [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for line in re.findall(r"^ {4}(?:.*&& )?subband (.*)$|`subband ([^`]+)`", text, re.MULTILINE):
            yield page.name, shlex.split(line[0] or line[1].replace("\n", " "), comments=True)


@functools.cache
def options_of(command):
    """Options of a command, and how those begin that go on after a dot."""
    parser = ArgumentParser()
    importlib.import_module(COMMANDS[command][0]).add_arguments(parser)
    return {option for action in parser._actions for option in action.option_strings} | {"--traceback"}


def is_option(word, options):
    name = word.partition("=")[0]
    parent = re.match(r"--\w+\.(?:args|lr_factors)(?=\.)", name)
    return name in options or (parent is not None and parent[0] in options)


def test_commands_on_the_pages_exist_with_their_options_and_recipes():
    wrong = []
    assert len(list(command_lines())) > 100
    assert not is_option("--exposures", options_of("synthesize-blur"))
    recipes = {name for name in list_recipes() if "/" in name}
    for page, (command, *words) in command_lines():
        if command in {"COMMAND", "--help", "--version"}:
            continue
        known = options_of(command) if command in COMMANDS else set()
        wrong += [(page, command, word) for word in words if word.startswith("--") and not is_option(word, known)]
        named = words[:1] if command == "train" and words and "/" in words[0] else []
        wrong += [(page, command, name) for name in named if name not in recipes and "..." not in name]
        wrong += [] if command in COMMANDS else [(page, command, "is no command")]
    assert wrong == []
