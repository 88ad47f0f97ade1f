"""FID and KID of drawn and reconstructed images, where there is a file with the weights of their network."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch
from torch import Tensor

from subband.metrics.inception import InceptionDistances, InceptionFeatures

__all__ = ["InceptionScores"]


class InceptionScores:
    """Distances of what networks draw and reconstruct from the test images; none without a file of weights.

    Args:
        weights: See `InceptionFeatures`; None for no file. Without the package torch-fidelity a warning says so.
        names: Of the networks.
        device: Where images are.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another file.
    """

    def __init__(self, weights: str | None, names: Iterable[str], device: torch.device) -> None:
        self._features = _features_if_possible(weights)
        if self._features is None:
            return
        self._features.to(device)
        self._drawn = {name: InceptionDistances(self._features) for name in names}
        self._reconstructed = {name: InceptionDistances(self._features) for name in self._drawn}
        self._halves = InceptionDistances(self._features)

    def add(self, images: Tensor, reconstructed: dict[str, Tensor]) -> None:
        """Add test images `(B, C, H, W)` in [0, 1], and their reconstructions by name."""
        if self._features is None:
            return
        seen = self._features(images)  # once for all
        for metric in (*self._drawn.values(), *self._reconstructed.values()):
            metric.update(seen, is_real=True)
        self._halves.update(seen[::2], is_real=True)
        self._halves.update(seen[1::2], is_real=False)
        for name, recon in reconstructed.items():
            self._reconstructed[name].update(recon, is_real=False)

    def add_drawn(self, name: str, images: Tensor) -> None:
        """Add images that a network has drawn."""
        if self._features is not None:
            self._drawn[name].update(images, is_real=False)

    def compute(self, name: str) -> dict[str, float]:
        """`fid` and `kid` of drawn, `rfid` and `rkid` of reconstructed images, as far as there are some."""
        if self._features is None:
            return {}
        found = _distances(self._drawn[name])
        return found | {f"r{key}": value for key, value in _distances(self._reconstructed[name]).items()}

    def of_halves(self) -> dict[str, float]:
        """The distances of one half of the test images from the other."""
        return {} if self._features is None else _distances(self._halves)


def _distances(metric: InceptionDistances) -> dict[str, float]:
    is_empty = min(sum(map(len, parts)) for parts in (metric.real, metric.drawn)) < 2
    return {} if is_empty else metric.compute()


def _features_if_possible(weights: str | None) -> InceptionFeatures | None:
    if weights is None:
        return None
    try:
        return InceptionFeatures(weights)
    except ModuleNotFoundError as error:
        warnings.warn(f"{str(error).rstrip('.')}; FID and KID are left out.", stacklevel=2)
        return None
