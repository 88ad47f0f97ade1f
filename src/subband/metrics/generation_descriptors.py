"""What the scores of image generation mean."""

from subband.metrics.descriptors import LPIPS_NEEDS, MetricInfo

__all__ = ["GENERATION_METRICS"]

GENERATION_METRICS = (
    MetricInfo(
        key="psnr",
        heading="PSNR",
        title="Signal to noise of reconstructions",
        unit="dB",
        decimals=2,
        higher_is_better=True,
        is_logged=True,
        definition="10 log₁₀(1 / mean squared error) of every reconstruction in dB, clipped to [0, 1], averaged over "
        "images.",
    ),
    MetricInfo(
        key="ssim",
        heading="SSIM",
        title="Structural similarity of reconstructions",
        decimals=4,
        higher_is_better=True,
        definition="structural similarity of every reconstruction, 11 × 11 Gaussian window, data range 1, clipped to "
        "[0, 1], averaged over images and channels; 1 is identity.",
    ),
    MetricInfo(
        key="mse",
        heading="MSE",
        title="Squared error of reconstructions",
        decimals=5,
        higher_is_better=False,
        is_logged=True,
        definition="squared error of reconstructions from the center of the code, images in [0, 1], averaged over "
        "pixels and images.",
    ),
    MetricInfo(
        key="coded",
        heading="Coded",
        title="Numbers in the code",
        unit="%",
        decimals=2,
        higher_is_better=False,
        factor=100,
        definition="numbers that a reconstruction is made from, of those that an image has; only rows with as many can "
        "be compared.",
    ),
    MetricInfo(
        key="rate",
        heading="Rate",
        unit="bpp",
        decimals=3,
        higher_is_better=False,
        is_logged=True,
        definition="divergence of the posterior from the prior, in bits per pixel: what the code costs.",
    ),
    MetricInfo(
        key="bits_per_dim",
        heading="Bits/dim",
        title="Bound on the bits of a value",
        decimals=3,
        higher_is_better=False,
        is_logged=True,
        definition="bound on the negative log₂ likelihood of a byte of the test images, one sample each; 8 is what a "
        "uniform distribution has.",
    ),
    MetricInfo(
        key="bits_tight",
        heading="Bits/dim, tight",
        title="Bound on the bits of a value by many samples",
        decimals=3,
        higher_is_better=False,
        is_main=False,
        definition="the bound of Bits/dim by many samples of every image, weighted by importance: the more, the nearer "
        "it is to the likelihood.",
        needs="evaluation.bound_samples above 1",
    ),
    MetricInfo(
        key="fwd",
        heading="FWD",
        title="Fréchet wavelet distance",
        decimals=3,
        higher_is_better=False,
        definition="Fréchet distance of the Haar packets of as many drawn images as there are test images, averaged "
        "over packets; to be read beside that of two halves of the test set, the row “real”.",
    ),
    MetricInfo(
        key="wsd",
        heading="WSD",
        title="Wavelet statistics distance",
        decimals=2,
        higher_is_better=False,
        definition="Fréchet distance of log energies of Haar bands and of thumbnails, in standard deviations of the "
        "test images; no FID. It does not see whether details lie in the right places: look at the drawn images, too.",
    ),
    MetricInfo(
        key="mse_signed",
        heading="MSE [-1, 1]",
        title="Squared error of reconstructions in [-1, 1]",
        decimals=5,
        higher_is_better=False,
        is_main=False,
        definition="four times MSE: images in [-1, 1].",
    ),
    MetricInfo(
        key="mse_noisy",
        heading="MSE with noise",
        title="Squared error of reconstructions from a sample",
        decimals=5,
        higher_is_better=False,
        is_main=False,
        definition="MSE of reconstructions from a sample of the code instead of its center.",
    ),
    MetricInfo(
        key="lpips",
        heading="LPIPS",
        title="Perceptual distance of reconstructions",
        decimals=4,
        higher_is_better=False,
        definition="learned perceptual distance with AlexNet features; needs weights that are not part of the package.",
        needs=LPIPS_NEEDS,
    ),
)
