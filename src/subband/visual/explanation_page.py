"""Why a classifier decides as it does over many photographs: one self-contained HTML page."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import torch
from torch import Tensor

from subband.explain.explanation import Explanation
from subband.explain.filters import filter_picture
from subband.explain.occlusion import SubbandDrop
from subband.visual.colors import series_styles
from subband.visual.explanation_panel import heat_overlay, short, signed
from subband.visual.html import details, facts, figure, image, page, section, table
from subband.visual.plots import signed_bars
from subband.visual.strips import strip_png, to_tiles

_MAX_SIDE = 256  # pixels of a photograph on the page


class Photograph(NamedTuple):
    """What the page keeps of one explanation, which is little beside its pictures.

    Attributes:
        name: Of the photograph.
        panel: Name of the file with all about it, in the folder of the page.
        explained: Name of the class that is explained.
        probability: Its probability.
        drops: What it loses with each subband.
        pictures: The photograph as the network sees it, and the heat map over it: a PNG file.
    """

    name: str
    panel: str
    explained: str
    probability: float
    drops: list[SubbandDrop]
    pictures: bytes

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
    title = f"Why {model} decides as it does"
    count = f"{len(photographs)} photograph{'s' if len(photographs) > 1 else ''}"
    head = (
        f'<header>\n<p class="eyebrow">subband · explain</p>\n<h1>{escape(title)}</h1>\n'
        '<p class="lead">Where it looks in an image, and which frequencies it relies on.</p>\n'
        f"{facts([('Photographs', str(len(photographs))), *settings])}\n</header>"
    )
    body = [
        head,
        section(
            "Subbands",
            f"By how much the logit of the explained class falls when one wavelet subband of the image is removed; mean of {count}. "
            "Level 1 is the finest. LH shows horizontal edges, HL vertical ones, HH diagonal ones; LL is the smooth part, of "
            "which the mean stays.",
            _findings(photographs),
            _charts(photographs),
            _subband_table(photographs),
        ),
        section(
            "Photographs",
            "What the network sees, and where it looked (Grad-CAM, bright speaks for the class; nothing bright, nothing does). The links lead to the "
            "pictures beside this page.",
            f'<div class="clips" style="--columns: 2">{"".join(map(_card, photographs))}</div>',
        ),
        section(
            "Filters",
            "How much of every frequency its global filters let through, one row per filter, blue for most, zero frequency in the "
            "middle; each picture has its own scale.",
            _filters(spectra),
        ),
        "<footer>This file holds everything it shows; only the links need the pictures beside it.</footer>",
    ]
    return page(title, "\n".join(part for part in body if part))


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


def _findings(photographs: Sequence[Photograph]) -> str:
    """What the numbers say in words."""
    means = {drop.name: drop.logit.item() for drop in mean_drops(photographs)}
    most, least = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    items = [f"On average the class loses most without <b>{most}</b>: {signed(means[most])}."]
    if means[least] < 0:
        items.append(f"Without <b>{least}</b> it gains: {signed(means[least])}.")
    (name, times), *_ = Counter(photograph.decisive.name for photograph in photographs).most_common(1)
    items.append(f"<b>{name}</b> is the most decisive subband of {times} of {len(photographs)}.")
    return f'<ul class="findings">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _charts(photographs: Sequence[Photograph]) -> str:
    means = mean_drops(photographs)
    up, down = series_styles(["loses", "gains"]).values()
    logits = {drop.name: drop.logit.item() for drop in means}
    points = {drop.name: 100 * drop.probability.item() for drop in means}
    plots = (
        figure("Logit", signed_bars(logits, up, down, "Mean drop of the logit without each subband", "drop")),
        figure(
            "Probability", signed_bars(points, up, down, "Mean drop of the probability without each subband", "drop, %")
        ),
    )
    return f'<div class="plots">{"".join(plots)}</div>'


def _subband_table(photographs: Sequence[Photograph]) -> str:
    decisive = Counter(photograph.decisive.name for photograph in photographs)
    rows = [
        [drop.name, signed(drop.logit.item()), signed(100 * drop.probability.item()), str(decisive[drop.name])]
        for drop in mean_drops(photographs)
    ]
    heads = ["without", "drop of the logit", "drop of the probability, %", "most decisive of so many"]
    return details("All numbers", table(heads, rows))


def _card(photograph: Photograph) -> str:
    picture = image(
        photograph.pictures, "image/png", f"{photograph.name} as the network sees it, and a heat map over it"
    )
    drop = photograph.decisive
    return (
        f'<article class="clip"><h3>{escape(short(photograph.explained, 40))}, {100 * photograph.probability:.1f} %</h3>{picture}'
        f'<p class="note">{escape(photograph.name)}; loses most without {drop.name}: {signed(drop.logit.item())}. '
        f'<a href="{quote(photograph.panel)}">More</a></p></article>'
    )


def _filters(spectra: Mapping[str, Tensor]) -> str:
    if not spectra:
        return ""
    return image(_png(filter_picture(spectra)), "image/png", f"Amplitudes of {len(spectra)} learned filters")


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
