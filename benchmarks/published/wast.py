"""WaST as it was published, translated plainly: the yardstick for parity and speed.

The graph, the order of operations and the state-dict names are those of OpenSTL's `WaST_level1` ("WaST: Wavelet-based
Spatio-Temporal learning", AAAI 2024); the text is ours. Nothing is optimized here on purpose: wavelet transforms are
depthwise 3-D convolutions with a fixed bank, batch norms are separate modules, kernels run as they are declared.
`subband.models.wast.wast.WaST` must give the same numbers, faster.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def haar_bank() -> Tensor:
    """The eight 2x2x2 Haar filters in the order LLL, LLH, ..., HHH with letters (T, H, W), `(8, 1, 2, 2, 2)`."""
    taps = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5
    bank = [torch.einsum("t,h,w->thw", *(taps[i] for i in abc)) for abc in itertools.product((0, 1), repeat=3)]
    return torch.stack(bank).unsqueeze(1)


class DWT3d(nn.Module):
    """Eight Haar bands of `(B, C, T, H, W)`, each `(B, C, T/2, H/2, W/2)`."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", haar_bank())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        channels = x.shape[1]
        t, h, w = (size % 2 for size in x.shape[2:])
        x = F.pad(x, (0, w, 0, h, 0, t))
        y = F.conv3d(x, self.filters.repeat(channels, 1, 1, 1, 1), stride=2, groups=channels)
        return y.unflatten(1, (channels, 8)).unbind(2)


class IDWT3d(nn.Module):
    """Inverse of `DWT3d`."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", haar_bank())

    def forward(self, bands: tuple[Tensor, ...]) -> Tensor:
        channels = bands[0].shape[1]
        x = torch.stack(bands, dim=2).flatten(1, 2)
        return F.conv_transpose3d(x, self.filters.repeat(channels, 1, 1, 1, 1), stride=2, groups=channels)


def conv3d_bn_gelu(in_chans: int, out_chans: int, groups: int = 1) -> nn.Sequential:
    """`Conv3d` 3x3x3, batch norm and GELU."""
    conv = nn.Conv3d(in_chans, out_chans, 3, padding=1, groups=groups)
    return nn.Sequential(conv, nn.BatchNorm3d(out_chans), nn.GELU())


class WaveletEmbedding(nn.Module):
    """Analysis: low part `(B, 2E, T, H/2, W/2)` and kept bands `(B, 6E, T/2, H/2, W/2)`."""

    def __init__(self, dim: int, frame_chans: int) -> None:
        super().__init__()
        self.conv_0 = conv3d_bn_gelu(dim, dim)
        self.conv_1 = conv3d_bn_gelu(dim, 2 * dim)
        self.conv_emb = nn.Conv3d(4 * frame_chans, 2 * dim, 3, padding=1)
        self.DWT = DWT3d()

    def forward(self, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        lll, llh, lhl, lhh, hll, hlh, hhl, hhh = self.DWT(frames)
        width_low, width_high = torch.cat([lll, lhl, hll, hhl], 1), torch.cat([llh, lhh, hlh, hhh], 1)
        emb = self.conv_emb(torch.cat([width_low, width_high], 2))
        lll, llh, *high = self.DWT(self.conv_0(x))
        low = self.conv_1(torch.cat([lll, llh], 2))
        return low + emb, torch.cat(high, 1)


class WaveletReconstruction(nn.Module):
    """Synthesis from `(B, 2E, T, H, W)` and `(B, 6E, T/2, H, W)` to `(B, E, T, 2H, 2W)`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv_0 = conv3d_bn_gelu(2 * dim, dim)
        self.conv_hi = conv3d_bn_gelu(6 * dim, 6 * dim, groups=6)
        self.IDWT = IDWT3d()

    def forward(self, x: Tensor, high: Tensor) -> Tensor:
        low = self.conv_0(x).chunk(2, dim=2)
        return self.IDWT((*low, *self.conv_hi(high).chunk(6, dim=1)))


