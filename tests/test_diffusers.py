"""A Wavelet-VAE where diffusers expects an autoencoder, and its schedulers for wavelet diffusion."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from subband.diffusers import AutoencoderForDiffusers
from subband.models.generation.band_diffusion import BandDiffusion
from subband.models.generation.schedules import BandSchedule
from subband.models.generation.wavelet_diffusion import WaveletDiffusion
from subband.models.generation.wavelet_vae import WaveletVAE


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers")


def small(**options: Any) -> WaveletVAE:
    torch.manual_seed(0)
    sizes = {"img_size": 16, "levels": 2, "widths": (8, 8, 16), "blocks": 1, "refine_width": 8, "refine_blocks": 1}
    model = WaveletVAE(**{**sizes, "prior_width": 8, "prior_blocks": 1, **options})
    for value in model.parameters():
        if not value.any():
            nn.init.normal_(value, std=0.05)
    return model.eval()


def calibrated(rng: torch.Generator, **options: Any) -> tuple[WaveletVAE, Tensor]:
    images = (torch.rand(8, 3, 16, 16, generator=rng) * 2 - 1).cumsum(-1).clamp(-1, 1)
    model = small(mode="elbo", **options)
    model.calibrate([images])
    return model, images


@torch.no_grad()
@pytest.mark.parametrize(("keep", "channels"), [(1, 48), (2, 12), (3, 3)])
def test_codes_are_maps(keep, channels, rng):
    model, images = calibrated(rng, keep_levels=keep)
    autoencoder = AutoencoderForDiffusers(model, scaling_factor=0.5)
    code = autoencoder.encode(images).latent_dist
    assert code.mode().shape == code.std.shape == (8, channels, 4, 4)
    posterior = model.encode(images)
    torch.testing.assert_close(code.mode()[:, :3], posterior.mean.approx / model.units.approx)
    if keep == 1:  # a finer band of one color: the four coefficients of a block are neighbors among the channels
        band = posterior.mean.details[1] / model.units.details[1]
        torch.testing.assert_close(code.mode()[:, 12:16, 1, 2], band[:, 0, 2:4, 4:6].flatten(1))
        assert 0.3 < code.mode().std() < 3
    torch.testing.assert_close(autoencoder.decode(code.mode()).sample, model.reconstruct(images))
    torch.testing.assert_close(autoencoder(images).sample, autoencoder.decode(code.mode(), return_dict=False)[0])
    assert autoencoder.config.scaling_factor == autoencoder.config["scaling_factor"] == 0.5
    assert autoencoder.config.latent_channels == channels
    assert 2 ** (len(autoencoder.config.block_out_channels) - 1) == 4
    assert not hasattr(autoencoder.config, "no_such_setting")


@torch.no_grad()
@pytest.mark.parametrize("family", ["gauss", "laplace", "auto", "gauss_shared"])
def test_codes_are_drawn_with_the_spread_that_is_said(family, rng):
    model, images = calibrated(rng, posterior=family)
    autoencoder = AutoencoderForDiffusers(model)
    code = autoencoder.encode(images[:1].expand(2000, -1, -1, -1)).latent_dist
    one, two = (code.sample(torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, code.sample(rng))
    torch.testing.assert_close(one.mean(0), code.mode()[0], rtol=0, atol=0.15 * code.std.max().item())
    assert ((one.std(0) / code.std[0]) - 1).abs().max() < 0.15
    drawn = autoencoder(images, sample_posterior=True, generator=torch.Generator().manual_seed(4)).sample
    again = autoencoder.encode(images).latent_dist.sample(torch.Generator().manual_seed(4))
    torch.testing.assert_close(drawn, autoencoder.decode(again).sample)


def test_tiling_changes_no_number(rng):
    autoencoder = AutoencoderForDiffusers(calibrated(rng)[0])
    large = torch.rand(1, 3, 160, 32, generator=rng)
    plain = autoencoder(large).sample
    assert plain.requires_grad
    autoencoder.enable_tiling()
    tiled = autoencoder(large).sample
    torch.testing.assert_close(tiled, plain, rtol=0, atol=1e-5)
    assert not tiled.requires_grad
    autoencoder.disable_tiling()
    assert torch.equal(autoencoder(large).sample, plain)


def test_bad_codes_and_images():
    autoencoder = AutoencoderForDiffusers(small())
    with pytest.raises(ValueError, match=r"codes must be \(B, 48, h, w\), got \(1, 12, 4, 4\)"):
        autoencoder.decode(torch.zeros(1, 12, 4, 4))
    with pytest.raises(ValueError, match="multiples of 4"):
        autoencoder.encode(torch.zeros(1, 3, 15, 16))
    with pytest.raises(ValueError, match="scaling_factor must be positive, got 0"):
        AutoencoderForDiffusers(small(), scaling_factor=0)


def test_a_pipeline_decodes_what_it_draws(diffusers):
    torch.manual_seed(0)
    autoencoder = AutoencoderForDiffusers(small(keep_levels=2), scaling_factor=0.5)
    seen, decode = [], autoencoder.decode
    autoencoder.decode = lambda z, **options: seen.append(z) or decode(z, **options)  # type: ignore[method-assign]
    transformer = diffusers.DiTTransformer2DModel(
        **{"num_attention_heads": 2, "attention_head_dim": 4, "in_channels": 12, "out_channels": 12, "num_layers": 1},
        **{"sample_size": 4, "patch_size": 2, "num_embeds_ada_norm": 1000, "norm_elementwise_affine": False},
    )
    pipeline = diffusers.DiTPipeline(transformer, autoencoder, diffusers.DDIMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    found = pipeline([1, 2], guidance_scale=1.0, num_inference_steps=2, output_type="pt").images
    assert seen[0].shape == (2, 12, 4, 4)
    torch.testing.assert_close(found, (decode(seen[0]).sample.detach() / 2 + 0.5).clamp(0, 1))


PLAIN = {"gamma": 0.0, "dropout": 0.0, "base_dims": (32,), "multipliers": ((1,),), "attention": ((),)}


def lively_diffusion(rng: torch.Generator, **options: Any) -> WaveletDiffusion:
    torch.manual_seed(0)
    model = WaveletDiffusion(img_size=8, **{**PLAIN, **options}).eval()
    for value in model.parameters():
        if not value.any():
            nn.init.normal_(value, std=0.02)
    model.calibrate([torch.rand(8, 3, 8, 8, generator=rng) * 2 - 1])
    return model


CASCADE = {"layout": "cascade", "levels": 1, "base_dims": (32, 32), "multipliers": ((1,),) * 2, "attention": ((),) * 2}


@pytest.mark.parametrize("options", [{}, CASCADE])
@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "sample"])
def test_a_scheduler_draws_what_ours_does(options, prediction, diffusers, rng):
    model = lively_diffusion(rng, **options)
    scheduler = diffusers.DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", timestep_spacing="trailing", clip_sample=False, prediction_type=prediction
    )
    ours = model.sample(2, steps=10, generator=torch.Generator().manual_seed(1))
    theirs = model.sample(2, steps=10, sampler=scheduler, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(theirs, ours, rtol=0, atol=0.02 * ours.std().item())


class Gaussian(nn.Module):
    """The exact velocity for clean coefficients of N(0, 1): none."""

    def forward(self, noisy: Tensor, times: Tensor) -> Tensor:
        return torch.zeros_like(noisy)


@pytest.mark.parametrize(
    "name",
    ["DDPMScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler"],
)
def test_schedulers_of_every_kind_keep_a_gaussian(name, diffusers, rng):
    diffusion = BandDiffusion(Gaussian(), BandSchedule(1, gamma=0.0))  # type: ignore[arg-type]
    diffusion.set_statistics(torch.tensor([0.3]), torch.tensor([2.0]))
    limits = {"clip_sample": False} if name == "DDPMScheduler" else {}
    scheduler = getattr(diffusers, name)(prediction_type="v_prediction", **limits)
    drawn = diffusion.sample(torch.randn(4000, 1, 1, 1, generator=rng), steps=40, sampler=scheduler, generator=rng)
    assert drawn.mean().item() == pytest.approx(0.3, abs=0.15)
    assert drawn.std().item() == pytest.approx(2.0, rel=0.1)


def test_schedulers_that_do_not_fit_are_refused(diffusers, rng):
    model, scheduler = lively_diffusion(rng), diffusers.DDIMScheduler(clip_sample=False)
    for options in ({"gamma": 0.5}, {"shift": 1.0}):
        with pytest.raises(ValueError, match="train it with gamma=0 and shift=0, or take sampler 'ddim' or 'ddpm'"):
            lively_diffusion(rng, **options).sample(1, sampler=scheduler)
    for wrong, sentence in (
        (diffusers.DDIMScheduler(), "make it with clip_sample=False"),
        (diffusers.FlowMatchEulerDiscreteScheduler(), "a scheduler of diffusers with alphas_cumprod"),
        (3, r"a scheduler of diffusers with alphas_cumprod .* got int"),
    ):
        with pytest.raises(ValueError, match=sentence):
            model.sample(1, sampler=wrong)
    with pytest.raises(ValueError, match="steps must be positive"):
        model.sample(1, sampler=scheduler, steps=0)
    second = small(prior="diffusion", diffusion=PLAIN)
    drawn = second.sample(1, steps=2, sampler=diffusers.DDIMScheduler(clip_sample_range=10.0))
    assert drawn.shape == (1, 3, 16, 16)
    assert math.isfinite(drawn.sum().item())
