"""Scores and samples of networks for restoration on a test set."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from subband.config import RecipeConfig
from subband.data.loader import SampleLoader
from subband.data.restoration.pairs import ClipPairs, PairData
from subband.tasks.restoration.networks import check_scale, restored, sees_the_target, without_network
from subband.training.evaluation import Evaluation, KeptSamples, evaluation_loader

__all__ = ["clip_size", "evaluate", "gather", "in_parts"]

_MOST_PIXELS = 2**22  # that a network restores at once: more where a single clip has more
_SAMPLE_SIDE, _SAMPLE_FRAMES = 160, 12  # of a stored sample; a page shows it pixel by pixel

# What is published of networks that keep the size of frames, and of those that enlarge.
_COMMON = ("psnr", "ssim", "tof", "lpips")
_SAME_SIZE = (*_COMMON, "psnr_vddiff", "ssim_vddiff", "psnr_estrnn", "ssim_estrnn")
_ENLARGED = (*_COMMON, "psnr_y", "ssim_y")

Clips = Tensor | list[Tensor]


def gather(samples: list[tuple[Tensor, Tensor]]) -> tuple[Clips, Clips]:
    """A batch of pairs: stacked where all clips have one size and length, else as they are."""
    degraded, sharp = (list(column) for column in zip(*samples, strict=True))
    if len({clip.shape for clip in degraded}) > 1 or len({clip.shape for clip in sharp}) > 1:
        return degraded, sharp
    return torch.stack(degraded), torch.stack(sharp)


def in_parts(degraded: Clips, sharp: Clips) -> Iterator[tuple[Tensor, Tensor]]:
    """A batch as clips of one size `(B, T, 3, H, W)`, as many at a time as fit into memory, one at least."""
    clips = degraded[0]
    at_once = max(1, _MOST_PIXELS // (clips.shape[0] * clips.shape[-2] * clips.shape[-1]))
    if isinstance(degraded, list) or isinstance(sharp, list):
        yield from ((one[None], other[None]) for one, other in zip(degraded, sharp, strict=True))
    else:
        yield from zip(degraded.split(at_once), sharp.split(at_once), strict=True)


def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: PairData, device: torch.device) -> Evaluation:
    """Scores, those of every frame and clip, sub-band energies and restored samples of networks on the test set.

    Raises:
        ValueError: If sharp frames are not as large as what a network makes.
    """
    spec, config = data.test.spec, recipe.evaluation
    for name, model in models.items():
        check_scale(model, spec)
        if sees_the_target(model):
            warnings.warn(
                f"{name} is given the sharp frames: these are scores of an ideal prior, not of a network to use.",
                stacklevel=2,
            )
    loader = evaluation_loader(recipe, data.test, device, gather)
    scores = _SAME_SIZE if spec.scale == 1 else _ENLARGED
    rows = {name: _Row(scores, config.lpips_weights, device) for name in models}
    samples = KeptSamples(config.num_samples)
    names = _clip_names(data.test, loader)
    for batch in loader:
        for degraded, sharp in in_parts(*batch):
            clips = list(islice(names, len(degraded)))
            seen = without_network(degraded, spec)
            frames = {name: restored(model, degraded, sharp, spec).float() for name, model in models.items()}
            for name, clip in frames.items():
                rows[name].add(clip, sharp, seen, clips)
            samples.add(_middle(seen), _middle(sharp), {name: _middle(clip) for name, clip in frames.items()})
    facts = {
        "name": recipe.data.name,
        "split": "test",
        "clips": len(data.test) - len(loader.left_out),
        "frames": spec.frames,
        "height": spec.height,
        "width": spec.width,
        "past_frames": spec.past_frames,
        "future_frames": spec.future_frames,
        "mirrored": spec.mirrored,
    }
    return Evaluation(facts, {name: row.compute() for name, row in rows.items()}, samples.arrays())


def _clip_names(pairs: ClipPairs, loader: SampleLoader) -> Iterator[str]:
    """Names of the clips as their samples come; to be asked for batch by batch, when it is known what is left out."""
    return (pairs.source(key).clip for key in range(len(pairs)) if key not in loader.left_out)


class _Row:
    """What is measured of one network.

    Args:
        names: See `RestorationMetrics`.
        lpips_weights: Likewise.
        device: Where frames are.
    """

    def __init__(self, names: Sequence[str], lpips_weights: str | None, device: torch.device) -> None:
        from subband.metrics.restoration import RestorationMetrics
        from subband.metrics.spectrum import SubbandEnergy

        self.metrics = RestorationMetrics(names, lpips_weights).to(device)
        self.energies: SubbandEnergy | None = SubbandEnergy().to(device)

    def add(self, frames: Tensor, sharp: Tensor, degraded: Tensor, clips: Sequence[str]) -> None:
        """Add clips `(B, T, 3, H, W)` and their names."""
        self.metrics.update(frames, sharp, degraded, clips)
        if self.energies is not None and self.energies.size not in (None, tuple(sharp.shape[-2:])):
            self.energies = None  # spectra of frames of several sizes have no mean
        if self.energies is not None:
            self.energies.update(frames.clamp(0, 1), sharp)

    def compute(self) -> dict[str, Any]:
        """The row as `scores.json` holds it."""
        energies = {} if self.energies is None else self.energies.compute()
        left_out = {*_SAME_SIZE, *_ENLARGED} - {*self.metrics.names}
        scores = {name: value for name, value in self.metrics.compute().items() if name not in left_out}
        curves, clips = self.metrics.per_frame(), self.metrics.per_clip()
        return {"metrics": scores, "per_frame": curves, "per_clip": clips, **energies}


def _middle(clips: Tensor) -> Tensor:
    """The part of clips `(B, T, 3, H, W)` that is kept to look at."""
    height, width = clips.shape[-2:]
    top, left = (max(side - _SAMPLE_SIDE, 0) // 2 for side in (height, width))
    return clips[:, :_SAMPLE_FRAMES, :, top : top + _SAMPLE_SIDE, left : left + _SAMPLE_SIDE]


def clip_size(facts: Mapping[str, Any]) -> str:
    """Length and size of test clips in words.

    Args:
        facts: `frames`, `height` and `width`, None where they vary.

    Example:
        >>> clip_size({"frames": 8, "height": 64, "width": 96}), clip_size({"frames": None, "height": 64, "width": 96})
        ('8 frames, 96 x 64 pixels', 'several lengths, 96 x 64 pixels')
    """
    length = "several lengths" if facts["frames"] is None else f"{facts['frames']} frames"
    if facts["height"] is None or facts["width"] is None:
        return f"{length}, several sizes"
    return f"{length}, {facts['width']} x {facts['height']} pixels"
