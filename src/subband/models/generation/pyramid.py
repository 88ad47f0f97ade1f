"""Coefficients of images in the layout of convolutions: what autoencoders and diffusion work on.

`subband.transforms.Coeffs` keeps every band of every level as a tensor of its own. Networks give and take the bands of
a level as the channels of one map; `Pyramid` is that, and changes into `Coeffs` and back without copies.

Borders are periodic (mode `periodization`), so there are as many coefficients as pixels. For orthogonal wavelets the
transform then is a rotation: squared errors, and white noise, are the same in both domains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from subband.layers.wavelet import DWT2d, IDWT2d
from subband.transforms import Coeffs, Details, Wavelet
from subband.transforms.details import DETAIL_KEYS_2D

__all__ = ["BANDS", "Pyramid", "PyramidTransform", "is_orthogonal"]

BANDS = 3  # details of a level: horizontal, vertical, diagonal
MODE = "periodization"
ORDER = ("aa", *DETAIL_KEYS_2D)


class Pyramid(NamedTuple):
    """Approximation and details of images, the coarsest first.

    Attributes:
        approx: `(B, C, H / 2^J, W / 2^J)` for J levels.
        details: `(B, 3C, H / 2^l, W / 2^l)` for l = J to 1: horizontal edges of all C colors, then vertical ones, then
            diagonal structure; PyWavelets' cH, cV, cD.

    Example:
        >>> pyramid = PyramidTransform(levels=2).analyze(torch.rand(1, 3, 8, 8))
        >>> pyramid.approx.shape, [detail.shape for detail in pyramid.details]
        (torch.Size([1, 3, 2, 2]), [torch.Size([1, 9, 2, 2]), torch.Size([1, 9, 4, 4])])
        >>> torch.equal((pyramid + pyramid - 2 * pyramid).to_vector(), pyramid.zeros_like().to_vector())
        True
    """

    approx: Tensor
    details: tuple[Tensor, ...]

    @property
    def levels(self) -> int:
        """Number of levels J."""
        return len(self.details)

    @property
    def bands(self) -> tuple[Tensor, ...]:
        """The approximation and the details, coarsest first."""
        return (self.approx, *self.details)

    def map(self, function: Callable[..., Tensor], *others: Pyramid) -> Pyramid:
        """Apply a function to every map.

        Args:
            function: From a map, and those of `others` at its place, to its replacement.
            others: Pyramids with as many levels.
        """
        return Pyramid.of([function(*bands) for bands in zip(self.bands, *(p.bands for p in others), strict=True)])

    def zeros_like(self) -> Pyramid:
        """A pyramid of zeros with the shapes of this one."""
        return self.map(torch.zeros_like)

    def __add__(self, other: Pyramid) -> Pyramid:  # type: ignore[override]  # no tuple of six
        return self.map(torch.add, other)

    def __sub__(self, other: Pyramid) -> Pyramid:
        return self.map(torch.sub, other)

    def __mul__(self, factor: Pyramid | float) -> Pyramid:  # type: ignore[override]
        return self.map(torch.mul, factor) if isinstance(factor, Pyramid) else self.map(lambda band: factor * band)

    def __rmul__(self, factor: float) -> Pyramid:  # type: ignore[override]
        return self * factor

    def to_vector(self) -> Tensor:
        """All coefficients of every image, `(B, N)`, coarsest first."""
        return torch.cat([band.flatten(1) for band in self.bands], 1)

    def like(self, vector: Tensor) -> Pyramid:
        """Views of a vector `(B, N)` with the shapes of this pyramid: the inverse of `to_vector`."""
        parts = vector.split([band[0].numel() for band in self.bands], 1)
        return Pyramid.of([part.view_as(band) for part, band in zip(parts, self.bands, strict=True)])

    def to_coeffs(self, wavelet: str = "haar") -> Coeffs:
        """The same numbers as the container of the transforms, for `inverse`, mosaics and thresholds.

        Args:
            wavelet: Wavelet they were made with.
        """
        details = tuple(
            Details(dict(sorted(zip(DETAIL_KEYS_2D, d.chunk(BANDS, 1), strict=True)))) for d in self.details
        )
        sizes = tuple((2 * d.shape[-2], 2 * d.shape[-1]) for d in self.details)
        return Coeffs(self.approx, details, wavelet, MODE, (-2, -1), sizes)

    @classmethod
    def of(cls, bands: Sequence[Tensor]) -> Pyramid:
        """The pyramid of maps, the approximation first."""
        return cls(bands[0], tuple(bands[1:]))

    @classmethod
    def of_coeffs(cls, coeffs: Coeffs) -> Pyramid:
        """The pyramid of what `subband.transforms.wavedec2` gives in mode `periodization` for `(B, C, H, W)`."""
        return cls(coeffs.approx, tuple(torch.cat(tuple(item), 1) for item in coeffs.details))


class PyramidTransform(nn.Module):
    """Images to pyramids and back, all levels or one.

    Args:
        levels: Number of levels J.
        wavelet: Wavelet name.

    Shape:
        images `(B, C, H, W)` with H and W multiples of `2^J`.

    Raises:
        ValueError: If the wavelet is unknown, or there is no level.

    Example:
        >>> transform, images = PyramidTransform(levels=2, wavelet="db2"), torch.rand(2, 3, 16, 24)
        >>> torch.allclose(transform(transform.analyze(images)), images, atol=1e-5)
        True
    """

    def __init__(self, *, levels: int, wavelet: str = "haar") -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels must be positive, got {levels}.")
        self.levels, self.wavelet = levels, wavelet
        self.dwt = DWT2d(wavelet, MODE, layout="channels", order=ORDER)
        self.idwt = IDWT2d(wavelet, MODE, layout="channels", order=ORDER)

    @property
    def unit(self) -> float:
        """What an approximation is divided by to have the range of images: `2^J`, since every level doubles means."""
        return 2.0**self.levels

    def analyze(self, images: Tensor) -> Pyramid:
        """Transform images `(B, C, H, W)`.

        Raises:
            ValueError: If a side is no multiple of `2^J`.
        """
        self.check_size(images)
        details: list[Tensor] = []
        for _ in range(self.levels):
            images, detail = self.split(images)
            details.insert(0, detail)
        return Pyramid(images, tuple(details))

    def forward(self, pyramid: Pyramid) -> Tensor:
        """Inverse of `analyze`: the images `(B, C, H, W)`."""
        images = pyramid.approx
        for detail in pyramid.details:
            images = self.join(images, detail)
        return images

    def split(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """One level: the approximation `(B, C, H / 2, W / 2)` and the details `(B, 3C, H / 2, W / 2)`."""
        channels = images.shape[1]
        approx, details = self.dwt(images).split((channels, BANDS * channels), 1)
        return approx, details

    def join(self, approx: Tensor, details: Tensor) -> Tensor:
        """Inverse of `split`."""
        return self.idwt(torch.cat((approx, details), 1))

    def check_size(self, images: Tensor) -> None:
        """Refuse what does not divide.

        Raises:
            ValueError: If a side is no multiple of `2^J`.
        """
        multiple = 2**self.levels
        if images.ndim != 4 or images.shape[-2] % multiple or images.shape[-1] % multiple:
            raise ValueError(
                f"images must be (B, C, H, W) with sides that are multiples of {multiple}, got "
                f"{tuple(images.shape)}; see subband.transforms.pad_to_multiple."
            )


def is_orthogonal(wavelet: str) -> bool:
    """Whether a wavelet's transform with periodic borders is a rotation.

    Args:
        wavelet: Wavelet name.

    Raises:
        ValueError: If it is unknown.

    Example:
        >>> is_orthogonal("haar"), is_orthogonal("sym4"), is_orthogonal("bior2.2")
        (True, True, False)
    """
    bank = Wavelet(wavelet).filter_bank
    return _near(bank.dec_lo, bank.rec_lo[::-1]) and _near(bank.dec_hi, bank.rec_hi[::-1])


def _near(one: Any, other: Any) -> bool:
    return all(abs(a - b) < 1e-9 for a, b in zip(one, other, strict=True))
