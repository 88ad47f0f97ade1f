"""Before and after as one self-contained HTML page, with a slider that wipes from one to the other."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from subband.visual.comparison import ClipComparison, Moment, Scores
from subband.visual.html import data_uri, facts, findings, page, paragraph, render, section, strong, table

_EXACT_PIXELS = 2**16  # larger stills are JPEG files of quality 95, or the page would not open any more


def comparison_page(
    comparison: ClipComparison,
    title: str,
    *,
    settings: Sequence[tuple[str, str]] = (),
    video: str | None = None,
    labels: Sequence[str] = ("before", "after", "reference"),
) -> str:
    """The page: what the scores say, then every moment with a slider, then all numbers.

    The slider is an `input` of type range: arrows, Home and End move it, too.

    Args:
        comparison: From `compare_clips`.
        title: Heading, such as the name of the clip.
        settings: Terms and values for the head of the page.
        video: Name of the video with both side by side, in the folder of the page; None for none.
        labels: What before, after and reference are called.

    Returns:
        HTML that needs nothing from elsewhere; only the link needs the video beside it.

    Example:
        >>> picture = np.zeros((8, 12, 3), np.uint8)
        >>> moment = Moment(0, None, picture, picture, None, None)
        >>> html = comparison_page(ClipComparison(1, [moment], None), "street.mp4")
        >>> html.count('type="range"'), html.count("<script>")
        (1, 1)
    """
    wipes = Markup("\n").join(_wipes(moment, labels, float(comparison.pixel_aspect)) for moment in comparison.moments)
    content = [
        section(
            "Moments",
            f"Drag the line, or use the arrow keys: {labels[0]} is on the left of it, {labels[1]} on the right.",
            render("wipes.html.jinja", wipes=wipes, video=video),
        )
    ]
    if comparison.scores is not None:
        content.append(_numbers(comparison, labels))
    return page(
        title,
        Markup("\n").join(content),
        subject="comparison",
        lead=f"What the clip was, and what was made of it, at {len(comparison.moments)} moments.",
        summary=_verdict(comparison, labels) + facts([("Frames", str(comparison.num_frames)), *settings]),
        footer="This file holds everything it shows; only the link needs the video beside it."
        if video
        else "This file holds everything it shows.",
        sheets=("wipe.css",),
        scripts=("wipe.js",),
    )


def decibels(value: float) -> str:
    """A peak signal-to-noise ratio as text.

    Args:
        value: In dB.

    Example:
        >>> decibels(31.234), decibels(float("inf"))
        ('31.23', '∞')
    """
    return "∞" if math.isinf(value) else f"{value:.2f}"


def moment_name(moment: Moment) -> str:
    """When a moment is.

    Args:
        moment: The moment.

    Example:
        >>> picture = np.zeros((8, 12, 3), np.uint8)
        >>> moment_name(Moment(7, None, picture, picture, None, None))
        'frame 7'
    """
    if moment.time is None:
        return f"frame {moment.number}"
    minutes, seconds = divmod(float(moment.time), 60)
    return f"{minutes:.0f}:{seconds:05.2f}, frame {moment.number}"


def _wipes(moment: Moment, labels: Sequence[str], pixel_aspect: float) -> Markup:
    """The slider of a moment, and one from the result to the reference."""
    name = moment_name(moment)
    text = ""
    if moment.scores is not None:
        text = " → ".join(f"{decibels(score.psnr)} dB" for score in moment.scores)
    shown = [(name, text, moment.before, moment.after, labels[0], labels[1])]
    if moment.reference is not None:
        shown.append((f"{name}: {labels[1]} and {labels[2]}", "", moment.after, moment.reference, labels[1], labels[2]))
    return render(
        "wipe.html.jinja",
        wipes=[
            {
                "name": caption,
                "note": note,
                "left": _still(left),
                "right": _still(right),
                "left_label": left_label,
                "right_label": right_label,
                "ratio": round(left.shape[1] * pixel_aspect / left.shape[0], 5),
            }
            for caption, note, left, right, left_label, right_label in shown
        ],
    )


def _still(pixels: np.ndarray) -> str:
    """A picture as an address that holds it."""
    from PIL import Image

    buffer, image = io.BytesIO(), Image.fromarray(np.ascontiguousarray(pixels))
    if image.width * image.height <= _EXACT_PIXELS:
        image.save(buffer, "PNG", optimize=True)
        return data_uri(buffer.getvalue(), "image/png")
    image.save(buffer, "JPEG", quality=95, subsampling=0)
    return data_uri(buffer.getvalue(), "image/jpeg")


def _verdict(comparison: ClipComparison, labels: Sequence[str]) -> Markup:
    if comparison.scores is None:
        return paragraph("There is no reference, so the eye has to judge.")
    before, after = comparison.scores
    gain = after.psnr - before.psnr
    change = "equal" if math.isnan(gain) else f"{gain:+.2f} dB".replace("-", "−").replace("+inf", "+∞")
    items: list[str] = [
        f"PSNR against the {labels[2]}: {decibels(before.psnr)} dB {labels[0]}, {decibels(after.psnr)} dB {labels[1]}, "
        + strong(change)
        + "."
    ]
    if before.ssim is not None and after.ssim is not None:
        items.append(f"SSIM: {before.ssim:.4f} {labels[0]}, {after.ssim:.4f} {labels[1]}.")
    return findings(items)


def _numbers(comparison: ClipComparison, labels: Sequence[str]) -> Markup:
    rows = [[moment_name(moment), *_cells(moment.scores)] for moment in comparison.moments if moment.scores]
    rows.append(["mean of all frames", *_cells(comparison.scores)])
    heads = ["moment", *(f"{metric} {label}" for metric in ("PSNR, dB,", "SSIM") for label in labels[:2])]
    intro = f"Per frame against the {labels[2]}, on 8-bit red, green and blue in [0, 1]."
    return section("Numbers", intro, table(heads, rows))


def _cells(scores: tuple[Scores, Scores] | None) -> list[str]:
    assert scores is not None
    similarities = ["–" if score.ssim is None else f"{score.ssim:.4f}" for score in scores]
    return [*(decibels(score.psnr) for score in scores), *similarities]
