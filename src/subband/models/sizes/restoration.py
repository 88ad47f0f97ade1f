"""Named sizes of networks for video restoration."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec

VD_DIFF_PAPER = (
    "Rao et al., Rethinking Video Deblurring with Wavelet-Aware Dynamic Transformer and Diffusion Model, ECCV 2024"
)
FTDEBLUR_PAPER = "after Zhu et al., Exploring Temporal Frequency Spectrum in Deep Video Deblurring, ICCV 2023"
ESTRNN_PAPER = "Zhong et al., Efficient Spatio-Temporal Recurrent Neural Network for Video Deblurring, ECCV 2020"

# C and B in the names of its repository are 5 n_features and n_blocks.
ESTRNN_ROWS: dict[str, tuple[dict[str, Any], int]] = {
    "estrnn": ({"n_features": 16, "n_blocks": 15}, 2_467_931),  # C80B15, the published default
    "estrnn_c90b15": ({"n_features": 18, "n_blocks": 15}, 3_122_481),
    "estrnn_c90b10": ({"n_features": 18, "n_blocks": 10}, 2_379_531),
    "estrnn_c70b9": ({"n_features": 14, "n_blocks": 9}, 1_350_751),
    "estrnn_s": ({"n_features": 8, "n_blocks": 8, "residual": True}, 412_951),
}
# The small presets of all families have 0.41 million parameters, that they can be compared; those of VD-Diff without
# the teacher, and without the diffusion in the first stage.
VD_DIFF_SMALL: dict[str, Any] = {
    "num_feat": 20,
    "propagation_blocks": 5,
    "num_blocks": (2, 1),
    "heads": (2, 4),
    "prior_feat": 8,
    "residual": 1,
}
FTDEBLUR_ROWS: dict[str, tuple[dict[str, Any], int]] = {
    "ftdeblur": ({}, 4_186_452),
    "ftdeblur_l": ({"channels": 96, "n_rec": 40}, 12_649_300),
    "ftdeblur_s": ({"channels": 24, "n_feat": 2, "n_rec": 6, "groups": 4}, 407_740),
}
UNET_ROWS: dict[str, tuple[dict[str, Any], int]] = {
    "residual_unet": ({"dims": (64, 128, 256)}, 4_175_107),
    "residual_unet_s": ({"dims": (24, 48, 68)}, 414_103),
}
MOTION_ROWS: dict[str, tuple[dict[str, Any], int]] = {
    "motion_unet": ({"dims": (64, 128, 256)}, 4_187_203),
    "motion_unet_s": ({"dims": (24, 48, 67)}, 413_390),
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
VD_DIFF_SMALL_PARAMS = {"vd_diff": 411_159, "vd_diff_stage1": 411_447}
VD_DIFF_SMALL_PARAMS |= dict.fromkeys(("vd_diff_stage2", "vd_diff_stage3"), 435_327)
VD_DIFF_NO_PRIOR: dict[str, tuple[dict[str, Any], int]] = {
    "vd_diff_no_prior": ({"residual": 1}, 10_716_723),
    "vd_diff_no_prior_s": (VD_DIFF_SMALL, 387_311),
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
    # The published code has no prior as narrow as theirs, so it cannot take their weights.
    **{
        f"{name}_s": _spec(f"vd_diff.{network}", VD_DIFF_SMALL, VD_DIFF_SMALL_PARAMS[name], VD_DIFF_PAPER)
        for name, (network, _, _) in VD_DIFF_ROWS.items()
    },
    **{
        name: _spec("vd_diff.no_prior:VDDiffNoPrior", args, params, f"after {VD_DIFF_PAPER}")
        for name, (args, params) in VD_DIFF_NO_PRIOR.items()
    },
    # The published code has no residual, so it cannot compute what a network with one does.
    **{
        name: _spec("estrnn:ESTRNN", args, params, ESTRNN_PAPER, None if "residual" in args else "estrnn:ESTRNN")
        for name, (args, params) in ESTRNN_ROWS.items()
    },
    **{
        name: _spec("ftdeblur:FTDeblur", args, params, FTDEBLUR_PAPER) for name, (args, params) in FTDEBLUR_ROWS.items()
    },
    **{
        name: _spec("residual_unet:ResidualUNet", args, params, "none: convolutions alone, for comparison")
        for name, (args, params) in UNET_ROWS.items()
    },
    **{
        name: _spec("motion_unet:MotionUNet", args, params, "none: ours, convolutions along the motion")
        for name, (args, params) in MOTION_ROWS.items()
    },
    "identity": _spec("identity:Identity", {}, 0, "none: the frames as they are"),
}
