"""Closed forms of Gaussians and Laplaces: divergences, exact posteriors under noise, optimal scales.

Everything is in nats and elementwise unless said otherwise; arguments are broadcast. Forms were chosen that keep their
digits in float32 for scales from 1e-5 to 1e2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.special import log_ndtr

__all__ = [
    "MIN_KL_GAUSSIAN_LAPLACE",
    "best_noise_scale",
    "best_scale_at_zero",
    "gaussian_mean_magnitude",
    "kl_gaussian_full",
    "kl_gaussian_gaussian",
    "kl_gaussian_laplace",
    "kl_laplace_gaussian",
    "kl_laplace_laplace",
    "laplace_entropy",
    "laplace_evidence",
    "laplace_from_normal",
    "laplace_mean_magnitude",
    "laplace_posterior_mean",
    "laplace_prior_scale",
    "normal_cost",
    "normal_from_laplace",
]

LOG_2PI = math.log(2 * math.pi)
FAR_TAIL = 12.0  # in standard deviations; beyond it a few terms of a series are nearer than a difference in float32
# No Gaussian is nearer to a Laplace: reached at the same centre with a scale of sqrt(pi / 2) times that of the Laplace.
MIN_KL_GAUSSIAN_LAPLACE = math.log(2) + 1 - 0.5 * math.log(math.pi**2 * math.e)


def gaussian_mean_magnitude(offset: Tensor, scale: Tensor) -> Tensor:
    """Mean of `|offset + scale * n|` for a standard normal n.

    Args:
        offset: Mean of the Gaussian.
        scale: Its standard deviation, positive.

    Example:
        >>> gaussian_mean_magnitude(torch.tensor(0.0), torch.tensor(0.2))
        tensor(0.1596)
    """
    ratio = offset / scale
    return math.sqrt(2 / math.pi) * scale * torch.exp(-0.5 * ratio**2) + offset * torch.erf(ratio / math.sqrt(2))


def laplace_mean_magnitude(offset: Tensor, scale: Tensor) -> Tensor:
    """Mean of `|offset + x|` for x of a Laplace distribution.

    Args:
        offset: Centre of the Laplace.
        scale: Its scale, the mean magnitude at `offset` 0; positive.

    Example:
        >>> laplace_mean_magnitude(torch.tensor([0.0, 3.0]), torch.tensor(0.2))
        tensor([0.2000, 3.0000])
    """
    return offset.abs() + scale * torch.exp(-offset.abs() / scale)


def kl_gaussian_laplace(mean: Tensor, scale: Tensor, prior_mean: Tensor, prior_scale: Tensor) -> Tensor:
    """Divergence of a Gaussian from a Laplace, at least `MIN_KL_GAUSSIAN_LAPLACE`.

    Args:
        mean: Mean of the Gaussian.
        scale: Its standard deviation, positive.
        prior_mean: Centre of the Laplace.
        prior_scale: Its scale, positive.

    Example:
        >>> kl_gaussian_laplace(*torch.tensor([0.5, 0.1, 0.0, 0.2]))
        tensor(2.4674)
    """
    magnitude = gaussian_mean_magnitude(mean - prior_mean, scale)
    constant = math.log(2) - 0.5 * (LOG_2PI + 1)
    return prior_scale.log() - scale.log() + magnitude / prior_scale + constant


def kl_laplace_laplace(mean: Tensor, scale: Tensor, prior_mean: Tensor, prior_scale: Tensor) -> Tensor:
    """Divergence of a Laplace from another.

    With `u = |mean - prior_mean| / scale` and the ratio r of the scales it is `r - 1 - log r + r (u + e^-u - 1)`; the
    plain form loses all digits where u is small.

    Args:
        mean: Centre of the first.
        scale: Its scale, positive.
        prior_mean: Centre of the second.
        prior_scale: Its scale, positive.

    Example:
        >>> kl_laplace_laplace(*torch.tensor([1e-4, 1.0, 0.0, 1.0])).item()
        4.99...e-09
    """
    ratio, distance = scale / prior_scale, (mean - prior_mean).abs() / scale
    return _excess(ratio) + ratio * (distance + torch.expm1(-distance))


def kl_laplace_gaussian(mean: Tensor, scale: Tensor, prior_mean: Tensor, prior_scale: Tensor) -> Tensor:
    """Divergence of a Laplace from a Gaussian.

    Args:
        mean: Centre of the Laplace.
        scale: Its scale, positive.
        prior_mean: Mean of the Gaussian.
        prior_scale: Its standard deviation, positive.

    Example:
        >>> kl_laplace_gaussian(*torch.tensor([0.0, 1.0, 0.0, 1.0]))
        tensor(0.2258)
    """
    ratio, distance = scale / prior_scale, (mean - prior_mean) / prior_scale
    return ratio**2 + 0.5 * distance**2 - ratio.log() + 0.5 * LOG_2PI - 1 - math.log(2)


def kl_gaussian_gaussian(mean: Tensor, scale: Tensor, prior_mean: Tensor, prior_scale: Tensor) -> Tensor:
    """Divergence of a Gaussian from another.

    Args:
        mean: Mean of the first.
        scale: Its standard deviation, positive.
        prior_mean: Mean of the second.
        prior_scale: Its standard deviation, positive.

    Example:
        >>> kl_gaussian_gaussian(*torch.tensor([0.5, 0.1, 0.0, 0.2]))
        tensor(3.4431)
    """
    return 0.5 * (_excess((scale / prior_scale) ** 2) + ((mean - prior_mean) / prior_scale) ** 2)


def kl_gaussian_full(mean: Tensor, scale: Tensor, prior_mean: Tensor, factor: Tensor) -> Tensor:
    """Divergence of independent Gaussians from a Gaussian with a full covariance.

    Args:
        mean: Means of the first, `(..., K)`.
        scale: Their standard deviations, `(..., K)`, positive.
        prior_mean: Mean of the second, `(K,)`.
        factor: Lower triangular factor of its covariance, `(K, K)`, with a positive diagonal.

    Returns:
        `(...)`, the sum over the K dimensions.

    Example:
        >>> kl_gaussian_full(torch.zeros(2, 3), torch.ones(2, 3), torch.zeros(3), torch.eye(3))
        tensor([0., 0.])
    """
    inverse = torch.linalg.solve_triangular(
        factor, torch.eye(len(factor), device=factor.device, dtype=factor.dtype), upper=False
    )
    spread = (scale.square() * inverse.square().sum(0)).sum(-1)
    distance = ((mean - prior_mean) @ inverse.mT).square().sum(-1)
    log_volumes = factor.diagonal().log().sum() - scale.log().sum(-1)
    return 0.5 * (spread + distance - mean.shape[-1]) + log_volumes


def laplace_entropy(scale: Tensor) -> Tensor:
    """Entropy of a Laplace, `1 + log(2 scale)`.

    Args:
        scale: Positive.

    Example:
        >>> laplace_entropy(torch.tensor(0.1))
        tensor(-0.6094)
    """
    return 1 + (2 * scale).log()


def laplace_prior_scale(mean_magnitudes: Tensor) -> Tensor:
    """The scale of a Laplace around 0 that makes the mean divergence of given distributions from it smallest.

    Args:
        mean_magnitudes: Mean magnitude of each of them, any shape: `gaussian_mean_magnitude`, `laplace_mean_magnitude`,
            or plain magnitudes of samples.

    Returns:
        Scalar, the mean of them: the maximum likelihood estimate.

    Example:
        >>> laplace_prior_scale(torch.tensor([-1.0, 3.0]).abs())
        tensor(2.)
    """
    return mean_magnitudes.mean()


def laplace_from_normal(normal: Tensor) -> Tensor:
    """Values of a Laplace with scale 1 at the ranks that standard normal values have.

    Args:
        normal: Any shape. Random ones give random values of the Laplace.

    Example:
        >>> laplace_from_normal(torch.tensor([0.0, -1.0, 1.0]))
        tensor([-0.0000, -1.1479,  1.1479])
    """
    return normal.sign() * -(math.log(2) + log_ndtr(-normal.abs()))


def normal_from_laplace(values: Tensor) -> Tensor:
    """Inverse of `laplace_from_normal`, also for values far out where probabilities vanish.

    Args:
        values: Deviation from the centre over the scale, any shape.

    Example:
        >>> normal_from_laplace(torch.tensor([1.1479, -1.1479, 700.0]))
        tensor([ 1.0000, -1.0000, 37.3136])
    """
    magnitude, target = values.abs(), -values.abs() - math.log(2)
    inner = -torch.special.ndtri(0.5 * torch.exp(-magnitude.clamp(max=8)))
    # log Phi(-g) is about -g^2 / 2 - log(g sqrt(2 pi)), a start from which Newton's method needs few steps.
    square = (2 * magnitude.clamp(min=8)).sub(LOG_2PI - 2 * math.log(2))
    outer = (square - square.log()).sqrt()
    for _ in range(4):
        log_tail = log_ndtr(-outer)
        slope = torch.exp(-0.5 * outer.square() - 0.5 * LOG_2PI - log_tail)  # of -log_ndtr(-g)
        outer = outer + (log_tail - target.clamp(max=-8 - math.log(2))) / slope
    return values.sign() * torch.where(magnitude > 8, outer, inner)


def laplace_evidence(observed: Tensor, noise: Tensor, prior_scale: Tensor) -> Tensor:
    """Log density of a Laplace value around 0 that is seen through Gaussian noise.

    Args:
        observed: What is seen.
        noise: Standard deviation of the noise, positive.
        prior_scale: Scale of the Laplace, positive.

    Example:
        >>> laplace_evidence(*torch.tensor([0.3, 0.1, 0.1]))
        tensor(-0.9006)
    """
    above, below = _halves(observed, noise, prior_scale)
    return torch.logaddexp(above, below) - (2 * prior_scale).log()


def laplace_posterior_mean(observed: Tensor, noise: Tensor, prior_scale: Tensor) -> Tensor:
    """Mean of a Laplace value around 0, given what is seen of it through Gaussian noise.

    Args:
        observed: What is seen.
        noise: Standard deviation of the noise, positive.
        prior_scale: Scale of the Laplace, positive.

    Returns:
        Between 0 and `observed`; the most likely value would be `observed` moved towards 0 by
        `noise^2 / prior_scale`.

    Example:
        >>> laplace_posterior_mean(*torch.tensor([0.3, 0.1, 0.1]))
        tensor(0.2026)
    """
    above, below = _halves(observed, noise, prior_scale)
    share = torch.sigmoid(above - below)
    return share * _half_mean(observed, noise, prior_scale) - (1 - share) * _half_mean(-observed, noise, prior_scale)


def best_scale_at_zero(noise: Tensor, prior_scale: Tensor) -> Tensor:
    """Standard deviation of the best Gaussian posterior around 0, for a Laplace prior and Gaussian noise.

    Args:
        noise: Standard deviation of the noise of what is decoded, positive.
        prior_scale: Scale of the Laplace, positive.

    Returns:
        At most `noise`, its limit for a wide prior; for a narrow one it nears `sqrt(pi / 2) * prior_scale`.

    Example:
        >>> best_scale_at_zero(torch.tensor(0.1), torch.tensor(0.05))
        tensor(0.0481)
    """
    slope = math.sqrt(2 / math.pi) / prior_scale
    # The root of s^2 / noise^2 + slope * s = 1, without the difference of two large numbers.
    return 2 / (slope + torch.sqrt(slope**2 + 4 / noise**2))


def best_noise_scale(weight: float, share: float = 1.0) -> float:
    """The shared noise scale at which a squared error and a weighted divergence from N(0, 1) balance.

    The loss per number is `share * s^2 + weight * (s^2 / 2 - log s)`. Without the divergence it is smallest at 0.

    Args:
        weight: Weight of the divergence.
        share: Coefficients with this noise as a share of all numbers that the squared error is a mean of.

    Example:
        >>> round(best_noise_scale(0.1), 6), best_noise_scale(0.0)
        (0.218218, 0.0)
    """
    return math.sqrt(weight / (2 * share + weight))


def normal_cost(error: Tensor, scale: Tensor) -> Tensor:
    """Negative log density of Gaussian noise, summed over all axes but the first.

    Args:
        error: Deviations from the mean, `(B, ...)`.
        scale: Standard deviation, one number.

    Returns:
        `(B,)`.

    Example:
        >>> normal_cost(torch.zeros(1, 2), torch.tensor(1.0))
        tensor([1.8379])
    """
    error = error.flatten(1)
    return 0.5 * (error / scale).square().sum(1) + error.shape[1] * (scale.log() + 0.5 * LOG_2PI)


def _halves(observed: Tensor, noise: Tensor, prior_scale: Tensor) -> tuple[Tensor, Tensor]:
    """Logs of what the positive and the negative half of the Laplace contribute, but for its density at 0."""
    return _half(observed, noise, prior_scale), _half(-observed, noise, prior_scale)


def _half(observed: Tensor, noise: Tensor, prior_scale: Tensor) -> Tensor:
    """Log of the integral over x > 0 of `exp(-x / prior_scale)` times the density of the noise at `observed - x`."""
    from_peak = (noise / prior_scale - observed / noise) / math.sqrt(2)  # to 0, from where the product is largest
    # Where the peak is negative, erfcx takes the place of a huge factor times a tiny probability.
    tail = torch.special.erfcx(from_peak.clamp(min=0)).log() - 0.5 * (observed / noise) ** 2 - math.log(2)
    whole = 0.5 * (noise / prior_scale) ** 2 - observed / prior_scale + log_ndtr(-math.sqrt(2) * from_peak.clamp(max=0))
    return torch.where(from_peak > 0, tail, whole)


def _half_mean(observed: Tensor, noise: Tensor, prior_scale: Tensor) -> Tensor:
    """Mean of the product that `_half` integrates."""
    from_peak = noise / prior_scale - observed / noise
    near, far = from_peak.clamp(max=FAR_TAIL), from_peak.clamp(min=FAR_TAIL)
    hazard = math.sqrt(2 / math.pi) / torch.special.erfcx(near.clamp(min=-FAR_TAIL / 2) / math.sqrt(2))
    series = (1 - 2 / far**2 + 10 / far**4 - 74 / far**6) / far
    return noise * torch.where(from_peak < FAR_TAIL, hazard - near, series)


def _excess(ratio: Tensor) -> Tensor:
    """`ratio - 1 - log(ratio)`, 0 where the ratio is 1."""
    return ratio - 1 - ratio.log()
