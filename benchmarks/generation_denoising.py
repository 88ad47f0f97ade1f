"""Noise removed from crops of photographs: BayesShrink against networks for image generation.

Every crop gets white Gaussian noise of a known strength, once; all methods see the same noise and are told its
strength. BayesShrink is `subband.imaging.denoise_wavelet` as `subband denoise` calls it: db2, colors as brightness and
differences, cycle spinning over 16 shifts. Kodak's photographs are at https://r0k.us/graphics/kodak/; name the folder.

usage: python benchmarks/generation_denoising.py FOLDER --models runs/vae runs/diffusion [--steps 1 20]
       [--sigmas 0.05 0.1 0.2] [--crop 256] [--most 24] [--out FILE]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from records import Cell, add_out_argument, line, measured, rounded, write_record
from subband.imaging import denoise_wavelet
from subband.media import list_images, read_image
from subband.metrics import psnr, ssim_gaussian
from subband.predictors import ImageAutoencoder

COLUMNS = ["method", "noise", "PSNR dB", "SSIM", "seconds/crop"]
Denoiser = Callable[[Tensor, float], Tensor]


def crops(folder: Path, side: int, most: int) -> list[Tensor]:
    """The central square of every photograph, in color."""
    found = []
    for path in list_images(folder)[:most]:
        pixels = read_image(path).pixels.expand(3, -1, -1)
        height, width = pixels.shape[1:]
        if min(height, width) < side:
            raise SystemExit(f"{path} is smaller than {side} x {side} pixels; choose a smaller --crop.")
        top, left = (height - side) // 2, (width - side) // 2
        found.append(pixels[:, top : top + side, left : left + side])
    return found


def denoisers(models: Sequence[str], steps: Sequence[int], device: str) -> dict[str, Denoiser]:
    """All methods by name; a diffusion once for every number of steps."""
    found: dict[str, Denoiser] = {
        "none": lambda noisy, sigma: noisy.clamp(0, 1),
        "BayesShrink": lambda noisy, sigma: denoise_wavelet(noisy, sigma, color="ycbcr", cycle_spins=3),
    }
    for source in models:
        coder = ImageAutoencoder.load(source, device)
        name = Path(source).name
        if hasattr(coder.model, "reconstruct"):
            found[name] = coder.denoise
            continue
        for count in steps:
            found[f"{name}, {count} steps"] = lambda noisy, sigma, c=coder, n=count: c.denoise(noisy, sigma, steps=n)
    return found


def rows(options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of the table, one for every method and strength."""
    photos = crops(options.folder, options.crop, options.most)
    methods = denoisers(options.models, options.steps, options.device)
    for sigma in options.sigmas:
        generator = torch.Generator().manual_seed(0)
        noisy = [photo + sigma * torch.randn(photo.shape, generator=generator) for photo in photos]
        for name, method in methods.items():
            began = time.perf_counter()
            # Networks take pixels in [0, 1] alone; the noise that leaves it is cut off, as in a file.
            results = [method(image.clamp(0, 1), sigma).clamp(0, 1) for image in noisy]
            seconds = (time.perf_counter() - began) / len(photos)
            pairs = list(zip(results, photos, strict=True))
            fit = torch.stack([psnr(*pair) for pair in pairs]).mean().item()
            similarity = torch.stack([ssim_gaussian(*pair) for pair in pairs]).mean().item()
            yield [name, str(sigma), rounded(fit, 2), rounded(similarity, 4), rounded(seconds, 2)]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photographs")
    parser.add_argument("--models", nargs="*", default=[], help="run or model folders")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 20], help="of diffusions")
    parser.add_argument("--sigmas", type=float, nargs="+", default=[0.05, 0.1, 0.2], help="of the noise, white being 1")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--most", type=int, default=24, help="photographs")
    parser.add_argument("--device", default="cpu")
    add_out_argument(parser)
    options = parser.parse_args()
    print(line(COLUMNS), line(["---"] * len(COLUMNS)), sep="\n", flush=True)
    found: list[list[Cell]] = []
    about = [f"Central {options.crop} x {options.crop} pixels of the photographs of `{options.folder.name}`."]
    for row in rows(options):
        found.append(row)
        print(line(row), flush=True)
        if options.out:
            record = measured("Denoising by networks for generation", COLUMNS, found, seeds=[0], about=about)
            write_record(record, options.out, is_final=False)


if __name__ == "__main__":
    main()
