"""Draw the README's first picture from what the demo has made: a cell for every task, with its number.

usage: python scripts/gallery_picture.py [runs/demo] [docs/images/gallery.jpg]

`python examples/demo.py` (or `make demo`) writes what it draws from.
"""

from __future__ import annotations

import io
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from subband.files import write_atomically
from subband.visual.sheet import GAP, MARGIN, SOFT, WIDTH, Sheet

COLUMNS, SHOWN, MOST = 3, 2, 4  # cells of a row; columns of a picture that are shown, if it has no more than so many
WIDE = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
HIGH, CELL, TOP = 1.48, 2.96, 0.45  # inches: height of a picture, of a cell, and above the first
LETTERS = 50  # of a small line
SMALL = {"fontsize": 10.5, "color": SOFT}
QUALITY = 85


def cell_picture(picture: dict[str, Any]) -> tuple[Image.Image, str]:
    """The first columns of a picture, of one that moves its still, and what they are."""
    image, heads = Image.open(picture["still"] or picture["file"]).convert("RGB"), picture["heads"]
    if len(heads) > MOST:
        return image, ""
    shown = min(SHOWN, len(heads))
    return image.crop((0, 0, round(image.width * shown / len(heads)), image.height)), " | ".join(heads[:shown])


def main(folder: Path, path: Path) -> None:
    cards = json.loads((folder / "gallery" / "cards.json").read_text(encoding="utf-8"))
    sheet = Sheet(TOP + -(-len(cards) // COLUMNS) * CELL)
    for place, card in enumerate(cards):
        left, top = MARGIN + place % COLUMNS * (WIDE + GAP), TOP + place // COLUMNS * CELL
        image, heads = cell_picture(card["pictures"][0])
        sheet.text(left, top - 0.12, card["title"], fontsize=14)
        axes = sheet.axes(left, top, WIDE, HIGH)
        axes.imshow(np.asarray(image), interpolation="lanczos")
        axes.set_anchor("NW")
        axes.axis("off")
        sheet.text(left, top + HIGH + 0.2, heads or card["pictures"][0]["description"], **SMALL)
        sheet.text(left, top + HIGH + 0.5, card["value"], fontsize=16, fontweight="bold")
        lines = [line for words in (card["measure"], card["baseline"]) for line in textwrap.wrap(words, LETTERS)]
        for number, line in enumerate(lines):
            sheet.text(left, top + HIGH + 0.7 + 0.18 * number, line, **SMALL)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(sheet.png())).convert("RGB").save(buffer, "JPEG", quality=QUALITY)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
    print(f"wrote {path}: {len(buffer.getvalue()) / 1000:.0f} kB")


if __name__ == "__main__":
    words = sys.argv[1:]
    main(Path(words[0] if words else "runs/demo"), Path(words[1] if len(words) > 1 else "docs/images/gallery.jpg"))
