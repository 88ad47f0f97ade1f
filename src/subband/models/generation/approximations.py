"""Priors of the coarsest approximation, which is small enough for full covariances."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from subband.models.generation.distributions import LOG_2PI, kl_gaussian_full

__all__ = ["GaussianApproximation", "MixtureApproximation", "shrunk_covariance"]

SHRINKAGE = 1e-3  # of a covariance towards a multiple of the unit matrix


class GaussianApproximation(nn.Module):
    """A Gaussian with a full covariance; at first independent numbers with the range of the images.

    Args:
        size: `(C, H', W')` of the approximation; `(C, T', H', W')` for that of clips.
        unit: What its values are divided by, `2^J`.

    Shape:
        approximations `(B, *size)`.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, size: tuple[int, ...], unit: float) -> None:
        super().__init__()
        self.size, self.unit = tuple(size), unit
        count = math.prod(size)
        self.mean = nn.Parameter(torch.zeros(count))
        self.log_diagonal = nn.Parameter(torch.zeros(count))
        self.lower = nn.Parameter(torch.zeros(count * (count - 1) // 2))
        rows, columns = torch.tril_indices(count, count, offset=-1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def factor(self) -> Tensor:
        """Lower triangular factor of the covariance, `(K, K)` for K values."""
        below = self.lower.new_zeros(len(self.mean), len(self.mean)).index_put((self.rows, self.columns), self.lower)
        return below + torch.diag(self.log_diagonal.exp())

    def divergence(self, mean: Tensor, scale: Tensor) -> Tensor:
        """Divergence of independent Gaussians from this one, in nats, `(B,)`.

        Args:
            mean: Their means.
            scale: Their standard deviations, broadcast to the means.
        """
        mean, scale = (values.flatten(1) / self.unit for values in (mean, scale.expand_as(mean)))
        return kl_gaussian_full(mean, scale, self.mean, self.factor())

    def log_prob(self, values: Tensor) -> Tensor:
        """Log density in nats, `(B,)`."""
        factor = self.factor()
        unit = (values.flatten(1) / self.unit - self.mean) @ _inverse(factor).mT
        volume = factor.diagonal().log().sum() + len(self.mean) * math.log(self.unit)
        return -0.5 * (unit.square().sum(1) + len(self.mean) * LOG_2PI) - volume

    def sample(self, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Values for standard normal numbers `(B, C, H', W')`; the temperature multiplies deviations from the mean."""
        values = self.mean + temperature * (noise.flatten(1) @ self.factor().mT)
        return self.unit * values.view_as(noise)

    def posterior_mean(self, observed: Tensor, noise: Tensor) -> Tensor:
        """Mean given values that are seen through independent Gaussian noise.

        Args:
            observed: What is seen.
            noise: Standard deviation of the noise, one number.
        """
        factor, deviation = self.factor(), observed.flatten(1) / self.unit - self.mean
        covariance = factor @ factor.mT
        seen = covariance + (noise / self.unit) ** 2 * _unit(covariance)
        mean = self.mean + torch.linalg.solve(seen, deviation.mT).mT @ covariance
        return self.unit * mean.view_as(observed)

    @torch.no_grad()
    def fit(self, values: Tensor) -> None:
        """Take over mean and covariance of approximations.

        Args:
            values: `(N, C, H', W')`.
        """
        flat = values.flatten(1).double() / self.unit
        factor = torch.linalg.cholesky(shrunk_covariance(flat))
        self.mean.copy_(flat.mean(0))
        self.log_diagonal.copy_(factor.diagonal().log())
        self.lower.copy_(factor[self.rows, self.columns])


class MixtureApproximation(nn.Module):
    """A mixture of Gaussians with full covariances, fitted by expectation and maximization.

    Args:
        size: `(C, H', W')` of the approximation.
        unit: What its values are divided by, `2^J`.
        components: Number of Gaussians M.

    Shape:
        approximations `(B, C, H', W')`.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, size: tuple[int, int, int], unit: float, components: int = 10) -> None:
        super().__init__()
        self.size, self.unit = tuple(size), unit
        count = math.prod(size)
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, count))
        self.register_buffer("factors", torch.eye(count).repeat(components, 1, 1))

    def log_prob(self, values: Tensor) -> Tensor:
        """Log density in nats, `(B,)`."""
        flat = values.flatten(1) / self.unit
        return self._joint(flat).logsumexp(1) - flat.shape[1] * math.log(self.unit)

    def sample(self, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Values for standard normal numbers `(B, C, H', W')`; the temperature multiplies deviations from a mean.

        The rank of the sum of the numbers chooses the component; orthogonal to it they are as good as new.
        """
        flat = noise.flatten(1)
        rank = torch.special.ndtr(flat.sum(1) / math.sqrt(flat.shape[1]))
        chosen = torch.searchsorted(self.weights.cumsum(0), rank).clamp(max=len(self.weights) - 1)
        edges = torch.cat((self.weights.new_zeros(1), self.weights.cumsum(0)))
        within = ((rank - edges[chosen]) / self.weights[chosen]).clamp(1e-6, 1 - 1e-6)
        fresh = torch.special.ndtri(within) - flat.sum(1) / math.sqrt(flat.shape[1])
        flat = flat + fresh[:, None] / math.sqrt(flat.shape[1])
        values = self.means[chosen] + temperature * torch.einsum("bij,bj->bi", self.factors[chosen], flat)
        return self.unit * values.view_as(noise)

    @torch.no_grad()
    def fit(self, values: Tensor, *, steps: int = 50, generator: torch.Generator | None = None) -> None:
        """Fit the mixture to approximations.

        Args:
            values: `(N, C, H', W')`, N at least the number of components.
            steps: Rounds of expectation and maximization.
            generator: Where the first means are drawn from, on the CPU; the global one by default.

        Raises:
            ValueError: If there are fewer values than components.
        """
        flat = (values.flatten(1) / self.unit).to(self.means)
        components = len(self.weights)
        if len(flat) < components:
            raise ValueError(f"a mixture of {components} needs so many images at least, got {len(flat)}.")
        chosen = torch.randperm(len(flat), generator=generator)[:components]
        self.means.copy_(flat[chosen])
        self.weights.fill_(1 / components)
        self.factors.copy_(torch.linalg.cholesky(shrunk_covariance(flat)).expand_as(self.factors))
        for _ in range(steps):
            shares = self._joint(flat).softmax(1)  # (N, M)
            counts = shares.sum(0).clamp(min=1e-3)
            self.weights.copy_(counts / counts.sum())
            self.means.copy_(shares.mT @ flat / counts[:, None])
            for index in range(components):
                covariance = shrunk_covariance(flat, shares[:, index])
                self.factors[index] = torch.linalg.cholesky(covariance)

    def _joint(self, flat: Tensor) -> Tensor:
        """Log of weight times density of every component, `(B, M)`."""
        unit = torch.einsum("mij,bmj->bmi", _inverse(self.factors), flat[:, None] - self.means)
        volumes = self.factors.diagonal(dim1=1, dim2=2).log().sum(1) + 0.5 * flat.shape[1] * LOG_2PI
        return self.weights.log() - volumes - 0.5 * unit.square().sum(2)


def shrunk_covariance(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Covariance, moved a little towards a multiple of the unit matrix, so that it has an inverse.

    Args:
        values: `(N, K)`.
        weights: Of the values, `(N,)`; equal if not given.

    Returns:
        `(K, K)`.
    """
    weights = values.new_ones(len(values)) if weights is None else weights
    shares = weights / weights.sum().clamp(min=1e-3)
    centred = values - shares @ values
    covariance = (shares[:, None] * centred).mT @ centred
    size = covariance.diagonal().mean().clamp(min=1e-6)
    return covariance + SHRINKAGE * size * _unit(covariance)


def _inverse(factor: Tensor) -> Tensor:
    """Inverse of lower triangular matrices."""
    return torch.linalg.solve_triangular(factor, _unit(factor).expand_as(factor), upper=False)


def _unit(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], device=like.device, dtype=like.dtype)
