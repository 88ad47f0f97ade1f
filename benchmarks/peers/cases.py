"""What the benchmark of the transforms measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from peers.contestant import Contestant
from peers.cosine import block_cosine, cosine
from peers.redundant import continuous, drop_in_dual_tree, dual_tree, packets_2d, stationary_1d, stationary_2d
from peers.wavelets import drop_in_2d, inverse_2d, multilevel_2d, multilevel_inverse_2d, one_level

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """A transform of tensors of one shape.

    Args:
        transform: What is computed.
        shape: Shape of the input.
        contestants: Builds those who compute it, the yardstick of correctness first.
        num_batch_axes: Leading axes that the check of the numbers may shorten.
        channels_last: Whether the channels of `(B, C, H, W)` lie next to each other in memory.
        is_quick: Whether `--quick` measures it.
    """

    transform: str
    shape: tuple[int, ...]
    contestants: Callable[[], list[Contestant]]
    num_batch_axes: int = 2
    channels_last: bool = False
    is_quick: bool = False

    @property
    def name(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"{self.transform} {shape}{' channels-last' if self.channels_last else ''}"

    def input(self, dtype: torch.dtype, device: torch.device, small: bool = False) -> Tensor:
        """Unit noise; `small` keeps two entries of the batch axes."""
        generator = torch.Generator().manual_seed(0)
        batch, rest = self.shape[: self.num_batch_axes], self.shape[self.num_batch_axes :]
        shape = (*(min(size, 2) if small else size for size in batch), *rest)
        x = torch.randn(shape, generator=generator, dtype=dtype).to(device)
        return x.to(memory_format=torch.channels_last) if self.channels_last else x


FEW_CHANNELS, VIDEO = (1, 3, 2048, 2048), (4, 16, 10, 64, 64)
FEATURES, MORE_FEATURES, PHOTOS = (2, 64, 224, 224), (8, 64, 224, 224), (8, 3, 512, 512)


def _cases() -> list[Case]:
    cases = []
    for wavelet in ("haar", "db4", "bior4.4"):
        for shape in (FEATURES, MORE_FEATURES, FEW_CHANNELS):
            quick = shape == FEATURES
            cases.append(Case(f"{wavelet} 2-D", shape, partial(one_level, wavelet, 2), is_quick=quick))
    for shape in (FEATURES, FEW_CHANNELS):
        cases.append(
            Case("db4 2-D", shape, partial(one_level, "db4", 2), channels_last=True, is_quick=shape == FEATURES)
        )
    for wavelet in ("haar", "db4"):
        cases.append(Case(f"{wavelet} 3-D", VIDEO, partial(one_level, wavelet, 3), is_quick=True))
    for wavelet in ("haar", "db4"):
        cases.append(Case(f"{wavelet} 1-D", (16, 32, 16384), partial(one_level, wavelet, 1), is_quick=wavelet == "db4"))
    for wavelet in ("haar", "db4"):
        shape = (2, 64, 4, 112, 112) if wavelet == "haar" else (2, 64, 4, 115, 115)
        cases.append(Case(f"{wavelet} 2-D inverse", shape, partial(inverse_2d, wavelet), is_quick=wavelet == "db4"))
    for wavelet in ("haar", "db4"):
        options = {"wavelet": wavelet, "level": 3}
        cases.append(Case(f"{wavelet} 2-D, 3 levels", FEATURES, partial(multilevel_2d, **options)))
        cases.append(Case(f"{wavelet} 2-D, 3 levels, inverse", FEATURES, partial(multilevel_inverse_2d, **options)))
    cases += [
        Case("db2 1-D undecimated, 3 levels", (8, 8, 16384), partial(stationary_1d, "db2", 3)),
        Case("haar 2-D undecimated, 2 levels", (4, 3, 256, 256), partial(stationary_2d, "haar", 2)),
        Case("db2 2-D undecimated, 2 levels", (4, 3, 256, 256), partial(stationary_2d, "db2", 2), is_quick=True),
        Case("haar 2-D packets, 3 levels", (4, 3, 256, 256), partial(packets_2d, "haar", 3)),
        Case("db4 2-D packets, 2 levels", (4, 3, 256, 256), partial(packets_2d, "db4", 2), is_quick=True),
    ]
    for shape in (PHOTOS, FEW_CHANNELS, FEATURES):
        cases.append(Case("8x8 DCT", shape, block_cosine, is_quick=shape == PHOTOS))
    for shape in (FEATURES, (2, 64, 256, 256), (1, 3, 1024, 1024)):
        cases.append(Case("2-D DCT", shape, cosine, is_quick=shape == FEATURES))
    cases += [
        Case("dual-tree 2-D, 3 levels", (2, 3, 256, 256), partial(dual_tree, 3), is_quick=True),
        Case("layout of pytorch_wavelets, haar 2-D, 3 levels", PHOTOS, partial(drop_in_2d, "haar", 3)),
        Case("layout of pytorch_wavelets, db4 2-D, 3 levels", PHOTOS, partial(drop_in_2d, "db4", 3)),
        Case("layout of pytorch_wavelets, dual-tree 2-D, 3 levels", (2, 3, 256, 256), partial(drop_in_dual_tree, 3)),
        Case("CWT morl, 32 scales", (8, 4096), partial(continuous, "morl", 32), num_batch_axes=1, is_quick=True),
        Case("CWT cmor1.5-1.0, 32 scales", (8, 4096), partial(continuous, "cmor1.5-1.0", 32), num_batch_axes=1),
    ]
    return cases


CASES = _cases()
