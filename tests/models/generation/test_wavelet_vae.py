"""Wavelet-VAE: what its objectives are known to do, exact bounds, priors and what is drawn from them."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.models.complexity import count_parameters
from subband.models.generation import distributions as d
from subband.models.generation.encoders import FIRST_THRESHOLD
from subband.models.generation.priors import ConditionalDetails
from subband.models.generation.pyramid import Pyramid
from subband.models.generation.wavelet_vae import WaveletVAE
from subband.transforms import crop, pad_to_multiple

SMALL: dict[str, Any] = {
    "img_size": 16,
    "levels": 2,
    "widths": (8, 8, 16),
    "blocks": 1,
    "refine_width": 8,
    "refine_blocks": 1,
    "prior_width": 8,
    "prior_blocks": 1,
}


def small(**options: Any) -> WaveletVAE:
    torch.manual_seed(0)
    return WaveletVAE(**{**SMALL, **options})


def lively(model: WaveletVAE) -> WaveletVAE:
    """With noise in place of zeros, as after training."""
    for value in model.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.05)
    return model


def images_of(rng: torch.Generator, count: int = 4, chans: int = 3, size: int = 16) -> Tensor:
    smooth = F.interpolate(torch.rand(count, chans, 4, 4, generator=rng), (size, size), mode="bilinear")
    return (2 * smooth - 1 + 0.05 * torch.randn(count, chans, size, size, generator=rng)).clamp(-1, 1)


def test_a_fresh_hybrid_decoder_is_the_pure_one(rng):
    images = images_of(rng)
    for mode in ("paper", "elbo"):
        pure, hybrid = small(mode=mode, decoder="pure"), small(mode=mode, decoder="hybrid")
        pyramid = hybrid.transform.analyze(images)
        assert torch.equal(pure.decode(pyramid), hybrid.decode(pyramid))
        torch.testing.assert_close(pure.decode(pyramid), images)


def test_a_fresh_residual_encoder_is_the_transform(rng):
    images = images_of(rng)
    for mode in ("paper", "elbo"):
        model = small(mode=mode, encoder="residual", decoder="pure")
        torch.testing.assert_close(model.reconstruct(images), images)
    analytic = small(encoder="analytic", decoder="pure").encode(images).mean
    exact = model.transform.analyze(images)
    assert torch.equal(analytic.approx, exact.approx)
    for found, wanted in zip(analytic.details, exact.details, strict=True):
        torch.testing.assert_close(found, F.softshrink(wanted, FIRST_THRESHOLD))


def test_thresholds_are_learned_as_derived(rng):
    """The optimum of error and penalty is soft thresholding by sparsity / (2 (1 - 4^-J)); the noise scale decays."""
    model = small(in_chans=1, encoder="analytic", decoder="pure", sparsity=0.1)
    images = 2 * torch.rand(64, 1, 16, 16, generator=rng) - 1
    groups = [
        {"params": model.encoder.parameters(), "lr": 1e-2},
        {"params": model.noise.parameters(), "lr": 1e-2},
    ]
    optimizer, scales = torch.optim.Adam(groups), []
    for _ in range(500):
        output = model(images, generator=rng)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        scales.append(output.parts["noise"].item())
    found = model.encoder.log_threshold.exp().flatten()
    wanted = 0.1 / (2 * (1 - 4**-2))
    assert (found / wanted - 1).abs().max() < 0.01
    averages = torch.tensor(scales).view(-1, 100).mean(1)
    assert (averages[1:] < averages[:-1]).all()
    assert averages[-1] < 0.03


def test_fixed_noise_costs_its_square(rng):
    model = small(encoder="analytic", decoder="pure", learn_noise=False)
    images = images_of(rng, 64)
    with_noise = model(images, generator=rng).parts["mse"]
    without = (model.reconstruct(images) - images).square().mean()
    assert (with_noise - without).item() == pytest.approx(0.01, rel=0.03)
    assert not model.noise.value.requires_grad


def test_noise_scales(rng):
    images = images_of(rng)
    for options, count in (
        ({}, 1),
        ({"noise": "level"}, 3),
        ({"noise": "level", "noise_on": "details"}, 2),
        ({"noise_on": "details", "noise_param": "raw", "noise_init": 0.2}, 1),
    ):
        model = small(**options)
        assert model.noise.value.numel() == count
        scale = model.encode(images).scale
        has_approx = options.get("noise_on", "all") == "all"
        assert (scale.approx == 0).all() != has_approx
        assert all(part.item() == pytest.approx(options.get("noise_init", 0.1)) for part in scale.details)
    model = small(approx_weight=0.5)
    output = model(images)
    torch.testing.assert_close(
        output.loss, output.parts["mse"] + 0.01 * output.parts["l1"] + 0.5 * output.parts["kl_approx"]
    )


def test_cross_entropy_of_logits(rng):
    """The decoder gives logits; images, and what is drawn, are their place in [-1, 1]."""
    model, images = lively(small(recon="bce", approx_weight=0.5)), images_of(rng)
    noise = torch.randn(4, 768, generator=rng)
    output = model(images, noise)
    posterior = model.encode(images)
    logits = model.unsquashed(posterior.sample(posterior.mean.like(noise)))
    share = torch.sigmoid(logits)
    torch.testing.assert_close(output.recon, 2 * share - 1, rtol=1e-4, atol=1e-5)
    target = (images + 1) / 2
    entropy = -(target * share.log() + (1 - target) * (1 - share).log()).mean()
    torch.testing.assert_close(output.parts["bce"], entropy)
    torch.testing.assert_close(output.parts["mse"], (images - output.recon).square().mean())
    weighted = 0.01 * output.parts["l1"] + 0.5 * output.parts["kl_approx"]
    torch.testing.assert_close(output.loss, entropy + weighted)
    model.fit_expost_prior([images], "conditional")
    assert model.sample(8, generator=rng).abs().max() < 1
    assert model.reconstruct(images).abs().max() < 1
    for call, name in (
        (lambda: model.denoise(images, 0.1), "denoise"),
        (lambda: model.super_resolve(images, 1), "sup"),
    ):
        with pytest.raises(ValueError, match=rf"{name}.* needs coefficients of images; those of recon='bce'"):
            call()


def test_noise_costs_cross_entropy_as_well(rng):
    """With a linear decoder any convex error grows with the noise, so its best scale is 0."""
    model, images = small(recon="bce", decoder="pure"), images_of(rng)
    noise, found = torch.randn(4, 768, generator=rng), []
    with torch.no_grad():
        for scale in (1e-3, 0.5, 1.0, 2.0):
            model.noise.value.fill_(math.log(scale))
            found.append((model(images, noise).parts["bce"] + model(images, -noise).parts["bce"]).item())
    assert found == sorted(found)
    assert found[1] > found[0]


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_the_error_of_coefficients_is_that_of_pixels(wavelet, rng):
    images, noise = images_of(rng), torch.randn(4, 768, generator=rng)
    for mode in ("paper", "elbo"):
        pixel, coefficient = (
            lively(small(mode=mode, wavelet=wavelet, recon_domain=part)) for part in ("pixel", "wavelet")
        )
        torch.testing.assert_close(pixel(images, noise).loss, coefficient(images, noise).loss)


def test_what_is_not_coded_is_zero_or_expected(rng):
    images = images_of(rng)
    for keep, count in ((1, 768), (2, 192), (3, 48)):
        model = small(encoder="analytic", decoder="pure", keep_levels=keep)
        assert model.num_latents == count
        assert model.encode(images).mean.to_vector().shape == (4, count)
        assert model(images).loss.isfinite()
        full = model.complete(model.encode(images).mean)
        assert full.levels == 2
        assert all(not detail.any() for detail in full.details[3 - keep :])
        model = lively(small(mode="elbo", decoder="pure", keep_levels=keep))
        output = model(images)
        assert output.loss.isfinite()
        full = model.complete(model.encode(images).mean)
        assert all(detail.any() for detail in full.details)
        assert model.sample(2).shape == (2, 3, 16, 16)
    average = F.interpolate(F.avg_pool2d(images, 4), scale_factor=4)
    torch.testing.assert_close(small(encoder="analytic", decoder="pure", keep_levels=3).reconstruct(images), average)


def test_only_the_largest_details(rng):
    model, images = small(encoder="residual", decoder="pure", top_k=10), images_of(rng)
    posterior = model.encode(images)
    exact = torch.cat([detail.flatten(1) for detail in model.transform.analyze(images).details], 1)
    kept = torch.cat([detail.flatten(1) for detail in posterior.mean.details], 1)
    assert (kept != 0).sum(1).tolist() == [10] * 4
    assert model.num_latents == 48 + 10
    torch.testing.assert_close(kept.abs().sum(1), exact.abs().topk(10).values.sum(1))
    noise = torch.cat([detail.flatten(1) for detail in posterior.scale.details], 1)
    assert torch.equal(noise != 0, kept != 0)
    model(images).loss.backward()
    assert model.encoder.trunk.details[0][-1].weight.grad.abs().sum() > 0
    assert model.rate_bits(images) == {"details": pytest.approx(math.log2(math.comb(720, 10)) + 80)}


@pytest.mark.parametrize("family", ["gauss", "laplace", "gauss_shared"])
def test_the_bound_in_closed_form_is_that_of_monte_carlo(family, rng):
    model = lively(small(mode="elbo", prior="factorised", posterior=family, decoder="pure")).double()
    one, count = model.encode(images_of(rng, 1).double()), 300
    posterior = one._replace(
        mean=one.mean.map(lambda m: m.expand(count, -1, -1, -1)),
        scale=one.scale.map(lambda m: m.expand(count, -1, -1, -1)),
    )
    sample = posterior.sample(model._noise_like(posterior.mean, rng))
    exact = model.divergences(posterior, sample).sum(1)[0]
    ratios = posterior.log_prob(sample) - model.prior.log_prob(sample)
    assert (ratios.mean() - exact).abs() < 4 * ratios.std() / math.sqrt(count)


def exact_evidence(model: WaveletVAE, images: Tensor) -> Tensor:
    """Log density of images under a factorised prior and a pure decoder, in nats."""
    pyramid, sigma = model.transform.analyze(images), model.objective.noise()
    prior = model.prior.approx
    factor = prior.unit * prior.factor()
    count = len(factor)
    covariance = factor @ factor.mT + sigma**2 * torch.eye(count, dtype=factor.dtype)
    normal = torch.distributions.MultivariateNormal(prior.unit * prior.mean, covariance)
    total = normal.log_prob(pyramid.approx.flatten(1))
    for level, detail in enumerate(pyramid.details):
        _, scale = model.prior.details(level, pyramid.approx, model.prior.units().details[level])
        total = total + d.laplace_evidence(detail, sigma, scale).flatten(1).sum(1)
    return total


@torch.no_grad()
def test_the_bound_is_below_the_exact_value_which_many_samples_near(rng):
    options = {"img_size": 4, "in_chans": 1, "levels": 1, "widths": (8, 8), "encoder": "analytic", "decoder": "pure"}
    model = small(mode="elbo", prior="factorised", posterior="gauss", **options).double()
    images = images_of(rng, 8, 1, 4).double()
    model.calibrate([images])
    sigma, scale = model.objective.noise(), model.prior.details.log_scale.exp()
    best = torch.cat((sigma[None], d.best_scale_at_zero(sigma, scale).flatten()))
    units = torch.cat([unit.flatten() for unit in model.units().bands])
    model.encoder.raw_scale.copy_(torch.expm1(best / (0.1 * units)).log() - math.log(math.e - 1))
    model.encoder.log_threshold.copy_((sigma**2 / scale).log())
    torch.testing.assert_close(model.encode(images).scale.approx.flatten()[0], sigma)
    exact = exact_evidence(model, images).mean()
    noise = torch.randn(8, 50, 16, generator=rng, dtype=torch.float64)
    bits = model(images.repeat_interleave(50, 0), noise.flatten(0, 1)).parts["bits_per_dim"]
    bound = -(bits - 7) * math.log(2) * 16
    assert bound < exact
    many = model.importance_bound(images, 500, generator=rng).mean()
    assert bound < many < exact + 0.02
    assert many.item() == pytest.approx(exact.item(), abs=0.1)


@torch.no_grad()
def test_parts_of_the_bound_add_up(rng):
    model, images = lively(small(mode="elbo")), images_of(rng)
    noise = torch.randn(4, 768, generator=rng)
    parts = model(images, noise).parts
    torch.testing.assert_close(parts["kl_approx"] + parts["kl_2"] + parts["kl_1"], parts["rate"])
    torch.testing.assert_close(parts["rate"] * math.log(2) / 3, parts["kl"])
    torch.testing.assert_close(parts["bits_per_dim"], (parts["nll"] + parts["kl"]) / math.log(2) + 7)
    bits = model.rate_bits(images, generator=rng)
    assert list(bits) == ["approx", "level_2", "level_1"]
    assert bits["approx"] == pytest.approx(256 * parts["kl_approx"].item(), rel=1e-4)
    model.objective.beta.fill_(0.5)
    torch.testing.assert_close(model(images, noise).loss, parts["nll"] + 0.5 * parts["kl"])


def test_a_fresh_conditional_prior_has_the_units_of_the_bands(rng):
    model, images = small(mode="elbo"), images_of(rng, 32)
    model.calibrate([images[:16], images[16:]])
    pyramid = model.transform.analyze(images)
    approx, units = pyramid.approx, model.prior.units()
    for level, detail in enumerate(pyramid.details):
        centre, scale = model.prior.details(level, approx, units.details[level])
        assert not centre.any()
        spread = detail.std((0, 2, 3), correction=0)
        torch.testing.assert_close(scale, spread[:, None, None].expand_as(scale), rtol=1e-4, atol=1e-5)
        approx = model.transform.join(approx, detail)
    torch.testing.assert_close(units.approx.flatten(), pyramid.approx.std((0, 2, 3), correction=0))


def of_level(model: WaveletVAE, level: int, approx: Tensor, detail: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and scales of the details of a level in the order HVD, by its three networks."""
    chans, units, found = model.in_chans, model.prior.units.details[level], []
    for turn, net in enumerate(model.prior.details.nets[level]):
        inputs = [approx / 2 ** (model.levels - level)]
        if turn:
            inputs.append(detail[:, : turn * chans] / units[:, : turn * chans])
        raw, own = net(torch.cat(inputs, 1)), units[:, turn * chans : (turn + 1) * chans]
        found.append((own * raw[:, :chans], own * F.softplus(raw[:, chans:] + math.log(math.e - 1)).clamp(min=1e-3)))
    centres, scales = zip(*found, strict=True)
    return torch.cat(centres, 1), torch.cat(scales, 1)


