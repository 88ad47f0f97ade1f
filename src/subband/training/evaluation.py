"""What an evaluation yields and how it lies in a run folder."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.config import RecipeConfig
from subband.data.loader import SampleLoader
from subband.data.spec import SampleSource
from subband.environment import describe_environment
from subband.files import write_atomically
from subband.training.run_files import SCORES_FILE

SAMPLES_FILE = "samples.npz"


@dataclass(frozen=True)
class Evaluation:
    """Result of scoring networks on a test set.

    Attributes:
        data: Facts about the test set.
        rows: What was measured, by name of the network.
        samples: Arrays to look at: inputs, targets and `prediction/NAME`.
    """

    data: dict[str, Any]
    rows: dict[str, dict[str, Any]]
    samples: dict[str, np.ndarray]


def evaluation_loader(
    recipe: RecipeConfig,
    dataset: SampleSource,
    device: torch.device,
    collate: Callable[..., Any] | None = None,
) -> SampleLoader:
    """Batches of all samples of a test set in their order.

    Args:
        recipe: Says how many at a time, and how many processes read them.
        dataset: The test set.
        device: Where they are wanted.
        collate: Makes a batch of samples; by default tensors are stacked.
    """
    return SampleLoader(
        dataset,
        recipe.evaluation.batch_size or recipe.data.batch_size,
        shuffle=False,
        drop_last=False,
        seed=recipe.seed,
        num_workers=recipe.data.num_workers,
        device=device,
        collate=collate,
    )


class KeptSamples:
    """Some test samples and what became of them, as bytes.

    Args:
        wanted: Number of samples.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self._kept: dict[str, list[np.ndarray]] = {}

    def add(self, inputs: Tensor, targets: Tensor, predictions: Mapping[str, Tensor]) -> None:
        """Keep samples as long as there are too few; all that are kept have the size of the first.

        Args:
            inputs: `(B, ...)` in [0, 1].
            targets: What they should become, `(B, ...)`.
            predictions: What became of them, by name of the network.
        """
        kept = self._kept.setdefault("inputs", [])
        missing = self.wanted - sum(map(len, kept))
        if missing <= 0 or (kept and kept[0].shape[1:] != inputs.shape[1:]):
            return
        columns = {"inputs": inputs, "targets": targets}
        columns |= {f"prediction/{name}": prediction for name, prediction in predictions.items()}
        for name, values in columns.items():
            self._kept.setdefault(name, []).append(as_bytes(values[:missing]))

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays `(N, ...)` uint8 by name."""
        return {name: np.concatenate(parts) for name, parts in self._kept.items() if parts}


def as_bytes(values: Tensor) -> np.ndarray:
    """Values in [0, 1] as bytes, rounded; what lies outside is cut off.

    Args:
        values: Any shape.
    """
    return (255 * values.clamp(0, 1)).round().to(torch.uint8).cpu().numpy()


def write_evaluation(
    folder: Path, task: str, evaluation: Evaluation, facts: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Write `scores.json` and `samples.npz` into a run folder.

    Args:
        folder: Run folder.
        task: Name of the task.
        evaluation: What was measured.
        facts: More about each row (parameters, seconds of training, seed).

    Returns:
        The contents of `scores.json`.
    """
    scores = {
        "task": task,
        "data": evaluation.data,
        "rows": [{"name": name, **facts.get(name, {}), **row} for name, row in evaluation.rows.items()],
        "environment": describe_environment(),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **evaluation.samples)  # type: ignore[arg-type]
    write_atomically(folder / SAMPLES_FILE, buffer.getvalue())
    text = json.dumps(scores, indent=1, default=float) + "\n"
    write_atomically(folder / SCORES_FILE, text.encode())
    return json.loads(text)
