"""Why a classifier decides as it does over many photographs: one self-contained HTML page."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from markupsafe import Markup
from torch import Tensor

from subband.explain.explanation import Explanation
from subband.explain.filters import filter_image
from subband.explain.occlusion import SubbandDrop
from subband.visual.colors import series_styles
from subband.visual.explanation_panel import heat_overlay
from subband.visual.html import (
    details,
    facts,
    figure,
    findings,
    image,
    page,
    plots,
    render,
    section,
    stack,
    strong,
    table,
)
from subband.visual.plots import signed_bars
from subband.visual.sheet import short, signed
from subband.visual.strips import strip_png, to_tiles

_MAX_SIDE = 256  # pixels of a photograph on the page


class Photograph(NamedTuple):
    """What the page keeps of one explanation, which is little beside its images.

    Attributes:
        name: Of the photograph.
        panel: Name of the file with all about it, in the folder of the page.
        explained: Name of the class that is explained.
        probability: Its probability.
        drops: What it loses with each subband.
        images: The photograph as the network sees it, and the heat map over it: a PNG file.
    """

    name: str
    panel: str
    explained: str
    probability: float
    drops: list[SubbandDrop]
    images: bytes

    @classmethod
    def of(cls, explanation: Explanation, name: str, panel: str) -> Photograph:
        """What to keep of an explanation.

        Args:
            explanation: Of one photograph.
            name: Of the photograph.
            panel: Name of the file with all about it.
        """
        both = torch.stack([explanation.image, heat_overlay(explanation)])
        tiles = to_tiles((255 * both).round().to(torch.uint8).numpy(), _MAX_SIDE)
        return cls(name, panel, explanation.explained, explanation.probability, explanation.drops, strip_png(tiles))

    @property
    def decisive(self) -> SubbandDrop:
        """The subband that the class loses most with."""
        return max(self.drops, key=lambda drop: drop.logit.item())


def explanations_page(
    photographs: Sequence[Photograph], model: str, settings: Sequence[tuple[str, str]], spectra: Mapping[str, Tensor]
) -> str:
    """The page: what subbands matter on average, then every photograph, then the network's filters.

    Args:
        photographs: At least one.
        model: What to call the network.
        settings: Terms and values for the head of the page.
        spectra: What `subband.explain.filters.filter_spectra` returns; may be empty.

    Returns:
        HTML that needs nothing from elsewhere.

    Raises:
        ValueError: If there are no photographs.
        ImportError: If matplotlib is not installed.
    """
    if not photographs:
        raise ValueError("explanations_page needs at least one photograph.")
    content = stack(
        section(
            "Subbands",
            "By how much the logit of the explained class falls when one wavelet subband of the image is removed; mean "
            f"of {len(photographs)} photograph{'s' if len(photographs) > 1 else ''}. Level 1 is the finest. LH shows "
            "horizontal edges, HL vertical ones, HH diagonal ones; LL is the smooth part, of which the mean stays.",
            _findings(photographs),
            _charts(photographs),
            _subband_table(photographs),
        ),
        section(
            "Photographs",
            "What the network sees, and where it looked (Grad-CAM, bright speaks for the class; nothing bright, "
            "nothing does). The links lead to the images beside this page.",
            render("photographs.html.jinja", photographs=photographs, short=short, signed=signed),
        ),
        section(
            "Filters",
            "How much of every frequency its global filters let through, one row per filter, blue for most, zero "
            "frequency in the middle; each image has its own scale.",
            _filters(spectra),
        ),
    )
    return page(
        f"Why {model} decides as it does",
        content,
        subject="explain",
        lead="Where it looks in an image, and which frequencies it relies on.",
        summary=facts([("Photographs", str(len(photographs))), *settings]),
        footer="This file holds everything it shows; only the links need the images beside it.",
    )


def mean_drops(photographs: Sequence[Photograph]) -> list[SubbandDrop]:
    """Drops averaged over photographs.

    Args:
        photographs: At least one, all with the same subbands.
    """
    return [
        SubbandDrop(
            own[0].name,
            torch.cat([drop.logit for drop in own]).mean(0, keepdim=True),
            torch.cat([drop.probability for drop in own]).mean(0, keepdim=True),
        )
        for own in zip(*(photograph.drops for photograph in photographs), strict=True)
    ]


def _findings(photographs: Sequence[Photograph]) -> Markup:
    """What the numbers say in words."""
    means = {drop.name: drop.logit.item() for drop in mean_drops(photographs)}
    most, least = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    items = ["On average the class loses most without " + strong(most) + f": {signed(means[most])}."]
    if means[least] < 0:
        items.append("Without " + strong(least) + f" it gains: {signed(means[least])}.")
    (name, times), *_ = Counter(photograph.decisive.name for photograph in photographs).most_common(1)
    items.append(strong(name) + f" is the most decisive subband of {times} of {len(photographs)}.")
    return findings(items)


def _charts(photographs: Sequence[Photograph]) -> Markup:
    means = mean_drops(photographs)
    up, down = series_styles(["loses", "gains"]).values()
    logits = {drop.name: drop.logit.item() for drop in means}
    points = {drop.name: 100 * drop.probability.item() for drop in means}
    return plots(
        [
            figure("Logit", signed_bars(logits, up, down, "Mean drop of the logit without each subband", "drop")),
            figure(
                "Probability",
                signed_bars(points, up, down, "Mean drop of the probability without each subband", "drop, %"),
            ),
        ]
    )


def _subband_table(photographs: Sequence[Photograph]) -> Markup:
    decisive = Counter(photograph.decisive.name for photograph in photographs)
    rows = [
        [drop.name, signed(drop.logit.item()), signed(100 * drop.probability.item()), str(decisive[drop.name])]
        for drop in mean_drops(photographs)
    ]
    heads = ["without", "drop of the logit", "drop of the probability, %", "most decisive of so many"]
    return details("All numbers", table(heads, rows))


def _filters(spectra: Mapping[str, Tensor]) -> Markup:
    if not spectra:
        return Markup()
    return image(_png(filter_image(spectra)), "image/png", f"Amplitudes of {len(spectra)} learned filters")


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