@torch.no_grad()
def test_bands_in_their_order(rng):
    """Vertical bands are told given horizontal ones, diagonal ones given both, in every use of the prior."""
    model, images = lively(small(mode="elbo", prior_order="HVD", decoder="pure", posterior="gauss")), images_of(rng)
    model.calibrate([images])
    for value in model.prior.details.parameters():
        value.add_(0.1 * torch.randn(value.shape, generator=rng))
    assert [net.body[0].in_channels for net in model.prior.details.nets[0]] == [3, 6, 9]
    posterior = model.encode(images)
    sample = posterior.sample(model._noise_like(posterior.mean, rng))
    approx, kl = sample.approx, [model.prior.approx.divergence(posterior.mean.approx, posterior.scale.approx)]
    total = model.prior.approx.log_prob(approx)
    for level, detail in enumerate(sample.details):
        centre, scale = of_level(model, level, approx, detail)
        kl.append(posterior.divergence(level, centre, scale))
        total = total + torch.distributions.Laplace(centre, scale).log_prob(detail).flatten(1).sum(1)
        approx = model.transform.join(approx, detail)
    torch.testing.assert_close(model.divergences(posterior, sample), torch.stack(kl, 1))
    torch.testing.assert_close(model.prior.log_prob(sample), total)

    noise = model._noise_like(sample, rng)
    drawn = model.prior.sample(noise)
    approx = drawn.approx
    for level, (detail, n) in enumerate(zip(drawn.details, noise.details, strict=True)):
        centre, scale = of_level(model, level, approx, detail)
        torch.testing.assert_close(detail, centre + scale * d.laplace_from_normal(n), rtol=1e-4, atol=1e-5)
        approx = model.transform.join(approx, detail)

    sigma, observed = torch.tensor(0.1), model.transform.analyze(images)
    clean = model.prior.posterior_mean(observed, sigma)
    centre, scale = of_level(model, 0, clean.approx, clean.details[0])
    wanted = centre + d.laplace_posterior_mean(observed.details[0] - centre, sigma, scale)
    torch.testing.assert_close(clean.details[0], wanted, rtol=1e-4, atol=1e-5)
    cold = model.prior.extended(Pyramid(clean.approx, ()))
    torch.testing.assert_close(cold.details[0], of_level(model, 0, clean.approx, cold.details[0])[0])


