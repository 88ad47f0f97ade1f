"""Find objects in a photograph, in every photograph of a folder, or in a video.

The folder of results holds copies with boxes, masks and names drawn in, `detections.json` in the layout of COCO and
`detections.csv`. Photographs of any size and shape go: each is resized as the weights were trained. A stopped job on a
video goes on when the same command is given again.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, Any

from subband.cli.detection_files import JSON_FILE, TABLE_FILE, Found, write_found
from subband.cli.options import open_table, refuse_existing, show_table
from subband.cli.photographs import (
    Timing,
    add_output_arguments,
    beside,
    fitting_name,
    report_failures,
    result_names,
    show_timing,
    speed_text,
)
from subband.cli.weights import add_weights_arguments, open_weights
from subband.files import shown
from subband.models.model_folder import bundled_models
from subband.signals import Stopped, exit_code

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.predictors.detection import DetectionPredictor, FileDetections

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
    is_clip = _is_clip(source)
    folder = _folder(source, args, is_clip=is_clip)
    files = [] if is_clip else _photographs(source)
    if args.model is None and args.checkpoint is None and BUNDLED in bundled_models():
        args.model = BUNDLED
    predictor = _predictor(args)
    if args.model == BUNDLED:
        print(
            f"{BUNDLED}, the network in the package, knows {', '.join(predictor.classes)} under a microscope; "
            "name a run by --model, or a model and its weights by --model and --checkpoint, for other objects."
        )
    if is_clip:
        _detect_clip(source, folder, predictor, args)
    else:
        _detect_photographs(files, folder, predictor, args)


def _is_clip(source: Path) -> bool:
    """Whether it moves: an animation, or no picture by its name and content."""
    from subband.media.picture_files import READ_SUFFIXES, is_animated, picture_format

    if not source.is_file():
        return False
    return is_animated(source) or (picture_format(source) is None and source.suffix.lower() not in READ_SUFFIXES)


def _photographs(source: Path) -> list[Path]:
    from subband.media.images import list_images

    return list_images(source) if source.is_dir() else [source]


def _folder(source: Path, args: Namespace, *, is_clip: bool) -> Path:
    """Where results go; checked as far as that goes before any work."""
    usual = beside(source, "detected") if source.is_dir() else source.with_name(fitting_name(source.stem, "_detected"))
    folder = Path(args.out) if args.out else usual
    if folder.is_file():
        raise ValueError(f"--out {folder} is a file; the results go into a folder.")
    if folder.resolve() == (source if source.is_dir() else source.parent).resolve():
        raise ValueError(f"--out {folder} is the folder of the input; choose another name.")
    if is_clip and _is_unfinished(source, folder):
        return folder
    return refuse_existing(folder, args.overwrite)


def _target(source: Path, folder: Path) -> Path:
    """The video with what was found."""
    from subband.media.video_writer import VIDEO_SUFFIXES

    keeps = source.suffix.lower() in {*VIDEO_SUFFIXES, ".gif", ".webp", ".apng"}
    return folder / (source.name if keeps else fitting_name(source.stem, ".mp4"))


def _is_unfinished(source: Path, folder: Path) -> bool:
    from subband.predictors.segments import work_path

    target = _target(source, folder)
    return not target.exists() and work_path(target).is_dir()


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
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    began, network, reading = time.perf_counter(), 0.0, 0.0
    found: list[Found] = []
    failed: list[str] = []
    stop: BaseException | None = None
    names = result_names(files, ".jpg", (JSON_FILE, TABLE_FILE))
    try:
        with closing(predictor.detect_files(files)) as results:
            shown_results = track(
                results, "photographs", len(files), console=console, transient=True, disable=not console.is_terminal
            )
            for result, name in zip(shown_results, names, strict=True):
                network, reading = network + result.network_seconds, reading + result.reading_seconds
                if result.error is None:
                    found.append(_drawn(result, folder / name, predictor, overwrite=args.overwrite))
                    continue
                if len(files) == 1:
                    raise result.error
                warnings.warn(f"left out: {result.error}", stacklevel=2)
                failed.append(shown(result.file.name))
    except (KeyboardInterrupt, Stopped) as error:
        stop = error
    if found:
        _show(found, predictor, args)
        show_timing(len(found), Timing(time.perf_counter() - began, network, reading), predictor.device.type)
        _write(folder, found, predictor, args)
    if stop is not None:
        code = stop.code if isinstance(stop, Stopped) else exit_code(SIGINT)
        raise Stopped(f"interrupted after {len(found)} of {len(files)} photographs, which are done.", code)
    report_failures(failed, len(files))


def _drawn(result: FileDetections, target: Path, predictor: DetectionPredictor, *, overwrite: bool) -> Found:
    """Objects of a photograph, of which a copy with them is written."""
    from subband.media.images import write_image
    from subband.predictors.detection import coco_results
    from subband.visual.found_objects import draw_objects

    assert result.image is not None
    assert result.found is not None
    target.parent.mkdir(exist_ok=True)
    write_image(target, draw_objects(result.image, result.found) / 255, overwrite=overwrite)
    return Found(result.file, result.found.size, coco_results(result.found, 0, predictor.category_ids))


def _detect_clip(source: Path, folder: Path, predictor: DetectionPredictor, args: Namespace) -> None:
    from subband.predictors.detection import detect_clip
    from subband.predictors.progress import show_progress
    from subband.visual.found_objects import draw_objects

    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    began = time.perf_counter()
    try:
        with show_progress("detecting") as progress:
            frames = detect_clip(
                predictor, source, _target(source, folder), draw_objects, overwrite=args.overwrite, progress=progress
            )
    finally:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
    seconds = time.perf_counter() - began
    found = [Found(source, frame.size, frame.results, frame.number, frame.seconds) for frame in frames]
    _show(found, predictor, args)
    print(f"{len(found)} frames in {seconds:.1f} s ({speed_text(len(found), seconds, predictor.device.type)})")
    _write(folder, found, predictor, args)


def _write(folder: Path, found: Sequence[Found], predictor: DetectionPredictor, args: Namespace) -> None:
    categories = dict(zip(predictor.category_ids, predictor.classes, strict=True))
    facts = {"model": args.model, "checkpoint": args.checkpoint, "min_score": args.min_score}
    write_found(folder, found, categories, facts, overwrite=args.overwrite)
    print(f"wrote {shown(folder)}: what was found drawn in, {JSON_FILE} and {TABLE_FILE}")


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
