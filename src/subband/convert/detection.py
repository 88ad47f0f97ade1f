"""Checkpoints of the detectors published with WSF-ViT, in the layout of MMDetection 2.

Files hold the weights under `state_dict`, beside them names of classes and the optimizer's state, which is not kept.
Their backbones have the older names of the attention parts, which export writes; the current ones load, too. Order of
classes, the background last, and of the flattened features are the same on both sides.
"""

from __future__ import annotations

from torch import Tensor, nn

from subband.convert._keymap import KeyMap
from subband.convert.wsfvit import OLDER_TRUNK_RULES, PYRAMID_NORMS, fit_input, haar_filters

__all__ = ["CASCADE_RCNN", "MASK_RCNN"]

COMMON_RULES = (
    *((f"backbone.{theirs}", f"backbone.{ours}") for theirs, ours in (*OLDER_TRUNK_RULES, PYRAMID_NORMS)),
    ("neck.lateral_convs.{i}.conv", "fpn.lateral.{i}"),
    ("neck.fpn_convs.{i}.conv", "fpn.output.{i}"),
    ("rpn_head.rpn_conv", "rpn.conv"),
    ("rpn_head.rpn_cls", "rpn.objectness"),
    ("rpn_head.rpn_reg", "rpn.regress"),
)


def _head_rules(stage: str, own: str) -> tuple[tuple[str, str], ...]:
    """Names of one box head and one mask head."""
    box, mask = (f"roi_head.{kind}_head{stage}" for kind in ("bbox", "mask"))
    return (
        (f"{box}.shared_convs.{{j}}.conv", f"heads.box_heads.{own}.convs.{{j}}"),
        (f"{box}.shared_convs.{{j}}.bn", f"heads.box_heads.{own}.norms.{{j}}"),
        (f"{box}.shared_fcs.{{j}}", f"heads.box_heads.{own}.linears.{{j}}"),
        (f"{box}.fc_cls", f"heads.box_heads.{own}.classify"),
        (f"{box}.fc_reg", f"heads.box_heads.{own}.regress"),
        (f"{mask}.convs.{{j}}.conv", f"heads.mask_heads.{own}.convs.{{j}}"),
        (f"{mask}.upsample", f"heads.mask_heads.{own}.upsample"),
        (f"{mask}.conv_logits", f"heads.mask_heads.{own}.classify"),
    )


def detector_filters(model: nn.Module) -> dict[str, Tensor]:
    """The fixed taps of the stem, which the published layout stores."""
    return {f"backbone.{key}": value for key, value in haar_filters(model).items()}


MASK_RCNN = KeyMap(rules=(*COMMON_RULES, *_head_rules("", "0")), constants=detector_filters, fit=fit_input)
CASCADE_RCNN = KeyMap(rules=(*COMMON_RULES, *_head_rules(".{s}", "{s}")), constants=detector_filters, fit=fit_input)
