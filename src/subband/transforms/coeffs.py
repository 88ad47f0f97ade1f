"""The container of a multi-level wavelet transform.

`Coeffs` behaves as the list that PyWavelets returns and also remembers what its inverse needs. `Coeffs` and `Details`
are pytrees: they pass through `torch.compile`, `torch.export`, `torch.func` and `tree_map` as their tensors would.

Wavelet, boundary mode, axes and sizes belong to the structure, not to the data, so they have to be plain numbers and
names that can be compared and written to a file. Learnable taps are neither: a transform with taps as tensors remembers
no wavelet, and its inverse asks for one. A size that is unknown while a program is exported (a dynamic axis) is
remembered as `None`; the reconstruction then has the full, even length unless it is given a `size`.
"""

from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, ValuesView
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from subband.transforms._static import StaticWavelet, from_json, plain_sizes, to_json

__all__ = ["Coeffs", "Details"]

_NAMES_2D = ("da", "ad", "dd")  # the order of PyWavelets' tuples: cH, cV, cD


@dataclass(frozen=True, eq=False, repr=False)
class Details:
    """The detail bands of one level, by key.

    A key has one letter per axis, `a` for low-pass and `d` for high-pass. With two axes the bands are iterated, counted
    and indexed by number as PyWavelets' tuple `(cH, cV, cD)` = `da, ad, dd`; otherwise iteration gives the keys, as for
    a dictionary. `keys`, `values`, `items` and access by key are the same for any number of axes.

    Attributes:
        bands: From key to band, in the order of sorted keys.

    Example:
        >>> details = Details({"ad": torch.ones(2), "da": torch.zeros(2), "dd": torch.ones(2)})
        >>> horizontal, vertical, diagonal = details
        >>> details.h is horizontal, details["da"] is horizontal, sorted(details.keys())
        (True, True, ['ad', 'da', 'dd'])
    """

    bands: dict[str, Tensor]

    @property
    def is_2d(self) -> bool:
        """Whether the keys have two letters."""
        return bool(self.bands) and len(next(iter(self.bands))) == 2

    @property
    def h(self) -> Tensor:
        """Horizontal edges, PyWavelets' cH: low along the second axis, high along the first."""
        return self.bands["da"]

    @property
    def v(self) -> Tensor:
        """Vertical edges, PyWavelets' cV: high along the second axis, low along the first."""
        return self.bands["ad"]

    @property
    def d(self) -> Tensor:
        """Diagonal structure, PyWavelets' cD: high along both axes."""
        return self.bands["dd"]

    def __iter__(self) -> Iterator[Any]:
        return iter([self.bands[key] for key in _NAMES_2D] if self.is_2d else self.bands)

    def __len__(self) -> int:
        return len(self.bands)

    def __contains__(self, key: str) -> bool:
        return key in self.bands

    def __getitem__(self, key: str | int) -> Tensor:
        return self.bands[_NAMES_2D[key] if isinstance(key, int) and self.is_2d else key]  # type: ignore[index]

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key}: {_shape(band)}" for key, band in self.bands.items()) + "}"

    def keys(self) -> KeysView[str]:
        """Names of the bands."""
        return self.bands.keys()

    def values(self) -> ValuesView[Tensor]:
        """The bands in the order of their names."""
        return self.bands.values()

    def items(self) -> ItemsView[str, Tensor]:
        """Names and bands."""
        return self.bands.items()

    def map(self, function: Callable[[Tensor], Tensor]) -> "Details":
        """Apply a function to every band.

        Args:
            function: From a band to its replacement.

        Example:
            >>> Details({"d": torch.ones(2)}).map(torch.neg)["d"].tolist()
            [-1.0, -1.0]
        """
        return Details({key: function(band) for key, band in self.bands.items()})


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
        details = "".join(f", {item if isinstance(item, Details) else _shape(item)}" for item in self.details)
        static = f"wavelet={self.wavelet!r}, mode={self.mode!r}, axes={self.axes}, sizes={self.sizes}"
        return f"Coeffs({_shape(self.approx)}{details}, {static})"

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
        from subband.transforms.multilevel import waverecn

        return waverecn(self, size=size)


def _shape(band: Any) -> tuple[int, ...] | None:
    return tuple(band.shape) if isinstance(band, Tensor) else None


def _map_details(function: Callable[[Tensor], Tensor], item: Any) -> Any:
    return item.map(function) if isinstance(item, Details) else function(item)


def _plain(item: Any) -> Any:
    if not isinstance(item, Details):
        return item
    return tuple(item) if item.is_2d else dict(item.bands)


def _flatten_details(details: Details) -> tuple[list[Any], tuple[str, ...]]:
    return list(details.bands.values()), tuple(details.bands)


def _unflatten_details(bands: Iterable[Any], keys: Iterable[str]) -> Details:
    return Details(dict(zip(keys, bands, strict=True)))


def _flatten_details_with_keys(details: Details) -> tuple[list[Any], tuple[str, ...]]:
    return [(pytree.MappingKey(key), band) for key, band in details.bands.items()], tuple(details.bands)


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
    Details,
    _flatten_details,
    _unflatten_details,
    serialized_type_name="subband.transforms.Details",
    to_dumpable_context=to_json,
    from_dumpable_context=from_json,
    flatten_with_keys_fn=_flatten_details_with_keys,
)
pytree.register_pytree_node(
    Coeffs,
    _flatten_coeffs,
    _unflatten_coeffs,
    serialized_type_name="subband.transforms.Coeffs",
    to_dumpable_context=to_json,
    from_dumpable_context=from_json,
    flatten_with_keys_fn=_flatten_coeffs_with_keys,
)
