"""Write a model as ONNX or as a torch.export program, and compare the file's output with the network's."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

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


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    from subband.cli.options import add_model_arguments

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
    from subband.cli.options import example_input, open_model

    path = _checked_path(args)
    model = open_model(args.model, args.set)
    batch = max(args.batch, 2) if args.dynamic_batch and args.batch > 0 else args.batch  # one alone would be fixed
    inputs = example_input(model, batch=batch, height=args.height, width=args.width)
    batches = _calibration(model, inputs, args) if args.int8 else []
    shape = " x ".join(["any number", *map(str, inputs.shape[1:])] if args.dynamic_batch else map(str, inputs.shape))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        result = Path(folder) / path.name
        export = export_onnx if path.suffix == ONNX else export_program
        difference = export(model, inputs, result, dynamic_batch=args.dynamic_batch)
        if not difference <= args.tolerance:  # also true for nan
            raise ValueError(
                f"the exported file differs from the network by {difference:.2e} of the largest output, more than "
                f"--tolerance {args.tolerance:g}; nothing was written."
            )
        outcome = (
            f"largest difference from the network {difference:.2e} of the largest output (accepted: {args.tolerance:g})"
        )
        if args.int8:
            result, outcome = _to_int8(result, batches)
        for file in sorted(result.parent.iterdir(), reverse=True):  # weights kept apart first, then what refers to them
            file.replace(path.parent / file.name)
    print(f"{path}: input {shape}, {outcome}.")


def export_onnx(model: nn.Module, inputs: Tensor, path: Path, *, dynamic_batch: bool = False) -> float:
    """Write an ONNX file, run it in onnxruntime on the CPU and compare.

    Args:
        model: Network in evaluation mode that takes one tensor.
        inputs: Example; its shape is fixed in the file.
        path: File to write.
        dynamic_batch: Leave the first axis open; the example needs at least two samples then.

    Returns:
        Largest absolute difference between the outputs of file and network, as a share of the largest output.

    Raises:
        ImportError: If onnx, onnxscript or onnxruntime is missing.
    """
    import torch

    from subband.export.onnx import OnnxFile, write_onnx

    write_onnx(model, inputs, path, dynamic_batch=dynamic_batch)
    file = OnnxFile(path)
    with torch.no_grad():
        return max(_difference(model(part), file(part)) for part in _batches(inputs, dynamic_batch))


def export_program(model: nn.Module, inputs: Tensor, path: Path, *, dynamic_batch: bool = False) -> float:
    """Write a `torch.export` program, load it again and compare.

    Args:
        model: Network in evaluation mode that takes one tensor.
        inputs: Example; its shape is fixed in the file.
        path: File to write.
        dynamic_batch: Leave the first axis open; the example needs at least two samples then.

    Returns:
        Largest absolute difference between the outputs of file and network, as a share of the largest output.
    """
    import torch

    shapes = ({0: torch.export.Dim("batch")},) if dynamic_batch else None
    with torch.no_grad():
        torch.export.save(torch.export.export(model, (inputs,), dynamic_shapes=shapes), path)
        file = torch.export.load(path).module()
        return max(_difference(model(part), file(part)) for part in _batches(inputs, dynamic_batch))


def _checked_path(args: Namespace) -> Path:
    """Where to write, once all that can be wrong with the options without a look at the model is not."""
    from subband.cli.options import refuse_existing

    path = Path(args.out)
    if path.suffix not in (ONNX, PROGRAM):
        raise ValueError(f"--out must end in {ONNX} or {PROGRAM}, not {path.name!r}.")
    if path.is_dir():
        raise ValueError(f"--out must be a file, but {path} is a folder.")
    if args.int8 and path.suffix != ONNX:
        raise ValueError(f"--int8 writes {ONNX} files, --out is {path.name!r}.")
    if args.int8 != (args.calibration is not None):
        raise ValueError("--int8 and --calibration FOLDER go together: ranges of numbers are measured on the images.")
    return refuse_existing(path, args.overwrite)


def _calibration(model: nn.Module, inputs: Tensor, args: Namespace) -> list[Tensor]:
    """Images of --calibration as the network takes them, in batches like the example."""
    import dataclasses

    from subband.export.int8 import calibration_batches
    from subband.export.onnx import require_onnx
    from subband.predictors.classification import ImageClassifier

    require_onnx()
    prepare = ImageClassifier(model).preprocessing
    batch, _, height, width = inputs.shape
    classifier = ImageClassifier(model, preprocessing=dataclasses.replace(prepare, size=(height, width)))
    folder, limit = Path(args.calibration), args.calibration_images
    return calibration_batches(classifier.prepare, folder, batch=batch, limit=limit)


def _to_int8(source: Path, batches: list[Tensor]) -> tuple[Path, str]:
    """Make an integer file of a float one, in a folder beside it; also says what that changed."""
    import torch

    from subband.export.int8 import quantize
    from subband.export.onnx import OnnxFile

    path = source.parent / "int8" / source.name
    path.parent.mkdir()
    quantize(source, path, batches)
    before, after = OnnxFile(source), OnnxFile(path)
    same = torch.cat([before(part).argmax(1) == after(part).argmax(1) for part in batches])
    sizes = [file.stat().st_size / 1e6 for file in (path, source)]
    return path, (
        f"8-bit integers, the class of the float32 file for {int(same.sum())} of {len(same)} calibration images "
        f"({100 * same.float().mean():.1f} %), {sizes[0]:.2f} MB instead of {sizes[1]:.2f} MB"
    )


def _batches(inputs: Tensor, dynamic_batch: bool) -> list[Tensor]:
    """What a file is tried on: the example and, if it shall take any batch, batches of other sizes."""
    import torch

    return [inputs, inputs[:1], torch.cat([inputs, inputs.flip(0)])] if dynamic_batch else [inputs]


def _difference(wanted: Tensor, found: Tensor) -> float:
    difference, largest = (wanted - found).abs().max().item(), wanted.abs().max().item()
    return difference / largest if largest else difference
