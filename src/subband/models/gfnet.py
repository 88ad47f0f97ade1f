"""GFNet: image classification with learned filters over the whole image in place of attention.

Paper: Rao et al., Global Filter Networks for Image Classification, NeurIPS 2021. Its checkpoints load, for other image
sizes too (`subband.convert.gfnet`).

Different from the published code: any image size. Images of a size other than `img_size` are filled with zeros at the
right and bottom to multiples of the coarsest patch; then position table and filters are resized for them by the rule
that the paper has for fine-tuning at a higher resolution (`resize_position_grid`,
`subband.layers.resize_fourier_filter`). For many images of such a size, build the model with that `img_size` instead.
The feature maps of the pyramid variants `gfnet_h_*` are offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.attention import Mlp
from subband.layers.drop import DropPath, linear_rates
from subband.layers.spectral import FourierFilter2d
from subband.models.protocols.classifier import Classifier, Stage

__all__ = ["GFNet", "resize_position_grid"]

NORM_EPS = 1e-6
INIT_STD = 0.02


def resize_position_grid(table: Tensor, size: tuple[int, int]) -> Tensor:
    """Position table for a grid of another size, bicubic as in the published code.

    Args:
        table: `(1, H, W, D)`.
        size: Wanted H' and W'.

    Returns:
        `(1, H', W', D)`; `table` itself if it has that size.

    Example:
        >>> resize_position_grid(torch.rand(1, 14, 14, 8), (24, 24)).shape
        torch.Size([1, 24, 24, 8])
    """
    if table.shape[1:3] == size:
        return table
    plane = F.interpolate(table.movedim(-1, 1), size, mode="bicubic", align_corners=False)
    return plane.movedim(1, -1)


class FilterBlock(nn.Module):
    """`x + gamma * mlp(norm2(filter(norm1(x))))`: one residual branch, unlike a transformer block.

    Args:
        dim: Channels C.
        grid: Height and width that the filter is stored for.
        mlp_ratio: Channels inside the MLP per channel.
        layer_scale: Initial value of gamma, one per channel; None leaves it out.
        filter_method: Fast Fourier transform, or matrix products.

    Shape:
        Input and output `(B, H, W, C)`.
    """

    def __init__(
        self,
        dim: int,
        grid: tuple[int, int],
        *,
        mlp_ratio: float,
        layer_scale: float | None,
        filter_method: Literal["fft", "matrix"],
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.filter = FourierFilter2d(dim, grid, layout="channels_last", method=filter_method)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath()
        self.gamma = None if layer_scale is None else nn.Parameter(torch.full((dim,), layer_scale))

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, H, W, C)`."""
        branch = self.drop_path(self.mlp(self.norm2(self.filter(self.norm1(x)))))
        return x + branch if self.gamma is None else torch.addcmul(x, self.gamma, branch)


