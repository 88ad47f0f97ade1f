"""Named detectors."""

from __future__ import annotations

from typing import Any

from subband.models.registry import ModelSpec

PAPER = "WSF-ViT: wavelet-based spatial-frequency attention vision transformer"
# Of all published detectors; the classifier of size t has other heads today.
HEADS: dict[str, Any] = {"num_heads": (4, 8, 16, 32)}
# Of those for training from fresh weights.
OWN: dict[str, Any] = {"freeze_norms": False, "keep_empty": False}


def _spec(params: int, layout: str | None = None, **args: Any) -> ModelSpec:
    return ModelSpec(
        task="detection",
        network="subband.models.detection.detector:Detector",
        args=args,
        params=params,
        paper=PAPER,
        layout=None if layout is None else f"subband.convert.detection:{layout}",
    )


def _cascade(size: str, params: int) -> ModelSpec:
    return _spec(params, "CASCADE_RCNN", backbone=f"wsfvit_{size}", backbone_args=HEADS, family="cascade")


MODELS: dict[str, ModelSpec] = {
    "wsfvit_t_maskrcnn": _spec(42_648_028, "MASK_RCNN", backbone="wsfvit_t", backbone_args=HEADS),
    "wsfvit_t_cascade_maskrcnn": _cascade("t", 80_483_230),
    "wsfvit_s_cascade_maskrcnn": _cascade("s", 98_937_170),
    "wsfvit_m_cascade_maskrcnn": _cascade("m", 126_666_266),
    # Ours, for training on a small machine, from fresh weights too.
    "wsfvit_p0_maskrcnn": _spec(22_676_374, backbone="wsfvit_p0", **OWN),
    "wsfvit_p0_fasterrcnn_s": _spec(3_859_782, backbone="wsfvit_p0", with_masks=False, dim=64, hidden_dim=256, **OWN),
}
