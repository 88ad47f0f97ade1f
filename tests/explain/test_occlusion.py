import warnings

import pytest
import torch

from subband.explain.occlusion import subband_occlusion, without_each_subband
from subband.transforms import Details, wavedec2

NAMES = {"LH": "da", "HL": "ad", "HH": "dd"}


def only(name: str, like: torch.Tensor) -> torch.Tensor:
    """An image whose two levels of Haar coefficients are those of `like` in one subband, else 0."""
    coeffs = wavedec2(like, "haar", level=2).map_all(torch.zeros_like)
    band, level = name[:2], int(name[2])
    source = wavedec2(like, "haar", level=2)
    details = list(coeffs.details)
    details[-level] = Details({**details[-level].bands, NAMES[band]: source.details[-level][NAMES[band]]})
    return type(coeffs)(
        coeffs.approx, tuple(details), *(getattr(coeffs, n) for n in ("wavelet", "mode", "axes", "sizes"))
    ).inverse()


@pytest.mark.parametrize("name", ["LH2", "HL1", "HH2"])
def test_a_network_that_sees_one_subband_loses_by_that_one_only(name, rng):
    weights = only(name, torch.randn(1, 3, 16, 16, generator=rng))[0]
    images = torch.rand(2, 3, 16, 16, generator=rng)

    def network(x: torch.Tensor) -> torch.Tensor:
        score = (x * weights).sum((1, 2, 3))
        return torch.stack([score, -score], 1)

    drops = subband_occlusion(network, images, 0, "haar", 2)
    assert [drop.name for drop in drops] == ["LL2", "LH2", "HL2", "HH2", "LH1", "HL1", "HH1"]
    score = (images * weights).sum((1, 2, 3))
    for drop in drops:
        expected = score if drop.name == name else torch.zeros(2)
        torch.testing.assert_close(drop.logit, expected, atol=1e-4, rtol=1e-4)
        before, after = torch.sigmoid(2 * score), torch.sigmoid(2 * (score - expected))
        torch.testing.assert_close(drop.probability, before - after, atol=1e-4, rtol=1e-4)


def test_the_mean_stays_without_the_approximation(rng):
    images = torch.rand(1, 3, 20, 28, generator=rng) + torch.tensor((0.0, 1.0, 2.0))[:, None, None]
    variants = without_each_subband(images, "haar", 2)
    torch.testing.assert_close(variants["LL2"].mean((2, 3)), images.mean((2, 3)))
    details = sum(images - variants[name] for name in variants if name != "LL2")
    torch.testing.assert_close(variants["LL2"], images.mean((2, 3), keepdim=True) + details)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "bior2.2"])
def test_normalized_or_not_is_the_same(wavelet, rng):
    images = torch.rand(1, 3, 24, 40, generator=rng)
    mean, std = torch.rand(2, 3, 1, 1, generator=rng) + 0.1
    before = without_each_subband(images, wavelet)
    after = without_each_subband((images - mean) / std, wavelet)
    for name in before:
        torch.testing.assert_close(after[name], (before[name] - mean) / std, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("side", "level"), [(2, 1), (8, 1), (20, 2), (32, 3), (224, 3)])
def test_levels_that_small_images_have_room_for(side, level):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(without_each_subband(torch.rand(1, 1, side, 2 * side))) == 3 * level + 1
    with pytest.warns(UserWarning, match=r"level"):
        without_each_subband(torch.rand(1, 1, 8, 8), level=2)


def test_every_image_has_its_own_class():
    images = torch.zeros(2, 1, 8, 8)
    images[0, 0, ::2], images[1, 0, :, ::2] = 1.0, 1.0  # stripes along the width, and along the height

    def network(x: torch.Tensor) -> torch.Tensor:
        down, across = x.diff(dim=2).abs().mean((1, 2, 3)), x.diff(dim=3).abs().mean((1, 2, 3))
        return torch.stack([down, across], 1)

    drops = {drop.name: drop.logit for drop in subband_occlusion(network, images, wavelet="haar", level=1)}
    assert drops["LH1"].tolist() == pytest.approx([1.0, 0.0])
    assert drops["HL1"].tolist() == pytest.approx([0.0, 1.0])


def test_wrong_options():
    images = torch.rand(1, 3, 16, 16)
    with pytest.raises(ValueError, match="level must be at least 1, got 0"):
        subband_occlusion(lambda x: x.mean((2, 3)), images, level=0)
    with pytest.raises(ValueError, match="within the 3 classes, got 3"):
        subband_occlusion(lambda x: x.mean((2, 3)), images, 3)
    with pytest.raises(ValueError, match="nowave"):
        subband_occlusion(lambda x: x.mean((2, 3)), images, wavelet="nowave")
