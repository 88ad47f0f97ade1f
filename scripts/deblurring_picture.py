"""Draw the README's picture of deblurring: test clips of the bundled network's recipe, before and after.

usage: python scripts/deblurring_picture.py docs/images/deblurring.png
"""

import sys
from pathlib import Path

import matplotlib
import yaml

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch

import subband
from subband.data import build_data
from subband.metrics import psnr
from subband.predictors import VideoRestorer

MODEL = "residual_unet_photos"
CLIPS = (0, 1, 2)  # of the test set, whose photographs no network has seen
SIZE = (160, 220)


def clips() -> tuple[torch.Tensor, torch.Tensor]:
    """Blurred and sharp test clips `(N, T, 3, H, W)`, of scikit-image's photographs."""
    settings = yaml.safe_load(subband.load_model(MODEL).metadata["recipe"])["data"]
    own = {"img_size": SIZE, "path": None, "in_memory": False, "drawn_share": 0.0}
    return build_data(settings["name"], settings["args"] | own, seed=0).test.batch(list(CLIPS))


def main(out: Path) -> None:
    restorer = VideoRestorer.load(MODEL)
    figure, axes = plt.subplots(len(CLIPS), 3, figsize=(9.6, 2.42 * len(CLIPS)), layout="constrained")
    for row, blurred, sharp in zip(axes, *clips(), strict=True):
        middle = len(blurred) // 2
        shown = {"blurred": blurred, "restored": restorer.restore(blurred), "sharp": sharp}
        for axis, (name, frames) in zip(row, shown.items(), strict=True):
            frame = frames[middle].clamp(0, 1)
            axis.imshow(frame.permute(1, 2, 0), interpolation="nearest")
            quality = "" if frames is sharp else f", {psnr(frame, sharp[middle]):.1f} dB"
            axis.set_title(name + quality, fontsize=9)
            axis.axis("off")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