class GFNet(Classifier):
    """GFNet classifier: one stage of equal blocks, or a pyramid of several.

    Args:
        dims: Channels of each stage.
        depths: Blocks of each stage.
        patch_size: Pixels per side of a patch in the first stage; each further stage halves the map.
        img_size: Side or sides `(H, W)` that filters and position table are stored for; multiples of the coarsest
            patch.
        mlp_ratio: Channels inside an MLP per channel.
        layer_scale: Initial factor of the residual branches, learned per channel; None leaves it out.
        num_classes: Logits K; 0 for pooled features instead.
        in_chans: Channels of the images.
        drop_rate: Dropout before the last layer.
        drop_path_rate: Stochastic depth of the last block, rising linearly from 0 in the first.
        filter_method: Fast Fourier transform, or matrix products without complex numbers, for maps of at most 128
            pixels a side; export to ONNX takes these in any case.

    Shape:
        images `(B, in_chans, H, W)` of any size, normalized as the weights were trained; logits `(B, K)`.

    Raises:
        ValueError: If an argument is out of its range, or `img_size` is no multiple of the coarsest patch.

    Example:
        >>> import subband
        >>> model = subband.create_model("gfnet_h_ti", img_size=64, num_classes=10).eval()
        >>> model(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 10])
        >>> [tuple(x.shape[1:]) for x in model.forward_intermediates(torch.zeros(1, 3, 64, 96))]
        [(64, 16, 24), (128, 8, 12), (256, 4, 6), (512, 2, 3)]
    """

    def __init__(
        self,
        *,
        dims: Sequence[int],
        depths: Sequence[int],
        patch_size: int,
        img_size: int | Sequence[int] = 224,
        mlp_ratio: float = 4.0,
        layer_scale: float | None = None,
        num_classes: int = 1000,
        in_chans: int = 3,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        filter_method: Literal["fft", "matrix"] = "fft",
    ) -> None:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        super().__init__(num_classes=num_classes, in_chans=in_chans, img_size=(height, width), drop_rate=drop_rate)
        if not dims or len(dims) != len(depths) or min(*dims, *depths, patch_size) < 1:
            raise ValueError(
                f"dims and depths must be positive, one each per stage, got {dims}, {depths}, patch {patch_size}."
            )
        self.dims, self.patch_size = tuple(dims), patch_size
        self.coarsest = patch_size << (len(dims) - 1)
        if min(height, width) < 1 or height % self.coarsest or width % self.coarsest:
            raise ValueError(f"img_size must be a positive multiple of {self.coarsest}, got {height} x {width}.")
        grid = (height // patch_size, width // patch_size)
        self.pos_embed = nn.Parameter(torch.empty(1, *grid, dims[0]))
        self.embeds = nn.ModuleList(
            nn.Conv2d(before, dim, size, stride=size)
            for before, dim, size in zip((in_chans, *dims), dims, (patch_size, *[2] * len(dims)), strict=False)
        )
        self.levels = nn.ModuleList(
            nn.ModuleList(
                FilterBlock(
                    dim,
                    (grid[0] >> level, grid[1] >> level),
                    mlp_ratio=mlp_ratio,
                    layer_scale=layer_scale,
                    filter_method=filter_method,
                )
                for _ in range(depth)
            )
            for level, (dim, depth) in enumerate(zip(dims, depths, strict=True))
        )
        self.set_drop_path_rate(drop_path_rate)
        self.num_features = dims[-1]
        self.norm = nn.LayerNorm(self.num_features, eps=NORM_EPS)
        self._init_weights()
        self.reset_classifier(num_classes)

    @property
    def stages(self) -> list[Stage]:
        """The resolutions, finest first; one for the variants without a pyramid."""
        return [Stage(dim, self.patch_size << i, f"levels.{i}") for i, dim in enumerate(self.dims)]

    def set_drop_path_rate(self, rate: float) -> None:
        """Stochastic depth of the last block; rates rise linearly from 0 in the first.

        Raises:
            ValueError: If `rate` is outside `[0, 1)`.
        """
        blocks = [block for level in self.levels for block in level]  # type: ignore[attr-defined]
        for block, block_rate in zip(blocks, linear_rates(rate, len(blocks)), strict=True):
            block.drop_path.rate = block_rate

    def no_weight_decay(self) -> set[str]:
        """The position table; the filters do decay."""
        return {"pos_embed"}

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """Feature maps of all stages, `(B, C, ceil(H / reduction), ceil(W / reduction))` each; no norm after them."""
        sizes = [tuple(-(-side // stage.reduction) for side in x.shape[-2:]) for stage in self.stages]
        maps = self._maps(x)
        return [y[:, :h, :w].movedim(-1, 1) for y, (h, w) in zip(maps, sizes, strict=True)]

    def forward_features(self, x: Tensor) -> Tensor:
        """Tokens of the last stage after the norm, `(B, N, D)`, row after row."""
        return self.norm(self._maps(x)[-1]).flatten(1, 2)

    def pool(self, features: Tensor) -> Tensor:
        """Mean over tokens, `(B, num_features)`."""
        return features.mean(1)

    def _maps(self, x: Tensor) -> list[Tensor]:
        """Maps of all stages, `(B, H, W, C)` each, of the padded images."""
        self._check(x)
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.coarsest, 0, -height % self.coarsest))
        maps = []
        for index, (embed, level) in enumerate(zip(self.embeds, self.levels, strict=True)):
            x = embed(x).movedim(1, -1).contiguous()  # (B, H, W, C)
            if index == 0:
                x = x + resize_position_grid(self.pos_embed, (x.shape[1], x.shape[2]))
            for block in level:  # type: ignore[attr-defined]
                x = self.checkpointed(block, x)
            maps.append(x)
            x = x.movedim(-1, 1)
        return maps

    def _check(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.in_chans:
            raise ValueError(f"images must be (B, {self.in_chans}, H, W), got shape {tuple(x.shape)}.")

    def _init_weights(self) -> None:
        nn.init.trunc_normal_(self.pos_embed, std=INIT_STD)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=INIT_STD)
                nn.init.zeros_(module.bias)
