"""What the wavelet transform alone makes of images: the bar of every reconstruction from as many numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from subband.models.generation.pyramid import Pyramid, PyramidTransform
from subband.models.generation.top_coefficients import keep_largest
from subband.models.generation.video_pyramid import ClipTransform
from subband.visual.colors import PYRAMID_ROWS

__all__ = ["KeptClipLevels", "KeptLevels", "LargestCoefficients", "clip_baselines", "pyramid_baselines"]

_MOST_LEVELS = 3
_ONE_IN = 16  # coefficients that are kept where the largest ones are


class KeptLevels(nn.Module):
    """Images from the coarse coefficients of their Haar pyramid, without any training.

    Args:
        levels: Levels of details that are dropped, the finest ones; what is left is the mean of `2^levels` pixels
            along each side.

    Example:
        >>> KeptLevels(1).reconstruct(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])).flatten()
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.transform = PyramidTransform(levels=levels)

    def coded_numbers(self, count: int) -> int:
        """Numbers that are kept of an image of `count` ones."""
        return count >> 2 * self.transform.levels

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images `(B, C, H, W)` of any range, as they come out."""
        pyramid = self.transform.analyze(images)
        return self.transform(Pyramid(pyramid.approx, tuple(torch.zeros_like(band) for band in pyramid.details)))


class LargestCoefficients(nn.Module):
    """Images from the approximation of their Haar pyramid and its largest details, without any training.

    Where they are has to be told as well, so their number understates what they cost.

    Args:
        levels: Levels of the pyramid.
        one_in: Of so many coefficients one is kept.
    """

    def __init__(self, levels: int, one_in: int) -> None:
        super().__init__()
        self.transform, self.one_in = PyramidTransform(levels=levels), one_in

    def coded_numbers(self, count: int) -> int:
        """Numbers that are kept of an image of `count` ones."""
        return max(count // self.one_in, count >> 2 * self.transform.levels)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images `(B, C, H, W)` of any range, as they come out."""
        pyramid = self.transform.analyze(images)
        details = self.coded_numbers(images[0].numel()) - pyramid.approx[0].numel()
        return self.transform(keep_largest(pyramid, pyramid, details)[0])


def pyramid_baselines(height: int, width: int) -> dict[str, nn.Module]:
    """The rows that every table of reconstructions has, as far as a size allows.

    Args:
        height: H.
        width: W.

    Example:
        >>> list(pyramid_baselines(32, 8))
        ['pyramid: 1/4, coarse', 'pyramid: 1/16, coarse', 'pyramid: 1/64, coarse', 'pyramid: 1/16, largest']
        >>> pyramid_baselines(9, 9)
        {}
    """
    levels = 0
    while levels < _MOST_LEVELS and not (height % 2 ** (levels + 1) or width % 2 ** (levels + 1)):
        levels += 1
    rows: dict[str, nn.Module] = {f"{PYRAMID_ROWS} 1/{4**n}, coarse": KeptLevels(n) for n in range(1, levels + 1)}
    if 4**levels > _ONE_IN:
        rows[f"{PYRAMID_ROWS} 1/{_ONE_IN}, largest"] = LargestCoefficients(levels, _ONE_IN)
    return rows


class KeptClipLevels(nn.Module):
    """Clips from the coarse coefficients of their Haar pyramid over time, rows and columns, without any training.

    Args:
        levels: Levels of details that are dropped; what is left is the mean of `2^levels` pixels along every axis.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.transform = ClipTransform(levels=levels, time_levels=levels)

    def coded_numbers(self, count: int) -> int:
        """Numbers that are kept of a clip of `count` ones."""
        return count >> 3 * self.transform.levels

    def reconstruct(self, clips: Tensor) -> Tensor:
        """Clips `(B, T, C, H, W)` of any range, as they come out."""
        pyramid = self.transform.analyze(clips)
        return self.transform(Pyramid(pyramid.approx, tuple(torch.zeros_like(band) for band in pyramid.details)))


def clip_baselines(frames: int, height: int, width: int) -> dict[str, nn.Module]:
    """The rows that every table of reconstructed clips has, as far as a size allows.

    Args:
        frames: T.
        height: H.
        width: W.

    Example:
        >>> list(clip_baselines(4, 32, 32)), clip_baselines(5, 32, 32)
        (['pyramid: 1/8, coarse', 'pyramid: 1/64, coarse'], {})
    """
    levels = 0
    while levels < _MOST_LEVELS and not any(side % 2 ** (levels + 1) for side in (frames, height, width)):
        levels += 1
    return {f"{PYRAMID_ROWS} 1/{8**n}, coarse": KeptClipLevels(n) for n in range(1, levels + 1)}
