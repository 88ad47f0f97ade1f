"""A gallery as one self-contained HTML page: a card for every task, with pictures, a number and its command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from subband.files import shown
from subband.visual.html import data_uri, facts, page, render

MEDIA_TYPES = {".apng": "image/apng", ".gif": "image/gif", ".jpg": "image/jpeg", ".png": "image/png"}
MEDIA_TYPES |= {".webp": "image/webp"}
"""Pictures that a page can hold, by the ending of their files."""


class Picture(NamedTuple):
    """A picture, still or moving, whose columns may have heads.

    Attributes:
        file: A file of one of `MEDIA_TYPES`.
        heads: What its columns of equal width are, from left to right; none for a picture without columns.
        description: What it shows, for those who do not see it.
        still: What those see who asked for less motion; None for a picture that does not move.
    """

    file: Path
    heads: tuple[str, ...]
    description: str
    still: Path | None = None


class Card(NamedTuple):
    """What one task did.

    Attributes:
        title: A few words.
        text: A sentence or two: what was given, and what was made of it.
        pictures: From top to bottom.
        measure: What `value` is, as "PSNR to the sharp frames".
        value: The number as text.
        baseline: What it has to be compared with, as text with its name.
        seconds: How long the commands took.
        commands: What repeats it, a line each.
        link: Address and words of a page about more; None for none.
    """

    title: str
    text: str
    pictures: tuple[Picture, ...]
    measure: str
    value: str
    baseline: str
    seconds: float
    commands: tuple[str, ...]
    link: tuple[str, str] | None = None


def gallery_page(
    cards: Sequence[Card], *, title: str, lead: str, summary: Sequence[tuple[str, str]] = (), footer: str = ""
) -> str:
    """The page.

    Args:
        cards: In the order of the page.
        title: Heading of the page.
        lead: A sentence below it.
        summary: Terms and values for the head of the page.
        footer: A sentence at its end.

    Returns:
        HTML that needs nothing from elsewhere; only links of cards need what they name.

    Raises:
        FileNotFoundError: If a picture does not exist.
        ValueError: If there is no card, or a picture has an ending that is not in `MEDIA_TYPES`.

    Example:
        >>> png = getfixture("tmp_path") / "cat.png"
        >>> _ = png.write_bytes(b"...")
        >>> picture = Picture(png, ("blurred", "sharp"), "a cat, blurred and sharp")
        >>> card = Card("Deblur", "A cat.", (picture,), "PSNR", "32.6 dB", "31.5 dB", 2.5, ("subband deblur a b",))
        >>> html = gallery_page([card], title="Gallery", lead="What it does.")
        >>> html.count("<article"), html.count("data:image/png")
        (1, 1)
    """
    if not cards:
        raise ValueError("a gallery needs at least one card.")
    filled = [
        {
            "card": card,
            "pictures": [(picture, *_addresses(picture, card)) for picture in card.pictures],
        }
        for card in cards
    ]
    return page(
        title,
        render("gallery.html.jinja", cards=filled),
        subject="gallery",
        lead=lead,
        summary=facts(summary),
        footer=footer,
        sheets=("gallery.css",),
    )


def _addresses(picture: Picture, card: Card) -> tuple[str, str | None]:
    """The picture, and what stands for it where nothing shall move."""
    moving = _address(picture.file, card)
    return moving, None if picture.still is None else _address(picture.still, card)


def _address(file: Path, card: Card) -> str:
    media_type = MEDIA_TYPES.get(file.suffix.lower())
    if media_type is None:
        raise ValueError(f"{shown(file)} of the card {card.title!r} must end in one of {', '.join(MEDIA_TYPES)}.")
    if not file.is_file():
        raise FileNotFoundError(f"the card {card.title!r} shows {shown(file)}, which does not exist.")
    return data_uri(file.read_bytes(), media_type)
