"""Named sizes of networks for video super-resolution."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec

BASICVSR_PP_PAPER = (
    "Chan et al., BasicVSR++: Improving Video Super-Resolution with Enhanced Propagation and Alignment, CVPR 2022"
)
MFPI_PAPER = "after Li et al., Multi-Frequency Representation Enhancement with Privilege Information, ICCV 2023"
BASICVSR_PP, MFPI = "super_resolution.basicvsr_pp:BasicVSRPP", "super_resolution.mfpi:MFPI"

# Name: arguments, parameters, key table.
BASICVSR_PP_ROWS: dict[str, tuple[dict[str, Any], int, str]] = {
    "basicvsr_pp": ({}, 7_322_927, "BASICVSR_PP"),
    "basicvsr_pp_ntire": ({"channels": 128, "blocks": 25}, 43_780_463, "BASICVSR_PP"),
    "basicvsr_pp_deblur": ({"blocks": 15, "scale": 1}, 9_760_175, "BASICVSR_PP_SAME_SIZE"),
    "basicvsr_pp_ntire_compressed": (
        {"channels": 128, "blocks": 25, "scale": 1},
        44_075_631,
        "BASICVSR_PP_SAME_SIZE",
    ),
}


MFPI_ROWS: dict[str, tuple[dict[str, Any], int]] = {
    "mfpi": ({}, 7_600_503),
    "mfpi_no_teacher": ({"with_teacher": False}, 7_420_463),
}
# At full size the published end of a network would cost as much as all the rest of a small one.
SMALL_ARGS: dict[str, Any] = {"channels": 16, "groups": 2, "full_channels": 16, "base": "bicubic"}
# For training on a CPU; of nearly equal size, so that they can be compared.
SMALL: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "basicvsr_pp_s": (
        BASICVSR_PP,
        {"blocks": 2, "flow": "classical", **SMALL_ARGS},
        278_851,
        f"after {BASICVSR_PP_PAPER}",
    ),
    "mfpi_s": (
        MFPI,
        {"blocks": 1, "head_blocks": 1, "rec_blocks": 2, **SMALL_ARGS},
        302_957,  # 285,589 of them without the teacher
        MFPI_PAPER,
    ),
}


def _spec(network: str, args: dict[str, Any], params: int, paper: str, layout: str | None = None) -> ModelSpec:
    network = f"subband.models.{network}"
    return ModelSpec(task="restoration", network=network, args=args, params=params, paper=paper, layout=layout)


MODELS: dict[str, ModelSpec] = {
    **{
        name: _spec(BASICVSR_PP, args, params, BASICVSR_PP_PAPER, f"subband.convert.basicvsr_pp:{table}")
        for name, (args, params, table) in BASICVSR_PP_ROWS.items()
    },
    **{name: _spec(*row) for name, row in SMALL.items()},
    **{name: _spec(MFPI, args, params, MFPI_PAPER) for name, (args, params) in MFPI_ROWS.items()},
    "bicubic": _spec("bicubic:Bicubic", {}, 0, "none: frames enlarged by a cubic kernel"),
}
