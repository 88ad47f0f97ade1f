"""Alignment of a neighboring frame by deformable convolutions whose offsets are weighed by both frames' spectra.

After Zhu et al., Exploring Temporal Frequency Spectrum in Deep Video Deblurring, ICCV 2023, whose abstract names the
module; its design here is ours. Offsets are learned between pixels, and blur changes spectra more clearly than pixels:
log-amplitudes tell how blur differs between two frames, phase differences how they are shifted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.deform_conv import deform_conv2d
from subband.layers.fourier_unit import image_from_spectrum_channels, spectrum_channels
from subband.transforms.arguments import check_real, in_float32

__all__ = ["PyramidAlignment", "SpectralAlignment", "SpectrumPrior"]

SLOPE = 0.1
TAPS = 9
OFFSETS = 2 * TAPS  # numbers of an offset group
EPS = 1e-4  # amplitude that counts as none; the gradients of phases grow as one over it


class SpectrumPrior(nn.Module):
    """Factors between 0 and 2 from the spectra of two frames; all are 1 at first.

    Args:
        channels: Channels C.
        num_factors: Factors P of every pixel.
        hidden: Channels that are compared.

    Shape:
        features of the reference and of its neighbor `(B, C, H, W)`; factors `(B, P, H, W)`.

    Example:
        >>> prior = SpectrumPrior(4, 6, 2)
        >>> prior(torch.rand(2, 4, 8, 7), torch.rand(2, 4, 8, 7)).unique().tolist()
        [1.0]
    """

    def __init__(self, channels: int, num_factors: int, hidden: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.mix = nn.Sequential(
            nn.Conv2d(4 * hidden, hidden, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(hidden, 2 * hidden, 1)
        )
        self.act = nn.LeakyReLU(SLOPE)
        self.factors = zero_conv(hidden, num_factors)

    def forward(self, reference: Tensor, neighbor: Tensor) -> Tensor:
        """Factors for `neighbor`, `(B, P, H, W)`."""
        check_real(reference, "reference")
        check_real(neighbor, "neighbor")
        spectra = [spectrum_channels(self.reduce(x)) for x in (reference, neighbor)]
        compared = in_float32(_compare, *spectra).to(self.reduce.weight.dtype)
        image = image_from_spectrum_channels(self.mix(compared), (reference.shape[-2], reference.shape[-1]))
        return 2 * torch.sigmoid(self.factors(self.act(image.to(self.reduce.weight.dtype))))


def _compare(first: Tensor, second: Tensor) -> Tensor:
    """Log-amplitudes of both spectra, cosine and sine of their phase difference, `(B, 4C, H, W')`.

    The spectra are `(B, 2C, H, W')`, real and imaginary part of a channel one after the other.
    """
    (re, im), (other_re, other_im) = ((x[:, ::2], x[:, 1::2]) for x in (first, second))
    amplitude = (re.square() + im.square() + EPS**2).sqrt()
    other = (other_re.square() + other_im.square() + EPS**2).sqrt()
    product = amplitude * other
    cosine = (re * other_re + im * other_im) / product
    sine = (im * other_re - re * other_im) / product
    return torch.cat([amplitude.log1p(), other.log1p(), cosine, sine], 1)


class SpectralAlignment(nn.Module):
    """One level: a modulated deformable convolution of the neighbor's features.

    Args:
        channels: Channels C.
        groups: Offset groups G; they divide C.
        is_refined: The level gets offsets and features of a coarser one.
        with_prior: Weigh offsets and masks by a `SpectrumPrior`.

    Shape:
        reference, neighbor and what is aligned `(B, C, H, W)`, offsets `(B, 18 G, H, W)`; aligned features and offsets.

    Raises:
        ValueError: If `groups` does not divide the channels.

    Example:
        >>> x = torch.rand(2, 4, 8, 7)
        >>> aligned, offsets = SpectralAlignment(4, groups=2)(x, x)
        >>> aligned.shape, offsets.shape
        (torch.Size([2, 4, 8, 7]), torch.Size([2, 36, 8, 7]))
    """

    def __init__(self, channels: int, *, groups: int = 8, is_refined: bool = False, with_prior: bool = True) -> None:
        super().__init__()
        if groups < 1 or channels % groups:
            raise ValueError(f"groups must divide the {channels} channels, got {groups}.")
        self.num_offsets = OFFSETS * groups
        self.compare = nn.Sequential(*conv_act(2 * channels, channels), *conv_act(channels, channels))
        self.refine = nn.Sequential(*conv_act(channels + self.num_offsets, channels)) if is_refined else None
        self.offsets = zero_conv(channels, self.num_offsets)
        self.mask = zero_conv(channels, TAPS * groups)
        hidden = channels // 2
        self.prior = SpectrumPrior(channels, (OFFSETS + TAPS) * groups, hidden) if with_prior else None
        self.filter = nn.Conv2d(channels, channels, 3, padding=1)
        self.merge = nn.Sequential(*conv_act(2 * channels, channels)) if is_refined else None

    def forward(
        self,
        reference: Tensor,
        neighbor: Tensor,
        aligned: Tensor | None = None,
        *,
        offsets: Tensor | None = None,
        features: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Align a neighbor with the reference.

        Args:
            reference: `(B, C, H, W)`.
            neighbor: What is compared with the reference.
            aligned: What is moved; the neighbor by default.
            offsets: Those of the coarser level, in pixels of this one.
            features: Aligned features of the coarser level, at this size.

        Returns:
            aligned: `(B, C, H, W)`.
            offsets: `(B, 18 G, H, W)`, for the next level.
        """
        check_real(reference, "reference")
        check_real(neighbor, "neighbor")
        found = self.compare(torch.cat([neighbor, reference], 1))
        if self.refine is not None and offsets is not None:
            found = self.refine(torch.cat([found, offsets.to(found.dtype)], 1))
        moved, mask = self.offsets(found), torch.sigmoid(self.mask(found))
        moved = moved.to(torch.promote_types(moved.dtype, torch.float32))  # positions in half precision are too coarse
        if self.prior is not None:
            factors = self.prior(reference, neighbor)
            moved = moved * factors[:, : self.num_offsets]
            mask = mask * factors[:, self.num_offsets :]
        moved = moved if offsets is None else moved + offsets
        source = neighbor if aligned is None else aligned
        result = deform_conv2d(
            source, moved, self.filter.weight, bias=self.filter.bias, mask=mask.to(source.dtype), padding=1
        )
        if self.merge is not None and features is not None:
            result = self.merge(torch.cat([result, features.to(result.dtype)], 1))
        return result, moved


