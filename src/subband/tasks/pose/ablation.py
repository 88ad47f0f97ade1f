"""Networks for pose that are trained against each other: what a clip, motion and its distillation are worth.

All start from nothing and have about the same processor time, so that those that ask a teacher learn in fewer steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from subband.config import merge, read_recipe
from subband.training.comparison import Entry

__all__ = ["TEACHER", "first_entries", "student_entries"]

TEACHER = "teacher"
_STUDENT, _FRAME = "pose/freqpose_figures_none", "pose/framepose_figures"


class _Budget(NamedTuple):
    """How long a network learns: so many clips, so often."""

    clips: int
    epochs: int = 1

    def settings(self, epochs: int | None) -> dict[str, Any]:
        return {"data": {"args": {"num_train": self.clips}}, "trainer": {"epochs": epochs or self.epochs}}


# What fits into four minutes of one core that learns from 8 clips of 64 x 64 in half a second.
_ALONE, _WITH_TEACHER, _FRAME_ALONE = _Budget(3600), _Budget(2900), _Budget(8000, 6)
_SCORED = {"num_test": 200, "scored_frames": 3}
# By what is distilled; BA is the bound of Barber and Agakov.
_STUDENTS = {
    "BA and VSD": ("student", "pose/freqpose_figures"),
    "L2": ("student_l2", "pose/freqpose_figures_l2"),
    "BA": ("student_ba", "pose/freqpose_figures_ba"),
    "InfoNCE": ("student_infonce", "pose/freqpose_figures_infonce"),
    "VSD": ("student_vsd", "pose/freqpose_figures_vsd"),
}


def first_entries(epochs: int | None, changes: dict[str, Any]) -> list[Entry]:
    """The teacher, then networks that ask none.

    Args:
        epochs: Length of a training; that which makes budgets equal if not given.
        changes: Settings of all of them.
    """
    still = {"data": {"args": {"still": True}}}
    settings: dict[str, tuple[str, str, _Budget, dict[str, Any]]] = {
        TEACHER: ("teacher", _STUDENT, _ALONE, {"model": {"name": "freqpose_teacher"}}),
        "no distillation": ("no_distillation", _STUDENT, _ALONE, {}),
        "one frame repeated": ("still", _STUDENT, _ALONE, still),
        "single frames": ("frame", _FRAME, _FRAME_ALONE, {}),
    }
    return [
        _entry(label, name, recipe, merge(budget.settings(epochs), own), changes)
        for label, (name, recipe, budget, own) in settings.items()
    ]


def student_entries(teacher: Path, epochs: int | None, changes: dict[str, Any]) -> list[Entry]:
    """Students by how they are told what a teacher knows.

    Args:
        teacher: Its run folder.
        epochs: As of `first_entries`.
        changes: Likewise.
    """
    own = merge({"model": {"teacher": str(teacher)}}, _WITH_TEACHER.settings(epochs))
    return [_entry(label, name, recipe, own, changes) for label, (name, recipe) in _STUDENTS.items()]


def _entry(label: str, name: str, recipe: str, own: dict[str, Any], changes: dict[str, Any]) -> Entry:
    alone = {"stages": [], "loss": read_recipe(recipe)["loss"], "data": {"args": _SCORED}}
    return Entry(label=label, name=name, recipe=recipe, changes=merge(merge(alone, own), changes))
