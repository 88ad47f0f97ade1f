"""Named sizes of `GFNet`. Rates and factors are those of the published training script."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec


def _spec(layout: str, params: int, **args: Any) -> ModelSpec:
    return ModelSpec(
        task="classification",
        network="subband.models.gfnet:GFNet",
        args=args,
        params=params,
        paper="Rao et al., Global Filter Networks for Image Classification, NeurIPS 2021",
        layout=f"subband.convert.gfnet:{layout}",
    )


def _isotropic(dim: int, depth: int, drop_path_rate: float, *, params: int) -> ModelSpec:
    return _spec("GFNET", params, dims=(dim,), depths=(depth,), patch_size=16, drop_path_rate=drop_path_rate)


def _pyramid(dim: int, third_depth: int, drop_path_rate: float, layer_scale: float, *, params: int) -> ModelSpec:
    return _spec(
        "GFNET_H",
        params,
        dims=(dim, 2 * dim, 4 * dim, 8 * dim),
        depths=(3, 3, third_depth, 3),
        patch_size=4,
        drop_path_rate=drop_path_rate,
        layer_scale=layer_scale,
    )


MODELS: dict[str, ModelSpec] = {
    "gfnet_ti": _isotropic(256, 12, 0.0, params=7_511_784),
    "gfnet_xs": _isotropic(384, 12, 0.0, params=15_985_768),
    "gfnet_s": _isotropic(384, 19, 0.15, params=24_869_608),
    "gfnet_b": _isotropic(512, 19, 0.25, params=43_120_616),
    "gfnet_h_ti": _pyramid(64, 10, 0.1, 1e-3, params=15_085_096),
    "gfnet_h_s": _pyramid(96, 10, 0.2, 1e-5, params=32_162_632),
    "gfnet_h_b": _pyramid(96, 27, 0.4, 1e-6, params=53_744_200),
}
