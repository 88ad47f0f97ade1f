"""The translator frame that gSTA, TAU and WSF blocks share: a stack of blocks on all frames at once."""

from collections.abc import Callable

from torch import Tensor, nn

from subband.layers.drop import DropPath
from subband.layers.memory_format import channels_last_on_cpu
from subband.models.simvp.spatial import BlockRunner

FIRST_DROP_PATH_RATE = 0.01  # of the first block, whatever the option says (published)


class MetaFormerStage(nn.Module):
    """A block and, where the width changes, a 1x1 convolution behind it.

    Args:
        block: Module that keeps the shape `(B, D, H, W)`.
        dim: D.
        out_dim: Width of the output.

    Shape:
        `(B, D, H, W)` to `(B, out_dim, H, W)`.
    """

    def __init__(self, block: nn.Module, dim: int, out_dim: int) -> None:
        super().__init__()
        self.block = block
        self.project = nn.Identity() if dim == out_dim else nn.Conv2d(dim, out_dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply block and projection to `x`, `(B, D, H, W)`."""
        return self.project(self.block(x))


class MetaFormerTranslator(nn.Module):
    """First block at the width of the stacked frames, the others at `hidden_dim`, and back in the last stage.

    Args:
        dim: D, frames times embedding width.
        hidden_dim: Width between the first and the last stage.
        depth: Number of blocks, at least 2.
        make_block: Function of a width that returns a block.
        drop_path_rate: Stochastic depth of the last block, see `set_drop_path_rate`.

    Shape:
        Input and output `(B, D, H, W)`.

    Raises:
        ValueError: If `depth` is below 2.
    """

    def __init__(
        self, dim: int, hidden_dim: int, *, depth: int, make_block: Callable[[int], nn.Module], drop_path_rate: float
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"N_T must be at least 2 (one block to enter, one to leave), got {depth}.")
        widths = [dim, *[hidden_dim] * (depth - 1), dim]
        self.stages = nn.ModuleList(
            MetaFormerStage(make_block(widths[i]), widths[i], widths[i + 1]) for i in range(depth)
        )
        self.set_drop_path_rate(drop_path_rate)

    def set_drop_path_rate(self, rate: float) -> None:
        """Spread stochastic depth over the blocks: from 0.01 in the first (even for rate 0) to `rate` in the last.

        Raises:
            ValueError: If `rate` is outside `[0, 1)`.
        """
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"drop path rate must lie in [0, 1), got {rate}.")
        last = len(self.stages) - 1
        for i, stage in enumerate(self.stages):
            for module in stage.modules():
                if isinstance(module, DropPath):
                    module.rate = FIRST_DROP_PATH_RATE * (1 - i / last) + rate * i / last

    def forward(self, x: Tensor, run: BlockRunner) -> Tensor:
        """Translate `x`, `(B, D, H, W)`."""
        x = channels_last_on_cpu(x)
        for stage in self.stages:
            x = run(stage, x)
        return x
