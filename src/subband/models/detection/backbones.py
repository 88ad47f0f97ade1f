"""Backbones of detectors by name: four maps, 4, 8, 16 and 32 times smaller than the image.

- A WSF-ViT: as in the published detectors, every map after a norm of its own, windows of the size of the classifier.
- `dct_resnet50`: with the coefficients of a doubled image, as published for detectors.
- Another classifier of this package with such stages, for example `gfnet_h_ti`: every map after a norm of its own.
- `timm:NAME`: one of timm, for example `timm:convnext_tiny`; likewise. Needs `pip install 'subband[timm]'`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from subband.models.dct.resnet import DCTResNet, DCTResNetPyramid
from subband.models.detection.timm_stages import timm_stages
from subband.models.protocols.classifier import Classifier
from subband.models.registry import create_model, model_spec
from subband.models.wsfvit.wsfvit import WSFViT, WSFViTPyramid

__all__ = ["REDUCTIONS", "StagePyramid", "build_backbone"]

REDUCTIONS = (4, 8, 16, 32)
TIMM = "timm:"
NORM_EPS = 1e-6


class StagePyramid(nn.Module):
    """Stages of a network, each after a norm over its channels.

    Args:
        network: Called by `stages`.
        dims: Channels of the maps.
        stages: Maps of images, `(B, C, H, W)` each, finest first; a method of `network`.

    Shape:
        images `(B, 3, H, W)` to four maps `(B, D, ceil(H / r), ceil(W / r))`, r = 4, 8, 16, 32.
    """

    size_multiple = (REDUCTIONS[-1], REDUCTIONS[-1])

    def __init__(self, network: nn.Module, dims: Sequence[int], stages: str) -> None:
        super().__init__()
        self.network, self.dims, self._stages = network, tuple(dims), stages
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=NORM_EPS) for dim in dims)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of images `x`, `(B, 3, H, W)`."""
        stages: Callable[[Tensor], list[Tensor]] = getattr(self.network, self._stages)
        return [norm(item.movedim(1, -1)).movedim(-1, 1) for norm, item in zip(self.norms, stages(x), strict=True)]


def build_backbone(name: str, args: Mapping[str, Any]) -> nn.Module:
    """A backbone with fresh weights.

    Args:
        name: As above.
        args: Constructor arguments of that network.

    Returns:
        Network with `dims`, channels of its maps, and `size_multiple`, what H and W of images have to be multiples of.

    Raises:
        ValueError: If there is no such network, or it has not four such maps.
        ImportError: If timm is needed and not installed.
    """
    if name.startswith(TIMM):
        network, dims = timm_stages(name.removeprefix(TIMM), args, REDUCTIONS)
        return StagePyramid(network, dims, "forward")
    if model_spec(name).task != "classification":
        raise ValueError(f"backbone must be a classifier, or timm:NAME, got {name!r}.")
    built = model_spec(name).builder
    if built is DCTResNet:
        resnet = create_model(name, pipeline="detection", stage2_stride=2, num_classes=0, **args)
        return DCTResNetPyramid(cast(DCTResNet, resnet))
    network = create_model(name, num_classes=0, **args)
    if isinstance(network, WSFViT):
        return WSFViTPyramid(network.trunk)
    assert isinstance(network, Classifier)
    reductions = tuple(stage.reduction for stage in network.stages)
    if reductions != REDUCTIONS:
        raise ValueError(f"backbone {name!r} has maps {reductions} times smaller than images, not {REDUCTIONS}.")
    network.norm = nn.Identity()  # that of the logits; every map has its own
    return StagePyramid(network, [stage.num_chs for stage in network.stages], "forward_stages")
