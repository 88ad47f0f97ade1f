"""Discrete cosine transforms along any axes.

They equal `scipy.fft.dct`, `idct`, `dctn` and `idctn`. For every normalization `idct` undoes `dct`; in this it also
agrees with the functions `dct`, `idct`, `dct_2d` and `idct_2d` of the package torch_dct, whose `norm=None` is ours and
which know the last axes only. Our default is `norm="ortho"`, theirs and SciPy's is `None`.

Axes of up to 128 samples are multiplied by a matrix, which also exports to ONNX; longer ones use Fourier transforms.
"""

from collections.abc import Sequence
from functools import partial
from numbers import Integral
from typing import Literal

import torch  # noqa: F401  the examples below use it
from torch import Tensor

from subband.transforms._cosine import Scale, cosine_sums
from subband.transforms._cosine_symmetric import symmetric_sums
from subband.transforms._parts import on_parts
from subband.transforms.arguments import check_dtype, exactly, in_float32, negative_axes
from subband.transforms.padding import extend

__all__ = ["DctNorm", "DctType", "dct", "dct2", "dctn", "idct", "idct2", "idctn"]

DctType = Literal[1, 2, 3, 4]
DctNorm = Literal["ortho", "backward", "forward"] | None


def dct(
    x: Tensor,
    type: DctType = 2,
    *,
    norm: DctNorm = "ortho",
    axis: int = -1,
    n: int | None = None,
    orthogonalize: bool | None = None,
) -> Tensor:
    """Discrete cosine transform along one axis.

    With `norm=None`, type 2 is `y_k = 2 sum_i x_i cos(pi k (2i + 1) / 2n)` and type 3
    `y_k = x_0 + 2 sum_{i > 0} x_i cos(pi (2k + 1) i / 2n)`; `"ortho"` scales both to orthogonal matrices, each the
    transpose of the other. Type 1 is `y_k = x_0 + (-1)^k x_{n-1} + 2 sum_{0 < i < n-1} x_i cos(pi k i / (n - 1))` and
    type 4 `y_k = 2 sum_i x_i cos(pi (2k + 1) (2i + 1) / 4n)`, both symmetric.

    Args:
        x: Any shape, floating or complex, any range. Half precision is computed in float32; of complex numbers both
            parts are transformed.
        type: 2, the common one, or 1, 3 or 4.
        norm: Orthonormal; `None` or `backward` for the plain sums; `forward` for these divided by `2n`, for type 1 by
            `2 (n - 1)`.
        axis: Transformed axis.
        n: Samples to transform: the first ones of the axis, or all of it and zeros. All of it if not given.
        orthogonalize: Whether to divide the first coefficient by `sqrt(2)` (type 2), multiply the first sample by it
            (type 3), or both, for the last one, too (type 1), which together with `norm="ortho"` gives an orthogonal
            matrix. If not given, for this norm only.

    Returns:
        Coefficients, same dtype, and same shape unless `n` is given; index 0 is the lowest frequency.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type`, `norm` or `axis` is unknown, the axis is empty, or `n` is not positive.

    Example:
        >>> dct(torch.ones(4))[0], dct(torch.ones(4), norm=None)[0]
        (tensor(2.), tensor(8.))
    """
    return _transform(
        x, type, norm, exactly(1, axis, "axis"), None if n is None else (n,), orthogonalize, is_inverse=False
    )


def idct(
    x: Tensor,
    type: DctType = 2,
    *,
    norm: DctNorm = "ortho",
    axis: int = -1,
    n: int | None = None,
    orthogonalize: bool | None = None,
) -> Tensor:
    """Inverse of `dct` along one axis.

    With `norm=None`, the inverse of type 2 is type 3 divided by `2n`, and the other way round; types 1 and 4 are their
    own inverses when divided by `2 (n - 1)` and `2n`.

    Args:
        x: Coefficients, any shape, floating or complex.
        type: Type of the transform that is undone.
        norm: Normalization of the transform that is undone.
        axis: Transformed axis.
        n: Coefficients to use, as in `dct`.
        orthogonalize: That of the transform that is undone.

    Returns:
        Signal, same dtype, and same shape unless `n` is given.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type`, `norm` or `axis` is unknown, the axis is empty, or `n` is not positive.

    Example:
        >>> idct(torch.tensor([2.0, 0.0, 0.0, 0.0]))
        tensor([1., 1., 1., 1.])
    """
    return _transform(
        x, type, norm, exactly(1, axis, "axis"), None if n is None else (n,), orthogonalize, is_inverse=True
    )


