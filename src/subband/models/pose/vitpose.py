"""ViTPose: joints of a person from a crop, by a plain vision transformer and a head that enlarges its map four times.

Paper: Xu et al., ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation, NeurIPS 2022. Published files
load (`subband.convert.vitpose`). Different from the published code: crops of any multiples of 16 pixels, for which the
position table is resized as mmpose 1.x does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.drop import linear_rates
from subband.layers.memory_format import channels_last_weights
from subband.models.gfnet import resize_position_grid
from subband.models.gradient_checkpointing import checkpointed
from subband.models.pose.protocol import COLORS, PoseModel
from subband.models.vit import INIT_STD, NORM_EPS, Block

__all__ = ["HeadName", "ViTPose", "ViTPoseBackbone"]

PATCH = 16
PADDING = 2
HEAD_DIM = 256  # channels between the layers of the classic head
HeadName = Literal["classic", "simple"]


class ViTPoseBackbone(nn.Module):
    """Vision transformer whose patches lie two pixels up and left of their places, without a class token.

    Row 0 of the position table, where other transformers keep the class token's, is added to every token.

    Args:
        dim: Width D of the tokens.
        depth: Blocks.
        num_heads: Heads of the attention; they divide `dim`.
        img_size: `(H, W)` that the position table is stored for.
        mlp_ratio: Channels inside an MLP per channel.
        norm_eps: Of the LayerNorms.
        drop_path_rate: Stochastic depth of the last block, rising linearly from 0 in the first.

    Shape:
        crops `(B, 3, H, W)`, sides multiples of 16; map `(B, D, H / 16, W / 16)`.

    Raises:
        ValueError: If an argument is out of its range, or the crops have other sides.
    """

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        num_heads: int,
        img_size: Sequence[int] = (256, 192),
        mlp_ratio: float = 4.0,
        norm_eps: float = NORM_EPS,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if min(dim, depth, num_heads) < 1 or dim % num_heads:
            raise ValueError(
                f"dim, depth and num_heads must be positive and num_heads divide dim, got {dim}, {depth}, {num_heads}."
            )
        height, width = img_size
        if min(height, width) < 1 or height % PATCH or width % PATCH:
            raise ValueError(f"img_size must be positive multiples of {PATCH}, got {height} x {width}.")
        self.grid = (height // PATCH, width // PATCH)
        self.num_features = dim
        self.grad_checkpointing = False
        self.embed = nn.Conv2d(COLORS, dim, PATCH, stride=PATCH, padding=PADDING)
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + self.grid[0] * self.grid[1], dim))
        self.blocks = nn.ModuleList(Block(dim, num_heads, mlp_ratio=mlp_ratio, norm_eps=norm_eps) for _ in range(depth))
        for block, rate in zip(self.blocks, linear_rates(drop_path_rate, depth), strict=True):
            block.drop_path.rate = rate  # type: ignore[union-attr]
        self.norm = nn.LayerNorm(dim, eps=norm_eps)
        nn.init.trunc_normal_(self.pos_embed, std=INIT_STD)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=INIT_STD)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map of crops `x`, `(B, 3, H, W)`."""
        if x.ndim != 4 or x.shape[1] != COLORS or x.shape[2] % PATCH or x.shape[3] % PATCH or not min(x.shape[2:]):
            raise ValueError(f"crops must be (B, {COLORS}, H, W), H and W multiples of {PATCH}, got {tuple(x.shape)}.")
        # Without a copy, every norm of every block would make one of its own.
        x = self.embed(x).movedim(1, -1).contiguous()  # (B, H / 16, W / 16, D)
        height, width = x.shape[1:3]
        places = resize_position_grid(self.pos_embed[:, 1:].unflatten(1, self.grid), (height, width))
        tokens = (x + places + self.pos_embed[:, :1].unsqueeze(1)).flatten(1, 2)  # (B, N, D)
        for block in self.blocks:
            tokens = checkpointed(self, block, tokens)
        return self.norm(tokens).mT.unflatten(2, (height, width))


class ClassicHead(nn.Module):
    """Two transposed convolutions, each doubling the size, and a 1x1 convolution.

    Args:
        dim: Channels D of the map.
        num_joints: Joints K.

    Shape:
        map `(B, D, H, W)`; heatmaps `(B, K, 4 H, 4 W)`.
    """

    def __init__(self, dim: int, num_joints: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_double(dim, HEAD_DIM), *_double(HEAD_DIM, HEAD_DIM))
        self.final = nn.Conv2d(HEAD_DIM, num_joints, 1)
        channels_last_weights(self)  # as the tokens of the backbone lie

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps of a map."""
        return self.final(self.layers(x))


def _double(in_chans: int, out_chans: int) -> list[nn.Module]:
    enlarge = nn.ConvTranspose2d(in_chans, out_chans, 4, stride=2, padding=1, bias=False)
    return [enlarge, nn.BatchNorm2d(out_chans), nn.ReLU(inplace=True)]


class SimpleHead(nn.Module):
    """A ReLU, bilinear enlargement by four, and a 3x3 convolution.

    Args:
        dim: Channels D of the map.
        num_joints: Joints K.

    Shape:
        map `(B, D, H, W)`; heatmaps `(B, K, 4 H, 4 W)`.
    """

    def __init__(self, dim: int, num_joints: int) -> None:
        super().__init__()
        self.final = nn.Conv2d(dim, num_joints, 3, padding=1)
        channels_last_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps of a map."""
        large = F.interpolate(torch.relu(x), scale_factor=4.0, mode="bilinear", align_corners=False)
        return self.final(large)


class ViTPose(PoseModel):
    """Heatmaps of a person's joints in a crop.

    Args:
        dim: Width D of the tokens.
        depth: Blocks.
        num_heads: Heads of the attention; they divide `dim`.
        head: `classic` (transposed convolutions) or `simple` (bilinear enlargement).
        num_joints: Joints K.
        img_size: `(H, W)` of the crops that the position table is stored for.
        mlp_ratio: Channels inside an MLP per channel.
        norm_eps: Of the LayerNorms; files of Hugging Face were made with 1e-12.
        drop_path_rate: Stochastic depth of the last block, rising linearly from 0 in the first.

    Shape:
        crops `(B, 3, H, W)`, RGB in [0, 1] less ImageNet's mean, over its deviation, sides multiples of 16; heatmaps
        `(B, K, H / 4, W / 4)`, about 1 at a joint.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import subband
        >>> model = subband.create_model("vitpose_s", depth=1, num_joints=15).eval()
        >>> model(torch.zeros(1, 3, 256, 192)).shape
        torch.Size([1, 15, 64, 48])
    """

    input_axes: ClassVar[str] = "B C H W"

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        num_heads: int,
        head: HeadName = "classic",
        num_joints: int = 17,
        img_size: Sequence[int] = (256, 192),
        mlp_ratio: float = 4.0,
        norm_eps: float = NORM_EPS,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__(num_joints=num_joints, img_size=img_size)
        if head not in get_args(HeadName):
            raise ValueError(f"head must be {' or '.join(get_args(HeadName))}, got {head!r}.")
        self.backbone = ViTPoseBackbone(
            dim=dim,
            depth=depth,
            num_heads=num_heads,
            img_size=img_size,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            drop_path_rate=drop_path_rate,
        )
        self.head = (ClassicHead if head == "classic" else SimpleHead)(dim, num_joints)

    def no_weight_decay(self) -> set[str]:
        """The position table."""
        return {"backbone.pos_embed"}

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps of crops `x`, `(B, 3, H, W)`."""
        return self.head(self.backbone(x))
