"""Draw the picture of `subband generate` and `subband latent`: images that never were, and where details are.

usage: python scripts/generation_picture.py PHOTOGRAPH [docs/images/generation.jpg]

The photograph is a blood smear of BCCD that was not used in training, 640 x 480 pixels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from subband.imaging import imresize
from subband.media.images import on_white, read_image
from subband.models.checkpoint import load_model
from subband.predictors import ImageAutoencoder
from subband.tasks.generation.drawing import draw
from subband.visual.coefficient_maps import map_figure
from subband.visual.grids import image_grid

NETWORK = "wavelet_vae_cells"
ROWS, COLUMNS, GAP = 5, 8, 24
TRAINING_SCALE = 213 / 640  # of the pictures it has seen


def enlarged(picture: np.ndarray, height: int) -> np.ndarray:
    """A picture `(H, W, 3)` at another height."""
    image = Image.fromarray(picture)
    return np.asarray(image.resize((round(image.width * height / image.height), height), Image.Resampling.LANCZOS))


def main(photograph: Path, path: Path) -> None:
    model = load_model(NETWORK)
    drawn = draw(model, ROWS * COLUMNS, seed=0)
    grid = image_grid((255 * drawn).round().byte().numpy(), COLUMNS)
    photo = imresize(on_white(read_image(photograph)), scale=TRAINING_SCALE).clamp(0, 1)
    maps = map_figure(ImageAutoencoder(model, "cpu").encode(photo))
    height = 2 * len(grid)
    parts = [enlarged(grid, height), np.full((height, GAP, 3), 255, np.uint8), enlarged(maps, height)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(parts, 1)).save(path, quality=90)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/images/generation.jpg"))
