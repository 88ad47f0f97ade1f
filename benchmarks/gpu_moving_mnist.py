"""Train the Moving MNIST recipes on a GPU for a fixed time each, and record the error against time.

Sequences are drawn on the GPU; bf16 and torch.compile are on. The number of epochs is what fits into the time, at most
the published 200, measured on the machine first, so that the one-cycle schedule ends when the time does.

usage: python benchmarks/gpu_moving_mnist.py --digits t10k-images-idx3-ubyte.gz [--minutes 20] [--runs runs/gpu]
       [--out FILE.json]
"""

import argparse
import csv
import time
from pathlib import Path

import torch

import subband
from records import Cell, add_out_argument, describe_environment, measured, rounded, write_record
from subband.config import RecipeConfig, load_recipe
from subband.data import build_data
from subband.training.loop import train

RECIPES = ("simvp_gsta_mmnist", "tau_mmnist", "wast_mmnist")
PUBLISHED_EPOCHS = 200
WARM_UP_STEPS, TIMED_STEPS = 20, 40
COLUMNS = ["model", "ms per step", "epochs", "train s", "MSE", "MAE", "PSNR dB", "SSIM", "val MSE over train s"]


def seconds_per_step(recipe: RecipeConfig) -> float:
    """Time of one training step with everything as in the run."""
    device = torch.device("cuda")
    data = build_data(recipe.data.name, recipe.data.args, recipe.seed)
    args = {key: tuple(value) if isinstance(value, list) else value for key, value in recipe.model.args.items()}
    model = subband.create_model(recipe.model.name, **{"in_shape": data.spec.in_shape, **args}).to(device)
    model.compile()
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(WARM_UP_STEPS + TIMED_STEPS):
        if step == WARM_UP_STEPS:
            torch.cuda.synchronize()
            started = time.perf_counter()
        keys = list(range(step * recipe.data.batch_size, (step + 1) * recipe.data.batch_size))
        inputs, targets = data.train.batch(keys, device)
        with torch.autocast(device.type, torch.bfloat16):
            loss = torch.nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / TIMED_STEPS


def curve(folder: Path, seconds: float, epochs: int) -> list[str]:
    """Error on the validation set at about ten times of a run."""
    with open(folder / "metrics.csv") as file:
        points = [(int(row["epoch"]), float(row["val_mse"])) for row in csv.DictReader(file) if row.get("val_mse")]
    chosen = points[:: max(1, len(points) // 10)]
    return [f"{seconds * (epoch + 1) / epochs:.0f} s: {mse:.2f}" for epoch, mse in chosen]


def row_of(name: str, options: argparse.Namespace) -> list[Cell]:
    """Train one recipe; returns its row of the table."""
    changes = {
        "data": {"args": {"root": None, "digits": options.digits}},
        "trainer": {"device": "cuda", "precision": "bf16", "compile": True, "tensorboard": False},
    }
    recipe = load_recipe(f"video_prediction/{name}", changes)
    step = seconds_per_step(recipe)
    steps_per_epoch = 10_000 // recipe.data.batch_size
    epochs = max(1, min(PUBLISHED_EPOCHS, int(options.minutes * 60 / (step * steps_per_epoch))))
    recipe.trainer.epochs = epochs
    print(f"{name}: {step * 1e3:.1f} ms a step, {epochs} epochs", flush=True)
    (row, *_) = train(recipe, options.runs / name, overwrite=True, progress=False)["rows"]
    points = curve(options.runs / name, row["train_seconds"], epochs)
    digits = {"mse": 2, "mae": 2, "psnr": 2, "ssim": 4}
    scores = [rounded(row["metrics"][key], count) for key, count in digits.items()]
    print(*(f"  val MSE after {point}" for point in points), sep="\n")
    print("  test", "  ".join(f"{key.upper()} {score}" for key, score in zip(digits, scores, strict=True)), flush=True)
    return [name, rounded(step * 1e3, 1), epochs, rounded(row["train_seconds"], 0), *scores, ", ".join(points)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--digits", required=True, help="idx file: the last 1,000 digits are kept for validation and test"
    )
    parser.add_argument("--minutes", type=float, default=20.0, help="training time of each model")
    parser.add_argument("--runs", type=Path, default=Path("runs/gpu_moving_mnist"), help="folder of the run folders")
    parser.add_argument("--recipes", nargs="+", default=RECIPES, choices=RECIPES)
    add_out_argument(parser)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("this benchmark needs a CUDA device")
    torch.set_float32_matmul_precision("high")
    for fact, value in describe_environment().items():
        print(f"{fact}: {value}")
    rows = [row_of(name, options) for name in options.recipes]
    if options.out is not None:
        about = f"{options.minutes:g} minutes a model, bf16, torch.compile, sequences drawn on the GPU."
        write_record(measured("Moving MNIST on a GPU", COLUMNS, rows, seeds=[0], about=[about]), options.out)


if __name__ == "__main__":
    main()
