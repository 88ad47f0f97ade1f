"""What 8-bit integers cost a trained classifier: top-1 on the test set of its run, file size and time, before and
after.

Both files are written by `subband export` and run in onnxruntime, one image at a time, on one thread; the time is the
shortest of many passes over one image. Ranges of activations are measured on validation images.

usage: python benchmarks/quantization.py RUN [RUN ...] [--calibration-images 256] [--repeats 5] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import onnxruntime
import torch
from PIL import Image
from torch import Tensor

import subband
from records import Cell, add_out_argument, describe_environment, line, measured, rounded, write_record
from subband.cli.main import main as subband_command
from subband.config import load_recipe
from subband.data import ImageData, LabelledImages, build_data
from timing import describe_clock, shortest

COLUMNS = ["run", "numbers", "top-1 %", "same class as float32 %", "MB", "ms per image"]


def data_of(run: Path) -> ImageData:
    """The splits that a run was trained and is tested on."""
    config = load_recipe(run / "config.yaml")
    return build_data(config.data.name, config.data.args, config.seed)


def write_images(images: LabelledImages, folder: Path, count: int) -> None:
    """Pictures of a split in a folder, evenly from all."""
    prepare = images.spec.preprocessing
    folder.mkdir()
    for number in range(min(count, len(images))):
        index = number * len(images) // min(count, len(images))
        pixels = (255 * prepare.denormalize(images[index][0]).clamp(0, 1)).round().byte()
        colors = pixels.permute(1, 2, 0) if len(pixels) == 3 else pixels[0]
        Image.fromarray(colors.numpy()).save(folder / f"{number}.png")


def export(run: Path, path: Path, *words: str) -> Callable[[Tensor], Tensor]:
    """Write the file of `subband export`; returns how it is run on one thread."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = subband_command(["export", str(run), "--out", str(path), *words])
    if code != 0:
        raise SystemExit(code)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return partial(logits, session)


def logits(session: onnxruntime.InferenceSession, images: Tensor) -> Tensor:
    """Output of a network for a batch of images."""
    (result,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    return torch.from_numpy(result)


def top1(network: Callable[[Tensor], Tensor], images: LabelledImages) -> tuple[float, Tensor]:
    """Share of right answers, and the answers."""
    answers = torch.cat([network(image[None]).argmax(1) for image, _ in (images[i] for i in range(len(images)))])
    return (answers == torch.tensor(images.labels)).float().mean().item(), answers


def rows(run: Path, options: argparse.Namespace) -> list[list[Cell]]:
    """The two rows of a run."""
    data = data_of(run)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(data.val, folder / "images", options.calibration_images)
        paths = {"float32": folder / "float.onnx", "int8": folder / "int8.onnx"}
        extra = ["--calibration", str(folder / "images"), "--calibration-images", str(options.calibration_images)]
        networks = {"float32": export(run, paths["float32"]), "int8": export(run, paths["int8"], "--int8", *extra)}
        image = data.test[0][0][None]
        calls = {kind: partial(network, image) for kind, network in networks.items()}
        times = shortest(calls, options.repeats, torch.device("cpu"))
        scores = {kind: top1(network, data.test) for kind, network in networks.items()}
        same = (scores["float32"][1] == scores["int8"][1]).float().mean().item()
        model = subband.load_model(run).model_config["name"]
        return [
            [
                f"{run.name} ({model})",
                kind,
                rounded(100 * scores[kind][0], 2),
                rounded(100 * (1.0 if kind == "float32" else same), 2),
                rounded(path.stat().st_size / 1e6, 2),
                rounded(times[kind], 3),
            ]
            for kind, path in paths.items()
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder of a classifier")
    parser.add_argument("--calibration-images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    add_out_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()))
    print(f"clock: {describe_clock(torch.device('cpu'))}")
    print("", line(COLUMNS), "|---" * len(COLUMNS) + "|", sep="\n")
    results = []
    for run in options.runs:
        found = rows(run, options)
        print(*map(line, found), sep="\n", flush=True)
        results += found
    if options.out is not None:
        about = [f"One image at a time on one thread; shortest of {options.repeats} rounds."]
        software = f"onnxruntime {version('onnxruntime')}"
        write_record(measured("8-bit integers", COLUMNS, results, software=software, about=about), options.out)


if __name__ == "__main__":
    main()
