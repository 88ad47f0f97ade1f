"""WSF-ViT: image classification by attention on wavelet features, in space and across channels.

Paper: WSF-ViT, wavelet-based spatial-frequency attention vision transformer. Its checkpoints load, those with the older
names of the attention parts too, and those of its detectors' backbones into `WSFViTPyramid` (`subband.convert.wsfvit`).

Different from the published code: the wavelet is a direct two-tap filter with a gradient (published: Fourier products
on a square power of two, without one), any image size, attention in fused form, batch norms folded in evaluation where
that pays.

Sizes. The windows of a stage hold `window = (P, Q)` pixels of its map, in both kinds of spatial attention; position
tables depend on them. Per side of an image:

- 224, 256, 384 and every other size have the window that pads the last map (side / 32, rounded up) least, among 7 to
  13; of several, the largest: 7, 8, 12 for the published sizes, 10 for 320, 7 for 448.
- Up to 192 the last map is one window, and earlier stages double it as long as it stays within 8: 8, 8, 4, 2 for 64.
- A given `window` holds for all stages, as published.

A network runs on every size, not only on the one it was made for: images are filled with zeros at the right and bottom
to multiples of 32 windows (224 for 7; the rule of the published detectors), and the maps are cropped again, `ceil(side
/ 32)` for the last.

Number of heads of the attention across channels: no weight depends on it, so a checkpoint loads with a wrong one and
gives other logits. The sizes here have the current published numbers; weights of t, p1 and p2 from before February
2026, and all weights of detectors, have `num_heads=(4, 8, 16, 32)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from subband.models.gradient_checkpointing import checkpointed
from subband.models.protocols.classifier import Classifier, Stage
from subband.models.wsfvit.parts import NUM_STAGES, REDUCTION, WSFTrunk, stage_windows

__all__ = ["WSFViT", "WSFViTPyramid", "stage_windows"]

PYRAMID_EPS = 1e-6


class WSFViT(Classifier):
    """WSF-ViT classifier.

    Args:
        dims: Channels of the four stages.
        depths: Blocks of the four stages.
        num_heads: Heads of the attention across channels in the four stages.
        head_dim: Width of a head of the attention over pixels.
        stem_dim: Channels of the stem.
        img_size: Side or sides `(H, W)` of training images; decides the windows.
        window: Side or sides of windows and grids in all stages, instead of those that follow from `img_size`.
        num_classes: Logits K; 0 for features instead.
        in_chans: Channels of the images.
        drop_rate: Dropout before the last layer.
        drop_path_rate: Stochastic depth of the last block, rising linearly from 0 in the first.

    Shape:
        images `(B, in_chans, H, W)` of any size, normalized as the weights were trained; logits `(B, K)`.

    Raises:
        ValueError: If an argument is out of its range, or widths are no multiples of heads.

    Example:
        >>> import subband
        >>> model = subband.create_model("wsfvit_p0", img_size=64, num_classes=10).eval()
        >>> model(torch.zeros(1, 3, 64, 48)).shape
        torch.Size([1, 10])
        >>> [tuple(x.shape[1:]) for x in model.forward_intermediates(torch.zeros(1, 3, 64, 48), indices=2)]
        [(96, 4, 3), (192, 2, 2)]
    """

    def __init__(
        self,
        *,
        dims: Sequence[int],
        depths: Sequence[int],
        num_heads: Sequence[int],
        head_dim: int,
        stem_dim: int,
        img_size: int | Sequence[int] = 224,
        window: int | Sequence[int] | None = None,
        num_classes: int = 1000,
        in_chans: int = 3,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        sides = _pair("img_size", img_size)
        super().__init__(num_classes=num_classes, in_chans=in_chans, img_size=sides, drop_rate=drop_rate)
        self.trunk = WSFTrunk(
            dims=dims,
            depths=depths,
            num_heads=num_heads,
            head_dim=head_dim,
            stem_dim=stem_dim,
            windows=stage_windows(*sides) if window is None else [_pair("window", window)] * NUM_STAGES,
            in_chans=in_chans,
        )
        self.num_features = dims[-1]
        self.norm = nn.LayerNorm(self.num_features)
        self.hidden = nn.Linear(self.num_features, self.num_features)
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        self.set_drop_path_rate(drop_path_rate)

    @property
    def stages(self) -> list[Stage]:
        """The four resolutions, finest first."""
        return [Stage(dim, 4 << i, f"trunk.levels.{i}") for i, dim in enumerate(self.trunk.dims)]

    def set_drop_path_rate(self, rate: float) -> None:
        """Stochastic depth of the last block; rates rise linearly from 0 in the first."""
        self.trunk.set_drop_path_rate(rate)

    def no_weight_decay(self) -> set[str]:
        """The position tables."""
        return {name for name, _ in self.named_parameters() if name.endswith("position_bias")}

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """Feature maps of the four stages, `(B, C, ceil(H / reduction), ceil(W / reduction))` each."""
        return self.trunk(x, self.checkpointed)

    def forward_features(self, x: Tensor) -> Tensor:
        """Feature map of the last stage, `(B, C, ceil(H / 32), ceil(W / 32))`; there is no norm after it."""
        return self.forward_stages(x)[-1]

    def pool(self, features: Tensor) -> Tensor:
        """Mean, norm, linear layer and tanh of `features`: `(B, num_features)`."""
        return torch.tanh(self.hidden(self.norm(features.mean((2, 3)))))


class WSFViTPyramid(nn.Module):
    """Multi-scale features for detectors: the maps of the four stages, each after a norm of its own.

    As in the published detectors, batch norms keep their running statistics in training.

    Args:
        trunk: That of a classifier, e.g. `create_model("wsfvit_t", num_heads=(4, 8, 16, 32)).trunk`, whose weights it
            shares.

    Shape:
        images `(B, in_chans, H, W)` to four maps `(B, D, ceil(H / r), ceil(W / r))`, r = 4, 8, 16, 32.

    Example:
        >>> import subband
        >>> pyramid = WSFViTPyramid(subband.create_model("wsfvit_p0").trunk).eval()
        >>> [tuple(x.shape[1:]) for x in pyramid(torch.zeros(1, 3, 224, 448))]
        [(24, 56, 112), (48, 28, 56), (96, 14, 28), (192, 7, 14)]
    """

    def __init__(self, trunk: WSFTrunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=PYRAMID_EPS) for dim in trunk.dims)
        self.grad_checkpointing = False

    @property
    def dims(self) -> tuple[int, ...]:
        """Channels of the maps."""
        return self.trunk.dims

    @property
    def size_multiple(self) -> tuple[int, int]:
        """What H and W are filled up to multiples of, so that windows fit in all stages."""
        height, width = self.trunk.windows[-1]
        return REDUCTION * height, REDUCTION * width

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of images `x`, `(B, in_chans, H, W)`."""
        maps = self.trunk(x, partial(checkpointed, self))
        return [norm(item.movedim(1, -1)).movedim(-1, 1) for norm, item in zip(self.norms, maps, strict=True)]

    def train(self, mode: bool = True) -> WSFViTPyramid:
        """Switch to training or evaluation; batch norms stay in evaluation."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def _pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{name} must be one positive number or two, got {value}.")
    return pair
