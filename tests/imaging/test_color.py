import torch
from skimage.color import rgb2ycbcr

from subband.imaging._color import from_opponents, from_ycbcr, sigma_in_ycbcr, to_opponents, to_ycbcr


def test_ycbcr_is_that_of_scikit_image_in_full_range(astronaut):
    expected = torch.from_numpy(rgb2ycbcr(astronaut.permute(1, 2, 0).numpy())).permute(2, 0, 1)
    offset, scale = torch.tensor([16, 128, 128]), torch.tensor([219, 224, 224])
    expected = (expected - offset[:, None, None]) / scale[:, None, None]
    # scikit-image's matrix has rounded entries.
    torch.testing.assert_close(to_ycbcr(astronaut), expected, rtol=0, atol=2e-5)


def test_there_and_back(astronaut):
    for there, back in ((to_ycbcr, from_ycbcr), (to_opponents, from_opponents)):
        torch.testing.assert_close(back(there(astronaut)), astronaut, rtol=0, atol=1e-12)


def test_opponents_keep_energy_and_gather_it(astronaut):
    opponents = to_opponents(astronaut)
    torch.testing.assert_close(opponents.square().sum(), astronaut.square().sum())
    variances = opponents.flatten(1).var(1)
    assert variances[0] > 5 * variances[1:].sum()


def test_noise_after_the_change_of_colors(rng):
    sigma = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    noise = sigma[:, None, None] * torch.randn(3, 400, 400, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(to_ycbcr(noise).flatten(1).std(1), sigma_in_ycbcr(sigma), rtol=0.01, atol=0)
