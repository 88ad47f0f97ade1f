"""VD-Diff as it was published, translated plainly: the yardstick for parity and speed.

The graph, the order of operations and the state-dict names are those of its repository (`S1_arch`, `S2_arch`,
`S3_arch`); the text is ours. Its CUDA kernel is the plain unfold here. Nothing is optimized on purpose.
`subband.models.vd_diff` must give the same numbers, faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv3(in_chans: int, out_chans: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(in_chans, out_chans, 3, padding=1, bias=bias)


class HaarDownsampling(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        signs = [[[1, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]
        weights = torch.tensor(signs, dtype=torch.float32).repeat(channels, 1, 1).unsqueeze(1)
        self.haar_weights = nn.Parameter(weights, requires_grad=False)

    def forward(self, x: Tensor, rev: bool = False) -> Tensor:
        if not rev:
            out = F.conv2d(x, self.haar_weights, stride=2, groups=self.channels) / 4
            return out.unflatten(1, (self.channels, 4)).transpose(1, 2).flatten(1, 2)
        out = x.unflatten(1, (4, self.channels)).transpose(1, 2).flatten(1, 2)
        return F.conv_transpose2d(out, self.haar_weights, stride=2, groups=self.channels)


class LayerNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.body = nn.Module()
        self.body.weight = nn.Parameter(torch.ones(dim))
        self.body.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:  # (..., HW, C)
        mu, sigma = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return (x - mu) / torch.sqrt(sigma + 1e-5) * self.body.weight + self.body.bias


def norm_clip(norm: LayerNorm, x: Tensor) -> Tensor:
    b, t, c, h, w = x.shape
    tokens = x.permute(0, 1, 3, 4, 2).reshape(b * t, h * w, c)
    return norm(tokens).view(b, t, h, w, c).permute(0, 1, 4, 2, 3).contiguous()


def temporal(conv: nn.Conv3d, x: Tensor) -> Tensor:
    return conv(x.transpose(1, 2)).transpose(1, 2).contiguous()


def per_frame(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return conv(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int, bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.kernel = nn.Sequential(nn.Linear(256, 2 * dim, bias=False))
        self.qkv = nn.Conv3d(dim, 3 * dim, (3, 1, 1), padding=(1, 0, 0), bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=bias)
        self.project_out = nn.Conv3d(dim, dim, (3, 1, 1), padding=(1, 0, 0), bias=bias)

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        b, t, c, h, w = x.shape
        k_v = self.kernel(prior).view(b, t, 2 * c, 1, 1)
        scale, shift = k_v.chunk(2, 2)
        x = x * scale + shift
        qkv = per_frame(self.qkv_dwconv, temporal(self.qkv, x)).flatten(0, 1)
        q, k, v = (part.reshape(b * t, self.num_heads, -1, h * w) for part in qkv.chunk(3, 1))
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        attn = (q @ k.transpose(-2, -1) * self.temperature).softmax(-1)
        out = (attn @ v).reshape(b, t, c, h, w)
        return temporal(self.project_out, out)


class FeedForward(nn.Module):
    def __init__(self, dim: int, bias: bool) -> None:
        super().__init__()
        hidden = int(dim * 2.66)
        self.project_in = nn.Conv3d(dim, 2 * hidden, (3, 1, 1), padding=(1, 0, 0), bias=bias)
        self.project_out = nn.Conv3d(hidden, dim, (3, 1, 1), padding=(1, 0, 0), bias=bias)
        self.kerner_conv_channel = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.kernel = nn.Sequential(nn.Linear(256, 2 * dim, bias=False))

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        b, t, c, _, _ = x.shape
        scale, shift = self.kernel(prior).view(b, t, 2 * c, 1, 1).chunk(2, 2)
        x = x * scale + shift
        x1, x2 = per_frame(self.kerner_conv_channel, temporal(self.project_in, x)).chunk(2, 2)
        return temporal(self.project_out, F.gelu(x1) * x2)


class TransformerBlock(nn.Module):
    def __init__(self, dim: int, num_heads: int, bias: bool = False) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = Attention(dim, num_heads, bias)
        self.norm2 = LayerNorm(dim)
        self.ffn = FeedForward(dim, bias)

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        x = x + self.attn(norm_clip(self.norm1, x), prior)
        return x + self.ffn(norm_clip(self.norm2, x), prior)


def body(*layers: nn.Module) -> nn.Module:
    holder = nn.Module()
    holder.body = nn.Sequential(*layers)
    return holder


class WADTL(nn.Module):
    def __init__(self, dim: int, num_blocks: list[int], heads: list[int], bias: bool) -> None:
        super().__init__()

        def blocks(width: int, level: int) -> nn.ModuleList:
            return nn.ModuleList(TransformerBlock(width, heads[level], bias) for _ in range(num_blocks[level]))

        self.encoder_level1 = blocks(dim, 0)
        self.down1_2 = body(conv3(dim, dim // 2, False), nn.PixelUnshuffle(2))
        self.latent = blocks(2 * dim, 1)
        self.up2_1 = body(conv3(2 * dim, 4 * dim, False), nn.PixelShuffle(2))
        self.reduce_chan_level1 = nn.Conv2d(2 * dim, dim, 1, bias=bias)
        self.decoder_level1 = blocks(dim, 0)
        self.output = body(conv3(dim, 2 * dim, False), nn.PixelShuffle(2))

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        e1 = x
        for block in self.encoder_level1:
            e1 = block(e1, prior)
        y = per_frame(self.down1_2.body, e1)
        for block in self.latent:
            y = block(y, prior)
        y = torch.cat([per_frame(self.up2_1.body, y), e1], 2)
        y = per_frame(self.reduce_chan_level1, y)
        for block in self.decoder_level1:
            y = block(y, prior)
        return y + x


class ResidualBlockNoBN(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv3(dim, dim), conv3(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.leaky_relu(self.conv1(x), 0.1))


class IDynamicDWConv(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.Block1 = nn.Sequential(*(ResidualBlockNoBN(dim) for _ in range(3)))
        self.Block2 = nn.Sequential(*(ResidualBlockNoBN(dim) for _ in range(3)))
        self.tokernel = nn.Conv2d(dim, 9 * dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        weight = self.Block2(F.max_pool2d(self.Block1(F.avg_pool2d(x, 4)), 2))
        weight = F.interpolate(self.tokernel(weight), scale_factor=8, mode="bilinear", align_corners=False)
        unfolded = F.unfold(x, 3, padding=1).view(b, c, 9, h, w)
        return (weight.view(b, c, 9, h, w) * unfolded).sum(2)


class CrossAttention(nn.Module):
    def __init__(self, dim: int, num_heads: int, bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1, self.norm2 = LayerNorm(dim), LayerNorm(dim)
        self.q = nn.Linear(dim, dim, bias=bias)
        self.kv = nn.Linear(dim, 2 * dim, bias=bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        b, c, h, w = x.shape
        own, other = x.flatten(2).transpose(1, 2), state.flatten(2).transpose(1, 2)
        q = self.q(self.norm1(own)).view(b, h * w, self.num_heads, -1).transpose(1, 2)
        kv = self.kv(self.norm2(other)).view(b, h * w, 2, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        attn = (q @ kv[0].transpose(-2, -1) * (c // self.num_heads) ** -0.5).softmax(-1)
        out = self.proj((attn @ kv[1]).transpose(1, 2).reshape(b, h * w, c))
        return x + out.transpose(1, 2).view(b, c, h, w)


class Propagation(nn.Module):
    def __init__(self, dim: int, num_blocks: int, backward: bool, cross_heads: int | None, bias: bool) -> None:
        super().__init__()
        self.is_backward = backward
        if cross_heads is None:
            self.conv1, self.conv2, self.conv3 = conv3(2 * dim, 2 * dim), conv3(dim, dim), conv3(dim, dim)
        else:
            self.cross_attention = CrossAttention(dim, cross_heads, bias)
        self.kernel_conv_pixel = IDynamicDWConv(dim)
        blocks = nn.Sequential(*(ResidualBlockNoBN(dim) for _ in range(num_blocks)))
        self.resblock_bcakward2d = nn.Module()
        self.resblock_bcakward2d.main = nn.Sequential(blocks)

    def forward(self, x: Tensor) -> Tensor:
        frames = list(x.unbind(1))
        frames = frames[::-1] if self.is_backward else frames
        has_attention = hasattr(self, "cross_attention")
        p = frames[0] if has_attention else torch.zeros_like(frames[0])
        out = []
        for frame in frames:
            if has_attention:
                p = self.cross_attention(frame, p)
            else:
                z = F.leaky_relu(self.conv1(torch.cat([frame, p], 1)), 0.1)
                z1, z2 = z.chunk(2, 1)
                p = z1 * torch.sigmoid(self.conv2(z1)) + z2 * torch.sigmoid(self.conv3(z2))
            p = self.resblock_bcakward2d.main(self.kernel_conv_pixel(p))
            out.append(p)
        return torch.stack(out[::-1] if self.is_backward else out, 1)


class WADT(nn.Module):
    def __init__(
        self,
        dim: int,
        propagation_blocks: int,
        num_blocks: list[int],
        heads: list[int],
        cross_heads: int | None,
        bias: bool,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.feat_extractor = nn.Conv3d(3, dim, (1, 3, 3), padding=(0, 1, 1))
        self.recons = nn.Conv3d(dim, 3, (1, 3, 3), padding=(0, 1, 1))
        self.wave = HaarDownsampling(dim)
        self.x_wave_1_conv1, self.x_wave_1_conv2, self.x_wave_2_conv1, self.x_wave_2_conv2 = (
            nn.Conv2d(3 * dim, 3 * dim, 1, groups=3) for _ in range(4)
        )
        self.transformer_scale4 = WADTL(dim, num_blocks, heads, bias)
        self.backward_propagation_2 = Propagation(dim, propagation_blocks, True, cross_heads, bias)
        self.forward_propagation_2 = Propagation(dim, propagation_blocks, False, cross_heads, bias)

    def forward(self, lq: Tensor, prior: Tensor) -> Tensor:
        b, t = lq.shape[:2]
        f = self.feat_extractor(lq.transpose(1, 2)).transpose(1, 2).flatten(0, 1)
        out = self.wave(f)
        low1, high1 = out[:, : self.dim], out[:, self.dim :]
        high1 = self.x_wave_1_conv2(F.leaky_relu(self.x_wave_1_conv1(high1), 0.1))
        out = self.wave(low1)
        low2, high2 = out[:, : self.dim], out[:, self.dim :]
        low2 = self.transformer_scale4(low2.unflatten(0, (b, t)), prior).flatten(0, 1)
        high2 = self.x_wave_2_conv2(F.leaky_relu(self.x_wave_2_conv1(high2), 0.1))
        low1 = self.wave(torch.cat([low2, high2], 1), rev=True).unflatten(0, (b, t))
        low1 = self.forward_propagation_2(self.backward_propagation_2(low1)).flatten(0, 1)
        f = self.wave(torch.cat([low1, high1], 1), rev=True).unflatten(0, (b, t))
        return self.recons(f.transpose(1, 2)).transpose(1, 2) + lq


class ResBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv3(dim, dim), nn.LeakyReLU(0.1), conv3(dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Encoder(nn.Module):
    def __init__(self, in_chans: int, n_feats: int = 64) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.1)
        self.E = nn.Sequential(
            *(conv3(in_chans, n_feats), act),
            *(ResBlock(n_feats) for _ in range(6)),
            *(conv3(n_feats, 2 * n_feats), act),
            *(conv3(2 * n_feats, 2 * n_feats), act),
            *(conv3(2 * n_feats, 4 * n_feats), act),
            nn.AdaptiveAvgPool2d(1),
        )
        self.mlp = nn.Sequential(nn.Linear(4 * n_feats, 4 * n_feats), act, nn.Linear(4 * n_feats, 4 * n_feats), act)

    def forward(self, *images: Tensor) -> Tensor:
        x = torch.cat([F.pixel_unshuffle(image.flatten(0, 1), 4) for image in images], 1)
        return self.mlp(self.E(x).flatten(1))


class ResMLP(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.resmlp = nn.Sequential(nn.Linear(dim, dim), nn.LeakyReLU(0.1))

    def forward(self, x: Tensor) -> Tensor:
        return self.resmlp(x)


class Denoise(nn.Module):
    def __init__(self, n_denoise_res: int, timesteps: int) -> None:
        super().__init__()
        self.max_period = 10 * timesteps
        self.resmlp = nn.Sequential(
            nn.Linear(513, 256), nn.LeakyReLU(0.1), *(ResMLP(256) for _ in range(n_denoise_res))
        )

    def forward(self, x: Tensor, t: int, c: Tensor) -> Tensor:
        time = x.new_full((len(x), 1), t) / self.max_period
        return self.resmlp(torch.cat([c, time, x], 1))


class DDPM(nn.Module):
    def __init__(self, model: nn.Module, condition: nn.Module, start: float, end: float, timesteps: int) -> None:
        super().__init__()
        self.model, self.condition, self.timesteps = model, condition, timesteps
        betas = torch.linspace(start**0.5, end**0.5, timesteps, dtype=torch.float64) ** 2
        abar = torch.cumprod(1 - betas, 0)
        prev = torch.cat([torch.ones(1, dtype=torch.float64), abar[:-1]])
        variance = betas * (1 - prev) / (1 - abar)
        for name, value in {
            "betas": betas,
            "alphas_cumprod": abar,
            "alphas_cumprod_prev": prev,
            "sqrt_alphas_cumprod": abar.sqrt(),
            "sqrt_one_minus_alphas_cumprod": (1 - abar).sqrt(),
            "log_one_minus_alphas_cumprod": (1 - abar).log(),
            "sqrt_recip_alphas_cumprod": (1 / abar).sqrt(),
            "sqrt_recipm1_alphas_cumprod": (1 / abar - 1).sqrt(),
            "posterior_variance": variance,
            "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
            "posterior_mean_coef1": betas * prev.sqrt() / (1 - abar),
            "posterior_mean_coef2": (1 - prev) * (1 - betas).sqrt() / (1 - abar),
        }.items():
            self.register_buffer(name, value.float())

    def forward(self, lq: Tensor, x: Tensor) -> list[Tensor]:
        c = self.condition(lq)
        steps = []
        for t in reversed(range(self.timesteps)):
            x = self.posterior_mean_coef1[t] * self.model(x, t, c) + self.posterior_mean_coef2[t] * x
            steps.append(x)
        return steps


class DM(nn.Module):
    def __init__(self, n_denoise_res: int, start: float, end: float, timesteps: int) -> None:
        super().__init__()
        self.condition = Encoder(48)
        self.denoise = Denoise(n_denoise_res, timesteps)
        self.diffusion = DDPM(self.denoise, self.condition, start, end, timesteps)

    def forward(self, lq: Tensor, noise: Tensor, prior: Tensor | None = None) -> list[Tensor]:
        d = self.diffusion
        if prior is not None:
            noise = d.sqrt_alphas_cumprod[-1] * prior + d.sqrt_one_minus_alphas_cumprod[-1] * noise
        return d(lq, noise)


class VDDiff(nn.Module):
    """`S1_arch` for stage 1, else `S2_arch` and `S3_arch`, whose modules are the same; the noise is an argument."""

    def __init__(
        self,
        stage: int,
        *,
        num_feat: int = 64,
        propagation_blocks: int = 30,
        num_blocks: tuple[int, int] = (7, 2),
        heads: tuple[int, int] = (4, 8),
        use_cross_attention: bool = False,
        cross_attention_heads: int = 2,
        bias: bool = False,
        n_denoise_res: int = 1,
        linear_start: float = 0.1,
        linear_end: float = 0.99,
        timesteps: int = 4,
    ) -> None:
        super().__init__()
        self.stage = stage
        self.LE = Encoder(96)
        if stage > 1:
            self.DM = DM(n_denoise_res, linear_start, linear_end, timesteps)
        cross_heads = cross_attention_heads if use_cross_attention else None
        self.WADT = WADT(num_feat, propagation_blocks, list(num_blocks), list(heads), cross_heads, bias)

    def forward(self, lq: Tensor, gt: Tensor | None = None, noise: Tensor | None = None) -> tuple[Tensor, ...]:
        if self.stage == 1:
            prior = self.LE(lq, gt)
            return self.WADT(lq, prior) + lq, prior
        assert noise is not None
        if gt is None:
            return (self.WADT(lq, self.DM(lq, noise)[-1]) + lq,)
        prior = self.LE(lq, gt)
        steps = self.DM(lq, noise, prior)
        if self.stage == 2:
            return prior, steps[-1]
        return self.WADT(lq, steps[-1]) + lq, prior, torch.stack(steps)
