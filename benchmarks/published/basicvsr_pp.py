"""BasicVSR++ as it was published, translated plainly: the yardstick for parity and speed.

The graph, the order of operations and the state-dict names are those of mmagic's `BasicVSRPlusPlusNet`; the text is
ours. Nothing is optimized here on purpose: features of all passes are kept to the end, flows of all pairs of frames are
found at once, and the deformable convolution gathers all taps before one product, as the published kernel does.
`subband.models.super_resolution.basicvsr_pp.BasicVSRPP` must give the same numbers, faster.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SPYNET_LEVELS = 6
MAX_RESIDUE = 10.0
TAPS = 9
BRANCHES = ("backward_1", "forward_1", "backward_2", "forward_2")


def flow_warp(x: Tensor, flow: Tensor, padding_mode: str = "zeros") -> Tensor:
    """`x` `(N, C, H, W)` at positions moved by `flow` `(N, H, W, 2)`, columns first."""
    height, width = x.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, device=x.device, dtype=x.dtype),
        torch.arange(width, device=x.device, dtype=x.dtype),
        indexing="ij",
    )
    grid = torch.stack((columns, rows), 2) + flow
    across = 2.0 * grid[..., 0] / max(width - 1, 1) - 1.0
    down = 2.0 * grid[..., 1] / max(height - 1, 1) - 1.0
    return F.grid_sample(x, torch.stack((across, down), 3), padding_mode=padding_mode, align_corners=True)


class ConvModule(nn.Module):
    def __init__(self, in_chans: int, out_chans: int, with_act: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_chans, out_chans, 7, padding=3)
        self.with_act = with_act

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x)) if self.with_act else self.conv(x)


class SPyNetBasicModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = (8, 32, 64, 32, 16, 2)
        self.basic_module = nn.Sequential(*(ConvModule(w, v, v != 2) for w, v in itertools.pairwise(widths)))

    def forward(self, x: Tensor) -> Tensor:
        return self.basic_module(x)


class SPyNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.basic_module = nn.ModuleList(SPyNetBasicModule() for _ in range(SPYNET_LEVELS))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def compute_flow(self, ref: Tensor, supp: Tensor) -> Tensor:
        refs, supps = [(ref - self.mean) / self.std], [(supp - self.mean) / self.std]
        for _ in range(SPYNET_LEVELS - 1):
            refs.append(F.avg_pool2d(refs[-1], 2, 2, count_include_pad=False))
            supps.append(F.avg_pool2d(supps[-1], 2, 2, count_include_pad=False))
        refs, supps = refs[::-1], supps[::-1]
        flow = ref.new_zeros(ref.shape[0], 2, *refs[0].shape[-2:])
        for level in range(SPYNET_LEVELS):
            flow_up = flow
            if level > 0:
                flow_up = 2.0 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
            warped = flow_warp(supps[level], flow_up.permute(0, 2, 3, 1), padding_mode="border")
            flow = flow_up + self.basic_module[level](torch.cat([refs[level], warped, flow_up], 1))
        return flow

    def forward(self, ref: Tensor, supp: Tensor) -> Tensor:
        height, width = ref.shape[-2:]
        up = [-(-side // 32) * 32 for side in (height, width)]
        ref, supp = (F.interpolate(x, size=up, mode="bilinear", align_corners=False) for x in (ref, supp))
        flow = F.interpolate(self.compute_flow(ref, supp), size=(height, width), mode="bilinear", align_corners=False)
        flow[:, 0] *= width / up[1]
        flow[:, 1] *= height / up[0]
        return flow


class ResidualBlockNoBN(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))


class ResidualBlocksWithInputConv(nn.Module):
    def __init__(self, in_chans: int, out_chans: int, num_blocks: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(in_chans, out_chans, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Sequential(*(ResidualBlockNoBN(out_chans) for _ in range(num_blocks))),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


def modulated_deform_conv(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """All taps of all channels, `(B, 9 C, H, W)`, and one product with the weights."""
    batch, channels, height, width = x.shape
    groups = offset.shape[1] // (2 * TAPS)
    offset = offset.view(batch * groups, TAPS, 2, height, width)
    taps = torch.arange(3, device=x.device, dtype=x.dtype) - 1
    rows = torch.arange(height, device=x.device, dtype=x.dtype)[:, None] + taps.repeat_interleave(3)[:, None, None]
    columns = torch.arange(width, device=x.device, dtype=x.dtype) + taps.repeat(3)[:, None, None]
    down = (2 * (rows + offset[:, :, 0]) + 1) / height - 1
    across = (2 * (columns + offset[:, :, 1]) + 1) / width - 1
    grid = torch.stack((across, down), -1).view(batch * groups, TAPS * height, width, 2)
    grouped = x.reshape(batch * groups, channels // groups, height, width)
    taken = F.grid_sample(grouped, grid, align_corners=False).view(batch * groups, -1, TAPS, height, width)
    gathered = taken * mask.view(batch * groups, 1, TAPS, height, width)
    product = weight.flatten(1) @ gathered.view(batch, channels * TAPS, height * width)
    return product.view(batch, -1, height, width) + bias[:, None, None]


class SecondOrderDeformableAlignment(nn.Module):
    def __init__(self, channels: int, deform_groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 2 * channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.kaiming_uniform_(self.weight)
        self.conv_offset = nn.Sequential(
            nn.Conv2d(3 * channels + 4, channels, 3, 1, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(channels, channels, 3, 1, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(channels, channels, 3, 1, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(channels, 27 * deform_groups, 3, 1, 1),
        )

    def forward(self, x: Tensor, extra_feat: Tensor, flow_1: Tensor, flow_2: Tensor) -> Tensor:
        out = self.conv_offset(torch.cat([extra_feat, flow_1, flow_2], 1))
        o1, o2, mask = torch.chunk(out, 3, 1)
        offset = MAX_RESIDUE * torch.tanh(torch.cat((o1, o2), 1))
        offset_1, offset_2 = torch.chunk(offset, 2, 1)
        offset_1 = offset_1 + flow_1.flip(1).repeat(1, offset_1.size(1) // 2, 1, 1)
        offset_2 = offset_2 + flow_2.flip(1).repeat(1, offset_2.size(1) // 2, 1, 1)
        offset = torch.cat([offset_1, offset_2], 1)
        return modulated_deform_conv(x, offset, torch.sigmoid(mask), self.weight, self.bias)


class PixelShufflePack(nn.Module):
    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.upsample_conv = nn.Conv2d(in_chans, 4 * out_chans, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.upsample_conv(x), 2)


class BasicVSRPlusPlusNet(nn.Module):
    def __init__(
        self, mid_channels: int = 64, num_blocks: int = 7, is_low_res_input: bool = True, deform_groups: int = 16
    ) -> None:
        super().__init__()
        self.mid_channels, self.is_low_res_input = mid_channels, is_low_res_input
        self.spynet = SPyNet()
        if is_low_res_input:
            self.feat_extract = ResidualBlocksWithInputConv(3, mid_channels, 5)
        else:
            self.feat_extract = nn.Sequential(
                nn.Conv2d(3, mid_channels, 3, 2, 1),
                nn.LeakyReLU(0.1),
                nn.Conv2d(mid_channels, mid_channels, 3, 2, 1),
                nn.LeakyReLU(0.1),
                ResidualBlocksWithInputConv(mid_channels, mid_channels, 5),
            )
        self.deform_align, self.backbone = nn.ModuleDict(), nn.ModuleDict()
        for place, name in enumerate(BRANCHES):
            self.deform_align[name] = SecondOrderDeformableAlignment(mid_channels, deform_groups)
            self.backbone[name] = ResidualBlocksWithInputConv((2 + place) * mid_channels, mid_channels, num_blocks)
        self.reconstruction = ResidualBlocksWithInputConv(5 * mid_channels, mid_channels, 5)
        self.upsample1 = PixelShufflePack(mid_channels, mid_channels)
        self.upsample2 = PixelShufflePack(mid_channels, 64)
        self.conv_hr = nn.Conv2d(64, 64, 3, 1, 1)
        self.conv_last = nn.Conv2d(64, 3, 3, 1, 1)

    def compute_flow(self, lqs: Tensor) -> tuple[Tensor, Tensor]:
        n, t, c, h, w = lqs.shape
        first = lqs[:, :-1].reshape(-1, c, h, w)
        second = lqs[:, 1:].reshape(-1, c, h, w)
        flows_backward = self.spynet(first, second).view(n, t - 1, 2, h, w)
        flows_forward = self.spynet(second, first).view(n, t - 1, 2, h, w)
        return flows_forward, flows_backward

    def propagate(self, feats: dict[str, list[Tensor]], flows: Tensor, name: str) -> None:
        n, t, _, h, w = flows.shape
        frame_idx = list(range(t + 1))
        flow_idx = list(range(-1, t))
        if "backward" in name:
            frame_idx = frame_idx[::-1]
            flow_idx = frame_idx
        feat_prop = flows.new_zeros(n, self.mid_channels, h, w)
        feats[name] = []
        for i, idx in enumerate(frame_idx):
            feat_current = feats["spatial"][idx]
            if i > 0:
                flow_n1 = flows[:, flow_idx[i]]
                cond_n1 = flow_warp(feat_prop, flow_n1.permute(0, 2, 3, 1))
                feat_n2 = torch.zeros_like(feat_prop)
                flow_n2 = torch.zeros_like(flow_n1)
                cond_n2 = torch.zeros_like(cond_n1)
                if i > 1:
                    feat_n2 = feats[name][-2]
                    flow_n2 = flows[:, flow_idx[i - 1]]
                    flow_n2 = flow_n1 + flow_warp(flow_n2, flow_n1.permute(0, 2, 3, 1))
                    cond_n2 = flow_warp(feat_n2, flow_n2.permute(0, 2, 3, 1))
                cond = torch.cat([cond_n1, feat_current, cond_n2], 1)
                feat_prop = torch.cat([feat_prop, feat_n2], 1)
                feat_prop = self.deform_align[name](feat_prop, cond, flow_n1, flow_n2)
            others = [feats[k][idx] for k in feats if k not in ("spatial", name)]
            feat = torch.cat([feat_current, *others, feat_prop], 1)
            feat_prop = feat_prop + self.backbone[name](feat)
            feats[name].append(feat_prop)
        if "backward" in name:
            feats[name] = feats[name][::-1]

    def upsample(self, lqs: Tensor, feats: dict[str, list[Tensor]]) -> Tensor:
        outputs = []
        for i in range(lqs.shape[1]):
            hr = torch.cat([feats[k].pop(0) for k in ("spatial", *BRANCHES)], 1)
            hr = self.reconstruction(hr)
            hr = F.leaky_relu(self.upsample1(hr), 0.1)
            hr = F.leaky_relu(self.upsample2(hr), 0.1)
            hr = F.leaky_relu(self.conv_hr(hr), 0.1)
            hr = self.conv_last(hr)
            if self.is_low_res_input:
                hr = hr + F.interpolate(lqs[:, i], scale_factor=4, mode="bilinear", align_corners=False)
            else:
                hr = hr + lqs[:, i]
            outputs.append(hr)
        return torch.stack(outputs, 1)

    def forward(self, lqs: Tensor) -> Tensor:
        n, t, c, h, w = lqs.shape
        small = lqs
        if not self.is_low_res_input:
            flat = F.interpolate(lqs.view(-1, c, h, w), scale_factor=0.25, mode="bicubic")
            small = flat.view(n, t, c, h // 4, w // 4)
        feats_ = self.feat_extract(lqs.reshape(-1, c, h, w))
        feats_ = feats_.view(n, t, -1, *feats_.shape[-2:])
        feats = {"spatial": [feats_[:, i] for i in range(t)]}
        if t == 1:  # no pairs of frames
            flows_forward = flows_backward = small.new_zeros(n, 0, 2, *small.shape[-2:])
        else:
            flows_forward, flows_backward = self.compute_flow(small)
        for name in BRANCHES:
            self.propagate(feats, flows_backward if "backward" in name else flows_forward, name)
        return self.upsample(lqs, feats)
