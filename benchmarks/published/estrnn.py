"""ESTRNN as it was published, translated plainly: the yardstick for parity and speed.

The graph, the order of operations and the state-dict names are those of the repository's `Model`; the text is ours.
Nothing is optimized here on purpose. `subband.models.estrnn.ESTRNN` must give the same numbers, faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv(in_chans: int, out_chans: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_chans, out_chans, size, stride, size // 2)


class DenseLayer(nn.Module):
    def __init__(self, in_chans: int, growth: int) -> None:
        super().__init__()
        self.conv = conv(in_chans, growth, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, F.gelu(self.conv(x))], 1)


class RDB(nn.Module):
    def __init__(self, in_chans: int, growth: int, num_layers: int = 3) -> None:
        super().__init__()
        self.dense_layers = nn.Sequential(*(DenseLayer(in_chans + i * growth, growth) for i in range(num_layers)))
        self.conv1x1 = conv(in_chans + num_layers * growth, in_chans, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1x1(self.dense_layers(x)) + x


class RDBDown(nn.Module):
    def __init__(self, in_chans: int, growth: int) -> None:
        super().__init__()
        self.rdb = RDB(in_chans, growth)
        self.down_sampling = conv(in_chans, 2 * in_chans, 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_sampling(self.rdb(x))


class RDNet(nn.Module):
    def __init__(self, dim: int, growth: int, num_blocks: int) -> None:
        super().__init__()
        self.RDBs = nn.ModuleList(RDB(dim, growth) for _ in range(num_blocks))
        self.conv1x1 = conv(num_blocks * dim, dim, 1)
        self.conv3x3 = conv(dim, dim, 3)

    def forward(self, x: Tensor) -> Tensor:
        out = []
        for block in self.RDBs:
            x = block(x)
            out.append(x)
        return self.conv3x3(self.conv1x1(torch.cat(out, 1)))


class Cell(nn.Module):
    def __init__(self, n: int, num_blocks: int) -> None:
        super().__init__()
        self.F_B0 = conv(3, n, 5)
        self.F_B1 = RDBDown(n, n)
        self.F_B2 = RDBDown(2 * n, int(1.5 * n))
        self.F_R = RDNet(5 * n, 2 * n, num_blocks)
        self.F_h = nn.Sequential(conv(5 * n, n, 3), RDB(n, n), conv(n, n, 3))

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        out = self.F_B2(self.F_B1(self.F_B0(x)))
        out = self.F_R(torch.cat([out, state], 1))
        return out, self.F_h(out)


class GSA(nn.Module):
    def __init__(self, n: int, past: int, future: int) -> None:
        super().__init__()
        self.past = past
        self.F_f = nn.Sequential(nn.Linear(10 * n, 20 * n), nn.GELU(), nn.Linear(20 * n, 10 * n))
        self.F_p = nn.Sequential(conv(10 * n, 20 * n, 1), conv(20 * n, 10 * n, 1))
        self.condense = conv(10 * n, 5 * n, 1)
        self.fusion = conv((past + future + 1) * 5 * n, (past + future + 1) * 5 * n, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        center = features[self.past]
        out = []
        for place, feature in enumerate(features):
            if place == self.past:
                continue
            cor = torch.cat([center, feature], 1)
            w = torch.sigmoid(self.F_f(cor.mean((2, 3))))[:, :, None, None]
            out.append(self.condense(w * self.F_p(cor)))
        return self.fusion(torch.cat([*out, center], 1))


class Reconstructor(nn.Module):
    def __init__(self, n: int, window: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.ConvTranspose2d(window * 5 * n, 2 * n, 3, 2, 1, 1),
            nn.ConvTranspose2d(2 * n, n, 3, 2, 1, 1),
            conv(n, 3, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Model(nn.Module):
    def __init__(self, n_features: int = 16, n_blocks: int = 15, past_frames: int = 2, future_frames: int = 2) -> None:
        super().__init__()
        self.n, self.past, self.future = n_features, past_frames, future_frames
        self.cell = Cell(n_features, n_blocks)
        self.recons = Reconstructor(n_features, past_frames + future_frames + 1)
        self.fusion = GSA(n_features, past_frames, future_frames)

    def forward(self, x: Tensor) -> Tensor:
        batch, num_frames, _, height, width = x.shape
        state = x.new_zeros(batch, self.n, height // 4, width // 4)
        features = []
        for t in range(num_frames):
            h, state = self.cell(x[:, t], state)
            features.append(h)
        out = []
        for t in range(self.past, num_frames - self.future):
            out.append(self.recons(self.fusion(features[t - self.past : t + self.future + 1])))
        return torch.stack(out, 1)
