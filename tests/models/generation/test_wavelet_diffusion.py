"""Diffusion: schedules and samplers against closed forms, layouts, and that a network learns."""

import math

import pytest
import torch
from torch import Tensor, nn

from subband.models.complexity import count_parameters
from subband.models.generation.band_diffusion import BandDiffusion, previous, sampling_times
from subband.models.generation.diffusion_unet import DiffusionUNet, ImageAttention, TimeEmbedding
from subband.models.generation.schedules import BandSchedule, clean_of, cosine_signal, noise_of, velocity_of
from subband.models.generation.wavelet_diffusion import WaveletDiffusion

# Time, share of signal, its log ratio, then the shares of (gamma, sigma) = (1, .1), (.5, .1), (1, 8).
SCHEDULE = [
    (0.1, 0.972093, 3.55056, 0.258342, 0.776950, 0.999552),
    (0.25, 0.847012, 1.71136, 0.052460, 0.356353, 0.997186),
    (0.5, 0.493844, -0.02463, 0.009662, 0.088894, 0.984238),
    (0.75, 0.144272, -1.78025, 0.001683, 0.016580, 0.915183),
    (0.9, 0.024092, -3.70150, 0.000247, 0.002463, 0.612393),
]
LAYOUTS = {
    "stack": {"base_dims": (32,), "multipliers": ((1, 2),), "attention": ((4,),)},
    "packet": {"layout": "packet", "base_dims": (32,), "multipliers": ((1,),), "attention": ((),)},
    "cascade": {
        "layout": "cascade",
        "levels": 2,
        "base_dims": (32, 32, 32),
        "multipliers": ((1,), (1,), (1, 1)),
        "attention": ((4,), (), ()),
        "dropout": 0.0,
    },
}


def small(layout: str = "stack", **options) -> WaveletDiffusion:
    torch.manual_seed(0)
    return WaveletDiffusion(**{"img_size": 16, **LAYOUTS[layout], **options})


@pytest.mark.parametrize("row", SCHEDULE)
def test_schedules(row):
    time, signal, log_ratio, *shares = row
    times = torch.tensor([time], dtype=torch.float64)
    assert cosine_signal(times).item() == pytest.approx(signal, abs=1e-6)
    assert torch.logit(cosine_signal(times)).item() == pytest.approx(log_ratio, abs=1e-5)
    for share, (gamma, sigma) in zip(shares, ((1.0, 0.1), (0.5, 0.1), (1.0, 8.0)), strict=True):
        found = BandSchedule(1, gamma=gamma)(times, torch.tensor([sigma], dtype=torch.float64))
        assert found.item() == pytest.approx(share, abs=1e-6)


def test_gamma_one_is_diffusion_of_pixels():
    """The ratio of signal to noise is that of white noise on coefficients that were not divided."""
    spread, times = torch.tensor([0.1, 3.0, 8.0], dtype=torch.float64), torch.linspace(0.05, 0.9, 7).double()
    found = BandSchedule(3, gamma=1.0)(times, spread)[..., 0, 0]
    signal = cosine_signal(times)[:, None]
    torch.testing.assert_close(found / (1 - found), spread**2 * signal / (1 - signal))
    ratio = 0.1**2 * 0.37 / 0.63
    assert ratio == pytest.approx(0.00587302, abs=1e-8)
    together = BandSchedule(3, gamma=0.0)(times, spread)[..., 0, 0]
    torch.testing.assert_close(together, signal.expand(-1, 3))
    early = BandSchedule(2, gamma=0.0, shifts=(1.0, -1.0))(times, spread[:2])[..., 0, 0]
    assert (early[:, 0] > together[:, 0]).all()
    assert (early[:, 1] < together[:, 1]).all()


def test_velocities():
    clean, noise, signal = torch.tensor([0.7, -1.1, 0.3], dtype=torch.float64)
    noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
    velocity = velocity_of(clean, noise, signal)
    assert noisy.item() == pytest.approx(-0.536920, abs=1e-6)
    assert velocity.item() == pytest.approx(-1.188157, abs=1e-6)
    torch.testing.assert_close(clean_of(noisy, velocity, signal), clean)
    torch.testing.assert_close(noise_of(noisy, velocity, signal), noise)


class Gaussian(nn.Module):
    """The exact velocity for clean coefficients of N(0, 1): none."""

    def forward(self, noisy: Tensor, times: Tensor) -> Tensor:
        return torch.zeros_like(noisy)


