"""SPyNet: optical flow by a small network at every size of the frames, coarse to fine.

Source: Ranjan and Black, Optical Flow Estimation using a Spatial Pyramid Network, CVPR 2017, in the form that
BasicVSR++ trains along with itself.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.fresh_weights import zero_weights
from subband.transforms.optical_flow import move

__all__ = ["SPyNet"]

WIDTHS = (8, 32, 64, 32, 16, 2)
NUM_LEVELS = 6
MULTIPLE = 2 ** (NUM_LEVELS - 1)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SPyNet(nn.Module):
    """Optical flow between two frames.

    Shape:
        frames `(B, 3, H, W)` in [0, 1], RGB, of any size; flow `(B, 2, H, W)`, columns first, in pixels.

    Example:
        >>> SPyNet()(torch.rand(1, 3, 20, 30), torch.rand(1, 3, 20, 30)).shape
        torch.Size([1, 2, 20, 30])
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(w, v, 7, padding=3) for w, v in itertools.pairwise(WIDTHS))
            for _ in range(NUM_LEVELS)
        )
        for layers in self.levels:
            zero_weights(layers[-1])  # type: ignore[index]  # no motion, until it is trained
        for name, values in {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}.items():
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, reference: Tensor, other: Tensor) -> Tensor:
        """Where the pixels of `reference` are in `other`."""
        size = reference.shape[-2:]
        return self.between(self.pyramid(reference), self.pyramid(other), (size[0], size[1]))

    def pyramid(self, frames: Tensor) -> list[Tensor]:
        """Frames `(B, 3, H, W)` as the network compares them, at all sizes, the coarsest first."""
        sides = [-(-side // MULTIPLE) * MULTIPLE for side in frames.shape[-2:]]
        resized = F.interpolate(frames, sides, mode="bilinear", align_corners=False)
        levels = [(resized - self.mean) / self.std]
        for _ in range(NUM_LEVELS - 1):
            levels.append(F.avg_pool2d(levels[-1], 2))
        return levels[::-1]

    def between(self, reference: list[Tensor], other: list[Tensor], size: tuple[int, int]) -> Tensor:
        """The flow of frames given as pyramids.

        Args:
            reference: See `pyramid`.
            other: Likewise.
            size: `(H, W)` of the frames themselves.

        Returns:
            `(B, 2, H, W)`, at least float32: positions in half precision are too coarse.
        """
        precise = torch.promote_types(reference[0].dtype, torch.float32)
        shape = reference[0].shape
        flow = reference[0].new_zeros(shape[0], 2, *shape[-2:], dtype=precise)
        for place, (own, far, layers) in enumerate(zip(reference, other, self.levels, strict=True)):
            if place:
                flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
            x = torch.cat([own, move(far, flow), flow.to(own.dtype)], 1)
            for layer in layers[:-1]:  # type: ignore[index]
                x = torch.relu(layer(x))
            flow = flow + layers[-1](x)  # type: ignore[index]
        scales = [side / wide for side, wide in zip(size[::-1], flow.shape[:1:-1], strict=True)]
        flow = F.interpolate(flow, size, mode="bilinear", align_corners=False)
        return flow * flow.new_tensor(scales)[:, None, None]
