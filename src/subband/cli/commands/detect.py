"""Find objects in a photograph, in every photograph of a folder, or in a video.

The folder of results holds copies with boxes, masks and names drawn in, `detections.json` in the layout of COCO and
`detections.csv`. Photographs of any size and shape go: each is resized as the weights were trained. A stopped job on a
video goes on when the same command is given again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.found_files import Found, Rows, write_found
from subband.cli.found_media import (
    clip_target,
    end_photographs,
    folder_for,
    is_clip,
    photographs,
    results_folder,
    work_through,
)
from subband.cli.options import cell, open_table, show_table
from subband.cli.photographs import add_output_arguments, result_names, show_timing, speed_text
from subband.cli.weights import add_weights_arguments, open_weights
from subband.files import shown
from subband.models.model_folder import bundled_models

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.predictors.detection import DetectionPredictor, FileDetections

JSON_FILE, TABLE_FILE = "detections.json", "detections.csv"
BUNDLED = "wsfvit_p0_fasterrcnn_bccd"

EXAMPLES = """examples:
  subband detect photos/ --model runs/cells --out found/
  subband detect photo.jpg --model wsfvit_t_maskrcnn --checkpoint maskrcnn_t.pth --classes person,dog
  subband detect street.mp4 --model runs/cars --min-score 0.5 --half
  subband detect harbour.tif --model runs/ships --tile 1024
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("source", type=str, help="Photograph, folder of photographs, or video.")
    add_output_arguments(parser, "Folder for the results; by default beside the input, with the ending _detected.")
    add_weights_arguments(parser, default=f"{BUNDLED}, for blood cells" if BUNDLED in bundled_models() else "")
    parser.add_argument("--min-score", type=float, default=0.3, help="Least score of what is shown, from 0.05 to 1.")
    parser.add_argument(
        "--classes", type=str, default=None, help="Names of the classes to look for, as a,b; all by default."
    )
    parser.add_argument(
        "--tile",
        type=int,
        default=None,
        help="Also look at overlapping tiles of so many pixels, for small objects in large photographs.",
    )
    parser.add_argument(
        "--batch-size", type=int, default=4, help="Photographs, frames or tiles that go through the network at once."
    )
    parser.add_argument("--half", action="store_true", help="Compute in bfloat16 where that is safe.")


def run(args: Namespace) -> None:
    """Read, detect, draw, write, print a table."""
    source = Path(args.source)
    if not source.exists():
        raise FileNotFoundError(f"{shown(source)} does not exist.")
    moves = is_clip(source)
    folder = results_folder(source, args.out, "detected", overwrite=args.overwrite, moves=moves)
    files = [] if moves else photographs(source)
    if args.model is None and args.checkpoint is None and BUNDLED in bundled_models():
        args.model = BUNDLED
    predictor = _predictor(args)
    if args.model == BUNDLED:
        print(
            f"{BUNDLED}, the network in the package, knows {', '.join(predictor.classes)} under a microscope; "
            "name a run by --model, or a model and its weights by --model and --checkpoint, for other objects."
        )
    if moves:
        _detect_clip(source, folder, predictor, args)
    else:
        _detect_photographs(files, folder, predictor, args)


def _predictor(args: Namespace) -> DetectionPredictor:
    from subband.device import pick_device
    from subband.predictors.detection import DetectionPredictor

    device = pick_device(args.device)
    only = None
    if args.classes is not None:
        only = [name.strip() for name in args.classes.split(",") if name.strip()]
        if not only:
            raise ValueError("--classes takes names of classes, as person,dog.")
    model = open_weights(args, task="detection", kind="a detector", example="wsfvit_t_maskrcnn")
    options = {"min_score": args.min_score, "tile": args.tile, "batch_size": args.batch_size, "half": args.half}
    return DetectionPredictor(model, only=only, device=device, **options)


def _detect_photographs(files: Sequence[Path], folder: Path, predictor: DetectionPredictor, args: Namespace) -> None:
    targets = [folder / name for name in result_names(files, ".jpg", (JSON_FILE, TABLE_FILE))]
    with closing(predictor.detect_files(files)) as results:
        outcome = work_through(results, targets, partial(_drawn, predictor=predictor, overwrite=args.overwrite))
    if outcome.found:
        _show(outcome.found, predictor, args)
        show_timing(len(outcome.found), outcome.timing, predictor.device.type)
        _write(folder, outcome.found, predictor, args)
    end_photographs(outcome, len(files))


