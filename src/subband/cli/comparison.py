"""The table of recipes that were trained against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from subband.cli.options import open_table, show_table

__all__ = ["Column", "show_comparison"]


class Column(NamedTuple):
    """One column of the table.

    Attributes:
        heading: Its heading.
        value: Its value in a row of `scores.json`; None if that has none.
        num_digits: Digits after the point.
    """

    heading: str
    value: Callable[[dict[str, Any]], float | None]
    num_digits: int


def show_comparison(
    rows: Mapping[str, Sequence[dict[str, Any]]],
    columns: Sequence[Column],
    *,
    facts: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Print mean and standard deviation over the runs of each entry.

    Args:
        rows: What `subband.training.comparison.train_entries` returned.
        columns: What is shown besides the number of parameters.
        facts: More columns, the same for all runs of an entry: heading to label to text.
    """
    from subband.training.comparison import mean_and_spread

    facts = facts or {}
    headings = ["model", "parameters", *facts, *(column.heading for column in columns)]
    num_seeds = max((len(runs) for runs in rows.values()), default=0)
    table = open_table(headings, title=f"mean ± standard deviation over {num_seeds} seed(s)", right=headings[1:])
    for label, runs in rows.items():
        if runs:
            values = [[column.value(run) for run in runs] for column in columns]
            cells = [mean_and_spread(v, column.num_digits) for v, column in zip(values, columns, strict=True)]
            table.add_row(label, f"{runs[0]['parameters']:,}", *(texts[label] for texts in facts.values()), *cells)
    show_table(table)
