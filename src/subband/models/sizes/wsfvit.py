"""Named sizes of `WSFViT`."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec

PAPER = "WSF-ViT: wavelet-based spatial-frequency attention vision transformer"
SIZES: dict[str, dict[str, Any]] = {
    "p0": {
        "dims": (24, 48, 96, 192),
        "depths": (1, 1, 2, 1),
        "num_heads": (2, 4, 8, 16),
        "head_dim": 12,
        "stem_dim": 24,
    },
    "p1": {
        "dims": (32, 64, 128, 256),
        "depths": (1, 1, 2, 1),
        "num_heads": (2, 4, 8, 16),
        "head_dim": 32,
        "stem_dim": 32,
    },
    "p2": {
        "dims": (32, 64, 128, 256),
        "depths": (1, 2, 3, 1),
        "num_heads": (2, 4, 8, 16),
        "head_dim": 32,
        "stem_dim": 32,
    },
    "n": {
        "dims": (32, 64, 128, 256),
        "depths": (2, 2, 5, 2),
        "num_heads": (4, 8, 16, 32),
        "head_dim": 32,
        "stem_dim": 32,
    },
    "t": {
        "dims": (64, 128, 256, 512),
        "depths": (1, 2, 3, 1),
        "num_heads": (2, 4, 8, 16),
        "head_dim": 32,
        "stem_dim": 32,
    },
    "s": {
        "dims": (64, 128, 256, 512),
        "depths": (2, 2, 5, 2),
        "num_heads": (4, 8, 16, 32),
        "head_dim": 32,
        "stem_dim": 64,
    },
    "m": {
        "dims": (80, 160, 320, 640),
        "depths": (2, 2, 6, 2),
        "num_heads": (4, 8, 16, 32),
        "head_dim": 40,
        "stem_dim": 80,
    },
    "b": {
        "dims": (96, 192, 384, 768),
        "depths": (2, 2, 6, 2),
        "num_heads": (4, 8, 16, 32),
        "head_dim": 32,
        "stem_dim": 64,
    },
}
LARGE: dict[str, dict[str, Any]] = {
    "b_256": {**SIZES["b"], "img_size": 256},
    "t_384": {**SIZES["t"], "img_size": 384, "num_heads": (4, 8, 16, 32)},
    **{f"{size}_384": {**SIZES[size], "img_size": 384} for size in "smb"},
}
PARAMS = {
    "p0": 2_908_670,
    "p1": 5_042_990,
    "p2": 6_009_802,
    "n": 10_648_964,
    "t": 23_271_764,
    "s": 41_725_704,
    "m": 69_668_720,
    "b": 100_007_844,
    "b_256": 100_023_300,
    "t_384": 23_307_764,
    "s_384": 41_786_184,
    "m_384": 69_734_960,
    "b_384": 100_107_204,
}

# Published with the weights; those for 384 pixels are neither centerd on ImageNet's mean nor keep the shape of an
# image.
CLOSE_CROP: dict[str, Any] = {"crop_ratio": 0.95}
SQUASHED: dict[str, Any] = {**CLOSE_CROP, "crop_mode": "squash", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def _preprocessing(size: str) -> dict[str, Any]:
    if size.endswith("_384"):
        return SQUASHED
    return {} if size in ("p0", "p1", "p2", "n") else CLOSE_CROP


MODELS: dict[str, ModelSpec] = {
    f"wsfvit_{size}": ModelSpec(
        task="classification",
        network="subband.models.wsfvit.wsfvit:WSFViT",
        args=args,
        params=PARAMS[size],
        paper=PAPER,
        layout="subband.convert.wsfvit:WSFVIT",
        preprocessing=_preprocessing(size),
    )
    for size, args in {**SIZES, **LARGE}.items()
}
