"""What every classifier shares: the protocol that timm's tools, feature pyramids and explanations rely on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from subband.models.gradient_checkpointing import checkpointed
from subband.models.shareable import Shareable

__all__ = ["Classifier", "Stage"]


class Stage(NamedTuple):
    """One resolution of a network.

    Attributes:
        num_chs: Channels of its feature map.
        reduction: Pixels of the image per element of the map, along one side.
        module: Dotted name of the module that ends the stage.
    """

    num_chs: int
    reduction: int
    module: str


class Classifier(Shareable, nn.Module, ABC):
    """Base of networks that map images to logits.

    Subclasses set `num_features` and, by `reset_classifier`, `head`.

    Args:
        num_classes: Logits K; 0 for pooled features instead.
        in_chans: Channels of the images.
        img_size: `(H, W)` the weights are made for.
        drop_rate: Dropout before the last layer.

    Shape:
        images `(B, C, H, W)`, normalized as the weights were trained; logits `(B, K)`.
    """

    task = "classification"
    num_features: int
    head: nn.Module

    def __init__(self, *, num_classes: int, in_chans: int, img_size: tuple[int, int], drop_rate: float = 0.0) -> None:
        super().__init__()
        if num_classes < 0:
            raise ValueError(f"num_classes must not be negative, got {num_classes}.")
        self.num_classes, self.in_chans, self.img_size = num_classes, in_chans, img_size
        self.grad_checkpointing = False
        self.head_drop = nn.Dropout(drop_rate)

    @abstractmethod
    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """Feature maps of all stages, `(B, C, H, W)` each, in order of `stages`; before any last norm."""

    @property
    @abstractmethod
    def stages(self) -> list[Stage]:
        """The resolutions of the network, finest first."""

    @abstractmethod
    def forward_features(self, x: Tensor) -> Tensor:
        """Features after the last norm, before pooling: `(B, C, H, W)` or `(B, N, D)`, as the network has them."""

    @abstractmethod
    def pool(self, features: Tensor) -> Tensor:
        """Features of `forward_features` to `(B, num_features)`."""

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits `(B, K)` of what `forward_features` returns.

        Args:
            features: What `forward_features` returned.
            pre_logits: Stop before the last layer: pooled features `(B, num_features)`.
        """
        pooled = self.pool(features)
        return pooled if pre_logits else self.head(self.head_drop(pooled))

    def forward(self, x: Tensor) -> Tensor:
        """Images `(B, C, H, W)` to logits `(B, K)`."""
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(self, x: Tensor, indices: int | Sequence[int] | None = None) -> list[Tensor]:
        """Feature maps of some stages.

        Args:
            x: Images `(B, C, H, W)`.
            indices: Which stages: the last n, or their numbers (negative ones from the end); all if not given.

        Returns:
            `(B, C, H / reduction, W / reduction)` each.

        Raises:
            ValueError: If there is no such stage.
        """
        count = len(self.stages)
        wanted = list(range(count - indices, count)) if isinstance(indices, int) else list(indices or range(count))
        if any(not -count <= index < count for index in wanted):
            raise ValueError(f"indices must lie within the {count} stages, got {indices}.")
        maps = self.forward_stages(x)
        return [maps[index] for index in wanted]

    @property
    def feature_info(self) -> list[dict[str, Any]]:
        """timm's description of the stages."""
        return [{**stage._asdict(), "index": index} for index, stage in enumerate(self.stages)]

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.head

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layer by a fresh one.

        Args:
            num_classes: Logits K; 0 for pooled features.
        """
        self.num_classes = num_classes
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        if isinstance(self.head, nn.Linear):
            nn.init.trunc_normal_(self.head.weight, std=0.02)
            nn.init.zeros_(self.head.bias)

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that weight decay leaves alone, besides all with fewer than two axes."""
        return set()

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute blocks in the backward pass instead of keeping what they need."""
        self.grad_checkpointing = enable

    def checkpointed(self, block: Callable[..., Tensor], *args: Tensor) -> Tensor:
        """Run a block, under gradient checkpointing when that is on and gradients are wanted."""
        return checkpointed(self, block, *args)
