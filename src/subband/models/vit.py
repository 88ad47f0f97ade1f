"""ViT: image classification by attention among patches; the baseline that knows nothing of frequencies.

Paper: Dosovitskiy et al., An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale, ICLR 2021.

Different from the paper: no class token, the head sees the mean over tokens; no dropout besides stochastic depth; any
image size. Images of a size other than `img_size` are filled with zeros at the right and bottom to multiples of the
patch; then the position table is resized as for GFNet (`resize_position_grid`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.attention import Mlp
from subband.layers.drop import DropPath, linear_rates
from subband.layers.fused import linear
from subband.models.gfnet import resize_position_grid
from subband.models.protocols.classifier import Classifier, Stage

__all__ = ["ViT"]

NORM_EPS = 1e-6
INIT_STD = 0.02


class SelfAttention(nn.Module):
    """Multi-head attention among all tokens.

    Args:
        dim: D, a multiple of `num_heads`.
        num_heads: Heads.

    Shape:
        Input and output `(B, N, D)`.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Attend among tokens, `(B, N, D)`."""
        thirds = linear(x, self.qkv.weight, self.qkv.bias).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = thirds.permute(2, 0, 3, 1, 4)  # (B, heads, N, d)
        out = F.scaled_dot_product_attention(query, key, value)
        return linear(out.transpose(1, 2).flatten(2), self.proj.weight, self.proj.bias)


class Block(nn.Module):
    """Attention, then an MLP, both residual with a LayerNorm before them.

    Args:
        dim: D.
        num_heads: Heads of the attention.
        mlp_ratio: Channels inside the MLP per channel.
        norm_eps: Of the LayerNorms.

    Shape:
        Input and output `(B, N, D)`.
    """

    def __init__(self, dim: int, num_heads: int, *, mlp_ratio: float, norm_eps: float = NORM_EPS) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.attention = SelfAttention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, N, D)`."""
        x = x + self.drop_path(self.attention(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class ViT(Classifier):
    """Plain vision transformer: equal blocks on one resolution.

    Args:
        dim: Width D of the tokens.
        depth: Blocks.
        num_heads: Heads of the attention; they divide `dim`.
        patch_size: Pixels per side of a patch.
        img_size: Side or sides `(H, W)` that the position table is stored for; multiples of the patch.
        mlp_ratio: Channels inside an MLP per channel.
        num_classes: Logits K; 0 for pooled features instead.
        in_chans: Channels of the images.
        drop_rate: Dropout before the last layer.
        drop_path_rate: Stochastic depth of the last block, rising linearly from 0 in the first.

    Shape:
        images `(B, in_chans, H, W)` of any size, normalized as the weights were trained; logits `(B, K)`.

    Raises:
        ValueError: If an argument is out of its range, heads do not divide the width, or `img_size` is no multiple of
            the patch.

    Example:
        >>> import subband
        >>> model = subband.create_model("vit_ti", img_size=64, num_classes=10).eval()
        >>> model(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 10])
        >>> [tuple(x.shape[1:]) for x in model.forward_intermediates(torch.zeros(1, 3, 64, 96))]
        [(192, 4, 6)]
    """

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        num_heads: int,
        patch_size: int = 16,
        img_size: int | Sequence[int] = 224,
        mlp_ratio: float = 4.0,
        num_classes: int = 1000,
        in_chans: int = 3,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        super().__init__(num_classes=num_classes, in_chans=in_chans, img_size=(height, width), drop_rate=drop_rate)
        if min(dim, depth, num_heads, patch_size) < 1 or dim % num_heads:
            raise ValueError(
                "dim, depth, num_heads and patch_size must be positive and num_heads divide dim, "
                f"got {dim}, {depth}, {num_heads}, {patch_size}."
            )
        if min(height, width) < 1 or height % patch_size or width % patch_size:
            raise ValueError(f"img_size must be a positive multiple of {patch_size}, got {height} x {width}.")
        self.patch_size = patch_size
        self.embed = nn.Conv2d(in_chans, dim, patch_size, stride=patch_size)
        self.pos_embed = nn.Parameter(torch.empty(1, height // patch_size, width // patch_size, dim))
        self.blocks = nn.ModuleList(Block(dim, num_heads, mlp_ratio=mlp_ratio) for _ in range(depth))
        self.set_drop_path_rate(drop_path_rate)
        self.num_features = dim
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self._init_weights()
        self.reset_classifier(num_classes)

    @property
    def stages(self) -> list[Stage]:
        """The one resolution."""
        return [Stage(self.num_features, self.patch_size, "blocks")]

    def set_drop_path_rate(self, rate: float) -> None:
        """Stochastic depth of the last block; rates rise linearly from 0 in the first.

        Raises:
            ValueError: If `rate` is outside `[0, 1)`.
        """
        for block, block_rate in zip(self.blocks, linear_rates(rate, len(self.blocks)), strict=True):
            block.drop_path.rate = block_rate  # type: ignore[union-attr]

    def no_weight_decay(self) -> set[str]:
        """The position table."""
        return {"pos_embed"}

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The feature map `(B, D, ceil(H / patch), ceil(W / patch))`, in a list; no norm after it."""
        return [self._map(x).movedim(-1, 1)]

    def forward_features(self, x: Tensor) -> Tensor:
        """Tokens after the norm, `(B, N, D)`, row after row."""
        return self.norm(self._map(x).flatten(1, 2))

    def pool(self, features: Tensor) -> Tensor:
        """Mean over tokens, `(B, num_features)`."""
        return features.mean(1)

    def _map(self, x: Tensor) -> Tensor:
        """Map after the blocks, `(B, H, W, D)`, of the padded images."""
        if x.ndim != 4 or x.shape[1] != self.in_chans:
            raise ValueError(f"images must be (B, {self.in_chans}, H, W), got shape {tuple(x.shape)}.")
        x = F.pad(x, (0, -x.shape[3] % self.patch_size, 0, -x.shape[2] % self.patch_size))
        # Without a copy, every norm of every block would make one of its own.
        x = self.embed(x).movedim(1, -1).contiguous()  # (B, H, W, D)
        height, width = x.shape[1:3]
        tokens = (x + resize_position_grid(self.pos_embed, (height, width))).flatten(1, 2)  # (B, N, D)
        for block in self.blocks:
            tokens = self.checkpointed(block, tokens)
        return tokens.unflatten(1, (height, width))

    def _init_weights(self) -> None:
        nn.init.trunc_normal_(self.pos_embed, std=INIT_STD)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=INIT_STD)
                nn.init.zeros_(module.bias)
