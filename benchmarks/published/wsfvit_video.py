"""The WSF-ViT video model as it was published, translated plainly: the yardstick for parity and speed.

The graph, the order of operations and the state-dict names are those of the authors' fork of SimVP; the text is ours.
Nothing is optimized here on purpose, except that the wavelet is the two-tap filter the published FFT amounts to.
`subband.models.simvp.simvp.SimVP` with `translator="wsf", stem="wavelet"` must give the same numbers, faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from published.simvp import Decoder, DropPath, Encoder, MetaBlock


class HaarL2(nn.Module):
    """Undecimated bands LL, LH, HL, HH (first letter: width) with periodic borders, for square powers of two."""

    def __init__(self) -> None:
        super().__init__()
        root = 0.5**0.5
        self.register_buffer("w_l", torch.tensor([[root, root]]))
        self.register_buffer("w_h", torch.tensor([[root, -root]]))

    def forward(self, x: Tensor) -> Tensor:
        bands = []
        for across in (self.w_l, self.w_h):
            filtered = across[0, 0] * x.roll(-1, -1) + across[0, 1] * x
            bands += [down[0, 0] * filtered.roll(-1, -2) + down[0, 1] * filtered for down in (self.w_l, self.w_h)]
        return torch.cat(bands, dim=1)


class SqueezeExcite(nn.Module):
    def __init__(self, dim: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc2(F.silu(self.fc1(x.mean((2, 3), keepdim=True)))))


class MbConvBlock(nn.Module):
    def __init__(self, dim: int, drop_path: float) -> None:
        super().__init__()
        mid = 4 * dim
        self.pre_norm = nn.BatchNorm2d(dim)
        self.conv1_1x1 = nn.Conv2d(dim, mid, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(mid)
        self.conv2_kxk = nn.Conv2d(mid, mid, 3, padding=1, groups=mid, bias=False)
        self.norm2 = nn.BatchNorm2d(mid)
        self.se = SqueezeExcite(mid, dim // 4)
        self.conv3_1x1 = nn.Conv2d(mid, dim, 1)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        x = F.gelu(self.norm1(self.conv1_1x1(self.pre_norm(x))))
        x = F.gelu(self.norm2(self.conv2_kxk(x)))
        return self.drop_path(self.conv3_1x1(self.se(x))) + shortcut


class Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class RelPosBias(nn.Module):
    def __init__(self, window: int, heads: int) -> None:
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        y, x = (v.flatten() for v in torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij"))
        dy, dx = y[:, None] - y[None] + window - 1, x[:, None] - x[None] + window - 1
        self.register_buffer("index", dy * (2 * window - 1) + dx, persistent=False)

    def forward(self) -> Tensor:
        bias = self.relative_position_bias_table[self.index.flatten()].view(*self.index.shape, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)


class AttentionCl(nn.Module):
    def __init__(self, dim: int, window: int, head_dim: int, rotated: bool) -> None:
        super().__init__()
        self.heads, self.head_dim, self.rotated = dim // head_dim, head_dim, rotated
        self.qkv = nn.Linear(dim, 3 * dim)
        self.rel_pos = RelPosBias(window, self.heads)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, self.heads, 3 * self.head_dim).transpose(1, 2).chunk(3, dim=3)
        if self.rotated:
            q, k, v = k, v, q
        attn = (q * self.head_dim**-0.5) @ k.transpose(-2, -1) + self.rel_pos()
        x = (attn.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c)
        return self.proj(x)


class PartitionAttentionCl(nn.Module):
    def __init__(self, dim: int, window: int, head_dim: int, grid: bool, drop_path: float) -> None:
        super().__init__()
        self.window, self.grid = window, grid
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = AttentionCl(dim, window, head_dim, rotated=grid)
        self.drop_path = DropPath4d(drop_path)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attend(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def attend(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        p = self.window
        if self.grid:
            parts = x.view(b, p, h // p, p, w // p, c).permute(0, 2, 4, 1, 3, 5).contiguous().view(-1, p * p, c)
            y = self.attn(parts).view(b, h // p, w // p, p, p, c).permute(0, 3, 1, 4, 2, 5)
        else:
            parts = x.view(b, h // p, p, w // p, p, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, p * p, c)
            y = self.attn(parts).view(b, h // p, w // p, p, p, c).permute(0, 1, 3, 2, 4, 5)
        return y.contiguous().view(b, h, w, c)


class DropPath4d(DropPath):
    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = (torch.rand(x.shape[0], *[1] * (x.ndim - 1), device=x.device) >= self.rate).to(x.dtype)
        return x * keep / (1.0 - self.rate)


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


class ChannelBlock(nn.Module):
    def __init__(self, dim: int, heads: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.cpe = nn.ModuleList([ConvPosEnc(dim), ConvPosEnc(dim)])
        self.norm1 = nn.LayerNorm(dim)
        self.attn = ChannelAttention(dim, heads)
        self.drop_path = DropPath4d(drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(mlp_ratio * dim))

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        x = self.cpe[0](x, size)
        x = x + self.drop_path(self.attn(self.norm1(x)))
        x = self.cpe[1](x, size)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class WSFBlock(nn.Module):
    def __init__(self, dim: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.conv = MbConvBlock(dim, drop_path)
        self.attn_block = PartitionAttentionCl(dim, 8, 32, False, drop_path)
        self.attn_channel = ChannelBlock(dim, 32, mlp_ratio, drop_path)
        self.attn_grid = PartitionAttentionCl(dim, 8, 32, True, drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attn_block(self.conv(x).permute(0, 2, 3, 1))
        b, h, w, c = x.shape
        x = self.attn_channel(x.reshape(b, h * w, c), (h, w)).view(b, h, w, c)
        return self.attn_grid(x).permute(0, 3, 1, 2)


class Translator(nn.Module):
    def __init__(self, dim: int, hid: int, depth: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        rates = torch.linspace(1e-2, drop_path, depth).tolist()
        rates[-1] = drop_path
        ins, outs = [dim] + [hid] * (depth - 1), [hid] * (depth - 1) + [dim]
        self.enc = nn.Sequential(
            *(MetaBlock(WSFBlock(i, mlp_ratio, rate), i, o) for i, o, rate in zip(ins, outs, rates, strict=True))
        )

    def forward(self, x: Tensor) -> Tensor:
        b, t, c, h, w = x.shape
        return self.enc(x.reshape(b, t * c, h, w)).reshape(b, t, c, h, w)


class WSFViTVideo(nn.Module):
    """The published video model; its BatchNorm width 4 is here `4 * C`."""

    def __init__(
        self,
        in_shape: tuple[int, int, int, int],
        *,
        hid_S: int = 64,
        hid_T: int = 512,
        N_S: int = 4,
        N_T: int = 2,
        mlp_ratio: float = 8.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        frames, channels = in_shape[:2]
        self.dwt_l2 = HaarL2()
        self.norm = nn.BatchNorm2d(4 * channels)
        self.enc = Encoder(4 * channels, hid_S, N_S, 3)
        self.dec = Decoder(hid_S, channels, N_S, 3)
        self.hid = Translator(frames * hid_S, hid_T, N_T, mlp_ratio, drop_path)

    def forward(self, frames: Tensor) -> Tensor:
        b, t, c, h, w = frames.shape
        bands = F.relu(self.norm(self.dwt_l2(frames.reshape(b * t, c, h, w))))
        embed, skip = self.enc(bands)
        z = self.hid(embed.reshape(b, t, *embed.shape[1:]))
        return self.dec(z.reshape(b * t, *z.shape[2:]), skip).reshape(b, t, c, h, w)
