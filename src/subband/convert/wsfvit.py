"""Checkpoints of WSF-ViT: classifiers, and the backbones of its detectors.

Files with the older names of the attention parts (`attn_block`, `attn_channel`, `attn_grid`) load too; export writes
the current ones. Position tables for windows of another size are resized, as the published fine-tuning at 384 pixels
does. A network with `in_chans` other than three takes the stem of a file for three colors: within each wavelet band,
one channel has the sum of the colors' weights and the mean of their statistics, more channels have the colors in turn,
rescaled.

The number of heads across channels, and how images were prepared, show in no shape. The size of the position tables
tells the published files for 384 pixels from those for 224: a file that is loaded by the name of the other one, and
would compute something else, is refused. Files with the older names may have more heads than the sizes of today;
nothing in them tells, so there is a warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from subband.convert._input_channels import fit_channel_statistics, fit_channels
from subband.convert._keymap import KeyMap
from subband.convert.position_table import resize_position_table
from subband.convert.published import export_state, read_state, rename_state
from subband.convert.wsfvit_video import CHANNEL_NAMES, MBCONV_NAMES, SAME_NAMES
from subband.models.registry import catalog, create_model, model_spec
from subband.models.wsfvit.wsfvit import WSFViT, WSFViTPyramid, stage_windows

__all__ = ["OLDER_TRUNK_RULES", "PYRAMID_NORMS", "WSFVIT", "WSFVIT_PYRAMID", "export_pyramid", "load_pyramid"]

BLOCK = "stages.{s}.blocks.{b}"
OWN_BLOCK = "trunk.levels.{s}.{b}"
STEM_NAMES = {"norm1": "norm_in", "conv1": "conv1", "norm2": "norm1", "conv2": "conv2", "norm3": "norm2"}
BANDS = 4
CURRENT, OLDER = 0, 1  # columns of `ATTENTION_NAMES`
DEFAULT_SIZE = 224
OLDER_HEADS = (4, 8, 16, 32)
INPUT_OPTIONS = {"img_size", "num_classes", "in_chans", "drop_rate", "drop_path_rate"}  # with which a file is published
TABLE = "attn.rel_pos.relative_position_bias_table"
# Current name, older name, ours.
ATTENTION_NAMES = (
    ("attn_local", "attn_block", "local"),
    ("attn_inter", "attn_channel", "channel"),
    ("attn_global", "attn_grid", "grid"),
)


def _block_rules(dialects: tuple[int, int]) -> tuple[tuple[str, str], ...]:
    """Rules of a block, with the names that export writes first: it takes the first rule that fits."""
    rules = [(f"{BLOCK}.conv.{theirs}", f"{OWN_BLOCK}.mbconv.{ours}") for theirs, ours in MBCONV_NAMES.items()]
    rules.append((f"{BLOCK}.conv.shortcut.expand", f"{OWN_BLOCK}.mbconv.shortcut"))
    for dialect in dialects:
        for names in ATTENTION_NAMES:
            theirs, ours = f"{BLOCK}.{names[dialect]}", f"{OWN_BLOCK}.{names[2]}"
            rules += [(f"{theirs}.{name}", f"{ours}.{name}") for name in SAME_NAMES]
            if names[2] == "channel":
                rules += [(f"{theirs}.{name}", f"{ours}.{own}") for name, own in CHANNEL_NAMES.items()]
            else:
                rules.append((f"{theirs}.{TABLE}", f"{ours}.attn.position_bias"))
    return tuple(rules)


def haar_filters(model: nn.Module) -> dict[str, Tensor]:
    """The stem's fixed taps, which the published layout stores."""
    root = 0.5**0.5
    return {"stem.dwt_l2.w_l": torch.tensor([[root, root]]), "stem.dwt_l2.w_h": torch.tensor([[root, -root]])}


def fit_input(key: str, value: Tensor, wanted: torch.Size) -> Tensor | None:
    """What depends on the image: a position table for windows of another size, the stem for other channels.

    Args:
        key: Our name.
        value: What the checkpoint has.
        wanted: Shape of ours.

    Returns:
        A value of the wanted shape; None for other tensors, which must have the right one.
    """
    if key.endswith("position_bias") and value.ndim == 3 and value.shape[0] == wanted[0]:
        return resize_position_table(value, (wanted[1], wanted[2]))
    if key.endswith("stem.conv1.weight"):
        return fit_channels(value, wanted, bands=BANDS)
    if ".stem.norm_in." in key:
        return fit_channel_statistics(value, wanted, bands=BANDS)
    return None


