"""Discrete cosine transforms of types 2 and 3 along any axes.

They equal `scipy.fft.dct`, `idct`, `dctn` and `idctn`. For both normalizations `idct` undoes `dct`; in this it also
agrees with the functions `dct`, `idct`, `dct_2d` and `idct_2d` of the package torch_dct, whose `norm=None` is ours and
which know the last axes only. Our default is `norm="ortho"`, theirs and SciPy's is `None`.

Axes of up to 128 samples are multiplied by a matrix, which also exports to ONNX; longer ones use Fourier transforms.
"""

from collections.abc import Sequence
from typing import Literal

import torch  # noqa: F401  the examples below use it
from torch import Tensor

from subband.transforms._cosine import Scale, cosine_sums
from subband.transforms._parts import on_parts
from subband.transforms.arguments import check_dtype, in_float32, negative_axes

__all__ = ["DctNorm", "DctType", "dct", "dct2", "dctn", "idct", "idct2", "idctn"]

DctType = Literal[2, 3]
DctNorm = Literal["ortho"] | None

_ORTHONORMAL = Scale(1.0, 2.0**0.5, -0.5)
_PLAIN = {2: Scale(2.0, 2.0, 0.0), 3: Scale(1.0, 2.0, 0.0)}


def dct(x: Tensor, type: DctType = 2, *, norm: DctNorm = "ortho", axis: int = -1) -> Tensor:
    """Discrete cosine transform along one axis.

    With `norm=None`, type 2 is `y_k = 2 sum_i x_i cos(pi k (2i + 1) / 2n)` and type 3
    `y_k = x_0 + 2 sum_{i > 0} x_i cos(pi (2k + 1) i / 2n)`; `"ortho"` scales both to orthogonal matrices, each the
    transpose of the other.

    Args:
        x: Any shape, floating or complex, any range. Half precision is computed in float32; of complex numbers both
            parts are transformed.
        type: 2, the common one, or 3.
        norm: Orthonormal, or the plain sums.
        axis: Transformed axis.

    Returns:
        Coefficients, same shape and dtype; index 0 is the lowest frequency.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type`, `norm` or `axis` is unknown or the axis is empty.

    Example:
        >>> dct(torch.ones(4))[0], dct(torch.ones(4), norm=None)[0]
        (tensor(2.), tensor(8.))
    """
    return _transform(x, type, norm, (axis,), is_inverse=False)


def idct(x: Tensor, type: DctType = 2, *, norm: DctNorm = "ortho", axis: int = -1) -> Tensor:
    """Inverse of `dct` along one axis.

    With `norm=None`, the inverse of type 2 is type 3 divided by `2n`, and the other way round.

    Args:
        x: Coefficients, any shape, floating or complex.
        type: Type of the transform that is undone.
        norm: Normalization of the transform that is undone.
        axis: Transformed axis.

    Returns:
        Signal, same shape and dtype.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type`, `norm` or `axis` is unknown or the axis is empty.

    Example:
        >>> idct(torch.tensor([2.0, 0.0, 0.0, 0.0]))
        tensor([1., 1., 1., 1.])
    """
    return _transform(x, type, norm, (axis,), is_inverse=True)


def dct2(x: Tensor, type: DctType = 2, *, norm: DctNorm = "ortho", axes: tuple[int, int] = (-2, -1)) -> Tensor:
    """Discrete cosine transform of images.

    Args:
        x: `(..., H, W)`, or any shape with two other axes; floating or complex, any range.
        type: 2 or 3.
        norm: Orthonormal, or the plain sums.
        axes: Two transformed axes.

    Returns:
        Coefficients, same shape and dtype.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type` or `norm` is unknown, or `axes` are not two different axes that are not empty.

    Example:
        >>> dct2(torch.ones(1, 1, 4, 4))[0, 0, :2, :2]
        tensor([[4., 0.],
                [0., 0.]])
    """
    return _transform(x, type, norm, _two(axes), is_inverse=False)


def idct2(x: Tensor, type: DctType = 2, *, norm: DctNorm = "ortho", axes: tuple[int, int] = (-2, -1)) -> Tensor:
    """Inverse of `dct2`.

    Args:
        x: Coefficients, `(..., H, W)`, or any shape with two other axes; floating or complex.
        type: Type of the transform that is undone.
        norm: Normalization of the transform that is undone.
        axes: Two transformed axes.

    Returns:
        Images, same shape and dtype.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type` or `norm` is unknown, or `axes` are not two different axes that are not empty.

    Example:
        >>> x = torch.rand(2, 3, 150, 7)
        >>> torch.allclose(idct2(dct2(x)), x, atol=1e-5)
        True
    """
    return _transform(x, type, norm, _two(axes), is_inverse=True)


def dctn(x: Tensor, type: DctType = 2, *, norm: DctNorm = "ortho", axes: Sequence[int] | None = None) -> Tensor:
    """Discrete cosine transform along several axes.

    Args:
        x: Any shape, floating or complex, any range.
        type: 2 or 3.
        norm: Orthonormal, or the plain sums.
        axes: Transformed axes; all if not given.

    Returns:
        Coefficients, same shape and dtype.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type` or `norm` is unknown, or an axis is empty, repeated or absent.

    Example:
        >>> dctn(torch.ones(2, 2, 2), norm=None).flatten()
        tensor([64.,  0.,  0.,  0.,  0.,  0.,  0.,  0.])
    """
    return _transform(x, type, norm, axes, is_inverse=False)


def idctn(x: Tensor, type: DctType = 2, *, norm: DctNorm = "ortho", axes: Sequence[int] | None = None) -> Tensor:
    """Inverse of `dctn`.

    Args:
        x: Coefficients, any shape, floating or complex.
        type: Type of the transform that is undone.
        norm: Normalization of the transform that is undone.
        axes: Transformed axes; all if not given.

    Returns:
        Signal, same shape and dtype.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type` or `norm` is unknown, or an axis is empty, repeated or absent.

    Example:
        >>> clip = torch.rand(2, 5, 3, 6, 7)
        >>> torch.allclose(idctn(dctn(clip, axes=(1, 3, 4)), axes=(1, 3, 4)), clip, atol=1e-5)
        True
    """
    return _transform(x, type, norm, axes, is_inverse=True)


def _two(axes: Sequence[int]) -> Sequence[int]:
    if len(axes) != 2:
        raise ValueError(f"axes must be two axes, got {tuple(axes)}")
    return axes


def _transform(x: Tensor, type: DctType, norm: DctNorm, axes: Sequence[int] | None, *, is_inverse: bool) -> Tensor:
    check_dtype(x, "x")
    if type not in (2, 3):
        raise ValueError(f"type must be 2 or 3, got {type!r}")
    if norm not in ("ortho", None):
        raise ValueError(f"norm must be 'ortho' or None, got {norm!r}")
    negative = negative_axes(axes, x.ndim)
    if any(x.shape[axis] == 0 for axis in negative):
        raise ValueError(f"x must have at least one sample along axes {negative}, got shape {tuple(x.shape)}")
    kind = 5 - type if is_inverse else type
    scale = _ORTHONORMAL if norm == "ortho" else _PLAIN[kind]
    if is_inverse and norm is None:
        scale = Scale(scale.first / 2, scale.rest / 2, -1.0)
    return in_float32(lambda part: on_parts(lambda real: cosine_sums(real, kind, scale, negative), part), x)
