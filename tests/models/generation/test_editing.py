"""Local edits of coefficients, ways between images, bits at every place."""

import math

import pytest
import torch
from torch import Tensor

from subband.models.generation.distributions import laplace_from_normal, normal_from_laplace
from subband.models.generation.editing import edit, latent_walk
from subband.models.generation.inspection import detail_bits
from subband.models.generation.pyramid import Pyramid, PyramidTransform
from subband.models.generation.wavelet_vae import WaveletVAE

TRANSFORM = PyramidTransform(levels=2)


def pyramid_of(rng: torch.Generator, batch: int = 1) -> Pyramid:
    return TRANSFORM.analyze(torch.rand(batch, 3, 16, 24, generator=rng, dtype=torch.float64) * 2 - 1)


def small(**options: object) -> WaveletVAE:
    torch.manual_seed(0)
    sizes = {"img_size": 16, "levels": 2, "widths": (8, 8, 16), "blocks": 1, "refine_width": 8, "refine_blocks": 1}
    model = WaveletVAE(**{**sizes, "prior_width": 8, "prior_blocks": 1, "mode": "elbo", **options}).eval()
    for value in model.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.05)
    return model


@pytest.mark.parametrize("mode", ["scale", "threshold", "copy"])
def test_nothing_changes_where_the_mask_is_zero(mode, rng):
    pyramid, other = pyramid_of(rng), pyramid_of(rng)
    mask = torch.zeros(16, 24)
    mask[:8] = 1
    options = {"other": other} if mode == "copy" else {}
    edited = edit(pyramid, mask, {(1, None): 0.3, (2, "hh"): 0.7}, mode, **options)
    for before, after in zip(pyramid.details, edited.details, strict=True):
        half = before.shape[2] // 2
        assert torch.equal(before[:, :, half:], after[:, :, half:])
        assert not torch.equal(before[:, :, :half], after[:, :, :half])
    assert torch.equal(edited.approx, pyramid.approx)
    images = TRANSFORM(edit(pyramid, torch.zeros(16, 24), {(1, None): 0.0}))
    torch.testing.assert_close(images, TRANSFORM(pyramid), rtol=0, atol=1e-12)


def test_bands_become_what_is_asked_for(rng):
    pyramid, other, full = pyramid_of(rng), pyramid_of(rng), torch.ones(16, 24)
    coarse, fine = pyramid.details
    scaled = edit(pyramid, full, {(1, "hl"): 0.25})
    torch.testing.assert_close(scaled.details[1][:, 3:6], 0.25 * fine[:, 3:6])
    assert torch.equal(scaled.details[1][:, :3], fine[:, :3])
    assert torch.equal(scaled.details[0], coarse)
    shrunk = edit(pyramid, full, {(2, None): 0.2}, "threshold").details[0]
    torch.testing.assert_close(shrunk, coarse.sign() * (coarse.abs() - 0.2).clamp(min=0))
    copied = edit(pyramid, full, {(1, None): 1.0}, "copy", other)
    torch.testing.assert_close(copied.details[1], other.details[1])


def test_the_mask_fades_by_its_mean_over_what_a_coefficient_stands_for(rng):
    pyramid, mask = pyramid_of(rng), torch.zeros(16, 24)
    mask[0, 0] = 1  # a quarter of a coefficient of level 1, a sixteenth of one of level 2
    edited = edit(pyramid, mask, {(1, None): 0.0, (2, None): 0.0})
    for before, after, share in zip(pyramid.details, edited.details, (1 / 16, 1 / 4), strict=True):
        torch.testing.assert_close(after[..., 0, 0], (1 - share) * before[..., 0, 0])


@pytest.mark.parametrize(
    ("mask", "values", "mode", "message"),
    [
        (torch.zeros(8, 8), {(1, None): 0.5}, "scale", "mask must be 16 x 24 as the image is, got 8 x 8"),
        (torch.full((16, 24), 2.0), {(1, None): 0.5}, "scale", r"mask must lie in \[0, 1\]"),
        (torch.full((16, 24), math.nan), {(1, None): 0.5}, "scale", r"mask must lie in \[0, 1\]"),
        (torch.zeros(16, 24), {(3, None): 0.5}, "scale", "level must lie within 1 and 2, got 3"),
        (torch.zeros(16, 24), {(1, "dd"): 0.5}, "scale", "orientation must be one of lh, hl, hh, got 'dd'"),
        (torch.zeros(16, 24), {(1, None): -1.0}, "threshold", "a threshold must not be negative"),
        (torch.zeros(16, 24), {(1, None): 1.0}, "copy", "other holds the coefficients that mode 'copy' takes"),
        (torch.zeros(16, 24), {(1, None): 1.0}, "blur", "mode must be scale, threshold or copy, got 'blur'"),
    ],
)
def test_bad_edits_are_refused(mask, values, mode, message, rng):
    with pytest.raises(ValueError, match=message):
        edit(pyramid_of(rng), mask, values, mode)


