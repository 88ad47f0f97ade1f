"""Per-frame scores of predicted against true frames, as pure functions.

All functions take frames `(..., C, H, W)` and return one value per frame, `(...)`.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["combine_channels", "denormalize", "error_sums", "psnr", "psnr_legacy_uint8", "snr", "ssim"]

_WINDOW = 7  # scikit-image's default


def psnr(pred: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio of every frame.

    Args:
        pred: Predicted frames, `(..., C, H, W)`.
        target: True frames of the same shape.
        data_range: Distance between the smallest and the largest possible value.

    Returns:
        `10 log10(data_range^2 / mean squared error)` in dB, `(...)`; infinite for equal frames.

    Example:
        >>> psnr(torch.full((1, 4, 4), 0.1), torch.zeros(1, 4, 4))
        tensor(20.)
    """
    error = (pred - target).square().mean((-3, -2, -1))
    return 10 * torch.log10(data_range**2 / error)


def snr(pred: Tensor, target: Tensor) -> Tensor:
    """Signal-to-noise ratio of every frame: power of the target over power of the error.

    Args:
        pred: Predicted frames, `(..., C, H, W)`, any range.
        target: True frames of the same shape.

    Returns:
        dB, `(...)`.

    Example:
        >>> snr(torch.full((1, 4, 4), 1.1), torch.ones(1, 4, 4)).round(decimals=3)
        tensor(20.)
    """
    signal = target.square().mean((-3, -2, -1))
    return 10 * torch.log10(signal / (pred - target).square().mean((-3, -2, -1)))


def ssim(pred: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Structural similarity of every frame, as scikit-image computes it by default.

    A uniform 7x7 window, sample covariances, K1 = 0.01, K2 = 0.03, the mean over all windows that lie inside the frame,
    then the mean over channels.

    Args:
        pred: Predicted frames, `(..., C, H, W)`, both sides at least 7.
        target: True frames of the same shape.
        data_range: Distance between the smallest and the largest possible value. OpenSTL's figures come from an older
            scikit-image that took 2 for every floating image, also for frames in `[0, 1]`.

    Returns:
        At most 1, `(...)`.

    Raises:
        ValueError: If a side is shorter than the window.

    Example:
        >>> frames = torch.rand(2, 3, 16, 16)
        >>> ssim(frames, frames)
        tensor([1., 1.])
    """
    height, width = pred.shape[-2:]
    if min(height, width) < _WINDOW:
        raise ValueError(f"SSIM needs frames of at least {_WINDOW}x{_WINDOW} pixels, got {height}x{width}")
    moments = torch.stack((pred, target, pred * pred, target * target, pred * target))
    means = F.avg_pool2d(moments.reshape(-1, 1, height, width), _WINDOW, stride=1)
    mean_p, mean_t, mean_pp, mean_tt, mean_pt = means.reshape(*moments.shape[:-2], *means.shape[-2:])
    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    var_p = unbiased * (mean_pp - mean_p * mean_p)
    var_t = unbiased * (mean_tt - mean_t * mean_t)
    covariance = unbiased * (mean_pt - mean_p * mean_t)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_p * mean_t + c1) / (mean_p.square() + mean_t.square() + c1)
    structure = (2 * covariance + c2) / (var_p + var_t + c2)
    return (luminance * structure).mean((-3, -2, -1))


def psnr_legacy_uint8(pred: Tensor, target: Tensor) -> Tensor:
    """The peak signal-to-noise ratio of papers that computed it in wrapping 8-bit arithmetic.

    Differences and squares are taken modulo 256, so large errors count as small ones and the result lies some 16 dB too
    high. It was in SimVP before June 2023, hence in the tables of SimVP, TAU and WSF-ViT; good for nothing but
    comparing with those.

    Args:
        pred: Predicted frames, `(..., C, H, W)`, clipped to `[0, 1]`.
        target: True frames of the same shape, clipped to `[0, 1]`.

    Returns:
        dB, `(...)`; infinite for frames that are equal in 8 bits, or whose every error is a multiple of 16 / 255.

    Example:
        >>> psnr_legacy_uint8(torch.full((1, 2, 2), 16 / 255 + 1e-3), torch.zeros(1, 2, 2))
        tensor(inf)
    """
    bytes_p, bytes_t = ((255 * frames.clamp(0, 1)).to(torch.uint8) for frames in (pred, target))
    difference = bytes_p - bytes_t
    error = (difference * difference).to(torch.get_default_dtype()).mean((-3, -2, -1))
    return 20 * math.log10(255) - 10 * torch.log10(error)


def denormalize(frames: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Undo the standardization of a data set: `frames * std + mean`.

    Args:
        frames: `(..., C, H, W)`.
        mean: Value per channel that was subtracted.
        std: Value per channel that was divided by.

    Example:
        >>> denormalize(torch.ones(2, 1, 1), mean=[0.0, 10.0], std=[2.0, 3.0]).flatten().tolist()
        [2.0, 13.0]
    """
    shape = (-1, 1, 1)
    return frames * frames.new_tensor(std).reshape(shape) + frames.new_tensor(mean).reshape(shape)


def error_sums(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Squared and absolute errors summed over the pixels of every channel.

    Args:
        pred: Predicted frames, `(..., C, H, W)`, any range.
        target: True frames of the same shape.

    Returns:
        squared: `(..., C)`.
        absolute: `(..., C)`.

    Example:
        >>> squared, absolute = error_sums(torch.full((1, 2, 2), 0.5), torch.zeros(1, 2, 2))
        >>> squared.item(), absolute.item()
        (1.0, 2.0)
    """
    difference = pred - target
    return difference.square().sum((-2, -1)), difference.abs().sum((-2, -1))


def combine_channels(
    sums: Tensor, num_pixels: int, groups: Mapping[str, Sequence[int]] | None, spatial_norm: bool
) -> dict[str, Tensor]:
    """Errors of a frame from those of its channels, as OpenSTL adds them up.

    Args:
        sums: Error per channel, `(..., C)`, from `error_sums` or a mean of such.
        num_pixels: `H * W`.
        groups: Channels of each physical variable; all channels form one group if not given.
        spatial_norm: Divide by the number of values, `C * H * W` of the group. Otherwise the errors stay sums.

    Returns:
        The value per group by name, `(...)`. Without groups the only name is the empty one.

    Example:
        >>> {k: v.item() for k, v in combine_channels(torch.tensor([4.0, 8.0]), 4, {"t": [0], "u": [1]}, True).items()}
        {'t': 1.0, 'u': 2.0}
    """
    groups = groups or {"": range(sums.shape[-1])}
    return {
        name: sums[..., list(channels)].sum(-1) / (len(channels) * num_pixels if spatial_norm else 1)
        for name, channels in groups.items()
    }
