"""For mkdocs: the measurements of `benchmarks/RESULTS.md` are a page of the site, and links to them lead there."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_markdown"]

RESULTS = Path(__file__).parent.parent / "benchmarks" / "RESULTS.md"
PAGE = "results.md"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the page; its pictures lie in the folder of the documentation."""
    text = RESULTS.read_text(encoding="utf-8").replace("](../docs/", "](")
    files.append(File.generated(config, PAGE, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to the file, as they work in the repository, into links to the page."""
    up = "../" * page.file.src_uri.count("/")
    return re.sub(r"\]\((?:\.\./)+benchmarks/RESULTS\.md", f"]({up}{PAGE}", markdown)
