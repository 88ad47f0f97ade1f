"""Fast Fourier convolutions as LaMa has them, and the unbiased unit, translated plainly: the yardstick for parity.

The graph, the order of operations and the state-dict names are those of the published code; the text is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def to_spectrum(x: Tensor) -> Tensor:
    spectrum = torch.fft.rfftn(x, dim=(-2, -1), norm="ortho")
    parts = torch.stack((spectrum.real, spectrum.imag), dim=-1).permute(0, 1, 4, 2, 3).contiguous()
    return parts.view(x.shape[0], -1, *parts.shape[3:])


def to_image(spectrum: Tensor, size: torch.Size) -> Tensor:
    parts = spectrum.view(spectrum.shape[0], -1, 2, *spectrum.shape[2:]).permute(0, 1, 3, 4, 2).contiguous()
    return torch.fft.irfftn(torch.complex(parts[..., 0], parts[..., 1]), s=size, dim=(-2, -1), norm="ortho")


class SELayer(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 16, bias=False),
            nn.ReLU(),
            nn.Linear(channels // 16, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(self.pool(x).flatten(1))[:, :, None, None]


class FourierUnit(nn.Module):
    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        groups: int = 1,
        scale: float | None = None,
        coordinates: bool = False,
        use_se: bool = False,
    ) -> None:
        super().__init__()
        num_inputs = 2 * in_chans + (2 if coordinates else 0)
        self.conv_layer = nn.Conv2d(num_inputs, 2 * out_chans, 1, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(2 * out_chans)
        self.scale, self.coordinates, self.use_se = scale, coordinates, use_se
        if use_se:
            self.se = SELayer(num_inputs)

    def forward(self, x: Tensor) -> Tensor:
        given = x.shape[-2:]
        if self.scale is not None:
            x = F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        spectrum = to_spectrum(x)
        if self.coordinates:
            batch, _, height, width = spectrum.shape
            rows = torch.linspace(0, 1, height)[None, None, :, None].expand(batch, 1, height, width).to(spectrum)
            columns = torch.linspace(0, 1, width)[None, None, None, :].expand(batch, 1, height, width).to(spectrum)
            spectrum = torch.cat((rows, columns, spectrum), dim=1)
        if self.use_se:
            spectrum = self.se(spectrum)
        y = to_image(torch.relu(self.bn(self.conv_layer(spectrum))), x.shape[-2:])
        return y if self.scale is None else F.interpolate(y, size=given, mode="bilinear", align_corners=False)


class SpectralTransform(nn.Module):
    def __init__(
        self, in_chans: int, out_chans: int, stride: int = 1, groups: int = 1, enable_lfu: bool = True
    ) -> None:
        super().__init__()
        self.enable_lfu = enable_lfu
        self.downsample = nn.AvgPool2d(2, 2) if stride == 2 else nn.Identity()
        half = out_chans // 2
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_chans, half, 1, groups=groups, bias=False), nn.BatchNorm2d(half), nn.ReLU()
        )
        self.fu = FourierUnit(half, half, groups)
        if enable_lfu:
            self.lfu = FourierUnit(half, half, groups)
        self.conv2 = nn.Conv2d(half, out_chans, 1, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.downsample(x))
        local: Tensor | int = 0
        if self.enable_lfu:
            side = x.shape[-2] // 2
            parts = torch.cat(torch.split(x[:, : x.shape[1] // 4], side, dim=-2), dim=1)
            parts = torch.cat(torch.split(parts, side, dim=-1), dim=1)
            local = self.lfu(parts).repeat(1, 1, 2, 2)
        return self.conv2(x + self.fu(x) + local)


class FFC(nn.Module):
    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        kernel_size: int,
        ratio_gin: float,
        ratio_gout: float,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        enable_lfu: bool = True,
        gated: bool = False,
    ) -> None:
        super().__init__()
        global_in, global_out = int(in_chans * ratio_gin), int(out_chans * ratio_gout)
        local_in, local_out = in_chans - global_in, out_chans - global_out

        def conv(a: int, b: int) -> nn.Module:
            if a == 0 or b == 0:
                return nn.Identity()
            return nn.Conv2d(a, b, kernel_size, stride, padding, dilation, groups, bias, padding_mode="reflect")

        self.ratio_gout, self.gated = ratio_gout, gated
        self.convl2l, self.convl2g, self.convg2l = (
            conv(local_in, local_out),
            conv(local_in, global_out),
            conv(global_in, local_out),
        )
        self.convg2g: nn.Module = nn.Identity()
        if global_in and global_out:
            self.convg2g = SpectralTransform(
                global_in, global_out, stride, 1 if groups == 1 else groups // 2, enable_lfu
            )
        if gated:
            self.gate = nn.Conv2d(in_chans, 2, 1)

    def forward(self, x):
        local, whole = x if isinstance(x, tuple) else (x, 0)
        first, second = 1, 1
        if self.gated:
            first, second = torch.sigmoid(self.gate(torch.cat((local, whole), dim=1))).chunk(2, dim=1)
        out_local, out_whole = 0, 0
        if self.ratio_gout != 1:
            out_local = self.convl2l(local) + self.convg2l(whole) * first
        if self.ratio_gout != 0:
            out_whole = self.convl2g(local) * second + self.convg2g(whole)
        return out_local, out_whole


class UnbiasedFourierUnit(nn.Module):
    def __init__(self, channels: int, side: int = 32, scale: float | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.locMap = nn.Parameter(torch.rand(side, side // 2 + 1))
        self.lambda_base = nn.Parameter(torch.tensor(0.0))
        self.conv_layer_down55 = nn.Conv2d(2 * channels + 1, 2 * channels, 1, bias=False)
        self.conv_layer_down55_shift = nn.Conv2d(
            2 * channels + 1, 2 * channels, 3, padding=2, dilation=2, padding_mode="reflect", bias=False
        )
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        given = x.shape[-2:]
        if self.scale is not None:
            x = F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        spectrum = to_spectrum(x)
        places = self.locMap.expand(x.shape[0], 1, *self.locMap.shape)
        y = self.conv_layer_down55(torch.cat((spectrum, places), dim=1))
        y = torch.relu(torch.fft.fftshift(y, dim=-2))
        places = torch.fft.fftshift(places, dim=-2)
        y = torch.fft.ifftshift(self.conv_layer_down55_shift(torch.cat((y, places), dim=1)), dim=-2)
        share = torch.sigmoid(self.lambda_base)
        y = to_image(share * spectrum + (1 - share) * y, x.shape[-2:])
        if self.scale is not None:
            y = F.interpolate(y, size=given, mode="bilinear", align_corners=False)
        y = y - torch.mean(y) + torch.mean(x)
        return torch.clip(y, x.min().item() - 0.5, x.max().item() + 0.5)
