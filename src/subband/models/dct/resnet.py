"""ResNet-50 on the cosine coefficients of JPEG in place of pixels.

Paper: Xu et al., Learning in the Frequency Domain, CVPR 2020. Its checkpoints load (`subband.convert.dct_resnet`).

There is no stem: coefficients of 8 x 8 blocks go into the first bottleneck. As in the published evaluation code, whose
weights belong to that graph, the second stage keeps the resolution, so the network costs 3.3 times as much as ResNet-50
on pixels of half the side; `stage2_stride=2` saves that, for new training. The backbone of the published detectors has
that stride, on coefficients of a quarter of the image's sides (`DCTResNetPyramid`).

Different from the published code: images go in, their coefficients are made inside (`inputs="coefficients"` is the
published network); without noise in evaluation, a gate gives the same answer each time; any image size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.jpeg_dct import JpegPipeline
from subband.models.dct.front_end import IMAGENET_MEAN, IMAGENET_STD, DCTClassifier, DCTInput
from subband.models.protocols.classifier import Stage

__all__ = ["DCTResNet", "DCTResNetPyramid"]

EXPANSION = 4
PYRAMID_REDUCTIONS = [4, 8, 16, 32]


class Bottleneck(nn.Module):
    """Residual block: 1 x 1, 3 x 3 with the stride, 1 x 1 to four times the width.

    Args:
        in_chans: Channels of the input.
        width: Channels of the 3 x 3 convolution.
        stride: Of the block.

    Shape:
        input `(B, in_chans, H, W)`, output `(B, 4 * width, H / stride, W / stride)`
    """

    def __init__(self, in_chans: int, width: int, stride: int) -> None:
        super().__init__()
        out_chans = EXPANSION * width
        self.conv1 = nn.Conv2d(in_chans, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_chans, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_chans)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or in_chans != out_chans:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_chans, out_chans, 1, stride, bias=False), nn.BatchNorm2d(out_chans)
            )

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, C, H, W)`."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        y += self.downsample(x)
        return F.relu(y, inplace=True)


class DCTResNet(DCTClassifier):
    """Residual network of bottlenecks on cosine coefficients.

    Args:
        channels: Frequencies of Y, Cb and Cr together: 6, 24, 32, 48, 64 or 192.
        inputs: `images` `(B, 3, H, W)`, or `coefficients` `(B, channels, H / 8, W / 8)` (`/ 4` for
            `pipeline="detection"`) as `JpegDCT2d` normalizes them.
        gated: Let a gate choose channels for each image; for `channels=192`.
        stage2_stride: 1 as published, 2 for a third of the cost.
        depths: Blocks of each of the four stages.
        width: Channels inside the blocks of the first stage; they double with every stage.
        mean: What was subtracted from images, by color.
        std: What they were divided by after that.
        img_size: Side or sides of the images; others are taken, too.
        num_classes: Logits K; 0 for pooled features instead.
        drop_rate: Dropout before the last layer.
        pipeline: Which published coefficients; those for `detection` are of a doubled image, so all maps are twice as
            large.
        with_input_norm: Bring the coefficients to mean 0 and variance 1 by a batch norm, for training on other images
            than large photographs. The published statistics leave deviations from 2 to 130.

    Shape:
        images `(B, 3, H, W)` of any size, or coefficients; logits `(B, K)`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import subband
        >>> model = subband.create_model("dct_resnet50", channels=64, num_classes=10).eval()
        >>> model(torch.zeros(1, 3, 64, 96)).shape
        torch.Size([1, 10])
        >>> [tuple(x.shape[1:]) for x in model.forward_intermediates(torch.zeros(1, 3, 64, 96))]
        [(256, 8, 12), (512, 8, 12), (1024, 4, 6), (2048, 2, 3)]
    """

    def __init__(
        self,
        *,
        channels: int = 24,
        inputs: DCTInput = "images",
        gated: bool = False,
        stage2_stride: int = 1,
        depths: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        img_size: int | Sequence[int] = 448,
        num_classes: int = 1000,
        drop_rate: float = 0.0,
        pipeline: JpegPipeline = "classification",
        with_input_norm: bool = False,
    ) -> None:
        super().__init__(
            channels=channels,
            inputs=inputs,
            gated=gated,
            mean=mean,
            std=std,
            img_size=img_size,
            num_classes=num_classes,
            drop_rate=drop_rate,
            pipeline=pipeline,
            with_input_norm=with_input_norm,
        )
        if stage2_stride not in (1, 2):
            raise ValueError(f"stage2_stride must be 1 or 2, got {stage2_stride}.")
        if len(depths) != 4 or min(*depths, width) < 1:
            raise ValueError(f"depths must be four positive numbers and width positive, got {depths}, {width}.")
        self.strides = (1, stage2_stride, 2, 2)
        self.widths = tuple(width << level for level in range(4))
        self.levels = nn.ModuleList()
        in_chans = channels
        for mid, depth, stride in zip(self.widths, depths, self.strides, strict=True):
            blocks = nn.ModuleList()
            for index in range(depth):
                blocks.append(Bottleneck(in_chans, mid, 1 if index else stride))
                in_chans = EXPANSION * mid
            self.levels.append(blocks)
        for module in self.levels.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.num_features = in_chans
        self.reset_classifier(num_classes)

    @property
    def stages(self) -> list[Stage]:
        """The four stages, finest first; reductions count image pixels, also where coefficients go in."""
        reductions = self.pixels * torch.tensor(self.strides, device="cpu").cumprod(0)
        chans = (EXPANSION * width for width in self.widths)
        return [
            Stage(num, reduction, f"levels.{index}")
            for index, (num, reduction) in enumerate(zip(chans, reductions.tolist(), strict=True))
        ]

    def maps(self, coefficients: Tensor) -> list[Tensor]:
        """Feature maps of all stages from coefficients `(B, channels, h, w)`, finest first."""
        x, maps = coefficients, []
        for level in self.levels:
            for block in level:  # type: ignore[attr-defined]
                x = self.checkpointed(block, x)
            maps.append(x)
        return maps


class DCTResNetPyramid(nn.Module):
    """Multi-scale features for detectors: the maps of the four stages.

    Args:
        trunk: Network with `pipeline="detection"`, `stage2_stride=2` and `num_classes=0`, whose weights it shares.

    Shape:
        images `(B, 3, H, W)`, or coefficients, to four maps `(B, D, ceil(H / r), ceil(W / r))`, r = 4, 8, 16, 32.

    Raises:
        ValueError: If the network has other options.

    Example:
        >>> trunk = DCTResNet(pipeline="detection", stage2_stride=2, num_classes=0)
        >>> [tuple(x.shape[1:]) for x in DCTResNetPyramid(trunk).eval()(torch.zeros(1, 3, 64, 96))]
        [(256, 16, 24), (512, 8, 12), (1024, 4, 6), (2048, 2, 3)]
    """

    def __init__(self, trunk: DCTResNet) -> None:
        super().__init__()
        if [stage.reduction for stage in trunk.stages] != PYRAMID_REDUCTIONS or trunk.num_classes:
            raise ValueError("a pyramid needs a network with pipeline='detection', stage2_stride=2 and num_classes=0.")
        self.trunk = trunk
        self.dims = tuple(EXPANSION * width for width in trunk.widths)
        self.size_multiple = (PYRAMID_REDUCTIONS[-1], PYRAMID_REDUCTIONS[-1])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of what the network takes, finest first."""
        return self.trunk.forward_stages(x)
