"""The losses that a recipe of this task may name: those on frames, and one on the priors of VD-Diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from torch import Tensor, nn

from subband.config import LossTerm
from subband.losses import Loss, build_loss, charbonnier_loss
from subband.models.vd_diff.stages import VDDiffStage2, VDDiffStage3
from subband.tasks.restoration.networks import Passed, RestoredWith

__all__ = ["PRIOR", "PriorTerm", "RestorationLosses", "loss_table"]

PRIOR = "prior"
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


class RestorationLosses(NamedTuple):
    """The terms of a recipe.

    Attributes:
        frames: Terms on restored and sharp frames.
        prior: The term on priors, None if the recipe has none.
    """

    frames: list[tuple[LossTerm, Loss]]
    prior: PriorTerm | None

    def __call__(self, passed: Passed) -> dict[str, Tensor]:
        """Weighted values by name."""
        values: dict[str, Tensor] = {}
        if passed.frames is not None:
            values |= {term.name: term.weight * loss(passed.frames, passed.sharp) for term, loss in self.frames}
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
    frames = [(term, build_loss(term.name, term.args)) for term in terms if term.name != PRIOR]
    prior = next((_prior(term) for term in terms if term.name == PRIOR), None)
    return RestorationLosses(frames, prior)


def check_losses(losses: RestorationLosses, model: nn.Module) -> None:
    """Refuse terms that a network gives nothing for.

    Raises:
        ValueError: Saying what is missing.
    """
    name = type(model).__name__
    if isinstance(model, VDDiffStage2) and (losses.frames or losses.prior is None):
        raise ValueError(f"{name} trains its diffusion alone and restores no frames: its only loss is 'prior'.")
    if losses.prior is None:
        return
    if not isinstance(model, VDDiffStage2 | VDDiffStage3):
        raise ValueError(f"loss 'prior' is for the second and third stage of VD-Diff, not for {name}.")
    if isinstance(model, VDDiffStage2) and losses.prior.restored_with != "diffused":
        raise ValueError(f"restored_with of loss 'prior' is for the third stage of VD-Diff; {name} restores no frames.")


def _prior(term: LossTerm) -> PriorTerm:
    args: dict[str, Any] = dict(term.args)
    known = ("eps", "restored_with")
    for key in args:
        if key not in known:
            raise TypeError(f"loss 'prior' has no argument {key!r}; it takes {', '.join(known)}")
    found = PriorTerm(term.weight, **args)
    if not (isinstance(found.eps, float) and found.eps > 0):
        raise ValueError(f"eps of loss 'prior' must be a positive number, got {found.eps!r}.")
    if found.restored_with not in get_args(RestoredWith):
        raise ValueError(f"restored_with of loss 'prior' must be diffused or teacher, got {found.restored_with!r}.")
    return found
