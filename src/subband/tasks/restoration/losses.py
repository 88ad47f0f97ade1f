"""The losses that a recipe of this task may name: those on frames, harm, and one on the priors of VD-Diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from torch import Tensor, nn

from subband.config import LossTerm
from subband.losses import Loss, build_loss, charbonnier_loss, harm_loss
from subband.models.vd_diff.stages import VDDiffStage2, VDDiffStage3
from subband.tasks.restoration.networks import Passed, RestoredWith

__all__ = ["HARM", "PRIOR", "PriorTerm", "RestorationLosses", "loss_table"]

HARM, PRIOR = "harm", "prior"
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


class HarmTerm(NamedTuple):
    """The term `harm`: `harm_loss` of restored clips.

    Attributes:
        weight: Factor in the sum.
        eps: Mean square error that is as good as none.
    """

    weight: float
    eps: float = 1e-8


class RestorationLosses(NamedTuple):
    """The terms of a recipe.

    Attributes:
        frames: Terms on restored and sharp frames.
        harm: The term on what became worse, None if the recipe has none.
        prior: The term on priors, None if the recipe has none.
    """

    frames: list[tuple[LossTerm, Loss]]
    harm: HarmTerm | None
    prior: PriorTerm | None

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
        return values


def loss_table(terms: Sequence[LossTerm]) -> RestorationLosses:
    """The losses that a recipe names.

    Raises:
        ValueError: If a loss is unknown or named twice, or an argument has an impossible value.
        TypeError: If a loss has no such argument.
    """
    names = [term.name for term in terms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"loss {twice[0]!r} is named twice; give it the sum of the weights.")
    frames = [(term, build_loss(term.name, term.args)) for term in terms if term.name not in (HARM, PRIOR)]
    harm = next((HarmTerm(term.weight, **_arguments(term, HarmTerm)) for term in terms if term.name == HARM), None)
    prior = next((_prior(term) for term in terms if term.name == PRIOR), None)
    return RestorationLosses(frames, harm, prior)


def check_losses(losses: RestorationLosses, model: nn.Module) -> None:
    """Refuse terms that a network gives nothing for.

    Raises:
        ValueError: Saying what is missing.
    """
    name = type(model).__name__
    if isinstance(model, VDDiffStage2) and (losses.frames or losses.harm or losses.prior is None):
        raise ValueError(f"{name} trains its diffusion alone and restores no frames: its only loss is 'prior'.")
    if losses.prior is None:
        return
    if not isinstance(model, VDDiffStage2 | VDDiffStage3):
        raise ValueError(f"loss 'prior' is for the second and third stage of VD-Diff, not for {name}.")
    if isinstance(model, VDDiffStage2) and losses.prior.restored_with != "diffused":
        raise ValueError(f"restored_with of loss 'prior' is for the third stage of VD-Diff; {name} restores no frames.")


def _prior(term: LossTerm) -> PriorTerm:
    found = PriorTerm(term.weight, **_arguments(term, PriorTerm))
    if found.restored_with not in get_args(RestoredWith):
        raise ValueError(f"restored_with of loss 'prior' must be diffused or teacher, got {found.restored_with!r}.")
    return found


def _arguments(term: LossTerm, kind: type[HarmTerm] | type[PriorTerm]) -> dict[str, Any]:
    """Arguments of a term that are those of its kind, its `eps` a positive number."""
    known = kind._fields[1:]
    for key in term.args:
        if key not in known:
            raise TypeError(f"loss {term.name!r} has no argument {key!r}; it takes {', '.join(known)}")
    eps = term.args.get("eps", 1.0)
    if not (isinstance(eps, float) and eps > 0):
        raise ValueError(f"eps of loss {term.name!r} must be a positive number, got {eps!r}.")
    return dict(term.args)