@pytest.mark.parametrize(("steps", "factor"), [(4, 0.72850549), (10, 0.88342683), (50, 0.97556971)])
def test_ddim_shrinks_a_gaussian_as_derived(steps, factor):
    diffusion = BandDiffusion(Gaussian(), BandSchedule(1, gamma=0.0)).double()
    start = torch.tensor([1.0, -0.5], dtype=torch.float64).view(2, 1, 1, 1)
    drawn = diffusion.sample(start, steps=steps)
    torch.testing.assert_close(drawn, factor * start, rtol=1e-4, atol=0)
    angles = [math.acos(math.sqrt(cosine_signal(torch.tensor(time)).item())) for time, _ in sampling_times(steps)]
    product = math.prod(math.cos(a - b) for a, b in zip(angles, [*angles[1:], 0.0], strict=True))
    assert product == pytest.approx(factor, abs=1e-4)


def test_ddpm_keeps_the_spread_of_a_gaussian(rng):
    diffusion = BandDiffusion(Gaussian(), BandSchedule(1, gamma=0.0))
    diffusion.set_statistics(torch.tensor([0.3]), torch.tensor([2.0]))
    drawn = diffusion.sample(torch.randn(4000, 1, 1, 1, generator=rng), steps=50, sampler="ddpm", generator=rng)
    assert drawn.mean().item() == pytest.approx(0.3, abs=0.15)
    assert drawn.std().item() == pytest.approx(2.0, rel=0.07)
    with pytest.raises(ValueError, match="sampler must be one of ddim, ddpm, got 'euler'"):
        diffusion.sample(torch.zeros(1, 1, 1, 1), steps=2, sampler="euler")
    with pytest.raises(ValueError, match="steps must be positive, got 0"):
        diffusion.sample(torch.zeros(1, 1, 1, 1), steps=0)


