"""Checkpoints of "Learning in the Frequency Domain": ResNet-50 and MobileNetV2 on cosine coefficients."""

from subband.convert._keymap import KeyMap

__all__ = ["DCT_MOBILENETV2", "DCT_RESNET"]

GATE_RULES = (
    ("inp_GM.inp_gate.0", "gate.mix"),
    ("inp_GM.inp_gate.1", "gate.norm"),
    ("inp_GM.inp_gate_l", "gate.decide"),
)

DCT_RESNET = KeyMap(rules=(*GATE_RULES, ("model.{stage}", "levels.{stage}"), ("fc", "head")))
DCT_MOBILENETV2 = KeyMap(rules=(*GATE_RULES, ("classifier", "head"), ("features", "features"), ("conv", "conv")))
