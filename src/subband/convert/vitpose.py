"""Checkpoints of ViTPose as its repository (mmpose 0.x), mmpose 1.x and Hugging Face store them, and of ViTPose+.

Written back is the repository's layout, or that of Hugging Face (`export_for_transformers`). Of ViTPose+, whose layers
end in a part for each data set, `expert` chooses one; what is loaded then is a plain ViTPose.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from subband.convert._keymap import KeyMap
from subband.convert.published import export_state
from subband.models.pose.vitpose import ViTPose

__all__ = ["EXPERTS", "VITPOSE", "export_for_transformers"]

# Data sets in the order of the experts, and how many joints of a head are theirs.
EXPERTS = {"coco": 17, "aic": 14, "mpii": 16, "ap10k": 17, "apt36k": 17, "wholebody": 133}
HUGGING_FACE_EPS = 1e-12  # of its LayerNorms; those of the two others have our default
MMPOSE, OWN = "backbone.layers.{i}", "backbone.blocks.{i}"
HUGGING_FACE = "backbone.encoder.layer.{i}"

HUGGING_FACE_RULES = (
    ("backbone.embeddings.position_embeddings", "backbone.pos_embed"),
    ("backbone.embeddings.patch_embeddings.projection", "backbone.embed"),
    (f"{HUGGING_FACE}.layernorm_before", f"{OWN}.norm1"),
    (f"{HUGGING_FACE}.layernorm_after", f"{OWN}.norm2"),
    (f"{HUGGING_FACE}.attention.attention.qkv", f"{OWN}.attention.qkv"),
    (f"{HUGGING_FACE}.attention.output.dense", f"{OWN}.attention.proj"),
    (f"{HUGGING_FACE}.mlp", f"{OWN}.mlp"),
    ("backbone.layernorm", "backbone.norm"),
    ("head.deconv1", "head.layers.0"),
    ("head.batchnorm1", "head.layers.1"),
    ("head.deconv2", "head.layers.3"),
    ("head.batchnorm2", "head.layers.4"),
    ("head.conv", "head.final"),
)
RULES = (
    ("backbone.pos_embed", "backbone.pos_embed"),
    ("backbone.patch_embed.proj", "backbone.embed"),
    ("backbone.blocks.{i}.attn", f"{OWN}.attention"),
    ("backbone.blocks", "backbone.blocks"),
    ("backbone.last_norm", "backbone.norm"),
    ("keypoint_head.deconv_layers", "head.layers"),
    ("keypoint_head.final_layer", "head.final"),
    ("backbone.patch_embed.projection", "backbone.embed"),
    (f"{MMPOSE}.ln1", f"{OWN}.norm1"),
    (f"{MMPOSE}.ln2", f"{OWN}.norm2"),
    (f"{MMPOSE}.attn", f"{OWN}.attention"),
    (f"{MMPOSE}.ffn.layers.0.0", f"{OWN}.mlp.fc1"),
    (f"{MMPOSE}.ffn.layers.1", f"{OWN}.mlp.fc2"),
    ("backbone.ln1", "backbone.norm"),
    ("head.deconv_layers", "head.layers"),
    ("head.final_layer", "head.final"),
    *HUGGING_FACE_RULES,
)


def arrange(state: dict[str, Tensor], options: dict[str, Any], source: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Put together what a layout keeps apart, and take one expert out of a file with several.

    Args:
        state: Published names and values.
        options: Arguments that were given; `expert` is one of `EXPERTS`.
        source: What error messages call the checkpoint.

    Returns:
        The state dict that `RULES` know, and the arguments of the network.

    Raises:
        ValueError: If the file has experts and none is chosen, or the other way round, or its head is the other one.
    """
    options = dict(options)
    state = _one_expert(state, options.pop("expert", None), source)
    if any(key.startswith("backbone.encoder.") for key in state):
        options.setdefault("norm_eps", HUGGING_FACE_EPS)
        state = _joined_projections(state)
    if "backbone.layers.0.ln1.weight" in state and "backbone.pos_embed" in state:
        # mmpose 1.x has added the row for all tokens to the others.
        table = state["backbone.pos_embed"]
        state = {**state, "backbone.pos_embed": torch.cat([torch.zeros_like(table[:, :1]), table], 1)}
    _check_head(state, options.get("head", "classic"), source)
    return state, options


