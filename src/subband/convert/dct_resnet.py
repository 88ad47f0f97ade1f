"""Checkpoints of "Learning in the Frequency Domain": ResNet-50 and MobileNetV2 on cosine coefficients, backbones of
detectors.

The published detectors keep the first layers of a ResNet-50 on pixels (`conv1`, `bn1`) without using them; these are
dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from subband.convert._keymap import KeyMap
from subband.convert.published import export_state, read_state, rename_state
from subband.models.dct.resnet import DCTResNetPyramid
from subband.models.registry import create_model

__all__ = ["DCT_MOBILENETV2", "DCT_PYRAMID", "DCT_RESNET", "export_dct_pyramid", "load_dct_pyramid"]

GATE_PARTS = (("inp_gate.0", "gate.mix"), ("inp_gate.1", "gate.norm"), ("inp_gate_l", "gate.decide"))
GATE_RULES = tuple((f"inp_GM.{theirs}", ours) for theirs, ours in GATE_PARTS)

DCT_RESNET = KeyMap(rules=(*GATE_RULES, ("model.{stage}", "levels.{stage}"), ("fc", "head")))
DCT_MOBILENETV2 = KeyMap(rules=(*GATE_RULES, ("classifier", "head"), ("features", "features"), ("conv", "conv")))

# The backbone of a detector without the prefix `backbone.`, or a classifier whose weights a detector is to start from.
DCT_PYRAMID = KeyMap(
    rules=(
        *((f"layer{stage + 1}", f"trunk.levels.{stage}") for stage in range(4)),
        *((f"input_GM.{theirs}", f"trunk.{ours}") for theirs, ours in GATE_PARTS),
        ("model.{stage}", "trunk.levels.{stage}"),
        *((theirs, f"trunk.{ours}") for theirs, ours in GATE_RULES),
    ),
    ignored=("conv1", "bn1", "fc"),
)


def load_dct_pyramid(checkpoint: str | Path | Mapping[str, Tensor], **overrides: Any) -> DCTResNetPyramid:
    """The backbone of a published detector on cosine coefficients.

    Args:
        checkpoint: File or state dict of a detector, of which only the backbone is read, of its backbone alone, or of a
            classifier, from which detectors were trained.
        overrides: Arguments of `DCTResNet`, e.g. `channels=64`; `gated=True` for a file with a gate.

    Returns:
        The network in evaluation mode; it takes images and computes the coefficients of the published detectors.

    Raises:
        ValueError: If the checkpoint does not fit.

    Example:
        >>> from subband.models.dct.resnet import DCTResNet
        >>> trunk = DCTResNet(channels=64, pipeline="detection", stage2_stride=2, num_classes=0)
        >>> again = load_dct_pyramid(export_dct_pyramid(DCTResNetPyramid(trunk)), channels=64)
        >>> [stage.reduction for stage in again.trunk.stages]
        [4, 8, 16, 32]
    """
    state, source = read_state(checkpoint)
    if any(key.startswith("backbone.") for key in state):
        parts = ("backbone.", "input_GM.")
        state = {key.removeprefix(parts[0]): value for key, value in state.items() if key.startswith(parts)}
    options = {"pipeline": "detection", "stage2_stride": 2, "num_classes": 0, **overrides}
    pyramid = DCTResNetPyramid(create_model("dct_resnet50", **options))  # type: ignore[arg-type]
    pyramid.load_state_dict(rename_state(state, DCT_PYRAMID, pyramid, source))
    return pyramid.eval()


def export_dct_pyramid(pyramid: DCTResNetPyramid) -> dict[str, Tensor]:
    """The weights of a pyramid under the names of published backbones, without prefix and unused layers."""
    return export_state(pyramid, DCT_PYRAMID)
