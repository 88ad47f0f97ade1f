"""The ordinary autoencoder, and the named sizes of all generators."""

import math

import pytest
import torch

from subband import create_model
from subband.models.complexity import count_parameters
from subband.models.generation.conv_vae import ConvVAE
from subband.models.generation.distributions import kl_gaussian_gaussian
from subband.models.sizes.generation import MODELS

SMALL = {"img_size": 16, "widths": (8, 16), "blocks": 1, "latent_dim": 4}


def small(**options) -> ConvVAE:
    torch.manual_seed(0)
    return ConvVAE(**{**SMALL, **options})


@torch.no_grad()
def test_losses():
    for objective in ("mse", "elbo"):
        model = small(objective=objective, kl_weight=0.5)
        images, noise = model.example_input(batch=3)
        output = model(images, noise)
        mean, log_variance = model.encode(images)
        kl = kl_gaussian_gaussian(mean, (0.5 * log_variance).exp(), torch.zeros(()), torch.ones(())).sum(1).mean()
        recon = model.decode(mean + (0.5 * log_variance).exp() * noise)
        assert torch.equal(output.recon, recon)
        error = (recon - images).square().mean()
        torch.testing.assert_close(output.parts["rate"], kl / (256 * math.log(2)))
        if objective == "mse":
            torch.testing.assert_close(output.loss, error + 0.5 * kl / 768)
        else:
            normal = torch.distributions.Normal(recon, model.noise()).log_prob(images)
            torch.testing.assert_close(output.loss, -normal.mean() + 0.5 * kl / 768)
            wanted = (-normal.mean() + kl / 768) / math.log(2) + 7
            torch.testing.assert_close(output.parts["bits_per_dim"], wanted)
        torch.testing.assert_close(model.reconstruct(images), model.decode(mean))


@torch.no_grad()
def test_many_samples_near_the_exact_likelihood(rng):
    """A latent of one number can be integrated out on a grid."""
    model = small(objective="elbo", img_size=2, widths=(8, 8), latent_dim=1, in_chans=1).double().eval()
    images = 0.3 * torch.randn(2, 1, 2, 2, generator=rng, dtype=torch.float64)
    grid = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
    normal = torch.distributions.Normal(0.0, 1.0)
    fit = torch.distributions.Normal(model.decode(grid), model.noise()).log_prob(images[:, None]).flatten(2).sum(2)
    exact = (fit + normal.log_prob(grid[:, 0])).logsumexp(1) + (grid[1, 0] - grid[0, 0]).log()
    repeated = images.repeat_interleave(400, 0)
    loose = model.importance_bound(repeated, 1, generator=rng).view(2, -1)
    plain = -(model(repeated, generator=rng).parts["bits_per_dim"] - 7) * math.log(2) * 4
    assert (loose.mean() - plain).abs() < 4 * 2 * loose.std() / math.sqrt(800)
    tight = model.importance_bound(images, 2000, generator=rng)
    torch.testing.assert_close(tight, exact, rtol=0, atol=0.05)
    assert (loose.mean(1) < exact - 0.1).all()
    for options, num, sentence in (({}, 2, "needs objective='elbo'"), ({"objective": "elbo"}, 0, "num must be posit")):
        with pytest.raises(ValueError, match=sentence):
            small(**options).importance_bound(images, num)


def test_samples():
    model = small()
    one, two = (model.sample(3, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == (3, 3, 16, 16)
    cold = model.sample(2, temperature=0)
    assert torch.equal(cold[0], cold[1])
    with pytest.raises(ValueError, match="num must be positive"):
        model.sample(0)


def test_bad_input(rng):
    model = small()
    with pytest.raises(ValueError, match=r"images must be \(B, 3, 16, 16\), got \(1, 3, 32, 16\)"):
        model(torch.rand(1, 3, 32, 16))
    images, noise = model.example_input()
    with pytest.raises(ValueError, match="exclude each other"):
        model(images, noise, generator=rng)
    for options, sentence in (
        ({"objective": "bce"}, "objective must be one of mse, elbo, got 'bce'"),
        ({"img_size": 15}, "img_size must be a multiple of 2, got 15"),
        ({"widths": (8, 10)}, "positive multiples of 8"),
    ):
        with pytest.raises(ValueError, match=sentence):
            small(**options)


def test_named_sizes():
    """Networks and baselines match within one percent; the smallest fits into 6 MB."""
    with torch.device("meta"):
        counts = {name: count_parameters(create_model(name)) for name in MODELS}
    assert counts == {name: spec.params for name, spec in MODELS.items()}
    assert counts["wavelet_vae_s"] == 1_361_985 + 1  # and the noise scale
    assert counts["wavelet_vae_e"] == 4_083_141 + 1  # and the noise of the likelihood
    for size in ("s", "e"):
        assert counts[f"conv_vae_{size}"] / counts[f"wavelet_vae_{size}"] == pytest.approx(1, abs=0.01)
    assert 4 * counts["wavelet_vae_xs"] < 6e6


def test_parts_have_the_parameters_stated():
    with torch.device("meta"):
        s, e = create_model("wavelet_vae_s"), create_model("wavelet_vae_e")
        b = create_model("wavelet_vae_b")
    assert count_parameters(s.encoder) == 1_285_662
    assert count_parameters(b.encoder) == 5_078_046
    assert count_parameters(e.encoder) == 2_832_384
    assert count_parameters(s.refine) == 76_323
    assert count_parameters(b.refine) == 300_099
    assert [count_parameters(net) for net in e.prior.details.nets] == [234_642] * 5
    assert count_parameters(e.prior.approx) == 48 + 48 + 1128
