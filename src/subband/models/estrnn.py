"""ESTRNN: a recurrent network for video deblurring with global attention over neighboring frames.

Source: Zhong et al., Efficient Spatio-Temporal Recurrent Neural Network for Video Deblurring, ECCV 2020 (extended in
IJCV 2023). Its checkpoints load, and are written back (`subband.convert.estrnn`).

Same graph as the published code. Different: any device, any size (the published code needs sides that are multiples of
4), maps run channels last on CPUs, and the linear layers in the middle of the attention are multiplied into one matrix
for each clip and neighbor first, which saves two thirds of its arithmetic. `restore` gives all frames; the published
code leaves the first and last ones of a video out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.memory_format import channels_last_on_cpu, channels_last_weights
from subband.models.fresh_weights import he_weights, zero_weights
from subband.models.protocols.restoration import ChannelOrder, RestorationModel

__all__ = ["ESTRNN"]

COLORS = 3
NUM_LAYERS = 3  # dense layers of a block


class ResidualDenseBlock(nn.Module):
    """`x + fuse(dense layers)`; every dense layer sees all maps before it.

    Args:
        dim: Channels C.
        growth: Channels that a dense layer adds.

    Shape:
        `(B, C, H, W)` to the same.
    """

    def __init__(self, dim: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(dim + i * growth, growth, 3, padding=1) for i in range(NUM_LAYERS))
        self.fuse = nn.Conv2d(dim + NUM_LAYERS * growth, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, C, H, W)`."""
        maps = x
        for layer in self.layers:
            maps = torch.cat([maps, F.gelu(layer(maps))], 1)
        return x + self.fuse(maps)


