"""Draw the picture of the page on detection: test pictures of BCCD with what the bundled network finds in them.

usage: python scripts/detection_picture.py BCCD_FOLDER [docs/images/detection.jpg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from subband.data import build_data
from subband.media import write_image
from subband.predictors import DetectionPredictor
from subband.visual.found_objects import draw_objects

NETWORK = "wsfvit_p0_fasterrcnn_bccd"
SHOWN = 2


def main(folder: Path, path: Path) -> None:
    files = [image.path for image in build_data("detection_folder", {"path": str(folder)}, 0).test.images[:SHOWN]]
    predictor = DetectionPredictor.load(NETWORK, min_score=0.3, device="cpu")
    pictures = [draw_objects(result.image, result.found) for result in predictor.detect_files(files)]
    write_image(path, torch.cat(pictures, 2) / 255, overwrite=True)
    print(f"wrote {path}: {', '.join(file.name for file in files)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/images/detection.jpg"))
