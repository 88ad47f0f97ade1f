"""The Wavelet-VAE of clips: reference values of its transform, its sizes, its bound, and what it refuses."""

import math

import numpy as np
import pytest
import pywt
import torch

from subband.models.generation.distributions import kl_gaussian_full, kl_gaussian_laplace, normal_cost
from subband.models.generation.objectives import BITS_OF_BYTES
from subband.models.generation.pyramid import Pyramid
from subband.models.generation.video_pyramid import ClipTransform
from subband.models.generation.video_vae import WaveletVideoVAE
from subband.models.registry import create_model

SMALL = {"in_chans": 1, "num_frames": 8, "img_size": 16, "levels": 2, "time_levels": 2, "widths": (8, 8, 8)}
SMALL |= {"prior_width": 8, "prior_blocks": 1}
KEYS = ("aad", "ada", "add", "daa", "dad", "dda", "ddd")


def small(**changes):
    torch.manual_seed(0)
    return WaveletVideoVAE(**{**SMALL, **changes})


def clips(rng, count=3, frames=8, channels=1, side=16):
    """Bright squares that move over a dark ground, in [-1, 1]."""
    found = torch.full((count, frames, channels, side, side), -0.8)
    for clip in found:
        top, left = torch.randint(0, side // 2, (2,), generator=rng).tolist()
        for time in range(frames):
            clip[time, :, top : top + 5, (left + time) % side : (left + time) % side + 5] = 0.6
    return found + 0.05 * torch.randn(found.shape, generator=rng)


def test_the_reference_block():
    block = torch.tensor([[[(4.0 * t + 2 * h + w) ** 2 for w in (0, 1)] for h in (0, 1)] for t in (0, 1)])
    pyramid = ClipTransform(levels=1, time_levels=1).double().analyze(block.double()[None, :, None])
    assert pyramid.approx.item() == pytest.approx(49.497475, abs=1e-6)
    wanted = [-9.899495, -19.798990, 2.828427, -39.597980, 5.656854, 11.313708, 0]
    assert pyramid.details[0].flatten().tolist() == pytest.approx(wanted, abs=1e-6)


def test_bands_are_those_of_pywavelets_channel_by_channel(rng):
    video = torch.randn(1, 4, 2, 8, 8, generator=rng, dtype=torch.float64)
    pyramid = ClipTransform(levels=2, time_levels=1).analyze(video)
    for channel in range(2):
        volume = video[0, :, channel].numpy()
        bands = pywt.dwtn(volume, "haar", "periodization")
        for place, key in enumerate(KEYS):
            np.testing.assert_allclose(pyramid.details[1][0, 2 * place + channel], bands[key], atol=1e-12)
        coarser = pywt.dwtn(bands["aaa"], "haar", "periodization", axes=(1, 2))  # frame by frame
        for place, key in enumerate(("ad", "da", "dd")):
            np.testing.assert_allclose(pyramid.details[0][0, 2 * place + channel], coarser[key], atol=1e-12)
        np.testing.assert_allclose(pyramid.approx[0, channel], coarser["aa"], atol=1e-12)


@pytest.mark.parametrize(("levels", "time_levels"), [(1, 0), (2, 1), (3, 3)])
def test_the_transform_is_a_rotation(levels, time_levels, rng):
    video = torch.randn(2, 8, 3, 8, 16, generator=rng, dtype=torch.float64)
    transform = ClipTransform(levels=levels, time_levels=time_levels)
    pyramid = transform.analyze(video)
    assert pyramid.to_vector().square().sum().item() == pytest.approx(video.square().sum().item(), rel=1e-12)
    torch.testing.assert_close(transform(pyramid), video)
    flat = transform.analyze(torch.ones(1, 8, 1, 8, 16, dtype=torch.float64)).approx
    torch.testing.assert_close(flat, torch.full_like(flat, transform.unit))
    assert tuple(flat.shape[2:]) == transform.size_of(levels, (8, 8, 16))


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_causal_clips_come_back(frames, rng):
    transform = ClipTransform(levels=3, time_levels=2, causal=True)
    video = torch.randn(2, frames, 1, 8, 8, generator=rng, dtype=torch.float64)
    pyramid = transform.analyze(video)
    assert pyramid.approx.shape == (2, 1, (frames + 3) // 4, 1, 1)
    torch.testing.assert_close(transform(pyramid), video)
    first = transform.analyze(video[:, :1])  # the first frame has coefficients of its own
    for one, other in zip(first.bands, pyramid.bands, strict=True):
        torch.testing.assert_close(other[:, :, : one.shape[2]], one)


def test_the_sizes_of_the_preset():
    model = create_model("wavelet_vae_video_s")
    assert sum(p.numel() for p in model.encoder.parameters()) == 1_378_788
    video, noise = model.example_input()
    assert video.shape == (1, 16, 3, 64, 64)
    with torch.no_grad():
        means, _ = model.encoder.trunk(video)
    shapes = [tuple(mean.shape[1:]) for mean in means.bands]
    assert shapes == [(3, 2, 8, 8), (21, 2, 8, 8), (21, 4, 16, 16), (21, 8, 32, 32)]
    assert [head[-1].out_channels for head in (model.encoder.trunk.approx, *model.encoder.trunk.details)] == [
        6,
        42,
        42,
        42,
    ]
    assert model.num_latents == noise.shape[1] == video[0].numel()


@pytest.mark.parametrize(
    ("changes", "coded"),
    [
        ({}, 1),
        ({"mode": "paper", "approx_weight": 0.1}, 1),
        ({"prior": "factorised", "posterior": "laplace", "keep_levels": 2}, 1 / 8),
        ({"posterior": "gauss_shared", "encoder": "residual", "keep_levels": 3}, 1 / 64),
        ({"time_levels": 1, "keep_levels": 2}, 1 / 8),
        ({"causal": True, "num_frames": 5, "time_levels": 1}, 6 / 5),
    ],
)
def test_shapes_gradients_and_seeds(changes, coded, rng):
    model = small(**changes)
    video = clips(rng, frames=model.num_frames)
    assert model.num_latents == round(coded * video[0].numel())
    if model.mode == "elbo":
        model.calibrate([video])
    output = model(video, generator=torch.Generator().manual_seed(1))
    assert output.recon.shape == model.reconstruct(video).shape == video.shape
    again = model(video, torch.randn(3, model.num_latents, generator=torch.Generator().manual_seed(0)))
    assert again.loss.isfinite()
    output.loss.backward()
    idle = [name for name, value in model.named_parameters() if value.grad is None]
    assert not idle or model.kept < model.levels or model.mode == "paper", idle
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    if model.mode == "paper":
        with pytest.raises(ValueError, match="mode 'paper' has no prior: it says nothing of what clips are likely"):
            model.sample(1)
        return
    one, other = (model.sample(2, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert one.shape == (2, *video.shape[1:])
    assert one.isfinite().all()
    assert torch.equal(one, other)
    rate = model.rate_bits(video, generator=torch.Generator().manual_seed(1))
    assert list(rate) == ["approx", *(f"level_{level}" for level in range(2, 2 - model.kept, -1))]
    pixels = video[0].numel() / model.in_chans
    assert sum(rate.values()) / pixels == pytest.approx(output.parts["rate"].item(), rel=1e-4)


def test_the_bound_is_its_definition(rng):
    """The loss is the reconstruction error and the divergences of a factorised prior, computed here band by band."""
    model = small(prior="factorised", posterior="gauss", encoder="residual", sigma_x=0.2).double()
    video = clips(rng).double()
    noise = torch.randn(3, model.num_latents, generator=rng, dtype=torch.float64)
    output, posterior = model(video, noise), model.encode(video)
    exact = model.transform.analyze(video)
    for own, wanted in zip(posterior.mean.bands, exact.bands, strict=True):
        torch.testing.assert_close(own, wanted)  # a fresh residual encoder is the transform
    sample = posterior.mean.map(lambda mean, scale, n: mean + scale * n, posterior.scale, posterior.mean.like(noise))
    cost = normal_cost(video - model.transform(sample), model.objective.noise()).mean()
    unit = model.transform.unit
    mean, scale = (band.flatten(1) / unit for band in (posterior.mean.approx, posterior.scale.approx))
    kl = kl_gaussian_full(mean, scale, torch.zeros_like(mean[0]), torch.eye(mean.shape[1], dtype=torch.float64)).mean()
    for mean, scale in zip(posterior.mean.details, posterior.scale.details, strict=True):
        zero = torch.zeros_like(mean)
        kl = kl + kl_gaussian_laplace(mean, scale, zero, torch.ones_like(mean)).flatten(1).sum(1).mean()
    count = video[0].numel()
    assert output.loss.item() == pytest.approx(((cost + kl) / count).item(), rel=1e-10)
    bits = ((cost + kl) / (count * math.log(2))).item() + BITS_OF_BYTES
    assert output.parts["bits_per_dim"].item() == pytest.approx(bits, rel=1e-10)


def test_calibration_takes_over_what_the_data_say(rng):
    model, video = small(prior="factorised", sigma_x=0.4), clips(rng, count=40)
    model.calibrate(video.split(16))
    pyramid = model.transform.analyze(video)
    for place, detail in enumerate(pyramid.details):
        wanted = detail.std((0, 2, 3, 4), correction=0)
        torch.testing.assert_close(model.units().details[place].flatten(), wanted, rtol=1e-4, atol=1e-5)
        magnitudes = detail.abs().mean((0, 2, 3, 4))
        torch.testing.assert_close(model.prior.log_scales[place].exp().flatten(), magnitudes, rtol=1e-4, atol=1e-5)
    small_ones = torch.stack([d.abs().mean() for d in pyramid.details]) < 0.37 * 0.4
    assert torch.equal(model.is_laplace, small_ones)
    assert small_ones.tolist() == [False, True]
    drawn = model.sample(400, generator=rng)
    assert drawn.mean().item() == pytest.approx(video.mean().item(), abs=0.05)
    with pytest.raises(ValueError, match="gave no clips"):
        model.calibrate([])


def test_a_few_steps_lower_the_bound_and_the_conditional_prior_sees_motion(rng):
    losses, video = {}, clips(rng, count=128)
    for prior in ("factorised", "conditional"):
        model = small(prior=prior, encoder="residual", posterior="gauss")
        model.calibrate(video.split(64))
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        for step in range(40):
            loss = model(video[step % 4 :: 4], generator=torch.Generator().manual_seed(step)).loss
            losses.setdefault(prior, []).append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert losses[prior][-1] < losses[prior][0] - 0.1
    assert losses["conditional"][-1] < losses["factorised"][-1]


def test_levels_that_are_not_coded_are_zero_or_expected(rng):
    video = clips(rng)
    paper = small(mode="paper", encoder="residual", keep_levels=2)
    exact = paper.transform.analyze(video)
    coarse = Pyramid(exact.approx, (exact.details[0], torch.zeros_like(exact.details[1])))
    torch.testing.assert_close(paper.reconstruct(video), paper.transform(coarse))
    bound = small(keep_levels=2, encoder="residual")
    with torch.no_grad():
        bound.prior.nets[1].body[-1][-1].bias.fill_(0.3)  # centres of the finest level
    known = bound.encode(video).mean
    filled = Pyramid(known.approx, (known.details[0], torch.full_like(exact.details[1], 0.3)))
    torch.testing.assert_close(bound.decode(known), bound.transform(filled))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time_levels": 3}, r"time_levels lie within 0 and levels, got 2 and 3"),
        ({"num_frames": 6}, r"clips must be .* multiples of 4 and a multiple of 4 frames, got \(1, 6, 1, 16, 16\)"),
        ({"causal": True}, r"and 1 \+ a multiple of 4 frames, got"),
        ({"img_size": 18}, r"sides that are multiples of 4"),
        ({"widths": (8, 8)}, r"widths must be 3 numbers for 2 levels"),
        ({"widths": (8, 8, 9)}, r"widths must be positive multiples of 8"),
        ({"keep_levels": 4}, r"keep_levels must lie within 1 and 3"),
        ({"encoder": "analytic"}, r"encoder must be one of net, residual, got 'analytic'"),
        ({"prior": "mixture"}, r"prior must be one of factorised, conditional, got 'mixture'"),
        ({"mode": "paper", "prior": "factorised"}, r"prior is an option of mode 'elbo', and the mode is 'paper'"),
        ({"mode": "paper", "sigma_x": 0.1}, r"sigma_x is an option of mode 'elbo'"),
        ({"sparsity": 0.1}, r"sparsity is an option of mode 'paper'"),
    ],
)
def test_wrong_options_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_wrong_inputs_are_refused(rng):
    model = small()
    with pytest.raises(ValueError, match=r"clips must be \(B, T, C, H, W\)"):
        model(torch.zeros(1, 1, 16, 16))
    with pytest.raises(ValueError, match=r"the prior is one of approximations of 1x2x4x4, got 1x3x4x4"):
        model(torch.zeros(1, 12, 1, 16, 16))
    with pytest.raises(ValueError, match=r"noise and generator exclude each other"):
        model(clips(rng), torch.zeros(3, model.num_latents), generator=rng)
    with pytest.raises(ValueError, match=r"num must be positive and temperature not negative, got 0 and 1.0"):
        model.sample(0)
    with pytest.raises(ValueError, match=r"batch, height and width must be positive"):
        model.example_input(height=0)