class DenseDownsampling(nn.Module):
    """A residual dense block, then half the size with twice the channels.

    Args:
        dim: Channels C.
        growth: Channels that a dense layer adds.

    Shape:
        `(B, C, H, W)` to `(B, 2C, H / 2, W / 2)`.
    """

    def __init__(self, dim: int, growth: int) -> None:
        super().__init__()
        self.block = ResidualDenseBlock(dim, growth)
        self.down = nn.Conv2d(dim, 2 * dim, 5, stride=2, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, 2C, H / 2, W / 2)`."""
        return self.down(self.block(x))


class DenseTrunk(nn.Module):
    """A chain of residual dense blocks whose outputs are all mixed at the end.

    Args:
        dim: Channels C.
        growth: Channels that a dense layer adds.
        depth: Number of blocks.

    Shape:
        `(B, C, H, W)` to the same.
    """

    def __init__(self, dim: int, growth: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualDenseBlock(dim, growth) for _ in range(depth))
        self.fuse = nn.Conv2d(depth * dim, dim, 1)
        self.mix = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Features of `(B, C, H, W)`."""
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return self.mix(self.fuse(torch.cat(maps, 1)))


class NeighborAttention(nn.Module):
    """Fuses a frame with its neighbors; what passes of each is decided by means over all pixels.

    For the frame's features `h` and those of a neighbor `g`, the published graph is
    `condense(w * correlate(cat(h, g)))` with two 1x1 convolutions in `correlate` and `w` a gate from the means of both.
    All of it but the gate is linear, so here it is one matrix per clip.

    Args:
        dim: Channels C of the features.
        num_neighbors: Frames beside the restored one.

    Shape:
        Features `(B, C, H, W)` of the frame and of every neighbor; result `(B, (num_neighbors + 1) * C, H, W)`.
    """

    def __init__(self, dim: int, num_neighbors: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(2 * dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, 2 * dim))
        self.correlate = nn.Sequential(nn.Conv2d(2 * dim, 4 * dim, 1), nn.Conv2d(4 * dim, 2 * dim, 1))
        self.condense = nn.Conv2d(2 * dim, dim, 1)
        self.fuse = nn.Conv2d((num_neighbors + 1) * dim, (num_neighbors + 1) * dim, 1)

    def forward(self, center: Tensor, neighbors: Sequence[Tensor]) -> Tensor:
        """Fuse `center` with `neighbors`, all `(B, C, H, W)`."""
        mean, pixels = center.mean((2, 3)), center.flatten(2)
        correlation, offset = self._correlation()
        parts = []
        for neighbor in neighbors:
            weights = torch.sigmoid(self.gate(torch.cat([mean, neighbor.mean((2, 3))], 1)))  # (B, 2C)
            condense = self.condense.weight.flatten(1) * weights.unsqueeze(1)  # (B, C, 2C)
            own, other = (condense @ correlation).chunk(2, -1)  # (B, C, C) each
            bias = condense @ offset + self.condense.bias  # type: ignore[operator]  # (B, C)
            part = torch.baddbmm(bias.unsqueeze(-1), own, pixels) + torch.bmm(other, neighbor.flatten(2))
            parts.append(part.unflatten(2, center.shape[2:]))
        return self.fuse(torch.cat([*parts, center], 1))

    def _correlation(self) -> tuple[Tensor, Tensor]:
        """The two convolutions of `correlate` as one matrix `(2C, 2C)` and offset `(2C,)`."""
        parts: Any = self.correlate
        first, second = parts
        matrix = second.weight.flatten(1)
        return matrix @ first.weight.flatten(1), matrix @ first.bias + second.bias


class ESTRNN(RestorationModel):
    """Recurrent deblurring: features of every frame with a memory of all before, then attention over neighbors.

    Args:
        n_features: Channels n of the memory; features have 5n.
        n_blocks: Residual dense blocks of the cell.
        past_frames: Frames before a restored one that it is fused with.
        future_frames: Frames after it.
        residual: Add the restored frame's input to what comes out, and begin with nothing to add. Published networks
            make whole frames, which takes them days to learn.

    Shape:
        frames `(B, T, 3, H, W)`, **BGR**, `(v - 127.5) / 255` of 8-bit values `v`, that is -0.5 to 0.5; result
        `(B, T - past_frames - future_frames, 3, H, W)`, frames `past_frames` to `T - future_frames - 1`, the same
        range and order. `restore` takes and gives RGB in [0, 1] and all frames.

    Raises:
        ValueError: If a count is out of its range.

    Example:
        >>> model = ESTRNN(n_features=4, n_blocks=1)
        >>> model(torch.zeros(1, 6, 3, 8, 8)).shape, model.restore(torch.rand(1, 2, 3, 7, 9)).shape
        (torch.Size([1, 2, 3, 8, 8]), torch.Size([1, 2, 3, 7, 9]))
    """

    value_range: ClassVar[tuple[float, float]] = (-0.5, 0.5)
    channel_order: ClassVar[ChannelOrder] = "BGR"
    size_multiple: ClassVar[int] = 4
    window_frames: ClassVar[int] = 20
    settle_frames: ClassVar[int] = 2

    def __init__(
        self,
        *,
        n_features: int = 16,
        n_blocks: int = 15,
        past_frames: int = 2,
        future_frames: int = 2,
        residual: bool = False,
    ) -> None:
        super().__init__(past_frames=past_frames, future_frames=future_frames)
        if n_features < 1 or n_blocks < 1 or past_frames + future_frames < 1:
            raise ValueError(
                "n_features, n_blocks and past_frames + future_frames must be positive, got "
                f"{n_features}, {n_blocks} and {past_frames + future_frames}."
            )
        self.n_features, self.residual = n_features, residual
        dim, window = 5 * n_features, past_frames + 1 + future_frames
        self.encoder = nn.Sequential(
            nn.Conv2d(COLORS, n_features, 5, padding=2),
            DenseDownsampling(n_features, n_features),
            DenseDownsampling(2 * n_features, int(1.5 * n_features)),
        )
        self.trunk = DenseTrunk(dim, 2 * n_features, n_blocks)
        self.memory = nn.Sequential(
            nn.Conv2d(dim, n_features, 3, padding=1),
            ResidualDenseBlock(n_features, n_features),
            nn.Conv2d(n_features, n_features, 3, padding=1),
        )
        self.fusion = NeighborAttention(dim, window - 1)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(window * dim, 2 * n_features, 3, stride=2, padding=1, output_padding=1),
            nn.ConvTranspose2d(2 * n_features, n_features, 3, stride=2, padding=1, output_padding=1),
            nn.Conv2d(n_features, COLORS, 5, padding=2),
        )
        if residual:
            zero_weights(self.decoder[-1])
            he_weights(self, (part.fuse for part in self.modules() if isinstance(part, ResidualDenseBlock)))
        channels_last_weights(self)

    def initial_state(self, frame: Tensor) -> Tensor:
        """The memory before the first frame: zeros `(B, n, H / 4, W / 4)` for frames like `frame`."""
        batch, _, height, width = frame.shape
        return frame.new_zeros(batch, self.n_features, height // 4, width // 4)

    def step(self, frame: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Take one frame in.

        Args:
            frame: `(B, 3, H, W)`, sides multiples of 4.
            state: Memory of the frames before, `(B, n, H / 4, W / 4)`.

        Returns:
            features: `(B, 5n, H / 4, W / 4)`.
            state: The new memory.
        """
        encoded = self.encoder(channels_last_on_cpu(frame))
        features = self.trunk(torch.cat([encoded, state.to(encoded.dtype)], 1))
        return features, self.memory(features)

    def fuse(self, window: Sequence[Tensor]) -> Tensor:
        """Restore the frame in the middle of a window.

        Args:
            window: Features of `past_frames + 1 + future_frames` frames in their order.

        Returns:
            The frame, `(B, 3, H, W)`; with `residual`, its correction.
        """
        neighbors = [*window[: self.past_frames], *window[self.past_frames + 1 :]]
        return self.decoder(self.fusion(window[self.past_frames], neighbors))

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Restore the middle frames of `(B, T, 3, H, W)`."""
        state, window, restored = self.initial_state(frames[:, 0]), [], []
        for frame in frames.unbind(1):
            features, state = self.step(frame, state)
            window.append(features)
            if len(window) == self.min_frames:
                restored.append(self.fuse(window))
                window.pop(0)
        result = torch.stack(restored, 1)
        return result + frames[:, self.past_frames : frames.shape[1] - self.future_frames] if self.residual else result
