"""Mutual information between tensors: bounds from samples, and what is minimized to keep or to remove information.

| function | of the information it is | bias | variance |
|---|---|---|---|
| `barber_agakov_bound` | a lower bound | low by the divergence of the true conditional from the assumed one | low |
| `info_nce_bound` | a lower bound | never above log N for N pairs | low |
| `nwj_bound` | a lower bound | none for the bound; low where the critic is not the best | high, as exp(information) |
| `club_bound` | an upper bound, if the assumed conditional is the true one | often several times too high | low |
| `vsd_loss` | no estimate: zero where the student tells as much of the joints as the teacher | | low |

For standard normal vectors of 4 entries with correlation 0.8, whose information is 2.0433 nats, the bounds at their
best critics are 2.04, 1.35 (N = 8) to 2.00 (N = 512), 2.05 and 7.11.

Sources: Barber and Agakov, The IM Algorithm, NeurIPS 2003; Ahn et al., Variational Information Distillation for
Knowledge Transfer, CVPR 2019; van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018;
Nguyen, Wainwright and Jordan, Estimating Divergence Functionals, IEEE Trans. Inf. Theory 2010; Cheng et al., CLUB: A
Contrastive Log-ratio Upper Bound of Mutual Information, ICML 2020; Tian et al., Farewell to Mutual Information:
Variational Distillation for Cross-Modal Person Re-Identification, CVPR 2021. Poole et al., On Variational Bounds of
Mutual Information, ICML 2019, compare the bounds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.losses.pairs import pair
from subband.transforms.arguments import check_dtype, without_autocast

__all__ = [
    "ConditionalGaussian",
    "barber_agakov_bound",
    "club_bound",
    "cosine_critic",
    "info_nce_bound",
    "nwj_bound",
    "vid_loss",
    "vsd_loss",
]

LEAST_VARIANCE = 1e-4


class ConditionalGaussian(nn.Module):
    """What a tensor is given another: means by two layers, one variance for every channel.

    Args:
        in_chans: Channels C of what is given.
        out_chans: Channels D of what is guessed.
        hidden: Channels between the layers; D by default.

    Shape:
        `(B, C, ...)` with any further axes; means `(B, D, ...)`, variances `(D, 1, ...)` that broadcast to them.

    Example:
        >>> mean, variance = ConditionalGaussian(4, 6)(torch.rand(2, 4, 8, 7))
        >>> mean.shape, variance.shape
        (torch.Size([2, 6, 8, 7]), torch.Size([6, 1, 1]))
    """

    def __init__(self, in_chans: int, out_chans: int, *, hidden: int | None = None) -> None:
        super().__init__()
        hidden = out_chans if hidden is None else hidden
        self.mean = nn.Sequential(nn.Linear(in_chans, hidden), nn.ReLU(), nn.Linear(hidden, out_chans))
        self.scale = nn.Parameter(torch.full((out_chans,), math.log(math.e - 1)))  # variance 1 after the softplus

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and variances given `x`, `(B, C, ...)`."""
        variance = F.softplus(self.scale.float()) + LEAST_VARIANCE
        return self.mean(x.movedim(1, -1)).movedim(-1, 1), variance.view(-1, *([1] * (x.ndim - 2)))