def check_variant(name: str, state: Mapping[str, Tensor], overrides: Mapping[str, Any], source: str) -> None:
    """Refuse the weights of another published size that differs in what no shape shows.

    Args:
        name: Model that the weights were loaded into.
        state: Published state dict.
        overrides: Arguments that were given. With `num_heads`, or with arguments that no published file has, the user
            knows better.
        source: What messages call the checkpoint.

    Raises:
        ValueError: If the position tables are those of another size, naming it.
    """
    if set(overrides) - INPUT_OPTIONS:
        return
    args, tables = model_spec(name).args, {tuple(value.shape[1:]) for key, value in state.items() if TABLE in key}
    for other, spec in catalog().items():
        differences = _hidden_differences(name, other) if spec.builder is WSFViT else []
        if differences and tables == {_table_size(other)} != {_table_size(name)}:
            side, heads = _table_size(other)[0], list(args["num_heads"])
            raise ValueError(
                f"{source} has position tables of {side} x {side}, those of {other}, which differs from {name} in "
                f"{' and '.join(differences)} though not in shapes; load it as {other}, or, if it was trained as "
                f"{name}, pass num_heads={heads} (on the command line --set num_heads={heads})."
            )
    if tuple(args["num_heads"]) != OLDER_HEADS and any(
        older in key for _, older, _ in ATTENTION_NAMES for key in state
    ):
        warnings.warn(
            f"{source} has the names of files from before February 2026, of which some were trained with "
            f"num_heads={list(OLDER_HEADS)}, not {list(args['num_heads'])} as {name} has them; no weight tells. "
            "Measure the accuracy, or pass num_heads.",
            stacklevel=4,
        )


def _hidden_differences(name: str, other: str) -> list[str]:
    """In what two published networks of the same width and depth differ that no shape shows."""
    first, second = model_spec(name), model_spec(other)
    if any(first.args[key] != second.args[key] for key in ("dims", "depths", "head_dim", "stem_dim")):
        return []
    hidden = {
        "num_heads": first.args["num_heads"] != second.args["num_heads"],
        "preprocessing": first.preprocessing != second.preprocessing,
    }
    return [key for key, differs in hidden.items() if differs]


def _table_size(name: str) -> tuple[int, int]:
    """Sides of the position tables of a published network, the same in all stages."""
    side = model_spec(name).args.get("img_size", DEFAULT_SIZE)
    window = stage_windows(side, side)[0]
    return 2 * window[0] - 1, 2 * window[1] - 1


STEM_RULES = tuple((f"stem.{theirs}", f"trunk.stem.{ours}") for theirs, ours in STEM_NAMES.items())
TRUNK_RULES = (*STEM_RULES, *_block_rules((CURRENT, OLDER)))
OLDER_TRUNK_RULES = (*STEM_RULES, *_block_rules((OLDER, CURRENT)))
PYRAMID_NORMS = ("norm{s}.norm", "norms.{s}")

WSFVIT = KeyMap(
    rules=(
        *TRUNK_RULES,
        ("head.norm", "norm"),
        ("head.pre_logits.fc", "hidden"),
        ("head.fc", "head"),
    ),
    constants=haar_filters,
    fit=fit_input,
    check=check_variant,
)

# The backbone of a detector, without the prefix `backbone.`.
WSFVIT_PYRAMID = KeyMap(rules=(*TRUNK_RULES, PYRAMID_NORMS), constants=haar_filters, fit=fit_input)


def load_pyramid(name: str, checkpoint: str | Path | Mapping[str, Tensor], **overrides: Any) -> WSFViTPyramid:
    """The backbone of a published detector.

    Args:
        name: Size, e.g. `wsfvit_t`.
        checkpoint: File or state dict of a detector, of which only the backbone is read, or of its backbone alone.
        overrides: Arguments of `WSFViT`. Unless given, `num_heads` is `(4, 8, 16, 32)`, as in all published detectors.

    Returns:
        The network in evaluation mode.

    Raises:
        ValueError: If `name` is no WSF-ViT, or the checkpoint does not fit it.

    Example:
        >>> pyramid = WSFViTPyramid(create_model("wsfvit_p0", num_heads=(4, 8, 16, 32)).trunk)
        >>> again = load_pyramid("wsfvit_p0", export_pyramid(pyramid))
        >>> torch.equal(again.norms[0].weight, pyramid.norms[0].weight)
        True
    """
    if model_spec(name).builder is not WSFViT:
        raise ValueError(f"name must be a WSF-ViT, got {name!r}.")
    state, source = read_state(checkpoint)
    parts = {key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")}
    model = create_model(name, **{"num_heads": (4, 8, 16, 32), **overrides})
    pyramid = WSFViTPyramid(model.trunk)  # type: ignore[arg-type]
    pyramid.load_state_dict(rename_state(parts or state, WSFVIT_PYRAMID, pyramid, source))
    return pyramid.eval()


def export_pyramid(pyramid: WSFViTPyramid) -> dict[str, Tensor]:
    """The weights of a pyramid under the names of published backbones (the current ones), without a prefix."""
    return export_state(pyramid, WSFVIT_PYRAMID)
