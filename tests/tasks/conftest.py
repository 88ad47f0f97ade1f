from pathlib import Path

import pytest

from subband.config import RecipeConfig, build_recipe, merge

TINY = {
    "task": "video_prediction",
    "model": {"name": "simvp_gsta", "args": {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, "mlp_ratio": 1.0}},
    "data": {
        "name": "moving_digits",
        "batch_size": 2,
        "args": {
            "in_frames": 2,
            "out_frames": 3,
            "img_size": 16,
            "sprite_size": 8,
            "num_train": 8,
            "num_val": 4,
            "num_test": 4,
        },
    },
    "optim": {"lr": 1e-3},
    "drop_path": {"rate": 0.2},
    "trainer": {"epochs": 3, "device": "cpu", "log_every_steps": 1, "tensorboard": False},
    "evaluation": {"num_samples": 2},
}


@pytest.fixture
def tiny():
    """A recipe that trains in about a second; keyword arguments replace settings."""

    def build(**changes) -> RecipeConfig:
        return build_recipe(merge(TINY, changes))

    return build


@pytest.fixture
def table():
    """Rows of a run's CSV file."""
    import csv

    def read(folder: Path) -> list[dict[str, str]]:
        with open(folder / "metrics.csv") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture
def losses(table):
    """Training losses of a run by step, from its CSV file."""

    def read(folder: Path) -> dict[int, float]:
        return {int(row["step"]): float(row["train_loss"]) for row in table(folder) if row["train_loss"]}

    return read
