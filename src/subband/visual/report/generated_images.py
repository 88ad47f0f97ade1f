"""Drawn and reconstructed images in the report, and maps of their coefficients."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from subband.visual.colors import is_baseline
from subband.visual.grids import image_grid
from subband.visual.html import figure, image, named, plots, render
from subband.visual.report.runs import Samples
from subband.visual.report.task_report import Styles
from subband.visual.strips import error_scale, error_tiles, strip_png, to_tiles

_MOST = 8  # reconstructed images


def drawn_figures(samples: Samples, styles: Styles) -> Markup:
    """A grid of drawn images for every model that can draw."""
    figures = [
        figure(
            named(label, styles[label]), image(strip_png(image_grid(images)[None]), "image/png", f"drawn by {label}")
        )
        for label, images in samples.drawn.items()
    ]
    return plots(figures)


def coefficient_figures(samples: Samples, styles: Styles) -> Markup:
    """The maps of coefficients of every model that has some."""
    figures = [
        figure(
            named(label, styles[label]),
            image(strip_png(array.transpose(0, 2, 3, 1)), "image/png", f"coefficients of {label}"),
        )
        for label, array in samples.maps.items()
    ]
    return plots(figures)


class _Strip(NamedTuple):
    """Some images side by side."""

    head: str
    description: str
    image: bytes
    numbers: list[int]
    with_numbers: bool = False


def reconstruction_strips(samples: Samples, styles: Styles) -> Markup:
    """Test images, their reconstructions and errors by every model, and what the transform alone makes of them."""
    if not len(samples.inputs) or not samples.predictions:
        return Markup()
    true = to_tiles(samples.inputs[:_MOST])
    tiles = {label: to_tiles(array[:_MOST]) for label, array in samples.predictions.items()}
    scale = max(error_scale(item, true) for item in tiles.values())
    numbers = list(range(1, len(true) + 1))
    rows = [_Strip("test image", "test images", strip_png(true), numbers, True)]
    for label, item in tiles.items():
        rows.append(_Strip(named(label, styles[label]), f"reconstructed by {label}", strip_png(item), numbers))
        if not is_baseline(label):
            errors = strip_png(error_tiles(item, true, scale))
            rows.append(_Strip("error", f"error of {label}", errors, numbers))
    return render("strips.html.jinja", strips=rows, most=_MOST, scale=scale)
