"""What 8-bit integers cost a trained classifier: top-1 on the test set of its run, file size and time, before and
after.

Both files are written by `subband export` and run in onnxruntime, one image at a time, on one thread; the time is the
shortest of many passes over one image. Ranges of activations are measured on validation images.

usage: python benchmarks/quantization.py RUN [RUN ...] [--calibration-images 256] [--repeats 5]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from pathlib import Path

import torch
from torch import Tensor

import subband
from subband.cli.main import main as subband_command
from subband.config import load_recipe
from subband.data.labelled.images import ImageData, LabelledImages, build_images
from subband.environment import describe_environment
from subband.export.onnx import OnnxFile
from subband.media import write_image
from timing import describe_clock, shortest


def data_of(run: Path) -> ImageData:
    """The splits that a run was trained and is tested on."""
    config = load_recipe(run / "config.yaml")
    return build_images(config.data.name, config.data.args, config.seed)


def write_images(images: LabelledImages, folder: Path, count: int) -> None:
    """Pictures of a split in a folder, evenly from all."""
    prepare = images.spec.preprocessing
    folder.mkdir()
    for number in range(min(count, len(images))):
        index = number * len(images) // min(count, len(images))
        write_image(folder / f"{number}.png", prepare.denormalize(images[index][0]).clamp(0, 1))


def export(run: Path, path: Path, *words: str) -> OnnxFile:
    """The file of `subband export`."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = subband_command(["export", str(run), "--out", str(path), *words])
    if code != 0:
        raise SystemExit(code)
    return OnnxFile(path, threads=1)


def top1(file: OnnxFile, images: LabelledImages) -> tuple[float, Tensor]:
    """Share of right answers, and the answers."""
    answers = torch.cat([file(image[None]).argmax(1) for image, _ in (images[i] for i in range(len(images)))])
    return (answers == torch.tensor(images.labels)).float().mean().item(), answers


def rows(run: Path, options: argparse.Namespace) -> list[str]:
    """The two lines of a run."""
    data = data_of(run)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(data.val, folder / "images", options.calibration_images)
        paths = {"float32": folder / "float.onnx", "int8": folder / "int8.onnx"}
        extra = ["--calibration", str(folder / "images"), "--calibration-images", str(options.calibration_images)]
        files = {"float32": export(run, paths["float32"]), "int8": export(run, paths["int8"], "--int8", *extra)}
        image = data.test[0][0][None]
        calls = {kind: (lambda file=file: file(image)) for kind, file in files.items()}
        times = shortest(calls, options.repeats, torch.device("cpu"))
        scores = {kind: top1(file, data.test) for kind, file in files.items()}
        same = (scores["float32"][1] == scores["int8"][1]).float().mean().item()
        model = subband.load_model(run).model_config["name"]
        return [
            f"| {run.name} ({model}) | {kind} | {100 * scores[kind][0]:.2f} | {100 * (1.0 if kind == 'float32' else same):.2f} "
            f"| {path.stat().st_size / 1e6:.2f} | {times[kind]:.3f} |"
            for kind, path in paths.items()
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder of a classifier")
    parser.add_argument("--calibration-images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()))
    print(f"clock: {describe_clock(torch.device('cpu'))}")
    print("\n| run | numbers | top-1 % | same class as float32 % | MB | ms per image |")
    print("|---" * 6 + "|")
    for run in options.runs:
        print(*rows(run, options), sep="\n", flush=True)


if __name__ == "__main__":
    main()
