"""Pyramids: the numbers of PyWavelets, layouts, energies."""

import pytest
import pywt
import torch

from subband.models.generation.pyramid import Pyramid, PyramidTransform, is_orthogonal
from subband.transforms import pad_to_multiple, wavedec2, wavedec3

PICTURE = [[1, 2, 3, 4], [2, 4, 6, 8], [0, 1, 0, 1], [5, 5, 5, 5]]


def test_a_block_and_two_levels():
    block = torch.tensor([[[[1.0, 2.0], [4.0, 9.0]]]])
    one = PyramidTransform(levels=1).analyze(block)
    assert one.to_vector().flatten().tolist() == pytest.approx([8, -5, -3, 2])
    two = PyramidTransform(levels=2).analyze(torch.tensor([[PICTURE]], dtype=torch.float64))
    assert two.approx.item() == pytest.approx(13)
    assert two.details[0].flatten().tolist() == pytest.approx([2, -3, -3])
    wanted = [[[-1.5, -3.5], [-4.5, -4.5]], [[-1.5, -1.5], [-0.5, -0.5]], [[0.5, 0.5], [-0.5, -0.5]]]
    torch.testing.assert_close(two.details[1][0], torch.tensor(wanted, dtype=torch.float64))


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db4", "sym4", "bior2.2", "bior4.4"])
def test_numbers_and_layout_are_those_of_wavedec2(wavelet, rng):
    images = torch.rand(2, 3, 32, 64, generator=rng)
    transform = PyramidTransform(levels=2, wavelet=wavelet)
    pyramid, coeffs = transform.analyze(images), wavedec2(images, wavelet, "periodization", 2)
    for found, wanted in (
        (pyramid, Pyramid.of_coeffs(coeffs)),
        (Pyramid.of_coeffs(pyramid.to_coeffs(wavelet)), pyramid),
    ):
        torch.testing.assert_close(found.to_vector(), wanted.to_vector())
    assert torch.equal(pyramid.details[1][:, 3:6], pyramid.to_coeffs(wavelet)[-1].v)
    torch.testing.assert_close(pyramid.to_coeffs(wavelet).inverse(), images, rtol=0, atol=1e-5)
    torch.testing.assert_close(transform(pyramid), images, rtol=0, atol=1e-5)
    assert pyramid.to_vector().shape[1] == images[0].numel()


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db4", "sym4"])
def test_energy_is_kept_by_orthogonal_wavelets(wavelet, rng):
    images = torch.randn(1, 1, 64, 64, generator=rng, dtype=torch.float64)
    vector = PyramidTransform(levels=3, wavelet=wavelet).analyze(images).to_vector()
    torch.testing.assert_close(vector.square().sum(), images.square().sum())


def test_which_wavelets_are_orthogonal():
    found = {name for name in pywt.wavelist(kind="discrete") if is_orthogonal(name)}
    orthogonal = {name for name in pywt.wavelist(kind="discrete") if pywt.Wavelet(name).orthogonal}
    assert found == orthogonal | {"bior1.1", "rbio1.1"}  # which are Haar


def test_vectors_and_maps(rng):
    pyramid = PyramidTransform(levels=2).analyze(torch.rand(2, 3, 8, 12, generator=rng))
    again = pyramid.like(pyramid.to_vector())
    assert all(torch.equal(one, other) for one, other in zip(again.bands, pyramid.bands, strict=True))
    assert torch.equal(pyramid.map(torch.add, again).to_vector(), 2 * pyramid.to_vector())
    assert pyramid.levels == 2


def test_sizes_that_do_not_divide():
    transform, images = PyramidTransform(levels=2), torch.rand(1, 3, 30, 33)
    with pytest.raises(ValueError, match="multiples of 4, got"):
        transform.analyze(images)
    padded, size = pad_to_multiple(images, 4)
    back = transform(transform.analyze(padded))[..., : size[0], : size[1]]
    torch.testing.assert_close(back, images)
    with pytest.raises(ValueError, match="levels must be positive"):
        PyramidTransform(levels=0)


def test_a_block_of_video():
    block = torch.tensor([[[(4 * t + 2 * h + w) ** 2 for w in (0, 1)] for h in (0, 1)] for t in (0, 1)]).double()
    coeffs = wavedec3(block, level=1)
    wanted = [49.497475, -9.899495, -19.798990, 2.828427, -39.597980, 5.656854, 11.313708, 0]
    found = [coeffs.approx.item(), *(band.item() for band in coeffs.details[0].values())]
    assert list(coeffs.details[0]) == ["aad", "ada", "add", "daa", "dad", "dda", "ddd"]
    assert found == pytest.approx(wanted, abs=1e-6)


def test_arithmetic(rng):
    transform = PyramidTransform(levels=2)
    one, two = (torch.rand(2, 3, 8, 8, generator=rng) for _ in range(2))
    a, b = transform.analyze(one), transform.analyze(two)
    torch.testing.assert_close(transform(a + b), one + two)
    torch.testing.assert_close(transform(a - 0.5 * b), one - two / 2)
    torch.testing.assert_close((a * b).to_vector(), a.to_vector() * b.to_vector())
    assert not transform(a.zeros_like()).any()
    assert (a + b).levels == 2
