"""What an evaluation yields and how it lies in a run folder."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from subband.environment import describe_environment
from subband.files import write_atomically

SCORES_FILE = "scores.json"
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
