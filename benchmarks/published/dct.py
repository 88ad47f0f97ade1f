"""The networks of "Learning in the Frequency Domain" as published, translated plainly: the yardstick for parity and
speed.

The graph, the order of operations and the state-dict names are those of the released evaluation code (classes without a
stem, stage strides 1, 1, 2, 2 for ResNet-50); the text is ours. `subband.models.dct.resnet.DCTResNet` and
`subband.models.dct.mobilenetv2.DCTMobileNetV2` must give the same numbers from the same coefficients, no slower.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import ResNet, resnet50


class Gate(nn.Module):
    """Channel selection; decides by the larger logit in evaluation, where the published class draws."""

    def __init__(self, dim: int = 192) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.inp_gate = nn.Sequential(nn.Conv2d(dim, dim, 1), nn.BatchNorm2d(dim), nn.ReLU())
        self.inp_gate_l = nn.Conv2d(dim, 2 * dim, 1, groups=dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.inp_gate_l(self.inp_gate(self.pool(x))).reshape(x.shape[0], x.shape[1], 2, 1)
        if self.training:
            noise = torch.rand_like(logits)
            logits = logits - torch.log(1e-10 - torch.log(noise + 1e-10))
        soft = torch.softmax(logits, dim=2)
        hard = torch.zeros_like(soft).scatter_(2, soft.argmax(2, keepdim=True), 1.0)
        chosen = hard - soft.detach() + soft
        return x * chosen[:, :, 1:], chosen[:, :, 1]


class ResNetDCT(nn.Module):
    def __init__(self, channels: int, *, gated: bool = False, stage2_stride: int = 1) -> None:
        super().__init__()
        base: ResNet = resnet50(weights=None)
        base.layer2[0].conv2.stride = base.layer2[0].downsample[0].stride = (stage2_stride, stage2_stride)
        base.layer1[0].conv1 = nn.Conv2d(channels, 64, 1, bias=False)
        base.layer1[0].downsample[0] = nn.Conv2d(channels, 256, 1, bias=False)
        self.model = nn.Sequential(base.layer1, base.layer2, base.layer3, base.layer4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = base.fc
        self.gated = gated
        if gated:
            self.inp_GM = Gate(channels)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if self.gated:
            x, keep = self.inp_GM(x)
        logits = self.fc(self.pool(self.model(x)).flatten(1))
        return (logits, keep) if self.gated else logits


class InvertedResidual(nn.Module):
    def __init__(self, before: int, after: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = before * expand
        self.add = stride == 1 and before == after
        depthwise = [
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, after, 1, bias=False),
            nn.BatchNorm2d(after),
        ]
        first = [nn.Conv2d(before, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(inplace=True)]
        self.conv = nn.Sequential(*(first if expand > 1 else []), *depthwise)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.add else self.conv(x)


class MobileNetV2DCT(nn.Module):
    """Built for 32 channels; others change the first block as the published constructor does."""

    def __init__(self, channels: int, *, gated: bool = False) -> None:
        super().__init__()
        table = [
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ]
        blocks, dim = [], 32
        for expand, after, depth, stride in table:
            for index in range(depth):
                blocks.append(InvertedResidual(dim, after, stride if index == 0 else 1, expand))
                dim = after
        first = blocks[0].conv
        if channels < 32:
            first[0] = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
            first[1] = nn.BatchNorm2d(channels)
            first[3] = nn.Conv2d(channels, 16, 1, bias=False)
        elif channels == 192:
            first[0] = nn.Conv2d(192, 32, 3, 1, 1, groups=32, bias=False)
        self.features = nn.Sequential(*blocks)
        self.conv = nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(1280, 1000)
        self.gated = gated
        if gated:
            self.inp_GM = Gate(channels)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if self.gated:
            x, keep = self.inp_GM(x)
        logits = self.classifier(self.pool(self.conv(self.features(x))).flatten(1))
        return (logits, keep) if self.gated else logits