def test_other_coefficients_must_fit(rng):
    other = PyramidTransform(levels=2).analyze(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="other must have coefficients of the same shapes"):
        edit(pyramid_of(rng), torch.zeros(16, 24), {(1, None): 1.0}, "copy", other)
    with pytest.raises(ValueError, match="give it with that mode alone"):
        edit(pyramid_of(rng), torch.zeros(16, 24), {(1, None): 1.0}, "scale", pyramid_of(rng))


def test_gaussianised_coefficients_have_the_reference_values():
    """Values of quadrature: deviation and scale to the standard normal number of the same rank."""
    pairs = torch.tensor([[0.3, 0.1], [-0.05, 0.2], [1.2, 0.1]], dtype=torch.float64)
    numbers = normal_from_laplace(pairs[:, 0] / pairs[:, 1])
    wanted = torch.tensor([1.96178888, -0.28088216, 4.52136505], dtype=torch.float64)
    torch.testing.assert_close(numbers, wanted, rtol=0, atol=1e-8)
    torch.testing.assert_close(pairs[:, 1] * laplace_from_normal(numbers), pairs[:, 0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("how", ["linear", "gaussianised"])
@pytest.mark.parametrize("prior", [None, "factorised", "conditional"])
def test_a_walk_begins_and_ends_at_its_images(how, prior, rng):
    first, second = pyramid_of(rng), pyramid_of(rng)
    options = {}
    if prior is not None:
        model = small(prior=prior).double()
        options = {"transform": model.transform, "prior": model.prior}
    walk = latent_walk(first, second, 5, how, **options)
    for band, one, other in zip(walk.bands, first.bands, second.bands, strict=True):
        assert len(band) == 5
        torch.testing.assert_close(band[:1], one, rtol=0, atol=1e-9)
        torch.testing.assert_close(band[-1:], other, rtol=0, atol=1e-9)


def test_a_gaussianised_walk_keeps_details_sparse(rng):
    """Halfway, Laplace details stay Laplaces; means of two are nearer to Gaussians and have less energy."""

    def laplace() -> Tensor:
        return laplace_from_normal(torch.randn(1, 3, 128, 128, generator=rng))

    first, second = (Pyramid(torch.zeros(1, 1, 128, 128), (laplace(),)) for _ in range(2))
    middle = {how: latent_walk(first, second, 3, how).details[0][1] for how in ("linear", "gaussianised")}
    kurtosis = {how: (band**4).mean() / (band**2).mean() ** 2 for how, band in middle.items()}
    assert middle["gaussianised"].square().mean().item() == pytest.approx(2, rel=0.05)
    assert middle["linear"].square().mean().item() == pytest.approx(1, rel=0.05)
    assert kurtosis["gaussianised"].item() == pytest.approx(6, rel=0.15)
    assert kurtosis["linear"].item() == pytest.approx(4.5, rel=0.1)


def test_bad_walks_are_refused(rng):
    one = pyramid_of(rng)
    with pytest.raises(ValueError, match="num must be 2 at least, got 1"):
        latent_walk(one, one, 1)
    with pytest.raises(ValueError, match="how must be linear or gaussianised"):
        latent_walk(one, one, 3, "round")
    with pytest.raises(ValueError, match="the same shapes"):
        latent_walk(one, PyramidTransform(levels=2).analyze(torch.zeros(1, 3, 8, 8)), 3)


def test_equal_images_stay_equal_on_the_way(rng):
    one = pyramid_of(rng)
    walk = latent_walk(one, one, 3, "gaussianised")
    for band, own in zip(walk.bands, one.bands, strict=True):
        torch.testing.assert_close(band, own.expand_as(band), rtol=0, atol=1e-9)


@pytest.mark.parametrize("posterior", ["gauss", "laplace", "gauss_shared"])
def test_bits_of_all_places_add_up_to_those_of_a_level(posterior, rng):
    model = small(posterior=posterior, prior="factorised")  # a prior that does not depend on the sample
    images = torch.rand(2, 3, 16, 16, generator=rng) * 2 - 1
    maps, rate = detail_bits(model, images), model.rate_bits(images, generator=rng)
    assert [tuple(item.shape) for item in maps] == [(2, 9, 4, 4), (2, 9, 8, 8)]
    for level, item in zip((2, 1), maps, strict=True):
        assert item.sum().item() / 2 == pytest.approx(rate[f"level_{level}"], rel=1e-4)


def test_there_are_bits_in_mode_elbo_alone():
    with pytest.raises(ValueError, match="needs mode='elbo'"):
        detail_bits(small(mode="paper"), torch.zeros(1, 3, 16, 16))
