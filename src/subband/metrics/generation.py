"""How like real images drawn ones are, and how well reconstructed ones fit, without any network.

All classes keep running sums, take images `(B, C, H, W)` in [0, 1], and work in any training loop.
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.extras import names_extra
from subband.metrics.image import psnr
from subband.metrics.published_restoration import ssim_gaussian
from subband.transforms import wavedec2, wavelet_packet
from subband.transforms.arguments import check_real

with names_extra("these scores need"):
    from torchmetrics import Metric

__all__ = [
    "FrechetWaveletDistance",
    "Rate",
    "ReconstructionScores",
    "WaveletStatisticsDistance",
    "frechet_distance",
    "wavelet_statistics",
]

POOLED_SIDE = 4
IMAGES_PER_FEATURE = 5  # fewer make a covariance too rough for its distance to mean much


def frechet_distance(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> Tensor:
    """Squared Frechet distance of two Gaussians.

    It is `|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^(1/2) S2 S1^(1/2))^(1/2)`, with symmetric square roots.

    Args:
        mean: Mean of the first, `(..., K)`.
        covariance: Covariance of the first, `(..., K, K)`.
        other_mean: Mean of the second, `(..., K)`.
        other_covariance: Covariance of the second, `(..., K, K)`.

    Returns:
        `(...)`, at least 0 but for rounding.

    Example:
        >>> one, other = torch.diag(torch.tensor([1.0, 4.0])), torch.diag(torch.tensor([4.0, 9.0]))
        >>> frechet_distance(torch.zeros(2), one, torch.ones(2), other).round(decimals=4)
        tensor(4.)

    Source: D. C. Dowson and B. V. Landau, The Frechet Distance between Multivariate Normal Distributions, Journal of
    Multivariate Analysis 12, 1982.
    """
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp(min=0).sqrt()[..., None, :]) @ vectors.mT
    common = torch.linalg.eigvalsh(root @ other_covariance @ root).clamp(min=0).sqrt().sum(-1)
    traces = covariance.diagonal(dim1=-2, dim2=-1).sum(-1) + other_covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    return (mean - other_mean).square().sum(-1) + traces - 2 * common


def wavelet_statistics(images: Tensor, levels: int = 4) -> Tensor:
    """Sizes of the details in every band of a Haar transform, and a thumbnail.

    Args:
        images: `(B, C, H, W)` in [0, 1], sides multiples of `2^levels`.
        levels: Number of levels J, 4 for images of 64 pixels and more, 3 for 32.

    Returns:
        `(B, 6 C J + 16 C)`: of every level, the finest first, log(mean magnitude + 1e-4) of horizontal, vertical and
        diagonal details of all colors, then log(mean square + 1e-8) of the same; then the approximation, averaged to
        4 x 4 pixels, in [-1, 1].

    Raises:
        ValueError: If a side does not divide, or fewer than 4 x 4 values are left.

    Example:
        >>> wavelet_statistics(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 120])
    """
    check_real(images, "images")
    _check_images(images)
    multiple = 2**levels
    if levels < 1 or any(side % multiple or side < POOLED_SIDE * multiple for side in images.shape[-2:]):
        raise ValueError(
            f"{levels} levels need sides that are multiples of {multiple}, {POOLED_SIDE * multiple} at least, got "
            f"{images.shape[-2]}x{images.shape[-1]}"
        )
    coeffs = wavedec2(2 * images.to(torch.promote_types(images.dtype, torch.float32)) - 1, "haar", level=levels)
    features = []
    for details in reversed(coeffs.details):
        bands = torch.cat(tuple(details), 1)  # (B, 3C, H', W')
        features.append((bands.abs().mean((-2, -1)) + 1e-4).log())
        features.append((bands.square().mean((-2, -1)) + 1e-8).log())
    thumbnail = F.adaptive_avg_pool2d(coeffs.approx / multiple, POOLED_SIDE)
    return torch.cat([*features, thumbnail.flatten(1)], 1)


class ReconstructionScores(Metric):
    """How well reconstructed images fit, clipped to [0, 1].

    * `mse`: mean squared error, all images together; `mse_signed`: the same with images in [-1, 1], four times as
      large.
    * `psnr` (dB), `ssim`: of every image, averaged; `ssim` with a Gaussian window of 11 x 11 values, None for images
      that are smaller.

    Shape:
        - recon, target: `(B, C, H, W)` in [0, 1]

    Example:
        >>> scores = ReconstructionScores()
        >>> scores.update(torch.full((1, 3, 16, 16), 0.6), torch.full((1, 3, 16, 16), 0.5))
        >>> found = scores.compute()
        >>> round(found["mse"], 4), round(found["mse_signed"], 4), round(found["psnr"], 3)
        (0.01, 0.04, 20.0)
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    squares: Tensor
    values: Tensor
    psnr_sum: Tensor
    ssim_sum: Tensor
    images: Tensor
    ssim_images: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("squares", "values", "psnr_sum", "ssim_sum", "images", "ssim_images"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, recon: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            recon: Reconstructed images, `(B, C, H, W)`.
            target: The images themselves.

        Raises:
            ValueError: If the shapes differ.
        """
        _check_images(recon)
        if recon.shape != target.shape:
            raise ValueError(
                f"recon and target must be (B, C, H, W) alike, got {tuple(recon.shape)}, {tuple(target.shape)}"
            )
        recon, target = recon.float().clamp(0, 1), target.float().clamp(0, 1)
        self.squares = self.squares + (recon - target).double().square().sum()
        self.values = self.values + recon.numel()
        self.psnr_sum = self.psnr_sum + psnr(recon, target).sum()
        self.images = self.images + len(recon)
        if min(recon.shape[-2:]) >= 11:
            self.ssim_sum = self.ssim_sum + ssim_gaussian(recon, target).sum()
            self.ssim_images = self.ssim_images + len(recon)

    def compute(self) -> dict[str, float | None]:
        """All scores over all images.

        Raises:
            ValueError: If no image was added.
        """
        if not self.images:
            raise ValueError("there is nothing to score: no image was added")
        mse = (self.squares / self.values).item()
        ssim = (self.ssim_sum / self.ssim_images).item() if self.ssim_images else None
        return {"mse": mse, "mse_signed": 4 * mse, "psnr": (self.psnr_sum / self.images).item(), "ssim": ssim}


class Rate(Metric):
    """What images cost, in bits.

    * `rate`: bits per pixel.
    * `bits_per_dim`: bits per number, of which a pixel has one per channel.

    Shape:
        - bits: `(B,)`, one number per image

    Example:
        >>> rate = Rate()
        >>> rate.update(torch.tensor([12345 / math.log(2)]), torch.Size([1, 3, 128, 128]))
        >>> {name: round(value, 4) for name, value in rate.compute().items()}
        {'rate': 1.087, 'bits_per_dim': 0.3623}
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    bits: Tensor
    pixels: Tensor
    numbers: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("bits", "pixels", "numbers"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, bits: Tensor, shape: torch.Size) -> None:
        """Add a batch.

        Args:
            bits: Of every image, `(B,)`.
            shape: Shape of the images, `(B, C, H, W)`.

        Raises:
            ValueError: If there are not as many numbers as images.
        """
        if len(shape) != 4 or bits.shape != shape[:1]:
            raise ValueError(f"bits must be one number per image, got {tuple(bits.shape)} for images {tuple(shape)}")
        self.bits = self.bits + bits.double().sum()
        self.pixels = self.pixels + shape[0] * shape[2] * shape[3]
        self.numbers = self.numbers + math.prod(shape)

    def compute(self) -> dict[str, float]:
        """Both over all images.

        Raises:
            ValueError: If no image was added.
        """
        if not self.numbers:
            raise ValueError("there is nothing to count: no image was added")
        return {"rate": (self.bits / self.pixels).item(), "bits_per_dim": (self.bits / self.numbers).item()}


class _FrechetMetric(Metric):
    """Frechet distances of features of two sets of images, from running sums.

    Args:
        levels: Of the wavelet transform that the features are made of.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    real_sum: Tensor
    real_outer: Tensor
    real_count: Tensor
    drawn_sum: Tensor
    drawn_outer: Tensor
    drawn_count: Tensor

    def __init__(self, levels: int = 4) -> None:
        super().__init__()
        self.levels = levels
        self.features: tuple[int, ...] | None = None
        for who in ("real", "drawn"):
            for name in ("sum", "outer", "count"):
                # One zero until the first batch tells how many features there are.
                self.add_state(f"{who}_{name}", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    @abstractmethod
    def features_of(self, images: Tensor) -> Tensor:
        """Features `(B, P, K)` of images: P groups of K, whose distances are averaged."""

    @torch.no_grad()
    def update(self, images: Tensor, *, is_real: bool) -> None:
        """Add a batch of one of the two sets.

        Args:
            images: `(B, C, H, W)` in [0, 1], one size in all batches.
            is_real: Whether they are of the set that others are compared with.

        Raises:
            ValueError: If the size is not that of earlier batches.
        """
        _check_images(images)
        features = self.features_of(images.float().clamp(0, 1)).double()
        if self.features not in (None, tuple(features.shape[1:])):
            raise ValueError(f"images must have one size in all batches, got {images.shape[-2]}x{images.shape[-1]} now")
        self.features = tuple(features.shape[1:])
        who = "real" if is_real else "drawn"
        groups = features.transpose(0, 1)  # (P, B, K)
        added = {"sum": groups.sum(1), "outer": groups.mT @ groups, "count": groups.new_tensor(len(images))}
        for name, value in added.items():
            setattr(self, f"{who}_{name}", getattr(self, f"{who}_{name}") + value)

    def moments(self, who: str) -> tuple[Tensor, Tensor]:
        """Means `(P, K)` and covariances `(P, K, K)` of the features of `real` or `drawn` images."""
        count = getattr(self, f"{who}_count")
        if count < 2:
            raise ValueError(f"there are too few {who} images to compare, {int(count)}")
        if self.features is not None and count < IMAGES_PER_FEATURE * self.features[-1]:
            warnings.warn(
                f"{int(count)} {who} images are few for {self.features[-1]} features; the distance is too large. Give "
                f"{IMAGES_PER_FEATURE * self.features[-1]}, and compare with that of two halves of the real ones.",
                stacklevel=3,
            )
        mean = getattr(self, f"{who}_sum") / count
        covariance = getattr(self, f"{who}_outer") - count * mean[..., :, None] * mean[..., None, :]
        return mean, covariance / (count - 1)

    def compute(self) -> Tensor:
        """The distance, a scalar; 0 for sets with equal means and covariances.

        Raises:
            ValueError: If one of the sets has fewer than two images.
        """
        return frechet_distance(*self.moments("real"), *self.moments("drawn")).mean()

    def reset(self) -> None:
        """Forget all images."""
        super().reset()
        self.features = None


class WaveletStatisticsDistance(_FrechetMetric):
    """Frechet distance of `wavelet_statistics`, in standard deviations of the real images: `wsd`.

    It needs no network and sees blur and noise. It does not see whether details lie in the right places: noise with the
    right spectrum scores well, so drawn images have to be looked at, too. It is no FID and must not be called so.

    Args:
        levels: Number of levels, see `wavelet_statistics`.

    Shape:
        - images: `(B, C, H, W)` in [0, 1]

    Example:
        >>> distance, images = WaveletStatisticsDistance(levels=1), torch.rand(400, 1, 8, 8)
        >>> distance.update(images, is_real=True)
        >>> distance.update(images, is_real=False)
        >>> abs(distance.compute().item()) < 1e-6
        True
    """

    def features_of(self, images: Tensor) -> Tensor:
        """The statistics as one group, `(B, 1, K)`."""
        return wavelet_statistics(images, self.levels)[:, None]

    def compute(self) -> Tensor:
        """The distance, a scalar; 0 for sets with equal means and covariances.

        Raises:
            ValueError: If one of the sets has fewer than two images.
        """
        (mean, covariance), (other_mean, other_covariance) = self.moments("real"), self.moments("drawn")
        spread = covariance.diagonal(dim1=-2, dim2=-1).clamp(min=0).sqrt() + 1e-6
        both = spread[..., :, None] * spread[..., None, :]
        shift = (other_mean - mean) / spread
        return frechet_distance(torch.zeros_like(shift), covariance / both, shift, other_covariance / both).mean()


class FrechetWaveletDistance(_FrechetMetric):
    """Mean over all wavelet packets of the Frechet distance of their coefficients.

    Source: Veeramacheni, Wolter, Kuehne and Gall, Frechet Wavelet Distance: A Domain-Agnostic Metric for Image
    Generation, ICLR 2025: Haar packets of level 4 of images of 256 pixels. The sums of a packet grow with the fourth
    power of the side of an image: 75 MB for 128 pixels and level 4, 16 times as much for 256.

    Args:
        levels: Depth of the packets.

    Shape:
        - images: `(B, C, H, W)` in [0, 1], sides multiples of `2^levels`

    Example:
        >>> distance, images = FrechetWaveletDistance(levels=1), torch.rand(100, 1, 4, 4)
        >>> distance.update(images, is_real=True)
        >>> distance.update(images, is_real=False)
        >>> abs(distance.compute().item()) < 1e-6
        True
    """

    def features_of(self, images: Tensor) -> Tensor:
        """All coefficients of every packet, `(B, 4^levels, C * H' * W')`.

        Raises:
            ValueError: If a side does not divide.
        """
        multiple = 2**self.levels
        if any(side % multiple for side in images.shape[-2:]):
            raise ValueError(
                f"{self.levels} levels need sides that are multiples of {multiple}, got "
                f"{images.shape[-2]}x{images.shape[-1]}"
            )
        packets = wavelet_packet(images, "haar", self.levels, order="natural", mode="periodization")
        return packets.movedim(-3, 1).flatten(2)


def _check_images(images: Tensor) -> None:
    if images.ndim != 4:
        raise ValueError(f"images must be (B, C, H, W), got {tuple(images.shape)}")
