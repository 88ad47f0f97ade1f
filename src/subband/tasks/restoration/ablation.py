"""VD-Diff, FTDeblur and MFPI without each of their parts, as recipes that are trained against each other."""

from __future__ import annotations

from typing import Any

from subband.config import merge, read_recipe
from subband.training.comparison import Entry

__all__ = ["FAMILIES", "ablation_entries"]

_FTDEBLUR: dict[str, dict[str, Any]] = {
    "FTDeblur": {},
    "extraction in space": {"extraction": "space"},
    "alignment in space": {"alignment": "space"},
    "aggregation in space": {"agg": "space"},
    "aligned by differences": {"align_input": "differences"},
}
_MFPI: dict[str, tuple[str, dict[str, Any]]] = {
    "MFPI": ("mfpi", {}),
    "no Fourier branch": ("mfpi_no_filter", {"with_filter": False}),
    "no large kernel": ("mfpi_no_large_kernel", {"with_large_kernel": False}),
    "no energy branch": ("mfpi_no_energy", {"with_energy": False}),
}
_ALL_IN_SPACE = {"extraction": "space", "alignment": "space", "agg": "space"}


def ablation_entries(family: str, epochs: int | None, changes: dict[str, Any]) -> list[Entry]:
    """The whole network first, then one form for every part.

    Args:
        family: A key of `FAMILIES`.
        epochs: Length of a training, of all stages together; that of the recipe if not given.
        changes: Settings of all of them.

    Raises:
        ValueError: If there are too few epochs for the stages of VD-Diff or MFPI.
    """
    return FAMILIES[family](epochs, changes)


def _vd_diff(epochs: int | None, changes: dict[str, Any]) -> list[Entry]:
    """Priors of three kinds, then the whole network without wavelets and without dynamic convolution.

    Without a diffusion there is one stage: the first, as long as the three of the whole network.
    """
    recipe = "restoration/ablation_vd_diff"
    stages = read_recipe(recipe)["stages"]
    first = stages[0]["settings"]
    lengths = [first["trainer"]["epochs"], stages[1]["settings"]["trainer"]["epochs"]]
    total = sum(lengths) + read_recipe(recipe)["trainer"]["epochs"]
    if epochs is not None:
        if epochs < len(stages):
            raise ValueError(f"--epochs must be at least {len(stages)} for the {len(stages)} stages of VD-Diff.")
        lengths, total = [max(epochs * length // total, 1) for length in lengths], epochs

    def staged(**args: bool) -> dict[str, Any]:
        """Settings with these arguments of the network in every stage."""
        longer = [*({"trainer": {"epochs": length}} for length in lengths), {}]
        settings = [merge(stage.get("settings", {}), more) for stage, more in zip(stages, longer, strict=True)]
        names = [stage["name"] for stage in stages]
        return {
            "model": {"args": args},
            "trainer": {"epochs": total - sum(lengths)},
            "stages": [
                {"name": name, "settings": merge(some, {"model": {"args": args}}) if "model" in some else some}
                for name, some in zip(names, settings, strict=True)
            ],
        }

    def single(name: str) -> dict[str, Any]:
        return merge(first, {"model": {"name": name}, "trainer": {"epochs": total}, "stages": []})

    settings = {
        "VD-Diff, prior of the diffusion": ("vd_diff", staged()),
        "prior of the teacher, which sees the sharp frames": ("vd_diff_teacher", single("vd_diff_stage1_s")),
        "no prior": ("vd_diff_no_prior", single("vd_diff_no_prior_s")),
        "no wavelets": ("vd_diff_no_wavelets", staged(wavelet=False)),
        "no dynamic convolution": ("vd_diff_no_dynamic_conv", staged(dynamic_conv=False)),
    }
    return [
        Entry(label=label, name=name, recipe=recipe, changes=merge(own, changes))
        for label, (name, own) in settings.items()
    ]


def _ftdeblur(epochs: int | None, changes: dict[str, Any]) -> list[Entry]:
    """Every part in space instead of over frequencies, all of them, and another input of the alignment."""
    recipe = "restoration/ablation_ftdeblur"
    in_space = {"loss": read_recipe(recipe)["loss"][:1]}  # without the one that compares spectra
    length = {} if epochs is None else {"trainer": {"epochs": epochs}}
    settings: dict[str, dict[str, Any]] = {label: {"model": {"args": args}} for label, args in _FTDEBLUR.items()}
    settings |= {"loss in space": in_space, "all in space": {"model": {"args": _ALL_IN_SPACE}, **in_space}}
    return [
        Entry(label=label, name=_folder_name(label), recipe=recipe, changes=merge(merge(own, length), changes))
        for label, own in settings.items()
    ]


def _mfpi(epochs: int | None, changes: dict[str, Any]) -> list[Entry]:
    """A teacher and a student, without each branch of their blocks, and one network that is told nothing."""
    recipe = "restoration/ablation_mfpi"
    whole = read_recipe(recipe)
    first = whole["stages"][0]["settings"]["trainer"]["epochs"]
    total = first + whole["trainer"]["epochs"]
    if epochs is not None:
        if epochs < 2:
            raise ValueError("--epochs must be at least 2 for teacher and student of MFPI.")
        first, total = epochs // 2, epochs
    teacher = merge(whole["stages"][0], {"settings": {"trainer": {"epochs": first}}})
    staged = {"trainer": {"epochs": total - first}, "stages": [teacher, *whole["stages"][1:]]}
    untold = {
        "model": {"args": {"privilege": 0}},
        "loss": whole["loss"][:1],  # without the one that compares what is guessed
        "trainer": {"epochs": total},
        "stages": [],
    }
    settings = {label: (name, {"model": {"args": args}, **staged}) for label, (name, args) in _MFPI.items()}
    settings["no privilege"] = ("mfpi_no_privilege", untold)
    return [
        Entry(label=label, name=name, recipe=recipe, changes=merge(own, changes))
        for label, (name, own) in settings.items()
    ]


def _folder_name(label: str) -> str:
    """A name for the runs of an entry; that of the whole network comes first in the alphabet."""
    return "ftdeblur" if label == "FTDeblur" else f"ftdeblur_{label.replace(' ', '_')}"


FAMILIES = {"vd_diff": _vd_diff, "ftdeblur": _ftdeblur, "mfpi": _mfpi}
