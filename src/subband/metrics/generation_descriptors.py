"""What the scores of image generation mean."""

from dataclasses import replace

from subband.metrics.descriptors import LPIPS_NEEDS, MetricInfo

__all__ = ["GENERATION_METRICS", "VIDEO_GENERATION_METRICS"]

_INCEPTION_NEEDS = "evaluation.inception_weights and the package torch-fidelity"
_INCEPTION_METRICS = (
    MetricInfo(
        key="fid",
        heading="FID",
        title="Fréchet Inception distance",
        decimals=2,
        higher_is_better=False,
        definition="Fréchet distance of Inception features of as many drawn images as there are test images, at most "
        "10,000; needs weights that are not part of the package. FIDs of other numbers of images do not compare.",
        needs=_INCEPTION_NEEDS,
    ),
    MetricInfo(
        key="kid",
        heading="KID",
        title="Kernel Inception distance",
        decimals=5,
        higher_is_better=False,
        definition="unbiased squared maximum mean discrepancy of the same features with the kernel (x·y / 2048 + 1)³.",
        needs=_INCEPTION_NEEDS,
    ),
    MetricInfo(
        key="rfid",
        heading="rFID",
        title="Fréchet Inception distance of reconstructions",
        decimals=2,
        higher_is_better=False,
        definition="FID of the reconstructions of all test images instead of drawn ones.",
        needs=_INCEPTION_NEEDS,
    ),
    MetricInfo(
        key="rkid",
        heading="rKID",
        title="Kernel Inception distance of reconstructions",
        decimals=5,
        higher_is_better=False,
        is_main=False,
        definition="KID of the reconstructions of all test images instead of drawn ones.",
        needs=_INCEPTION_NEEDS,
    ),
    *(
        MetricInfo(
            key=f"{key}_tv",
            heading=f"{heading} (torchvision)",
            decimals=2,
            higher_is_better=False,
            is_main=False,
            definition=f"as {heading}, but of the features of torchvision's ImageNet weights, which no published "
            f"{heading} compares with.",
            needs="torchvision's inception_v3_google-0cc3c7bd.pth as evaluation.inception_weights",
        )
        for key, heading in (("fid", "FID"), ("kid", "KID"), ("rfid", "rFID"), ("rkid", "rKID"))
    ),
)

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
    *_INCEPTION_METRICS,
)

_BY_KEY = {item.key: item for item in GENERATION_METRICS}
VIDEO_GENERATION_METRICS = (
    replace(
        _BY_KEY["psnr"],
        definition="10 log₁₀(1 / mean squared error) of every reconstructed frame in dB, clipped to [0, 1], averaged "
        "over frames and clips.",
    ),
    replace(
        _BY_KEY["ssim"],
        definition="structural similarity of every reconstructed frame, 11 × 11 Gaussian window, data range 1, clipped "
        "to [0, 1], averaged over frames, channels and clips; 1 is identity.",
    ),
    _BY_KEY["mse"],
    MetricInfo(
        key="mse_time",
        heading="MSE in time",
        title="Squared error of changes in time",
        decimals=5,
        higher_is_better=False,
        definition="squared error of what a Haar transform along time tells of the changes between two frames, clipped "
        "to [0, 1], averaged over pixels and pairs of frames; above MSE where a reconstruction flickers or blurs "
        "motion.",
    ),
    *(_BY_KEY[key] for key in ("coded", "rate", "bits_per_dim")),
    replace(
        _BY_KEY["fwd"],
        definition="Fréchet distance of the Haar packets of the frames of as many drawn clips as there are test clips, "
        "averaged over packets; it does not see motion. To be read beside that of two halves of the test set, the row "
        "“real”.",
    ),
    replace(
        _BY_KEY["wsd"],
        definition="Fréchet distance of log energies of Haar bands and of thumbnails of single frames, in standard "
        "deviations of the test frames; no FID, and it does not see motion.",
    ),
    *(_BY_KEY[key] for key in ("mse_signed", "mse_noisy", "lpips")),
    MetricInfo(
        key="fvd",
        heading="FVD",
        title="Fréchet video distance",
        decimals=1,
        higher_is_better=False,
        definition="Fréchet distance of I3D features of drawn clips.",
        needs="an I3D network, which the package neither has nor reads",
    ),
)