@pytest.mark.parametrize(("order", "count"), [("independent", 234_642), ("HVD", 688_338)])
def test_parameters_of_a_conditional_level(order, count):
    with torch.device("meta"):
        assert count_parameters(ConditionalDetails(3, 1, width=64, blocks=3, order=order)) == count


def test_an_order_finds_what_bands_share(rng):
    """Where vertical details repeat horizontal ones, a prior with an order pays for one of them alone."""
    shared = torch.distributions.Laplace(0.0, 1.0).sample((64, 3, 8, 8))
    pyramid = Pyramid(torch.zeros(64, 3, 8, 8), (torch.cat((shared, shared, torch.zeros(64, 3, 8, 8)), 1),))
    found = []
    for order in ("independent", "HVD"):
        model = small(levels=1, widths=(8, 8), mode="elbo", prior_order=order)
        optimizer = torch.optim.Adam(model.prior.details.parameters(), 1e-2)
        for _ in range(60):
            loss = -model.prior.log_prob(pyramid).mean() / 576
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found.append(loss.item())
    assert found[1] < found[0] - 0.3


@torch.no_grad()
def test_calibration(rng):
    images = images_of(rng, 64)
    pyramid = small().transform.analyze(images)
    magnitudes = torch.stack([detail.abs().mean((0, 2, 3)) for detail in pyramid.details])
    sigma = magnitudes.mean().item() / 0.37  # between the two levels
    model = small(mode="elbo", prior="factorised", sigma_x=sigma)
    model.calibrate(images.split(16))
    torch.testing.assert_close(model.prior.details.log_scale.exp(), magnitudes, rtol=1e-5, atol=1e-6)
    assert model.is_laplace.tolist() == [False, True]
    flat = pyramid.approx.flatten(1) / 4
    torch.testing.assert_close(model.prior.approx.mean, flat.mean(0), rtol=1e-4, atol=1e-5)
    factor = model.prior.approx.factor()
    covariance = torch.cov(flat.mT, correction=0)
    assert (factor @ factor.mT - covariance).abs().max() < 2e-3 * covariance.diagonal().mean()
    families = model.encode(images).is_laplace
    assert [bool(flag) for flag in families] == [False, True]


