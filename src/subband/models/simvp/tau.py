"""TAU, the temporal attention unit: `SimVP` with `translator="tau"`, and its configurations.

Source: Tan et al., Temporal Attention Unit: Towards Efficient Spatiotemporal Predictive Learning, CVPR 2023. The block
is in `_tau.py`; the loss it was trained with is `subband.losses` `differential_divergence`. OpenSTL's checkpoints load.
"""

from subband.models.registry import ModelSpec
from subband.models.simvp.simvp import presets

# Numbers of OpenSTL's configuration files; names as in `simvp.py`.
ROWS = {
    "mmnist": (64, 512, 8, 4, 0.0),
    "mfmnist": (64, 512, 8, 4, 0.0),
    "noisymmnist": (64, 512, 8, 4, 0.0),
    "mmnist_cifar": (64, 512, 8, 4, 0.0),
    "taxibj": (32, 256, 8, 2, 0.1),
    "kth": (64, 256, 6, 2, 0.1),
    "kitticaltech": (64, 256, 6, 2, 0.1),  # 14.96 M parameters; the published row's 44.7 M is a slip
    "human": (64, 512, 8, 4, 0.1),
    "bair": (64, 256, 8, 2, 0.1),
    "kinetics": (64, 512, 8, 4, 0.1),
    "weather_t2m": (32, 256, 8, 2, 0.1),
    "weather_r": (32, 256, 8, 2, 0.1),
    "weather_uv10": (32, 256, 8, 2, 0.1),
    "weather_tcc": (32, 256, 8, 2, 0.1),
    "weather_mv_4_s6": (32, 256, 8, 2, 0.1),
    "weather_t2m_1_40625": (32, 256, 8, 4, 0.1),
}

PAPER = "Tan et al., Temporal Attention Unit: Towards Efficient Spatiotemporal Predictive Learning, CVPR 2023"

MODELS: dict[str, ModelSpec] = presets("tau", "tau", ROWS, PAPER)
MODELS["tau"] = MODELS["tau_mmnist"]
