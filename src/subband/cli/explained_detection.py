"""What `subband explain` does with a detector: one of its objects in one photograph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from subband.cli.options import open_table, show_table
from subband.cli.photographs import Job, for_each
from subband.files import new_path, shown

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from subband.explain.detection import DetectionExplanation
    from subband.models.detection.detector import Detector
    from subband.predictors.detection import DetectionPredictor

_FOR_CLASSIFIERS = ("class", "classes", "stage")


def explain_photograph(args: Namespace, jobs: Sequence[Job], model: Detector) -> None:
    """Explain one detection, write the image, print a table.

    Args:
        args: Options of `subband explain`.
        jobs: The photograph and where its image goes.
        model: The detector.

    Raises:
        ValueError: If there is a folder of photographs or an option for classifiers, nothing is found, or there is no
            such detection.
    """
    from subband.device import pick_device
    from subband.predictors.detection import DetectionPredictor

    for name in _FOR_CLASSIFIERS:
        if args[name] is not None:
            raise ValueError(f"--{name} is for classifiers; {args.model} is a detector, see --detection.")
    if Path(args.photo).is_dir():
        raise ValueError(f"{shown(args.photo)} is a folder; of a detector, one photograph is explained at a time.")
    predictor = DetectionPredictor(model, device=pick_device(args.device))
    ((explanation,), _) = for_each(jobs, lambda job: _explain(job, args, predictor))
    name = predictor.classes[int(explanation.found.labels[explanation.index])]
    headings = ["without", "score", "without it inside the box alone"]
    title = f"{jobs[0].name}: detection {explanation.index}, {shown(name)}, score {explanation.score:.3f}"
    table = open_table(headings, title=title, right=headings[1:])
    for drop in explanation.drops:
        table.add_row(drop.name, f"{drop.everywhere:.3f}", f"{drop.inside:.3f}")
    show_table(table)
    print(f"wrote {shown(jobs[0].target)}")


def _explain(job: Job, args: Namespace, predictor: DetectionPredictor) -> DetectionExplanation:
    from subband.explain.detection import explain_detection
    from subband.predictors.inputs import as_image
    from subband.visual.detection_panel import detection_panel

    pixels = as_image(job.source).expand(3, -1, -1)
    parameter = next(predictor.model.parameters())
    inputs = predictor.preprocessing(pixels.to(parameter.device)).to(parameter)
    try:
        explanation = explain_detection(
            predictor.model, inputs, args.detection or 0, wavelet=args.wavelet, level=args.level
        )
    except ValueError as error:
        raise ValueError(f"{shown(job.source)}: {error}") from None
    with new_path(job.target, overwrite=args.overwrite) as temporary:
        facts = f"{shown(Path(args.model).name)}   ·   subbands of {args.wavelet}"
        picture = detection_panel(
            explanation, inputs, predictor.preprocessing, classes=predictor.classes, name=job.name, facts=facts
        )
        temporary.write_bytes(picture)
    return explanation
