"""The losses that a recipe of this task may name: on heatmaps, on their spectra, and on what a teacher knows.

A teacher sees how its clips move; a student, which has no such branch, guesses it from what it sees of the frames.
`distill_l2`, `distill_ba` and `distill_infonce` compare the two, `distill_vsd` the heatmaps. `motion_club` is for a
teacher that splits its motion by gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from subband.config import LossTerm
from subband.losses import build_loss, heatmap_mse_loss
from subband.losses.mutual_information import (
    ConditionalGaussian,
    club_bound,
    cosine_critic,
    info_nce_bound,
    vid_loss,
    vsd_loss,
)
from subband.tasks.pose.networks import PoseMaps

__all__ = ["DISTILLATION", "ON_MOTION", "PoseLosses"]

EARLY = "early_mse"
CLUB = "motion_club"
_BA = "distill_ba"
ON_MOTION = ("distill_l2", _BA, "distill_infonce")
DISTILLATION = (*ON_MOTION, "distill_vsd")
_ON_HEATMAPS = ("heatmap_mse", "heatmap_fourier")
_TEMPERED = ("distill_infonce", "distill_vsd")


class PoseLosses(nn.Module):
    """Weighted terms of a recipe.

    | loss | between |
    |---|---|
    | `heatmap_mse` | heatmaps and Gaussians around the true joints |
    | `early_mse` | likewise, those that are made before motion is known |
    | `heatmap_fourier` | their spectra; takes `beta`, `eps` and `phase_weight` |
    | `distill_l2` | guessed and true motion: squared error |
    | `distill_ba` | likewise: a lower bound of their information (Barber and Agakov), with a network of its own |
    | `distill_infonce` | likewise, averaged over space: a bound by other clips of the batch; takes `temperature` |
    | `distill_vsd` | heatmaps of teacher and student; takes `temperature` |
    | `motion_club` | what a teacher's gates let pass of its motion, and what they hold back; see below |

    `motion_club` is an upper bound (CLUB) of what the two parts tell of each other at a place, whose network of its own
    learns by `motion_club_fit`, a likelihood. The idea is TDMI's; the form is ours, for a weight of about 0.01.

    Args:
        terms: Of the recipe.
        motion_chans: Channels of the motion that a network guesses; None of one that guesses none.
        has_gates: Whether it splits its motion.

    Raises:
        ValueError: If a loss is unknown, named twice, or for networks of another kind, or none is on heatmaps.
        TypeError: If a loss has no such argument.
    """

    def __init__(self, terms: Sequence[LossTerm], motion_chans: int | None, *, has_gates: bool = False) -> None:
        super().__init__()
        names = [term.name for term in terms]
        for term in terms:
            _check(term, names)
        if not set(_ON_HEATMAPS) & set(names):
            raise ValueError("a recipe for pose needs the loss heatmap_mse or heatmap_fourier.")
        if motion_chans is None and (other := [name for name in names if name in (EARLY, *ON_MOTION)]):
            raise ValueError(f"loss {other[0]!r} is for networks that guess motion, such as freqpose.")
        if CLUB in names and not has_gates:
            raise ValueError(f"loss {CLUB!r} is for a teacher that splits its motion: a freqpose with gates=True.")
        self._terms = list(terms)
        self._on_heatmaps: dict[str, Any] = {
            term.name: build_loss(term.name, term.args) for term in terms if term.name in _ON_HEATMAPS
        }
        self.asks_teacher = any(name in DISTILLATION for name in names)
        self.guess = ConditionalGaussian(motion_chans, motion_chans) if motion_chans and _BA in names else None
        self.club_guess = ConditionalGaussian(motion_chans, motion_chans) if motion_chans and CLUB in names else None

    def forward(
        self,
        maps: PoseMaps,
        wanted: Tensor,
        visible: Tensor,
        teacher: PoseMaps | None = None,
        clips: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Weighted values by name; those that ask a teacher are left out where there is none, as in validation.

        Args:
            maps: What the network gives.
            wanted: True heatmaps, `(B, K, H, W)`.
            visible: Above 0 for joints that count, `(B, K)`.
            teacher: What the teacher gives of the same clips.
            clips: Number of the clip of each sample, `(B,)`.
        """
        found = {}
        for term in self._terms:
            if term.name in DISTILLATION:
                if teacher is not None:
                    found[term.name] = term.weight * self._distilled(term, maps, visible, teacher, clips)
            elif term.name == CLUB:
                found |= self._split(term.weight, maps)
            elif term.name == EARLY:
                assert maps.early is not None
                found[EARLY] = term.weight * heatmap_mse_loss(maps.early, wanted, visible)
            else:
                found[term.name] = term.weight * self._on_heatmaps[term.name](maps.heatmaps, wanted, visible)
        return found

    def _split(self, weight: float, maps: PoseMaps) -> dict[str, Tensor]:
        """The bound, which teaches the gates, and the likelihood, which teaches what the bound is computed with."""
        assert maps.motion is not None
        assert maps.noise is not None
        assert self.club_guess is not None
        useful, noise = (part.movedim(1, -1).flatten(0, -2) for part in (maps.motion, maps.noise))  # (places, C)
        frozen = {name: value.detach() for name, value in self.club_guess.named_parameters()}
        bound = club_bound(useful, *functional_call(self.club_guess, frozen, (noise,)))
        # Information is never negative: an estimate below 0 tells of a bad guess, and is nothing to be lowered.
        found = {CLUB: weight * bound.clamp(min=0)}
        if torch.is_grad_enabled():
            found[f"{CLUB}_fit"] = vid_loss(useful.detach(), *self.club_guess(noise.detach()))
        return found

    def _distilled(
        self, term: LossTerm, maps: PoseMaps, visible: Tensor, teacher: PoseMaps, clips: Tensor | None
    ) -> Tensor:
        if term.name == "distill_vsd":
            return vsd_loss(teacher.heatmaps, maps.heatmaps, visible, **term.args)
        assert maps.motion is not None
        assert teacher.motion is not None
        known, guessed = teacher.motion.detach(), maps.motion
        if term.name == _BA:
            assert self.guess is not None
            return vid_loss(known, *self.guess(guessed))
        if term.name == "distill_l2":
            return F.mse_loss(guessed, known)
        scores = cosine_critic(guessed.mean((-2, -1)), known.mean((-2, -1)), **term.args)
        return -info_nce_bound(scores, groups=clips)


def _check(term: LossTerm, names: Sequence[str]) -> None:
    known = (*_ON_HEATMAPS, EARLY, CLUB, *DISTILLATION)
    if term.name not in known:
        raise ValueError(f"loss {term.name!r} is none for pose; it must be {' or '.join(known)}.")
    if names.count(term.name) > 1:
        raise ValueError(f"loss {term.name!r} is named twice; give it the sum of the weights.")
    if term.name in _ON_HEATMAPS:
        return  # checked as they are built
    for key, value in term.args.items():
        if term.name not in _TEMPERED or key != "temperature":
            takes = "temperature" if term.name in _TEMPERED else "a weight alone"
            raise TypeError(f"loss {term.name!r} has no argument {key!r}; it takes {takes}.")
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ValueError(f"temperature of loss {term.name!r} must be a positive number, got {value!r}.")
