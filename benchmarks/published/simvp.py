"""SimVP, TAU and IncepU as they were published, translated plainly: the yardstick for parity and speed.

The graph, the order of operations and the state-dict names are those of OpenSTL's `SimVP_Model`; the text is ours.
Nothing is optimized here on purpose. `subband.models.simvp.simvp.SimVP` must give the same numbers, faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DropPath(nn.Module):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = (torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= self.rate).to(x.dtype)
        return x * keep / (1.0 - self.rate)


class BasicConv2d(nn.Module):
    def __init__(self, in_chans: int, out_chans: int, kernel_size: int, stride: int, upsampling: bool) -> None:
        super().__init__()
        if upsampling:
            expand = nn.Conv2d(in_chans, 4 * out_chans, kernel_size, padding=kernel_size // 2)
            self.conv = nn.Sequential(expand, nn.PixelShuffle(2))
        else:
            padding = (kernel_size - stride + 1) // 2
            self.conv = nn.Conv2d(in_chans, out_chans, kernel_size, stride, padding)
        self.norm = nn.GroupNorm(2, out_chans)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class ConvSC(nn.Module):
    def __init__(self, in_chans: int, out_chans: int, kernel_size: int, down: bool = False, up: bool = False) -> None:
        super().__init__()
        self.conv = BasicConv2d(in_chans, out_chans, kernel_size, 2 if down else 1, up)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def sampling(num_layers: int) -> list[bool]:
    return [False, True] * (num_layers // 2)


class Encoder(nn.Module):
    def __init__(self, in_chans: int, hid: int, num_layers: int, kernel_size: int) -> None:
        super().__init__()
        downs = sampling(num_layers)
        widths = [in_chans] + [hid] * len(downs)
        self.enc = nn.Sequential(*(ConvSC(widths[i], hid, kernel_size, down=down) for i, down in enumerate(downs)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.enc[0](x)
        x = first
        for layer in self.enc[1:]:
            x = layer(x)
        return x, first


class Decoder(nn.Module):
    def __init__(self, hid: int, out_chans: int, num_layers: int, kernel_size: int) -> None:
        super().__init__()
        self.dec = nn.Sequential(*(ConvSC(hid, hid, kernel_size, up=up) for up in reversed(sampling(num_layers))))
        self.readout = nn.Conv2d(hid, out_chans, 1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        for layer in self.dec[:-1]:
            x = layer(x)
        return self.readout(self.dec[-1](x + skip))


class GatingUnit(nn.Module):
    def __init__(self, dim: int, kernel_size: int = 21, dilation: int = 3) -> None:
        super().__init__()
        small = 2 * dilation - 1
        large = kernel_size // dilation
        large -= 1 - large % 2
        self.conv0 = nn.Conv2d(dim, dim, small, padding=(small - 1) // 2, groups=dim)
        self.conv_spatial = nn.Conv2d(
            dim, dim, large, padding=dilation * (large - 1) // 2, groups=dim, dilation=dilation
        )
        self.conv1 = nn.Conv2d(dim, 2 * dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        f, g = self.conv1(self.conv_spatial(self.conv0(x))).chunk(2, dim=1)
        return torch.sigmoid(g) * f


class TemporalAttentionUnit(nn.Module):
    def __init__(self, dim: int, kernel_size: int = 21, dilation: int = 3, reduction: int = 16) -> None:
        super().__init__()
        small = 2 * dilation - 1
        large = kernel_size // dilation
        large -= 1 - large % 2
        self.conv0 = nn.Conv2d(dim, dim, small, padding=(small - 1) // 2, groups=dim)
        self.conv_spatial = nn.Conv2d(
            dim, dim, large, padding=dilation * (large - 1) // 2, groups=dim, dilation=dilation
        )
        self.conv1 = nn.Conv2d(dim, dim, 1)
        squeezed = dim // max(dim // reduction, 4)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(dim, squeezed, bias=False), nn.ReLU(), nn.Linear(squeezed, dim, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        attended = self.conv1(self.conv_spatial(self.conv0(x)))
        gate = self.fc(self.avg_pool(x).flatten(1))[:, :, None, None]
        return gate.expand_as(x) * attended * x


class Attention(nn.Module):
    def __init__(self, dim: int, gate: type[nn.Module]) -> None:
        super().__init__()
        self.proj_1 = nn.Conv2d(dim, dim, 1)
        self.activation = nn.GELU()
        self.spatial_gating_unit = gate(dim)
        self.proj_2 = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x.clone()
        x = self.activation(self.proj_1(x))
        return self.proj_2(self.spatial_gating_unit(x)) + shortcut


class DWConv(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.dwconv(x)


class MixMlp(nn.Module):
    def __init__(self, dim: int, hidden: int, drop: float) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, hidden, 1)
        self.dwconv = DWConv(hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Conv2d(hidden, dim, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.act(self.dwconv(self.fc1(x))))
        return self.drop(self.fc2(x))


class SubBlock(nn.Module):
    def __init__(self, dim: int, gate: type[nn.Module], mlp_ratio: float, drop: float, drop_path: float) -> None:
        super().__init__()
        self.layer_scale_1 = nn.Parameter(1e-2 * torch.ones(dim))
        self.layer_scale_2 = nn.Parameter(1e-2 * torch.ones(dim))
        self.norm1 = nn.BatchNorm2d(dim)
        self.attn = Attention(dim, gate)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.BatchNorm2d(dim)
        self.mlp = MixMlp(dim, int(dim * mlp_ratio), drop)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.layer_scale_1[:, None, None] * self.attn(self.norm1(x)))
        return x + self.drop_path(self.layer_scale_2[:, None, None] * self.mlp(self.norm2(x)))


class MetaBlock(nn.Module):
    def __init__(self, block: nn.Module, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.block = block
        self.reduction = nn.Conv2d(in_dim, out_dim, 1) if in_dim != out_dim else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(self.block(x))


class MidMetaNet(nn.Module):
    def __init__(
        self, dim: int, hid: int, depth: int, gate: type[nn.Module], mlp_ratio: float, drop: float, drop_path: float
    ) -> None:
        super().__init__()
        rates = torch.linspace(1e-2, drop_path, depth).tolist()
        rates[-1] = drop_path
        ins = [dim] + [hid] * (depth - 1)
        outs = [hid] * (depth - 1) + [dim]
        blocks = (SubBlock(i, gate, mlp_ratio, drop, rate) for i, rate in zip(ins, rates, strict=True))
        self.enc = nn.Sequential(*(MetaBlock(b, i, o) for b, i, o in zip(blocks, ins, outs, strict=True)))

    def forward(self, x: Tensor) -> Tensor:
        b, t, c, h, w = x.shape
        return self.enc(x.reshape(b, t * c, h, w)).reshape(b, t, c, h, w)


class GroupConv2d(nn.Module):
    def __init__(self, in_chans: int, out_chans: int, kernel_size: int, groups: int) -> None:
        super().__init__()
        if in_chans % groups:
            groups = 1
        self.conv = nn.Conv2d(in_chans, out_chans, kernel_size, padding=kernel_size // 2, groups=groups)
        self.norm = nn.GroupNorm(groups, out_chans)
        self.activate = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self.norm(self.conv(x)))


class InceptionUnit(nn.Module):
    def __init__(self, in_chans: int, hid: int, out_chans: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, hid, 1)
        self.layers = nn.Sequential(*(GroupConv2d(hid, out_chans, k, 8) for k in (3, 5, 7, 11)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        y = 0
        for layer in self.layers:
            y = y + layer(x)
        return y


class MidIncepNet(nn.Module):
    def __init__(self, dim: int, hid: int, depth: int) -> None:
        super().__init__()
        half = hid // 2
        self.enc = nn.Sequential(
            InceptionUnit(dim, half, hid), *(InceptionUnit(hid, half, hid) for _ in range(depth - 1))
        )
        self.dec = nn.Sequential(
            InceptionUnit(hid, half, hid),
            *(InceptionUnit(2 * hid, half, hid) for _ in range(depth - 2)),
            InceptionUnit(2 * hid, half, dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        b, t, c, h, w = x.shape
        z = x.reshape(b, t * c, h, w)
        skips = []
        for i, unit in enumerate(self.enc):
            z = unit(z)
            if i < len(self.enc) - 1:
                skips.append(z)
        z = self.dec[0](z)
        for i in range(1, len(self.dec)):
            z = self.dec[i](torch.cat([z, skips[-i]], dim=1))
        return z.reshape(b, t, c, h, w)


class SimVPModel(nn.Module):
    """OpenSTL's `SimVP_Model` with `model_type` gsta, tau or incepu."""

    def __init__(
        self,
        in_shape: tuple[int, int, int, int],
        *,
        hid_S: int = 16,
        hid_T: int = 256,
        N_S: int = 4,
        N_T: int = 4,
        model_type: str = "gsta",
        mlp_ratio: float = 8.0,
        drop: float = 0.0,
        drop_path: float = 0.0,
        spatio_kernel_enc: int = 3,
        spatio_kernel_dec: int = 3,
    ) -> None:
        super().__init__()
        frames, channels = in_shape[:2]
        self.enc = Encoder(channels, hid_S, N_S, spatio_kernel_enc)
        self.dec = Decoder(hid_S, channels, N_S, spatio_kernel_dec)
        if model_type == "incepu":
            self.hid: nn.Module = MidIncepNet(frames * hid_S, hid_T, N_T)
        else:
            gate = {"gsta": GatingUnit, "tau": TemporalAttentionUnit}[model_type]
            self.hid = MidMetaNet(frames * hid_S, hid_T, N_T, gate, mlp_ratio, drop, drop_path)

    def forward(self, frames: Tensor) -> Tensor:
        b, t, c, h, w = frames.shape
        embed, skip = self.enc(frames.reshape(b * t, c, h, w))
        z = self.hid(embed.reshape(b, t, *embed.shape[1:]))
        y = self.dec(z.reshape(b * t, *z.shape[2:]), skip)
        return y.reshape(b, t, c, h, w)


def tau_loss(pred: Tensor, true: Tensor, *, alpha: float = 0.1, tau: float = 0.1, eps: float = 1e-12) -> Tensor:
    """Training loss of TAU: mean squared error plus the divergence between frame-to-frame changes."""
    loss = F.mse_loss(pred, true)
    if pred.shape[1] <= 2:
        return loss
    p = (pred.diff(dim=1).flatten(2) / tau).softmax(-1)
    q = (true.diff(dim=1).flatten(2) / tau).softmax(-1)
    return loss + alpha * (p * torch.log(p / (q + eps) + eps)).mean()
