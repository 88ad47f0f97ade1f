"""Deformable convolution (Zhu et al., "Deformable ConvNets v2", CVPR 2019) in plain PyTorch operations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from subband.layers.exporting import is_exporting
from subband.transforms.arguments import check_real

__all__ = ["deform_conv2d"]


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    *,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Tensor:
    """Convolution whose taps read the input at learnt, fractional positions.

    Tap `k = row * kernel_width + column` of output position `(i, j)` reads `x` bilinearly at
    `(i * stride - padding + row * dilation + dy, j * stride - padding + column * dilation + dx)`; positions outside the
    image read zero. Zero offsets give `torch.nn.functional.conv2d`. Tensor layouts are those of
    `torchvision.ops.deform_conv2d`, which needs a compiled library; this function needs none, runs on any device and is
    differentiable in every tensor. Sampling positions are computed in at least float32.

    Args:
        x: Features, `(B, C, H, W)`. The number of convolution groups is `C / weight.shape[1]`.
        offset: Shifts in pixels, `(B, G * K * 2, H', W')`, read as `(B, G, K, (dy, dx), H', W')`; each of the `G`
            offset groups serves `C / G` consecutive channels.
        weight: `(D, C / groups, kernel_height, kernel_width)`.
        bias: `(D,)`.
        mask: Factor for every sample, `(B, G * K, H', W')`, usually in [0, 1].
        stride: Distance of output positions in input pixels, one number or `(height, width)`.
        padding: Zero rows and columns on every side.
        dilation: Distance of the taps.

    Returns:
        `(B, D, H', W')` with the size of an ordinary convolution of these settings.

    Raises:
        TypeError: If one of the tensors is not real.
        ValueError: If channels, groups or sizes of the tensors do not fit each other.

    Example:
        >>> x, weight = torch.ones(1, 2, 6, 6), torch.ones(3, 2, 3, 3)
        >>> deform_conv2d(x, torch.zeros(1, 18, 4, 4), weight).shape
        torch.Size([1, 3, 4, 4])
    """
    named = {"x": x, "offset": offset, "weight": weight, "bias": bias, "mask": mask}
    for name, tensor in named.items():
        if tensor is not None or name in ("x", "offset", "weight"):
            check_real(tensor, name)  # type: ignore[arg-type]
    strides, paddings, dilations = _pair(stride), _pair(padding), _pair(dilation)
    _check(x, offset, weight, mask, strides, paddings, dilations)
    kernel_height, kernel_width = weight.shape[-2:]
    num_taps, groups = kernel_height * kernel_width, x.shape[1] // weight.shape[1]
    precise = torch.promote_types(x.dtype, torch.float32)

    offsets = rearrange(offset, "b (g k yx) h w -> (b g) k yx h w", k=num_taps, yx=2).to(precise)
    places = _places(offsets, (kernel_height, kernel_width), strides, paddings, dilations)
    offset_groups = offset.shape[1] // (2 * num_taps)
    grouped = rearrange(x, "b (g c) h w -> (b g) c h w", g=offset_groups).to(precise)

    masks = None if mask is None else rearrange(mask, "b (g k) h w -> (b g) 1 k h w", k=num_taps)
    convolve = _with_all_taps if is_exporting() else _tap_by_tap
    return convolve(grouped, offsets, places, masks, weight, bias, groups)


def _tap_by_tap(
    x: Tensor,
    offsets: Tensor,
    places: tuple[Tensor, Tensor],
    masks: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    groups: int,
) -> Tensor:
    """Sample and add one tap after the other: all at once would hold a copy of the features for each.

    Args:
        x: `(B * G, C / G, H, W)`.
        offsets: `(B * G, K, 2, H', W')`, row first, in pixels.
        places: See `_places`.
        masks: `(B * G, 1, K, H', W')`.
        weight: `(D, C / groups, rows, columns)`.
        bias: `(D,)`.
        groups: Of the convolution.
    """
    factors: Sequence[Tensor | None] = (None,) * offsets.shape[1] if masks is None else masks.unbind(2)
    out = x.new_zeros(()) if bias is None else rearrange(bias, "d -> d 1 1")
    taps = weight.flatten(2).unbind(2)
    for moved, rows, columns, factor, tap in zip(offsets.unbind(1), *places, factors, taps, strict=True):
        samples = _samples(x, _grid(moved, rows, columns, x.shape))  # (B * G, C / G, H', W')
        if factor is not None:
            samples = samples * factor
        samples = _ungrouped(samples, tap.shape[1] * groups).to(weight.dtype)  # (B, C, H', W')
        out = out + F.conv2d(samples, tap[:, :, None, None], groups=groups)
    return out


def _with_all_taps(
    x: Tensor,
    offsets: Tensor,
    places: tuple[Tensor, Tensor],
    masks: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    groups: int,
) -> Tensor:
    """The same in a ninth of the nodes, for files: exporters take minutes for every tap on its own."""
    num_taps = offsets.shape[1]
    grid = _grid(offsets, *places, x.shape).flatten(1, 2)
    samples = _samples(x, grid).unflatten(2, (num_taps, -1))  # (B * G, C / G, K, H', W')
    if masks is not None:
        samples = samples * masks
    samples = _ungrouped(samples.flatten(1, 2), weight.shape[1] * groups * num_taps).to(weight.dtype)
    return F.conv2d(samples, weight.flatten(1)[:, :, None, None], bias, groups=groups)


def _samples(x: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _ungrouped(x: Tensor, channels: int) -> Tensor:
    """`(B * G, C / G, H, W)` to `(B, C, H, W)`."""
    return x.reshape(-1, channels, *x.shape[2:])


def _places(
    like: Tensor,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    paddings: tuple[int, int],
    dilations: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Where every tap reads without offsets, in pixels: rows `(K, H', 1)` and columns `(K, 1, W')`.

    Args:
        like: Offsets, H' and W' last.
        kernel: Its rows and columns.
        strides: See `deform_conv2d`, as the others.
        paddings: See there.
        dilations: See there.
    """

    def along(axis: int) -> Tensor:
        taps, outputs = (
            torch.arange(count, device=like.device, dtype=like.dtype) for count in (kernel[axis], like.shape[3 + axis])
        )
        return (taps * dilations[axis] - paddings[axis])[:, None] + outputs * strides[axis]

    rows, columns = along(0).repeat_interleave(kernel[1], 0), along(1).repeat(kernel[0], 1)
    return rows[:, :, None], columns[:, None]


