"""Wavelet packets as modules: every band of every level is split again, down to one level of equal bands."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch  # noqa: F401  the examples below use it
from torch import Tensor, nn

from subband.layers._wavelet_base import Names, Size, as_tuple, check_levels, check_modes
from subband.layers.band_layout import BandLayout, band_layout
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks
from subband.transforms.packets import iwavelet_packet, wavelet_packet

__all__ = ["IWaveletPacket1d", "IWaveletPacket2d", "IWaveletPacket3d"]
__all__ += ["WaveletPacket1d", "WaveletPacket2d", "WaveletPacket3d"]

PacketLayout = Literal["bands", "channels", "interleaved", "batch"]
PacketOrder = Literal["freq", "natural"]


class _Packets(nn.Module):
    num_axes: ClassVar[int]

    def __init__(
        self,
        wavelet: WaveletLike = "haar",
        mode: Names = "symmetric",
        levels: int = 1,
        layout: PacketLayout = "bands",
        *,
        order: PacketOrder = "freq",
    ) -> None:
        super().__init__()
        if layout == "split":
            raise ValueError("layout must be one of bands, channels, interleaved, batch, got 'split'")
        if order not in ("freq", "natural"):
            raise ValueError(f"order must be 'freq' or 'natural', got {order!r}")
        check_modes(mode, self.num_axes)
        self.wavelet, self.mode, self.order = wavelet, mode, order
        self.banks: tuple[FilterBank, ...] = filter_banks(wavelet, self.num_axes)
        self.levels = check_levels(levels)
        self.layout: BandLayout = band_layout(self.num_axes, layout, None, None, 1.0)
        per_axis = 1 << levels
        self.grid = (per_axis,) * self.num_axes if order == "freq" else (per_axis**self.num_axes,)

    def extra_repr(self) -> str:
        options = f"levels={self.levels}, layout={self.layout.layout!r}, order={self.order!r}"
        return f"wavelet={self.wavelet!r}, mode={self.mode!r}, {options}"


class _WaveletPacket(_Packets):
    def forward(self, x: Tensor) -> Tensor:
        """Transform `x`, `(B, C, *)`, floating or complex, any range."""
        layout = self.layout
        x, last = layout.signal_first(x)
        axes = layout.axes(last)
        nodes = wavelet_packet(x, self.banks, self.levels, self.order, axes, self.mode)
        if layout.layout == "bands":
            return nodes
        stacked = nodes.flatten(axes[0] - len(self.grid), axes[0] - 1)
        return layout.fold(stacked.movedim(axes[0] - 1, layout.band_axis(x.ndim, last)), last)


class _IWaveletPacket(_Packets):
    def forward(self, nodes: Tensor, size: Size | None = None) -> Tensor:
        """Inverse of the analysis module with the same options.

        Args:
            nodes: What the analysis module returned.
            size: Samples to keep along the transformed axes, the size before the transform; one number for one axis.

        Returns:
            The signal, `(B, C, *)`.

        Raises:
            ValueError: If `nodes` or `size` do not fit.
        """
        layout = self.layout
        last = layout.is_last(nodes)
        axes = layout.axes(last)
        if layout.layout != "bands":
            stacked = layout.unfold(nodes, math.prod(self.grid), last)
            nodes = stacked.movedim(layout.band_axis(nodes.ndim, last), axes[0] - 1).unflatten(axes[0] - 1, self.grid)
        elif nodes.shape[axes[0] - len(self.grid) : axes[0]] != self.grid:
            raise ValueError(f"nodes must have axes {self.grid} of nodes in front, got shape {tuple(nodes.shape)}")
        x = iwavelet_packet(nodes, self.banks, self.order, axes, self.mode, as_tuple(size))
        return layout.signal_last(x, last)


class WaveletPacket1d(_WaveletPacket):
    """All nodes of one level of the packet tree of signals.

    Args:
        wavelet: Wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet` or four lists of taps.
        mode: Boundary mode, one of `subband.transforms.MODES`.
        levels: Depth L of the nodes in the tree.
        layout: `bands` `(B, C, S, n)` | `channels` `(B, S C, n)`, all channels of a node together | `interleaved` `(B,
            C S, n)` | `batch` `(S B, C, n)`.
        order: `freq` from low to high frequency | `natural`, sorted by path; see
            `subband.transforms.packets.packet_paths`.

    Shape:
        `(B, C, N)` to `S = 2^L` nodes of n samples.

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> WaveletPacket1d("db2", levels=3)(torch.rand(2, 3, 64)).shape
        torch.Size([2, 3, 8, 10])
    """

    num_axes = 1


class WaveletPacket2d(_WaveletPacket):
    """All nodes of one level of the packet tree of images.

    Args:
        wavelet: Wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet`, four lists of taps, or one of these per
            axis.
        mode: Boundary mode, one of `subband.transforms.MODES`, or one per axis.
        levels: Depth L of the nodes in the tree.
        layout: `bands` `(B, C, 2^L, 2^L, h, w)`, or `(B, C, S, h, w)` in natural order | `channels` `(B, S C, h, w)`,
            all channels of a node together | `interleaved` `(B, C S, h, w)` | `batch` `(S B, C, h, w)`. Channels-last
            input gives channels-last output in `channels` and `batch`.
        order: `freq`, a grid of frequencies along both axes, in all other layouts row by row | `natural`, sorted by
            path; see `subband.transforms.packets.packet_paths`.

    Shape:
        `(B, C, H, W)` to `S = 4^L` nodes of `(h, w)` samples.

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> WaveletPacket2d(levels=2)(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 4, 4, 8, 8])
        >>> WaveletPacket2d(levels=2, layout="channels")(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 48, 8, 8])
    """

    num_axes = 2


class WaveletPacket3d(_WaveletPacket):
    """All nodes of one level of the packet tree of clips or volumes.

    Args:
        wavelet: Wavelet name, `subband.transforms.Wavelet`, `pywt.Wavelet`, four lists of taps, or one of these per
            axis.
        mode: Boundary mode, one of `subband.transforms.MODES`, or one per axis.
        levels: Depth L of the nodes in the tree.
        layout: `bands` `(B, C, 2^L, 2^L, 2^L, t, h, w)`, or `(B, C, S, t, h, w)` in natural order | `channels`
            `(B, S C, t, h, w)`, all channels of a node together | `interleaved` `(B, C S, t, h, w)` | `batch`
            `(S B, C, t, h, w)`.
        order: `freq`, a grid of frequencies along the three axes, in all other layouts row by row | `natural`, sorted
            by path; see `subband.transforms.packets.packet_paths`.

    Shape:
        `(B, C, T, H, W)` to `S = 8^L` nodes of `(t, h, w)` samples.

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> WaveletPacket3d(layout="interleaved")(torch.rand(1, 2, 4, 8, 8)).shape
        torch.Size([1, 16, 2, 4, 4])
    """

    num_axes = 3


class IWaveletPacket1d(_IWaveletPacket):
    """Inverse of `WaveletPacket1d` with the same options.

    The arguments are those of `WaveletPacket1d` and mean the same.

    Shape:
        What `WaveletPacket1d` returns, to `(B, C, N)`.

    Example:
        >>> x = torch.rand(2, 3, 21)
        >>> torch.allclose(IWaveletPacket1d("db2")(WaveletPacket1d("db2")(x), size=21), x, atol=1e-5)
        True
    """

    num_axes = 1


class IWaveletPacket2d(_IWaveletPacket):
    """Inverse of `WaveletPacket2d` with the same options.

    The arguments are those of `WaveletPacket2d` and mean the same.

    Shape:
        What `WaveletPacket2d` returns, to `(B, C, H, W)`.

    Example:
        >>> x, options = torch.rand(2, 3, 21, 30), {"levels": 2, "layout": "channels"}
        >>> torch.allclose(IWaveletPacket2d(**options)(WaveletPacket2d(**options)(x), size=(21, 30)), x, atol=1e-6)
        True
    """

    num_axes = 2


class IWaveletPacket3d(_IWaveletPacket):
    """Inverse of `WaveletPacket3d` with the same options.

    The arguments are those of `WaveletPacket3d` and mean the same.

    Shape:
        What `WaveletPacket3d` returns, to `(B, C, T, H, W)`.

    Example:
        >>> x = torch.rand(1, 2, 4, 8, 8)
        >>> torch.allclose(IWaveletPacket3d()(WaveletPacket3d()(x)), x, atol=1e-6)
        True
    """

    num_axes = 3
