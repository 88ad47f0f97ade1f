"""Clip shapes `(T, C, H, W)` of the data sets in OpenSTL's benchmark, by the suffix that presets carry."""

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
