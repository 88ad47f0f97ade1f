"""Foci with a known truth, exposures with known properties."""

import warnings

import pytest
import torch
from skimage.filters import gaussian
from torch import Tensor

from subband.imaging import fuse
from subband.transforms import Wavelet


def psnr(x: Tensor, y: Tensor) -> float:
    return -10 * torch.log10((x - y).square().mean()).item()


def foci(scene: Tensor, blur: float = 2.5) -> list[Tensor]:
    """Two images, each sharp on one side and blurred on the other."""
    blurred = torch.from_numpy(gaussian(scene.numpy(), (0, blur, blur)))
    is_left = torch.sigmoid((scene.shape[-1] / 2 - torch.arange(scene.shape[-1])) / 2)
    return [is_left * scene + (1 - is_left) * blurred, is_left * blurred + (1 - is_left) * scene]


def exposures(scene: Tensor) -> list[Tensor]:
    return [(scene**2.2 * gain).clamp(0, 1) ** (1 / 2.2) for gain in (0.25, 1, 4)]


@pytest.mark.parametrize("wavelet", ["haar", "sym4", "bior4.4"])
def test_foci_become_sharp(camera, astronaut, wavelet):
    for scene in (camera, astronaut):
        images = foci(scene)
        before = max(psnr(image, scene) for image in images)
        assert psnr(fuse(images, wavelet=wavelet), scene) > before + 10


def test_the_window_and_the_vote_help(camera):
    images = foci(camera)
    assert psnr(fuse(images, window=3), camera) > psnr(fuse(images, window=1), camera) + 1


def test_exposures_show_what_each_of_them_lost(astronaut):
    images = exposures(astronaut)
    fused = fuse(images, rule="exposure")
    is_dark = images[0].mean(0) < 0.08
    is_white = images[2].amin(0) > 0.999
    assert is_dark.sum() > 100 < is_white.sum()
    contrast = torch.stack([image.mean(0)[is_white].std() for image in (*images, fused)])
    assert contrast[3] > 5 * contrast[2], "structure where the long exposure is white"
    assert fused.mean(0)[is_dark].mean() > 1.5 * images[0].mean(0)[is_dark].mean()
    assert images[0].mean() < fused.mean() < images[2].mean()
    assert fused.amin() > -0.3
    assert fused.amax() < 1.3