def vid_loss(target: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """What variational information distillation minimizes: mean of `log s + (t - mean)^2 / 2 s^2`, variances `s^2`.

    Up to constants this is minus the bound of Barber and Agakov, so minimizing it raises a lower bound of the
    information that what `mean` was made from has about `target`. Low variance; the bound is low where a Gaussian with
    these means fits badly.

    Args:
        target: `(B, D, ...)`, usually detached, for else it is drawn towards what is easy to guess.
        mean: Of the same shape.
        variance: Positive, broadcastable to it.

    Returns:
        Scalar; 0 for tensors without values.

    Raises:
        TypeError: If one of them is not floating.
        ValueError: If the shapes of target and mean differ.

    Example:
        >>> vid_loss(torch.ones(2, 3), torch.zeros(2, 3), torch.ones(3))
        tensor(0.5000)
    """
    target, mean = pair(target, mean)
    check_dtype(variance, "variance")
    spread = variance.to(target.dtype)
    values = 0.5 * (spread.log() + (target - mean).square() / spread)
    return values.mean() if values.numel() else values.sum()


def barber_agakov_bound(target: Tensor, mean: Tensor, variance: Tensor, entropy: float) -> Tensor:
    """Lower bound of information in nats: `H(t) + E log q(t | x)` for a Gaussian q.

    Bias: low by the mean divergence of the true conditional from q, zero if q is the true one. Low variance.

    Args:
        target: Samples of t, `(B, D, ...)`.
        mean: Means of q for each of them.
        variance: Of q, broadcastable.
        entropy: Of one sample of t, in nats; with an unknown one use `vid_loss`, which lacks it.

    Returns:
        Scalar.

    Raises:
        TypeError: If one of the tensors is not floating.
        ValueError: If the shapes of target and mean differ, or there is no sample.

    Example:
        >>> t = torch.zeros(5, 2)
        >>> barber_agakov_bound(t, t, torch.ones(2), entropy=2.8379)  # q = N(0, 1), and says nothing but the mean
        tensor(1.0000)
    """
    if not target.numel():
        raise ValueError("target must hold samples, got none.")
    entries = target[0].numel()
    return entropy - entries * (vid_loss(target, mean, variance) + 0.5 * math.log(2 * math.pi))


def cosine_critic(a: Tensor, b: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Scores of all pairs: cosine of the angle between two vectors, over a temperature.

    Args:
        a: `(N, D)`.
        b: `(N, D)`, row i belonging to row i of `a`.
        temperature: Positive.

    Returns:
        `(N, N)`, a's along rows.

    Raises:
        TypeError: If one of them is not floating.
        ValueError: If shapes differ or are no such, or the temperature is not positive.

    Example:
        >>> cosine_critic(torch.eye(2), torch.eye(2))
        tensor([[10.,  0.],
                [ 0., 10.]])
    """
    a, b = pair(a, b)
    if a.ndim != 2 or temperature <= 0:
        raise ValueError(f"a and b must be (N, D) and temperature positive, got {tuple(a.shape)} and {temperature}.")
    with without_autocast(a.device):
        return F.normalize(a, dim=1) @ F.normalize(b, dim=1).mT / temperature


def info_nce_bound(scores: Tensor, *, groups: Tensor | None = None) -> Tensor:
    """Lower bound of information in nats: log N less the cross entropy of finding the partner among N.

    Bias: never above log N, so many pairs are needed where there is much information. Low variance.

    Args:
        scores: Of a critic for all pairs, `(N, N)`; those that belong together on the diagonal.
        groups: What each sample is from, `(N,)`, for example the number of its clip: others of the same are not set
            against it, for they tell much of each other by being from one clip.

    Returns:
        Scalar.

    Raises:
        TypeError: If the scores are not floating.
        ValueError: If the shapes are others.

    Example:
        >>> round(info_nce_bound(100 * torch.eye(8)).item(), 4)  # log 8
        2.0794
    """
    scores = _checked_scores(scores)
    number = torch.full((len(scores),), float(len(scores)), device=scores.device, dtype=scores.dtype)
    if groups is not None:
        if groups.shape != scores.shape[:1]:
            raise ValueError(f"groups must be ({len(scores)},), got {tuple(groups.shape)}.")
        is_left_out = (groups[:, None] == groups) & ~_diagonal(scores)
        scores = scores.masked_fill(is_left_out, -torch.inf)
        number = number - is_left_out.sum(1)
    return (number.log() + scores.log_softmax(1).diagonal()).mean()


def nwj_bound(scores: Tensor) -> Tensor:
    """Lower bound of information in nats, by Nguyen, Wainwright and Jordan: `E f - E' exp(f) / e`.

    The first mean is over pairs that belong together, the second over all others. Unbiased for its bound, which is the
    information at the critic `1 + log p(b | a) / p(b)`; its variance grows as the exponential of the information.

    Args:
        scores: Of the critic f for all pairs, `(N, N)`, N at least 2; those that belong together on the diagonal.

    Returns:
        Scalar.

    Raises:
        TypeError: If the scores are not floating.
        ValueError: If the shape is another one.

    Example:
        >>> nwj_bound(torch.ones(4, 4))  # of a critic that knows nothing
        tensor(0.)
    """
    scores = _checked_scores(scores, least=2)
    others = scores.masked_fill(_diagonal(scores), -torch.inf)
    count = len(scores) * (len(scores) - 1)
    return scores.diagonal().mean() - (others.flatten().logsumexp(0) - math.log(count) - 1).exp()


def club_bound(target: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Upper bound of information in nats, to be minimized: `E log q(t | x) - E' log q(t | x)`, q Gaussian.

    The first mean is over pairs that belong together, the second over all others. It is an upper bound only if q is
    close to the true conditional (fit q by `vid_loss`, on detached tensors), and can be several times too high.

    Args:
        target: Samples of t, `(N, ...)`, N at least 2.
        mean: Means of q given each x, of the same shape.
        variance: Of q, broadcastable to one sample.

    Returns:
        Scalar.

    Raises:
        TypeError: If one of them is not floating.
        ValueError: If the shapes of target and mean differ, or there are fewer than two samples.

    Example:
        >>> club_bound(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [2.0]]), torch.ones(1))
        tensor(2.)
    """
    target, mean = pair(target, mean)
    check_dtype(variance, "variance")
    if target.ndim < 2 or len(target) < 2:
        raise ValueError(f"target must be (N, ...) with two samples at least, got {tuple(target.shape)}.")
    # log q differs between pairs by the squared distance alone, whose mean over all pairs follows from moments.
    scale = variance.to(target.dtype).expand(target.shape[1:]).reciprocal()
    own = ((target - mean).square() * scale).flatten(1).sum(1)
    center = target.mean(0)
    a, b = target - center, mean - center
    count = len(target)
    every = ((a.square() + b.square()).mean(0) - 2 * a.mean(0) * b.mean(0)) * scale  # over all N^2 pairs
    others = (every.sum() * count - own.mean()) / (count - 1)
    return 0.5 * (others - own.mean())


def vsd_loss(teacher: Tensor, student: Tensor, visible: Tensor | None = None, *, temperature: float = 0.1) -> Tensor:
    """Variational self-distillation: how far the places where a student sees a joint are from the teacher's.

    Nothing is estimated: if the divergence is zero, the student's features are as sufficient for the joints as the
    teacher's. Every map becomes a distribution over its places by a softmax.

    Args:
        teacher: Heatmaps `(..., H, W)`; they get no gradient.
        student: Of the same shape.
        visible: Above 0 for joints that count, `(...)`; all by default.
        temperature: Of the softmax; at 1 maps between 0 and 1 would be nearly even.

    Returns:
        Scalar, the mean over joints that count, times the square of the temperature; 0 if none does.

    Raises:
        TypeError: If one of them is not floating.
        ValueError: If shapes differ, or the temperature is not positive.

    Example:
        >>> maps = torch.rand(2, 3, 8, 6)
        >>> abs(vsd_loss(maps, maps).item()) < 1e-6
        True
    """
    teacher, student = pair(teacher, student)
    if teacher.ndim < 2 or temperature <= 0:
        raise ValueError(
            f"maps must be (..., H, W) and temperature positive, got {tuple(teacher.shape)} and {temperature}."
        )
    if visible is not None and visible.shape != teacher.shape[:-2]:
        raise ValueError(f"visible must be {tuple(teacher.shape[:-2])}, got {tuple(visible.shape)}.")
    wanted, found = ((maps / temperature).flatten(-2).log_softmax(-1) for maps in (teacher.detach(), student))
    divergence = (wanted.exp() * (wanted - found)).sum(-1)
    counted = torch.ones_like(divergence) if visible is None else (visible > 0).to(divergence.dtype)
    return temperature**2 * (counted * divergence).sum() / counted.sum().clamp(min=1)


def _checked_scores(scores: Tensor, least: int = 1) -> Tensor:
    check_dtype(scores, "scores")
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) < least:
        raise ValueError(f"scores must be (N, N), N at least {least}, got {tuple(scores.shape)}.")
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _diagonal(scores: Tensor) -> Tensor:
    return torch.eye(len(scores), dtype=torch.bool, device=scores.device)