def test_samples(rng):
    for prior in ("factorised", "conditional"):
        model = lively(small(mode="elbo", prior=prior))
        one, two = (model.sample(3, generator=torch.Generator().manual_seed(1)) for _ in range(2))
        assert torch.equal(one, two)
        assert one.shape == (3, 3, 16, 16)
        assert one.isfinite().all()
        assert not torch.equal(one, model.sample(3, generator=rng))
        cold = model.sample(2, temperature=0)
        torch.testing.assert_close(cold[0], cold[1])
    with pytest.raises(ValueError, match="temperature not negative, got 0 and 1"):
        model.sample(0)


@pytest.mark.parametrize("kind", ["factorised", "conditional", "mixture"])
def test_a_prior_after_the_fact(kind, rng):
    model, images = lively(small(noise="level", encoder="residual")), images_of(rng, 32)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="call fit_expost_prior first"):
        model.sample(1)
    model.fit_expost_prior(images.split(16), kind, **({"epochs": 3} if kind == "conditional" else {}), generator=rng)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    drawn = model.sample(32, generator=rng)
    assert drawn.shape == images.shape
    assert 0.3 < (drawn.std() / images.std()).item() < 3
    fitted = model.prior.log_prob(model.encode(images).mean)
    shuffled = model.prior.log_prob(model.encode(images.flip(1).neg()).mean)
    assert fitted.mean() > shuffled.mean()
    if kind == "factorised":
        means = model.encode(images)
        wanted = d.gaussian_mean_magnitude(means.mean.details[0], means.scale.details[0]).mean((0, 2, 3))
        torch.testing.assert_close(model.prior.details.log_scale[0].exp(), wanted, rtol=1e-4, atol=1e-6)
    again = small(noise="level", encoder="residual", prior=kind)
    again.load_state_dict(model.state_dict())
    one, two = (m.sample(2, generator=torch.Generator().manual_seed(1)) for m in (model, again))
    assert torch.equal(one, two)


