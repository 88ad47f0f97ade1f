"""What the commands around image generation have in common: which network, and what to say if it cannot do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subband.files import shown
from subband.models.registry import list_models, model_spec

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor

    from subband.predictors.generation import ImageAutoencoder, PyramidCoder

__all__ = [
    "add_coder_arguments",
    "add_network_arguments",
    "as_one",
    "check_prior",
    "check_wavelet_vae",
    "open_coder",
    "open_network",
]

_SOURCES = "Run folder, model folder, or name of bundled weights"


def add_network_arguments(parser: ArgumentParser, *, default: str | None = None, otherwise: str = "") -> None:
    """Add `--model` and `--device`.

    Args:
        parser: Gets the options.
        default: Of `--model`.
        otherwise: What the command does without a network.
    """
    help_text = f"{_SOURCES}; {otherwise}." if otherwise else f"{_SOURCES}."
    parser.add_argument("--model", type=str, default=default, help=help_text)
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")


def add_coder_arguments(parser: ArgumentParser, wavelet: str = "haar") -> None:
    """Add the options that `open_coder` reads: `--model`, `--device`, `--wavelet` and `--levels`.

    Args:
        parser: Gets the options.
        wavelet: Default of the plain pyramid.
    """
    add_network_arguments(parser, otherwise="the plain wavelet pyramid if not given")
    parser.add_argument("--wavelet", type=str, default=wavelet, help="PyWavelets name, for the plain pyramid.")
    parser.add_argument("--levels", type=int, default=3, help="Levels of the plain pyramid.")


def open_network(source: str, device: str) -> ImageAutoencoder:
    """The network for image generation that a command line names, with trained weights.

    Args:
        source: Run folder, model folder, or name of bundled weights.
        device: Where to compute.

    Raises:
        FileNotFoundError: If there is no such model.
        ValueError: If it is a name without weights or a network for another task, or there is no such device.
    """
    from subband.models.checkpoint import load_model
    from subband.predictors.generation import ImageAutoencoder

    if source in list_models():
        raise ValueError(f"{source} alone has fresh weights, which know nothing; name a run folder or a model folder.")
    model: Any = load_model(source)
    own = model_spec(model.model_config["name"]).task
    if own != "generation":
        raise ValueError(
            f"{shown(source)} is for {own.replace('_', ' ')}, not for image generation (see `subband models`)."
        )
    return ImageAutoencoder(model, device)


def open_coder(args: Namespace) -> ImageAutoencoder | PyramidCoder:
    """The Wavelet-VAE that a command line names, or the plain pyramid.

    Args:
        args: Values of the options of `add_coder_arguments`.

    Raises:
        FileNotFoundError: If there is no such model.
        ValueError: If it is no Wavelet-VAE, or the wavelet is unknown.
    """
    from subband.predictors.generation import PyramidCoder

    if args.model is None:
        if args.levels < 1:
            raise ValueError(f"--levels must be at least 1, got {args.levels}.")
        return PyramidCoder(levels=args.levels, wavelet=args.wavelet)
    coder = open_network(args.model, args.device)
    check_wavelet_vae(coder, args.model)
    return coder


def check_wavelet_vae(coder: ImageAutoencoder, source: str) -> None:
    """Refuse networks without wavelet coefficients as their code.

    Raises:
        ValueError: If it is one.
    """
    from subband.models.generation.wavelet_vae import WaveletVAE

    if not isinstance(coder.model, WaveletVAE):
        raise ValueError(
            f"{shown(source)} holds {coder.model.model_config['name']}, which has no wavelet coefficients as its code; "
            "name a Wavelet-VAE."
        )


def check_prior(model: Any, source: str) -> None:
    """Refuse a network that knows nothing of which images are likely, and name the command that helps.

    Raises:
        ValueError: If it is a Wavelet-VAE of mode `paper` to which no prior was fitted.
    """
    from subband.tasks.generation.networks import can_draw

    if can_draw(model):
        return
    raise ValueError(
        f"{shown(source)} was trained in mode 'paper', which says nothing of what images are likely; fit a prior "
        f"first: subband fit-prior {shown(source)}."
    )


def as_one(band: Tensor) -> Tensor:
    """Coefficients of one photograph as those of one image: a network for gray gives a batch of its colors.

    Args:
        band: Some bands of every color, `(1, KC, h, w)` or `(C, K, h, w)`.

    Returns:
        `(1, KC, h, w)`, for every band all colors.
    """
    return band.transpose(0, 1).flatten(0, 1)[None] if len(band) > 1 else band
