"""The container of a multi-level wavelet transform.

`Coeffs` behaves as the list that PyWavelets returns and also remembers what its inverse needs. It is a pytree: it
passes through `torch.compile`, `torch.export`, `torch.func` and `tree_map` as its tensors would.

Wavelet, boundary mode, axes and sizes belong to the structure, not to the data, so they have to be plain numbers and
names that can be compared and written to a file. Learnable taps are neither: a transform with taps as tensors remembers
no wavelet, and its inverse asks for one. A size that is unknown while a program is exported (a dynamic axis) is
remembered as `None`; the reconstruction then has the full, even length unless it is given a `size`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from subband.transforms._levels import merge_levels, split_levels
from subband.transforms._static import StaticWavelet, from_json, plain_sizes, to_json
from subband.transforms.details import Details, shape_of

__all__ = ["Coeffs"]


@dataclass(frozen=True, eq=False, repr=False)
class Coeffs:
    """Coefficients of a multi-level transform, coarsest first.

    Length, iteration, indexing and unpacking are those of the list `[approx, details_n, ..., details_1]` that
    PyWavelets returns for n levels.

    Attributes:
        approx: The approximation of the coarsest level.
        details: One entry per level, the coarsest first: a tensor after `wavedec`, else `Details`.
        wavelet: Wavelet of the transform, one for all axes or one per axis; `None` if its taps are tensors.
        mode: Boundary mode, one for all axes or one per axis.
        axes: Transformed axes, counted from the end.
        sizes: Per level, the coarsest first, the samples along every one of `axes` before the transform of this level.

    Example:
        >>> from subband.transforms import wavedec2
        >>> coeffs = wavedec2(torch.rand(3, 33, 20), "db2", level=2)
        >>> approx, coarse, fine = coeffs
        >>> fine.h.shape, coeffs.level, coeffs.sizes
        (torch.Size([3, 18, 11]), 2, ((18, 11), (33, 20)))
        >>> coeffs.map(lambda band: 0.5 * band).inverse().shape
        torch.Size([3, 33, 20])
    """

    approx: Tensor
    details: tuple[Any, ...]
    wavelet: StaticWavelet
    mode: str | tuple[str, ...]
    axes: tuple[int, ...]
    sizes: tuple[tuple[int | None, ...], ...]

    @property
    def level(self) -> int:
        """Number of levels."""
        return len(self.details)

    def __len__(self) -> int:
        return 1 + len(self.details)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.approx, *self.details))

    def __getitem__(self, index: Any) -> Any:
        return (self.approx, *self.details)[index]

    def __repr__(self) -> str:
        details = "".join(f", {item if isinstance(item, Details) else shape_of(item)}" for item in self.details)
        static = f"wavelet={self.wavelet!r}, mode={self.mode!r}, axes={self.axes}, sizes={self.sizes}"
        return f"Coeffs({shape_of(self.approx)}{details}, {static})"

    def map(self, function: Callable[[Tensor], Tensor]) -> "Coeffs":
        """Apply a function to every detail band and leave the approximation alone.

        Args:
            function: From a band to its replacement, such as a threshold.

        Example:
            >>> from subband.transforms import wavedec
            >>> wavedec(torch.arange(4.0)).map(torch.zeros_like).inverse().round(decimals=4).tolist()
            [1.5, 1.5, 1.5, 1.5]
        """
        return replace(self, details=tuple(_map_details(function, item) for item in self.details))

    def map_all(self, function: Callable[[Tensor], Tensor]) -> "Coeffs":
        """Apply a function to the approximation and to every detail band.

        Args:
            function: From a band to its replacement.

        Example:
            >>> from subband.transforms import wavedec
            >>> [band.dtype for band in wavedec(torch.rand(4)).map_all(torch.Tensor.double)]
            [torch.float64, torch.float64, torch.float64]
        """
        return replace(self.map(function), approx=function(self.approx))

    def to(self, *args: Any, **kwargs: Any) -> "Coeffs":
        """Convert every band, with the arguments of `torch.Tensor.to`.

        Args:
            args: Device, dtype or tensor.
            kwargs: Further options of `torch.Tensor.to`.

        Example:
            >>> from subband.transforms import wavedec
            >>> wavedec(torch.rand(4)).to(torch.bfloat16).approx.dtype
            torch.bfloat16
        """
        return self.map_all(lambda band: band.to(*args, **kwargs))

    def detach(self) -> "Coeffs":
        """The same coefficients outside the graph of gradients.

        Example:
            >>> from subband.transforms import wavedec
            >>> wavedec(torch.rand(4, requires_grad=True)).detach().approx.requires_grad
            False
        """
        return self.map_all(torch.Tensor.detach)

    def stacked(self, level: int, stack: int | None = None) -> Tensor:
        """The detail bands of one level in one tensor.

        Args:
            level: 1 for the finest level up to `self.level` for the coarsest.
            stack: Position of the band axis in the result; before the last n axes if not given, n being the number of
                transformed axes.

        Returns:
            With the default axes of `wavedec2` a tensor `(..., 3, H', W')` with the bands in the order of sorted keys,
            `ad, da, dd`.

        Raises:
            ValueError: If there is no such level.

        Example:
            >>> from subband.transforms import wavedec2
            >>> wavedec2(torch.rand(2, 3, 16, 16), level=2).stacked(1).shape
            torch.Size([2, 3, 3, 8, 8])
        """
        if not 1 <= level <= self.level:
            raise ValueError(f"level must lie within 1 and {self.level}, got {level}")
        item = self.details[-level]
        bands = list(item.values()) if isinstance(item, Details) else [item]
        return torch.stack(bands, -len(self.axes) - 1 if stack is None else stack)

    def to_list(self) -> list[Any]:
        """The plain structure of PyWavelets, which can be edited in place.

        Returns:
            `[approx, details_n, ..., details_1]` with details as a tensor for `wavedec`, as a tuple `(cH, cV, cD)` for
            two axes and as a dictionary otherwise.

        Example:
            >>> from subband.transforms import wavedec2, waverec2
            >>> coeffs = wavedec2(torch.rand(8, 8), level=2).to_list()
            >>> coeffs[-1] = None
            >>> waverec2(coeffs, "haar").shape
            torch.Size([8, 8])
        """
        return [self.approx, *(_plain(item) for item in self.details)]

    def inverse(self, size: int | tuple[int, ...] | None = None) -> Tensor:
        """Reconstruct the signal with the wavelet, mode and axes of the transform.

        Args:
            size: Samples to keep along every transformed axis; the size before the transform if not given.

        Returns:
            The signal.

        Raises:
            ValueError: If the wavelet has learnable taps, see `wavelet`; or if bands do not fit together.

        Example:
            >>> from subband.transforms import wavedec
            >>> x = torch.rand(2, 21)
            >>> torch.allclose(wavedec(x, "db3", level=2).inverse(), x, atol=1e-5)
            True
        """
        approx, levels = split_levels(self)
        return merge_levels(approx, levels, self.wavelet, self.mode, self.axes, size, known_sizes=self.sizes)


def _map_details(function: Callable[[Tensor], Tensor], item: Any) -> Any:
    return item.map(function) if isinstance(item, Details) else function(item)


def _plain(item: Any) -> Any:
    if not isinstance(item, Details):
        return item
    return tuple(item) if item.is_2d else dict(item.bands)


def _context(coeffs: Coeffs) -> tuple[Any, ...]:
    return coeffs.wavelet, coeffs.mode, coeffs.axes, plain_sizes(coeffs.sizes)


def _flatten_coeffs(coeffs: Coeffs) -> tuple[list[Any], tuple[Any, ...]]:
    return [coeffs.approx, coeffs.details], _context(coeffs)


def _unflatten_coeffs(children: Iterable[Any], context: tuple[Any, ...]) -> Coeffs:
    approx, details = children
    return Coeffs(approx, details, *context)


def _flatten_coeffs_with_keys(coeffs: Coeffs) -> tuple[list[Any], tuple[Any, ...]]:
    children = [(pytree.GetAttrKey("approx"), coeffs.approx), (pytree.GetAttrKey("details"), coeffs.details)]
    return children, _context(coeffs)


pytree.register_pytree_node(
    Coeffs,
    _flatten_coeffs,
    _unflatten_coeffs,
    serialized_type_name="subband.transforms.Coeffs",
    to_dumpable_context=to_json,
    from_dumpable_context=from_json,
    flatten_with_keys_fn=_flatten_coeffs_with_keys,
)
