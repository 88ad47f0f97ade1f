"""The detail bands of one level of a wavelet transform, by key.

`Details` are a pytree: they pass through `torch.compile`, `torch.export`, `torch.func` and `tree_map` as their tensors
would.
"""

from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, ValuesView
from dataclasses import dataclass
from typing import Any

import torch  # noqa: F401  the examples below use it
from torch import Tensor
from torch.utils import _pytree as pytree

from subband.transforms._static import from_json, to_json

__all__ = ["DETAIL_KEYS_2D", "Details", "shape_of"]

DETAIL_KEYS_2D = ("da", "ad", "dd")  # the order of PyWavelets' tuples: cH, cV, cD


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
        return iter([self.bands[key] for key in DETAIL_KEYS_2D] if self.is_2d else self.bands)

    def __len__(self) -> int:
        return len(self.bands)

    def __contains__(self, key: str) -> bool:
        return key in self.bands

    def __getitem__(self, key: str | int) -> Tensor:
        return self.bands[DETAIL_KEYS_2D[key] if isinstance(key, int) and self.is_2d else key]  # type: ignore[index]

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key}: {shape_of(band)}" for key, band in self.bands.items()) + "}"

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


def shape_of(band: Any) -> tuple[int, ...] | None:
    """Shape of a band for a printed container; `None` for anything that is no tensor.

    Args:
        band: A tensor, or what `tree_map` or a user put in its place.

    Example:
        >>> shape_of(torch.ones(2, 3)), shape_of(None)
        ((2, 3), None)
    """
    return tuple(band.shape) if isinstance(band, Tensor) else None


def _flatten_details(details: Details) -> tuple[list[Any], tuple[str, ...]]:
    return list(details.bands.values()), tuple(details.bands)


def _unflatten_details(bands: Iterable[Any], keys: Iterable[str]) -> Details:
    return Details(dict(zip(keys, bands, strict=True)))


def _flatten_details_with_keys(details: Details) -> tuple[list[Any], tuple[str, ...]]:
    return [(pytree.MappingKey(key), band) for key, band in details.bands.items()], tuple(details.bands)


pytree.register_pytree_node(
    Details,
    _flatten_details,
    _unflatten_details,
    serialized_type_name="subband.transforms.Details",
    to_dumpable_context=to_json,
    from_dumpable_context=from_json,
    flatten_with_keys_fn=_flatten_details_with_keys,
)
