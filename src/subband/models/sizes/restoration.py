"""Named sizes of networks for video restoration."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec

VD_DIFF_PAPER = (
    "Rao et al., Rethinking Video Deblurring with Wavelet-Aware Dynamic Transformer and Diffusion Model, ECCV 2024"
)
ESTRNN_PAPER = "Zhong et al., Efficient Spatio-Temporal Recurrent Neural Network for Video Deblurring, ECCV 2020"

# n_features, n_blocks, parameters: C and B in the names of its repository are 5 n_features and n_blocks.
ESTRNN_ROWS: dict[str, tuple[int, int, int]] = {
    "estrnn": (16, 15, 2_467_931),  # C80B15, the published default
    "estrnn_c90b15": (18, 15, 3_122_481),
    "estrnn_c90b10": (18, 10, 2_379_531),
    "estrnn_c70b9": (14, 9, 1_350_751),
}

# Name: class, parameters, key table. The published counts also take in 1,024 fixed signs of the Haar transform and the
# 73,728 values of a convolution that is never used: 11,937,907 in the first stage, 13,254,323 in the others, 12,107,635
# without the teacher.
VD_DIFF_ROWS: dict[str, tuple[str, int, str]] = {
    "vd_diff": ("vd_diff:VDDiff", 12_032_883, "VD_DIFF"),
    "vd_diff_stage1": ("stages:VDDiffStage1", 11_863_155, "VD_DIFF_STAGE1"),
    "vd_diff_stage2": ("stages:VDDiffStage2", 13_179_571, "VD_DIFF_STAGES"),
    "vd_diff_stage3": ("stages:VDDiffStage3", 13_179_571, "VD_DIFF_STAGES"),
}


def _spec(network: str, args: dict[str, Any], params: int, paper: str, layout: str | None = None) -> ModelSpec:
    return ModelSpec(
        task="restoration",
        network=f"subband.models.{network}",
        args=args,
        params=params,
        paper=paper,
        layout=None if layout is None else f"subband.convert.{layout}",
    )


MODELS: dict[str, ModelSpec] = {
    **{
        name: _spec(f"vd_diff.{network}", {}, params, VD_DIFF_PAPER, f"vd_diff:{table}")
        for name, (network, params, table) in VD_DIFF_ROWS.items()
    },
    **{
        name: _spec(
            "estrnn:ESTRNN",
            {"n_features": n_features, "n_blocks": n_blocks},
            params,
            ESTRNN_PAPER,
            "estrnn:ESTRNN",
        )
        for name, (n_features, n_blocks, params) in ESTRNN_ROWS.items()
    },
}
