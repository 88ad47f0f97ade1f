"""Every loss goes through the compiler with its gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from subband.losses import LOSSES, build_loss, subband_focal_loss

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class Call(nn.Module):
    """A function of prediction and target as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        return self.function(pred, target)


@pytest.mark.parametrize("name", [*LOSSES, "subband_focal"])
def test_compiles_into_one_graph_with_the_same_gradients(
    name: str, rng: torch.Generator, check_compiled: Callable
) -> None:
    loss = subband_focal_loss if name == "subband_focal" else build_loss(name, {})
    check_compiled(Call(loss), tuple(torch.rand(2, 2, 4, 1, 8, 8, generator=rng)))
