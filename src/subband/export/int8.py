"""Integer weights and activations for ONNX files of classifiers, from ranges that are measured on images.

Convolutions and linear layers with learned weights run on 8-bit integers, weights with one scale for each output
channel. What they are not made for stays in float32: normalization, activations, products of two activations in
attention, Fourier and cosine transforms.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from subband.export.onnx import OnnxFile, require_onnx
from subband.extras import names_extra
from subband.media.images import on_white, read_image
from subband.media.picture_files import find_pictures, warn_left_out
from subband.predictors.classification import ImageClassifier

__all__ = ["Outcome", "calibration_batches", "calibration_inputs", "export_int8", "quantize"]

QUANTIZED = ("Conv", "Gemm", "MatMul")
# Marks of nodes that keep float32, in what torch.onnx notes about their origin: transforms and attention call `matmul`
# itself, linear layers do not; the front end that makes cosine coefficients is one fixed convolution.
FLOAT_ORIGINS = ("aten.matmul", "aten.bmm", "subband.layers.jpeg_dct")
ORIGIN = "pkg.torch.onnx.class_hierarchy"


class Outcome(NamedTuple):
    """What integers changed.

    Attributes:
        same: Calibration images with the same most probable class as before.
        images: How many there are.
        megabytes: Size of the file.
        megabytes_before: Size of the float file.
    """

    same: int
    images: int
    megabytes: float
    megabytes_before: float


def calibration_inputs(model: nn.Module, folder: Path, inputs: Tensor, limit: int) -> list[Tensor]:
    """Images of a folder as a classifier takes them, in batches like an example.

    Args:
        model: The classifier.
        folder: Photographs, in the folder itself or in folders inside it.
        inputs: Example `(B, 3, H, W)`.
        limit: Most images to take.

    Raises:
        ImportError: If onnx, onnxscript or onnxruntime is missing.
        TypeError: If the network is no classifier.
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds fewer photographs than a batch, or one of them cannot be read.
    """
    require_onnx()
    prepare = ImageClassifier(model).preprocessing
    batch, _, height, width = inputs.shape
    classifier = ImageClassifier(model, preprocessing=replace(prepare, size=(height, width)))
    return calibration_batches(classifier.prepare, folder, batch=batch, limit=limit)


def export_int8(source: Path, path: Path, batches: Sequence[Tensor]) -> Outcome:
    """Make an integer file of a float one and see what that changed.

    Args:
        source: File of the float network, as `subband.export.onnx.export_onnx` writes it.
        path: File to write.
        batches: Inputs that ranges of activations are measured on.
    """
    quantize(source, path, batches)
    before, after = OnnxFile(source), OnnxFile(path)
    same = torch.cat([before(part).argmax(1) == after(part).argmax(1) for part in batches])
    return Outcome(int(same.sum()), len(same), path.stat().st_size / 1e6, source.stat().st_size / 1e6)


def calibration_batches(prepare: Callable[[Tensor], Tensor], folder: Path, *, batch: int, limit: int) -> list[Tensor]:
    """Images of a folder as the network takes them, in batches of one size.

    Args:
        prepare: From an image `(C, H, W)` in [0, 1] to the network's input.
        folder: Photographs, in the folder itself or in folders inside it.
        batch: Images in each batch; what is left over at the end is not used.
        limit: Most images to take, evenly from all.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds fewer photographs than a batch, or one of them cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder of images for calibration.")
    found = find_pictures(folder, with_subfolders=True)
    paths = sorted(found.files)
    if len(paths) < batch:
        others = f" (left out: {summary})" if (summary := found.summary()) else ""
        raise ValueError(f"{folder} holds {len(paths)} photographs, fewer than a batch of {batch}{others}.")
    warn_left_out(folder, found)
    count = min(len(paths), max(limit, batch)) // batch * batch
    chosen = [paths[index * len(paths) // count] for index in range(count)]
    inputs = [prepare(on_white(read_image(path))) for path in chosen]
    return list(torch.stack(inputs).split(batch))


def quantize(source: Path, path: Path, batches: Sequence[Tensor]) -> None:
    """Write an ONNX file whose convolutions and linear layers run on 8-bit integers.

    Args:
        source: File of the float network, as `write_onnx` writes it.
        path: File to write; it keeps the facts stored in the other.
        batches: Inputs that ranges of activations are measured on.
    """
    with names_extra("ONNX files need"):
        import onnx
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    graph = onnx.load(source, load_external_data=False)
    name, facts = graph.graph.input[0].name, {item.key: item.value for item in graph.metadata_props}
    with _quiet(), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        quantize_static(
            _prepared(source, Path(folder) / "prepared.onnx"),
            path,
            _reader(name, batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            nodes_to_exclude=[node.name for node in graph.graph.node if _keeps_float(node)],
            per_channel=True,
            reduce_range=True,  # 7 bits: processors without VNNI add products in 16 bits, which 8 bits overflow
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"MatMulConstBOnly": True},
        )
    result = onnx.load(path)
    onnx.helper.set_model_props(result, facts)
    onnx.save(result, path)


def _prepared(source: Path, path: Path) -> Path:
    """The file with shapes inferred and operators joined; as it is, where onnxruntime cannot prepare it."""
    with names_extra("ONNX files need"):
        from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        quant_pre_process(source, path)
    except Exception as error:  # onnxruntime raises its own types and bare Exception
        logging.getLogger(__name__).info("quantization without preparation: %s", error)
        return source
    return path


def _keeps_float(node: Any) -> bool:
    origin = next((item.value for item in node.metadata_props if item.key == ORIGIN), "")
    return any(mark in origin for mark in FLOAT_ORIGINS)


def _reader(name: str, batches: Sequence[Tensor]) -> Any:
    """onnxruntime's view of the batches."""
    with names_extra("ONNX files need"):
        from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        """Hands out batches one by one."""

        def __init__(self) -> None:
            self._rest = iter(batches)

        def get_next(self) -> dict[str, Any] | None:
            """The next batch, None at the end."""
            batch = next(self._rest, None)
            return None if batch is None else {name: batch.numpy()}

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's advice, which it gives through the root logger."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
