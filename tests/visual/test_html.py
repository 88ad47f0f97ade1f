"""Pages escape every text, and nothing but templates and plots is taken for HTML."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

import subband.visual
from subband.visual import html
from subband.visual.colors import series_styles

FOLDER = Path(subband.visual.__file__).parent
TEMPLATES = sorted(files("subband.visual").joinpath("templates").iterdir(), key=lambda path: path.name)
EVIL = "<script>&\"'"
SAFE = "&lt;script&gt;&amp;&#34;&#39;"
STYLE = series_styles(["wast"])["wast"]
INNER = Markup("<br>")


@pytest.mark.parametrize(
    ("block", "count"),
    [
        (html.section(EVIL, EVIL, INNER), 2),
        (html.part(EVIL, INNER), 1),
        (html.heading(EVIL), 1),
        (html.paragraph(EVIL), 1),
        (html.note(EVIL), 1),
        (html.code(EVIL), 1),
        (html.findings([EVIL, html.strong("a") + EVIL]), 2),
        (html.table([EVIL, EVIL], [[EVIL, EVIL]]), 4),
        (html.footnotes([(EVIL, EVIL)]), 2),
        (html.facts([(EVIL, EVIL)]), 2),
        (html.figure(EVIL, INNER), 1),
        (html.legend({EVIL: STYLE}, target=EVIL), 2),
        (html.image(b"x", "image/png", EVIL), 1),
        (html.details(EVIL, INNER), 1),
        (html.named(EVIL, STYLE), 1),
        (html.strong(EVIL), 1),
        (html.emphasis(EVIL), 1),
        (html.best(EVIL), 1),
        (html.faint(EVIL), 1),
        (html.hint(EVIL, EVIL), 2),
        (html.arrow(EVIL, is_up=True), 1),
    ],
)
def test_texts_are_escaped_once(block: Markup, count: int) -> None:
    assert isinstance(block, Markup)
    assert block.count(SAFE) == count
    assert "<script" not in block
    assert "&amp;lt;" not in block


def test_the_head_and_the_foot_of_a_page_are_escaped() -> None:
    page = html.page(EVIL, INNER, subject=EVIL, lead=EVIL, summary=INNER, footer=EVIL, sheets=["classification.css"])
    assert page.count(SAFE) == 5  # the title stands in the tab, too
    assert page.count("<br>") == 2
    assert "<script" not in page
    assert "--series-1: #0072b2;" in page
    assert "--series-1: #4db3f0;" in page
    assert "table.confusion" in page
    assert '"Palatino Linotype"' in page


def test_blocks_stand_inside_blocks_as_they_are() -> None:
    cell = html.named("a<b", STYLE)
    table = html.table(["Model", "Score"], [[cell, html.best("1")]])
    assert f'<tr><th scope="row">{cell}</th><td><strong>1</strong></td></tr>' in table
    assert f"\n{table}\n" in html.section("Scores", "All of them.", Markup(), table)


def test_a_text_that_is_no_block_is_escaped() -> None:
    formatted = f"{html.strong('a')} wins"  # an f-string is a plain text again
    assert "&lt;b&gt;a&lt;/b&gt; wins" in html.findings([formatted])


@pytest.mark.parametrize(
    "nothing",
    [
        html.section("Scores", "All of them.", Markup(), Markup()),
        html.findings([]),
        html.facts([]),
        html.paragraph(""),
        html.plots([], html.legend({"a": STYLE})),
        html.stack(Markup(), Markup()),
    ],
)
def test_nothing_to_show(nothing: Markup) -> None:
    assert nothing == ""


def test_images_and_swatches() -> None:
    assert 'src="data:image/png;base64,+/8="' in html.image(b"\xfb\xff", "image/png", "two bytes")
    assert 'class="swatch" style="--color: var(--series-1)"' in html.named("wast", STYLE)
    baseline = series_styles(["persistence"])["persistence"]
    assert 'class="swatch dashed" style="--color: var(--baseline)"' in html.named("persistence", baseline)
    assert html.details("a", INNER, is_open=True).startswith("<details open><summary>a</summary>")
    assert (html.percent(0.456), html.percent(0.456, digits=1)) == ("46\u202f%", "45.6\u202f%")


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'names' is undefined"):
        html.render("classes.html.jinja", width=1)


def test_only_templates_and_plots_are_taken_for_html() -> None:
    assert len(TEMPLATES) >= 9
    assert not [path.name for path in TEMPLATES if re.search(r"\|\s*safe\b|autoescape", path.read_text("utf-8"))]
    marked = [
        (path.name, line.strip())
        for path in sorted(FOLDER.rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\bMarkup\((?!\)|\"(\\n|, )\"\))", line) and "# safe: " not in line
    ]
    assert not marked
    tags = re.compile(r"</?(p|b|i|li|ul|ol|div|span|td|th|tr|table|section|article|img|h[1-6]|details|figure|pre)[ >]")
    with_tags = [path.name for path in sorted(FOLDER.rglob("*.py")) if tags.search(path.read_text("utf-8"))]
    assert with_tags == ["html.py"]  # the example in its docstring
