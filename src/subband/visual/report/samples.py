"""Samples that several runs shown, brought together so that every image compares all models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subband.visual.colors import is_baseline
from subband.visual.report.runs import Run, Samples


def merge_samples(runs: Sequence[Run]) -> list[Samples]:
    """Samples of all runs; runs that shown the same clips share one entry with all predictions."""
    merged: list[Samples] = []
    for samples in (run.samples for run in runs if run.samples is not None):
        same = next((other for other in merged if _is_same(samples, other)), None)
        if same is None:
            same = Samples(inputs=samples.inputs, targets=samples.targets, predictions={})
            merged.append(same)
        same.predictions.update(samples.predictions)
        same.drawn.update(samples.drawn)
        same.maps.update(samples.maps)
    for samples in merged:  # the baseline closes every image
        for name in [label for label in samples.predictions if is_baseline(label)]:
            samples.predictions[name] = samples.predictions.pop(name)
    return merged


def _is_same(one: Samples, other: Samples) -> bool:
    return np.array_equal(one.inputs, other.inputs) and np.array_equal(one.targets, other.targets)
