"""LPIPS from local files: the `lpips` package brings its linear layers, the user brings AlexNet."""

import warnings
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from subband.extras import names_extra
from subband.weight_files import read_checkpoint

__all__ = ["load_lpips"]


def load_lpips(weights: str | Path) -> nn.Module:
    """LPIPS network on AlexNet features, without any download.

    Args:
        weights: torchvision's ImageNet weights of AlexNet, `alexnet-owt-7be5be79.pth`.

    Returns:
        The network; it takes RGB frames in [-1, 1].

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If the package `lpips` is not installed.
        ValueError: If the file does not hold the weights of AlexNet.
    """
    path = Path(weights)
    if not path.exists():
        raise FileNotFoundError(f"lpips_weights: no file {path}")
    with names_extra("LPIPS needs"):
        import lpips

    state = read_checkpoint(path)
    if not isinstance(state, Mapping):
        raise ValueError(f"lpips_weights: {path} does not hold torchvision's AlexNet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision by an argument that is deprecated there
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for part in network.net.children():
        for name, layer in part.named_children():
            own = {key: state.get(f"features.{name}.{key}") for key in layer.state_dict()}
            if any(value is None for value in own.values()):
                raise ValueError(f"lpips_weights: {path} does not hold torchvision's AlexNet")
            layer.load_state_dict(own)
    return network.requires_grad_(False)
