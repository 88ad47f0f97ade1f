"""Named sizes of `WaST`."""

from subband.models.registry import ModelSpec

NETWORK = "subband.models.wast.wast:WaST"
PAPER = "Nie et al., Wavelet-Driven Spatiotemporal Predictive Learning (WaST), AAAI 2024"
LAYOUT = "subband.convert.openstl_wast:WAST"

# Only TaxiBJ was published (encoder_dim 20, blocks 2-8-2); the others are the same network on their clip, ours.
# Clip shape and number of parameters.
ROWS = {
    "wast": ((10, 1, 64, 64), 28_179_141),
    "wast_mmnist": ((10, 1, 64, 64), 28_179_141),
    "wast_mfmnist": ((10, 1, 64, 64), 28_179_141),
    "wast_noisymmnist": ((10, 1, 64, 64), 28_179_141),
    "wast_mmnist_cifar": ((10, 3, 64, 64), 28_189_943),
    "wast_taxibj": ((4, 2, 32, 32), 5_131_222),
    "wast_kth": ((10, 1, 128, 128), 28_179_141),
    "wast_kitticaltech": ((10, 3, 128, 160), 28_189_943),
    "wast_human": ((4, 3, 256, 256), 5_136_623),
    "wast_bair": ((4, 3, 64, 64), 5_136_623),
    "wast_kinetics": ((4, 3, 256, 256), 5_136_623),
    "wast_weather_t2m": ((12, 1, 32, 64), 40_010_781),
    "wast_weather_r": ((12, 1, 32, 64), 40_010_781),
    "wast_weather_tcc": ((12, 1, 32, 64), 40_010_781),
    "wast_weather_uv10": ((12, 2, 32, 64), 40_016_182),
    "wast_weather_mv_4_s6": ((4, 12, 32, 64), 5_185_232),
    "wast_weather_t2m_1_40625": ((12, 1, 128, 256), 40_010_781),
}

MODELS: dict[str, ModelSpec] = {
    name: ModelSpec(
        task="video_prediction",
        network=NETWORK,
        args={"in_shape": shape},
        params=params,
        paper=PAPER,
        layout=LAYOUT,
    )
    for name, (shape, params) in ROWS.items()
} | {
    "wast_seed": ModelSpec(
        task="video_prediction",
        network=NETWORK,
        args={"in_shape": (10, 1, 64, 64), "variant": "seed"},
        params=1_334_621,
        paper=PAPER,
    ),
}
