"""Correlation of one axis with several short filters: the kernel under every filter bank of this package.

On the CPU a single-channel convolution is slow in its obvious form. Two forms are fast, and which of them applies is a
question of memory layout only:

- **Blocks.** Along the contiguous axis a block of neighboring outputs is one small matrix (a slice of the Toeplitz
  matrix of the filters) times a window of the input, so outputs of a block become the channels of one strided
  convolution.
- **Rows.** Along any other axis everything behind it in memory is a channel of a depthwise convolution in channels-last
  layout, with the axis as its width.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["BlockFilter", "RowFilter", "correlate", "filtered_length", "shifted_sum"]

Taps = Sequence[float]

_LANES = 16  # float32 numbers in a vector register: outputs per block of short filters
_LONG_FILTER = 24  # from this window on twice as many outputs share it
_FEW_CHANNELS = 8  # below this a depthwise convolution leaves most of a vector register empty


def filtered_length(length: int, num_taps: int, stride: int = 1, dilation: int = 1) -> int:
    """Number of outputs of a correlation without padding.

    Example:
        >>> filtered_length(10, 4, stride=2)
        4
    """
    return (length - (num_taps - 1) * dilation - 1) // stride + 1


def correlate(x: Tensor, filters: Sequence[Taps], axis: int, *, stride: int = 1, dilation: int = 1) -> list[Tensor]:
    """Filter one axis: `y[k] = sum_j taps[j] * x[stride * k + dilation * j]` for every complete window.

    Args:
        x: Any shape, real or complex.
        filters: One or more filters with the same number of taps.
        axis: Negative axis number.
        stride: Distance of the windows.
        dilation: Distance of the taps.

    Returns:
        One tensor per filter, with `filtered_length` samples along `axis`.

    Example:
        >>> correlate(torch.tensor([1.0, 2.0, 4.0]), [(1.0, 1.0), (-1.0, 1.0)], -1)
        [tensor([3., 6.]), tensor([1., 2.])]
    """
    if torch.compiler.is_compiling() or x.device.type != "cpu" or not x.numel():
        return [shifted_sum(x, taps, axis, stride=stride, dilation=dilation) for taps in filters]
    if x.is_complex():
        parts = correlate(torch.view_as_real(x), filters, axis - 1, stride=stride, dilation=dilation)
        return [torch.view_as_complex(part.contiguous()) for part in parts]
    x = x.contiguous()
    before, length, after = x.shape[:axis], x.shape[axis], x.shape[x.ndim + axis + 1 :]
    count = filtered_length(length, len(filters[0]), stride, dilation)
    if after.numel() >= _FEW_CHANNELS:
        rows = RowFilter(filters, stride=stride, dilation=dilation)(x.reshape(-1, length, after.numel()))
        return [row.reshape(*before, count, *after) for row in rows]
    moved = x.movedim(axis, -1).reshape(-1, length)
    blocks = BlockFilter(filters, stride=stride, dilation=dilation)(moved).unflatten(-1, (len(filters), -1))
    shape = (*before, *after, count)
    return [part.flatten(-2)[:, :count].reshape(shape).movedim(-1, axis) for part in blocks.unbind(-2)]


def shifted_sum(x: Tensor, taps: Taps | Tensor, axis: int, *, stride: int = 1, dilation: int = 1) -> Tensor:
    """`correlate` with one filter as a sum of shifted views: plain operations for compilers, exporters and autograd.

    Args:
        x: Any shape.
        taps: Numbers, or a 1-D tensor that may require a gradient.
        axis: Negative axis number.
        stride: Distance of the windows.
        dilation: Distance of the taps.

    Example:
        >>> shifted_sum(torch.tensor([1.0, 2.0, 4.0]), (1.0, 1.0), -1)
        tensor([3., 6.])
    """
    count = filtered_length(x.shape[axis], len(taps), stride, dilation)
    index = [slice(None)] * x.ndim
    terms = []
    for j in range(len(taps)):
        if isinstance(taps, Tensor) or taps[j] != 0.0:  # PyWavelets fills biorthogonal filters up with zeros
            index[axis] = slice(j * dilation, j * dilation + (count - 1) * stride + 1, stride)
            terms.append(x[tuple(index)] * taps[j])
    return sum(terms[1:], start=terms[0])


class RowFilter:
    """Filters the middle axis of contiguous tensors; made once for many tensors of the same dtype.

    Args:
        filters: Filters with the same number of taps.
        stride: Distance of the windows.
        dilation: Distance of the taps.
        padding: Zeros on both sides.

    Example:
        >>> RowFilter([(1.0, 2.0)], stride=2)(torch.ones(1, 5, 2))[0].tolist()
        [[[3.0, 3.0], [3.0, 3.0]]]
    """

    def __init__(self, filters: Sequence[Taps], *, stride: int = 1, dilation: int = 1, padding: int = 0) -> None:
        self.filters, self.stride, self.dilation, self.padding = filters, stride, dilation, padding
        self._weights: Tensor | None = None

    def __call__(self, x: Tensor) -> list[Tensor]:
        """Filter `(P, N, S)` to one `(P, K, S)` per filter."""
        if x.dtype == torch.float32:
            return self._depthwise(x)
        if self.padding:
            x = F.pad(x, (0, 0, self.padding, self.padding))
        return [_accumulated(x, taps, self.stride, self.dilation) for taps in self.filters]

    def _depthwise(self, x: Tensor) -> list[Tensor]:
        num_rows, _, channels = x.shape
        if self._weights is None or self._weights.shape[1] != channels:
            taps = x.new_tensor(self.filters).view(len(self.filters), 1, 1, 1, -1)
            self._weights = taps.expand(-1, channels, -1, -1, -1).contiguous()
        image = x.view(num_rows, 1, -1, channels).permute(0, 3, 1, 2)
        stride, padding, dilation = (1, self.stride), (0, self.padding), (1, self.dilation)
        results = [F.conv2d(image, w, None, stride, padding, dilation, channels) for w in self._weights]
        return [result.permute(0, 2, 3, 1).reshape(num_rows, -1, channels) for result in results]


def _accumulated(x: Tensor, taps: Taps, stride: int, dilation: int) -> Tensor:
    """`shifted_sum` of the middle axis with one accumulator."""
    count = filtered_length(x.shape[1], len(taps), stride, dilation)
    total = x.new_zeros(x.shape[0], count, x.shape[2])
    for j, tap in enumerate(taps):
        if tap != 0.0:
            total.add_(x[:, j * dilation : j * dilation + (count - 1) * stride + 1 : stride], alpha=tap)
    return total


class BlockFilter:
    """Filters the last axis of contiguous tensors in blocks of outputs; made once for many tensors of the same dtype.

    Args:
        filters: F filters with the same number of taps.
        stride: Distance of the windows.
        dilation: Distance of the taps.
        interleaved: Order within a block: the outputs of all filters side by side, instead of one filter after the
            other.

    Attributes:
        block: Outputs per filter in a block.

    Example:
        >>> BlockFilter([(1.0, 0.0), (0.0, 1.0)], stride=2)(torch.arange(40.0).view(1, -1)).shape
        torch.Size([1, 3, 16])
    """

    def __init__(
        self,
        filters: Sequence[Taps],
        *,
        stride: int = 1,
        dilation: int = 1,
        interleaved: bool = False,
    ) -> None:
        self.filters, self.stride, self.dilation, self.interleaved = filters, stride, dilation, interleaved
        reach = (len(filters[0]) - 1) * dilation
        self.block = max((_LANES if reach < _LONG_FILTER else 2 * _LANES) // len(filters), 1)
        self._window = (self.block - 1) * stride + reach + 1
        self._matrix: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Filter `(R, N)` to `(R, nb, F * b)`: blocks of b outputs, as `(F, b)` or, interleaved, as `(b, F)`.

        The input is filled up with zeros when its last window falls into an incomplete block, so callers that make room
        for whole blocks themselves save a copy; outputs beyond the last window are of no use.
        """
        count = filtered_length(x.shape[1], len(self.filters[0]), self.stride, self.dilation)
        num_blocks, step = -(-count // self.block), self.block * self.stride
        missing = (num_blocks - 1) * step + self._window - x.shape[1]
        if missing > 0:
            x = F.pad(x, (0, missing))
        if self._matrix is None:
            self._matrix = x.new_tensor(self._toeplitz())  # (F * b, window)
        if x.dtype != torch.float32:  # convolutions of other dtypes have no fast kernel, matrix products do
            return torch.matmul(x.unfold(-1, self._window, step), self._matrix.t())
        # Views with the single channel innermost: in this layout, and only in this one, the library writes the blocks
        # as they shall be instead of rearranging them afterwards.
        image = x[None, ..., None].permute(0, 3, 1, 2)
        weight = self._matrix[:, None, :, None].permute(0, 3, 1, 2)
        return F.conv2d(image, weight, stride=(1, step))[0].permute(1, 2, 0).contiguous()

    def _toeplitz(self) -> list[list[float]]:
        """One row per output of a block: its taps, where it finds them in the window."""
        num_filters = len(self.filters)
        rows = [[0.0] * self._window for _ in range(self.block * num_filters)]
        for f, taps in enumerate(self.filters):
            for k in range(self.block):
                row = rows[k * num_filters + f if self.interleaved else f * self.block + k]
                first = k * self.stride
                row[first : first + (len(taps) - 1) * self.dilation + 1 : self.dilation] = taps
        return rows
