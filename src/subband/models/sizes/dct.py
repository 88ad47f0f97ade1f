"""Named sizes of the networks on the cosine coefficients of JPEG."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec

PAPER = "Xu et al., Learning in the Frequency Domain, CVPR 2020"
PREPROCESSING: dict[str, Any] = {"interpolation": "bilinear", "antialias": False}  # OpenCV's, as published

MODELS: dict[str, ModelSpec] = {
    "dct_mobilenetv2": ModelSpec(
        task="classification",
        network="subband.models.dct.mobilenetv2:DCTMobileNetV2",
        args={"img_size": 896},
        params=3_503_728,
        paper=PAPER,
        layout="subband.convert.dct_resnet:DCT_MOBILENETV2",
        preprocessing=PREPROCESSING,
    ),
    "dct_resnet50": ModelSpec(
        task="classification",
        network="subband.models.dct.resnet:DCTResNet",
        args={"depths": (3, 4, 6, 3), "width": 64, "img_size": 448},
        params=25_534_696,
        paper=PAPER,
        layout="subband.convert.dct_resnet:DCT_RESNET",
        preprocessing=PREPROCESSING,
    ),
}
