"""Photographs through networks for generation: the numbers of the network itself, whatever size and colors."""

import math
from typing import Any

import pytest
import torch

from subband import create_model
from subband.models.generation.image_format import centered_input
from subband.predictors import ImageAutoencoder, PyramidCoder

SIZES: dict[str, Any] = {"img_size": 16, "levels": 2, "widths": (8, 8, 16), "blocks": 1, "prior_width": 8}
SIZES |= {"refine_width": 8, "refine_blocks": 1, "prior_blocks": 1}


def coder_of(**options: Any) -> ImageAutoencoder:
    torch.manual_seed(0)
    model = create_model("wavelet_vae_s", **SIZES | options)
    with torch.no_grad():
        for value in model.parameters():
            if not value.any():
                value.normal_(std=0.05)
    return ImageAutoencoder(model, device="cpu")


@pytest.mark.parametrize("options", [{}, {"mode": "elbo"}, {"mode": "elbo", "keep_levels": 2}, {"in_chans": 1}])
def test_numbers_are_those_of_the_network(options, rng):
    coder, photo = coder_of(**options), torch.rand(3, 24, 36, generator=rng)
    batch = photo[:, None] if coder.model.in_chans == 1 else photo[None]
    inputs = centered_input(coder.model, batch)
    with torch.no_grad():
        outputs = coder.model.reconstruct(inputs)
        mean = coder.model.encode(inputs).mean
    is_bound = coder.model.mode == "elbo"
    wanted = ((128 * (outputs + 1) - 0.5) / 255 if is_bound else (outputs + 1) / 2).clamp(0, 1)
    torch.testing.assert_close(coder.reconstruct(photo), wanted.reshape(3, 24, 36), rtol=0, atol=1e-5)
    for own, band in zip(coder.encode(photo).bands, mean.bands, strict=True):
        torch.testing.assert_close(own, band, rtol=0, atol=1e-4)
    torch.testing.assert_close(coder.decode(mean, like=photo), wanted.reshape(3, 24, 36), rtol=0, atol=1e-5)


def test_sides_that_do_not_divide_are_continued_and_cut(rng):
    coder, photo = coder_of(), torch.rand(1, 21, 30, generator=rng)
    rows = torch.cat((photo, photo[:, -1:].expand(-1, 3, -1)), 1)
    padded = torch.cat((rows, rows[..., -1:].expand(-1, -1, 2)), 2)
    assert padded.shape == (1, 24, 32)
    assert torch.equal(coder.reconstruct(photo), coder.reconstruct(padded)[:, :21, :30])
    assert coder.reconstruct(photo).shape == (1, 21, 30)  # gray stays gray


def test_a_number_of_coefficients_is_kept_of_every_tile(rng):
    coder, photo = coder_of(top_k=20), torch.rand(3, 16, 16, generator=rng)
    with torch.no_grad():
        wanted = (coder.model.reconstruct(2 * photo[None] - 1)[0] + 1) / 2
    torch.testing.assert_close(coder.reconstruct(photo), wanted.clamp(0, 1), rtol=0, atol=1e-5)
    bits = math.log2(math.comb(3 * (256 - 16), 20)) + 8 * 20
    assert coder.rate(photo) == pytest.approx(bits / 256)
    assert coder.rate(photo.repeat(1, 2, 3)) == pytest.approx(bits / 256)


def test_the_rate_is_that_of_the_network_over_its_pixels(rng):
    coder, photo = coder_of(mode="elbo"), torch.rand(3, 16, 16, generator=rng)
    wanted = coder.model.rate_bits(centered_input(coder.model, photo[None]), generator=torch.Generator().manual_seed(3))
    assert coder.rate(photo, seed=3) == pytest.approx(sum(wanted.values()) / 256, rel=1e-5)
    assert coder.rate(photo, seed=4) != coder.rate(photo, seed=3)
    assert coder_of().rate(photo) is None


def test_an_edit_adds_what_it_changes_to_the_photograph(rng):
    for coder in (coder_of(), coder_of(mode="elbo", keep_levels=2), coder_of(in_chans=1), PyramidCoder(levels=2)):
        photo = torch.rand(3, 21, 30, generator=rng)
        assert torch.equal(coder.edited(photo, lambda pyramid: pyramid), photo)
        brighter = coder.edited(0.5 * photo, lambda pyramid: pyramid._replace(approx=pyramid.approx + 0.1))
        assert 0 < (brighter - 0.5 * photo).mean() < 0.1


def test_the_plain_pyramid_gives_photographs_back(rng):
    coder = PyramidCoder(levels=3, wavelet="bior2.2")
    for photo in (torch.rand(3, 20, 31, generator=rng), torch.full((1, 3, 3), 0.4)):
        torch.testing.assert_close(coder.decode(coder.encode(photo), like=photo), photo, rtol=0, atol=1e-6)


def test_what_does_not_fit_is_refused(rng):
    photo, coder = torch.rand(3, 16, 16, generator=rng), coder_of()
    with pytest.raises(TypeError, match="a network for image generation, got WSFViT"):
        ImageAutoencoder(create_model("wsfvit_p0", img_size=32, num_classes=2))
    bad = photo.clone()
    bad[1, 2, 3] = math.nan
    for function in (coder.reconstruct, coder.encode, coder_of(mode="elbo").rate, PyramidCoder().encode):
        with pytest.raises(ValueError, match=r"NaN|finite"):
            function(bad)
    with pytest.raises(ValueError, match="this network has no prior: mode 'paper'"):
        coder.denoise(photo, 0.1)
    with pytest.raises(ValueError, match="steps are those of a diffusion"):
        coder_of(mode="elbo").denoise(photo, 0.1, steps=3)
    conv = ImageAutoencoder(create_model("conv_vae_s", img_size=16, widths=(8, 8), blocks=1, latent_dim=4), "cpu")
    with pytest.raises(ValueError, match="ConvVAE has no wavelet coefficients"):
        conv.encode(photo)
    with pytest.raises(ValueError, match="no coefficients to remove noise from"):
        conv.denoise(photo, 0.1)
