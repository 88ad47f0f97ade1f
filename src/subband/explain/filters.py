"""What a network learned about frequencies: images of its global filters.

Source: Rao et al., Global Filter Networks for Image Classification, NeurIPS 2021, figure 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from subband.extras import names_extra
from subband.layers.spectral import FourierFilter2d, fourier_filter_magnitude

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_CHANNELS = 24
"""As many as the paper's figure shows."""

_COLORS = "YlGnBu"
_PIXELS_PER_GAP = 14  # the paper's gap is one pixel beside spectra of 14 x 14


@torch.no_grad()
def filter_spectra(model: nn.Module, num_channels: int = NUM_CHANNELS) -> dict[str, Tensor]:
    """How much the global filters of a network let through of every frequency.

    Args:
        model: Any network.
        num_channels: Only the first so many channels of each filter.

    Returns:
        Dotted name of each filter to `(C, H, W)` on the CPU, not negative, zero frequency in the middle; empty for
        networks without global filters.

    Example:
        >>> import subband
        >>> spectra = filter_spectra(subband.create_model("gfnet_h_ti", img_size=64), num_channels=2)
        >>> len(spectra), spectra["levels.3.2.filter"].shape
        (19, torch.Size([2, 2, 2]))
    """
    return {
        name: fourier_filter_magnitude(module.complex_weight, module.size, layout=module.layout)[:num_channels].cpu()
        for name, module in model.named_modules()
        if isinstance(module, FourierFilter2d)
    }


def filter_image(spectra: Mapping[str, Tensor]) -> np.ndarray:
    """All spectra in one image: one row per filter, one column per channel, each from its smallest to its largest
    value.

    Filters of coarse maps have few frequencies; their pixels are repeated up to the size of the others.

    Args:
        spectra: What `filter_spectra` returns, not empty.

    Returns:
        `(H', W', 3)` uint8, pale yellow for the smallest values, dark blue for the largest; white between spectra.

    Raises:
        ValueError: If there are no spectra.

    Example:
        >>> filter_image({"one": torch.rand(2, 4, 4), "two": torch.rand(3, 2, 2)}).shape
        (9, 14, 3)
    """
    if not spectra:
        raise ValueError("filter_image needs at least one filter; the network has none.")
    with names_extra("plots need"):
        from matplotlib import colormaps

    height, width, gap = _cell(spectra)
    columns = max(len(item) for item in spectra.values())
    rows, cells = height + gap, width + gap
    image = np.full((len(spectra) * rows - gap, columns * cells - gap, 3), 255, np.uint8)
    for row, item in enumerate(spectra.values()):
        for column, spectrum in enumerate(item):
            tile = colormaps[_COLORS](_repeated(_scaled(spectrum), height, width).numpy(), bytes=True)[..., :3]
            image[row * rows : row * rows + height, column * cells : column * cells + width] = tile
    return image


def filter_figure(model: nn.Module, num_channels: int = NUM_CHANNELS) -> Figure:
    """The image of a network's global filters with a line of text for each, to be saved by `savefig`.

    Args:
        model: Network with global filters, such as a GFNet.
        num_channels: Columns.

    Returns:
        Figure.

    Raises:
        ValueError: If the network has no global filter.
        ImportError: If matplotlib is not installed.
    """
    with names_extra("plots need"):
        from matplotlib.figure import Figure

    spectra = filter_spectra(model, num_channels)
    image = filter_image(spectra)
    width = 0.45 * max(len(item) for item in spectra.values()) + 1.6
    figure = Figure(figsize=(width, (width - 1.6) * image.shape[0] / image.shape[1] + 0.4), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(image)
    axes.set_yticks(row_centers(spectra), list(spectra), fontsize=8)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def row_centers(spectra: Mapping[str, Tensor]) -> list[float]:
    """Where the rows of `filter_image` have their middle, in pixels, for labels beside them.

    Args:
        spectra: What `filter_spectra` returns, not empty.

    Example:
        >>> row_centers({"one": torch.rand(2, 4, 4), "two": torch.rand(3, 2, 2)})
        [1.5, 6.5]
    """
    height, _, gap = _cell(spectra)
    return [index * (height + gap) + (height - 1) / 2 for index in range(len(spectra))]


def _cell(spectra: Mapping[str, Tensor]) -> tuple[int, int, int]:
    """Height and width of every spectrum in the image, and the gap between two."""
    height, width = (max(item.shape[axis] for item in spectra.values()) for axis in (1, 2))
    return height, width, max(1, height // _PIXELS_PER_GAP)


def _scaled(spectrum: Tensor) -> Tensor:
    low, high = spectrum.amin(), spectrum.amax()
    return (spectrum - low) / torch.where(high > low, high - low, 1.0)


def _repeated(spectrum: Tensor, height: int, width: int) -> Tensor:
    rows, columns = (
        torch.arange(wanted) * have // wanted for wanted, have in zip((height, width), spectrum.shape, strict=True)
    )
    return spectrum[rows[:, None], columns]
