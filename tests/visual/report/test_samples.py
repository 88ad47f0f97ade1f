import numpy as np

from subband.visual.report.runs import Run, Samples
from subband.visual.report.samples import merge_samples


def _run(inputs: np.ndarray, *labels: str) -> Run:
    samples = Samples(inputs=inputs, targets=inputs, predictions=dict.fromkeys(labels, inputs))
    return Run(folder=None, task="", data={}, rows=[], environment={}, config=None, samples=samples)  # type: ignore[arg-type]


def test_equal_samples_share_an_entry_and_the_baseline_comes_last() -> None:
    ones, zeros = np.ones((2, 3), np.uint8), np.zeros((2, 3), np.uint8)
    runs = [_run(ones, "persistence", "a"), _run(zeros, "c"), _run(ones.copy(), "persistence", "b")]
    assert [list(samples.predictions) for samples in merge_samples(runs)] == [["a", "b", "persistence"], ["c"]]
    assert list(runs[0].samples.predictions) == ["persistence", "a"]  # type: ignore[union-attr]
