"""Closed forms against values computed by quadrature, against Monte Carlo, and in float32."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.distributions import Laplace, MultivariateNormal, Normal

from subband.models.generation import distributions as d


def numbers(*values: float) -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64) for value in values]


# Mean, scale, prior mean, prior scale; the values were found by quadrature in double precision.
REFERENCE = {
    d.kl_gaussian_laplace: {
        (0, 1, 0, 1): 0.0720932082,
        (0.5, 0.1, 0, 0.2): 2.4673558814,
        (1.5, 0.3, 0, 1): 1.9781814838,
        (-0.7, 2, 0, 0.5): 1.2729628849,
        (0.05, 0.05, 0, 0.02): 1.2744952684,
        (0, 0.1, 0, 0.05): 0.1768305884,
    },
    d.kl_laplace_laplace: {
        (0.5, 0.1, 0, 0.2): 2.1965161541,
        (1.5, 0.3, 0, 1): 1.7059941884,
        (-0.7, 2, 0.3, 0.5): 2.0398282777,
        (0.05, 0.05, 0, 0.02): 1.5034078711,
    },
    d.kl_laplace_gaussian: {(0, 1, 0, 1): 0.2257913526, (0.5, 0.1, 0, 0.2): 3.2939385332},
    d.kl_gaussian_gaussian: {(0.5, 0.1, 0, 0.2): 3.4431471806},
}


@pytest.mark.parametrize(
    ("function", "inputs", "wanted"), [(kl, *row) for kl, table in REFERENCE.items() for row in table.items()]
)
def test_divergences(function, inputs, wanted):
    assert function(*numbers(*inputs)).item() == pytest.approx(wanted, abs=1e-8)


def test_divergence_from_a_full_covariance():
    mean, scale, prior = (
        torch.tensor(v, dtype=torch.float64) for v in ((0.3, -0.1, 0.2), (0.1, 0.2, 0.05), (0.1, 0, -0.2))
    )
    factor = torch.tensor([[0.5, 0, 0], [0.2, 0.4, 0], [-0.1, 0.1, 0.3]], dtype=torch.float64)
    assert d.kl_gaussian_full(mean, scale, prior, factor).item() == pytest.approx(4.2651778956, abs=1e-8)
    diagonal = torch.diag(torch.tensor([0.5, 0.4, 0.3], dtype=torch.float64))
    parts = d.kl_gaussian_gaussian(mean, scale, prior, diagonal.diagonal())
    torch.testing.assert_close(d.kl_gaussian_full(mean, scale, prior, diagonal), parts.sum())


def test_mean_magnitudes_and_the_best_scale():
    offset, scale = torch.tensor([[0.5, 0.1], [-0.1, 0.1], [0.02, 0.05], [0, 0.2]], dtype=torch.float64).unbind(1)
    magnitudes = d.gaussian_mean_magnitude(offset, scale)
    wanted = [0.5000000107, 0.1166630941, 0.0430438837, 0.1595769122]
    assert magnitudes.tolist() == pytest.approx(wanted, abs=1e-9)
    best = d.laplace_prior_scale(magnitudes)
    assert best.item() == pytest.approx(0.2048209752, abs=1e-9)
    zero = torch.zeros_like(offset)
    costs = [d.kl_gaussian_laplace(offset, scale, zero, factor * best).sum() for factor in (0.98, 1.0, 1.02)]
    assert costs[1] < min(costs[0], costs[2])
    assert d.laplace_entropy(*numbers(0.1)).item() == pytest.approx(-0.6094379124, abs=1e-9)


def test_against_monte_carlo(rng):
    torch.manual_seed(0)
    for mean, scale, prior_mean, prior_scale in ((0.3, 0.4, 0.1, 0.2), (-1.0, 0.2, 0.0, 1.5), (0.0, 1.0, 0.5, 0.7)):
        families = {"gaussian": Normal, "laplace": Laplace}
        for (own, posterior), (other, prior) in product(families.items(), repeat=2):
            q, p = posterior(mean, scale), prior(prior_mean, prior_scale)
            samples = q.sample((40_000,))
            ratios = q.log_prob(samples) - p.log_prob(samples)
            name = f"kl_{own}_{other}"
            found = getattr(d, name)(*torch.tensor([mean, scale, prior_mean, prior_scale])).item()
            assert abs(ratios.mean().item() - found) < 4 * ratios.std().item() / 200, name
    factor = torch.tensor([[0.5, 0.0], [0.3, 0.2]])
    q, p = (
        Normal(torch.tensor([0.1, 0.2]), torch.tensor([0.2, 0.3])),
        MultivariateNormal(torch.zeros(2), scale_tril=factor),
    )
    samples = q.sample((40_000,))
    ratios = q.log_prob(samples).sum(1) - p.log_prob(samples)
    found = d.kl_gaussian_full(q.loc, q.scale, torch.zeros(2), factor).item()
    assert abs(ratios.mean().item() - found) < 4 * ratios.std().item() / 200


def test_no_gaussian_is_nearer_to_a_laplace():
    assert pytest.approx(0.048417, abs=1e-6) == d.MIN_KL_GAUSSIAN_LAPLACE
    nearest = d.kl_gaussian_laplace(*numbers(0.3, 0.2 * math.sqrt(math.pi / 2), 0.3, 0.2))
    assert nearest.item() == pytest.approx(d.MIN_KL_GAUSSIAN_LAPLACE, abs=1e-12)
    laplace = d.kl_laplace_laplace(*numbers(0.3, 0.2, 0.3, 0.2))
    assert laplace == 0


def test_single_precision():
    scales = torch.logspace(-5, 2, 15)
    means = torch.tensor([0.0, 1e-6, -1e-3, 0.1, -3.0, 50.0])
    grid = torch.cartesian_prod(means, scales, scales)
    mean, scale, prior_scale = (part.clone().requires_grad_() for part in grid.unbind(1))
    for name in ("kl_gaussian_laplace", "kl_laplace_laplace", "kl_laplace_gaussian", "kl_gaussian_gaussian"):
        value = getattr(d, name)(mean, scale, torch.zeros(()), prior_scale)
        assert value.isfinite().all(), name
        assert value.min() >= -1e-6, name
        for grad in torch.autograd.grad(value.sum(), (mean, scale, prior_scale)):
            assert grad.isfinite().all(), name
        exact = getattr(d, name)(mean.double(), scale.double(), torch.zeros(()), prior_scale.double())
        torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=4e-6)
    tiny = d.kl_laplace_laplace(*torch.tensor([1e-4, 1.0, 0.0, 1.0])).item()
    assert tiny == pytest.approx(5.0e-9, rel=1e-2)


@pytest.mark.parametrize(
    ("observed", "noise", "scale", "evidence", "mean"),
    [
        (0.3, 0.1, 0.1, -0.90058519, 0.20258116),
        (0.05, 0.1, 0.1, 0.89637031, 0.02410186),
        (1, 0.2, 0.5, -1.92000029, 0.92000029),
        (-0.4, 0.3, 0.1, -0.55439269, -0.06547562),
        (0, 0.1, 0.2, 0.55852615, 0),
    ],
)
def test_exact_posterior(observed, noise, scale, evidence, mean):
    inputs = numbers(observed, noise, scale)
    assert d.laplace_evidence(*inputs).item() == pytest.approx(evidence, abs=1e-8)
    assert d.laplace_posterior_mean(*inputs).item() == pytest.approx(mean, abs=1e-8)


def test_exact_posterior_in_single_precision():
    scales, noises = torch.logspace(-4, 1, 11), torch.logspace(-3, 0, 7)
    observed, noise, scale = torch.cartesian_prod(torch.tensor([0.0, 0.03, -0.5, 8.0]), noises, scales).unbind(1)
    for function in (d.laplace_evidence, d.laplace_posterior_mean):
        exact = function(observed.double(), noise.double(), scale.double())
        torch.testing.assert_close(function(observed, noise, scale).double(), exact, rtol=1e-4, atol=1e-5)
    mean = d.laplace_posterior_mean(observed, noise, scale)
    assert (mean.abs() <= observed.abs() + 1e-6).all()


@pytest.mark.parametrize(
    ("noise", "scale", "best"),
    [
        (0.1, 0.05, 0.04814198),
        (0.1, 0.2, 0.08202292),
        (0.1, 1, 0.09609012),
        (0.05, 0.02, 0.02074946),
        (0.02, 0.1, 0.01846779),
    ],
)
def test_best_scale_at_zero(noise, scale, best):
    assert d.best_scale_at_zero(*numbers(noise, scale)).item() == pytest.approx(best, abs=1e-8)


def test_best_noise_scale():
    found = [d.best_noise_scale(weight) for weight in (0, 1e-3, 1e-2, 0.1, 1)]
    assert found == pytest.approx([0, 0.022355, 0.070535, 0.218218, 0.577350], abs=1e-6)
    assert d.best_noise_scale(0.1, 0.25) == pytest.approx(math.sqrt(0.1 / 0.6))


def test_laplace_and_normal_ranks(rng):
    normal = torch.randn(100_000, generator=rng, dtype=torch.float64)
    values = d.laplace_from_normal(normal)
    assert values.abs().mean().item() == pytest.approx(1, abs=0.02)
    assert values.square().mean().item() == pytest.approx(2, abs=0.08)
    torch.testing.assert_close(d.normal_from_laplace(values), normal, rtol=1e-6, atol=1e-6)
    far = torch.tensor([-200.0, 8.5, 700.0], dtype=torch.float64)
    torch.testing.assert_close(d.laplace_from_normal(d.normal_from_laplace(far)), far, rtol=1e-9, atol=0)
    # Value over scale 3 and 0.25 with sign, and 12: coefficient 0.3 at scale 0.1, -0.05 at 0.2, 1.2 at 0.1.
    ranks = d.normal_from_laplace(torch.tensor([3.0, -0.25, 12.0], dtype=torch.float64))
    assert ranks.tolist() == pytest.approx([1.96178888, -0.28088216, 4.52136505], abs=1e-8)


def test_normal_cost(rng):
    error = torch.randn(3, 2, 4, 4, generator=rng)
    scale = torch.tensor(0.3)
    torch.testing.assert_close(d.normal_cost(error, scale), -Normal(0, scale).log_prob(error).flatten(1).sum(1))
