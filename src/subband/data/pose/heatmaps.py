"""Heatmaps of joints: made from points for training, read as points afterwards.

Sources: UDP (Huang et al., CVPR 2020), DARK (Zhang et al., Distribution-Aware Coordinate Representation for Human Pose
Estimation, CVPR 2020), and the code of ViTPose, mmpose 1.x and transformers, which blur maps in three ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Blur", "FoundJoints", "Refinement", "TargetKind", "decode_heatmaps", "flip_back", "heatmap_targets"]

TargetKind: TypeAlias = Literal["plain", "udp", "classic"]
Refinement: TypeAlias = Literal["none", "quarter", "dark", "udp"]
Blur: TypeAlias = Literal["vitpose", "mmpose", "transformers"]

WINDOW_SIGMAS = 3  # half a published target, in spreads
KERNEL = 11
SIGMAS: dict[str, float] = {"vitpose": 2.0, "mmpose": 2.0, "transformers": 0.8}
DARK_FLOOR, UDP_FLOOR, UDP_CEILING = 1e-10, 1e-3, 50.0
RIDGE = float(torch.finfo(torch.float32).eps)  # keeps the curvature of a flat map invertible


class FoundJoints(NamedTuple):
    """Joints read from heatmaps.

    Attributes:
        points: x and y in entries of the map, `(B, K, 2)`; -1 where no value is positive.
        scores: Largest value of each map, `(B, K)`.
    """

    points: Tensor
    scores: Tensor


def heatmap_targets(
    points: Tensor, visible: Tensor, crop_size: tuple[int, int], *, sigma: float = 2.0, kind: TargetKind = "plain"
) -> tuple[Tensor, Tensor]:
    """Gaussians with peak 1 around joints, a quarter of the crop in size.

    Args:
        points: x and y in pixels of the crop, `(B, K, 2)`.
        visible: Above 0 for labelled joints, occluded ones included (COCO's visibility), `(B, K)`.
        crop_size: `(H, W)`, multiples of 4.
        sigma: Spread in entries of the map.
        kind: `plain`: around a quarter of the point, whatever fraction that is. `udp` and `classic`: as published for
            the two conventions of crops, cut off three spreads from the middle; `classic` rounds to whole entries.

    Returns:
        maps: `(B, K, H / 4, W / 4)`; zeros where nothing is labelled.
        weights: 1 for joints to learn, 0 for unlabelled ones and published targets off the map, `(B, K)`.

    Raises:
        ValueError: If shapes, sides or `kind` are none of these.

    Example:
        >>> maps, weights = heatmap_targets(torch.tensor([[[32.0, 16.0]]]), torch.ones(1, 1), (64, 64))
        >>> maps[0, 0, 4, 8].item(), weights.item()
        (1.0, 1.0)
    """
    if points.ndim != 3 or points.shape[2] != 2 or visible.shape != points.shape[:2]:
        raise ValueError(f"points must be (B, K, 2) and visible (B, K), got {points.shape} and {visible.shape}.")
    if crop_size[0] % 4 or crop_size[1] % 4 or kind not in get_args(TargetKind) or sigma <= 0:
        raise ValueError(
            f"crop_size must be multiples of 4, kind one of {', '.join(get_args(TargetKind))} and sigma positive, got "
            f"{crop_size}, {kind!r} and {sigma}."
        )
    height, width = (side // 4 for side in crop_size)
    if kind == "udp":
        middles = points * points.new_tensor([(width - 1) / (4 * width - 1), (height - 1) / (4 * height - 1)])
    else:
        middles = points / 4 if kind == "plain" else (points / 4 + 0.5).trunc()
    y, x = (torch.arange(side, device=points.device, dtype=points.dtype) for side in (height, width))
    across, down = x - middles[..., :1], y - middles[..., 1:]  # (B, K, W), (B, K, H)
    maps = (-0.5 / sigma**2 * (across.square()[..., None, :] + down.square()[..., None])).exp()
    weights = (visible > 0).to(points.dtype)
    if kind != "plain":
        reach, nearest = WINDOW_SIGMAS * sigma, (middles + 0.5).trunc()
        in_window = [(axis - nearest[..., i : i + 1]).abs() <= reach for i, axis in enumerate((x, y))]
        maps = maps * (in_window[0][..., None, :] & in_window[1][..., None])
        weights = weights * (in_window[0].any(-1) & in_window[1].any(-1))
    return maps * weights[..., None, None], weights


def flip_back(heatmaps: Tensor, pairs: Sequence[tuple[int, int]], *, shift: bool = False) -> Tensor:
    """Heatmaps of a mirrored crop as if it had not been mirrored, to be averaged with those of the crop.

    Args:
        heatmaps: `(B, K, H, W)`.
        pairs: Left joints and their right counterparts, by number.
        shift: Move the result right by one column, of which the first stays: for networks of the classic convention,
            whose maps of a mirrored crop lie one entry off.

    Returns:
        `(B, K, H, W)`.
    """
    order = list(range(heatmaps.shape[1]))
    for left, right in pairs:
        order[left], order[right] = right, left
    mirrored = heatmaps[:, order].flip(-1)
    return torch.cat([mirrored[..., :1], mirrored[..., :-1]], -1) if shift else mirrored


def decode_heatmaps(heatmaps: Tensor, refinement: Refinement = "udp", *, blur: Blur = "vitpose") -> FoundJoints:
    """The place of the largest value of every map, refined between its neighbors.

    Args:
        heatmaps: `(B, K, H, W)`, floating.
        refinement: `none`; `quarter`, a quarter of an entry towards the larger neighbor along each axis, not at the
            border; `dark`, by a Taylor expansion of the blurred map's logarithm, not at the border; `udp`, likewise,
            with finer differences, everywhere. `quarter` is that of ViTPose's code; mmpose 1.x asks for each axis apart
            whether it is at the border, but scores no network so whose files are read here.
        blur: Before `udp`, as in the code of `vitpose` (mirrored border; its published scores), `mmpose` 1.x (zeros
            beyond the border) or `transformers` (a narrow kernel). Before `dark` it is always that of `mmpose`.

    Returns:
        Points in entries of the map, and the largest values of the maps themselves.

    Raises:
        TypeError: If the maps are not floating.
        ValueError: If their shape or an option is none of these.

    Example:
        >>> maps, _ = heatmap_targets(torch.tensor([[[32.0, 18.0]]]), torch.ones(1, 1), (64, 64))
        >>> decode_heatmaps(maps, "udp").points.round(decimals=1)
        tensor([[[8.0000, 4.5000]]])
    """
    if not heatmaps.is_floating_point():
        raise TypeError(f"heatmaps must be floating, got {heatmaps.dtype}.")
    if heatmaps.ndim != 4 or not heatmaps.shape[2] or not heatmaps.shape[3]:
        raise ValueError(f"heatmaps must be (B, K, H, W), got {tuple(heatmaps.shape)}.")
    if refinement not in get_args(Refinement) or blur not in get_args(Blur):
        raise ValueError(
            f"refinement must be one of {', '.join(get_args(Refinement))} and blur one of {', '.join(get_args(Blur))}, "
            f"got {refinement!r} and {blur!r}."
        )
    maps = heatmaps.to(torch.promote_types(heatmaps.dtype, torch.float32))
    scores, flat = maps.flatten(2).max(-1)
    places = torch.stack([flat % maps.shape[3], flat // maps.shape[3]], -1)  # (B, K, 2): x, y
    points = places.to(maps.dtype)
    if refinement == "quarter":
        points = points + _quarter_steps(maps, places)
    elif refinement == "dark":
        points = points - _dark_steps(_blurred(maps, "mmpose"), places)
    elif refinement == "udp":
        points = points - _udp_steps(_blurred(maps, blur), places)
    return FoundJoints(torch.where((scores > 0)[..., None], points, -torch.ones_like(points)), scores)


def _at(maps: Tensor, places: Tensor, dx: int, dy: int) -> Tensor:
    """Values `(B, K)` beside `places`; clamped to the map."""
    height, width = maps.shape[2:]
    x, y = (places[..., 0] + dx).clamp(0, width - 1), (places[..., 1] + dy).clamp(0, height - 1)
    return maps.flatten(2).gather(2, (y * width + x)[..., None]).squeeze(-1)


def _inside(maps: Tensor, places: Tensor, margin: int) -> Tensor:
    """Whether places lie more than one entry from the upper left and more than `margin` from the lower right border."""
    sides = places.new_tensor([maps.shape[3], maps.shape[2]])
    return ((places > 1) & (places < sides - margin)).all(-1, keepdim=True)


def _quarter_steps(maps: Tensor, places: Tensor) -> Tensor:
    slopes = [_at(maps, places, dx, dy) - _at(maps, places, -dx, -dy) for dx, dy in ((1, 0), (0, 1))]
    return 0.25 * torch.stack(slopes, -1).sign() * _inside(maps, places, 1)


def _dark_steps(maps: Tensor, places: Tensor) -> Tensor:
    logs = maps.clamp(min=DARK_FLOOR).log()
    here = _at(logs, places, 0, 0)
    slopes, curves = [], []
    for dx, dy in ((1, 0), (0, 1)):
        slopes.append((_at(logs, places, dx, dy) - _at(logs, places, -dx, -dy)) / 2)
        curves.append((_at(logs, places, 2 * dx, 2 * dy) - 2 * here + _at(logs, places, -2 * dx, -2 * dy)) / 4)
    corners = _at(logs, places, 1, 1) - _at(logs, places, 1, -1) - _at(logs, places, -1, 1) + _at(logs, places, -1, -1)
    return _solved(slopes, curves, corners / 4, 0.0) * _inside(maps, places, 2)


def _udp_steps(maps: Tensor, places: Tensor) -> Tensor:
    logs = maps.clamp(UDP_FLOOR, UDP_CEILING).log()
    here = _at(logs, places, 0, 0)
    right, left, below, above = (_at(logs, places, *step) for step in ((1, 0), (-1, 0), (0, 1), (0, -1)))
    slopes, curves = [(right - left) / 2, (below - above) / 2], [right - 2 * here + left, below - 2 * here + above]
    mixed = _at(logs, places, 1, 1) + _at(logs, places, -1, -1) + 2 * here - right - left - below - above
    return _solved(slopes, curves, mixed / 2, RIDGE)


def _solved(slopes: list[Tensor], curves: list[Tensor], mixed: Tensor, ridge: float) -> Tensor:
    """Newton steps `(B, K, 2)` of a quadratic; none where it has no extremum."""
    dxx, dyy = (curve.double() + ridge for curve in curves)
    dx, dy, dxy = slopes[0].double(), slopes[1].double(), mixed.double()
    determinant = dxx * dyy - dxy.square()
    steps = torch.stack([dyy * dx - dxy * dy, dxx * dy - dxy * dx], -1) / determinant[..., None]
    return torch.where(determinant[..., None] != 0, steps, torch.zeros_like(steps)).to(mixed.dtype)


def _blurred(maps: Tensor, blur: Blur) -> Tensor:
    """Every map after a Gaussian of eleven entries, the border made up as the blur's name says."""
    reach = KERNEL // 2
    distances = torch.arange(-reach, reach + 1, device=maps.device, dtype=torch.float64)
    kernel = (-0.5 * (distances / SIGMAS[blur]).square()).exp()
    kernel = (kernel / kernel.sum()).to(maps.dtype)
    planes = maps.flatten(0, 1).unsqueeze(1)  # (B K, 1, H, W)
    for axis, shape in ((3, (1, KERNEL)), (2, (KERNEL, 1))):
        length = planes.shape[axis]
        if blur == "mmpose":
            pads = (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach)
            wide = F.pad(planes, pads)
        else:
            wide = planes.index_select(axis, _mirrored(length, reach, blur == "transformers", maps.device))
        planes = F.conv2d(wide, kernel.view(1, 1, *shape))
    found = planes.view_as(maps)
    if blur != "mmpose":
        return found
    peaks, tiny = found.amax((2, 3), keepdim=True), torch.finfo(found.dtype).tiny
    return found * maps.amax((2, 3), keepdim=True) / peaks.clamp(min=tiny)


def _mirrored(length: int, reach: int, repeats_edge: bool, device: torch.device) -> Tensor:
    """Places that stand for those from `-reach` to `length + reach - 1`."""
    places = torch.arange(-reach, length + reach, device=device)
    period = 2 * length if repeats_edge else max(2 * length - 2, 1)
    folded = places.remainder(period)
    return torch.minimum(folded, period - folded - (1 if repeats_edge else 0)).clamp(0, length - 1)
