"""Show why a network decides as it does: where it looks in a photograph, and which frequencies it relies on.

Of a classifier, one image per photograph holds what the network sees, the places that speak for the class (Grad-CAM),
the most probable classes, what the class loses when one wavelet subband of the image is removed, and what is known of
the network's own filters (GFNet) or of the cosine frequencies it takes (networks on coefficients of JPEG). A folder
gives one page about all of them, too.

Of a detector, one image holds the objects it finds in a photograph, and what becomes of the score of one of them when a
subband is removed, everywhere or inside its box alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.classifier import add_classifier_arguments, as_classifier
from subband.cli.explained_detection import explain_photograph
from subband.cli.options import open_table, show_table
from subband.cli.photographs import Job, add_photo_arguments, check_options, for_each, plan, report_failures
from subband.cli.weights import open_weights
from subband.files import new_path, shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor

    from subband.explain.occlusion import SubbandDrop
    from subband.predictors.classification import ImageClassifier
    from subband.visual.explanation_page import Photograph

EXAMPLES = """examples:
  subband explain photo.jpg --model runs/flowers
  subband explain photo.jpg --model wsfvit_t --checkpoint wsfvit_t.pth --class "golden retriever" --out why.png
  subband explain blood.jpg --model wsfvit_p0_fasterrcnn_bccd --detection 3
  subband explain digits/ --model gfnet_digits --wavelet haar --level 2 --out why/
