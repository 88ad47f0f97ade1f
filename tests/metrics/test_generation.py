"""Scores of drawn and reconstructed images against closed forms, NumPy and scikit-image."""

import warnings

import numpy as np
import pytest
import pywt
import torch
from fill import make_input
from skimage.metrics import structural_similarity

from subband.metrics import (
    FrechetWaveletDistance,
    Rate,
    ReconstructionScores,
    WaveletStatisticsDistance,
    frechet_distance,
    ssim_gaussian,
    wavelet_statistics,
)


@pytest.fixture(autouse=True)
def _few_images_will_do():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*images are few for.*")
        yield


def root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def frechet_by_numpy(one: np.ndarray, other: np.ndarray) -> float:
    """Of features `(N, K)`, with the square root of the product of the covariances."""
    first, second = np.cov(one.T), np.cov(other.T)
    values = np.linalg.eigvals(first @ second).real
    means = one.mean(0) - other.mean(0)
    return means @ means + np.trace(first) + np.trace(second) - 2 * np.sqrt(np.clip(values, 0, None)).sum()


def test_frechet_distance(rng):
    first, second = torch.tensor([[[2.0, 0.5], [0.5, 1.0]], [[1.0, -0.3], [-0.3, 1.5]]], dtype=torch.float64)
    means = torch.tensor([[0.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    assert frechet_distance(means[0], first, means[1], second).item() == pytest.approx(5.463471189606, abs=1e-11)
    diagonals = torch.diag_embed(torch.tensor([[1.0, 4.0], [4.0, 9.0]], dtype=torch.float64))
    zero, one = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    assert frechet_distance(zero, diagonals[0], one, diagonals[1]).item() == pytest.approx(4.0, abs=1e-12)
    singular = torch.ones(2, 2, dtype=torch.float64)
    assert frechet_distance(zero, singular, zero, singular).item() == pytest.approx(0, abs=1e-7)


def test_wavelet_statistics():
    images = make_input("rfd_ref", [64, 3, 64, 64], 0, "unit")
    features = wavelet_statistics(images)
    assert features.shape == (64, 120)
    assert features[0, :3].tolist() == pytest.approx([-1.8252392, -1.7793961, -1.8539543], abs=1e-5)
    assert features[0, -3:].tolist() == pytest.approx([-0.2109364, -0.2279974, -0.3938996], abs=1e-5)
    assert features.mean().item() == pytest.approx(-0.8377343, abs=1e-5)
    assert wavelet_statistics(images[:2, :, :32, :32], 3).shape == (2, 102)
    with pytest.raises(ValueError, match="4 levels need sides that are multiples of 16, 64 at least, got 32x32"):
        wavelet_statistics(images[:2, :, :32, :32])


def test_wavelet_statistics_distance(rng):
    real = torch.rand(40, 1, 16, 16, generator=rng) * torch.rand(40, 1, 1, 1, generator=rng)
    others = {
        "same": torch.rand(40, 1, 16, 16, generator=rng) * torch.rand(40, 1, 1, 1, generator=rng),
        "blurred": torch.nn.functional.avg_pool2d(real, 3, stride=1, padding=1),
        "noisy": real + 0.2 * torch.randn(real.shape, generator=rng),
    }
    found = {}
    for name, images in others.items():
        metric = WaveletStatisticsDistance(levels=1)
        for batch in real.split(16):
            metric.update(batch, is_real=True)
        for batch in images.split(25):
            metric.update(batch, is_real=False)
        found[name] = metric.compute().item()
        one, other = (wavelet_statistics(x.clamp(0, 1), 1).double().numpy() for x in (real, images))
        spread = one.std(0, ddof=1) + 1e-6
        wanted = frechet_by_numpy((one - one.mean(0)) / spread, (other - one.mean(0)) / spread)
        assert found[name] == pytest.approx(wanted, rel=1e-4)
    assert found["same"] < 0.5 * min(found["blurred"], found["noisy"])


def test_frechet_wavelet_distance_is_that_of_its_formula(rng):
    real, drawn = torch.rand(30, 2, 8, 8, generator=rng), torch.rand(30, 2, 8, 8, generator=rng).square()
    metric = FrechetWaveletDistance(levels=2)
    for images, is_real in ((real, True), (drawn[:10], False), (drawn[10:], False)):
        metric.update(images, is_real=is_real)

    def packets(images: torch.Tensor) -> dict[str, np.ndarray]:
        tree = pywt.WaveletPacket2D(images.double().numpy(), "haar", "periodization", axes=(-2, -1))
        return {node.path: node.data.reshape(len(images), -1) for node in tree.get_level(2)}

    one, other = packets(real), packets(drawn)
    wanted = np.mean([frechet_by_numpy(one[path], other[path]) for path in one])
    assert len(one) == 16
    assert metric.compute().item() == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(ValueError, match="multiples of 4, got 6x8"):
        metric.update(real[..., :6, :], is_real=True)
    with pytest.raises(ValueError, match="one size in all batches, got 4x4 now"):
        metric.update(real[..., :4, :4], is_real=True)
    metric.reset()
    metric.update(real[..., :4, :4], is_real=True)
    with pytest.raises(ValueError, match="too few drawn images to compare, 0"):
        metric.compute()


def test_few_images_are_warned_of(rng):
    metric = FrechetWaveletDistance(levels=1)
    for is_real in (True, False):
        metric.update(torch.rand(8, 1, 4, 4, generator=rng), is_real=is_real)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="8 real images are few for 4 features"):
            metric.compute()


def test_reconstruction_scores(rng):
    rows = torch.arange(16)
    target = (16 * rows[:, None] + rows) / 255
    recon = (target + 0.05 * (-1.0) ** (rows[:, None] + rows)).clamp(0, 1)
    scores = ReconstructionScores()
    scores.update(recon[None, None], target[None, None])
    found = scores.compute()
    wanted = {"mse": 0.0024120944, "mse_signed": 4 * 0.0024120944, "psnr": 26.17605707, "ssim": 0.8817059026}
    assert found == {name: pytest.approx(value, rel=1e-5) for name, value in wanted.items()}
    images, others = torch.rand(2, 3, 3, 24, 20, generator=rng)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 1.0, "channel_axis": 0}
    for one, other, value in zip(images, others, ssim_gaussian(images, others), strict=True):
        assert value.item() == pytest.approx(structural_similarity(one.numpy(), other.numpy(), **options), abs=1e-5)
    scores.reset()
    for batch in (slice(0, 1), slice(1, 3)):
        scores.update(images[batch], others[batch])
    found = scores.compute()
    assert found["mse"] == pytest.approx((images - others).square().mean().item(), rel=1e-5)
    assert found["ssim"] == pytest.approx(ssim_gaussian(images, others).mean().item(), rel=1e-4)
    small = ReconstructionScores()
    small.update(images[..., :8, :8], others[..., :8, :8])
    assert small.compute()["ssim"] is None
    with pytest.raises(ValueError, match="alike"):
        small.update(images, others[:1])
    with (
        pytest.raises(ValueError, match="no image was added"),
        pytest.warns(UserWarning, match="before the ``update``"),
    ):
        ReconstructionScores().compute()


def test_rate():
    rate = Rate()
    rate.update(torch.tensor([100.0, 300.0]), torch.Size([2, 3, 4, 5]))
    rate.update(torch.tensor([20.0]), torch.Size([1, 3, 2, 2]))
    assert rate.compute() == {"rate": pytest.approx(420 / 44), "bits_per_dim": pytest.approx(420 / 132)}
    with pytest.raises(ValueError, match="one number per image"):
        rate.update(torch.tensor([1.0]), torch.Size([2, 3, 4, 5]))
