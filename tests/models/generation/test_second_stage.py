"""The diffusion of a Wavelet-VAE: what it draws, what it leaves alone, how it is stored."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.models.checkpoint import load_model, save_model
from subband.models.generation.pyramid import Pyramid, PyramidTransform
from subband.models.generation.second_stage import maps_of, pyramid_of
from subband.models.generation.wavelet_diffusion import WaveletDiffusion
from subband.models.generation.wavelet_vae import WaveletVAE
from subband.models.registry import create_model

SIZES: dict[str, Any] = {"base_dims": [32], "multipliers": [[1]], "attention": [[]], "dropout": 0.0}
PACKET = {**SIZES, "layout": "packet"}
CASCADE = {
    **{"layout": "cascade", "levels": 2, "base_dims": [32] * 3, "multipliers": [[1]] * 3, "attention": [[]] * 3},
    "dropout": 0.0,
}
SMALL: dict[str, Any] = {
    **{"img_size": 16, "levels": 2, "widths": (8, 8, 16), "blocks": 1, "refine_width": 8, "refine_blocks": 1},
    **{"prior_width": 8, "prior_blocks": 1},
}
MODES = ("paper", "elbo")


def small(**options: Any) -> WaveletVAE:
    torch.manual_seed(0)
    return WaveletVAE(**{**SMALL, **options})


def images_of(rng: torch.Generator, count: int = 8) -> Tensor:
    smooth = F.interpolate(torch.rand(count, 3, 4, 4, generator=rng), (16, 16), mode="bilinear")
    return (2 * smooth - 1 + 0.05 * torch.randn(count, 3, 16, 16, generator=rng)).clamp(-1, 1)


def state(model: torch.nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_coefficients_as_images_and_back(wavelet, rng):
    transform, images = PyramidTransform(levels=3, wavelet=wavelet), torch.rand(2, 3, 16, 16, generator=rng)
    whole = transform.analyze(images)
    torch.testing.assert_close(maps_of(transform, whole), images)
    for levels in (0, 1, 3):
        part = Pyramid(whole.approx, whole.details[:levels])
        maps = maps_of(transform, part)
        assert maps.shape[-1] == 16 >> (3 - levels)
        again = pyramid_of(transform, maps, levels)
        torch.testing.assert_close(again.to_vector(), part.to_vector())
        if wavelet == "haar" and levels:
            torch.testing.assert_close(maps, F.avg_pool2d(images, 2 ** (3 - levels)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sizes", [SIZES, PACKET, CASCADE])
def test_images_are_drawn_by_the_diffusion_and_refined(mode, sizes):
    model = small(mode=mode, prior="diffusion", diffusion=sizes)
    torch.nn.init.normal_(model.refine.body[-1][-1].weight, std=0.1)
    options = {"steps": 3, "sampler": "ddpm"}
    drawn = model.sample(2, generator=torch.Generator().manual_seed(1), **options)
    maps = model.diffusion.sample(2, generator=torch.Generator().manual_seed(1), **options)
    wanted = maps + model.refine(maps)
    torch.testing.assert_close(drawn, wanted)
    assert not torch.allclose(wanted, maps)
    one, two = (model.sample(2, generator=torch.Generator().manual_seed(2), steps=2) for _ in range(2))
    assert torch.equal(one, two)


def test_levels_that_are_not_coded_are_not_drawn(rng):
    for keep, side in ((2, 8), (3, 4)):
        for mode in MODES:
            model = small(mode=mode, prior="diffusion", diffusion=SIZES, keep_levels=keep)
            assert model.code_maps(images_of(rng)).shape == (8, 3, side, side)
            assert model.diffusion.img_size == side
            assert model.sample(2, steps=2).shape == (2, 3, 16, 16)


def test_the_likelihood_is_that_without_a_diffusion(rng):
    images, noise = images_of(rng), torch.randn(8, 768, generator=rng)
    plain, second = small(mode="elbo"), small(mode="elbo", prior="diffusion", diffusion=SIZES)
    assert not {key for key in plain.state_dict() if not torch.equal(plain.state_dict()[key], second.state_dict()[key])}
    for name, value in plain(images, noise).parts.items():
        assert torch.equal(second(images, noise).parts[name], value), name
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    assert plain.rate_bits(images, generator=seeds[0]) == second.rate_bits(images, generator=seeds[1])
    assert torch.equal(plain.denoise(images, 0.1), second.denoise(images, 0.1))
    assert torch.equal(plain.super_resolve(images, 1), second.super_resolve(images, 1))


@pytest.mark.parametrize("mode", MODES)
def test_the_second_stage_leaves_the_autoencoder_alone(mode, rng):
    model, images = small(mode=mode, prior="diffusion", diffusion=SIZES), images_of(rng)
    model.calibrate_diffusion(images.split(4))
    coded = model.diffusion.coefficients(model.code_maps(images))[0]
    torch.testing.assert_close(
        model.diffusion.parts[0].spread[3:], coded[:, 3:].square().mean((0, 2, 3)).sqrt(), rtol=1e-3, atol=1e-4
    )
    output = model.diffuse(images, generator=torch.Generator().manual_seed(1))
    wanted = model.diffusion(model.code_maps(images), generator=torch.Generator().manual_seed(1))
    assert torch.equal(output.loss, wanted.loss)
    assert torch.equal(output.recon, wanted.recon)
    output.loss.backward()
    moved = {name.split(".")[0] for name, value in model.named_parameters() if value.grad is not None}
    assert moved == {"diffusion"}
    with pytest.raises(ValueError, match=r"has no diffusion; make it with prior='diffusion'"):
        small(mode=mode).diffuse(images)
    with pytest.raises(ValueError, match=r"has no diffusion"):
        small(mode=mode).calibrate_diffusion([images])


@pytest.mark.parametrize("mode", MODES)
def test_a_diffusion_after_the_fact(mode, rng, tmp_path):
    torch.manual_seed(0)
    args = {**SMALL, "mode": mode, "encoder": "residual"}
    model, images = create_model("wavelet_vae_xs", **args), images_of(rng, 32)
    if mode == "paper":
        model.fit_expost_prior([images], "factorised", generator=rng)
    before = {key: value for key, value in state(model).items() if mode == "elbo" or not key.startswith("prior.")}
    options = {"epochs": 20, "lr": 4e-3, "diffusion": SIZES}
    model.fit_expost_prior(images.split(16), "diffusion", generator=torch.Generator().manual_seed(0), **options)
    after = model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert {key.split(".")[0] for key in after.keys() - before.keys()} == {"diffusion"}
    drawn = model.sample(32, steps=10, generator=rng)
    assert 0.7 < (drawn.std() / images.std()).item() < 1.4
    rough, wanted, noise = (
        (x / x.std()).diff(dim=-1).abs().mean().item() for x in (drawn, images, torch.randn(32, 3, 16, 16))
    )
    assert rough < 0.5 * (wanted + noise)  # nearer to the images than to white noise
    again = load_model(save_model(model, tmp_path / "model"))
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    assert torch.equal(
        again.sample(2, steps=9, generator=seeds[0]), model.eval().sample(2, steps=9, generator=seeds[1])
    )
    losses = [again.diffuse(images, generator=torch.Generator().manual_seed(5)).loss.item()]
    again.fit_expost_prior(images.split(16), "diffusion", epochs=10, lr=1e-3)  # trains on
    losses.append(again.diffuse(images, generator=torch.Generator().manual_seed(5)).loss.item())
    assert losses[1] < losses[0]
    if mode == "paper":
        again.fit_expost_prior([images], "factorised")
        assert again.diffusion is None
        assert load_model(save_model(again, tmp_path / "other")).sample(1, temperature=0.5).shape == (1, 3, 16, 16)


def test_the_same_seed_trains_the_same_diffusion(rng):
    images, found = images_of(rng), []
    for _ in range(2):
        model = small(prior="diffusion", diffusion=CASCADE)
        model.fit_expost_prior([images], "diffusion", epochs=2, generator=torch.Generator().manual_seed(4))
        found.append(state(model))
    assert all(torch.equal(found[0][key], value) for key, value in found[1].items())


def test_weights_of_a_first_stage_and_of_a_diffusion_of_images(rng):
    for mode, extra in (("elbo", {}), ("paper", {"prior": "conditional"})):
        first, second = small(mode=mode, **extra), small(mode=mode, prior="diffusion", diffusion=PACKET)
        with torch.no_grad():
            for value in first.parameters():
                value.add_(0.1)
        fresh = state(second.diffusion)
        second.take_autoencoder(first)
        images = images_of(rng)
        assert torch.equal(first.reconstruct(images), second.reconstruct(images))
        assert all(torch.equal(second.diffusion.state_dict()[key], value) for key, value in fresh.items())
        if mode == "elbo":
            assert torch.equal(first.denoise(images, 0.1), second.denoise(images, 0.1))
    plain = WaveletDiffusion(img_size=16, **PACKET)
    second.diffusion.load_state_dict(plain.state_dict())
    for other, sentence in (
        (small(widths=(8, 8, 8)), r"another autoencoder: weights such as encoder\.trunk"),
        (small(mode="elbo"), r"another autoencoder: weights such as"),
        (small(wavelet="db2"), r"another autoencoder: its wavelet differs"),
    ):
        with pytest.raises(ValueError, match=sentence):
            second.take_autoencoder(other)


def test_options_that_are_refused(rng):
    images = images_of(rng)
    for options, sentence in (
        ({"prior": "gaussian"}, "prior must be one of factorised, conditional, mixture, diffusion, got 'gaussian'"),
        ({"diffusion": SIZES}, "diffusion holds arguments of prior 'diffusion', got prior None"),
        ({"prior": "diffusion", "diffusion": {"img_size": 8}}, "diffusion has no argument 'img_size'; it takes layout"),
        ({"prior": "diffusion", "img_size": (16, 32)}, "needs square images, got img_size 16 x 32"),
        ({"prior": "diffusion", "diffusion": {"attention": [[5]]}}, "attention must be of the sides"),
    ):
        with pytest.raises(ValueError, match=sentence):
            small(**options)
    model, bound = small(prior="diffusion", diffusion=SIZES), small(mode="elbo")
    for call, sentence in (
        (lambda: model.sample(2, temperature=0.5), r"prior='diffusion' has no temperature; leave it at 1, not 0.5"),
        (lambda: model.sample(2, steps=0), r"steps must be positive, got 0"),
        (lambda: model.sample(0), r"num must be positive, got 0"),
        (lambda: model.sample(2, sampler="euler"), r"sampler must be one of ddim, ddpm"),
        (lambda: model.denoise(images, 0.1), r"prior='diffusion' of mode 'paper' draws images and does nothing else"),
        (lambda: bound.sample(2, steps=4), r"steps and sampler are for prior='diffusion'"),
        (lambda: bound.sample(2, sampler="ddim"), r"steps and sampler are for prior='diffusion'"),
        (lambda: bound.fit_expost_prior([images], "mixture"), r"mode 'elbo' learns its prior"),
        (lambda: model.fit_expost_prior([images], "mixture", diffusion=SIZES), r"got kind 'mixture'; leave it out"),
        (lambda: model.fit_expost_prior([], "diffusion"), r"the loader gave no images"),
        (
            lambda: small(mode="elbo", prior="factorised").fit_expost_prior([images], "diffusion", diffusion=SIZES),
            r"stands beside prior='conditional' alone",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()
