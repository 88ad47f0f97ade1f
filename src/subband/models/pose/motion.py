"""What moves between neighboring frames: from their spectra, and from how well their features match.

The difference of two spectra is the spectrum of the difference, so it brings nothing new but its reach over the whole
map. What is new are changes of log-amplitudes, which do not see shifts and tell of blur and appearance, and of phases,
which tell of shifts.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.fourier_unit import image_from_spectrum_channels, spectrum_channels
from subband.transforms.arguments import in_float32

__all__ = [
    "Correlation",
    "FrequencyMotion",
    "MatchMotion",
    "global_correlation",
    "local_correlation",
    "motion_matrix",
]

SLOPE = 0.1
EPS = 1e-4  # amplitude that has no phase
PARTS = 5  # of a pair: log-amplitude, real and imaginary part, cosine and sine of the phase
Correlation: TypeAlias = Literal["none", "local", "global"]


class FrequencyMotion(nn.Module):
    """Motion of a clip from the changes of its features' spectra and of the features themselves.

    Args:
        channels: Channels C.
        num_frames: Frames T, at least 2.

    Shape:
        `(B, T, C, H, W)` to `(B, C, H, W)`.
    """

    def __init__(self, channels: int, num_frames: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.mix = nn.Sequential(
            nn.Conv2d(PARTS * hidden, hidden, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(hidden, 2 * hidden, 1)
        )
        self.fuse = nn.Sequential(
            nn.Conv2d((num_frames - 1) * 2 * hidden, channels, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, clip: Tensor) -> Tensor:
        """Motion of `(B, T, C, H, W)`."""
        num_pairs, size = clip.shape[1] - 1, (clip.shape[-2], clip.shape[-1])
        reduced = self.reduce(clip.flatten(0, 1))
        spectra = spectrum_channels(reduced).unflatten(0, (-1, num_pairs + 1))
        changes = in_float32(_changes, spectra).to(self.reduce.weight.dtype)
        from_spectra = image_from_spectrum_channels(self.mix(changes.flatten(0, 1)), size).to(reduced.dtype)
        frames = reduced.unflatten(0, (-1, num_pairs + 1))
        plain = (frames[:, 1:] - frames[:, :-1]).flatten(0, 1)
        pairs = torch.cat([from_spectra, plain], 1).unflatten(0, (-1, num_pairs))
        return self.fuse(pairs.flatten(1, 2))


def _changes(spectra: Tensor) -> Tensor:
    """Five parts of every pair of neighbors, `(B, T - 1, 5C, H, W')`, from spectra `(B, T, 2C, H, W')`."""
    re, im = spectra[:, :, ::2], spectra[:, :, 1::2]
    size = (re.square() + im.square() + EPS**2).sqrt()
    cosines, sines = re / size, im / size
    now, then = slice(1, None), slice(None, -1)
    cosine = cosines[:, now] * cosines[:, then] + sines[:, now] * sines[:, then]
    sine = sines[:, now] * cosines[:, then] - cosines[:, now] * sines[:, then]
    logs = size.log1p()
    changes = [part[:, now] - part[:, then] for part in (logs, re, im)]
    return torch.cat([*changes, cosine, sine], 2)


def motion_matrix(a: Tensor, b: Tensor) -> Tensor:
    """How well every place of a map matches every place of another: `<a_hw, b_ij> / sqrt(C)`, four-dimensional.

    Args:
        a: `(B, C, H, W)`.
        b: Of the same shape.

    Returns:
        `(B, H, W, H, W)`: three million numbers for maps of 48 x 36. `local_correlation` is a window of it.
    """
    return torch.einsum("bchw,bcij->bhwij", a, b) / a.shape[1] ** 0.5


def local_correlation(a: Tensor, b: Tensor, radius: int) -> Tensor:
    """Entries of the `motion_matrix` for places at most `radius` rows and columns apart; zero beyond the border.

    Args:
        a: `(B, C, H, W)`.
        b: Of the same shape.
        radius: R.

    Returns:
        `(B, (2R + 1)^2, H, W)`, shifts of b by row, then column, from -R to R.
    """
    side = 2 * radius + 1
    windows = F.pad(b, (radius,) * 4).unfold(2, side, 1).unfold(3, side, 1)  # (B, C, H, W, side, side)
    return torch.einsum("bchw,bchwij->bijhw", a, windows).flatten(1, 2) / a.shape[1] ** 0.5


def global_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Sums of the `motion_matrix` over all pairs of places with one shift, around the border: a cross-correlation.

    Computed by the spectra: the inverse transform of `sum_c conj(A_c) B_c`.

    Args:
        a: `(B, C, H, W)`.
        b: Of the same shape.

    Returns:
        `(B, H, W)`: entry `(dy, dx)` is the sum over places of `<a_hw, b_(h+dy)(w+dx)> / sqrt(C)`.
    """
    found: Tensor = in_float32(_cross_correlation, a, b)
    return found


def _cross_correlation(a: Tensor, b: Tensor) -> Tensor:
    height, width = a.shape[-2:]
    (re, im), (other_re, other_im) = ((s[:, ::2], s[:, 1::2]) for s in map(spectrum_channels, (a, b)))
    product = [(re * other_re + im * other_im).sum(1), (re * other_im - im * other_re).sum(1)]
    whole = image_from_spectrum_channels(torch.stack(product, 1), (height, width)).squeeze(1)
    return whole * (height * width / a.shape[1]) ** 0.5  # transforms here are orthonormal


class MatchMotion(nn.Module):
    """Motion of a clip from how well features match between neighboring frames.

    Args:
        channels: Channels C.
        num_frames: Frames T, at least 2.
        radius: R of the window of shifts.
        with_global: Tell every place the sums of matches over the whole map, too, for the same shifts.

    Shape:
        `(B, T, C, H, W)` to `(B, C, H, W)`.
    """

    def __init__(self, channels: int, num_frames: int, *, radius: int, with_global: bool) -> None:
        super().__init__()
        self.radius, self.with_global = radius, with_global
        num_shifts = (2 * radius + 1) ** 2 * (1 + with_global)
        self.mix = nn.Sequential(
            nn.Conv2d((num_frames - 1) * num_shifts, channels, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, clip: Tensor) -> Tensor:
        """Motion of `(B, T, C, H, W)`."""
        num_pairs = clip.shape[1] - 1
        unit = clip / (clip.square().mean(2, keepdim=True) + EPS**2).sqrt()  # root mean square 1 over channels
        then, now = unit[:, :-1].flatten(0, 1), unit[:, 1:].flatten(0, 1)
        found = local_correlation(then, now, self.radius)
        if self.with_global:
            found = torch.cat([found, self._tiled(then, now).to(found.dtype)], 1)
        return self.mix(found.unflatten(0, (-1, num_pairs)).flatten(1, 2))

    def _tiled(self, then: Tensor, now: Tensor) -> Tensor:
        """Sums of matches, means over places, for the shifts of the window, at every place."""
        height, width = then.shape[-2:]
        shifts = torch.arange(-self.radius, self.radius + 1, device=then.device)
        sums = global_correlation(then, now) / (height * width)
        window = sums[:, shifts.remainder(height)[:, None], shifts.remainder(width)]
        return window.flatten(1)[..., None, None].expand(-1, -1, height, width)
