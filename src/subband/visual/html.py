"""The blocks that HTML pages are made of. Templates render them and escape every text that is not `Markup`.

A task writes a section of its report from them in a few lines.

Example:
    >>> print(section("Boxes", "How many were found.", findings([strong("a < b") + " finds 3 of 4."])))
    <section>
    <h2>Boxes</h2>
    <p class="intro">How many were found.</p>
    <ul class="findings"><li><b>a &lt; b</b> finds 3 of 4.</li></ul>
    </section>
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from subband.files import shown
from subband.visual.colors import SeriesStyle, palette_css


def data_uri(content: bytes, media_type: str) -> str:
    """A file as an address that holds it whole.

    Args:
        content: The file.
        media_type: For example `image/png`.
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def link(name: str) -> str:
    """The address of a file in the folder of the page, whatever its name.

    Args:
        name: Of the file.

    Example:
        >>> link("50% #1?.png")
        '50%25%20%231%3F.png'
    """
    return quote(os.fsencode(name))


def percent(share: float, digits: int = 0) -> str:
    """A share as text, for example "95 %".

    Args:
        share: 1 is 100 %.
        digits: Decimals.
    """
    return f"{100 * share:.{digits}f}\u202f%"


_TEMPLATES = Environment(
    loader=PackageLoader("subband.visual", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"data_uri": data_uri, "link": link, "percent": percent}
_BLOCKS: Any = _TEMPLATES.get_template("blocks.html.jinja").module


def render(template: str, **values: Any) -> Markup:
    """A template of this package, filled in.

    Args:
        template: Name of a file in `subband/visual/templates`.
        values: What the template names; every text is escaped unless it is `Markup`.

    Raises:
        jinja2.UndefinedError: If the template names a value that is not given.
    """
    return Markup(_TEMPLATES.get_template(template).render(values))  # safe: the template has escaped the values


def page(
    title: str,
    content: Markup,
    *,
    subject: str,
    lead: str,
    summary: Markup,
    footer: str,
    sheets: Sequence[str] = (),
    scripts: Sequence[str] = (),
) -> str:
    """A complete page: a head, the content, a foot.

    Args:
        title: Heading of the page and text of the browser tab.
        content: Sections.
        subject: A few words above the title.
        lead: A sentence below it.
        summary: What came out, at the end of the head.
        footer: A sentence.
        sheets: Style sheets in `subband/visual/templates` that the content needs.
        scripts: Scripts there that it needs; the page allows no others.
    """
    sources = [_TEMPLATES.get_template(name).render() for name in scripts]
    text = render(
        "page.html.jinja",
        title=title,
        content=content,
        subject=subject,
        lead=lead,
        summary=summary,
        footer=footer,
        sheets=sheets,
        scripts=[Markup(source) for source in sources],  # safe: files of this package
        script_hashes=[Markup(_sha256(source)) for source in sources],  # safe: base64
        palette=palette_css,
    )
    # Bytes of names that are no UTF-8 cannot be in a page; the rest of a text, line breaks too, stays.
    return re.sub("[\ud800-\udfff]", lambda match: shown(match[0]), text)


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def stack(*blocks: Markup) -> Markup:
    """Blocks one below the other; empty ones are left out."""
    return Markup("\n").join(block for block in blocks if block)


def section(heading: str, intro: str, *blocks: Markup) -> Markup:
    """A section, or nothing when all its blocks are empty.

    Args:
        heading: A few words.
        intro: The sentence under the heading.
        blocks: What stands in it.
    """
    content = stack(*blocks)
    return _BLOCKS.section(heading, intro, content) if content else content


def part(heading: str, *blocks: Markup) -> Markup:
    """A large heading above several sections.

    Args:
        heading: A few words.
        blocks: What stands below it.
    """
    return _BLOCKS.part(heading, stack(*blocks))


def heading(text: str) -> Markup:
    """A heading inside a section."""
    return _BLOCKS.heading(text)


def paragraph(text: str) -> Markup:
    """A paragraph, or nothing without a text."""
    return _BLOCKS.paragraph(text) if text else Markup()


def note(text: str) -> Markup:
    """An explanation in small letters."""
    return _BLOCKS.note(text)


def code(text: str) -> Markup:
    """A command or a file, line by line as it is."""
    return _BLOCKS.code(text)


def findings(items: Sequence[str]) -> Markup:
    """A list of sentences, or nothing without any."""
    return _BLOCKS.findings(items) if items else Markup()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table that scrolls sideways in its own box.

    Args:
        header: Head of every column.
        rows: Cells of every row; the first is the heading of the row.
    """
    return _BLOCKS.table(header, rows)


def footnotes(pairs: Sequence[tuple[str, str]]) -> Markup:
    """A list of terms with their meanings, in small letters."""
    return _BLOCKS.footnotes(pairs)


def facts(pairs: Sequence[tuple[str, str]]) -> Markup:
    """A list of terms and values side by side, or nothing without any."""
    return _BLOCKS.facts(pairs) if pairs else Markup()


def figure(caption: str, content: Markup) -> Markup:
    """Content with a caption above it.

    Args:
        caption: A few words.
        content: For example a plot from `subband.visual.plots`.
    """
    return _BLOCKS.figure(caption, content)


def plots(figures: Sequence[Markup], key: Markup | None = None) -> Markup:
    """Figures side by side under their legend; nothing without figures.

    Args:
        figures: From left to right.
        key: The legend.
    """
    return _BLOCKS.plots(figures, key or "") if figures else Markup()


def legend(styles: Mapping[str, SeriesStyle], target: str = "") -> Markup:
    """Colors and names of the series of the plots below.

    Args:
        styles: By label.
        target: Name of the line drawn in the color of the text, when there is one.
    """
    return _BLOCKS.legend(styles, target)


def image(content: bytes, media_type: str, description: str) -> Markup:
    """An image inside the page, enlarged with crisp pixels.

    Args:
        content: The file.
        media_type: For example `image/png`.
        description: What it shows, for those who do not see it.
    """
    return _BLOCKS.image(content, media_type, description)


def details(summary: str, content: Markup, is_open: bool = False) -> Markup:
    """A part that unfolds.

    Args:
        summary: A few words, always visible.
        content: What unfolds.
        is_open: Unfolded at first.
    """
    return _BLOCKS.details(summary, content, is_open)


def named(label: str, style: SeriesStyle) -> Markup:
    """The name of a series after a short line in its color."""
    return _BLOCKS.named(label, style)


def strong(text: str) -> Markup:
    """Words in bold letters."""
    return _BLOCKS.strong(text)


def emphasis(text: str) -> Markup:
    """Words in italics."""
    return _BLOCKS.emphasis(text)


def best(text: str) -> Markup:
    """The best value of a column."""
    return _BLOCKS.best(text)


def faint(text: str) -> Markup:
    """A remark in place of a value."""
    return _BLOCKS.faint(text)


def hint(text: str, title: str) -> Markup:
    """A rounded value that shows the exact one when a reader points at it.

    Args:
        text: The rounded value.
        title: The exact one.
    """
    return _BLOCKS.hint(text, title)


def arrow(label: str, is_up: bool) -> Markup:
    """The head of a column, and which way is better."""
    return _BLOCKS.arrow(label, is_up)
