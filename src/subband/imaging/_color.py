"""Color spaces in which the channels of photographs hardly depend on each other."""

import math

import torch
from torch import Tensor

__all__ = ["from_opponents", "from_ycbcr", "sigma_in_ycbcr", "to_opponents", "to_ycbcr"]

# ITU-R BT.601, with color differences between -0.5 and 0.5.
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114
_YCBCR = (
    (_RED, _GREEN, _BLUE),
    (-0.5 * _RED / (1 - _BLUE), -0.5 * _GREEN / (1 - _BLUE), 0.5),
    (0.5, -0.5 * _GREEN / (1 - _RED), -0.5 * _BLUE / (1 - _RED)),
)

# Intensity, red against blue, green against the others: close to the principal axes of photographs (Ohta, Kanade and
# Sakai, "Color information for region segmentation", 1980), here scaled to an orthonormal matrix.
_OPPONENTS = (
    (1 / math.sqrt(3),) * 3,
    (1 / math.sqrt(2), 0.0, -1 / math.sqrt(2)),
    (-1 / math.sqrt(6), 2 / math.sqrt(6), -1 / math.sqrt(6)),
)


def to_ycbcr(x: Tensor) -> Tensor:
    """Brightness and two color differences of red, green and blue, `(..., 3, H, W)`."""
    return _mix(x.new_tensor(_YCBCR), x)


def from_ycbcr(x: Tensor) -> Tensor:
    """Inverse of `to_ycbcr`."""
    return _mix(torch.linalg.inv(x.new_tensor(_YCBCR)), x)


def sigma_in_ycbcr(sigma: Tensor) -> Tensor:
    """Standard deviations of noise after `to_ycbcr`, `(..., 3)`, from those of independent noise before."""
    return (sigma.square() @ sigma.new_tensor(_YCBCR).square().T).sqrt()


def to_opponents(x: Tensor) -> Tensor:
    """Orthonormal opponent colors of red, green and blue, `(..., 3, H, W)`: squared errors are the same in both."""
    return _mix(x.new_tensor(_OPPONENTS), x)


def from_opponents(x: Tensor) -> Tensor:
    """Inverse of `to_opponents`."""
    return _mix(x.new_tensor(_OPPONENTS).T, x)


def _mix(matrix: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("ij,...jhw->...ihw", matrix, x)
