"""ViTPose as it was published, translated plainly: the yardstick for parity and speed.

The graph, the order of operations and the state-dict names are those of the authors' repository; the text is ours.
Nothing is optimized here on purpose: attention is two products with a softmax between them.
`subband.models.pose.vitpose.ViTPose` must give the same numbers, no slower.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PATCH = 16
HEAD_DIM = 256
NORM_EPS = 1e-6


class PatchEmbed(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, stride=PATCH, padding=2)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        x = self.proj(x)
        return x.flatten(2).transpose(1, 2), (x.shape[2], x.shape[3])


class Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]
        weights = ((query * self.scale) @ key.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((weights @ value).transpose(1, 2).reshape(batch, tokens, dim))


class Mlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Backbone(nn.Module):
    def __init__(self, dim: int, depth: int, num_heads: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(dim)
        num_patches = (size[0] // PATCH) * (size[1] // PATCH)
        self.pos_embed = nn.Parameter(torch.zeros(1, num_patches + 1, dim))
        self.blocks = nn.ModuleList(Block(dim, num_heads) for _ in range(depth))
        self.last_norm = nn.LayerNorm(dim, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        x, (height, width) = self.patch_embed(x)
        x = x + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        for block in self.blocks:
            x = block(x)
        return self.last_norm(x).permute(0, 2, 1).reshape(batch, -1, height, width).contiguous()


class ClassicHead(nn.Module):
    def __init__(self, dim: int, num_joints: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (dim, HEAD_DIM):
            layers += [nn.ConvTranspose2d(width, HEAD_DIM, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(HEAD_DIM), nn.ReLU(inplace=True)]
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(HEAD_DIM, num_joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.final_layer(self.deconv_layers(x))


class SimpleHead(nn.Module):
    def __init__(self, dim: int, num_joints: int) -> None:
        super().__init__()
        self.final_layer = nn.Conv2d(dim, num_joints, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.final_layer(F.interpolate(F.relu(x), scale_factor=4, mode="bilinear", align_corners=False))


class PublishedViTPose(nn.Module):
    """The network for crops of one size, with the classic or the simple head."""

    def __init__(
        self, dim: int, depth: int, num_heads: int, size: tuple[int, int], head: str, num_joints: int = 17
    ) -> None:
        super().__init__()
        self.backbone = Backbone(dim, depth, num_heads, size)
        self.keypoint_head = (ClassicHead if head == "classic" else SimpleHead)(dim, num_joints)

    def forward(self, x: Tensor) -> Tensor:
        return self.keypoint_head(self.backbone(x))
