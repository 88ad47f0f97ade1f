"""Find the joints of people in a photograph, in every photograph of a folder, or in a video.

Where people are is said by a file of boxes or found by a detector; without either, a whole picture is one person. The
results are copies with the people drawn in, `poses.json` in the layout of COCO's keypoints and `poses.csv`. In a video
people are followed and keep their numbers. A stopped job on a video goes on when the same command is given again.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from subband.cli.found_files import Found, Rows, write_found
from subband.cli.found_media import (
    clip_suffixes,
    clip_target,
    end_photographs,
    folder_for,
    is_clip,
    photographs,
    results_folder,
    work_through,
)
from subband.cli.option_rules import Needs
from subband.cli.options import cell, open_table, refuse_existing, show_table
from subband.cli.photographs import add_output_arguments, result_names, show_timing, speed_text
from subband.cli.weights import add_weights_arguments, open_weights
from subband.files import shown
from subband.models.model_folder import bundled_models

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.joints import JointSet
    from subband.predictors.pose import FilePoses, PersonSource, PosePredictor

JSON_FILE, TABLE_FILE = "poses.json", "poses.csv"
BUNDLED = "freqpose_figures"

EXAMPLES = """examples:
  subband pose figures.mp4
  subband pose dance.mp4 --model runs/pose --boxes boxes.json --out overlay.mp4 --json poses.json
  subband pose photos/ --model vitpose_b --checkpoint vitpose-b.pth --detector runs/people --flip-test
  subband pose crop.jpg --model runs/pose
