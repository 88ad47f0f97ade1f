"""What was found in photographs or frames, as one JSON file in COCO's layout and as a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from subband.cli.options import cell
from subband.files import new_path


class Found(NamedTuple):
    """Objects or people of one photograph, or of one frame of a video.

    Attributes:
        file: The photograph or the video.
        size: Height and width.
        results: Entries of a file of results (`coco_results`, `pose_results`).
        frame: Number of the frame; None for a photograph.
        seconds: When the frame is shown; None where that is not known.
    """

    file: Path
    size: tuple[int, int]
    results: list[dict[str, Any]]
    frame: int | None = None
    seconds: float | None = None


class Rows(NamedTuple):
    """What a table says of the entries.

    Attributes:
        headings: Of the columns.
        of: The rows of the entries of one photograph or frame.
    """

    headings: Sequence[str]
    of: Callable[[list[dict[str, Any]]], Iterable[Sequence[Any]]]


def write_found(
    json_file: Path,
    table_file: Path,
    found: Sequence[Found],
    *,
    categories: Sequence[dict[str, Any]],
    facts: dict[str, Any],
    rows: Rows,
    overwrite: bool,
) -> None:
    """Write a JSON file in COCO's layout and a table.

    Args:
        json_file: The first.
        table_file: The second, a CSV file.
        found: What was found, in order; the place of each in it, from 1 on, is the number of the image.
        categories: Of the JSON file.
        facts: What else the JSON file says.
        rows: Of the table.
        overwrite: Replaces existing files.
    """
    for path, text in ((json_file, _as_json(found, categories, facts)), (table_file, _as_table(found, rows))):
        with new_path(path, overwrite=overwrite) as temporary:
            # Bytes of names that are no UTF-8: the escapes of JSON, which a reader turns into the same name again.
            temporary.write_text(text, "utf-8", errors="backslashreplace")


def _as_json(found: Sequence[Found], categories: Sequence[dict[str, Any]], facts: dict[str, Any]) -> str:
    images, annotations = [], []
    for number, item in enumerate(found, start=1):
        image = {"id": number, "file_name": item.file.name, "height": item.size[0], "width": item.size[1]}
        about = {"frame": item.frame, "seconds": item.seconds} if item.frame is not None else {}
        images.append(image | about)
        annotations += [entry | {"image_id": number} for entry in item.results]
    content = {
        **facts,
        "images": images,
        "categories": list(categories),
        "annotations": [{"id": number, **entry} for number, entry in enumerate(annotations, start=1)],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _as_table(found: Sequence[Found], rows: Rows) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    is_clip = any(item.frame is not None for item in found)
    writer.writerow((*(("video", "frame", "seconds") if is_clip else ("photograph",)), *rows.headings))
    for item in found:
        place = (cell(item.file), item.frame, item.seconds) if is_clip else (cell(item.file),)
        writer.writerows((*place, *row) for row in rows.of(item.results))
    return text.getvalue()