class CoordinateAttention(nn.Module):
    """Gates along height and width from the row and column means."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = max(8, dim // 4)
        self.conv1 = nn.Conv2d(dim, hidden, 1)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv_h = nn.Conv2d(hidden, dim, 1)
        self.conv_w = nn.Conv2d(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        rows = x.mean(3, keepdim=True)
        columns = x.mean(2, keepdim=True).transpose(2, 3)
        y = self.bn1(self.conv1(torch.cat([rows, columns], 2)))
        y = y * F.relu6(y + 3) / 6
        rows, columns = y.split([height, width], dim=2)
        gate_h = self.conv_h(rows).sigmoid()
        gate_w = self.conv_w(columns.transpose(2, 3)).sigmoid()
        return x * gate_w * gate_h


class SqueezeExcite(nn.Module):
    """Channel gates from the spatial mean."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(dim, round(dim / 4), 1)
        self.conv_expand = nn.Conv2d(round(dim / 4), dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.conv_expand(F.relu(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        return x * gate.sigmoid()


class InvertedResidual(nn.Module):
    """1x1 -> depthwise 7x7 -> squeeze-excite -> 1x1, without a skip."""

    def __init__(self, dim: int, mlp_ratio: float) -> None:
        super().__init__()
        hidden = make_divisible(dim * mlp_ratio)
        self.conv_pw = nn.Conv2d(dim, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv_dw = nn.Conv2d(hidden, hidden, 7, padding=3, groups=hidden, bias=False)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.se = SqueezeExcite(hidden)
        self.conv_pwl = nn.Conv2d(hidden, dim, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv_pw(x)))
        x = F.relu(self.bn2(self.conv_dw(x)))
        return self.bn3(self.conv_pwl(self.se(x)))


def make_divisible(value: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `value`, but at least 90 % of it."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def drop_path(x: Tensor, rate: float, training: bool) -> Tensor:
    """Zero whole samples with probability `rate`, scale the rest."""
    if rate == 0 or not training:
        return x
    keep = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(1 - rate)
    return x * keep / (1 - rate)


def depthwise_bn(dim: int, kernel_size: tuple[int, int]) -> nn.Sequential:
    """Depthwise convolution of the same size and batch norm."""
    padding = (kernel_size[0] // 2, kernel_size[1] // 2)
    return nn.Sequential(nn.Conv2d(dim, dim, kernel_size, padding=padding, groups=dim), nn.BatchNorm2d(dim))


class TFAwareBlock(nn.Module):
    """Large and small depthwise kernels with coordinate attention, then the inverted residual."""

    def __init__(self, dim: int, large_kernel: int, mlp_ratio: float, rate: float) -> None:
        super().__init__()
        self.layer_scale_1 = nn.Parameter(torch.full((dim,), 1e-2))
        self.layer_scale_2 = nn.Parameter(torch.full((dim,), 1e-2))
        self.norm1 = nn.BatchNorm2d(dim)
        self.norm2 = nn.BatchNorm2d(dim)
        self.lk1 = depthwise_bn(dim, (large_kernel, 5))
        self.lk2 = depthwise_bn(dim, (5, large_kernel))
        self.sk = depthwise_bn(dim, (5, 5))
        self.low_frequency_attn = CoordinateAttention(dim)
        self.high_frequency_attn = CoordinateAttention(dim)
        self.temporal_mixer = InvertedResidual(dim, mlp_ratio)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        scale = self.layer_scale_1[:, None, None]
        a = self.norm1(x)
        mixed = self.low_frequency_attn(self.lk1(a) + self.lk2(a)) + self.high_frequency_attn(self.sk(a))
        x = x + drop_path(scale * mixed, self.rate, self.training)
        return x + drop_path(scale * self.temporal_mixer(self.norm2(x)), self.rate, self.training)


class Translator(nn.Module):
    """Blocks on the frames folded into the channels, channel-major."""

    def __init__(self, dim: int, large_kernel: int, mlp_ratio: float, rates: list[float], concat: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(TFAwareBlock(dim, large_kernel, mlp_ratio, rate) for rate in rates)
        if concat:
            self.concat_block = nn.Conv2d(2 * dim, dim, 3, padding=1)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        frames = x.shape[2]
        x = x.flatten(1, 2)
        if skip is not None:
            x = self.concat_block(torch.cat([x, skip.flatten(1, 2)], 1))
        for block in self.blocks:
            x = block(x)
        return x.unflatten(1, (-1, frames))


class PublishedWaST(nn.Module):
    """The published one-level WaST, `(B, T, C, H, W)` to the same shape; T, H and W even."""

    def __init__(
        self,
        in_shape: tuple[int, int, int, int],
        encoder_dim: int = 20,
        block_list: tuple[int, int, int] = (2, 8, 2),
        drop_path_rate: float = 0.1,
        mlp_ratio: float = 4.0,
    ) -> None:
        super().__init__()
        frames, channels = in_shape[:2]
        dim = encoder_dim
        rates = torch.linspace(0, drop_path_rate, sum(block_list)).split(list(block_list))
        first, middle, last = (part.tolist() for part in rates)
        self.conv_in = conv3d_bn_gelu(channels, dim)
        self.translator1 = Translator(dim * frames, 51, mlp_ratio, first)
        self.wavelet_embed1 = WaveletEmbedding(dim, channels)
        self.bottleneck_translator = Translator(2 * dim * frames, 21, mlp_ratio, middle)
        self.wavelet_recon1 = WaveletReconstruction(dim)
        self.translator2 = Translator(dim * frames, 51, mlp_ratio, last, concat=True)
        self.conv_out = nn.Sequential(nn.BatchNorm3d(dim), nn.GELU(), nn.Conv3d(dim, channels, 3, padding=1))

    def forward(self, frames: Tensor) -> Tensor:
        x = frames = frames.transpose(1, 2)
        x = skip = self.translator1(self.conv_in(x))
        x, high = self.wavelet_embed1(x, frames)
        x = self.wavelet_recon1(self.bottleneck_translator(x), high)
        return self.conv_out(self.translator2(x, skip)).transpose(1, 2)