"""

OPTION_RULES = (
    Needs("--detector", lambda args: args.boxes is None, "and --boxes exclude each other"),
    Needs("--detector-score", lambda args: args.detector is not None, "goes with --detector"),
)


class Outputs(NamedTuple):
    """Where results go.

    Attributes:
        drawn: The video or picture with people drawn in, or the folder for several.
        json: The JSON file.
        table: The CSV file.
        shared: What they lie in together, for messages; None if the video or picture was named.
    """

    drawn: Path
    json: Path
    table: Path
    shared: Path | None


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("source", type=str, help="Photograph, folder of photographs, or video.")
    add_output_arguments(
        parser,
        "Folder for all results, by default beside the input, with the ending _poses; or the video or picture with "
        "people drawn in, such as overlay.mp4, with the other results beside it.",
    )
    parser.add_argument(
        "--json",
        type=str,
        default=None,
        help="Where the joints go, in COCO's layout; the table goes beside it, with the ending .csv.",
    )
    add_weights_arguments(parser, default=f"{BUNDLED}, for drawn figures" if BUNDLED in bundled_models() else "")
    parser.add_argument("--boxes", type=str, default=None, help="JSON file with boxes of people, in COCO's layout.")
    parser.add_argument(
        "--detector",
        type=str,
        default=None,
        help="Run folder, model folder or bundled weights of a detector that knows the class person.",
    )
    parser.add_argument(
        "--detector-score", type=float, default=0.3, help="Least score of a person that is detected, from 0.05 to 1."
    )
    parser.add_argument(
        "--min-score", type=float, default=0.3, help="Least score of a joint that is drawn; the files hold all joints."
    )
    parser.add_argument("--smooth", action="store_true", help="Make the joints of a video steady (1 Euro filter).")
    parser.add_argument(
        "--flip-test", action="store_true", help="Look at the mirror image, too: more exact, takes twice the time."
    )
    parser.add_argument(
        "--scene-cuts",
        type=str,
        default="auto",
        help="auto follows nobody across the cuts of a video, off ignores them.",
    )
    parser.add_argument("--preview", type=str, default=None, help="Only so much of a video, 5s for example.")
    parser.add_argument("--batch-size", type=int, default=16, help="People that go through the network at once.")
    parser.add_argument("--half", action="store_true", help="Compute in bfloat16 where that is safe.")


def run(args: Namespace) -> None:
    """Read, find, follow, draw, write, print a table."""
    source = Path(args.source)
    if not source.exists():
        raise FileNotFoundError(f"{shown(source)} does not exist.")
    moves = is_clip(source)
    _check_options(args, source, moves=moves)
    outputs = _outputs(source, args, moves=moves)
    files = [] if moves else photographs(source)
    if args.model is None and args.checkpoint is None and BUNDLED in bundled_models():
        args.model = BUNDLED
    if args.model == BUNDLED:
        print(
            f"{BUNDLED}, the network in the package, knows drawn figures and has seen no real people; for those, "
            "take --model vitpose_b --checkpoint published, or a file of its weights."
        )
    persons = _persons(args, source, files)
    predictor = _predictor(args)
    if args.boxes is None and args.detector is None:
        print("every picture as a whole is taken for one person; --boxes or --detector says where people are.")
    if moves:
        _pose_clip(source, outputs, predictor, persons, args)
    else:
        _pose_photographs(files, outputs, predictor, persons, args)


def _check_options(args: Namespace, source: Path, *, moves: bool) -> None:
    from subband.predictors.streaming import parse_seconds

    if not 0 <= args.min_score <= 1:
        raise ValueError(f"--min-score must be from 0 to 1, got {args.min_score:g}.")
    if args.scene_cuts not in ("auto", "off"):
        raise ValueError(f"--scene-cuts must be auto or off, got {args.scene_cuts!r}.")
    if args.preview is not None and not parse_seconds(args.preview, "--preview"):
        raise ValueError("--preview must be above 0 seconds.")
    cuts = ("--scene-cuts", args.scene_cuts != "auto")
    for option, is_given in (("--smooth", args.smooth), ("--preview", args.preview is not None), cuts):
        if is_given and not moves:
            what = "is a folder of photographs" if source.is_dir() else "is a photograph"
            raise ValueError(f"{option} is for videos; {shown(source)} {what}.")


def _outputs(source: Path, args: Namespace, *, moves: bool) -> Outputs:
    """Where results go; checked as far as that goes before any work."""
    from subband.media.images import check_image_path

    target = Path(args.out) if args.out else None
    shared: Path | None = None
    if target is not None and not target.is_dir() and not source.is_dir() and target.suffix:
        if not moves:
            check_image_path(target)
        elif target.suffix.lower() not in clip_suffixes():
            known = ", ".join(sorted(clip_suffixes()))
            raise ValueError(f"--out {target} must be a folder or end in one of {known}.")
        if target.resolve() == source.resolve():
            raise ValueError(f"--out {target} is the input itself; choose another name.")
        drawn, json_file = refuse_existing(target, args.overwrite), target.with_suffix(".json")
    else:
        shared = results_folder(source, args.out, "poses", overwrite=args.overwrite, moves=moves)
        drawn, json_file = clip_target(source, shared) if moves else shared, shared / JSON_FILE
    if args.json is not None:
        json_file = Path(args.json)
        if json_file.suffix.lower() != ".json":
            raise ValueError(f"--json {json_file} must end in .json.")
        if json_file.is_dir():
            raise ValueError(f"--json {json_file} is a folder; name a file.")
    table = json_file.with_suffix(".csv")
    if args.boxes is not None and json_file.resolve() == Path(args.boxes).resolve():
        raise ValueError(f"the joints would replace --boxes {args.boxes}; name another file by --json.")
    if shared is None or args.json is not None:
        for path in (json_file, table):
            refuse_existing(path, args.overwrite)
    return Outputs(drawn, json_file, table, shared)


def _persons(args: Namespace, source: Path, files: Sequence[Path]) -> PersonSource:
    """What says where people are."""
    from subband.predictors.pose import DetectedPersons, WholeImage

    if args.boxes is not None:
        return _given(Path(args.boxes), source, files)
    if args.detector is None:
        return WholeImage()
    from subband.models.checkpoint import load_model
    from subband.predictors.detection import DetectionPredictor

    try:
        detector = DetectionPredictor(
            load_model(args.detector),
            only=["person"],
            min_score=args.detector_score,
            half=args.half,
            device=args.device,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"--detector {shown(args.detector)}: {error}") from error
    return DetectedPersons(detector)


def _given(boxes: Path, source: Path, files: Sequence[Path]) -> PersonSource:
    from subband.media.sources import open_clip
    from subband.predictors.pose.box_files import read_boxes

    given = read_boxes(boxes)
    if files:
        return given.for_photographs(files)
    with open_clip(source) as reader:
        about = reader.details.about_frames
        # A header may promise too few frames.
        count = reader.count if about is not None and given.last_frame >= about else about
        return given.for_clip((reader.height, reader.width), count)


def _predictor(args: Namespace) -> PosePredictor:
    from subband.device import pick_device
    from subband.predictors.pose import PosePredictor

    device = pick_device(args.device)
    model = open_weights(args, task="pose", kind="a network for pose", example="vitpose_b")
    return PosePredictor(model, flip_test=args.flip_test, batch_size=args.batch_size, half=args.half, device=device)


def _pose_photographs(
    files: Sequence[Path], outputs: Outputs, predictor: PosePredictor, persons: PersonSource, args: Namespace
) -> None:
    if outputs.shared is None:
        targets = [outputs.drawn]
    else:
        targets = [outputs.drawn / name for name in result_names(files, ".jpg", (JSON_FILE, TABLE_FILE))]
    with closing(predictor.find_files(files, persons)) as results:
        outcome = work_through(results, targets, partial(_drawn, min_score=args.min_score, overwrite=args.overwrite))
    if outcome.found:
        _show(outcome.found, args)
        show_timing(len(outcome.found), outcome.timing, predictor.device.type)
        _write(outputs, outcome.found, predictor.joint_set, args)
    end_photographs(outcome, len(files))


def _drawn(result: FilePoses, target: Path, *, min_score: float, overwrite: bool) -> Found:
    """People of a photograph, of which a copy with them is written."""
    from subband.media.images import write_image
    from subband.predictors.pose import pose_results
    from subband.visual.found_poses import draw_poses

    assert result.image is not None
    assert result.found is not None
    write_image(target, draw_poses(result.image, result.found, min_score=min_score) / 255, overwrite=overwrite)
    return Found(result.file, result.found.size, pose_results(result.found, 0))


def _pose_clip(
    source: Path, outputs: Outputs, predictor: PosePredictor, persons: PersonSource, args: Namespace
) -> None:
    from subband.predictors.pose import pose_clip, pose_results
    from subband.predictors.progress import show_progress
    from subband.visual.found_poses import draw_poses

    began = time.perf_counter()
    with folder_for(outputs.drawn), show_progress("finding joints") as progress:
        frames = pose_clip(
            predictor,
            source,
            outputs.drawn,
            partial(draw_poses, min_score=args.min_score),
            persons=persons,
            smooth=args.smooth,
            scene_cuts=args.scene_cuts,
            duration=args.preview,
            settings={"min_score": args.min_score},
            overwrite=args.overwrite,
            progress=progress,
        )
    seconds = time.perf_counter() - began
    found = [
        Found(source, frame.found.size, pose_results(frame.found, 0), frame.number, frame.seconds) for frame in frames
    ]
    _warn_of_frames(persons, len(frames), args)
    _show(found, args)
    print(f"{len(found)} frames in {seconds:.1f} s ({speed_text(len(found), seconds, predictor.device.type)})")
    _write(outputs, found, predictor.joint_set, args)


def _warn_of_frames(persons: PersonSource, count: int, args: Namespace) -> None:
    """Names boxes for frames that a whole video has not."""
    from subband.predictors.pose import GivenPersons

    if isinstance(persons, GivenPersons) and args.preview is None:
        beyond = [key for key in persons.by_key if isinstance(key, int) and key >= count]
        if beyond:
            warnings.warn(
                f"{shown(args.boxes)}: boxes of frames from {min(beyond)} on were not used ({len(beyond)}); "
                f"{shown(Path(args.source).name)} has {count} frames, counted from 0.",
                stacklevel=2,
            )


def _write(outputs: Outputs, found: Sequence[Found], joint_set: JointSet, args: Namespace) -> None:
    category = {
        "id": 1,
        "name": "person",
        "keypoints": list(joint_set.names),
        "skeleton": [[first + 1, second + 1] for first, second in joint_set.limbs],
    }
    names = ("model", "checkpoint", "boxes", "detector", "smooth", "scene_cuts", "flip_test")
    write_found(
        outputs.json,
        outputs.table,
        found,
        categories=[category],
        facts={name: args[name] for name in names},
        rows=Rows(("person", "joint", "x", "y", "score"), partial(_rows, joint_set.names)),
        overwrite=args.overwrite,
    )
    drawn = shown(outputs.shared or outputs.drawn)
    print(f"wrote {drawn} with people drawn in, {shown(outputs.json)} and {shown(outputs.table)}")


def _rows(names: Sequence[str], results: list[dict[str, Any]]) -> Iterator[Sequence[Any]]:
    """A row of the table for each joint."""
    for place, entry in enumerate(results):
        values = iter(entry["keypoints"])
        for name, x, y, score in zip(names, values, values, values, strict=True):
            yield entry.get("track_id", place), cell(name), x, y, score


def _show(found: Sequence[Found], args: Namespace) -> None:
    """A table of the people of one photograph, or of how many there are in each photograph, or of those of a video."""
    title = f"Found by {shown(args.model)}"
    if found[0].frame is not None:
        table = open_table(["person", "frames", "first", "last"], title=title, right=["frames", "first", "last"])
        seen: dict[int, list[int]] = {}
        for item in found:
            for entry in item.results:
                seen.setdefault(entry["track_id"], []).append(int(item.frame or 0))
        for number, frames in sorted(seen.items()):
            table.add_row(str(number), str(len(frames)), str(frames[0]), str(frames[-1]))
    elif len(found) == 1:
        headings = ["person", "score", "joints drawn", "left", "top", "right", "bottom"]
        table = open_table(headings, title=f"{title} in {shown(found[0].file.name)}", right=headings[1:])
        for place, entry in enumerate(found[0].results):
            left, top, width, height = entry["bbox"]
            box = (f"{value:.0f}" for value in (left, top, left + width, top + height))
            drawn = sum(score >= args.min_score for score in entry["keypoints"][2::3])
            table.add_row(str(place), f"{entry['score']:.2f}", str(drawn), *box)
    else:
        table = open_table(["photograph", "people"], title=title, right=["people"])
        for item in found:
            table.add_row(shown(item.file.name), str(len(item.results)))
    nobody = [item for item in found if not item.results]
    if len(nobody) < len(found):
        show_table(table)
    if nobody:
        what = "frames" if found[0].frame is not None else "photographs"
        print(
            "nobody was found." if len(nobody) == len(found) else f"{len(nobody)} of {len(found)} {what} show nobody."
        )
