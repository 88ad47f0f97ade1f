"""Stand-ins for torchvision's compiled operators on installations whose compiled library does not load.

torchvision's wheel is linked against a CUDA build of PyTorch. Beside a CPU build its library cannot be opened, and then
`import torchvision` stops at the first operator that should have been in it, taking timm, lightning and torchmetrics
along. Defining the missing operators first repairs the import; the kernels here, made of ordinary PyTorch operations,
make torchvision's detection models work as well. A healthy installation is left exactly as it is.

`register_fallback_ops` runs at `import subband` and must stay cheap; `enable_fallback_kernels` is called once by code
that has imported torchvision and is about to run its operators.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, "
    "SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, "
    "SymInt offset_groups, bool use_mask) -> Tensor",
)

# A Library takes its operators along when it is collected, hence a module global.
_library: torch.library.Library | None = None


def register_fallback_ops() -> None:
    """Define torchvision's operators `nms`, `qnms`, `roi_align` and `deform_conv2d` where its own library does not
    load.

    Does nothing when torchvision is absent or already imported, when its library loads, or when the operators are
    known. Never imports torchvision.
    """
    global _library
    if _library is not None or "torchvision" in sys.modules:
        return
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or _loads_compiled_library(Path(spec.origin).parent):
        return
    if hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    # torchvision adds a fake kernel to nms itself, which PyTorch refuses beside a composite one.
    library.impl("nms", nms, "CPU")
    library.impl("nms", nms, "CUDA")
    library.impl("roi_align", roi_align, "CompositeImplicitAutograd")
    library.impl("deform_conv2d", _deform_conv2d, "CompositeImplicitAutograd")
    _library = library


def enable_fallback_kernels() -> None:
    """Let torchvision's Python functions call the operators defined here; to be called after `import torchvision`.

    Does nothing when torchvision's compiled library is loaded. Calling it twice is harmless.

    Raises:
        ImportError: If torchvision is not installed.
    """
    import torchvision.extension
    import torchvision.ops

    if torchvision.extension._has_ops():
        return
    # The attribute torchvision.ops.roi_align is the function; the module of that name keeps a reference of its own.
    for module in (torchvision.extension, sys.modules["torchvision.ops.roi_align"]):
        module._has_ops = _has_ops  # type: ignore[union-attr]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression.

    A box is dropped when its intersection over union with a kept box of higher score is strictly above the threshold.
    Equal scores keep their order.

    Args:
        boxes: Corners x1, y1, x2, y2, `(N, 4)`.
        scores: `(N,)`.
        iou_threshold: In [0, 1].

    Returns:
        Indices of the kept boxes by falling score, int64, `(N',)`.

    Raises:
        ValueError: If the shapes are not `(N, 4)` and `(N,)`.
    """
    import numpy

    if boxes.dim() != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ValueError(f"nms takes boxes (N, 4) and scores (N,), not {tuple(boxes.shape)} and {tuple(scores.shape)}.")
    order = scores.sort(descending=True, stable=True).indices
    corners = boxes[order].detach().to("cpu", torch.promote_types(boxes.dtype, torch.float32)).numpy()
    top_left, bottom_right = corners[:, :2], corners[:, 2:]
    areas = (bottom_right - top_left).prod(axis=1)
    is_kept = numpy.ones(len(corners), dtype=bool)
    for index in range(len(corners)):
        if not is_kept[index]:
            continue
        rest = slice(index + 1, None)
        sides = numpy.minimum(bottom_right[index], bottom_right[rest]) - numpy.maximum(top_left[index], top_left[rest])
        intersection = sides.clip(min=0).prod(axis=1)
        # Two boxes without area have no defined ratio; nan > threshold is false, so both stay.
        with numpy.errstate(invalid="ignore", divide="ignore"):
            overlap = intersection / (areas[index] + areas[rest] - intersection)
        is_kept[rest] &= ~(overlap > iou_threshold)
    return order[torch.from_numpy(is_kept).to(order.device)]


