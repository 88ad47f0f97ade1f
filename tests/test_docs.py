"""What the pages claim in code is true: their Python blocks run, beside the libraries that they speak of."""

import importlib.util
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

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
    for name in sorted(PEERS & set(re.findall(r"^(?:import|from) (\w+)", "\n".join(blocks), re.MULTILINE))):
        if importlib.util.find_spec(name) is None:  # an import that fails is a fault of the page
            pytest.skip(f"{name} is not installed")
    if heading != first:  # imports, data and `same` are shared
        blocks = [python_blocks("migration.md", first)[0], "picture = x[0, 0]", *blocks]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other libraries
        run(blocks, "migration.md")


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_pictures_exist_and_are_small(page):
    for picture in re.findall(r"!\[[^\]]*\]\((images/[^)]+)\)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / picture).stat().st_size < (150_000 if "transforms/" in picture else 500_000)


def test_the_script_draws_what_the_page_shows():
    script = (DOCS.parent / "scripts" / "docs_pictures.py").read_text(encoding="utf-8")
    drawn = set(re.findall(r'^    "(\w+)": \w+,$', script.split("PICTURES: ")[1], re.MULTILINE))
    shown = set(re.findall(r"\(images/transforms/(\w+)\.png\)", (DOCS / "transforms.md").read_text(encoding="utf-8")))
    assert drawn == shown == {path.stem for path in (DOCS / "images" / "transforms").glob("*.png")}
