"""Write a model as ONNX or as a torch.export program, and compare the file's output with the network's."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor, nn

EXAMPLES = """examples:
  subband export runs/wast --out wast.onnx
  subband export simvp_gsta --set in_shape=[10,1,64,64] --batch 4 --out simvp.pt2
  subband export runs/wast --height 128 --width 128 --out wast_128.onnx --overwrite
"""

ONNX, PROGRAM = ".onnx", ".pt2"
PROTOBUF_LIMIT = 2**31  # bytes in one ONNX file; larger weights go to a second file beside it


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    from subband.cli._common import add_model_arguments

    add_model_arguments(parser)
    parser.add_argument("--out", type=str, required=True, help="File to write: .onnx or .pt2 (torch.export).")
    parser.add_argument("--batch", type=int, default=1, help="Clips in a batch; fixed in the file.")
    parser.add_argument(
        "--height", type=int, default=None, help="Height; fixed in the file, by default that of training."
    )
    parser.add_argument(
        "--width", type=int, default=None, help="Width; fixed in the file, by default that of training."
    )
    parser.add_argument("--tolerance", type=float, default=1e-4, help="Largest accepted difference of the outputs.")
    parser.add_argument("--overwrite", action="store_true", help="Replace what is at --out.")


def run(args: Namespace) -> None:
    """Export, reload, compare, and only then put the file in its place."""
    from subband.cli._common import example_input, open_model, refuse_existing

    path = Path(args.out)
    if path.suffix not in (ONNX, PROGRAM):
        raise ValueError(f"--out must end in {ONNX} or {PROGRAM}, not {path.name!r}.")
    if path.is_dir():
        raise ValueError(f"--out must be a file, but {path} is a folder.")
    path = refuse_existing(path, args.overwrite)
    model = open_model(args.model, args.set)
    inputs = example_input(model, batch=args.batch, height=args.height, width=args.width)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        aside = Path(folder) / path.name
        difference = (export_onnx if path.suffix == ONNX else export_program)(model, inputs, aside)
        if not difference <= args.tolerance:  # also true for nan
            raise ValueError(
                f"the exported file differs from the network by {difference:.2e}, more than --tolerance "
                f"{args.tolerance:g}; nothing was written."
            )
        for file in sorted(Path(folder).iterdir(), reverse=True):  # weights kept apart first, then what refers to them
            file.replace(path.parent / file.name)
    shape = " x ".join(map(str, inputs.shape))
    print(
        f"{path}: input {shape}, largest difference from the network {difference:.2e} (accepted: {args.tolerance:g})."
    )


def export_onnx(model: nn.Module, inputs: Tensor, path: Path) -> float:
    """Write an ONNX file, run it in onnxruntime on the CPU and compare.

    Args:
        model: Network in evaluation mode that takes one tensor.
        inputs: Example; its shape is fixed in the file.
        path: File to write.

    Returns:
        Largest absolute difference between the outputs of file and network.

    Raises:
        ImportError: If onnx, onnxscript or onnxruntime is missing.
    """
    import torch

    try:
        import onnxruntime
        import onnxscript  # noqa: F401  torch.onnx needs it and would say so less clearly
    except ImportError as error:
        raise ImportError(f"ONNX export needs the package {error.name}; pip install 'subband[export]'.") from error

    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the exporter's own, about its own code
        torch.onnx.export(
            model,
            (inputs,),
            path,
            dynamo=True,
            input_names=["frames"],
            output_names=["prediction"],
            external_data=size > 0.9 * PROTOBUF_LIMIT,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {"frames": inputs.numpy()})
    return _difference(model, inputs, torch.from_numpy(exported))


def export_program(model: nn.Module, inputs: Tensor, path: Path) -> float:
    """Write a `torch.export` program, load it again and compare.

    Args:
        model: Network in evaluation mode that takes one tensor.
        inputs: Example; its shape is fixed in the file.
        path: File to write.

    Returns:
        Largest absolute difference between the outputs of file and network.
    """
    import torch

    with torch.no_grad():
        torch.export.save(torch.export.export(model, (inputs,)), path)
        exported = torch.export.load(path).module()(inputs)
    return _difference(model, inputs, exported)


def _difference(model: nn.Module, inputs: Tensor, exported: Tensor) -> float:
    import torch

    with torch.no_grad():
        return (model(inputs) - exported).abs().max().item()
