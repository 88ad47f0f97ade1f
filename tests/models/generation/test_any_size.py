"""Large images: in strips the same numbers, in tiles without seams; diffusion that begins at noisy images."""

import pytest
import torch

from subband.models.generation.band_diffusion import BandDiffusion
from subband.models.generation.conv_vae import ConvVAE
from subband.models.generation.diffusion_denoising import denoised
from subband.models.generation.diffusion_unet import DiffusionUNet
from subband.models.generation.schedules import BandSchedule, cosine_signal, cosine_time
from subband.models.generation.strips import in_strips
from subband.models.generation.tiles import over_tiles
from subband.models.generation.wavelet_diffusion import WaveletDiffusion
from subband.models.generation.wavelet_vae import WaveletVAE


def lively(model):
    for value in model.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.1)
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("options", [{"mode": "paper"}, {"mode": "elbo", "keep_levels": 2}, {"encoder": "residual"}])
@pytest.mark.parametrize("rows", [1, 7, 16, 500])
def test_strips_change_nothing(options, rows, rng):
    torch.manual_seed(0)
    sizes = {"levels": 2, "widths": (8, 8, 16), "blocks": 2, "refine_width": 8, "refine_blocks": 2, "prior_width": 8}
    model = lively(WaveletVAE(img_size=16, **sizes, **options))
    images = torch.rand(2, 3, 36, 52, generator=rng) * 2 - 1
    plain = model.reconstruct(images)
    with in_strips(model, rows):
        torch.testing.assert_close(model.reconstruct(images), plain, rtol=0, atol=1e-5)
    assert torch.equal(model.reconstruct(images), plain)


def test_strips_end_with_the_block_whatever_happens():
    model = ConvVAE(img_size=16, widths=(8, 8), blocks=1, latent_dim=4)
    before = {name: module.forward for name, module in model.named_modules()}
    with in_strips(model):
        assert any("forward" in vars(module) for module in model.modules())
    with pytest.raises(ZeroDivisionError), in_strips(model):
        raise ZeroDivisionError
    assert {name: module.forward for name, module in model.named_modules()} == before
    with pytest.raises(ValueError, match="rows must be positive, got 0"), in_strips(model, 0):
        pass


@pytest.mark.parametrize(("height", "width"), [(8, 12), (20, 31), (5, 40), (3, 3)])
@pytest.mark.parametrize("overlap", [0, 3, 7, None])
def test_tiles_leave_what_is_left_alone(height, width, overlap, rng):
    images = torch.rand(2, 3, height, width, generator=rng, dtype=torch.float64)
    seen = []

    def function(tiles):
        seen.append(tuple(tiles.shape[1:]))
        return tiles

    torch.testing.assert_close(over_tiles(images, (8, 12), function, overlap=overlap), images)
    assert set(seen) == {(3, 8, 12)}


def test_tiles_fade_into_each_other():
    """Tiles that disagree by a constant leave no step larger than their fading."""

    def by_place(tiles):
        return torch.arange(len(tiles), dtype=tiles.dtype).view(-1, 1, 1, 1).expand_as(tiles)

    row = over_tiles(torch.zeros(1, 1, 8, 12), (8, 8), by_place, overlap=4)[0, 0, 0]
    assert torch.equal(row[:4], torch.zeros(4))
    assert torch.equal(row[-4:], torch.ones(4))
    assert row.diff().max() < 0.3
    with pytest.raises(ValueError, match="overlap must lie within 0 and 7, got 8"):
        over_tiles(torch.zeros(1, 1, 8, 8), (8, 8), by_place, overlap=8)


