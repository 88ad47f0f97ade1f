"""MobileNetV2 on the cosine coefficients of JPEG in place of pixels.

Papers: Xu et al., Learning in the Frequency Domain, CVPR 2020, on Sandler et al., MobileNetV2, CVPR 2018. The
checkpoints of the first load (`subband.convert.dct_resnet`).

There is no stem: coefficients of 8 x 8 blocks go into the first inverted residual block. Up to 64 frequencies, its
depth-wise convolution has as many channels as there are frequencies (published for up to 32; for 48 and 64 it is our
continuation); for 192 it is a convolution in 32 groups to 32 channels, as published.

Different from the published code: images go in, their coefficients are made inside (`inputs="coefficients"` is the
published network); without noise in evaluation, a gate gives the same answer each time; any image size.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from subband.models.dct.front_end import IMAGENET_MEAN, IMAGENET_STD, DCTClassifier, DCTInput
from subband.models.protocols.classifier import Stage

__all__ = ["DCTMobileNetV2"]

BLOCK = 8
STEM_DIM = 32  # channels that the dropped stem would have given
LAST_DIM = 1280
DEPTHWISE_LIMIT = 64

# Expansion, channels, blocks, stride: table 2 of the MobileNetV2 paper.
SETTINGS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _conv_norm(
    in_chans: int, out_chans: int, kernel_size: int = 1, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(in_chans, out_chans, kernel_size, stride, kernel_size // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out_chans)]


class InvertedResidual(nn.Module):
    """Expansion, depth-wise 3 x 3 convolution with the stride, projection; added to its input where shapes allow.

    Args:
        in_chans: Channels of the input.
        out_chans: Channels of the output.
        stride: Of the block.
        expansion: Channels between per channel of the input; 1 leaves the first convolution out.
        mid_chans: Channels behind the 3 x 3 convolution; those before it if not given.
        groups: Of the 3 x 3 convolution; one per channel if not given.

    Shape:
        input `(B, in_chans, H, W)`, output `(B, out_chans, H / stride, W / stride)`
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        stride: int,
        expansion: int,
        *,
        mid_chans: int | None = None,
        groups: int | None = None,
    ) -> None:
        super().__init__()
        self.is_residual = stride == 1 and in_chans == out_chans
        wide = in_chans * expansion
        mid_chans, groups = mid_chans or wide, groups or wide
        layers = [*_conv_norm(in_chans, wide), nn.ReLU6(inplace=True)] if expansion > 1 else []
        layers += [*_conv_norm(wide, mid_chans, 3, stride, groups), nn.ReLU6(inplace=True)]
        self.conv = nn.Sequential(*layers, *_conv_norm(mid_chans, out_chans))

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, C, H, W)`."""
        return x + self.conv(x) if self.is_residual else self.conv(x)


class DCTMobileNetV2(DCTClassifier):
    """MobileNetV2 on cosine coefficients.

    Args:
        channels: Frequencies of Y, Cb and Cr together: 6, 24, 32, 48, 64 or 192.
        inputs: `images` `(B, 3, H, W)`, or `coefficients` `(B, channels, H / 8, W / 8)` as `JpegDCT2d` normalizes them.
        gated: Let a gate choose channels for each image; for `channels=192`.
        mean: What was subtracted from images, by color.
        std: What they were divided by after that.
        img_size: Side or sides of the images; others are taken, too.
        num_classes: Logits K; 0 for pooled features instead.
        drop_rate: Dropout before the last layer.
        with_input_norm: Bring the coefficients to mean 0 and variance 1 by a batch norm, for training on other images
            than large photographs. The published statistics leave deviations from 2 to 130.

    Shape:
        images `(B, 3, H, W)` of any size, or coefficients; logits `(B, K)`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import subband, torch
        >>> model = subband.create_model("dct_mobilenetv2", num_classes=10).eval()
        >>> model(torch.zeros(1, 3, 128, 128)).shape
        torch.Size([1, 10])
        >>> [tuple(x.shape[1:]) for x in model.forward_intermediates(torch.zeros(1, 3, 128, 128))]
        [(16, 16, 16), (24, 8, 8), (32, 4, 4), (96, 2, 2), (1280, 1, 1)]
    """

    def __init__(
        self,
        *,
        channels: int = 24,
        inputs: DCTInput = "images",
        gated: bool = False,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        img_size: int | Sequence[int] = 896,
        num_classes: int = 1000,
        drop_rate: float = 0.0,
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
            with_input_norm=with_input_norm,
        )
        is_depthwise = channels <= DEPTHWISE_LIMIT
        self.features, self._ends = nn.ModuleList(), []
        in_chans = channels
        for expansion, out_chans, depth, stride in SETTINGS:
            if stride > 1:
                self._ends.append(len(self.features) - 1)
            for index in range(depth):
                first = {} if is_depthwise or self.features else {"mid_chans": STEM_DIM, "groups": STEM_DIM}
                self.features.append(InvertedResidual(in_chans, out_chans, 1 if index else stride, expansion, **first))
                in_chans = out_chans
        self.conv = nn.Sequential(*_conv_norm(in_chans, LAST_DIM), nn.ReLU6(inplace=True))
        for module in (*self.features.modules(), *self.conv.modules()):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.num_features = LAST_DIM
        self.reset_classifier(num_classes)

    @property
    def stages(self) -> list[Stage]:
        """One entry a resolution, finest first, the last after the last convolution; in pixels of the image."""
        chans = [self.features[end].conv[-1].num_features for end in self._ends]  # type: ignore[union-attr,index]
        inner = [
            Stage(num, BLOCK << level, f"features.{end}")
            for level, (num, end) in enumerate(zip(chans, self._ends, strict=True))
        ]
        return [*inner, Stage(LAST_DIM, BLOCK << len(inner), "conv")]

    def maps(self, coefficients: Tensor) -> list[Tensor]:
        """Feature maps of all resolutions from coefficients `(B, channels, h, w)`, finest first."""
        x, maps = coefficients, []
        for index, block in enumerate(self.features):
            x = self.checkpointed(block, x)
            if index in self._ends:
                maps.append(x)
        return [*maps, self.conv(x)]
