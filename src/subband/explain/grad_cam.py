"""Where a classifier looked: class activation maps weighted by gradients.

Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.protocols.classifier import Classifier

_PLACES = 4  # along a side; half of what the published networks have for images of 224 pixels


def grad_cam(model: Classifier, inputs: Tensor, class_index: int | None = None, stage: int = -1) -> Tensor:
    """Heat maps of the places that speak for a class.

    Every channel of a stage's last block is weighted by the mean over all places of the logit's derivative; what is
    positive in the weighted sum speaks for the class. Works for every classifier that names its stages, convolutional
    or not.

    Args:
        model: Classifier, in evaluation mode.
        inputs: Images as the network takes them, normalized, `(B, C, H, W)`, on its device.
        class_index: Class to explain; for every image the one with the largest logit if not given.
        stage: Which stage's map; negative numbers count from the last one, which the paper recommends. `telling_stage`
            is better for small images.

    Returns:
        `(B, h, w)` in `[0, 1]` with h and w of that stage's map; each map is scaled to reach from 0 to 1, and is 0
        everywhere if no place speaks more for the class than another.

    Raises:
        ValueError: If there is no such class or stage.

    Example:
        >>> import subband
        >>> model = subband.create_model("gfnet_h_ti", img_size=64, num_classes=10).eval()
        >>> grad_cam(model, torch.zeros(2, 3, 64, 96)).shape
        torch.Size([2, 2, 3])
    """
    stages = model.stages
    if not -len(stages) <= stage < len(stages):
        raise ValueError(f"stage must lie within the {len(stages)} stages of the network, got {stage}.")
    outputs: list[Tensor] = []
    block = _last_block(model.get_submodule(stages[stage].module))
    hook = block.register_forward_hook(lambda module, given, output: outputs.append(output))
    try:
        with torch.enable_grad():
            images = inputs.detach().clone().requires_grad_()  # a graph, also through frozen weights
            logits = model(images)
            score = logits.gather(1, explained_classes(logits, class_index)[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, outputs[0])
            features = model.forward_stages(images)[stage].detach()  # (B, C, h, w), without any padding
    finally:
        hook.remove()
    channels = _channel_axis(outputs[0].detach(), features)
    weights = gradient.movedim(channels, 1).flatten(2).mean(2)
    maps = torch.einsum("bc,bchw->bhw", weights, features).relu()
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / torch.where(high > low, high - low, 1.0)


def telling_stage(model: Classifier, height: int, width: int) -> int:
    """The last stage whose map still tells places apart: of at least 4 x 4 places, else the finest one.

    Args:
        model: Classifier.
        height: Of the images.
        width: Of the images.

    Returns:
        Number of the stage, from 0; the last one for images as large as ImageNet's.

    Example:
        >>> import subband
        >>> model = subband.create_model("wsfvit_p0", num_classes=10)
        >>> [telling_stage(model, side, side) for side in (224, 64, 32)]
        [3, 2, 1]
    """
    telling = [i for i, stage in enumerate(model.stages) if min(height, width) > (_PLACES - 1) * stage.reduction]
    return telling[-1] if telling else 0


def explained_classes(logits: Tensor, class_index: int | None) -> Tensor:
    """The class that is explained for every image.

    Args:
        logits: `(B, K)`.
        class_index: One class for all, or None for the largest logit of each.

    Returns:
        `(B,)`, whole numbers.

    Raises:
        ValueError: If there is no such class.

    Example:
        >>> explained_classes(torch.tensor([[0.0, 2.0], [3.0, 1.0]]), None)
        tensor([1, 0])
    """
    if class_index is None:
        return logits.argmax(1)
    if not 0 <= class_index < logits.shape[1]:
        raise ValueError(f"class_index must lie within the {logits.shape[1]} classes, got {class_index}.")
    return torch.full((len(logits),), class_index, device=logits.device)


def overlay(image: Tensor, heat: Tensor, colors: Tensor) -> Tensor:
    """A heat map over its image, half and half.

    Args:
        image: `(3, H, W)` in `[0, 1]`.
        heat: `(h, w)` in `[0, 1]`.
        colors: What a color map makes of 0 to 1 in even steps, `(N, 3)` in `[0, 1]`.

    Returns:
        `(3, H, W)` in `[0, 1]`.

    Example:
        >>> overlay(torch.ones(3, 4, 4), torch.zeros(2, 2), torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))[:, 0, 0]
        tensor([0.5000, 0.5000, 0.5000])
    """
    steps = (enlarge(heat, (image.shape[-2], image.shape[-1])) * (len(colors) - 1)).round().long()
    return 0.5 * image + 0.5 * colors.to(image)[steps].movedim(-1, 0)


def enlarge(heat: Tensor, size: tuple[int, int]) -> Tensor:
    """A heat map at the size of its image, bilinear.

    Args:
        heat: `(h, w)` in `[0, 1]`.
        size: H and W.

    Returns:
        `(H, W)` in `[0, 1]`.

    Example:
        >>> enlarge(torch.tensor([[0.0, 1.0]]), (1, 4))
        tensor([[0.0000, 0.2500, 0.7500, 1.0000]])
    """
    return F.interpolate(heat[None, None], size, mode="bilinear", align_corners=False)[0, 0].clamp(0, 1)


def _last_block(module: nn.Module) -> nn.Module:
    """The module whose output is that of the stage; a list of blocks is never called itself."""
    return _last_block(module[-1]) if isinstance(module, nn.ModuleList) else module


def _channel_axis(output: Tensor, features: Tensor) -> int:
    """Where the channels of a block's output are: tokens `(B, N, D)`, `(B, h, w, D)`, or maps `(B, D, h, w)`."""
    num_chs, height, width = features.shape[1:]
    cropped = output[..., :height, :width]
    if output.ndim != 4 or cropped.shape != features.shape:
        return -1
    return 1 if output.shape[-1] != num_chs or torch.allclose(cropped, features) else -1
