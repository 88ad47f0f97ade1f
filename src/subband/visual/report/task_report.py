"""What a task adds to the report that all tasks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from subband.visual.colors import SeriesStyle
from subband.visual.report.runs import Row, Run

Styles = dict[str, SeriesStyle]


def data_name(data: dict[str, Any]) -> str:
    """The test set in a word: the name of its folder where that says more than the name of its reader."""
    return str(data.get("folder") or data.get("name", "unnamed data"))


@dataclass(frozen=True, kw_only=True)
class TaskReport:
    """The parts of a page that depend on the task. All are about runs on one data set; the page escapes the texts.

    Attributes:
        name: The task in words.
        lead: What the page is about, in one sentence.
        verdict: What came out, in a sentence or none.
        facts: Terms and values that describe the test set.
        sections: From the scores to the training curves, made of the blocks in `subband.visual.html`.
        sheets: Style sheets that the sections need beside that of every page.
    """

    name: str
    lead: str
    verdict: Callable[[Sequence[Run], Sequence[Row]], str]
    facts: Callable[[Sequence[Run]], list[tuple[str, str]]]
    sections: Callable[[Sequence[Run], Sequence[Row], Styles], list[Markup]]
    sheets: tuple[str, ...] = ()