def _one_expert(state: dict[str, Tensor], expert: str | None, source: str) -> dict[str, Tensor]:
    """A plain state dict: the second layer of every MLP with the rows of the expert, and the expert's head."""
    kept = {key: value for key, value in state.items() if ".mlp.experts." not in key}
    width = next((value.shape[-1] for key, value in state.items() if key.endswith(("pos_embed", "embeddings"))), 0)
    layers = [len(value) for key, value in state.items() if key.endswith(".mlp.fc2.bias")]
    is_whole = len(kept) == len(state) or all(rows == width for rows in layers)
    if is_whole and expert is not None:
        raise ValueError(f"{source} holds one network alone; leave out expert={expert!r}.")
    if is_whole:  # the experts that a split file still lists have no part in it
        return kept
    if expert not in EXPERTS:
        close = difflib.get_close_matches(str(expert), EXPERTS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close and expert is not None else ""
        raise ValueError(
            f"{source} is a ViTPose+ with experts: pass expert=, one of {', '.join(EXPERTS)}, got {expert!r}{hint}."
        )
    number = list(EXPERTS).index(expert)
    for key, value in state.items():
        match = re.fullmatch(r"(.+\.mlp)\.fc2\.(weight|bias)", key)
        if match:
            rows = state.get(f"{match[1]}.experts.{number}.{match[2]}")
            if rows is None:
                raise ValueError(f"{source} has no expert {expert!r}: {match[1]}.experts.{number} is missing.")
            kept[key] = torch.cat([value, rows])
    return _expert_head(kept, number, EXPERTS[expert])


def _expert_head(state: dict[str, Tensor], number: int, num_joints: int) -> dict[str, Tensor]:
    """The head of a data set in the place of the first one's; files of Hugging Face have one head for all."""
    theirs = f"associate_keypoint_heads.{number - 1}."
    if number == 0 or not any(key.startswith(theirs) for key in state):
        return state
    kept = {key: value for key, value in state.items() if not key.startswith("keypoint_head.")}
    for key, value in state.items():
        if key.startswith(theirs):
            rows = value[:num_joints] if ".final_layer." in key else value
            kept[f"keypoint_head.{key.removeprefix(theirs)}"] = rows
    return kept


def _joined_projections(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Query, key and value of Hugging Face in one projection."""
    joined: dict[str, Tensor] = {}
    for key, value in state.items():
        match = re.fullmatch(r"(.+\.attention\.attention)\.(query|key|value)\.(weight|bias)", key)
        if match is None:
            joined[key] = value
            continue
        thirds = [state.get(f"{match[1]}.{name}.{match[3]}") for name in ("query", "key", "value")]
        present = [third for third in thirds if third is not None]
        # An incomplete one keeps its name, so that it is listed among what does not fit.
        joined[key if len(present) < len(thirds) else f"{match[1]}.qkv.{match[3]}"] = (
            value if len(present) < len(thirds) else torch.cat(present)
        )
    return joined


def _check_head(state: Mapping[str, Tensor], wanted: str, source: str) -> None:
    own = {VITPOSE.to_own(key) for key in state}
    if "head.final.weight" not in own:
        return
    found = "classic" if "head.layers.0.weight" in own else "simple"
    if found != wanted:
        raise ValueError(
            f"{source} has a {found} head, but the model is built with the {wanted} one; pass head={found!r} "
            f"(on the command line --set head={found})."
        )


VITPOSE = KeyMap(rules=RULES, ignored=("associate_keypoint_heads", "backbone.cls_token"), arrange=arrange)


def export_for_transformers(model: ViTPose) -> dict[str, Tensor]:
    """The weights under the names of `transformers.VitPoseForPoseEstimation`.

    Its configuration has to say the same sizes as `model`, and `layer_norm_eps=model.backbone.norm.eps`.

    Args:
        model: A ViTPose with either head.

    Returns:
        Name to tensor, for `load_state_dict`.

    Example:
        >>> import subband
        >>> state = export_for_transformers(subband.create_model("vitpose_s", depth=1, num_joints=15))
        >>> state["backbone.encoder.layer.0.attention.attention.key.weight"].shape, state["head.conv.bias"].shape
        (torch.Size([384, 384]), torch.Size([15]))
    """
    state: dict[str, Tensor] = {}
    for key, value in export_state(model, KeyMap(rules=HUGGING_FACE_RULES)).items():
        match = re.fullmatch(r"(.+)\.qkv\.(weight|bias)", key)
        if match is None:
            state[key] = value
            continue
        for name, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
            state[f"{match[1]}.{name}.{match[2]}"] = third.clone()  # files keep each by itself
    return state
