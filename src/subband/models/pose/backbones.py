"""Backbones of networks for pose by name: four maps, 4, 8, 16 and 32 times smaller than the crop.

- `mini`: plain convolutions, 0.19 million parameters, for training on a CPU.
- `vitpose_s`, `vitpose_b`: the transformer of ViTPose; its one map enlarged four times, twice, as it is, and pooled. It
  takes the weights of published files (`ViTPosePyramid.network` is `ViTPose.backbone`).
- `hrnet_w48`: the four branches of HRNet's last stage, as FAMI-Pose and DCPose take them, by timm.
- `timm:NAME`: another network of timm that gives such maps. Needs `pip install 'subband[timm]'`, as `hrnet_w48` does.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.residual_block import SpatialResidualBlock
from subband.models.detection.timm_stages import timm_stages
from subband.models.pose.protocol import COLORS
from subband.models.pose.vitpose import PATCH, ViTPoseBackbone

__all__ = ["MiniPyramid", "ViTPosePyramid", "build_pose_backbone"]

REDUCTIONS = (4, 8, 16, 32)
MINI_DIMS = (16, 32, 48, 64)
TIMM = "timm:"
HRNET = "hrnet_w48"
# Without it timm gives maps after further layers, which were not part of the networks for pose.
HRNET_ARGS = {"feature_location": ""}
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "vitpose_s": {"dim": 384, "depth": 12, "num_heads": 12},
    "vitpose_b": {"dim": 768, "depth": 12, "num_heads": 12},
}


class MiniPyramid(nn.Module):
    """Strided convolutions with batch norms, each followed by a residual block.

    Args:
        dims: Channels of the four maps.

    Attributes:
        dims: Channels of the four maps.
        size_multiple: What H and W of crops have to be multiples of.

    Shape:
        crops `(B, 3, H, W)` to maps `(B, D, ceil(H / r), ceil(W / r))`, r = 4, 8, 16, 32.
    """

    size_multiple = REDUCTIONS[0]

    def __init__(self, dims: Sequence[int] = MINI_DIMS) -> None:
        super().__init__()
        if len(dims) != len(REDUCTIONS) or min(dims) < 1:
            raise ValueError(f"dims must be four positive numbers, got {tuple(dims)}.")
        self.dims = tuple(dims)
        stem = [*_halve(COLORS, dims[0]), *_halve(dims[0], dims[0]), SpatialResidualBlock(dims[0])]
        rest = [[*_halve(before, after), SpatialResidualBlock(after)] for before, after in itertools.pairwise(dims)]
        self.stages = nn.ModuleList(nn.Sequential(*stage) for stage in (stem, *rest))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of crops `x`, `(B, 3, H, W)`."""
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


def _halve(in_chans: int, out_chans: int) -> list[nn.Module]:
    return [nn.Conv2d(in_chans, out_chans, 3, stride=2, padding=1), nn.BatchNorm2d(out_chans), nn.ReLU()]


class ViTPosePyramid(nn.Module):
    """The one map of a ViTPose at four sizes.

    As Li et al. do for detectors, Exploring Plain Vision Transformer Backbones, ECCV 2022.

    Args:
        args: Constructor arguments of `ViTPoseBackbone`.

    Attributes:
        network: The transformer.
        dims: Channels of the four maps: D / 4, D / 2, D, D.
        size_multiple: What H and W of crops have to be multiples of.

    Shape:
        crops `(B, 3, H, W)` to maps `(B, D', ceil(H / r), ceil(W / r))`, r = 4, 8, 16, 32.
    """

    size_multiple = PATCH

    def __init__(self, args: Mapping[str, Any]) -> None:
        super().__init__()
        self.network = ViTPoseBackbone(**args)
        dim = self.network.num_features
        if dim % 4:
            raise ValueError(f"the width of a transformer must be a multiple of 4 here, got {dim}.")
        self.dims = (dim // 4, dim // 2, dim, dim)
        self.enlarge4 = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 2, 2, stride=2),
            nn.BatchNorm2d(dim // 2),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 2, dim // 4, 2, stride=2),
        )
        self.enlarge2 = nn.ConvTranspose2d(dim, dim // 2, 2, stride=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of crops `x`, `(B, 3, H, W)`."""
        x = self.network(x)
        return [self.enlarge4(x), self.enlarge2(x), x, F.max_pool2d(x, 2, ceil_mode=True)]


class TimmPyramid(nn.Module):
    """Four maps of a network of timm.

    Args:
        name: Of timm's.
        args: Arguments for `timm.create_model`.

    Attributes:
        dims: Channels of the four maps.
        size_multiple: What H and W of crops have to be multiples of.
    """

    size_multiple = REDUCTIONS[-1]

    def __init__(self, name: str, args: Mapping[str, Any]) -> None:
        super().__init__()
        self.network, dims = timm_stages(name, args, REDUCTIONS)
        self.dims = tuple(dims)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of crops `x`, `(B, 3, H, W)`."""
        return list(self.network(x))


def build_pose_backbone(name: str, args: Mapping[str, Any], img_size: Sequence[int]) -> nn.Module:
    """A backbone with fresh weights.

    Args:
        name: As above.
        args: Constructor arguments of that network.
        img_size: `(H, W)` of the crops.

    Returns:
        Network with `dims`, channels of its maps, and `size_multiple`, what H and W of crops have to be multiples of.

    Raises:
        ValueError: If there is no such network, or it has not four such maps.
        ImportError: If timm is needed and not installed.
    """
    if name == "mini":
        return MiniPyramid(**args)
    if name in TRANSFORMERS:
        return ViTPosePyramid({**TRANSFORMERS[name], "img_size": img_size, **args})
    if name == HRNET:
        return TimmPyramid(HRNET, {**HRNET_ARGS, **args})
    if name.startswith(TIMM):
        return TimmPyramid(name.removeprefix(TIMM), args)
    raise ValueError(f"backbone must be mini, {', '.join(TRANSFORMERS)}, {HRNET} or timm:NAME, got {name!r}.")
