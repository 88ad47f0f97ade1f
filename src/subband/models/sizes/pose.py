"""Named sizes of networks for pose."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec

VITPOSE_PAPER = "Xu et al., ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation, NeurIPS 2022"
FREQPOSE_PAPER = "ours, after Liu et al., FAMI-Pose, CVPR 2022, and Feng et al., TDMI, CVPR 2023"
CROP = (256, 192)  # of ViTPose's files


def _vitpose(dim: int, params: int) -> ModelSpec:
    return ModelSpec(
        task="pose",
        network="subband.models.pose.vitpose:ViTPose",
        args={"dim": dim, "depth": 12, "num_heads": 12},
        params=params,
        paper=VITPOSE_PAPER,
        layout="subband.convert.vitpose:VITPOSE",
    )


def _ours(network: str, params: int, **args: Any) -> ModelSpec:
    network = f"subband.models.pose.freqpose:{network}"
    return ModelSpec(task="pose", network=network, args=args, params=params, paper=FREQPOSE_PAPER)


MODELS: dict[str, ModelSpec] = {
    "vitpose_s": _vitpose(384, 24_290_577),
    "vitpose_b": _vitpose(768, 89_994_513),
    # Small ones for crops of 64 x 64, for training on a CPU: a student, its teacher, and what sees one frame alone.
    "freqpose": _ours("FreqPose", 939_111),
    "freqpose_teacher": _ours("FreqPose", 987_623, teacher=True),
    "framepose": _ours("FramePose", 221_391),
    "freqpose_vitpose_s": _ours("FreqPose", 23_108_039, backbone="vitpose_s", img_size=CROP),
    "freqpose_vitpose_b": _ours("FreqPose", 89_264_423, backbone="vitpose_b", img_size=CROP),
    "framepose_vitpose_s": _ours("FramePose", 22_390_319, backbone="vitpose_s", img_size=CROP),
}
