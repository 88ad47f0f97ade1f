"""Tables of relative position biases carried over to windows of another size."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["resize_position_table"]

RATIO_BOUNDS = (1.01, 1.5)
RATIO_TOLERANCE = 1e-6


def resize_position_table(table: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate a table of relative position biases.

    Distances of the given table are spread geometrically over the wanted range, finest around zero: near neighbors keep
    their biases, far ones are stretched. Interpolation is linear in each axis; the ends are continued.

    Source: the rule for relative position tables of BEiT (Bao et al., ICLR 2022), with which 384-pixel weights of
    WSF-ViT were started from 224-pixel ones.

    Args:
        table: `(heads, 2P - 1, 2Q - 1)`, zero distance in the middle.
        size: Wanted `(2P' - 1, 2Q' - 1)`.

    Returns:
        `(heads, 2P' - 1, 2Q' - 1)`.

    Raises:
        ValueError: If a side is even.

    Example:
        >>> table = torch.arange(9.0).view(1, 3, 3)
        >>> resize_position_table(table, (3, 5))[0, 1].tolist()
        [3.0, 3.0, 4.0, 5.0, 5.0]
    """
    if any(side % 2 == 0 for side in (*table.shape[-2:], *size)):
        raise ValueError(f"sides of position tables are odd, got {tuple(table.shape[-2:])} and {size}.")
    rows, columns = (_interpolation(a, b) for a, b in zip(table.shape[-2:], size, strict=True))
    return (rows @ table.double() @ columns.mT).to(table.dtype)


def _interpolation(num_given: int, num_wanted: int) -> Tensor:
    """Matrix `(num_wanted, num_given)`, float64, of linear interpolation between the spread distances."""
    if num_given == num_wanted or num_given == 1:
        return torch.eye(num_wanted, num_given).double() if num_given > 1 else torch.ones(num_wanted, 1).double()
    distances = _spread(num_given // 2, num_wanted // 2)
    places = torch.tensor([*(-d for d in reversed(distances)), 0.0, *distances], dtype=torch.float64)
    wanted = torch.arange(num_wanted, dtype=torch.float64) - num_wanted // 2
    right = torch.searchsorted(places, wanted).clamp(1, num_given - 1)
    share = ((wanted - places[right - 1]) / (places[right] - places[right - 1])).clamp(0, 1)
    matrix = torch.zeros(num_wanted, num_given, dtype=torch.float64)
    matrix.scatter_(1, right[:, None], share[:, None])
    return matrix.scatter_(1, right[:, None] - 1, 1 - share[:, None])


def _spread(num_steps: int, reach: int) -> list[float]:
    """Growing distances 1, 1 + q, 1 + q + q^2, ... that end near `reach`."""
    low, high = RATIO_BOUNDS
    while high - low > RATIO_TOLERANCE:
        ratio = (low + high) / 2
        if (1 - ratio**num_steps) / (1 - ratio) > reach:
            high = ratio
        else:
            low = ratio
    distances = [1.0]
    for step in range(1, num_steps):
        distances.append(distances[-1] + ratio**step)
    return distances
