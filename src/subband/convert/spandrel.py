"""Restorers of single images from other projects: files that the package spandrel knows, such as those of NAFNet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from subband.extras import names_extra
from subband.models.model_folder import LONE_FILE
from subband.models.protocols.restoration import COLORS, RestorationModel
from subband.weight_files import read_checkpoint

__all__ = ["ImageRestorer", "load_image_restorer"]

_GRID = 16  # pixels, of the coarsest level of usual networks: those that fill up by themselves declare no multiple
_SHOWN = 200  # characters of spandrel's words in a message


class ImageRestorer(RestorationModel):
    """A network for single images, which restores a clip frame by frame; for use, not for training.

    Networks of one channel restore every color by itself.

    Args:
        descriptor: What spandrel made of a file: a network for restoration that keeps the size of an image.

    Shape:
        frames `(B, T, 3, H, W)` in [0, 1]; result of the same shape, clipped.
    """

    window_frames = 1  # nothing is gained by more
    example_shape = (1, 64, 64)

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network = descriptor.model.requires_grad_(False)
        self._descriptor = descriptor  # pads to its least or square sizes and calls the network as its authors do
        self.eval()

    @property
    def size_multiple(self) -> int:  # type: ignore[override]
        """H and W are filled up to multiples of it, and tiles begin at multiples, so that they see the same grid."""
        return math.lcm(self._descriptor.size_requirements.multiple_of, _GRID)

    @property
    def supports_half(self) -> bool:  # type: ignore[override]
        """Whether it computes safely in bfloat16."""
        return self._descriptor.supports_bfloat16

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the network itself, not what spandrel does around it."""
        self.network.compile(*args, **kwargs)

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Frames `(B, T, 3, H, W)`, restored one after the other."""
        images = frames.reshape(-1, self._descriptor.input_channels, *frames.shape[-2:])
        return torch.cat([self._descriptor(image[None]) for image in images]).reshape(frames.shape)


def load_image_restorer(path: str | Path) -> ImageRestorer:
    """Restorer of single images from a file that spandrel knows; of the extra `spandrel`.

    The file is read as all files of weights are: plain data and tensors only. Networks of the package
    `spandrel_extra_arches`, such as Restormer, are known where that is installed.

    Args:
        path: A file of `torch.save` or safetensors.

    Returns:
        The network in eval mode; `VideoRestorer` sends clips through it.

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If spandrel is not installed.
        ValueError: If spandrel does not know the network, or it is none that restores colored images at their size.
    """
    path = Path(path)
    descriptor = _described(path, read_checkpoint(path))
    name = descriptor.architecture.name
    if descriptor.purpose == "Inpainting":
        raise ValueError(f"{path} holds {name}, which fills holes; a network that restores whole images is needed.")
    if descriptor.purpose == "FaceSR":
        raise ValueError(f"{path} holds {name}, which restores cut-out faces; one for whole images is needed.")
    if descriptor.scale != 1:
        raise ValueError(
            f"{path} holds {name} for super-resolution, which makes images {descriptor.scale} times as large; a "
            "network that keeps their size is needed."
        )
    if descriptor.input_channels not in (1, COLORS) or descriptor.output_channels != descriptor.input_channels:
        raise ValueError(
            f"{path} holds {name} from {descriptor.input_channels} to {descriptor.output_channels} channels; one from "
            "3 to 3, or from 1 to 1, is needed."
        )
    return ImageRestorer(descriptor)


def _described(path: Path, state: Any) -> Any:
    """What spandrel makes of the contents of a file."""
    with names_extra("files of such networks need"):
        import spandrel

    if not isinstance(state, Mapping):
        raise ValueError(f"{path} holds a {type(state).__name__}, not weights by name.")
    try:
        return _registry().load(dict(state))
    except spandrel.UnsupportedModelError:
        raise ValueError(f"{path} is of no network that spandrel knows, and {LONE_FILE}.") from None
    except Exception as error:  # what the networks raise on weights that they take for theirs has no common type
        words = shorten(" ".join(str(error).split()) or type(error).__name__, _SHOWN).rstrip(".")
        raise ValueError(f"{path} cannot be loaded by spandrel: {words}.") from None


def _registry() -> Any:
    """All networks that are installed; the list of spandrel itself stays as it is."""
    with names_extra("files of such networks need"):
        import spandrel

    registry = spandrel.MAIN_REGISTRY.copy()
    try:
        from spandrel_extra_arches import EXTRA_REGISTRY
    except ModuleNotFoundError:
        return registry
    registry.add(*EXTRA_REGISTRY, ignore_duplicates=True)
    return registry