def test_mixture_finds_clusters(rng):
    model = small(levels=2, widths=(8, 8, 8))
    signs = torch.randint(2, (400, 1, 1, 1), generator=rng) * 2.0 - 1
    images = (0.6 * signs + 0.1 * torch.randn(400, 3, 1, 1, generator=rng)).expand(400, 3, 16, 16)
    exact = model.transform.analyze(images).approx
    prior = model.new_prior("mixture")
    prior.approx.fit(exact, generator=rng)
    drawn = prior.approx.sample(torch.randn(400, 3, 4, 4, generator=rng)).mean((1, 2, 3)) / 4
    assert 0.3 < (drawn > 0).float().mean() < 0.7
    assert ((drawn.abs() - 0.6).abs() < 0.35).float().mean() > 0.95
    with pytest.raises(ValueError, match="needs so many images at least, got 3"):
        prior.approx.fit(exact[:3])


def test_perturbed_images_are_near(rng):
    model, images = small(encoder="residual", decoder="pure"), images_of(rng, 32)
    noisy = model.perturb(images, 0.1, generator=rng)
    assert (noisy - images).square().mean().item() == pytest.approx(0.01, rel=0.05)


def test_enlarged_images_average_to_those_given(rng):
    model = lively(small(mode="elbo"))
    given = images_of(rng, 2, size=4)
    for levels, temperature in ((2, 0.0), (1, 1.0)):
        large = model.super_resolve(given, levels, temperature=temperature, generator=rng)
        assert large.shape == (2, 3, 4 << levels, 4 << levels)
        torch.testing.assert_close(F.avg_pool2d(large, 2**levels), given, rtol=0, atol=1e-5)
        assert large.std() > F.interpolate(given, scale_factor=2**levels).std()
    with pytest.raises(ValueError, match="levels must lie within 1 and 2, got 3"):
        model.super_resolve(given, 3)
    with pytest.raises(ValueError, match="needs prior='conditional' and wavelet='haar'"):
        small(mode="elbo", wavelet="db2").super_resolve(given, 1)


