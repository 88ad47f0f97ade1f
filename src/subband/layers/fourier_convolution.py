"""Fast Fourier convolution: channels in a local part, seen by small kernels, and a global part, seen in the spectrum.

Source: Chi et al., Fast Fourier Convolution, NeurIPS 2020, in the form that LaMa (Suvorov et al., WACV 2022) uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from subband.layers.spectral import FourierMethod
from subband.layers.spectral_transform import SpectralTransform

__all__ = ["FFC", "FFCNormAct", "FFCResidualBlock", "LocalGlobal"]

LocalGlobal = tuple[Tensor | None, Tensor | None]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


class FFC(nn.Module):
    """Fast Fourier convolution of a local and a global map.

    Both results are sums over both maps: convolutions everywhere but from global to global, where a `SpectralTransform`
    sees the whole map. Weights have the names of LaMa's files.

    Args:
        in_chans: Channels of both maps together.
        out_chans: Channels of both results together.
        kernel_size: Of the convolutions.
        ratio_in: Share of `in_chans` in the global map, in `[0, 1]`, rounded down to whole channels.
        ratio_out: Share of `out_chans` in the global result.
        stride: 1 or 2.
        padding: Of the convolutions.
        dilation: Of the convolutions.
        groups: Groups of the convolutions; the global path has half as many.
        bias: Whether the convolutions have one.
        with_local_unit: See `SpectralTransform`.
        padding_mode: How convolutions continue maps beyond their border.
        gated: Weigh what crosses between the maps, pixel by pixel, by gates computed from all channels; needs a local
            and a global map at both ends.
        method: Fast Fourier transform, or matrix products; export to ONNX takes these in any case.

    Shape:
        A pair of `(B, C_local, H, W)` and `(B, C_global, H, W)`, None for a map without channels, or one tensor, which
        is local; results likewise, always a pair.

    Raises:
        ValueError: If a ratio lies outside `[0, 1]`, or `gated` with a map that has no channels.

    Example:
        >>> local, whole = FFC(4, 32, 3, ratio_out=0.5, padding=1)(torch.rand(1, 4, 8, 8))
        >>> local.shape, whole.shape
        (torch.Size([1, 16, 8, 8]), torch.Size([1, 16, 8, 8]))
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        kernel_size: int,
        *,
        ratio_in: float = 0.0,
        ratio_out: float = 0.0,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        with_local_unit: bool = True,
        padding_mode: PaddingMode = "reflect",
        gated: bool = False,
        method: FourierMethod = "fft",
    ) -> None:
        super().__init__()
        if not (0 <= ratio_in <= 1 and 0 <= ratio_out <= 1):
            raise ValueError(f"ratio_in and ratio_out must lie in [0, 1], got {ratio_in} and {ratio_out}")
        global_in, global_out = int(in_chans * ratio_in), int(out_chans * ratio_out)
        local_in, local_out = in_chans - global_in, out_chans - global_out
        if gated and not all((global_in, global_out, local_in, local_out)):
            raise ValueError(f"gates need local and global channels at both ends, got {ratio_in} and {ratio_out}")

        def convolution(num_in: int, num_out: int) -> nn.Module | None:
            if not (num_in and num_out):
                return None
            return nn.Conv2d(
                num_in, num_out, kernel_size, stride, padding, dilation, groups, bias, padding_mode=padding_mode
            )

        self.channels = (local_in, global_in)
        self.convl2l, self.convl2g = convolution(local_in, local_out), convolution(local_in, global_out)
        self.convg2l = convolution(global_in, local_out)
        self.convg2g = None
        if global_in and global_out:
            self.convg2g = SpectralTransform(
                global_in,
                global_out,
                stride=stride,
                groups=max(1, groups // 2),
                with_local_unit=with_local_unit,
                method=method,
            )
        self.gate = nn.Conv2d(in_chans, 2, 1) if gated else None

    def forward(self, x: Tensor | LocalGlobal) -> LocalGlobal:
        """Convolve a pair of maps, or one local map."""
        local, whole = (x, None) if isinstance(x, Tensor) else x
        self._check(local, whole)
        to_local, to_global = _apply(self.convg2l, whole), _apply(self.convl2g, local)
        if self.gate is not None:
            assert local is not None
            assert whole is not None
            assert to_local is not None
            assert to_global is not None
            gates = torch.sigmoid(self.gate(torch.cat([local, whole], 1)))
            to_local, to_global = to_local * gates[:, :1], to_global * gates[:, 1:]
        return _sum(_apply(self.convl2l, local), to_local), _sum(to_global, _apply(self.convg2g, whole))

    def _check(self, local: Tensor | None, whole: Tensor | None) -> None:
        found = tuple(0 if part is None else part.shape[1] for part in (local, whole))
        if found != self.channels:
            raise ValueError(f"x must have {self.channels} local and global channels, got {found}")


class FFCNormAct(nn.Module):
    """`FFC`, then batch norm and activation of each map.

    Args:
        ffc: The convolution.
        out_chans: Channels of both results together, as in `ffc`.
        ratio_out: Share of the global result, as in `ffc`.
        act_layer: Makes the activation.

    Shape:
        As `FFC`.

    Example:
        >>> layer = FFCNormAct(FFC(4, 32, 3, ratio_out=0.25, padding=1), 32, 0.25)
        >>> [part.shape[1] for part in layer(torch.rand(1, 4, 8, 8))]
        [24, 8]
    """

    def __init__(
        self, ffc: FFC, out_chans: int, ratio_out: float, *, act_layer: Callable[[], nn.Module] = nn.ReLU
    ) -> None:
        super().__init__()
        num_global = int(out_chans * ratio_out)
        self.ffc = ffc
        self.bn_l = nn.BatchNorm2d(out_chans - num_global) if num_global < out_chans else None
        self.bn_g = nn.BatchNorm2d(num_global) if num_global else None
        self.act = act_layer()

    def forward(self, x: Tensor | LocalGlobal) -> LocalGlobal:
        """Convolve, normalize and activate a pair of maps, or one local map."""
        local, whole = self.ffc(x)
        return self._finish(local, self.bn_l), self._finish(whole, self.bn_g)

    def _finish(self, x: Tensor | None, norm: nn.Module | None) -> Tensor | None:
        return None if x is None or norm is None else self.act(norm(x))


class FFCResidualBlock(nn.Module):
    """Two 3x3 `FFCNormAct`, added to their input map by map; the block of LaMa's generator.

    Args:
        channels: Channels of both maps together.
        ratio: Share of the global map; LaMa: 0.75 of 512 channels.
        dilation: Of the convolutions, and their padding.
        with_local_unit: See `SpectralTransform`; LaMa: none.
        padding_mode: How convolutions continue maps beyond their border.
        gated: See `FFC`.
        act_layer: Makes the activation.
        method: Fast Fourier transform, or matrix products; export to ONNX takes these in any case.

    Shape:
        As `FFC`; results have the shapes of the inputs.

    Example:
        >>> block = FFCResidualBlock(16, ratio=0.75)
        >>> pair = block((torch.rand(1, 4, 8, 8), torch.rand(1, 12, 8, 8)))
        >>> [part.shape[1] for part in pair]
        [4, 12]
    """

    def __init__(
        self,
        channels: int,
        *,
        ratio: float = 0.75,
        dilation: int = 1,
        with_local_unit: bool = False,
        padding_mode: PaddingMode = "reflect",
        gated: bool = False,
        act_layer: Callable[[], nn.Module] = nn.ReLU,
        method: FourierMethod = "fft",
    ) -> None:
        super().__init__()

        def part() -> FFCNormAct:
            ffc = FFC(
                channels,
                channels,
                3,
                ratio_in=ratio,
                ratio_out=ratio,
                padding=dilation,
                dilation=dilation,
                with_local_unit=with_local_unit,
                padding_mode=padding_mode,
                gated=gated,
                method=method,
            )
            return FFCNormAct(ffc, channels, ratio, act_layer=act_layer)

        self.conv1, self.conv2 = part(), part()

    def forward(self, x: Tensor | LocalGlobal) -> LocalGlobal:
        """Add what two convolutions make of a pair of maps, or of one local map."""
        pair = (x, None) if isinstance(x, Tensor) else x
        local, whole = self.conv2(self.conv1(pair))
        return _sum(pair[0], local), _sum(pair[1], whole)


def _apply(layer: nn.Module | None, x: Tensor | None) -> Tensor | None:
    return None if layer is None or x is None else layer(x)


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b
