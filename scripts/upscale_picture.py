"""Draw the picture of `subband upscale`: frames of photographs that the bundled network has not seen.

A virtual camera moves over test photographs of scikit-image; its frames are made small by MATLAB's bicubic. Shown is
the middle frame of two clips as bicubic interpolation enlarges it, as `subband upscale` does, and as it was.

usage: python scripts/upscale_picture.py [docs/images/super_resolution.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from subband import create_model
from subband.data import build_data
from subband.imaging import imresize
from subband.metrics import psnr
from subband.predictors import VideoRestorer

CLIPS = (2, 7)
SIZE = (160, 208)  # of the frames
STILL = {"exposure": [0.01, 0.01], "speed": 4, "max_objects": 0, "highlights": 0, "brightness": [1, 1]}
STILL |= {"noise_share": 0, "jpeg_share": 0}


def main(path: Path) -> None:
    args = {"frames": 9, "img_size": SIZE, "drawn_share": 0.0, "blur": STILL}
    clips = build_data("blurred_photos", args, 0).test
    networks = {"bicubic": create_model("bicubic", scale=4)}
    restorers = {name: VideoRestorer(network, device="cpu") for name, network in networks.items()}
    restorers["subband upscale"] = VideoRestorer.load("basicvsr_pp_clips", device="cpu")
    figure, axes = plt.subplots(len(CLIPS), 3, figsize=(12, 3.3 * len(CLIPS)), dpi=100, layout="constrained")
    for row, key in zip(axes, CLIPS, strict=True):
        _, sharp = clips[key]
        small = imresize(sharp, scale=1 / 4).clamp(0, 1)
        middle = len(sharp) // 2
        pictures = {name: restorer.restore(small)[middle] for name, restorer in restorers.items()}
        titles = [f"{name}, {psnr(picture, sharp[middle]):.1f} dB" for name, picture in pictures.items()]
        shown = [*pictures.values(), sharp[middle]]
        for axis, picture, title in zip(row, shown, [*titles, "original"], strict=True):
            axis.imshow(picture.movedim(0, -1).numpy(), interpolation="nearest")
            axis.set_title(title, fontsize=9, loc="left")
            axis.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/super_resolution.png"))
