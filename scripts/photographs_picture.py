"""Draw the picture of docs/photographs.md: scikit-image's astronaut with made noise, denoised, taken apart, and
compressed.

usage: python scripts/photographs_picture.py [docs/images/photographs.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from skimage import data
from torch import Tensor

from subband import wavedec2
from subband.imaging import coefficient_mosaic, decode_image, denoise_wavelet, encode_image, mosaic_layout
from subband.visual.mosaic import label_bands

SIGMA, KEEP = 0.1, 0.05


def psnr(x: Tensor, reference: Tensor) -> float:
    return float(-10 * torch.log10((x - reference).square().mean()))


def main() -> None:
    clean = torch.from_numpy(data.astronaut())[:320, 80:400].permute(2, 0, 1).float() / 255
    noisy = (clean + SIGMA * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    denoised = denoise_wavelet(noisy, cycle_spins=3, color="ycbcr").clamp(0, 1)
    coeffs = wavedec2(clean, "haar", level=3)
    mosaic = label_bands(coefficient_mosaic(coeffs), mosaic_layout(coeffs)[2])
    code = encode_image(clean, keep=KEEP)
    decoded = decode_image(code).clamp(0, 1)
    bits = 8 * len(code) / (clean.shape[-1] * clean.shape[-2])
    panels = {
        f"noise of {SIGMA}: {psnr(noisy, clean):.1f} dB": noisy,
        f"denoise: {psnr(denoised, clean):.1f} dB": denoised,
        "decompose": mosaic,
        f"compress, {100 * KEEP:.0f} % kept: {bits:.2f} bits per pixel, {psnr(decoded, clean):.1f} dB": decoded,
    }
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), dpi=90, layout="constrained")
    for axis, (title, picture) in zip(axes, panels.items(), strict=True):
        axis.imshow(picture.permute(1, 2, 0).numpy())
        axis.set_title(title, fontsize=9, loc="left")
        axis.axis("off")
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/photographs.png")
    figure.savefig(path, metadata={"Software": None})
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
