"""Named sizes of networks for video restoration."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec

ESTRNN_PAPER = "Zhong et al., Efficient Spatio-Temporal Recurrent Neural Network for Video Deblurring, ECCV 2020"

# n_features, n_blocks, parameters: C and B in the names of its repository are 5 n_features and n_blocks.
ESTRNN_ROWS: dict[str, tuple[int, int, int]] = {
    "estrnn": (16, 15, 2_467_931),  # C80B15, the published default
    "estrnn_c90b15": (18, 15, 3_122_481),
    "estrnn_c90b10": (18, 10, 2_379_531),
    "estrnn_c70b9": (14, 9, 1_350_751),
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
