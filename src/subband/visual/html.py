"""The few HTML elements the report is made of. Every text passes through `escape`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from subband.visual.colors import SeriesStyle, palette_css

# The browser itself refuses anything that is not in this file: no script, no font, no picture from elsewhere.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, body: str, sheets: Sequence[str] = ()) -> str:
    """A complete page around `body`.

    Args:
        title: Text of the browser tab.
        body: HTML.
        sheets: Style sheets of this folder that the page needs beside `report.css`.
    """
    folder = files("subband.visual")
    css = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in ("report.css", *sheets))
    css = css.replace("/* palette: light */", palette_css(dark=False)).replace(
        "/* palette: dark */", palette_css(dark=True)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>\n{css}</style>\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def section(heading: str, intro: str, *blocks: str) -> str:
    """A section, or nothing when all its blocks are empty.

    Args:
        heading: Plain text.
        intro: HTML of the sentence under the heading.
        blocks: HTML.
    """
    content = "\n".join(block for block in blocks if block)
    return (
        f'<section>\n<h2>{escape(heading)}</h2>\n<p class="intro">{intro}</p>\n{content}\n</section>' if content else ""
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]], row_headings: bool = True) -> str:
    """A table that scrolls sideways in its own box; cells are HTML.

    Args:
        header: Head of every column.
        rows: Cells of every row.
        row_headings: Marks the first cell of a row as its heading.
    """
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    first = ('<th scope="row">', "</th>") if row_headings else ("<td>", "</td>")
    body = "\n".join(
        "<tr>" + first[0] + row[0] + first[1] + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def figure(caption: str, content: str, kind: str = "plot") -> str:
    """Content with a caption above it.

    Args:
        caption: Plain text.
        content: HTML.
        kind: CSS class.
    """
    return f'<figure class="{kind}"><figcaption>{escape(caption)}</figcaption>{content}</figure>'


def image(content: bytes, media_type: str, description: str) -> str:
    """A picture inside the page, enlarged with crisp pixels.

    Args:
        content: The file.
        media_type: For example `image/png`.
        description: What it shows, for those who do not see it.
    """
    return f'<img class="pixels" alt="{escape(description)}" src="{data_uri(content, media_type)}">'


def data_uri(content: bytes, media_type: str) -> str:
    """A file as an address that holds it whole."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def details(summary: str, content: str, is_open: bool = False) -> str:
    """A part that unfolds.

    Args:
        summary: Plain text, always visible.
        content: HTML.
        is_open: Unfolded at first.
    """
    return f"<details{' open' if is_open else ''}><summary>{escape(summary)}</summary>\n{content}\n</details>"


def swatch(style: SeriesStyle) -> str:
    """A short line in a series' color."""
    kind = "swatch" if style.dashes == "-" else "swatch dashed"
    return f'<span class="{kind}" style="--color: var({style.variable})" aria-hidden="true"></span>'


def legend(styles: dict[str, SeriesStyle], target: str | None = None) -> str:
    """Colors and names of the series of the plots below.

    Args:
        styles: By label.
        target: Name of the line drawn in the color of the text, when there is one.
    """
    own = '<span class="swatch" style="--color: currentColor" aria-hidden="true"></span>'
    items = [f"<li>{own}{escape(target)}</li>"] if target else []
    items += [f"<li>{swatch(style)}{escape(label)}</li>" for label, style in styles.items()]
    return f'<ul class="legend">{"".join(items)}</ul>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """A list of terms and values; both plain text."""
    items = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(value)}</dd></div>" for term, value in pairs)
    return f'<dl class="facts">{items}</dl>'