def dct2(
    x: Tensor,
    type: DctType = 2,
    *,
    norm: DctNorm = "ortho",
    axes: Sequence[int] = (-2, -1),
    s: Sequence[int] | None = None,
    orthogonalize: bool | None = None,
) -> Tensor:
    """Discrete cosine transform of images.

    Args:
        x: `(..., H, W)`, or any shape with two other axes; floating or complex, any range.
        type: 1 to 4, as in `dct`.
        norm: As in `dct`.
        axes: Two transformed axes.
        s: Samples to transform along them, as `n` in `dct`; -1 for all.
        orthogonalize: As in `dct`.

    Returns:
        Coefficients, same dtype, and same shape unless `s` is given.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type` or `norm` is unknown, `axes` are not two different axes that are not empty, or `s` does
            not fit.

    Example:
        >>> dct2(torch.ones(1, 1, 4, 4))[0, 0, :2, :2]
        tensor([[4., 0.],
                [0., 0.]])
    """
    return _transform(x, type, norm, exactly(2, axes), s, orthogonalize, is_inverse=False)


def idct2(
    x: Tensor,
    type: DctType = 2,
    *,
    norm: DctNorm = "ortho",
    axes: Sequence[int] = (-2, -1),
    s: Sequence[int] | None = None,
    orthogonalize: bool | None = None,
) -> Tensor:
    """Inverse of `dct2`.

    Args:
        x: Coefficients, `(..., H, W)`, or any shape with two other axes; floating or complex.
        type: Type of the transform that is undone.
        norm: Normalization of the transform that is undone.
        axes: Two transformed axes.
        s: Coefficients to use along them, as `n` in `dct`; -1 for all.
        orthogonalize: That of the transform that is undone.

    Returns:
        Images, same dtype, and same shape unless `s` is given.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type` or `norm` is unknown, `axes` are not two different axes that are not empty, or `s` does
            not fit.

    Example:
        >>> x = torch.rand(2, 3, 150, 7)
        >>> torch.allclose(idct2(dct2(x)), x, atol=1e-5)
        True
    """
    return _transform(x, type, norm, exactly(2, axes), s, orthogonalize, is_inverse=True)


def dctn(
    x: Tensor,
    type: DctType = 2,
    *,
    norm: DctNorm = "ortho",
    axes: int | Sequence[int] | None = None,
    s: int | Sequence[int] | None = None,
    orthogonalize: bool | None = None,
) -> Tensor:
    """Discrete cosine transform along several axes.

    Args:
        x: Any shape, floating or complex, any range.
        type: 1 to 4, as in `dct`.
        norm: As in `dct`.
        axes: Transformed axes; if not given all, or as many of the last ones as `s` has numbers.
        s: Samples to transform along them, as `n` in `dct`; -1 for all.
        orthogonalize: As in `dct`.

    Returns:
        Coefficients, same dtype, and same shape unless `s` is given.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type` or `norm` is unknown, an axis is empty, repeated or absent, or `s` does not fit.

    Example:
        >>> dctn(torch.ones(2, 2, 2), norm=None).flatten()
        tensor([64.,  0.,  0.,  0.,  0.,  0.,  0.,  0.])
    """
    return _transform(x, type, norm, axes, s, orthogonalize, is_inverse=False)


