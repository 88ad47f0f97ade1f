"""Draw the picture of `subband deblur`: frames of photographs that the bundled network has not seen.

A virtual camera moves over test photographs of scikit-image while its shutter is open; shown is the middle frame of
three clips as it was taken, as `subband deblur` restores it, and as it is without motion.

usage: python scripts/deblur_picture.py [docs/images/deblurring.jpg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from subband.data import build_data
from subband.metrics import psnr
from subband.predictors import VideoRestorer

CLIPS = (2, 5, 7)
SIZE = (150, 200)  # of the frames
BLUR = {"exposure": [0.7, 0.7], "speed": 8, "max_objects": 0, "highlights": 0, "brightness": [1, 1]}
BLUR |= {"noise_share": 0, "jpeg_share": 0}


def main(path: Path) -> None:
    args = {"frames": 7, "img_size": SIZE, "drawn_share": 0.0, "blur": BLUR}
    clips = build_data("blurred_photos", args, 0).test
    restorer = VideoRestorer.load("motion_unet_clips")
    figure, axes = plt.subplots(len(CLIPS), 3, figsize=(9, 2.4 * len(CLIPS)), dpi=100, layout="constrained")
    for row, key in zip(axes, CLIPS, strict=True):
        blurred, sharp = (frames for frames in clips[key])
        middle = len(blurred) // 2
        restored = restorer.restore(blurred)[middle].clamp(0, 1)
        before, after = psnr(blurred[middle], sharp[middle]), psnr(restored, sharp[middle])
        titles = (f"blurred, {before:.1f} dB", f"restored, {after:.1f} dB", "sharp")
        for axis, frame, title in zip(row, (blurred[middle], restored, sharp[middle]), titles, strict=True):
            axis.imshow(frame.movedim(0, -1).numpy(), interpolation="nearest")
            axis.set_title(title, fontsize=9, loc="left")
            axis.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, pil_kwargs={"quality": 92})
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/deblurring.jpg"))
