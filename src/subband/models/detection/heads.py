"""What a box holds, where it ends, and which of its points belong to the object: heads on features cut out of a
pyramid.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BOX_SIZE", "MASK_SIZE", "BoxHead", "MaskHead"]

BOX_SIZE, MASK_SIZE = 7, 14  # sides of the features that the heads take
NUM_MASK_CONVS = 4
CLASS_STD, DELTA_STD = 0.01, 0.001  # of fresh weights


class BoxHead(nn.Module):
    """Class and box of regions.

    Args:
        dim: Channels of the features C.
        num_classes: K, without the background.
        hidden_dim: Width of the linear layers.
        num_convs: Convolutions with batch norm before them; two linear layers without, one with.

    Shape:
        features `(R, C, 7, 7)` to logits `(R, K + 1)`, the background last, and deltas `(R, K, 4)` for every class; in
        single precision at least.
    """

    def __init__(self, dim: int, *, num_classes: int, hidden_dim: int, num_convs: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1, bias=False) for _ in range(num_convs))
        self.norms = nn.ModuleList(nn.BatchNorm2d(dim) for _ in range(num_convs))
        widths = [dim * BOX_SIZE**2, hidden_dim] if num_convs else [dim * BOX_SIZE**2, hidden_dim, hidden_dim]
        self.linears = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))
        self.classify = nn.Linear(hidden_dim, num_classes + 1)
        self.regress = nn.Linear(hidden_dim, 4 * num_classes)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")  # type: ignore[arg-type]
        for linear in self.linears:
            nn.init.xavier_uniform_(linear.weight)  # type: ignore[arg-type]
        nn.init.normal_(self.classify.weight, std=CLASS_STD)
        nn.init.normal_(self.regress.weight, std=DELTA_STD)
        for linear in (*self.linears, self.classify, self.regress):
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and deltas of features `x`, `(R, C, 7, 7)`."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        x = x.flatten(1)
        for linear in self.linears:
            x = F.relu(linear(x))
        wide = torch.promote_types(x.dtype, torch.float32)
        return self.classify(x).to(wide), self.regress(x).unflatten(1, (-1, 4)).to(wide)


class MaskHead(nn.Module):
    """Points of regions that belong to an object, for every class.

    Args:
        dim: Channels of the features C.
        num_classes: K.

    Shape:
        features `(R, C, 14, 14)` to logits `(R, K, 28, 28)`; in single precision at least.
    """

    def __init__(self, dim: int, *, num_classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in range(NUM_MASK_CONVS))
        self.upsample = nn.ConvTranspose2d(dim, dim, 2, stride=2)
        self.classify = nn.Conv2d(dim, num_classes, 1)
        for layer in (*self.convs, self.upsample, self.classify):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of features `x`, `(R, C, 14, 14)`."""
        for conv in self.convs:
            x = F.relu(conv(x))
        logits = self.classify(F.relu(self.upsample(x)))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))
