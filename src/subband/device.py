"""Which device a name means, the same in training, in predictors and in every command."""

from __future__ import annotations

import re

import torch

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """Turn the name of a device into a device that exists on this machine.

    Args:
        name: `auto` (the first of cuda, mps, cpu that is present), `cpu`, `cuda`, `cuda:INDEX` or `mps`; or a device.

    Raises:
        ValueError: If the name is unknown or the device is not present.

    Example:
        >>> pick_device("cpu")
        device(type='cpu')
    """
    name = str(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if re.fullmatch(r"(cuda|mps):\d+", name) is None and name not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)} or cuda:INDEX, not {name!r}.")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name} was asked for, but PyTorch sees {torch.cuda.device_count()} CUDA devices here."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device {name} was asked for, but PyTorch sees no Metal device here.")
    return device
