"""Which cosine frequencies speak for a class, in networks on the coefficients of JPEG.

Xu et al., Learning in the Frequency Domain, CVPR 2020, show which frequencies their gate keeps, as three maps of 8 x 8;
these are such maps, of the gate and, for networks without one too, of what every frequency adds to a logit.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from subband.explain.grad_cam import explained_classes
from subband.layers.jpeg_dct import JPEG_SUBSETS
from subband.models.dct.front_end import DCTClassifier

PLANES = ("Y", "Cb", "Cr")

_BLOCK, _FREQUENCIES = 8, 64


class FrequencyShares(NamedTuple):
    """What the frequencies of Y, Cb and Cr add to a logit; rows are vertical frequencies, columns horizontal ones.

    Attributes:
        logit: `(B, 3, 8, 8)`; NaN for frequencies that the network does not take.
        is_kept: Frequencies that the network takes and its gate, if it has one, keeps, `(B, 3, 8, 8)`.
    """

    logit: Tensor
    is_kept: Tensor


def frequency_shares(model: DCTClassifier, inputs: Tensor, class_index: int | None = None) -> FrequencyShares:
    """What every frequency adds to a class's logit, to first order.

    That is the sum over all blocks of coefficient times derivative of the logit. Coefficients are normalized, so it
    compares the image with one of average coefficients throughout.

    Args:
        model: Network on cosine coefficients, in evaluation mode.
        inputs: What the network takes, images or coefficients, on its device.
        class_index: Class to explain; for every image the one with the largest logit if not given.

    Returns:
        Two sets of maps, on the CPU.

    Raises:
        ValueError: If there is no such class.

    Example:
        >>> import subband
        >>> model = subband.create_model("dct_resnet50", width=8, num_classes=10).eval()
        >>> shares = frequency_shares(model, torch.zeros(1, 3, 64, 64))
        >>> shares.logit.shape, shares.is_kept.sum((2, 3))
        (torch.Size([1, 3, 8, 8]), tensor([[16,  4,  4]]))
    """
    with torch.enable_grad():
        coefficients = model.coefficients(inputs).detach().requires_grad_()
        # What the gate decides is a fact here: its own derivatives are left out.
        kept = torch.ones_like(coefficients[:, :, 0, 0]) if model.gate is None else model.gate(coefficients)[1].detach()
        logits = model.forward_head(model.maps(coefficients * kept[..., None, None])[-1])
        score = logits.gather(1, explained_classes(logits, class_index)[:, None]).sum()
        (gradient,) = torch.autograd.grad(score, coefficients)
    shares = (coefficients.detach() * gradient).sum((2, 3)).cpu()
    places = [_FREQUENCIES * plane + place for plane, keep in enumerate(JPEG_SUBSETS[model.channels]) for place in keep]
    logit = shares.new_full((len(shares), len(PLANES) * _FREQUENCIES), torch.nan)
    is_kept = torch.zeros_like(logit, dtype=torch.bool)
    logit[:, places], is_kept[:, places] = shares, kept.cpu() > 0
    shape = (len(PLANES), _BLOCK, _BLOCK)
    return FrequencyShares(logit.unflatten(1, shape), is_kept.unflatten(1, shape))