def roi_align(
    x: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Average bilinear samples of the features inside each bin of each box (He et al., "Mask R-CNN", ICCV 2017).

    Samples farther than one pixel outside the map count as zero, nearer ones read the border. Boxes get no gradient.

    Args:
        x: Features, `(B, C, H, W)`.
        rois: Image index and corners x1, y1, x2, y2 for each of `K` boxes, `(K, 5)`.
        spatial_scale: Feature pixels per pixel of the box coordinates.
        pooled_height: Bins per column of the result.
        pooled_width: Bins per row of the result.
        sampling_ratio: Samples per bin and axis; `ceil(box size / bins)` when it is not positive, so that boxes without
            area give zeros.
        aligned: Whether box coordinates count from pixel corners (shift by half a pixel). Otherwise boxes have at least
            one pixel per side.

    Returns:
        `(K, C, pooled_height, pooled_width)`.
    """
    pooled = (pooled_height, pooled_width)
    precise = torch.promote_types(x.dtype, torch.float32)
    boxes = rois.detach().to(precise)
    starts = boxes[:, [2, 1]] * spatial_scale - (0.5 if aligned else 0.0)  # (K, 2), row first
    sizes = (boxes[:, [4, 3]] - boxes[:, [2, 1]]) * spatial_scale
    if not aligned:
        sizes = sizes.clamp(min=1)

    samples = (sizes / sizes.new_tensor(pooled)).ceil().clamp(min=0)
    if sampling_ratio > 0:
        samples = torch.full_like(sizes, sampling_ratio)

    groups: dict[tuple[int, int, int], list[int]] = {}
    for index, (image, rows, columns) in enumerate(torch.cat([boxes[:, :1], samples], dim=1).tolist()):
        groups.setdefault((int(image), int(rows), int(columns)), []).append(index)

    parts = [F.adaptive_avg_pool2d(x[:0], pooled)]  # without boxes the result still belongs to the graph of x
    for (image, rows, columns), members in groups.items():
        if not rows * columns:
            parts.append(x.new_zeros(len(members), x.shape[1], *pooled))
            continue
        part = _pool_boxes(x[image].to(precise), starts[members], sizes[members], pooled, (rows, columns))
        parts.append(part.to(x.dtype))
    order = torch.tensor([index for members in groups.values() for index in members], dtype=torch.int64)
    return torch.cat(parts)[order.argsort().to(x.device)]


def _pool_boxes(
    image: Tensor, starts: Tensor, sizes: Tensor, pooled: tuple[int, int], samples: tuple[int, int]
) -> Tensor:
    """Pool boxes of one image that share a sampling grid: `(C, H, W)` and `(K, 2)` twice to `(K, C, *pooled)`."""
    coordinates, is_inside = [], []
    for axis in (0, 1):
        num_points, extent = pooled[axis] * samples[axis], image.shape[1 + axis]
        steps = torch.arange(num_points, device=image.device, dtype=image.dtype) + 0.5
        position = starts[:, axis, None] + steps * sizes[:, axis, None] / num_points  # (K, points)
        is_inside.append((position >= -1) & (position <= extent))
        coordinates.append((2 * position + 1) / extent - 1)
    rows, columns = coordinates[0][:, :, None], coordinates[1][:, None, :]
    grid = torch.stack(torch.broadcast_tensors(columns, rows), dim=-1)  # (K, rows, columns, 2)
    # All boxes below one another in one sampling call: a batch of them would copy the image for each box.
    sampled = F.grid_sample(image[None], grid.flatten(0, 1)[None], padding_mode="border", align_corners=False)
    sampled = sampled[0].unflatten(1, grid.shape[:2]).movedim(1, 0)  # (K, C, rows, columns)
    sampled = sampled * (is_inside[0][:, :, None] & is_inside[1][:, None, :])[:, None]
    return F.avg_pool2d(sampled, samples)


def _deform_conv2d(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Tensor:
    """torchvision's argument order for the package's own function, to which the shapes tell both group counts."""
    from subband.layers.deform_conv import deform_conv2d

    return deform_conv2d(
        x,
        offset,
        weight,
        bias=bias,
        mask=mask if use_mask else None,
        stride=(stride_h, stride_w),
        padding=(pad_h, pad_w),
        dilation=(dilation_h, dilation_w),
    )


def _loads_compiled_library(folder: Path) -> bool:
    for path in (*folder.glob("_C*.so"), *folder.glob("_C*.pyd")):
        try:
            torch.ops.load_library(path)
        except (OSError, ImportError, RuntimeError):
            continue
        return True
    return False


def _has_ops() -> bool:
    return True