def test_times_are_the_inverse_of_the_schedule():
    times = torch.tensor([0.0, 0.1, 0.5, 0.9], dtype=torch.float64)
    torch.testing.assert_close(cosine_time(cosine_signal(times)), times, rtol=0, atol=1e-6)
    schedule, spread = BandSchedule(3, gamma=0.5, shifts=[0.0, 1.0, -1.0]), torch.tensor([0.1, 1.0, 4.0])
    noise = torch.tensor([2.0, 0.3, 0.05])
    found = schedule.times_of(noise, spread)
    shares = torch.stack([schedule(found[[k]], spread)[0, k, 0, 0] for k in range(3)])
    torch.testing.assert_close(((1 - shares) / shares).sqrt(), noise, rtol=1e-3, atol=0)


class Exact(torch.nn.Module):
    """The velocity of coefficients that are independent and standard normal: the best there is."""

    def __init__(self, schedule, spread):
        super().__init__()
        self.schedule, self.spread = schedule, spread

    def forward(self, noisy, times):
        signal = self.schedule(times, self.spread)
        clean = signal.sqrt() * noisy  # the mean of what is likely
        return (signal.sqrt() * noisy - clean) / (1 - signal).sqrt()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
def test_one_step_with_the_best_network_is_the_wiener_filter(gamma, rng):
    spread = torch.tensor([0.05, 0.5, 3.0])
    part = BandDiffusion(
        DiffusionUNet(3, 3, base_dim=32, multipliers=(1,), attention=(), img_size=64), BandSchedule(3, gamma=gamma)
    )
    part.set_statistics(torch.zeros(3), spread)
    part.net = Exact(part.schedule, spread)
    clean = spread[:, None, None] * torch.randn(1, 3, 64, 64, generator=rng)
    observed = clean + 0.3 * torch.randn(clean.shape, generator=rng)
    wiener = observed * (spread**2 / (spread**2 + 0.3**2))[:, None, None]
    found = denoised(part, observed, 0.3, steps=1, generator=rng)
    if gamma == 1:  # all bands join at once
        torch.testing.assert_close(found, wiener, rtol=1e-3, atol=1e-4)
    many = denoised(part, observed, 0.3, steps=200, generator=rng)
    best = (wiener - clean).square().mean((0, 2, 3))
    # Many steps draw what is likely instead of its mean: never more than twice the smallest error.
    assert ((many - clean).square().mean((0, 2, 3)) < 2.15 * best).all()
    assert ((many - clean).square().mean((0, 2, 3)) < 1.1 * (observed - clean).square().mean((0, 2, 3))).all()


@pytest.mark.parametrize("layout", ["stack", "cascade"])
def test_denoising_keeps_images_with_hardly_any_noise(layout, rng):
    networks = {"stack": 1, "cascade": 2}[layout]
    sizes = {"base_dims": (32,) * networks, "multipliers": ((1,),) * networks, "attention": ((),) * networks}
    torch.manual_seed(0)
    model = lively(WaveletDiffusion(img_size=8, layout=layout, levels=1 if networks == 2 else None, **sizes))
    images = torch.rand(2, 3, 8, 8, generator=rng) * 2 - 1
    model.calibrate([images])
    one, other = (model.denoise(images, 1e-3, steps=2, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    torch.testing.assert_close(one, images, rtol=0, atol=0.02)
    torch.testing.assert_close(one, model.denoise(images, 1e-3, steps=2, generator=torch.Generator().manual_seed(0)))
    assert not torch.equal(one, other)


def test_bad_denoising_is_refused():
    sizes = {"base_dims": (32,), "multipliers": ((1,),), "attention": ((),)}
    model = WaveletDiffusion(img_size=8, **sizes)
    with pytest.raises(ValueError, match="sigma must be positive, got 0"):
        model.denoise(torch.zeros(1, 3, 8, 8), 0.0)
    with pytest.raises(ValueError, match="steps must be positive, got 0"):
        model.denoise(torch.zeros(1, 3, 8, 8), 0.1, steps=0)
    with pytest.raises(ValueError, match=r"needs an orthogonal wavelet, got 'bior2\.2'"):
        WaveletDiffusion(img_size=8, wavelet="bior2.2", **sizes).denoise(torch.zeros(1, 3, 8, 8), 0.1)
