"""Named sizes of networks for pose."""

from __future__ import annotations

from subband.models.registry import ModelSpec

VITPOSE_PAPER = "Xu et al., ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation, NeurIPS 2022"


def _vitpose(dim: int, params: int) -> ModelSpec:
    return ModelSpec(
        task="pose",
        network="subband.models.pose.vitpose:ViTPose",
        args={"dim": dim, "depth": 12, "num_heads": 12},
        params=params,
        paper=VITPOSE_PAPER,
        layout="subband.convert.vitpose:VITPOSE",
    )


MODELS: dict[str, ModelSpec] = {"vitpose_s": _vitpose(384, 24_290_577), "vitpose_b": _vitpose(768, 89_994_513)}