@torch.no_grad()
def test_denoising_is_the_exact_mean(rng):
    model = small(mode="elbo", prior="factorised", decoder="pure")
    images = images_of(rng, 64)
    model.calibrate([images])
    noisy = images + 0.2 * torch.randn(images.shape, generator=rng)
    clean = model.denoise(noisy, 0.2)
    assert (clean - images).square().mean() < 0.5 * (noisy - images).square().mean()
    detail = model.transform.analyze(noisy).details[1]
    scale = model.prior.details.log_scale[1].exp()[:, None, None].expand_as(detail)
    wanted = d.laplace_posterior_mean(detail, torch.tensor(0.2), scale)
    torch.testing.assert_close(model.transform.analyze(clean).details[1], wanted, rtol=1e-4, atol=1e-5)
    conditional = small(mode="elbo", decoder="pure")
    conditional.calibrate([images])
    error = (conditional.denoise(noisy, 0.2) - images).square().mean()
    assert error < 0.5 * (noisy - images).square().mean()
    for model, sigma, sentence in (
        (small(), 0.1, "has no prior"),
        (small(prior="mixture"), 0.1, "needs prior='factorised'"),
        (small(mode="elbo", wavelet="bior2.2"), 0.1, "an orthogonal wavelet"),
        (conditional, 0.0, "sigma must be positive, got 0.0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            model.denoise(noisy, sigma)


def test_the_rate_is_steered(rng):
    model = small(mode="elbo", rate_target=2.0)
    for rate, wanted in ((3.0, math.exp(0.005)), (2.0, math.exp(0.005)), (1.0, 1.0)):
        model.objective.follow_rate(torch.tensor(rate))
        assert model.objective.beta.item() == pytest.approx(wanted, rel=1e-5)
    free = small(mode="elbo")
    free.objective.follow_rate(torch.tensor(9.0))
    assert free.objective.beta == 1


def test_the_noise_of_the_likelihood(rng):
    model = small(mode="elbo", sigma_x=0.05)
    assert model.objective.noise().item() == pytest.approx(0.05)
    with torch.no_grad():
        model.objective.noise.log_excess.fill_(-50)
    assert model.objective.noise().item() == pytest.approx(1 / (128 * math.sqrt(12)))
    fixed = small(mode="elbo", sigma_x=0.05, learn_sigma=False)
    assert fixed.objective.noise().item() == pytest.approx(0.05)
    assert not [name for name, _ in fixed.named_parameters() if "objective" in name]


def test_any_wavelet_and_any_size(rng):
    images = 2 * torch.rand(1, 1, 30, 21, generator=rng) - 1
    padded, size = pad_to_multiple(images, 4)
    for wavelet in ("haar", "sym4", "bior4.4"):
        model = small(in_chans=1, wavelet=wavelet, encoder="residual", decoder="hybrid")
        torch.testing.assert_close(crop(model.reconstruct(padded), size), images, rtol=0, atol=1e-5)
    for constant in (torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)):
        assert model(constant).loss.isfinite()
    with pytest.raises(ValueError, match="multiples of 4"):
        model(images)
    broken = torch.full((1, 1, 16, 16), torch.nan)
    assert model(broken).loss.isnan()


def test_noise_that_is_given(rng):
    for mode in ("paper", "elbo"):
        model = lively(small(mode=mode)).eval()
        images, noise = model.example_input(batch=2)
        one, two = model(images, noise), model(images, noise)
        assert torch.equal(one.recon, two.recon)
        assert torch.equal(one.loss, two.loss)
        assert not torch.equal(one.recon, model(images).recon)
        with pytest.raises(ValueError, match="exclude each other"):
            model(images, noise, generator=rng)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mode": "vae"}, "mode must be one of paper, elbo"),
        ({"encoder": "dwt"}, "encoder must be one of net, residual, analytic"),
        ({"decoder": "linear"}, "decoder must be one of pure, hybrid"),
        ({"mode": "elbo", "posterior": "cauchy"}, "posterior must be one of auto, gauss"),
        ({"mode": "elbo", "sparsity": 0.1}, "sparsity is an option of mode 'paper', and the mode is 'elbo'"),
        ({"sigma_x": 0.1}, "sigma_x is an option of mode 'elbo'"),
        ({"recon": "l1"}, "recon must be one of mse, bce"),
        ({"mode": "elbo", "recon": "bce"}, "recon is an option of mode 'paper'"),
        ({"recon": "bce", "encoder": "analytic"}, "recon='bce' decodes logits"),
        ({"recon": "bce", "recon_domain": "wavelet"}, "recon='bce' decodes logits"),
        ({"prior_order": "DVH"}, "prior_order must be one of independent, HVD"),
        (
            {"mode": "elbo", "prior": "factorised", "prior_order": "HVD"},
            "prior_order is for prior 'conditional', got 'factorised'",
        ),
        ({"noise": "pixel"}, "noise must be scalar or level"),
        ({"noise_init": 0.0}, "noise_init must be positive"),
        ({"sparsity": -1.0}, "must not be negative"),
        ({"approx_weight": 0.1, "noise_on": "details"}, "approx_weight needs noise_on='all'"),
        ({"widths": (8, 8)}, "widths must be 3 numbers for 2 levels"),
        ({"widths": (8, 8, 12)}, "positive multiples of 8"),
        ({"img_size": 18}, "img_size must be one or two multiples of 4"),
        ({"keep_levels": 4}, "keep_levels must lie within 1 and 3, got 4"),
        ({"top_k": 0}, "top_k must be positive"),
        ({"prior": "gmm"}, "prior must be one of factorised, conditional, mixture"),
        ({"mode": "elbo", "prior": "mixture"}, "fitted after training"),
        ({"recon_domain": "wavelet", "wavelet": "bior2.2"}, "needs an orthogonal wavelet.*'bior2.2'"),
        ({"mode": "elbo", "sigma_x": 0.001}, "sigma_x must be above 0.002255"),
        ({"mode": "elbo", "rate_target": 0.0}, "rate_target must be positive"),
        ({"wavelet": "har"}, "har"),
        ({"levels": 0, "widths": (8,)}, "levels must be positive"),
    ],
)
def test_options_that_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        small(**options)


