"""Dual-tree complex wavelet transform as modules, without parameters, buffers or entries in a state dict."""

from torch import Tensor, nn

from subband.transforms.dtcwt import DTCWTCoeffs, dtcwt2, idtcwt2
from subband.transforms.dtcwt_filters import first_level, later_levels

__all__ = ["DTCWT2d", "IDTCWT2d"]


class DTCWT2d(nn.Module):
    """Dual-tree complex wavelet transform of images; see `subband.transforms.dtcwt2`.

    Args:
        levels: Number of levels J.
        biort: Filters of level 1.
        qshift: Filters of the later levels.

    Raises:
        ValueError: If `levels` is below 1 or a name is unknown.

    Shape:
        Images `(..., H, W)` to `DTCWTCoeffs`: a low-pass image `(..., H / 2**(J - 1), W / 2**(J - 1))` and, per level
        j, complex bands `(..., 6, H / 2**j, W / 2**j)`, the finest first.

    Example:
        >>> import torch
        >>> coeffs = DTCWT2d(levels=2)(torch.rand(2, 3, 32, 32))
        >>> coeffs.low.shape, coeffs.highs[1].shape
        (torch.Size([2, 3, 16, 16]), torch.Size([2, 3, 6, 8, 8]))
    """

    def __init__(self, levels: int = 3, *, biort: str = "near_sym_a", qshift: str = "qshift_a") -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels must be at least 1, got {levels}")
        first_level(biort), later_levels(qshift)  # unknown names are an error here already
        self.levels = levels
        self.biort = biort
        self.qshift = qshift

    def extra_repr(self) -> str:
        """Options that a printed model shows."""
        return f"levels={self.levels}, biort={self.biort!r}, qshift={self.qshift!r}"

    def forward(self, x: Tensor) -> DTCWTCoeffs:
        """Transform images `(..., H, W)`."""
        return dtcwt2(x, self.levels, self.biort, self.qshift)


class IDTCWT2d(nn.Module):
    """Inverse of `DTCWT2d`; the coefficients know their filters and the size of the image.

    Shape:
        `DTCWTCoeffs` to images `(..., H, W)`.

    Example:
        >>> import torch
        >>> image = torch.rand(2, 3, 33, 20)
        >>> torch.allclose(IDTCWT2d()(DTCWT2d()(image)), image, atol=1e-5)
        True
    """

    def forward(self, coeffs: DTCWTCoeffs) -> Tensor:
        """Reconstruct images `(..., H, W)`."""
        return idtcwt2(coeffs)