def _drawn(result: FileDetections, target: Path, *, predictor: DetectionPredictor, overwrite: bool) -> Found:
    """Objects of a photograph, of which a copy with them is written."""
    from subband.media.images import write_image
    from subband.predictors.detection import coco_results
    from subband.visual.found_objects import draw_objects

    assert result.image is not None
    assert result.found is not None
    write_image(target, draw_objects(result.image, result.found) / 255, overwrite=overwrite)
    return Found(result.file, result.found.size, coco_results(result.found, 0, predictor.category_ids))


def _detect_clip(source: Path, folder: Path, predictor: DetectionPredictor, args: Namespace) -> None:
    from subband.predictors.detection import detect_clip
    from subband.predictors.progress import show_progress
    from subband.visual.found_objects import draw_objects

    target = clip_target(source, folder)
    began = time.perf_counter()
    with folder_for(target), show_progress("detecting") as progress:
        frames = detect_clip(predictor, source, target, draw_objects, overwrite=args.overwrite, progress=progress)
    seconds = time.perf_counter() - began
    found = [Found(source, frame.size, frame.results, frame.number, frame.seconds) for frame in frames]
    _show(found, predictor, args)
    print(f"{len(found)} frames in {seconds:.1f} s ({speed_text(len(found), seconds, predictor.device.type)})")
    _write(folder, found, predictor, args)


def _write(folder: Path, found: Sequence[Found], predictor: DetectionPredictor, args: Namespace) -> None:
    names = dict(zip(predictor.category_ids, predictor.classes, strict=True))
    write_found(
        folder / JSON_FILE,
        folder / TABLE_FILE,
        found,
        categories=[{"id": number, "name": name} for number, name in names.items()],
        facts={"model": args.model, "checkpoint": args.checkpoint, "min_score": args.min_score},
        rows=Rows(("class", "score", "left", "top", "right", "bottom"), partial(_rows, names)),
        overwrite=args.overwrite,
    )
    print(f"wrote {shown(folder)}: what was found drawn in, {JSON_FILE} and {TABLE_FILE}")


def _rows(names: dict[int, str], results: list[dict[str, Any]]) -> Iterator[Sequence[Any]]:
    """A row of the table for each object."""
    for entry in results:
        left, top, width, height = entry["bbox"]
        box = (left, top, round(left + width, 3), round(top + height, 3))
        yield (cell(names[entry["category_id"]]), entry["score"], *box)


def _show(found: Sequence[Found], predictor: DetectionPredictor, args: Namespace) -> None:
    """A table of the objects of one photograph, or of how many there are in each photograph or in the frames."""
    names = dict(zip(predictor.category_ids, predictor.classes, strict=True))
    title = f"Found by {shown(args.model)}"
    if len(found) == 1:
        headings = ["class", "score", "left", "top", "right", "bottom"]
        table = open_table(headings, title=f"{title} in {shown(found[0].file.name)}", right=headings[1:])
        for entry in found[0].results:
            left, top, width, height = entry["bbox"]
            box = (f"{value:.0f}" for value in (left, top, left + width, top + height))
            table.add_row(names[entry["category_id"]], f"{entry['score']:.2f}", *box)
    elif found[0].frame is None:
        table = open_table(["photograph", "objects", ""], title=title, right=["objects"])
        for item in found:
            table.add_row(shown(item.file.name), str(len(item.results)), _counts(item.results, names))
    else:
        table = open_table(["class", "frames", "most at once"], title=title, right=["frames", "most at once"])
        per_frame = [Counter(entry["category_id"] for entry in item.results) for item in found]
        for number, name in names.items():
            if frames := [counts[number] for counts in per_frame if counts[number]]:
                table.add_row(name, str(len(frames)), str(max(frames)))
    if table.row_count:
        show_table(table)
    else:
        print(f"nothing with a score of {args.min_score:g} or more was found.")


def _counts(results: Sequence[dict[str, Any]], names: dict[int, str]) -> str:
    """How many of each class, the most frequent one first."""
    counts = Counter(names[entry["category_id"]] for entry in results)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