def _grid(offsets: Tensor, rows: Tensor, columns: Tensor, shape: Sequence[int]) -> Tensor:
    """Where taps read, as `grid_sample` counts: `(..., H', W', 2)`, column first.

    Args:
        offsets: `(..., 2, H', W')`, row first, in pixels.
        rows: Where they read without offsets, `(..., H', 1)`.
        columns: Likewise, `(..., 1, W')`.
        shape: Of the input, H and W last.
    """
    down, across = (
        torch.add((2 * places + 1) / side - 1, offsets.select(-3, axis), alpha=2 / side)
        for axis, (places, side) in enumerate(((rows, shape[-2]), (columns, shape[-1])))
    )
    return torch.stack([across, down], dim=-1)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _check(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    strides: tuple[int, int],
    paddings: tuple[int, int],
    dilations: tuple[int, int],
) -> None:
    channels, num_taps = x.shape[1], weight.shape[2] * weight.shape[3]
    if channels % weight.shape[1] or weight.shape[0] % (channels // weight.shape[1] or 1):
        raise ValueError(f"weight {tuple(weight.shape)} does not fit an input of {channels} channels in whole groups.")
    if offset.shape[1] == 0 or offset.shape[1] % (2 * num_taps) or channels % (offset.shape[1] // (2 * num_taps)):
        raise ValueError(
            f"offset must have 2 * {num_taps} channels for each of its groups, and the groups must divide the "
            f"{channels} channels of x; got {offset.shape[1]} offset channels."
        )
    height, width = (
        (x.shape[2 + axis] + 2 * paddings[axis] - dilations[axis] * (weight.shape[2 + axis] - 1) - 1) // strides[axis]
        + 1
        for axis in (0, 1)
    )
    if offset.shape[0] != x.shape[0] or tuple(offset.shape[2:]) != (height, width):
        raise ValueError(
            f"offset must have the output's batch and size {(x.shape[0], height, width)}, "
            f"not {(offset.shape[0], *offset.shape[2:])}."
        )
    expected = (x.shape[0], offset.shape[1] // 2, height, width)
    if mask is not None and tuple(mask.shape) != expected:
        raise ValueError(f"mask must have the shape {expected}, not {tuple(mask.shape)}.")