def test_steps_back_are_those_of_bayes(rng):
    """The posterior of less noisy coefficients, by the product of two Gaussians."""
    now, after = torch.tensor([0.3, 0.7], dtype=torch.float64)
    noisy, clean = torch.randn(2, 5, generator=rng, dtype=torch.float64)
    mean, spread = previous(noisy, clean, now, after)
    step = now / after
    precision = 1 / (1 - after) + step / (1 - step)
    wanted = (after.sqrt() * clean / (1 - after) + step.sqrt() * noisy / (1 - step)) / precision
    torch.testing.assert_close(mean, wanted)
    torch.testing.assert_close(spread, precision.rsqrt())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, rng):
    model, images = small(layout), 2 * torch.rand(3, 3, 16, 16, generator=rng) - 1
    coefficients = model.coefficients(images)
    shapes = {
        "stack": [(12, 8)],
        "packet": [(48, 4)],
        "cascade": [(3, 4), (9, 4), (9, 8)],
    }
    assert [(part.shape[1], part.shape[2]) for part in coefficients] == shapes[layout]
    torch.testing.assert_close(model.images(coefficients), images, rtol=0, atol=1e-5)
    torch.testing.assert_close(sum(part.square().sum() for part in coefficients), images.square().sum())
    model.calibrate(images.split(2))
    for place, (part, values) in enumerate(zip(model.parts, coefficients, strict=True)):
        unit = part.normalized(values)
        chans = 3 if place == 0 else 0
        torch.testing.assert_close(unit[:, :chans].mean((0, 2, 3)), torch.zeros(chans), rtol=0, atol=1e-5)
        torch.testing.assert_close(unit.square().mean((0, 2, 3)), torch.ones(unit.shape[1]), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(part.restored(unit), values, rtol=1e-4, atol=1e-5)
    if layout == "cascade":
        known = model._known(coefficients, 2)
        torch.testing.assert_close(known, nn.functional.avg_pool2d(images, 2), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_calls_and_samples(layout, rng):
    model = small(layout).eval()
    inputs = model.example_input(batch=2)
    one, two = model(*inputs), model(*inputs)
    assert one.recon.shape == (2, 3, 16, 16)
    assert torch.equal(one.loss, two.loss)
    assert len(one.parts) == len(model.parts)
    clean = model(inputs[0], torch.zeros(2), inputs[2])
    torch.testing.assert_close(clean.recon, inputs[0], rtol=0, atol=1e-2)
    for sampler in ("ddim", "ddpm"):
        drawn = [
            model.sample(2, steps=2, sampler=sampler, generator=torch.Generator().manual_seed(1)) for _ in range(2)
        ]
        assert drawn[0].shape == (2, 3, 16, 16)
        assert drawn[0].isfinite().all()
        assert torch.equal(*drawn)
    if layout != "cascade":
        assert model.sample(1, steps=2, clip="image").abs().max() <= 1 + 1e-5
    else:
        with pytest.raises(ValueError, match="clip='image' needs all coefficients"):
            model.sample(1, steps=2, clip="image")


@pytest.mark.parametrize("layout", ["stack", "cascade"])
def test_a_step_lowers_the_loss(layout, rng):
    model = small(layout, dropout=0.0)
    images, times, noise = model.example_input(batch=2)
    model.calibrate([images])
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(3):
        loss = model.eval()(images, times, noise).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[2] < losses[1] < losses[0]
    assert model.train().loss(images, generator=rng).isfinite()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_of_bands(layout, rng):
    """A band that counts alone, and all bands together, are what the errors of the maps say."""
    images = 2 * torch.rand(2, 3, 16, 16, generator=rng) - 1
    counts = {"stack": [4], "packet": [16], "cascade": [1, 3, 3]}[layout]
    plain = small(layout).eval()
    inputs = (images, torch.tensor([0.3, 0.6]), torch.randn(2, 768, generator=rng))
    kept = []
    for part in plain.parts:
        part.register_forward_hook(lambda _, args, out: kept.append(out[0]))
    everything = plain(*inputs).loss
    for place, band in ((0, 0), (len(counts) - 1, counts[-1] - 1)):
        weights = [[0.0] * count for count in counts]
        weights[place][band] = 2.0
        model = small(layout, band_weights=weights).eval()
        alone = 2 * kept[place][:, 3 * band : 3 * band + 3].sum() / images.numel()
        torch.testing.assert_close(model(*inputs).loss, alone)
        assert model(*inputs).parts.keys() == plain(*inputs).parts.keys()
    ones = small(layout, band_weights=[[1.0] * count for count in counts]).eval()
    assert torch.equal(ones(*inputs).loss, everything)
    assert ones.state_dict().keys() == plain.state_dict().keys()


UNETS = [
    (12, 12, 16, 128, (1, 2, 2), (8,), 27_763_596),
    (12, 12, 32, 128, (1, 2, 2), (16, 8), 29_081_996),
    (48, 48, 32, 128, (1, 2, 3), (16, 8), 45_316_400),
    (12, 12, 64, 64, (1, 2, 3, 4), (16, 8), 23_044_684),
    (3, 3, 32, 128, (1, 2, 2), (16, 8), 29_061_251),
    (12, 9, 32, 64, (1, 2, 2), (8,), 6_957_833),
    (12, 9, 64, 64, (1, 2, 2), (), 6_626_313),
]


@pytest.mark.parametrize("row", UNETS)
def test_numbers_of_parameters(row):
    inputs, outputs, side, base, multipliers, attention, wanted = row
    with torch.device("meta"):
        net = DiffusionUNet(inputs, outputs, img_size=side, base_dim=base, multipliers=multipliers, attention=attention)
    assert count_parameters(net) == wanted


def test_a_cascade_has_the_parameters_of_its_networks():
    with torch.device("meta"):
        model = WaveletDiffusion(
            img_size=128,
            layout="cascade",
            levels=2,
            base_dims=(128, 64, 64),
            multipliers=((1, 2, 2),) * 3,
            attention=((16, 8), (8,), ()),
        )
    assert count_parameters(model) == 29_061_251 + 6_957_833 + 6_626_313


def test_times_and_attention(rng):
    embedding = TimeEmbedding(8)
    seen = []
    embedding.layers.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    embedding(torch.tensor([0.25]))
    frequencies = [1 / 10_000 ** (place / 4) for place in range(4)]
    wanted = [math.cos(250 * f) for f in frequencies] + [math.sin(250 * f) for f in frequencies]
    assert seen[0][0].tolist() == pytest.approx(wanted, abs=1e-4)
    attention, x = ImageAttention(128), torch.randn(1, 128, 3, 4, generator=rng)
    assert torch.equal(attention(x), x)
    nn.init.normal_(attention.proj.weight, std=0.1)
    q, k, v = attention.qkv(attention.norm(x)).view(3, 2, 64, 12)
    mixed = torch.einsum("hqk,hdk->hdq", (torch.einsum("hdq,hdk->hqk", q, k) / 8).softmax(-1), v)
    torch.testing.assert_close(attention(x), x + attention.proj(mixed.reshape(1, 128, 3, 4)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"layout": "pyramid"}, "layout must be one of stack, packet, cascade"),
        ({"levels": 2}, "levels is for layout 'cascade'"),
        ({"layout": "cascade"}, "which needs it"),
        ({"img_size": 15}, "img_size must be a multiple of 2"),
        ({"base_dims": (32, 32)}, "of 1 networks each, got 2, 1 and 1"),
        ({"base_dims": (40,)}, "multiples of 32, got"),
        ({"attention": ((5,),)}, "attention must be of the sides"),
        ({"band_weights": ((1.0,),)}, "band_weights must be one number, not negative, for every band: 4 for"),
        ({"band_weights": ((1.0, 1.0, 1.0, -1.0),)}, "band_weights must be one number"),
        ({"gamma": 2.0}, "gamma must lie within 0 and 1"),
    ],
)
def test_options_that_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        WaveletDiffusion(**{"img_size": 16, **LAYOUTS["stack"], **options})


def test_a_loader_without_images():
    with pytest.raises(ValueError, match="the loader gave no images"):
        small().calibrate([])