def idctn(
    x: Tensor,
    type: DctType = 2,
    *,
    norm: DctNorm = "ortho",
    axes: int | Sequence[int] | None = None,
    s: int | Sequence[int] | None = None,
    orthogonalize: bool | None = None,
) -> Tensor:
    """Inverse of `dctn`.

    Args:
        x: Coefficients, any shape, floating or complex.
        type: Type of the transform that is undone.
        norm: Normalization of the transform that is undone.
        axes: Transformed axes; if not given all, or as many of the last ones as `s` has numbers.
        s: Coefficients to use along them, as `n` in `dct`; -1 for all.
        orthogonalize: That of the transform that is undone.

    Returns:
        Signal, same dtype, and same shape unless `s` is given.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If `type` or `norm` is unknown, an axis is empty, repeated or absent, or `s` does not fit.

    Example:
        >>> clip = torch.rand(2, 5, 3, 6, 7)
        >>> torch.allclose(idctn(dctn(clip, axes=(1, 3, 4)), axes=(1, 3, 4)), clip, atol=1e-5)
        True
    """
    return _transform(x, type, norm, axes, s, orthogonalize, is_inverse=True)


def _transform(
    x: Tensor,
    type: DctType,
    norm: DctNorm,
    axes: int | Sequence[int] | None,
    s: int | Sequence[int] | None,
    orthogonalize: bool | None,
    *,
    is_inverse: bool,
) -> Tensor:
    check_dtype(x, "x")
    if type not in (1, 2, 3, 4):
        raise ValueError(f"type must be 1, 2, 3 or 4, got {type!r}")
    if norm not in ("ortho", "backward", "forward", None):
        raise ValueError(f"norm must be 'ortho', 'backward', 'forward' or None, got {norm!r}")
    lengths = None if s is None else [int(s)] if isinstance(s, int | Integral) else list(s)
    if axes is None and lengths is not None:
        axes = range(-len(lengths), 0)
    negative = negative_axes((int(axes),) if isinstance(axes, int | Integral) else axes, x.ndim)
    if lengths is not None:
        x = _resized(x, negative, lengths)
    fewest = 2 if type == 1 else 1
    if any(x.shape[axis] < fewest for axis in negative):
        number = "two samples" if type == 1 else "one sample"
        raise ValueError(f"x must have at least {number} along axes {negative}, got shape {tuple(x.shape)}")
    flag = norm == "ortho" if orthogonalize is None else orthogonalize
    power = -0.5 if norm == "ortho" else -1.0 if (norm == "forward") != is_inverse else 0.0
    if type in (1, 4):
        sums = partial(symmetric_sums, kind=type, power=power, axes=negative, orthogonalize=flag)
    else:
        kind = 5 - type if is_inverse else type
        sums = partial(cosine_sums, kind=kind, scale=_scale(kind, power, orthogonalize=flag), axes=negative)
    return in_float32(lambda part: on_parts(sums, part), x)


def _resized(x: Tensor, axes: tuple[int, ...], lengths: Sequence[int]) -> Tensor:
    """The first samples of every axis, or all of them and zeros."""
    if len(lengths) != len(axes):
        raise ValueError(f"s must be one number per axis ({len(axes)}), got {len(lengths)}")
    for axis, wanted in zip(axes, lengths, strict=True):
        if wanted < 1 and wanted != -1:
            raise ValueError(f"s must be positive numbers, or -1 for all samples, got {list(lengths)}")
        length = x.shape[axis] if wanted == -1 else wanted
        x = extend(x, 0, length - x.shape[axis], "zero", axis) if length > x.shape[axis] else x.narrow(axis, 0, length)
    return x


def _scale(kind: int, power: float, *, orthogonalize: bool) -> Scale:
    """Factors of the plain sums times `(2n)^power`, from powers of two so that none is rounded twice."""
    first, rest = (1.0, 1.0) if kind == 2 else (0.0, 1.0)
    if orthogonalize:
        first += -0.5 if kind == 2 else 0.5
    return Scale(2.0 ** (first + power), 2.0 ** (rest + power), power)
