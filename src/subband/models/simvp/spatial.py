"""The frame-wise half of SimVP: encoder, decoder and the wavelet stem, each on `(B*T, C, H, W)`."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.haar_bands import HaarBands
from subband.layers.memory_format import channels_last_on_cpu

BlockRunner = Callable[..., Tensor]
"""Calls a block on its inputs, with or without gradient checkpointing (`VideoModel.checkpointed`)."""

NUM_GROUPS = 2  # of every GroupNorm here


class ConvLayer(nn.Module):
    """Convolution, GroupNorm, SiLU; halves the sides when asked to.

    Args:
        in_chans: C_in.
        out_chans: C_out, even.
        kernel_size: Odd.
        is_halving: Whether the convolution has stride 2.

    Shape:
        `(B, C_in, H, W)` to `(B, C_out, H, W)` or `(B, C_out, H/2, W/2)`.
    """

    def __init__(self, in_chans: int, out_chans: int, *, kernel_size: int, is_halving: bool = False) -> None:
        super().__init__()
        stride = 2 if is_halving else 1
        self.conv = nn.Conv2d(in_chans, out_chans, kernel_size, stride, kernel_size // 2)
        self.norm = nn.GroupNorm(NUM_GROUPS, out_chans)
        _init_conv(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to `x`, `(B, C_in, H, W)`."""
        return F.silu(self.norm(self.conv(x)))


class UpsampleLayer(nn.Module):
    """Convolution to four times the channels, which become twice the sides; GroupNorm, SiLU.

    Args:
        in_chans: C_in.
        out_chans: C_out, even.
        kernel_size: Odd.

    Shape:
        `(B, C_in, H, W)` to `(B, C_out, 2H, 2W)`.
    """

    def __init__(self, in_chans: int, out_chans: int, *, kernel_size: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(in_chans, 4 * out_chans, kernel_size, padding=kernel_size // 2)
        self.norm = nn.GroupNorm(NUM_GROUPS, out_chans)
        _init_conv(self.expand)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to `x`, `(B, C_in, H, W)`."""
        return F.silu(self.norm(_twice_as_large(self.expand(x))))


def _twice_as_large(x: Tensor) -> Tensor:
    """`F.pixel_shuffle(x, 2)`, whose gradient of an empty batch has another shape than `x` in PyTorch."""
    if x.shape[0] == 0:
        batch, channels, height, width = x.shape
        return x.reshape(batch, channels // 4, 2 * height, 2 * width)
    return F.pixel_shuffle(x, 2)


class SpatialEncoder(nn.Module):
    """`num_layers` convolution layers, every second one halving the sides.

    Args:
        in_chans: C of the frames (or of the stem).
        embed_dim: D, the width of every layer.
        num_layers: Even.
        kernel_size: Odd.

    Shape:
        `(B*T, C, H, W)` to the embedding `(B*T, D, H', W')`, `H' = H / 2**(num_layers / 2)`, and the output of the
        first layer `(B*T, D, H, W)`, which the decoder takes as skip.
    """

    def __init__(self, in_chans: int, embed_dim: int, *, num_layers: int, kernel_size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            ConvLayer(embed_dim if i else in_chans, embed_dim, kernel_size=kernel_size, is_halving=i % 2 == 1)
            for i in range(num_layers)
        )

    def forward(self, frames: Tensor, run: BlockRunner) -> tuple[Tensor, Tensor]:
        """Embed `frames`, `(B*T, C, H, W)`; returns the embedding and the skip."""
        skip = x = run(self.layers[0], channels_last_on_cpu(frames))
        for layer in self.layers[1:]:
            x = run(layer, x)
        return x, skip


class SpatialDecoder(nn.Module):
    """Mirror image of `SpatialEncoder` with a 1x1 convolution as read-out; the skip joins before the last layer.

    Args:
        embed_dim: D, the width of every layer.
        out_chans: C of the frames.
        num_layers: Even.
        kernel_size: Odd.

    Shape:
        `(B*T, D, H', W')` and the skip `(B*T, D, H, W)` to `(B*T, C, H, W)`.
    """

    def __init__(self, embed_dim: int, out_chans: int, *, num_layers: int, kernel_size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            (ConvLayer if i % 2 else UpsampleLayer)(embed_dim, embed_dim, kernel_size=kernel_size)
            for i in range(num_layers)
        )
        self.readout = nn.Conv2d(embed_dim, out_chans, 1)

    def forward(self, latent: Tensor, skip: Tensor, run: BlockRunner) -> Tensor:
        """Decode `latent`, `(B*T, D, H', W')`, to frames `(B*T, C, H, W)`."""
        x = channels_last_on_cpu(latent)
        for layer in self.layers[:-1]:
            x = run(layer, x)
        return self.readout(run(self.layers[-1], x + skip))


class WaveletStem(nn.Module):
    """Undecimated Haar bands of every frame, BatchNorm, ReLU: the stem of the WSF-ViT video model.

    Args:
        in_chans: C. The published model fixes C = 1.

    Shape:
        `(B*T, C, H, W)` to `(B*T, 4C, H, W)`, bands `LL, LH, HL, HH` one after the other (first letter: width).
    """

    def __init__(self, in_chans: int) -> None:
        super().__init__()
        self.bands = HaarBands()
        self.norm = nn.BatchNorm2d(4 * in_chans)

    def forward(self, frames: Tensor) -> Tensor:
        """Transform `frames`, `(B*T, C, H, W)`."""
        return F.relu(self.norm(self.bands(frames)))


def _init_conv(conv: nn.Conv2d) -> None:
    """As published: a normal distribution of std 0.02, cut at -2 and 2; zero bias."""
    assert conv.bias is not None
    nn.init.trunc_normal_(conv.weight, std=0.02)
    nn.init.zeros_(conv.bias)
