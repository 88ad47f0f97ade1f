"""Frequency-domain vision in PyTorch.

The transforms of `subband.transforms` are names of this package too: `subband.dwt2(x)`. Importing it imports torch and
nothing heavier; every name below loads what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from subband import transforms
from subband._torchvision import register_fallback_ops
from subband._version import __version__
from subband.transforms import *  # noqa: F403  the list of names is kept in one place, there

__all__ = [
    "__version__",
    "create_model",
    "export_published",
    "list_models",
    "load_model",
    "load_published",
    "save_model",
    "transforms",
]
__all__ += transforms.__all__

# Must run before anything imports torchvision (lightning and torchmetrics do); see subband._torchvision.
register_fallback_ops()


def list_models(pattern: str = "*") -> list[str]:
    """Names that `create_model` accepts.

    Args:
        pattern: Shell-style pattern, for example `"wast*"`.

    Returns:
        Matching names in alphabetical order.

    Example:
        >>> list_models("tau_t*")
        ['tau_taxibj']
    """
    from subband.models.registry import list_models

    return list_models(pattern)


def create_model(name: str, **overrides: Any) -> nn.Module:
    """Build a model with fresh weights.

    Args:
        name: One of `list_models()`.
        overrides: Constructor arguments that replace those of the named configuration.

    Returns:
        The network, in training mode, with `model_config` = name and overrides, so that `save_model` can store it.

    Raises:
        ValueError: If the name is unknown (the closest names are given).
        TypeError: If the model has no argument of that name (the argument is named).

    Example:
        >>> import torch
        >>> model = create_model("wast", in_shape=(4, 1, 32, 32), encoder_dim=4, block_list=(1, 1, 1))
        >>> model(torch.rand(1, 4, 1, 32, 32)).shape
        torch.Size([1, 4, 1, 32, 32])
    """
    from subband.models.registry import create_model

    return create_model(name, **overrides)


def load_model(source: str | Path) -> nn.Module:
    """Load weights that `save_model`, `subband train` or `subband convert` wrote.

    Args:
        source: A folder with `config.json` and `model.safetensors`, one of those two files, a run folder of
            `subband train`, or the name of weights that ship with the package (see `subband models`).

    Returns:
        The network in eval mode; `metadata` holds what was stored beside the weights (data range, scores, recipe).

    Raises:
        FileNotFoundError: If there is nothing at `source`.
        ValueError: If the files do not belong together.
    """
    from subband.models.checkpoint import load_model

    return load_model(source)


def save_model(
    model: nn.Module, folder: str | Path, *, metadata: Mapping[str, Any] | None = None, overwrite: bool = False
) -> Path:
    """Save a network made by `create_model` as `config.json` + `model.safetensors`.

    Args:
        model: Network with a `model_config` (every model from `create_model`, `load_model`, `load_published`).
        folder: Where to write; made when absent.
        metadata: JSON-like facts to keep beside the weights: data range, scores, recipe.
        overwrite: Replace files that are already there. Writing is atomic: an interrupted save leaves the old ones.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder already holds a model and `overwrite` is False.
        ValueError: If the network was not made by this package.
    """
    from subband.models.checkpoint import save_model

    return save_model(model, folder, metadata=metadata, overwrite=overwrite)


def load_published(name: str, checkpoint: str | Path | Mapping[str, Tensor], **overrides: Any) -> nn.Module:
    """Load a checkpoint in the layout its authors published.

    Wrappers (`state_dict`, `model`, `params_ema`) and prefixes (`module.`, `model.`, `method.model.`) are removed.
    Loading is strict: every key is used or knowingly ignored. Classifiers know how images were prepared for the
    published weights (`metadata["preprocessing"]`); with `in_chans` other than three, WSF-ViT and GFNet adapt their
    first layer.

    Args:
        name: One of `list_models()` that has a published layout.
        checkpoint: A `.pth`, `.pt`, `.ckpt` or `.safetensors` file, or a state dict.
        overrides: Constructor arguments, when the checkpoint was trained with others than the named configuration.

    Returns:
        The network in eval mode.

    Raises:
        ValueError: If keys are missing, unexpected or of another shape (the first ten of each are listed), if the
            model has no published layout, or if the file is a pickle that needs more than tensors.
        FileNotFoundError: If there is no such file.
    """
    from subband.convert import load_published

    return load_published(name, checkpoint, **overrides)


def export_published(model: nn.Module) -> dict[str, Tensor]:
    """The state dict of a network in the layout its authors published; the inverse of `load_published`.

    Args:
        model: Network made by this package.

    Returns:
        Published key to tensor, fixed filters included.

    Raises:
        ValueError: If the model, or the options it was built with, has no published layout.
    """
    from subband.convert import export_published

    return export_published(model)
