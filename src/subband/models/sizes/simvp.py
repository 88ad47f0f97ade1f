"""Named sizes of `SimVP` and its translators: gSTA, IncepU, TAU, and the WSF-ViT video network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from subband.models.registry import ModelSpec

NETWORK = "subband.models.simvp.simvp:SimVP"

# Clip shapes (T, C, H, W) of the data sets in OpenSTL's benchmark, by the suffix that names carry.
MNIST = (10, 1, 64, 64)
WEATHER = (12, 1, 32, 64)  # 5.625 degrees

SHAPES: dict[str, tuple[int, int, int, int]] = {
    "mmnist": MNIST,
    "mfmnist": MNIST,
    "noisymmnist": MNIST,
    "mmnist_cifar": (10, 3, 64, 64),
    "taxibj": (4, 2, 32, 32),
    "kth": (10, 1, 128, 128),
    "kitticaltech": (10, 3, 128, 160),
    "human": (4, 3, 256, 256),
    "bair": (4, 3, 64, 64),
    "kinetics": (4, 3, 256, 256),
    "weather_t2m": WEATHER,
    "weather_r": WEATHER,
    "weather_tcc": WEATHER,
    "weather_uv10": (12, 2, 32, 64),
    "weather_mv_4_s6": (4, 12, 32, 64),  # four variables at three pressure levels, every six hours
    "weather_t2m_1_40625": (12, 1, 128, 256),
}

# Names are MODEL_DATASET; a bare model name is its Moving MNIST configuration. The numbers are those of OpenSTL's
# configuration files. OpenSTL's `SimVP.py` files are gSTA too: they get a name of their own (`simvp_DATASET`) only
# where they differ from the `SimVP_gSTA.py` beside them; where there is no such file, theirs is `simvp_gsta_DATASET`.
# OpenSTL's default for all weather variables equals the `weather_t2m` rows. A missing drop path means 0 there. Where a
# file contradicts the published parameter count and one other value explains that count, the row has that value and
# says so.
# The last number is that of the parameters.
Row = tuple[int, int, int, int, float, int]
GSTA_ROWS: dict[str, Row] = {
    "mmnist": (64, 512, 8, 4, 0.0, 46_769_665),
    "l_mmnist": (128, 1024, 24, 4, 0.0, 524_004_353),  # the large model
    "mfmnist": (64, 512, 8, 4, 0.0, 46_769_665),
    "noisymmnist": (64, 512, 8, 4, 0.0, 46_769_665),
    "mmnist_cifar": (64, 512, 8, 4, 0.0, 46_770_947),
    "taxibj": (32, 256, 8, 2, 0.1, 9_961_058),
    "kth": (64, 256, 6, 2, 0.2, 15_632_961),
    "kitticaltech": (64, 256, 6, 2, 0.2, 15_634_243),
    "human": (64, 256, 8, 4, 0.1, 11_327_235),
    "bair": (64, 256, 8, 2, 0.1, 11_068_227),
    "kinetics": (64, 512, 8, 4, 0.0, 39_428_867),
    "weather_t2m": (32, 256, 8, 2, 0.1, 12_758_305),
    "weather_r": (32, 256, 8, 2, 0.1, 12_758_305),
    "weather_uv10": (32, 256, 8, 2, 0.2, 12_758_626),
    "weather_tcc": (32, 256, 8, 2, 0.1, 12_758_305),
    "weather_mv_4_s6": (
        32,
        256,
        8,
        2,
        0.1,
        9_964_268,
    ),  # the file says hid_T = 512 (37.87 M); 256 gives the published 9.96 M
    "weather_t2m_1_40625": (32, 256, 8, 2, 0.1, 12_758_305),
}
SIMVP_ROWS: dict[str, Row] = {
    "kth": (64, 256, 6, 2, 0.1, 15_632_961),
    "human": (64, 512, 8, 4, 0.0, 39_428_867),
}
INCEPU_ROWS: dict[str, Row] = {
    "mmnist": (64, 512, 8, 4, 0.0, 57_946_113),
    "mfmnist": (64, 512, 8, 4, 0.0, 57_946_113),
    "noisymmnist": (64, 512, 8, 4, 0.0, 57_946_113),
    "mmnist_cifar": (64, 512, 8, 4, 0.0, 57_947_395),
    "taxibj": (32, 256, 8, 2, 0.0, 13_794_914),
    "kth": (64, 256, 6, 2, 0.0, 12_152_385),  # the file says N_T = 4 (8.60 M parameters); 6 gives the published 12.2 M
    "kitticaltech": (64, 256, 4, 2, 0.0, 8_601_923),
    "human": (64, 512, 6, 4, 0.0, 41_156_355),
    "weather_t2m": (32, 256, 8, 2, 0.0, 14_666_017),
    "weather_r": (32, 256, 8, 2, 0.0, 14_666_017),
    "weather_uv10": (32, 256, 8, 2, 0.0, 14_666_338),
    "weather_tcc": (32, 256, 8, 2, 0.0, 14_666_017),
    "weather_mv_4_s6": (32, 256, 8, 2, 0.0, 13_798_124),
    "weather_t2m_1_40625": (32, 256, 8, 2, 0.0, 14_666_017),
}
TAU_ROWS: dict[str, Row] = {
    "mmnist": (64, 512, 8, 4, 0.0, 44_656_001),
    "mfmnist": (64, 512, 8, 4, 0.0, 44_656_001),
    "noisymmnist": (64, 512, 8, 4, 0.0, 44_656_001),
    "mmnist_cifar": (64, 512, 8, 4, 0.0, 44_657_283),
    "taxibj": (32, 256, 8, 2, 0.1, 9_545_442),
    "kth": (64, 256, 6, 2, 0.1, 14_955_201),
    "kitticaltech": (64, 256, 6, 2, 0.1, 14_956_483),  # 14.96 M parameters; the published row's 44.7 M is a slip
    "human": (64, 512, 8, 4, 0.1, 37_647_363),
    "bair": (64, 256, 8, 2, 0.1, 10_607_427),
    "kinetics": (64, 512, 8, 4, 0.1, 37_647_363),
    "weather_t2m": (32, 256, 8, 2, 0.1, 12_219_553),
    "weather_r": (32, 256, 8, 2, 0.1, 12_219_553),
    "weather_uv10": (32, 256, 8, 2, 0.1, 12_219_874),
    "weather_tcc": (32, 256, 8, 2, 0.1, 12_219_553),
    "weather_mv_4_s6": (32, 256, 8, 2, 0.1, 9_548_652),
    "weather_t2m_1_40625": (32, 256, 8, 4, 0.1, 12_284_545),
}

GSTA_PAPER = "Tan et al., SimVP: Towards Simple yet Powerful Spatiotemporal Predictive Learning, arXiv 2211.12509"
INCEPU_PAPER = "Gao et al., SimVP: Simpler yet Better Video Prediction, CVPR 2022"
TAU_PAPER = "Tan et al., Temporal Attention Unit: Towards Efficient Spatiotemporal Predictive Learning, CVPR 2023"
WSF_PAPER = "WSF-ViT: wavelet-based spatial-frequency attention vision transformer, video-prediction configuration"


def presets(prefix: str, translator: str, rows: Mapping[str, Row], paper: str) -> dict[str, ModelSpec]:
    """Entries `prefix_SUFFIX` for rows of `(hid_S, hid_T, N_T, N_S, drop_path, parameters)`."""
    specs = {}
    for suffix, (hid_S, hid_T, N_T, N_S, drop_path, params) in rows.items():
        args: dict[str, Any] = {"in_shape": SHAPES[suffix.removeprefix("l_")], "hid_S": hid_S, "hid_T": hid_T}
        args |= {"N_S": N_S, "N_T": N_T, "translator": translator, "drop_path": drop_path}
        specs[f"{prefix}_{suffix}"] = ModelSpec(
            task="video_prediction",
            network=NETWORK,
            args=args,
            params=params,
            paper=paper,
            layout="subband.convert.openstl:SIMVP",
        )
    return specs


MODELS: dict[str, ModelSpec] = {
    **presets("simvp_gsta", "gsta", GSTA_ROWS, GSTA_PAPER),
    **presets("simvp", "gsta", SIMVP_ROWS, GSTA_PAPER),
    **presets("simvp_incepu", "incepu", INCEPU_ROWS, INCEPU_PAPER),
    **presets("tau", "tau", TAU_ROWS, TAU_PAPER),
    # Moving MNIST is the only published configuration.
    "wsfvit_video_mmnist": ModelSpec(
        task="video_prediction",
        network=NETWORK,
        args={
            "in_shape": SHAPES["mmnist"],
            "hid_S": 64,
            "hid_T": 512,
            "N_S": 4,
            "N_T": 2,
            "translator": "wsf",
            "stem": "wavelet",
            "drop_path": 0.0,
        },
        params=37_571_249,
        paper=WSF_PAPER,
        layout="subband.convert.wsfvit_video:WSFVIT_VIDEO",
    ),
}
MODELS |= {name: MODELS[f"{name}_mmnist"] for name in ("simvp_gsta", "simvp_incepu", "tau", "wsfvit_video")}
