"""WSF-ViT for classification as it was published, translated plainly: the yardstick for parity and speed.

The graph, the order of operations, the Fourier form of the wavelet and the state-dict names are those of the authors'
code; the text is ours. Nothing is optimized here on purpose. `subband.models.wsfvit.wsfvit.WSFViT` must give the same
numbers, faster. Sides must be multiples of `32 * window`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BN_EPS = 1e-3


def same_padding(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros as TensorFlow's "SAME" puts them: the odd one after."""
    pads = [max((math.ceil(n / stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:]]
    (top, left) = (p // 2 for p in pads)
    return F.pad(x, [left, pads[1] - left, top, pads[0] - top])


class FourierHaar(nn.Module):
    """Bands LL, LH, HL, HH by products of spectra on a square power of two; sides that differ must both be smaller."""

    def __init__(self) -> None:
        super().__init__()
        root = 0.5**0.5
        self.register_buffer("w_l", torch.tensor([[root, root]]))
        self.register_buffer("w_h", torch.tensor([[root, -root]]))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        side = 2 ** math.ceil(math.log2(max(height, width)))
        spectrum = torch.fft.fft2(F.pad(x, [0, side - width, 0, side - height]))
        turn = torch.exp(2j * torch.pi * torch.arange(side, device=x.device) / side)  # of one sample to the left
        bands = []
        for across in (self.w_l, self.w_h):
            row = across[0, 0] * turn + across[0, 1]
            for down in (self.w_l, self.w_h):
                column = down[0, 0] * turn + down[0, 1]
                bands.append(torch.fft.ifft2(spectrum * column[:, None] * row).real[..., :height, :width])
        return torch.cat(bands, 1)


class BatchNormAct(nn.BatchNorm2d):
    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(super().forward(x), approximate="tanh")


class Stem(nn.Module):
    def __init__(self, in_chans: int, width: int) -> None:
        super().__init__()
        self.dwt_l2 = FourierHaar()
        self.norm1 = BatchNormAct(4 * in_chans)
        self.conv1 = nn.Conv2d(4 * in_chans, width, 3, 2)
        self.norm2 = BatchNormAct(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm3 = BatchNormAct(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm2(self.conv1(same_padding(self.norm1(self.dwt_l2(x)), 3, 2)))
        return self.norm3(self.conv2(x))


class DropPath(nn.Module):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = (torch.rand(x.shape[0], *[1] * (x.ndim - 1), device=x.device) >= self.rate).to(x.dtype)
        return x * keep / (1.0 - self.rate)


class SqueezeExcite(nn.Module):
    def __init__(self, dim: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc2(F.silu(self.fc1(x.mean((2, 3), keepdim=True)))))


class Shortcut(nn.Module):
    def __init__(self, in_chans: int, dim: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.expand = nn.Conv2d(in_chans, dim, 1) if in_chans != dim else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(F.avg_pool2d(same_padding(x, 2, 2), 2, 2) if self.stride == 2 else x)


class MbConvBlock(nn.Module):
    def __init__(self, in_chans: int, dim: int, stride: int, drop_path: float) -> None:
        super().__init__()
        mid = 4 * dim
        self.stride = stride
        self.shortcut = Shortcut(in_chans, dim, stride)
        self.pre_norm = nn.BatchNorm2d(in_chans, eps=BN_EPS)
        self.conv1_1x1 = nn.Conv2d(in_chans, mid, 1, bias=False)
        self.norm1 = BatchNormAct(mid)
        self.conv2_kxk = nn.Conv2d(mid, mid, 3, stride, groups=mid, bias=False)
        self.norm2 = BatchNormAct(mid)
        self.se = SqueezeExcite(mid, int(0.25 * dim))
        self.conv3_1x1 = nn.Conv2d(mid, dim, 1)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.shortcut(x)
        x = self.norm1(self.conv1_1x1(self.pre_norm(x)))
        x = self.norm2(self.conv2_kxk(same_padding(x, 3, self.stride)))
        return self.drop_path(self.conv3_1x1(self.se(x))) + shortcut


class Mlp(nn.Module):
    def __init__(self, dim: int, approximate: str) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.act = nn.GELU(approximate)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class RelPosBias(nn.Module):
    """Table expanded by products with one-hot tensors, key minus query."""

    def __init__(self, window: tuple[int, int], heads: int) -> None:
        super().__init__()
        self.window = window
        sides = [2 * side - 1 for side in window]
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn(heads, *sides))
        for name, side in zip("hw", window, strict=True):
            index = torch.arange(side)
            one_hot = F.one_hot(index[None] - index[:, None] + side - 1, 2 * side - 1).float()
            self.register_buffer(f"lookup_{name}", one_hot, persistent=False)  # (query, key, 2 * side - 1)

    def forward(self) -> Tensor:
        expanded = torch.einsum("nhw,ixh->nixw", self.relative_position_bias_table, self.lookup_h)
        expanded = torch.einsum("nixw,jyw->nijxy", expanded, self.lookup_w)
        area = self.window[0] * self.window[1]
        return expanded.reshape(1, -1, area, area)


class AttentionCl(nn.Module):
    def __init__(self, dim: int, window: tuple[int, int], head_dim: int, rotated: bool) -> None:
        super().__init__()
        self.heads, self.head_dim, self.rotated = dim // head_dim, head_dim, rotated
        self.qkv = nn.Linear(dim, 3 * dim)
        self.rel_pos = RelPosBias(window, self.heads)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        if self.rotated:
            q, k, v = k, v, q
        attn = (q * self.head_dim**-0.5) @ k.transpose(-2, -1) + self.rel_pos()
        return self.proj((attn.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c))


class PartitionAttentionCl(nn.Module):
    def __init__(self, dim: int, window: tuple[int, int], head_dim: int, grid: bool, drop_path: float) -> None:
        super().__init__()
        self.window, self.grid = window, grid
        self.norm1 = nn.LayerNorm(dim)
        self.attn = AttentionCl(dim, window, head_dim, rotated=grid)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, "tanh")

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attend(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def attend(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        p, q = self.window
        if self.grid:
            parts = x.view(b, p, h // p, q, w // q, c).permute(0, 2, 4, 1, 3, 5).contiguous().view(-1, p * q, c)
            y = self.attn(parts).view(b, h // p, w // q, p, q, c).permute(0, 3, 1, 4, 2, 5)
        else:
            parts = x.view(b, h // p, p, w // q, q, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, p * q, c)
            y = self.attn(parts).view(b, h // p, w // q, p, q, c).permute(0, 1, 3, 2, 4, 5)
        return y.contiguous().view(b, h, w, c)


class ConvPosEnc(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        feat = x.transpose(1, 2).reshape(x.shape[0], -1, *size)
        return x + self.proj(feat).flatten(2).transpose(1, 2)


class ChannelAttention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        attn = ((k * (c // self.heads) ** -0.5).transpose(-1, -2) @ v).softmax(-1)
        return self.proj((attn @ q.transpose(-1, -2)).transpose(-1, -2).transpose(1, 2).reshape(b, n, c))


class InterBlock(nn.Module):
    def __init__(self, dim: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.cpe = nn.ModuleList([ConvPosEnc(dim), ConvPosEnc(dim)])
        self.norm1 = nn.LayerNorm(dim)
        self.attn = ChannelAttention(dim, heads)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, "none")

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        x = self.cpe[0](x, size)
        x = x + self.drop_path(self.attn(self.norm1(x)))
        x = self.cpe[1](x, size)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class WSFViTBlock(nn.Module):
    def __init__(
        self,
        in_chans: int,
        dim: int,
        stride: int,
        heads: int,
        head_dim: int,
        window: tuple[int, int],
        drop_path: float,
    ) -> None:
        super().__init__()
        self.conv = MbConvBlock(in_chans, dim, stride, drop_path)
        self.attn_local = PartitionAttentionCl(dim, window, head_dim, False, drop_path)
        self.attn_inter = InterBlock(dim, heads, drop_path)
        self.attn_global = PartitionAttentionCl(dim, window, head_dim, True, drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attn_local(self.conv(x).permute(0, 2, 3, 1).contiguous())
        b, h, w, c = x.shape
        x = self.attn_inter(x.reshape(b, h * w, c), (h, w)).view(b, h, w, c)
        return self.attn_global(x).permute(0, 3, 1, 2).contiguous()


class Stage(nn.Module):
    def __init__(self, blocks: list[WSFViTBlock]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class PreLogits(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.fc(x))


class Head(nn.Module):
    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.pre_logits = PreLogits(dim)
        self.fc = nn.Linear(dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pre_logits(self.norm(x.mean((2, 3)))))


class PublishedWSFViT(nn.Module):
    """The published classifier."""

    def __init__(
        self,
        *,
        dims: tuple[int, ...],
        depths: tuple[int, ...],
        num_heads: tuple[int, ...],
        head_dim: int,
        stem_dim: int,
        window: tuple[int, int] = (7, 7),
        num_classes: int = 1000,
        in_chans: int = 3,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        rates = iter(torch.linspace(0, drop_path_rate, sum(depths)).tolist())
        self.stem = Stem(in_chans, stem_dim)
        before, stages = stem_dim, []
        for dim, depth, heads in zip(dims, depths, num_heads, strict=True):
            blocks = []
            for i in range(depth):
                blocks.append(WSFViTBlock(before, dim, 1 if i else 2, heads, head_dim, window, next(rates)))
                before = dim
            stages.append(Stage(blocks))
        self.stages = nn.Sequential(*stages)
        self.head = Head(before, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


class ChannelNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class PublishedBackbone(nn.Module):
    """The published detection backbone: four maps, each after a norm of its own."""

    def __init__(self, *, dims: tuple[int, ...], **options: int | tuple[int, ...]) -> None:
        super().__init__()
        network = PublishedWSFViT(dims=dims, **options)  # type: ignore[arg-type]
        self.stem, self.stages = network.stem, network.stages
        for i, dim in enumerate(dims):
            self.add_module(f"norm{i}", ChannelNorm(dim))

    def forward(self, x: Tensor) -> list[Tensor]:
        x, maps = self.stem(x), []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            maps.append(getattr(self, f"norm{i}")(x))
        return maps