"""

PAGE = "index.html"


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_photo_arguments(
        parser,
        "Image, a .png; by default photo_explained.png, or the folder photos_explained with a page "
        "index.html, beside the input.",
    )
    add_classifier_arguments(parser)
    parser.add_argument(
        "--class",
        type=str,
        default=None,
        help="Class to explain, by name or number; the most probable one by default. For classifiers.",
    )
    parser.add_argument(
        "--stage",
        type=int,
        default=None,
        help="Which stage of the network Grad-CAM looks at, -1 being the last one; that by default, an earlier one for "
        "small inputs. For classifiers.",
    )
    parser.add_argument(
        "--detection",
        type=int,
        default=None,
        help="Which object that a detector finds, 0 being that with the best score, as `subband detect` counts them; "
        "0 by default.",
    )
    parser.add_argument("--wavelet", type=str, default="db2", help="PyWavelets name.")
    parser.add_argument(
        "--level",
        type=int,
        default=None,
        help="Levels of the transform; by default 3, fewer for small inputs, more for large objects of detectors.",
    )


def run(args: Namespace) -> None:
    """Explain, write, print a table."""
    import torch

    from subband.device import pick_device
    from subband.explain.occlusion import without_each_subband
    from subband.models.detection.detector import Detector

    if args.level is not None and args.level < 1:
        raise ValueError(f"--level must be at least 1, got {args.level}.")
    check_options(lambda: without_each_subband(torch.zeros(1, 1, 8, 8), args.wavelet, 1))
    jobs = plan(args.photo, args.out, "explained", overwrite=args.overwrite)
    if jobs[0].target.suffix.lower() != ".png":
        raise ValueError(f"--out must end in .png, not {shown(jobs[0].target.name)}.")
    pick_device(args.device)
    tasks, kind = ("classification", "detection"), "a classifier or a detector"
    model = open_weights(args, task=tasks, kind=kind, example="wsfvit_t")
    if isinstance(model, Detector):
        explain_photograph(args, jobs, model)
    else:
        _explain_classes(args, jobs, model)


def _explain_classes(args: Namespace, jobs: Sequence[Job], model: Any) -> None:
    """What a classifier sees in photographs."""
    from subband.explain.filters import filter_spectra

    if args.detection is not None:
        raise ValueError(f"--detection is for detectors; {args.model} is a classifier.")
    classifier = as_classifier(args, model)
    class_index = None if args["class"] is None else find_class(args["class"], classifier.classes)
    stages = len(classifier.model.stages)
    if args.stage is not None and not -stages <= args.stage < stages:
        raise ValueError(f"--stage must lie within the {stages} stages of {args.model}, got {args.stage}.")
    spectra = filter_spectra(classifier.model)
    results, failed = for_each(jobs, lambda job: _explain(job, args, classifier, class_index, spectra))
    if not Path(args.photo).is_dir():
        _show_subbands(results[0].drops, f"{results[0].name}: {results[0].explained}, {_percent(results[0])}")
        print(f"wrote {shown(jobs[0].target)}")
    elif results:
        _show_photographs(results, args.model)
        _write_page(jobs[0].target.with_name(PAGE), results, args, classifier, spectra)
        print(f"wrote {len(results)} images and {PAGE} to {shown(jobs[0].target.parent)}")
    report_failures(failed, len(jobs))


def find_class(wanted: str, classes: Sequence[str]) -> int:
    """Number of the class that `--class` means.

    Args:
        wanted: Name in any case, one of the names of a class with several (`tench` of `tench, Tinca tinca`), or number.
        classes: Names in order of the logits.

    Raises:
        ValueError: If there is none, or more than one.

    Example:
        >>> find_class("Tench", ["goldfish", "tench, Tinca tinca"]), find_class("0", ["goldfish", "tench, Tinca tinca"])
        (1, 0)
    """
    name = wanted.strip().casefold()
    folded = [item.casefold() for item in classes]
    found = [index for index, item in enumerate(folded) if item == name] or [
        index for index, item in enumerate(folded) if name in (part.strip() for part in item.split(","))
    ]
    if not found and name.isdecimal() and int(name) < len(classes):
        found = [int(name)]
    if len(found) > 1:
        raise ValueError(f"--class {wanted!r} means {len(found)} classes; name it by its number, one of {found}.")
    if not found:
        close = difflib.get_close_matches(name, folded, n=1)
        hint = f"did you mean {classes[folded.index(close[0])]!r}?" if close else f"there are {len(classes)}, from 0."
        raise ValueError(f"--class {wanted!r} is no class of this network; {hint}")
    return found[0]


def _explain(
    job: Job, args: Namespace, classifier: ImageClassifier, class_index: int | None, spectra: dict[str, Tensor]
) -> Photograph:
    from subband.explain.explanation import explain
    from subband.media.images import on_white, read_image
    from subband.visual.explanation_page import Photograph
    from subband.visual.explanation_panel import panel

    pixels = on_white(read_image(job.source))
    try:
        inputs = classifier.prepare(pixels)
    except ValueError as error:
        raise ValueError(f"{shown(job.source)}: {error}") from None
    explanation = explain(
        classifier.model,
        inputs,
        classes=classifier.classes,
        preprocessing=classifier.preprocessing,
        class_index=class_index,
        stage=args.stage,
        wavelet=args.wavelet,
        level=args.level,
    )
    with new_path(job.target, overwrite=args.overwrite) as temporary:
        facts = f"{shown(Path(args.model).name)}   ·   subbands of {args.wavelet}"
        temporary.write_bytes(panel(explanation, job.name, facts, spectra))
    return Photograph.of(explanation, job.name, job.target.name)


def _write_page(
    path: Path, results: Sequence[Photograph], args: Namespace, classifier: ImageClassifier, spectra: dict[str, Tensor]
) -> None:
    from subband.visual.explanation_page import explanations_page

    height, width = classifier.preprocessing.size
    details = [
        ("Model", f"{shown(args.model)} ({type(classifier.model).__name__})"),
        ("Explained class", args["class"] or "the most probable one"),
        ("Input", f"{width} × {height} pixels"),
        ("Wavelet", args.wavelet),
    ]
    with new_path(path, overwrite=args.overwrite) as temporary:
        temporary.write_text(
            explanations_page(results, shown(Path(args.model).name), details, spectra), encoding="utf-8"
        )


def _show_subbands(drops: Sequence[SubbandDrop], title: str) -> None:
    headings = ["without", "logit falls by", "probability falls by, %"]
    table = open_table(headings, title=title, right=headings[1:])
    for drop in drops:
        table.add_row(drop.name, f"{drop.logit.item():.3f}", f"{100 * drop.probability.item():.2f}")
    show_table(table)


def _show_photographs(results: Sequence[Photograph], model: str) -> None:
    from subband.visual.explanation_page import mean_drops

    headings = ["photograph", "class", "probability", "loses most without", "logit falls by"]
    table = open_table(headings, title=f"Explained for {model}", right=[headings[2], headings[4]])
    for result in results:
        drop = result.decisive
        table.add_row(result.name, result.explained, _percent(result), drop.name, f"{drop.logit.item():.3f}")
    show_table(table)
    _show_subbands(mean_drops(results), "Mean over the photographs")


def _percent(result: Photograph) -> str:
    return f"{100 * result.probability:.1f} %"
