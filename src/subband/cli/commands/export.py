"""Write a model as ONNX or as a torch.export program, and compare the file's output with the network's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from subband.cli.option_rules import Needs
from subband.cli.options import add_model_arguments, attempt, example_input, open_model, refuse_existing
from subband.files import naming, shown, utf8_path

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor, nn

EXAMPLES = """examples:
  subband export runs/wast --out wast.onnx
  subband export simvp_gsta --set in_shape=[10,1,64,64] --batch 4 --out simvp.pt2
  subband export runs/gfnet --dynamic-batch --out gfnet.onnx
  subband export runs/gfnet --int8 --calibration photos/ --out gfnet_int8.onnx
  subband export runs/wast --height 128 --width 128 --out wast_128.onnx --overwrite
"""

ONNX, PROGRAM = ".onnx", ".pt2"

OPTION_RULES = (
    Needs("--calibration-images", lambda args: args.int8, "goes with --int8 and --calibration FOLDER"),
    Needs(
        "--batch",
        lambda args: not args.dynamic_batch,
        "fixes the batch in the file and --dynamic-batch leaves it open; use one of them",
    ),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_model_arguments(parser)
    parser.add_argument("--out", type=str, required=True, help="File to write: .onnx or .pt2 (torch.export).")
    parser.add_argument("--batch", type=int, default=1, help="Images or clips in a batch; fixed in the file.")
    parser.add_argument("--dynamic-batch", action="store_true", help="Let the file take batches of any size.")
    parser.add_argument(
        "--height", type=int, default=None, help="Height; fixed in the file, by default that of training."
    )
    parser.add_argument(
        "--width", type=int, default=None, help="Width; fixed in the file, by default that of training."
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        help="Largest accepted difference of the outputs, as a share of the largest output.",
    )
    parser.add_argument(
        "--int8", action="store_true", help="Compute with 8-bit integers (ONNX files of image classifiers)."
    )
    parser.add_argument(
        "--calibration", type=str, default=None, help="Folder of images like those to classify; --int8 needs it."
    )
    parser.add_argument("--calibration-images", type=int, default=256, help="Most images to take from it.")
    parser.add_argument("--overwrite", action="store_true", help="Replace what is at --out.")


def run(args: Namespace) -> None:
    """Export, reload, compare, and only then put the file in its place."""
    from subband.export.int8 import calibration_inputs, export_int8

    path = _checked_path(args)
    model = open_model(args.model, args.set)
    batch = 2 if args.dynamic_batch else args.batch  # one alone would be fixed
    inputs = example_input(model, batch=batch, height=args.height, width=args.width)
    batches = []
    if args.int8:
        batches = calibration_inputs(model, Path(args.calibration), inputs[0], args.calibration_images)
    shape = ", ".join(_shape_of(tensor, args.dynamic_batch) for tensor in inputs)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".subband-") as made,
        utf8_path(Path(made)) as folder,
        naming(path, folder),
    ):
        result = folder / (path.name if shown(path.name) == path.name else f"model{path.suffix}")
        export = _exporter(path, model)
        with attempt(f"{args.model} cannot be written as {path.suffix}"):
            difference = export(model, inputs, result, dynamic_batch=args.dynamic_batch)
        if not difference <= args.tolerance:  # also true for nan
            raise ValueError(
                f"the exported file differs from the network by {difference:.2e} of the largest output, more than "
                f"--tolerance {args.tolerance:g}; nothing was written."
            )
        outcome = f"largest difference from the network {difference:.2e} of the largest output"
        outcome += f" (accepted: {args.tolerance:g})"
        if args.int8:
            source, result = result, result.parent / "int8" / result.name
            result.parent.mkdir()
            same, images, size, before = export_int8(source, result, batches)
            outcome = f"8-bit integers, the class of the float32 file for {same} of {images} calibration images"
            outcome += f" ({100 * same / images:.1f} %), {size:.2f} MB instead of {before:.2f} MB"
        for file in sorted(result.parent.iterdir(), reverse=True):  # weights kept apart first, then what refers to them
            file.replace(path if file.name == result.name else path.parent / file.name)
    print(f"{shown(path)}: input {shape}, {outcome}.")


def _exporter(path: Path, model: nn.Module) -> Callable[..., float]:
    """What writes a file of this suffix and says how far it is from the network."""
    from subband.export.onnx import export_onnx
    from subband.export.program import export_program
    from subband.models.detection.detector import Detector

    if path.suffix != ONNX:
        return export_program
    if not isinstance(model, Detector):
        return export_onnx
    from subband.export.detection import export_detector  # needs PyTorch 2.8

    return export_detector


def _shape_of(tensor: Tensor, dynamic_batch: bool) -> str:
    return " x ".join(["any number", *map(str, tensor.shape[1:])] if dynamic_batch else map(str, tensor.shape))


def _checked_path(args: Namespace) -> Path:
    """Where to write, once all that can be wrong with the options without a look at the model is not."""
    path = Path(args.out)
    if path.suffix not in (ONNX, PROGRAM):
        raise ValueError(f"--out must end in {ONNX} or {PROGRAM}, not {shown(path.name)}.")
    if path.is_dir():
        raise ValueError(f"--out must be a file, but {path} is a folder.")
    if args.int8 and path.suffix != ONNX:
        raise ValueError(f"--int8 writes {ONNX} files, --out is {shown(path.name)}.")
    if args.int8 != (args.calibration is not None):
        raise ValueError("--int8 and --calibration FOLDER go together: ranges of numbers are measured on the images.")
    return refuse_existing(path, args.overwrite)
