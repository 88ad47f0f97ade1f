"""Draw the picture from run folders: given frames and what came; below, what the model predicted and the
error.

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
SHOWN = 8  # frames of the future
GAP = 2  # pixels between frames


def to_row(frames: np.ndarray, colors: str) -> np.ndarray:
    """Frames `(T, H, W)` uint8 side by side on white, `(H, W', 3)` in [0, 1]."""
    tiles = plt.get_cmap(colors)(frames / 255)[..., :3]
    white = np.ones((*tiles.shape[:2], GAP, 3))
    return np.concatenate(list(np.concatenate([tiles, white], axis=2)), axis=1)


def clip_picture(given: np.ndarray, target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The whole picture of a clip."""
    error = np.abs(target.astype(int) - prediction)
    past = to_row(given, "gray")
    divider = np.ones((len(past), 4 * GAP, 3))
    rows = [
        np.concatenate([past, divider, to_row(target, "gray")], axis=1),
        np.concatenate([np.ones_like(past), divider, to_row(prediction, "gray")], axis=1),
        np.concatenate([np.ones_like(past), divider, to_row(error, "magma")], axis=1),
    ]
    line = np.ones((GAP, rows[0].shape[1], 3))
    return np.concatenate([part for row in rows for part in (row, line)][:-1])


def main(out: Path, runs: list[Path]) -> None:
    pictures = []
    for run in runs:
        samples = np.load(run / "samples.npz")
        name = json.loads((run / "scores.json").read_text())["rows"][0]["name"]
        for clip in range(CLIPS_PER_RUN):
            target, prediction = (samples[key][clip, :SHOWN, 0] for key in ("targets", f"prediction/{name}"))
            pictures.append(clip_picture(samples["inputs"][clip, :, 0], target, prediction))
    figure, axes = plt.subplots(len(pictures), 1, figsize=(10, 2.55 * len(pictures)), layout="constrained")
    for axis, picture in zip(np.atleast_1d(axes), pictures, strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.axis("off")
        third = picture.shape[0] / 3
        for index, label in enumerate(("given | what came", "predicted", "error")):
            axis.text(-6, (index + 0.5) * third, label, ha="right", va="center", fontsize=10)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(run) for run in sys.argv[2:]])
