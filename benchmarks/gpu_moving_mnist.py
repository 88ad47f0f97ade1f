"""Train the Moving MNIST recipes on a GPU for a fixed time each, and record the error against time.

Sequences are drawn on the GPU; bf16 and torch.compile are on. The number of epochs is what fits into the time, at most
the published 200, measured on the machine first, so that the one-cycle schedule ends when the time does.

usage: python benchmarks/gpu_moving_mnist.py --digits t10k-images-idx3-ubyte.gz [--minutes 20] [--out runs/gpu]
"""

import argparse
import csv
import time
from pathlib import Path

import torch

from subband.config import RecipeConfig, load_recipe
from subband.environment import describe_environment
from subband.tasks import task_class
from subband.training.loop import train
from subband.training.trainer import pick_training_device

RECIPES = ("simvp_gsta_mmnist", "tau_mmnist", "wast_mmnist")
PUBLISHED_EPOCHS = 200
WARM_UP_STEPS, TIMED_STEPS = 20, 40


def seconds_per_step(recipe: RecipeConfig) -> float:
    """Time of one training step with everything as in the run."""
    device = pick_training_device(recipe.trainer)
    task_type = task_class(recipe.task)
    data = task_type.build_data(recipe)
    model = task_type.build_model(recipe, data.spec).to(device)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--digits", required=True, help="idx file: the last 1,000 digits are kept for validation and test"
    )
    parser.add_argument("--minutes", type=float, default=20.0, help="training time of each model")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu_moving_mnist"))
    parser.add_argument("--recipes", nargs="+", default=RECIPES, choices=RECIPES)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("this benchmark needs a CUDA device")
    torch.set_float32_matmul_precision("high")
    for fact, value in describe_environment().items():
        print(f"{fact}: {value}")
    for name in options.recipes:
        changes = {
            "data": {"args": {"root": None, "digits": options.digits}},
            "trainer": {"device": "cuda", "precision": "bf16", "compile": True, "tensorboard": False},
        }
        recipe = load_recipe(f"video_prediction/{name}", changes)
        step = seconds_per_step(recipe)
        steps_per_epoch = 10_000 // recipe.data.batch_size
        recipe.trainer.epochs = max(1, min(PUBLISHED_EPOCHS, int(options.minutes * 60 / (step * steps_per_epoch))))
        print(f"{name}: {step * 1e3:.1f} ms a step, {recipe.trainer.epochs} epochs", flush=True)
        scores = train(recipe, options.out / name, overwrite=True, progress=False)
        with open(options.out / name / "metrics.csv") as file:
            curve = [(row["epoch"], row["val_mse"]) for row in csv.DictReader(file) if row.get("val_mse")]
        seconds = scores["rows"][0]["train_seconds"]
        for epoch, mse in curve[:: max(1, len(curve) // 10)]:
            print(
                f"  epoch {epoch:>3}  {seconds * (int(epoch) + 1) / recipe.trainer.epochs:7.0f} s  val MSE {float(mse):.2f}"
            )
        metrics = scores["rows"][0]["metrics"]
        print(
            f"  test MSE {metrics['mse']:.2f}  MAE {metrics['mae']:.2f}  PSNR {metrics['psnr']:.2f}  SSIM {metrics['ssim']:.4f}"
        )


if __name__ == "__main__":
    main()
