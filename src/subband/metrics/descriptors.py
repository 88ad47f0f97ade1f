"""What every number of `scores.json` means and how it is shown: heading, unit, decimals, which end is good."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["CLASSIFICATION_METRICS", "RESTORATION_METRICS", "VIDEO_METRICS", "MetricInfo", "describe_metrics"]


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """A metric in words. Tables, plots, monitors and "best in bold" derive from it.

    Attributes:
        key: Name in `scores.json`.
        heading: Head of a column, without the unit.
        title: Name written out, for plots; the heading if not given.
        unit: `dB`, `%`, or empty.
        decimals: Digits after the point.
        higher_is_better: Which end is good.
        definition: One sentence with unit and range, in lower case, since it follows the heading.
        factor: Multiplies the value when it is shown, 100 for percent.
        is_main: Whether the metric stands in the main table, not among the further ones.
        is_logged: Whether training logs the metric of the validation set as `val_KEY`.
        is_per_frame: Whether there is a value for every predicted frame, which tables and plots show.
        protocol: Whose published code computes it so, where that is not the usual way; such metrics are printed in a
            table of their own.
        needs: What must be given for it to be computed at all.

    Example:
        >>> info = MetricInfo(
        ...     key="top1",
        ...     heading="Top-1",
        ...     unit="%",
        ...     decimals=1,
        ...     higher_is_better=True,
        ...     factor=100,
        ...     definition="share.",
        ... )
        >>> info.label, info.text(0.875), info.text(None), info.mode
        ('Top-1 %', '87.5', '-', 'max')
    """

    key: str
    heading: str
    title: str = ""
    unit: str = ""
    decimals: int
    higher_is_better: bool
    definition: str
    factor: float = 1.0
    is_main: bool = True
    is_logged: bool = False
    is_per_frame: bool = False
    protocol: str = ""
    needs: str = ""

    @property
    def label(self) -> str:
        """Heading and unit, `PSNR dB`."""
        return f"{self.heading} {self.unit}".rstrip()

    @property
    def mode(self) -> Literal["max", "min"]:
        """Which end is good, in the word of monitors and early stopping."""
        return "max" if self.higher_is_better else "min"

    def text(self, value: float | None) -> str:
        """A value as tables show it, without unit.

        Args:
            value: As in `scores.json`; None if it was not computed.

        Returns:
            A number with fixed decimals (zero without a sign), `-` for None, `not a number`, or a sign of infinity.
        """
        if value is None:
            return "-"
        if math.isnan(value):
            return "not a number"
        digits = f"{self.factor * value:.{self.decimals}f}"
        return digits.lstrip("-") if float(digits) == 0 else digits.replace("inf", "∞")


LPIPS_NEEDS = "evaluation.lpips_weights and the package lpips"

VIDEO_METRICS = (
    MetricInfo(
        key="mse",
        heading="MSE",
        title="Squared error",
        decimals=2,
        higher_is_better=False,
        is_logged=True,
        is_per_frame=True,
        definition="squared error summed over the channels, rows and columns of a frame (fields without a fixed range: "
        "averaged over them), averaged over frames and clips; the prediction is not clipped (squared units of the "
        "data).",
    ),
    MetricInfo(
        key="mae",
        heading="MAE",
        title="Absolute error",
        decimals=2,
        higher_is_better=False,
        is_logged=True,
        definition="absolute error summed and averaged as in MSE (units of the data).",
    ),
    MetricInfo(
        key="ssim",
        heading="SSIM",
        title="Structural similarity",
        decimals=4,
        higher_is_better=True,
        is_logged=True,
        is_per_frame=True,
        definition="structural similarity of every frame, 7 × 7 uniform window, data range 1, prediction clipped to "
        "[0, 1], averaged over frames and channels; 1 is identity.",
    ),
    MetricInfo(
        key="psnr",
        heading="PSNR",
        title="Signal to noise",
        unit="dB",
        decimals=2,
        higher_is_better=True,
        is_logged=True,
        is_per_frame=True,
        definition="10 log₁₀(1 / mean squared error) of every frame in dB, prediction clipped to [0, 1], averaged over "
        "frames.",
    ),
    MetricInfo(
        key="lpips",
        heading="LPIPS",
        title="Perceptual distance",
        decimals=4,
        higher_is_better=False,
        definition="learned perceptual distance with AlexNet features; needs weights that are not part of the package.",
        needs=LPIPS_NEEDS,
    ),
    MetricInfo(
        key="rmse",
        heading="RMSE",
        title="Root of the squared error",
        decimals=3,
        higher_is_better=False,
        is_main=False,
        definition="square root of MSE.",
    ),
    MetricInfo(
        key="snr",
        heading="SNR",
        title="Power of the target to power of the error",
        unit="dB",
        decimals=2,
        higher_is_better=True,
        is_main=False,
        definition="10 log₁₀(mean squared target / mean squared error) of every frame in dB, prediction clipped to "
        "[0, 1], averaged over frames.",
    ),
    MetricInfo(
        key="ssim_openstl",
        heading="SSIM (OpenSTL)",
        title="Structural similarity as OpenSTL computes it",
        decimals=4,
        higher_is_better=True,
        is_main=False,
        definition="SSIM with data range 2 on values in [0, 1], as the OpenSTL benchmark computes it; higher than "
        "SSIM, and the one to compare with its tables.",
    ),
    MetricInfo(
        key="psnr_legacy_uint8",
        heading="PSNR (legacy uint8)",
        title="Signal to noise in 8-bit arithmetic",
        unit="dB",
        decimals=2,
        higher_is_better=True,
        is_main=False,
        definition="PSNR in wrapping 8-bit arithmetic, as papers before June 2023 printed it; reads up to 16 dB too "
        "high and serves only for comparison with them.",
    ),
)

CLASSIFICATION_METRICS = (
    MetricInfo(
        key="top1",
        heading="Top-1",
        title="Accuracy",
        unit="%",
        decimals=2,
        higher_is_better=True,
        factor=100,
        is_logged=True,
        definition="share of the test images whose most likely class is the right one.",
    ),
    MetricInfo(
        key="top5",
        heading="Top-5",
        title="Accuracy of the first five",
        unit="%",
        decimals=2,
        higher_is_better=True,
        factor=100,
        is_logged=True,
        definition="share of the test images whose right class is among the five most likely.",
    ),
    MetricInfo(
        key="cross_entropy",
        heading="Cross-entropy",
        decimals=4,
        higher_is_better=False,
        definition="mean of −ln(probability of the right class), without label smoothing; it also punishes misplaced "
        "confidence.",
    ),
)

RESTORATION_METRICS = (
    MetricInfo(
        key="psnr",
        heading="PSNR",
        title="Signal to noise",
        unit="dB",
        decimals=2,
        higher_is_better=True,
        is_logged=True,
        is_per_frame=True,
        definition="10 log₁₀(1 / mean squared error) of every frame in dB, clipped to [0, 1], averaged over frames.",
    ),
    MetricInfo(
        key="psnr_gain",
        heading="Gain",
        title="Gain over the input",
        unit="dB",
        decimals=2,
        higher_is_better=True,
        is_logged=True,
        definition="PSNR minus that of the degraded input; above 0 the frames became better.",
    ),
    MetricInfo(
        key="ssim",
        heading="SSIM",
        title="Structural similarity",
        decimals=4,
        higher_is_better=True,
        is_logged=True,
        is_per_frame=True,
        definition="structural similarity of every frame, 7 × 7 uniform window, data range 1, clipped to [0, 1], "
        "averaged over frames and channels; 1 is identity.",
    ),
    MetricInfo(
        key="tof",
        heading="tOF",
        title="Error of the movement",
        unit="px",
        decimals=3,
        higher_is_better=False,
        definition="distance between the optical flow of neighboring frames and that of the sharp ones, in pixels; a "
        "clip that trembles or flickers has a large one.",
    ),
    *(
        MetricInfo(
            key=f"recovered_{band}",
            heading=f"Back in {band}",
            title=f"Detail recovered in {band}",
            unit="%",
            decimals=1,
            higher_is_better=True,
            factor=100,
            definition=f"share of the energy that was missing or wrong in the {band} band of the degraded frames "
            f"(one-level Haar transform, {words}) and is right again; below 0 more is wrong than before.",
        )
        for band, words in (
            ("lh", "details along the columns"),
            ("hl", "details along the rows"),
            ("hh", "diagonal details"),
        )
    ),
    MetricInfo(
        key="lpips",
        heading="LPIPS",
        title="Perceptual distance",
        decimals=4,
        higher_is_better=False,
        definition="learned perceptual distance with AlexNet features; needs weights that are not part of the package.",
        needs=LPIPS_NEEDS,
    ),
    MetricInfo(
        key="psnr_vddiff",
        heading="PSNR (VD-Diff)",
        title="Signal to noise as VD-Diff computes it",
        unit="dB",
        decimals=2,
        higher_is_better=True,
        is_main=False,
        protocol="VD-Diff",
        definition="PSNR after rounding to 8 bits, averaged over the frames of each clip, then over clips.",
    ),
    MetricInfo(
        key="ssim_vddiff",
        heading="SSIM (VD-Diff)",
        title="Structural similarity as VD-Diff computes it",
        decimals=4,
        higher_is_better=True,
        is_main=False,
        protocol="VD-Diff",
        definition="SSIM after rounding to 8 bits with a Gaussian window over rows, columns and colors, averaged over "
        "the frames of each clip, then over clips; not comparable with SSIM.",
    ),
    MetricInfo(
        key="psnr_estrnn",
        heading="PSNR (ESTRNN)",
        title="Signal to noise as ESTRNN computes it",
        unit="dB",
        decimals=2,
        higher_is_better=True,
        is_main=False,
        protocol="ESTRNN",
        definition="PSNR after cutting off (not rounding) to 8 bits, averaged over frames.",
    ),
    MetricInfo(
        key="ssim_estrnn",
        heading="SSIM (ESTRNN)",
        title="Structural similarity as ESTRNN computes it",
        decimals=4,
        higher_is_better=True,
        is_main=False,
        protocol="ESTRNN",
        definition="SSIM after cutting off to 8 bits with an 11 × 11 Gaussian window, averaged over frames.",
    ),
    MetricInfo(
        key="psnr_y",
        heading="PSNR (Y)",
        title="Signal to noise of luma",
        unit="dB",
        decimals=2,
        higher_is_better=True,
        is_main=False,
        protocol="BasicVSR++ (Y of BT.601, no border cropped, all frames)",
        definition="PSNR of the luma (BT.601, 16 to 235, peak 255) of frames in 8 bits, without cropping a border, "
        "averaged over all frames.",
    ),
    MetricInfo(
        key="ssim_y",
        heading="SSIM (Y)",
        title="Structural similarity of luma",
        decimals=4,
        higher_is_better=True,
        is_main=False,
        protocol="BasicVSR++ (Y of BT.601, no border cropped, all frames)",
        definition="SSIM of that luma with an 11 × 11 Gaussian window, averaged over all frames.",
    ),
)

_ERRORS = ("mse", "mae", "rmse")


def describe_metrics(table: Iterable[MetricInfo], keys: Iterable[str]) -> list[MetricInfo]:
    """The metrics of a table that were computed, then the errors of single variables.

    Args:
        table: `VIDEO_METRICS`, or that of another task.
        keys: Names in `scores.json`. Those in no table stand for themselves only as `mse_NAME`, `mae_NAME` or
            `rmse_NAME`, the error of the variable NAME; others are left out.

    Returns:
        Entries in the order of the table, then variables in the order of the keys.

    Example:
        >>> [info.label for info in describe_metrics(VIDEO_METRICS, ["mse_wind", "psnr", "mse"])]
        ['MSE', 'PSNR dB', 'MSE wind']
    """
    table, present = list(table), dict.fromkeys(keys)
    described = [info for info in table if info.key in present]
    known = {info.key for info in table}
    for key in present:
        error, _, variable = key.partition("_")
        if error in _ERRORS and variable and key not in known:
            described.append(_of_variable(key, error.upper(), variable))
    return described


def _of_variable(key: str, error: str, variable: str) -> MetricInfo:
    return MetricInfo(
        key=key,
        heading=f"{error} {variable}",
        decimals=3,
        higher_is_better=False,
        is_main=False,
        definition=f"{error} of {variable} alone.",
    )