class PyramidAlignment(nn.Module):
    """`SpectralAlignment` from coarse to fine: offsets and features of a level begin with those of the coarser one.

    Args:
        channels: Channels C.
        levels: Number of levels, each half the size of the one before.
        groups: Offset groups; they divide C.
        with_prior: See `SpectralAlignment`.
        align_input: What is compared with the reference: the neighbor's features, or their difference from it.

    Shape:
        features of the reference and of its neighbor `(B, C, H, W)`, sides multiples of `2 ** (levels - 1)`; aligned
        features of the neighbor.

    Raises:
        ValueError: If `levels` is below one or `align_input` unknown.

    Example:
        >>> x = torch.rand(1, 4, 8, 8)
        >>> PyramidAlignment(4, levels=2, groups=2)(x, x).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(
        self,
        channels: int,
        *,
        levels: int = 3,
        groups: int = 8,
        with_prior: bool = True,
        align_input: str = "features",
    ) -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels must be at least 1, got {levels}.")
        if align_input not in ("features", "differences"):
            raise ValueError(f"align_input must be 'features' or 'differences', got {align_input!r}.")
        self.align_input = align_input
        self.down = nn.ModuleList(nn.Sequential(*conv_act(channels, channels, stride=2)) for _ in range(levels - 1))
        self.levels = nn.ModuleList(
            SpectralAlignment(channels, groups=groups, is_refined=level < levels - 1, with_prior=with_prior)
            for level in range(levels)
        )

    def forward(self, reference: Tensor, neighbor: Tensor) -> Tensor:
        """Align `neighbor` with `reference`, both `(B, C, H, W)`."""
        check_real(reference, "reference")
        check_real(neighbor, "neighbor")
        return self.align(self.pyramid(reference), self.pyramid(neighbor))

    def pyramid(self, features: Tensor) -> list[Tensor]:
        """Features at all levels, finest first."""
        found = [features]
        for down in self.down:
            found.append(down(found[-1]))
        return found

    def align(self, reference: Sequence[Tensor], neighbor: Sequence[Tensor]) -> Tensor:
        """Align what `pyramid` made of a neighbor with what it made of the reference, `(B, C, H, W)`."""
        compares_differences = self.align_input == "differences"
        return align_levels(self.levels, reference, neighbor, compares_differences=compares_differences)


def align_levels(
    levels: nn.ModuleList, reference: Sequence[Tensor], neighbor: Sequence[Tensor], *, compares_differences: bool
) -> Tensor:
    """Align features of a neighbor with those of the reference from coarse to fine.

    Args:
        levels: A `SpectralAlignment` for each level, finest first.
        reference: Features `(B, C, H, W)` at each level, every one about half the size of the one before.
        neighbor: Likewise.
        compares_differences: What is compared with the reference is the neighbor's difference from it.

    Returns:
        Aligned features of the neighbor at the finest level.
    """
    offsets = features = None
    for level in reversed(range(len(levels))):
        own, other = reference[level], neighbor[level]
        compared = other - own if compares_differences else other
        if offsets is not None and features is not None:
            offsets, features = 2 * _resized(offsets, own), _resized(features, own)
        features, offsets = levels[level](own, compared, other, offsets=offsets, features=features)
    assert features is not None
    return features


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, (like.shape[-2], like.shape[-1]), mode="bilinear", align_corners=False)


def conv_act(in_chans: int, out_chans: int, stride: int = 1) -> list[nn.Module]:
    """A 3x3 convolution and a leaky ReLU."""
    return [nn.Conv2d(in_chans, out_chans, 3, stride=stride, padding=1), nn.LeakyReLU(SLOPE)]


def zero_conv(in_chans: int, out_chans: int) -> nn.Conv2d:
    """A 3x3 convolution that begins as zeros."""
    conv = nn.Conv2d(in_chans, out_chans, 3, padding=1)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv
