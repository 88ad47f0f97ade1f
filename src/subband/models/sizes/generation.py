"""Named sizes of networks that generate images."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec

WAVELET_VAE_PAPER = (
    "Kiruluta, Wavelet-based Variational Autoencoders for High-Resolution Image Generation, arXiv 2504.13214, 2025"
)
DIFFUSION_PAPER = "after Phung et al., Wavelet Diffusion Models are fast and scalable Image Generators, CVPR 2023"
CONV_VAE_PAPER = "after Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014"

# The paper names no sizes; these are ours. The baselines match `wavelet_vae_s` and `wavelet_vae_e` in parameters.
WAVELET_VAE_ROWS: dict[str, tuple[dict[str, Any], int]] = {
    "wavelet_vae_s": ({"widths": (32, 64, 96, 128), "refine_width": 32}, 1_361_986),
    "wavelet_vae_b": ({"widths": (64, 128, 192, 256), "refine_width": 64}, 5_378_146),
    # Approximations of 4 x 4 pixels, of which a full covariance can be estimated.
    "wavelet_vae_e": (
        {
            "mode": "elbo",
            "img_size": 128,
            "levels": 5,
            "widths": (32, 64, 96, 128, 128, 128),
            "blocks": 2,
            "refine_blocks": 4,
        },
        4_083_142,
    ),
    "wavelet_vae_xs": (
        {
            "mode": "elbo",
            "img_size": 64,
            "levels": 4,
            "widths": (24, 32, 48, 64, 80),
            "blocks": 1,
            "refine_blocks": 3,
        },
        1_384_322,
    ),
}
CONV_VAE_ROWS: dict[str, tuple[dict[str, Any], int]] = {
    "conv_vae_s": ({"widths": (48, 64, 64, 48, 16), "objective": "mse"}, 1_374_547),
    "conv_vae_e": ({"widths": (48, 88, 112, 128, 32), "objective": "elbo"}, 4_100_180),
}


def _spec(network: str, args: dict[str, Any], params: int, paper: str, task: str = "generation") -> ModelSpec:
    return ModelSpec(task=task, network=f"subband.models.generation.{network}", args=args, params=params, paper=paper)


MODELS: dict[str, ModelSpec] = {
    **{
        name: _spec("wavelet_vae:WaveletVAE", args, params, ("after " if "mode" in args else "") + WAVELET_VAE_PAPER)
        for name, (args, params) in WAVELET_VAE_ROWS.items()
    },
    # Of 32 pixels; other sizes and layouts by its arguments.
    "wavelet_diffusion": _spec("wavelet_diffusion:WaveletDiffusion", {}, 27_763_596, DIFFUSION_PAPER),
    # Clips of 16 frames with 64 x 64 pixels, halved three times along every axis.
    "wavelet_vae_video_s": _spec(
        "video_vae:WaveletVideoVAE", {}, 2_376_835, f"after {WAVELET_VAE_PAPER}", task="video_generation"
    ),
    **{name: _spec("conv_vae:ConvVAE", args, params, CONV_VAE_PAPER) for name, (args, params) in CONV_VAE_ROWS.items()},
}