@pytest.mark.parametrize("rule", ["largest", "exposure"])
def test_equal_images_give_that_image(astronaut, rule):
    torch.testing.assert_close(fuse([astronaut] * 3, rule=rule), astronaut, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rule", ["largest", "exposure"])
def test_the_order_does_not_matter(astronaut, rule):
    images = exposures(astronaut)
    torch.testing.assert_close(fuse(images, rule=rule), fuse(images[::-1], rule=rule), rtol=0, atol=1e-9)


def test_largest_takes_each_detail_from_one_image():
    first, second = torch.zeros(2, 1, 16, 16, dtype=torch.float64)
    first[..., 2, 2], second[..., 12, 12] = 1, -1
    fused = fuse([first, second], wavelet="haar", level=1, window=1)
    # Details are kept whole, the approximation is halved: 3/4 + 1/4 * 1/2 ...
    assert fused[0, 2, 2].item() == pytest.approx(1 - 0.25 / 2)
    assert fused[0, 12, 12].item() == pytest.approx(-1 + 0.25 / 2)


def test_batches_and_odd_sizes(astronaut):
    images = [torch.stack((image, image.flip(-1))).float() for image in exposures(astronaut[:, :71, :63])]
    for rule in ("largest", "exposure"):
        fused = fuse(images, rule=rule)
        assert fused.dtype == torch.float32
        torch.testing.assert_close(fused[1], fuse([image[1] for image in images], rule=rule))


def test_half_precision(camera):
    images = [image.half() for image in foci(camera)]
    assert fuse(images).dtype == torch.float16
    torch.testing.assert_close(fuse(images), fuse([image.float() for image in images]).half())


def test_gradient(rng):
    images = [torch.rand(1, 6, 8, generator=rng, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda *x: fuse(x, wavelet="haar", level=1), images)
    assert torch.autograd.gradcheck(lambda *x: fuse(x, rule="exposure", wavelet="haar", level=1), images)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ([torch.rand(1, 8, 8)], {}, r"at least two images, got 1"),
        ([torch.rand(1, 8, 8), torch.rand(1, 8, 9)], {}, r"one shape, got \(1, 8, 8\), \(1, 8, 9\)"),
        ([torch.rand(8, 8)] * 2, {}, r"\(..., C, H, W\)"),
        ([torch.rand(1, 0, 8)] * 2, {}, r"at least one pixel"),
        ([torch.rand(1, 8, 8)] * 2, {"window": 4}, r"window must be odd and positive, got 4"),
        ([torch.rand(1, 8, 8)] * 2, {"rule": "mean"}, r"rule must be largest or exposure"),
        ([torch.rand(1, 8, 8)] * 2, {"level": -1}, r"level"),
    ],
)
def test_wrong_input(images, options, message):
    with pytest.raises(ValueError, match=message):
        fuse(images, **options)


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"convert it with .float\(\)"):
        fuse([torch.zeros(1, 8, 8, dtype=torch.uint8)] * 2)
    for other in (torch.uint8, torch.float64, torch.bfloat16):
        with pytest.raises(TypeError, match=r"images must"):
            fuse([torch.rand(1, 8, 8), torch.ones(1, 8, 8).to(other)])
    with pytest.raises(TypeError, match=r"torch.from_numpy"):
        fuse([torch.rand(1, 8, 8).numpy()] * 2)


def test_no_numbers_are_refused():
    broken = torch.rand(1, 8, 8)
    broken[0, 2, 3] = torch.nan
    with pytest.raises(ValueError, match=r"images\[1\] must be finite, but 1 of its 64 values"):
        fuse([torch.rand(1, 8, 8), broken])


def test_small_pictures_are_fused_and_units_do_not_matter(astronaut):
    """Defaults choose at least one level, without a warning; the result does not depend on the unit."""
    one, two = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rule in ("largest", "exposure"):
            fused = fuse([one, two], rule=rule)
            assert (fused - (one + two) / 2).abs().max() > 1e-3
            assert fuse([one[:, :1], two[:, :1]], rule=rule).shape == (1, 1, 4)
    images = foci(astronaut)
    for scale in (1e-30, 1e-5, 1e5):
        scaled = fuse([scale * image for image in images]) / scale
        torch.testing.assert_close(scaled, fuse(images), rtol=0, atol=1e-9)
    # Faint exposures are still chosen by their contrast, not averaged.
    flat, faint = torch.full((2, 3, 32, 32), 0.5, dtype=torch.float64)
    faint = faint + 1e-6 * torch.rand(3, 32, 32, dtype=torch.float64)
    fused = fuse([flat, faint], rule="exposure", level=1)
    assert (fused - faint).square().mean() < 0.1 * (fused - flat).square().mean()


def test_taps_and_two_wavelets(camera):
    taps = Wavelet("db2").filter_bank
    images = foci(camera)
    tensors = tuple(torch.tensor(values, dtype=torch.float64) for values in taps)
    for wavelet in (tuple(map(list, taps)), tensors, ("db2", "db2")):
        torch.testing.assert_close(fuse(images, wavelet=wavelet), fuse(images, wavelet="db2"), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", ["largest", "exposure"])
def test_vmap(rule, rng):
    first, second = torch.rand(2, 4, 3, 20, 18, generator=rng, dtype=torch.float64)
    mapped = torch.func.vmap(lambda *images: fuse(images, rule=rule, level=1))(first, second)
    torch.testing.assert_close(mapped, fuse([first, second], rule=rule, level=1))
