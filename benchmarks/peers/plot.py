"""The benchmark as a picture: one line per case, time as a multiple of the time of a copy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from peers.table import Row

__all__ = ["draw"]

OURS, OURS_COMPILED, TRACK, INK = "#0b6e99", "#12a37f", "#d9dee3", "#2b2f33"
PEERS = {  # marker, color, and the name in the legend; no case has two of the same marker
    "PyWavelets": ("s", "#b4552d", "PyWavelets, scipy, dtcwt (NumPy)"),
    "scipy": ("s", "#b4552d", "PyWavelets, scipy, dtcwt (NumPy)"),
    "dtcwt": ("s", "#b4552d", "PyWavelets, scipy, dtcwt (NumPy)"),
    "ptwt": ("^", "#8c6bb1", "ptwt"),
    "ptwt separable": ("v", "#8c6bb1", "ptwt, separable"),
    "pytorch_wavelets": ("D", "#c79a1b", "pytorch_wavelets, torch_dct"),
    "torch_dct": ("D", "#c79a1b", "pytorch_wavelets, torch_dct"),
    "OpenSTL layer": ("P", "#7a8288", "OpenSTL layer"),
    "VD-Diff layer": ("X", "#7a8288", "VD-Diff layer"),
}


def draw(file: Path, rows: list[Row], facts: Mapping[str, str | int]) -> None:
    """One panel for the forward transform, one with its gradient."""
    panels = {direction: [row for row in rows if row.direction == direction] for direction in ("forward", "f+b")}
    panels = {direction: found for direction, found in panels.items() if found}
    height = 1.4 + 0.27 * max(len(found) for found in panels.values())
    same = len({tuple(row.case for row in found) for found in panels.values()}) == 1
    figure, axes = plt.subplots(
        1, len(panels), figsize=(7.2 * len(panels), height), squeeze=False, sharey=same, layout="constrained"
    )
    for axis, (direction, found) in zip(axes[0], panels.items(), strict=True):
        _panel(axis, found)
        axis.set_title(
            "forward" if direction == "forward" else "forward and gradient of the input", fontsize=11, loc="left"
        )
    handles, labels = _legend(axes[0])
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    caption = "{hardware}, {threads} CPU thread(s), torch {torch}, subband {commit}, {date}".format_map(facts)
    figure.suptitle(
        f"Time of a transform as a multiple of copying its input ({caption})", fontsize=9, color=INK, x=0.01, ha="left"
    )
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _panel(axis: Axes, rows: list[Row]) -> None:
    for height, row in enumerate(rows):
        ratios = {name: time / row.times["clone"] for name, time in row.times.items() if name != "clone"}
        axis.plot([min(ratios.values()), max(ratios.values())], [height, height], color=TRACK, lw=2, zorder=1)
        for name, ratio in ratios.items():
            if name in PEERS:
                marker, color, label = PEERS[name]
                fill = "white" if name in row.remarks else color
                axis.plot(ratio, height, marker, color=color, mfc=fill, ms=5.5, label=label, zorder=2)
        for is_compiled, marker, color, label in (
            (False, "o", OURS, "subband"),
            (True, "*", OURS_COMPILED, "subband, compiled"),
        ):
            if (time := row.ours(is_compiled)) is not None:
                size = 11 if is_compiled else 8
                axis.plot(
                    time / row.times["clone"],
                    height,
                    marker,
                    color=color,
                    ms=size,
                    mec="white",
                    mew=0.7,
                    label=label,
                    zorder=3,
                )
    axis.axvline(1, color=INK, lw=1)
    axis.set_xscale("log")
    axis.set_yticks(range(len(rows)), [row.case for row in rows], fontsize=8.5)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.grid(axis="x", which="major", color=TRACK, lw=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("× copy (left is better); hollow: wrong numbers or gradients", fontsize=8.5)


def _legend(axes: list[Axes]) -> tuple[list, list[str]]:
    found = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            if handle.get_markerfacecolor() != "white" or label not in found:
                found[label] = handle
    order = ["subband", "subband, compiled", *dict.fromkeys(label for _, _, label in PEERS.values())]
    labels = [label for label in order if label in found]
    return [found[label] for label in labels], labels