def test_calls_of_the_other_mode(rng):
    images = images_of(rng)
    for call, sentence in (
        (lambda: small().calibrate([images]), "calibrate needs mode='elbo'"),
        (lambda: small(mode="elbo").fit_expost_prior([images], "factorised"), "fit_expost_prior needs mode='paper'"),
        (lambda: small().importance_bound(images, 2), "importance_bound needs mode='elbo'"),
        (lambda: small(mode="elbo").importance_bound(images, 0), "num must be positive, got 0"),
        (lambda: small().rate_bits(images), "rate_bits needs mode='elbo' or top_k"),
        (lambda: small(mode="elbo")(images_of(rng, size=24)), "the prior is one of images of 3x16x16, got 3x24x24"),
        (lambda: small(mode="elbo").calibrate([]), "the loader gave no images"),
        (lambda: small().fit_expost_prior([], "factorised"), "the loader gave no images"),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()


def test_pyramids_are_tuples_for_other_tools(rng):
    model = small()
    mean = model.encode(images_of(rng)).mean
    assert isinstance(mean, Pyramid)
    torch.testing.assert_close(mean.to_coeffs().inverse(), model.transform(mean))


def rectangles(rng: torch.Generator, count: int) -> Tensor:
    """Bytes of three rectangles and noise on 16 x 16 pixels, with the noise of dequantization, in [-1, 1]."""
    images = torch.full((count, 1, 16, 16), 0.5)
    for image in images:
        for _ in range(3):
            top, left, height, width = torch.randint(0, 12, (4,), generator=rng).tolist()
            image[:, top : top + height + 2, left : left + width + 2] = torch.rand((), generator=rng)
    noisy = (images + 0.02 * torch.randn(images.shape, generator=rng)).clamp(0, 1)
    return ((255 * noisy).round() + torch.rand(images.shape, generator=rng)) / 128 - 1


@pytest.mark.slow
def test_a_conditional_prior_is_worth_bits(rng):
    """By at least 0.2 bits per pixel on images with edges."""
    train, test = rectangles(rng, 2048), rectangles(rng, 512)
    bits = {}
    for prior in ("factorised", "conditional"):
        torch.manual_seed(0)
        sizes = {"widths": (16, 24, 32), "prior_width": 16, "prior_blocks": 2}
        model = small(in_chans=1, mode="elbo", prior=prior, posterior="gauss", decoder="pure", **sizes)
        model.calibrate([train])
        optimizer = torch.optim.Adam(model.parameters(), 2e-3)
        for step in range(500):
            optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / 500)
            model.objective.beta.fill_(min(1.0, 0.01 + step / 50))
            batch = train[torch.randint(len(train), (64,), generator=rng)]
            loss = model(batch, generator=rng).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            bits[prior] = model(test, generator=rng).parts["bits_per_dim"].item()
            drawn = model.sample(64, generator=rng)
        assert drawn.isfinite().all()
        assert 0.5 < (drawn.std() / test.std()).item() < 2
    assert bits["conditional"] < bits["factorised"] - 0.2
    assert bits["factorised"] < 7.5


def test_noise_is_removed_from_coefficients_without_what_refines_codes(rng):
    sizes = {"img_size": 16, "levels": 2, "widths": (8, 8, 8), "blocks": 1, "refine_width": 8, "refine_blocks": 1}
    model = WaveletVAE(mode="elbo", prior="factorised", decoder="hybrid", **sizes).eval()
    noisy = torch.rand(2, 3, 16, 16, generator=rng) * 2 - 1
    before = model.denoise(noisy, 0.1)
    for value in model.refine.parameters():
        torch.nn.init.normal_(value, generator=rng)
    assert torch.equal(model.denoise(noisy, 0.1), before)
