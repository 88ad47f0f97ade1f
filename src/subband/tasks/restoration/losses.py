"""The losses that a recipe of this task may name: on frames, on harm, on VD-Diff's priors, on what MFPI is told."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple, get_args

import torch
from torch import Tensor, nn

from subband.config import LossTerm
from subband.losses import Loss, build_loss, charbonnier_loss, harm_loss
from subband.models.super_resolution.mfpi import MFPI
from subband.models.vd_diff.stages import VDDiffStage2, VDDiffStage3
from subband.tasks.restoration.networks import Passed, Privileged, RestoredWith
from subband.training.loss_terms import HARM, HarmTerm, checked_arguments, known_arguments, refuse_twice
from subband.transforms import rfft2

__all__ = ["PRIOR", "PriorTerm", "RestorationLosses", "loss_table"]

PRIOR, PRIVILEGE = "prior", "privilege"
_SMALL_AMPLITUDE = 1e-4  # counts as none; the gradient of a root grows as one over it
_EPS = 1e-6  # VD-Diff, whose code adds 1e-12 inside of the root


class PriorTerm(NamedTuple):
    """The term `prior`: Charbonnier between the prior of the diffusion and that of the teacher.

    Attributes:
        weight: Factor in the sum.
        eps: Error below which it is round.
        restored_with: Whose prior restores in the third stage: that of the diffusion, as in VD-Diff's code, or the
            teacher's, as in its later revision.
    """

    weight: float
    eps: float = _EPS
    restored_with: RestoredWith = "diffused"


class PrivilegeTerm(NamedTuple):
    """The term `privilege` of MFPI: how far it guesses what sharp frames say, and what it does with it.

    Attributes:
        weight: Factor of the mean error of the guess in the sum.
        told: Share of the training clips that are restored with what their sharp frames say: 1 trains a teacher, 0 a
            student, whose encoder of sharp frames stays as it is; between them both are trained at once.
        states_weight: Factor, within the term, of the difference of the states' log-amplitudes from those of a pass
            with what the sharp frames say; for students.
    """

    weight: float
    told: float = 0.5
    states_weight: float = 0.0


class RestorationLosses(NamedTuple):
    """The terms of a recipe.

    Attributes:
        frames: Terms on restored and sharp frames.
        harm: The term on what became worse, None if the recipe has none.
        prior: The term on priors, None if the recipe has none.
        privilege: The term on privileged information, None if the recipe has none.
    """

    frames: list[tuple[LossTerm, Loss]]
    harm: HarmTerm | None
    prior: PriorTerm | None
    privilege: PrivilegeTerm | None

    def __call__(self, passed: Passed) -> dict[str, Tensor]:
        """Weighted values by name."""
        values: dict[str, Tensor] = {}
        if passed.frames is not None:
            values |= {term.name: term.weight * loss(passed.frames, passed.sharp) for term, loss in self.frames}
            if self.harm is not None:
                harm = harm_loss(passed.frames, passed.sharp, passed.degraded, eps=self.harm.eps)
                values[HARM] = self.harm.weight * harm
        if self.prior is not None and passed.priors is not None:
            values[PRIOR] = self.prior.weight * charbonnier_loss(*passed.priors, eps=self.prior.eps)
        if self.privilege is not None and passed.privilege is not None:
            values[PRIVILEGE] = self.privilege.weight * _privilege(passed.privilege, self.privilege)
        return values


def loss_table(terms: Sequence[LossTerm]) -> RestorationLosses:
    """The losses that a recipe names.

    Raises:
        ValueError: If a loss is unknown or named twice, or an argument has an impossible value.
        TypeError: If a loss has no such argument.
    """
    refuse_twice(terms)
    frames = [(term, build_loss(term.name, term.args)) for term in terms if term.name not in (HARM, PRIOR, PRIVILEGE)]
    harm = next(
        (HarmTerm(term.weight, **checked_arguments(term, HarmTerm)) for term in terms if term.name == HARM), None
    )
    prior = next((_prior(term) for term in terms if term.name == PRIOR), None)
    privilege = next((_privilege_term(term) for term in terms if term.name == PRIVILEGE), None)
    return RestorationLosses(frames, harm, prior, privilege)


def check_losses(losses: RestorationLosses, model: nn.Module) -> None:
    """Refuse terms that a network gives nothing for.

    Raises:
        ValueError: Saying what is missing.
    """
    name = type(model).__name__
    if isinstance(model, VDDiffStage2) and (losses.frames or losses.harm or losses.prior is None):
        raise ValueError(f"{name} trains its diffusion alone and restores no frames: its only loss is 'prior'.")
    if losses.privilege is not None and (not isinstance(model, MFPI) or model.encode is None):
        raise ValueError(f"loss 'privilege' is for MFPI with its teacher, not for {name}.")
    if losses.prior is None:
        return
    if not isinstance(model, VDDiffStage2 | VDDiffStage3):
        raise ValueError(f"loss 'prior' is for the second and third stage of VD-Diff, not for {name}.")
    if isinstance(model, VDDiffStage2) and losses.prior.restored_with != "diffused":
        raise ValueError(f"restored_with of loss 'prior' is for the third stage of VD-Diff; {name} restores no frames.")


def _prior(term: LossTerm) -> PriorTerm:
    found = PriorTerm(term.weight, **checked_arguments(term, PriorTerm))
    if found.restored_with not in get_args(RestoredWith):
        raise ValueError(f"restored_with of loss 'prior' must be diffused or teacher, got {found.restored_with!r}.")
    return found


def _privilege_term(term: LossTerm) -> PrivilegeTerm:
    found = PrivilegeTerm(term.weight, **known_arguments(term, PrivilegeTerm))
    if not 0 <= found.told <= 1 or found.states_weight < 0:
        raise ValueError(
            "of loss 'privilege' told must lie within 0 and 1 and states_weight not be negative, got "
            f"{found.told} and {found.states_weight}."
        )
    return found


def _privilege(passed: Privileged, term: PrivilegeTerm) -> Tensor:
    """The value of the term without its weight."""
    errors = [(guess - told.detach()).abs().mean() for guess, told in zip(passed.guessed, passed.told, strict=True)]
    total = torch.stack(errors).mean()
    if passed.states is not None and term.states_weight:
        pairs = zip(*(itertools.chain.from_iterable(bank) for bank in passed.states), strict=True)
        change = torch.stack([(_log_amplitude(own) - _log_amplitude(other)).abs().mean() for own, other in pairs])
        num_frames = len(passed.told)
        total = total + term.states_weight * change.sum() / num_frames  # a sum over passes, a mean over frames
    return total


def _log_amplitude(states: Tensor) -> Tensor:
    spectrum = rfft2(states.float())
    return (spectrum.real.square() + spectrum.imag.square() + _SMALL_AMPLITUDE**2).sqrt().log1p()
