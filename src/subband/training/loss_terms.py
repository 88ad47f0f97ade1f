"""Loss terms of a recipe that are more than a function of prediction and truth, and the checks of their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from subband.config import LossTerm

HARM = "harm"


class HarmTerm(NamedTuple):
    """The term `harm`: `harm_loss`, the dB by which clips became worse than what was given.

    Attributes:
        weight: Factor in the sum.
        eps: Mean square error that is as good as none.
    """

    weight: float
    eps: float = 1e-8


def refuse_twice(terms: Sequence[LossTerm]) -> None:
    """Refuse a loss that a recipe names twice.

    Raises:
        ValueError: Naming it.
    """
    names = [term.name for term in terms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"loss {twice[0]!r} is named twice; give it the sum of the weights.")


def checked_arguments(term: LossTerm, kind: type[NamedTuple]) -> dict[str, Any]:
    """Arguments of a term that are those of its kind, its `eps` a positive number.

    Raises:
        ValueError: If `eps` is anything else.
        TypeError: If its kind has no such argument.
    """
    args = known_arguments(term, kind)
    eps = args.get("eps", 1.0)
    if not (isinstance(eps, float) and eps > 0):
        raise ValueError(f"eps of loss {term.name!r} must be a positive number, got {eps!r}.")
    return args


def known_arguments(term: LossTerm, kind: type[NamedTuple]) -> dict[str, Any]:
    """Arguments of a term, all of which its kind has.

    Raises:
        TypeError: If its kind has no such argument.
    """
    known = kind._fields[1:]
    for key in term.args:
        if key not in known:
            raise TypeError(f"loss {term.name!r} has no argument {key!r}; it takes {', '.join(known)}")
    return dict(term.args)
