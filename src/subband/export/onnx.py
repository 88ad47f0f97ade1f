"""ONNX files: written with names that say what goes in and the facts an engineer needs beside the weights, and run."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from subband._version import __version__
from subband.export.difference import largest_difference
from subband.extras import names_extra
from subband.models.arguments import Inputs, as_arguments
from subband.models.dct.front_end import DCTClassifier
from subband.models.protocols.classifier import Classifier
from subband.models.protocols.restoration import RestorationModel

__all__ = ["OnnxFile", "export_onnx", "require_onnx", "stored_facts", "tensor_names", "write_onnx"]

PROTOBUF_LIMIT = 2**31  # bytes in one ONNX file; larger weights go to a second file beside it
# Of every node: the exporting machine's own paths, which are nobody's business.
STACK_TRACE = "pkg.torch.onnx.stack_trace"
STORED_FACTS = ("classes", "preprocessing")  # of a model's metadata


def require_onnx() -> None:
    """Check for the packages of the `export` extra.

    Raises:
        ImportError: If onnx, onnxscript or onnxruntime is missing.
    """
    with names_extra("ONNX files need"):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401  torch.onnx needs it and would say so less clearly


def export_onnx(model: nn.Module, inputs: Inputs, path: Path, *, dynamic_batch: bool = False) -> float:
    """Write an ONNX file, run it in onnxruntime on the CPU and compare.

    Args:
        model: Network in evaluation mode.
        inputs: Example of what it is called with; shapes are fixed in the file.
        path: File to write.
        dynamic_batch: Leave the first axis of all of them open; the example needs at least two samples then.

    Returns:
        Largest absolute difference between the outputs of file and network, as a share of the largest output.

    Raises:
        ImportError: If onnx, onnxscript or onnxruntime is missing.
    """
    write_onnx(model, inputs, path, dynamic_batch=dynamic_batch)
    return largest_difference(model, OnnxFile(path), inputs, dynamic_batch=dynamic_batch)


def tensor_names(model: nn.Module) -> tuple[str, str]:
    """What the file calls the first input and the first output of a network."""
    if not isinstance(model, Classifier):
        return "frames", "restored" if isinstance(model, RestorationModel) else "prediction"
    takes_coefficients = isinstance(model, DCTClassifier) and isinstance(model.front_end, nn.Identity)
    return "coefficients" if takes_coefficients else "images", "logits" if model.num_classes else "features"


def write_onnx(model: nn.Module, inputs: Inputs, path: Path, *, dynamic_batch: bool = False) -> None:
    """Write an ONNX file.

    Names of classes and the preprocessing are stored as JSON in its `metadata_props`, where the model has them.

    Args:
        model: Network in evaluation mode.
        inputs: Example of what it is called with; shapes are fixed in the file.
        path: File to write.
        dynamic_batch: Leave the first axis of all of them open; the example needs at least two samples then.

    Raises:
        ImportError: If onnx, onnxscript or onnxruntime is missing.
    """
    require_onnx()
    name, result = tensor_names(model)
    arguments = as_arguments(inputs)
    names = [name, *(f"{name}_{number}" for number in range(1, len(arguments)))]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own, about its own code
        program = torch.onnx.export(
            model,
            arguments,
            dynamo=True,
            input_names=names,
            output_names=[result],
            dynamic_shapes=({0: torch.export.Dim("batch")},) * len(arguments) if dynamic_batch else None,
            verbose=False,
        )
    save_program(program, model, arguments[0], path)


def save_program(program: torch.onnx.ONNXProgram | None, model: nn.Module, inputs: Tensor, path: Path) -> None:
    """Write what the exporter has made, with the facts about the network and without traces of this machine.

    Args:
        program: Result of `torch.onnx.export`.
        model: The network.
        inputs: The first of what it was exported with.
        path: File to write.
    """
    assert program is not None  # without dynamo there would be none
    for node in program.model.graph:
        node.metadata_props.pop(STACK_TRACE, None)
    program.model.metadata_props.update(stored_facts(model, inputs))
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    program.save(path, external_data=size > 0.9 * PROTOBUF_LIMIT)


def stored_facts(model: nn.Module, inputs: Tensor) -> dict[str, str]:
    """What an ONNX file says beside its weights: text by key, JSON where it is more than a word."""
    config: Any = getattr(model, "model_config", {})
    metadata: Any = dict(getattr(model, "metadata", {}))
    if "preprocessing" in metadata and tensor_names(model)[0] == "images":
        # The file's size may not be that of training.
        metadata["preprocessing"] = {**metadata["preprocessing"], "size": list(inputs.shape[-2:])}
    facts = {key: json.dumps(metadata[key]) for key in STORED_FACTS if key in metadata}
    return {"model": config.get("name", ""), "subband_version": __version__, **facts}


class OnnxFile:
    """An ONNX file in onnxruntime on the CPU.

    Args:
        path: The file.
        threads: Threads of one operator; onnxruntime's choice by default.

    Attributes:
        facts: The file's `metadata_props`.

    Raises:
        ValueError: If onnxruntime cannot read or run the file.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        with names_extra("ONNX files need"):
            import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has types of its own
            raise ValueError(f"onnxruntime does not take {path.name}: {error}") from error
        self.facts: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The first output for a batch of every input, in their order."""
        return self.all_results(*inputs)[0]

    def all_results(self, *inputs: Tensor) -> list[Tensor]:
        """All outputs for a batch of every input, in their order."""
        names = [node.name for node in self._session.get_inputs()]
        results = self._session.run(None, {name: t.numpy() for name, t in zip(names, inputs, strict=True)})
        return [torch.from_numpy(result) for result in results]
