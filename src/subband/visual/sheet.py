"""A white sheet of paper for pictures and bars, and texts that fit on it."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from subband.extras import names_extra
from subband.files import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, RULE, PALE, FRAME = "#1d1c1a", "#64615b", "#d9d5cc", "#b9b5ad", "#ffb000"
MARGIN, COLUMN, GAP = 0.35, 2.74, 0.32  # inches; four columns
WIDTH = 2 * MARGIN + 4 * COLUMN + 3 * GAP
_DPI = 150
RC: dict[Any, Any] = {
    "font.size": 9.5,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": RULE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.parse_math": False,  # names may hold dollar signs
}


class Sheet:
    """A white figure on which things are placed in inches from the upper left corner.

    Args:
        height: In inches; it is 1893 pixels wide.
    """

    def __init__(self, height: float) -> None:
        with names_extra("plots need"):
            from matplotlib.figure import Figure

        self.height = height
        self.figure = Figure(figsize=(WIDTH, height), facecolor="white", dpi=_DPI)

    def axes(self, left: float, top: float, width: float, height: float, title: str = "") -> Axes:
        """Axes at a place, with a title above them."""
        place = (left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        if title:
            self.text(left, top - 0.11, title, va="baseline", fontsize=10)
        return self.figure.add_axes(place)

    def text(self, left: float, top: float, text: str, **style: Any) -> None:
        """A text at a place."""
        self.figure.text(left / WIDTH, 1 - top / self.height, text, **style)

    def png(self) -> bytes:
        """The sheet as a PNG file."""
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # an emoji in a name becomes a box
            self.figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def left_of(column: int) -> float:
    """Where a column begins, in inches.

    Args:
        column: From 0 to 3.
    """
    return MARGIN + column * (COLUMN + GAP)


def signed(value: float) -> str:
    """A number with its sign and about three digits, without a sign for nothing.

    Args:
        value: The number.

    Example:
        >>> signed(1.234), signed(-0.5), signed(-0.001), signed(820.58)
        ('+1.23', '−0.50', '0.00', '+821')
    """
    if abs(value) < 0.005:
        return "0.00"
    decimals = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:+.{decimals}f}".replace("-", "−")


def short(name: str, length: int = 24) -> str:
    """A name that fits on one line; ImageNet's names end at one of their commas.

    Args:
        name: Any text.
        length: Most characters.

    Example:
        >>> short("capuchin, ringtail, Cebus capucinus"), short("straight-haired retriever", 12)
        ('capuchin, ringtail', 'straight-ha…')
    """
    name = shown(name)
    if len(name) <= length:
        return name
    whole, comma, _ = name[: length + 1].rpartition(",")
    return whole if comma else f"{name[: length - 1].rstrip()}…"
