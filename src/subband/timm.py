"""Classifiers of this package as timm models: `import subband.timm`, then `timm.create_model("wsfvit_t", ...)`.

With `features_only=True` timm's users get a network whose forward pass returns the maps of the stages, with timm's
`feature_info`. `timm.data.resolve_model_data_config(model)` gives the preprocessing of the published weights.
`pretrained=True` takes these, as `subband.create_model` does. Needs `pip install 'subband[timm]'`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from subband.extras import names_extra
from subband.models.preprocessing import published_preprocessing
from subband.models.protocols.classifier import Classifier
from subband.models.registry import catalog, create_model

with names_extra("subband.timm needs"):
    from timm.models import FeatureInfo, register_model

__all__ = ["StageFeatures"]


class StageFeatures(nn.Module):
    """The feature maps of a classifier's stages, as `timm.create_model(..., features_only=True)` gives them.

    Args:
        model: Classifier.
        out_indices: Which stages, negative numbers from the end; all if not given.

    Shape:
        images `(B, C, H, W)` to one map `(B, D, H / reduction, W / reduction)` for each stage asked for.

    Raises:
        ValueError: If there is no such stage.

    Example:
        >>> import subband, torch
        >>> features = StageFeatures(subband.create_model("wsfvit_p0"), out_indices=(1, 3)).eval()
        >>> features.feature_info.channels()
        [48, 192]
        >>> [tuple(x.shape) for x in features(torch.zeros(1, 3, 224, 224))]
        [(1, 48, 28, 28), (1, 192, 7, 7)]
    """

    def __init__(self, model: Classifier, out_indices: Sequence[int] | None = None) -> None:
        super().__init__()
        count = len(model.stages)
        indices = tuple(range(count) if out_indices is None else out_indices)
        if not indices or any(not -count <= index < count for index in indices):
            raise ValueError(f"out_indices must lie within the {count} stages, got {indices}.")
        self.model = model
        self.out_indices = tuple(index % count for index in indices)
        self.feature_info = FeatureInfo(model.feature_info, self.out_indices)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of images `x`, `(B, C, H, W)`."""
        return self.model.forward_intermediates(x, self.out_indices)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute blocks in the backward pass instead of keeping what they need."""
        self.model.set_grad_checkpointing(enable)


def _entry(name: str) -> Callable[..., nn.Module]:
    """The function timm calls for a model of this package."""

    def build(
        pretrained: bool = False,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: dict[str, Any] | None = None,
        cache_dir: str | None = None,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **options: Any,
    ) -> nn.Module:
        if out_indices is not None and not features_only:
            raise ValueError("out_indices needs features_only=True.")
        model = create_model(name, pretrained=pretrained, **options)
        assert isinstance(model, Classifier)
        built = StageFeatures(model, out_indices) if features_only else model
        built.pretrained_cfg = built.default_cfg = _description(name, model)  # type: ignore[assignment]
        return built

    build.__name__ = build.__qualname__ = name
    build.__module__ = __name__
    return build


def _description(name: str, model: Classifier) -> dict[str, Any]:
    """What timm's data loaders and scripts ask a model: its input, and how images become that."""
    description: dict[str, Any] = {
        "architecture": name,
        "num_classes": model.num_classes,
        "input_size": (model.in_chans, *model.img_size),
        "classifier": "head",
    }
    prepare = published_preprocessing(model)
    if prepare is not None:
        description |= {key: prepare[key] for key in ("mean", "std", "interpolation", "crop_mode")}
        description["crop_pct"] = prepare["crop_ratio"]
    return description


# timm reads the names of a module's models from the module itself.
for _name, _spec in catalog().items():
    if _spec.task == "classification":
        setattr(sys.modules[__name__], _name, register_model(_entry(_name)))
