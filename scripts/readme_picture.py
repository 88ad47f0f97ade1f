"""Draw the README's picture from run folders: given frames, what came, what the model predicted, the error.

usage: python scripts/readme_picture.py docs/images/prediction.png RUN [RUN ...]
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

CLIPS_PER_RUN = 2


def main(out: Path, runs: list[Path]) -> None:
    figure, axes = plt.subplots(4, len(runs) * CLIPS_PER_RUN, figsize=(12.5, 3.6), layout="constrained")
    for run_index, run in enumerate(runs):
        samples = np.load(run / "samples.npz")
        name = json.loads((run / "scores.json").read_text())["rows"][0]["name"]
        for clip in range(CLIPS_PER_RUN):
            column = axes[:, run_index * CLIPS_PER_RUN + clip]
            target, prediction = (samples[key][clip, :, 0] for key in ("targets", f"prediction/{name}"))
            error = np.abs(target.astype(int) - prediction)
            for axis, frames in zip(column, (samples["inputs"][clip, :, 0], target, prediction, error), strict=True):
                gap = np.full((frames.shape[1], 1), 255 if axis is not column[3] else 0)
                row = np.concatenate([part for frame in frames for part in (frame, gap)][:-1], axis=1)
                axis.imshow(
                    row, cmap="magma" if axis is column[3] else "gray", vmin=0, vmax=255, interpolation="nearest"
                )
                axis.set_xticks([])
                axis.set_yticks([])
                axis.spines[:].set_visible(False)
    for axis, label in zip(axes[:, 0], ("given", "what came", "predicted", "error"), strict=True):
        axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(run) for run in sys.argv[2:]])
