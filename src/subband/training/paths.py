"""Files that a recipe names: absolute in the `config.yaml` of a run, so that they are found from everywhere."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from subband.config import PATH_ARGUMENTS, WEIGHT_SETTINGS

__all__ = ["absolute_paths", "find_paths"]


def absolute_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the paths of what is there made absolute; those of stages too.

    Args:
        settings: Nested as in a recipe.
    """
    return _changed(settings, lambda name, value: os.path.abspath(value) if Path(value).exists() else value)


def find_paths(settings: dict[str, Any], run: Path) -> dict[str, Any]:
    """Settings of a run whose relative paths are looked for above the run folder, where they are not here.

    Older runs stored paths as they were given, relative to the folder it was started in. What is found is
    warned of.

    Args:
        settings: Nested as in a recipe.
        run: The run folder.
    """

    def find(name: str, value: str) -> str:
        if name.startswith("model.") or os.path.isabs(value) or Path(value).exists():  # weights have names, too
            return value
        for folder in run.resolve().parents:
            if (folder / value).exists():
                warnings.warn(f"{name} of {run} is {value}; taken from {folder}, above the run folder.", stacklevel=2)
                return str(folder / value)
        return value

    return _changed(settings, find)


def _changed(settings: dict[str, Any], change: Any) -> dict[str, Any]:
    """Settings with every path that is given changed by a function of its dotted name and its text."""
    changed = dict(settings)
    data = settings.get("data") or {}
    args = data.get("args") or {}
    found = {key: change(f"data.args.{key}", args[key]) for key in PATH_ARGUMENTS if isinstance(args.get(key), str)}
    if found:
        changed["data"] = {**data, "args": {**args, **found}}
    for section, key in WEIGHT_SETTINGS:
        value = (settings.get(section) or {}).get(key)
        if isinstance(value, str):
            changed[section] = {**changed[section], key: change(f"{section}.{key}", value)}
    if settings.get("stages"):
        stages = settings["stages"]
        changed["stages"] = [{**stage, "settings": _changed(stage.get("settings") or {}, change)} for stage in stages]
    return changed
