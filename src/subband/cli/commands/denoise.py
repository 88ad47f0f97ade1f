"""Remove noise from a photograph, or from every photograph of a folder, by wavelet shrinkage or by a network.

The strength of the noise is estimated from the photograph unless --sigma says it. With --model a network for image
generation removes it: a Wavelet-VAE by what its prior expects, a wavelet diffusion by the last part of the way on which
it draws images; photographs go through it in overlapping tiles of its own size. Depth, transparency and color profile
of the file are kept; the result is a PNG unless --out says otherwise.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

from subband.cli.generation import add_network_arguments, check_prior, open_network
from subband.cli.option_rules import Needs
from subband.cli.options import open_table, show_table
from subband.cli.photographs import Job, add_photo_arguments, check_options, for_each, plan, report_failures, size_of
from subband.files import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor

Denoiser: TypeAlias = "Callable[[Tensor, float], Tensor]"

EXAMPLES = """examples:
  subband denoise photo.jpg
  subband denoise photo.png --sigma 0.08 --method visu --out clean.png
  subband denoise scans/ --cycle-spins 7 --out clean/
  subband denoise photo.png --model runs/photos --sigma 0.1
  subband denoise photo.png --model runs/diffusion --steps 1
"""

_SHRINKAGE = ("method", "threshold", "wavelet", "mode", "level", "cycle_spins", "color")

OPTION_RULES = (
    *(
        Needs(
            f"--{name.replace('_', '-')}",
            lambda args: args.model is None,
            "is for wavelet shrinkage, not for --model",
        )
        for name in _SHRINKAGE
    ),
    *(Needs(option, lambda args: args.model is not None, "goes with --model") for option in ("--steps", "--seed")),
    Needs("--device", lambda args: args.model is not None, "goes with --model", is_harmless=True),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_photo_arguments(
        parser, "Result; by default photo_denoised.png, or the folder photos_denoised, beside the input."
    )
    parser.add_argument(
        "--sigma",
        type=float,
        default=None,
        help="Standard deviation of the noise, white being 1; estimated by default.",
    )
    parser.add_argument("--method", type=str, default="bayes", help="bayes keeps more texture, visu leaves less noise.")
    parser.add_argument("--threshold", type=str, default="soft", help="soft or hard.")
    parser.add_argument("--wavelet", type=str, default="db2", help="PyWavelets name; short orthogonal ones do best.")
    parser.add_argument("--mode", type=str, default="symmetric", help="How the image goes on beyond its border.")
    parser.add_argument("--level", type=int, default=None, help="Levels of the transform; by the size by default.")
    parser.add_argument(
        "--cycle-spins",
        type=int,
        default=3,
        help="Average over shifts by 0 to n pixels each way; the work grows with (n + 1)^2; 0 for none.",
    )
    parser.add_argument(
        "--color", type=str, default="ycbcr", help="Colors as brightness and two differences (ycbcr), or as rgb."
    )
    add_network_arguments(parser, otherwise="wavelet shrinkage if not given")
    parser.add_argument(
        "--steps",
        type=int,
        default=None,
        help="Of a diffusion: evaluations of its network, 20 by default; 1 gives the smallest error, more give sharper "
        "photographs.",
    )
    parser.add_argument("--seed", type=int, default=0, help="Of a diffusion: chooses the noise that it adds.")


def run(args: Namespace) -> None:
    """Denoise, write, print a table."""
    if args.sigma is not None and not 0 <= args.sigma <= 1:
        raise ValueError(f"--sigma must lie in [0, 1], white being 1 (divide 8-bit numbers by 255), got {args.sigma}.")
    denoiser = _shrinkage(args) if args.model is None else _network(args)
    jobs = plan(args.photo, args.out, "denoised", overwrite=args.overwrite)
    rows, failed = for_each(jobs, lambda job: _denoise(job, denoiser, args.sigma, args.overwrite))
    headings = ["photograph", "size", "noise", "seconds", "written"]
    table = open_table(headings, title="Noise: standard deviation, white being 1", right=headings[2:4])
    for row in rows:
        table.add_row(*row)
    show_table(table)
    report_failures(failed, len(jobs))


def _shrinkage(args: Namespace) -> Denoiser:
    """What removes noise by wavelet shrinkage, which estimates every channel's by itself if it is not given."""
    import torch

    from subband.imaging import denoise_wavelet

    options = {name: args[name] for name in ("sigma", *_SHRINKAGE)}
    tried = options | {"cycle_spins": min(args.cycle_spins, 0)}
    check_options(lambda: denoise_wavelet(torch.zeros(3, 32, 32), **tried))

    def denoiser(pixels: Tensor, noise: float) -> Tensor:
        color = options["color"] if len(pixels) == 3 else "rgb"
        return denoise_wavelet(pixels, **(options | {"color": color}))

    return denoiser


def _network(args: Namespace) -> Denoiser:
    """What removes noise by a network; of no noise nothing."""
    from subband.models.generation.conv_vae import ConvVAE
    from subband.models.generation.wavelet_diffusion import WaveletDiffusion

    coder = open_network(args.model, args.device)
    if isinstance(coder.model, ConvVAE):
        raise ValueError(f"{shown(args.model)} holds an autoencoder without wavelet coefficients; denoise needs some.")
    check_prior(coder.model, args.model)
    if args.steps is not None and (args.steps < 1 or not isinstance(coder.model, WaveletDiffusion)):
        raise ValueError(f"--steps must be positive and goes with a diffusion, got {args.steps}.")
    options: dict[str, Any] = {"steps": args.steps, "seed": args.seed}

    def denoiser(pixels: Tensor, noise: float) -> Tensor:
        return coder.denoise(pixels, noise, **options) if noise > 0 else pixels

    return denoiser


def _denoise(job: Job, denoiser: Denoiser, sigma: float | None, overwrite: bool) -> tuple[str, ...]:
    from subband.imaging import estimate_sigma
    from subband.media.images import check_image_path, read_image, write_image

    image = read_image(job.source)
    depth, alpha = image.info.bit_depth, image.alpha
    check_image_path(job.target, bit_depth=depth, with_alpha=alpha is not None)
    began = time.perf_counter()
    noise = estimate_sigma(image.pixels).mean().item() if sigma is None else sigma
    pixels = denoiser(image.pixels, noise)
    seconds = time.perf_counter() - began
    profile = image.info.icc_profile
    write_image(job.target, pixels, alpha=alpha, bit_depth=depth, icc_profile=profile, overwrite=overwrite)
    return job.name, size_of(image), f"{noise:.4f}", f"{seconds:.1f}", shown(job.target)
