"""What the options of a Wavelet-VAE mean together, and which exclude each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from subband.models.generation.objectives import BoundObjective, ShrinkageObjective
from subband.models.generation.posteriors import FIRST_NOISE, NoiseScale
from subband.models.generation.priors import ORDERS, PRIORS
from subband.models.generation.pyramid import is_orthogonal

__all__ = [
    "OPTIONS",
    "check_options",
    "check_samples",
    "example_images",
    "noise_scale",
    "objective_of",
    "one_of",
    "options_of",
]

CHOICES = {
    "encoder": ("net", "residual", "analytic"),
    "decoder": ("pure", "hybrid"),
    "recon_domain": ("pixel", "wavelet"),
    "recon": ("mse", "bce"),
    "posterior": ("auto", "gauss", "laplace", "gauss_shared"),
    "prior": (*PRIORS, "diffusion"),
    "prior_order": ORDERS,
}
# Options of one mode alone, with their defaults. The weights are ours.
OPTIONS: dict[str, dict[str, Any]] = {
    "paper": {
        "recon": "mse",
        "sparsity": 0.01,
        "approx_weight": 0.0,
        "noise": "scalar",
        "noise_on": "all",
        "noise_init": FIRST_NOISE,
        "learn_noise": True,
        "noise_param": "log",
        "top_k": None,
    },
    "elbo": {"posterior": "auto", "sigma_x": 0.1, "learn_sigma": True, "rate_target": None},
}


def one_of(name: str, value: Any, known: Sequence[str]) -> None:
    """Refuse a value that is none of those known.

    Raises:
        ValueError: If it is not.
    """
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}.")


def check_samples(num: int) -> None:
    """Refuse a number of samples that is not positive.

    Raises:
        ValueError: If it is not.
    """
    if num < 1:
        raise ValueError(f"num must be positive, got {num}.")


def options_of(mode: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a mode, with defaults for those that are None.

    Args:
        mode: `paper` or `elbo`.
        given: All options of the network by their names, None for those that are left out.

    Raises:
        ValueError: If the mode is unknown, or an option belongs to the other mode or does not fit another one.
    """
    one_of("mode", mode, tuple(OPTIONS))
    for other, options in OPTIONS.items():
        for name in options:
            if other != mode and given[name] is not None:
                raise ValueError(f"{name} is an option of mode {other!r}, and the mode is {mode!r}; leave it out.")
    own = {name: default if given[name] is None else given[name] for name, default in OPTIONS[mode].items()}
    for name in ("posterior", "recon"):
        if name in own:
            one_of(name, own[name], CHOICES[name])
    if own.get("approx_weight") and own["noise_on"] == "details":
        raise ValueError("approx_weight needs noise_on='all': without noise the divergence is infinite.")
    return own


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse what is unknown or does not fit together.

    Args:
        given: The options of `PyramidAutoencoder` by their names, `img_size` as a pair.

    Raises:
        ValueError: If something does not fit.
    """
    for name in ("encoder", "decoder", "recon_domain", "prior_order"):
        one_of(name, given[name], CHOICES[name])
    levels, widths, keep_levels, wavelet = (given[name] for name in ("levels", "widths", "keep_levels", "wavelet"))
    size = tuple(given["img_size"])
    if len(size) != 2 or any(side < 1 or side % 2**levels for side in size):
        raise ValueError(f"img_size must be one or two multiples of {2**levels}, got {size}.")
    if given["encoder"] != "analytic" and len(widths) != levels + 1:
        raise ValueError(f"widths must be {levels + 1} numbers for {levels} levels, got {tuple(widths)}.")
    if not 1 <= keep_levels <= levels + 1:
        raise ValueError(f"keep_levels must lie within 1 and {levels + 1}, got {keep_levels}.")
    if given["recon_domain"] == "wavelet" and not is_orthogonal(wavelet):
        raise ValueError(
            f"recon_domain='wavelet' needs an orthogonal wavelet: errors of coefficients of {wavelet!r} are not those "
            "of pixels."
        )
    if given["recon"] == "bce" and (given["encoder"] == "analytic" or given["recon_domain"] == "wavelet"):
        raise ValueError("recon='bce' decodes logits: encoder='analytic' and recon_domain='wavelet' know images only.")
    if given["prior"] is not None:
        one_of("prior", given["prior"], CHOICES["prior"])
    if given["prior"] in ("factorised", "mixture") and given["prior_order"] != "independent":
        raise ValueError(f"prior_order is for prior 'conditional', got {given['prior']!r}; leave it out.")
    if given["diffusion"] is not None and given["prior"] != "diffusion":
        raise ValueError(f"diffusion holds arguments of prior 'diffusion', got prior {given['prior']!r}; leave it out.")
    if given["mode"] == "elbo" and given["prior"] == "mixture":
        raise ValueError("prior='mixture' is fitted after training; mode 'elbo' takes factorised or conditional.")
    if given["top_k"] is not None and given["top_k"] < 1:
        raise ValueError(f"top_k must be positive, got {given['top_k']}.")


def noise_scale(levels: int, own: Mapping[str, Any]) -> NoiseScale:
    """The shared noise scale of mode `paper`, or that of posterior `gauss_shared`, one a level."""
    if "noise" not in own:
        return NoiseScale(levels)
    return NoiseScale(
        levels,
        kind=own["noise"],
        on=own["noise_on"],
        first=own["noise_init"],
        is_learned=own["learn_noise"],
        param=own["noise_param"],
    )


def objective_of(mode: str, own: Mapping[str, Any], domain: str) -> ShrinkageObjective | BoundObjective:
    """What a mode minimizes."""
    if mode == "paper":
        weights = {name: own[name] for name in ("sparsity", "approx_weight")}
        return ShrinkageObjective(**weights, domain=domain, has_logits=own["recon"] == "bce")
    return BoundObjective(
        sigma_x=own["sigma_x"], learn_sigma=own["learn_sigma"], rate_target=own["rate_target"], domain=domain
    )


def example_images(batch: int, channels: int, size: Sequence[int]) -> Tensor:
    """Random images in [-1, 1], the same in every run.

    Args:
        batch: B.
        channels: C.
        size: H and W.

    Raises:
        ValueError: If a size is not positive.
    """
    if min(batch, *size) < 1:
        raise ValueError(f"batch, height and width must be positive, got {batch}, {size[0]} and {size[1]}.")
    return 2 * torch.rand(batch, channels, *size, generator=torch.Generator().manual_seed(0)) - 1
