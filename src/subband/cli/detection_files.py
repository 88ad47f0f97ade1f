"""What was found in photographs or frames, as one JSON file in COCO's layout and as a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from subband.cli.options import cell
from subband.files import new_path

JSON_FILE, TABLE_FILE = "detections.json", "detections.csv"

_COLUMNS = ("class", "score", "left", "top", "right", "bottom")


class Found(NamedTuple):
    """Objects of one photograph, or of one frame of a video.

    Attributes:
        file: The photograph or the video.
        size: Height and width.
        results: Entries of a file of results (`coco_results`).
        frame: Number of the frame; None for a photograph.
        seconds: When the frame is shown; None where that is not known.
    """

    file: Path
    size: tuple[int, int]
    results: list[dict[str, Any]]
    frame: int | None = None
    seconds: float | None = None


def write_found(
    folder: Path, found: Sequence[Found], categories: dict[int, str], facts: dict[str, Any], *, overwrite: bool
) -> None:
    """Write `detections.json` and `detections.csv`.

    Args:
        folder: Where to write.
        found: What was found, in order; the place of each in it, from 1 on, is the number of the image.
        categories: Number to name of all classes.
        facts: What else the JSON file says.
        overwrite: Replaces existing files.
    """
    for name, text in (
        (JSON_FILE, _as_json(found, categories, facts)),
        (TABLE_FILE, _as_table(found, categories)),
    ):
        with new_path(folder / name, overwrite=overwrite) as temporary:
            # Bytes of names that are no UTF-8: the escapes of JSON, which a reader turns into the same name again.
            temporary.write_text(text, "utf-8", errors="backslashreplace")


def _as_json(found: Sequence[Found], categories: dict[int, str], facts: dict[str, Any]) -> str:
    images, annotations = [], []
    for number, item in enumerate(found, start=1):
        image = {"id": number, "file_name": item.file.name, "height": item.size[0], "width": item.size[1]}
        about = {"frame": item.frame, "seconds": item.seconds} if item.frame is not None else {}
        images.append(image | about)
        annotations += [entry | {"image_id": number} for entry in item.results]
    content = {
        **facts,
        "images": images,
        "categories": [{"id": number, "name": name} for number, name in categories.items()],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(annotations, start=1)],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _as_table(found: Sequence[Found], categories: dict[int, str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    is_clip = any(item.frame is not None for item in found)
    writer.writerow((*(("video", "frame", "seconds") if is_clip else ("photograph",)), *_COLUMNS))
    for item in found:
        place = (cell(item.file), item.frame, item.seconds) if is_clip else (cell(item.file),)
        for entry in item.results:
            left, top, width, height = entry["bbox"]
            box = (left, top, round(left + width, 3), round(top + height, 3))
            writer.writerow((*place, cell(categories[entry["category_id"]]), entry["score"], *box))
    return text.getvalue()
