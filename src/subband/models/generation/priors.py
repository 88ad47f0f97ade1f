"""Priors of pyramids: what images are likely before one is seen.

The density of a pyramid is that of its approximation times that of the details of every level, given the approximation
they are added to: p(A) times the product of p(d_l | a_l), coarse to fine. Source of this factorization: Yu, Derpanis
and Brubaker, Wavelet Flow: Fast Training of High Resolution Normalizing Flows, NeurIPS 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.generation.approximations import GaussianApproximation, MixtureApproximation
from subband.models.generation.blocks import RefineNet
from subband.models.generation.distributions import laplace_from_normal, laplace_posterior_mean
from subband.models.generation.posteriors import SCALE_RANGE, UNIT_SOFTPLUS, BandUnits, Posterior
from subband.models.generation.pyramid import BANDS, Pyramid, PyramidTransform

__all__ = ["ORDERS", "PRIORS", "BandOrder", "ConditionalDetails", "IndependentDetails", "PriorKind", "PyramidPrior"]

PriorKind: TypeAlias = Literal["factorised", "conditional", "mixture"]
PRIORS = ("factorised", "conditional", "mixture")
BandOrder: TypeAlias = Literal["independent", "HVD"]
ORDERS = ("independent", "HVD")
SMALLEST = 1e-3  # of the scales that are predicted, in units of a band


class IndependentDetails(nn.Module):
    """Laplaces around 0 with a learned scale for every band and color.

    Samples have the right spectrum and show no objects: independent coefficients cannot make edges.

    Args:
        in_chans: Channels C of the images.
        levels: Levels J.
    """

    num_turns = 1

    def __init__(self, in_chans: int, levels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(levels, BANDS * in_chans))

    def forward(self, level: int, approx: Tensor, units: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Centres and scales of the details of one level.

        Args:
            level: Its place, 0 for the coarsest.
            approx: The approximation that the details are added to, `(B, C, H, W)`; makes no difference here.
            units: Size of the coefficients; makes no difference here.
            known: Nothing; see `ConditionalDetails`.

        Returns:
            centre: `(1, 1, 1, 1)`, 0.
            scale: `(1, 3C, 1, 1)`.
        """
        return approx.new_zeros(1, 1, 1, 1), self.log_scale[level].exp().clamp(*SCALE_RANGE)[:, None, None][None]

    @torch.no_grad()
    def fit(self, mean_magnitudes: Tensor) -> None:
        """Take over the best scales: the mean magnitudes of the coefficients, `(J, 3C)`."""
        self.log_scale.copy_(mean_magnitudes.clamp(*SCALE_RANGE).log())


class ConditionalDetails(nn.Module):
    """Laplaces whose centres and scales a network of every level tells from the approximation.

    Before training the centres are 0 and the scales are the units of the bands.

    Args:
        in_chans: Channels C of the images.
        levels: Levels J.
        width: Channels of the networks, a multiple of 8.
        blocks: Their residual blocks.
        order: `independent`: the bands of a level do not know of each other. `HVD`: vertical ones are told given the
            horizontal ones, diagonal ones given both, by three networks of every level. With 3 channels, 64 channels
            inside and 3 blocks it has 688,338 parameters a level, not 234,642.

    Raises:
        ValueError: If the order is unknown.
    """

    def __init__(
        self, in_chans: int, levels: int, *, width: int, blocks: int, order: BandOrder = "independent"
    ) -> None:
        super().__init__()
        if order not in ORDERS:
            raise ValueError(f"prior_order must be {' or '.join(ORDERS)}, got {order!r}.")
        self.in_chans, self.num_turns = in_chans, BANDS if order == "HVD" else 1
        outputs = 2 * BANDS * in_chans // self.num_turns

        def turns() -> list[nn.Module]:
            sizes = [(turn + 1) * in_chans for turn in range(self.num_turns)]
            return [RefineNet(size, width, blocks, out_chans=outputs) for size in sizes]

        self.nets = nn.ModuleList(nn.ModuleList(turns()) if order == "HVD" else turns()[0] for _ in range(levels))

    def forward(self, level: int, approx: Tensor, units: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Centres and scales of the details of one level that come next, `(B, 3C, H, W)` or `(B, C, H, W)` both.

        Args:
            level: Its place, 0 for the coarsest.
            approx: The approximation that the details are added to, `(B, C, H, W)`.
            units: Size of the coefficients, `(1, 3C, 1, 1)`.
            known: In order `HVD` the bands of the level that came before, `(B, C, H, W)` or `(B, 2C, H, W)`; None at
                first.
        """
        net, inputs = self.nets[level], approx / 2 ** (len(self.nets) - level)
        if isinstance(net, nn.ModuleList):
            begin = 0 if known is None else known.shape[1]
            if known is not None:
                inputs = torch.cat((inputs, known / units[:, :begin]), 1)
            net, units = net[begin // self.in_chans], units[:, begin : begin + self.in_chans]
        raw_centre, raw_scale = net(inputs).chunk(2, 1)
        return units * raw_centre, units * F.softplus(raw_scale + UNIT_SOFTPLUS).clamp(min=SMALLEST)


class PyramidPrior(nn.Module):
    """A prior of the approximation, and one of the details of every level given what is coarser.

    It counts coefficients in units of its own, which those that calibrate or fit it set.

    Args:
        kind: `factorised`: independent details; `conditional`: details given the approximation; both with a Gaussian
            approximation. `mixture`: independent details and a mixture of Gaussians for the approximation.
        in_chans: Channels C of the images.
        img_size: Their `(H, W)`.
        transform: Their transform.
        width: Channels of the networks of `conditional`.
        blocks: Their residual blocks.
        order: Of the bands of a level in `conditional`, see `ConditionalDetails`.

    Raises:
        ValueError: If the kind or the order is unknown.
    """

    def __init__(
        self,
        kind: PriorKind,
        *,
        in_chans: int,
        img_size: tuple[int, int],
        transform: PyramidTransform,
        width: int,
        blocks: int,
        order: BandOrder = "independent",
    ) -> None:
        super().__init__()
        if kind not in PRIORS:
            raise ValueError(f"prior must be one of {', '.join(PRIORS)}, got {kind!r}.")
        levels = transform.levels
        unit, size = 2.0**levels, (in_chans, img_size[0] >> levels, img_size[1] >> levels)
        self.transform, self.in_chans, self.img_size = transform, in_chans, img_size
        self.is_conditional, self.is_mixture = kind == "conditional", kind == "mixture"
        self.units = BandUnits(in_chans, levels)
        self.approx: GaussianApproximation | MixtureApproximation
        self.approx = (MixtureApproximation if self.is_mixture else GaussianApproximation)(size, unit)
        self.details: IndependentDetails | ConditionalDetails
        if self.is_conditional:
            self.details = ConditionalDetails(in_chans, levels, width=width, blocks=blocks, order=order)
        else:
            self.details = IndependentDetails(in_chans, levels)

    def divergences(self, posterior: Posterior, sample: Pyramid) -> Tensor:
        """Divergence of a posterior from the prior, in nats, `(B, 1 + L)`: of the approximation and of every level.

        Args:
            posterior: Of L levels, the coarsest ones.
            sample: Values drawn from it. What is coarser than a level, or comes before in the order of its bands,
                decides its prior, which keeps the bound valid.
        """
        assert isinstance(self.approx, GaussianApproximation)
        self.check_size(sample.approx)
        approx, parts = sample.approx, [self.approx.divergence(posterior.mean.approx, posterior.scale.approx)]
        for level, detail in enumerate(sample.details):
            centre, scale, _ = self._in_turns(level, approx, detail, _as_given)
            parts.append(posterior.divergence(level, centre, scale))
            approx = self.transform.join(approx, detail)
        return torch.stack(parts, 1)

    def log_prob(self, pyramid: Pyramid) -> Tensor:
        """Log density of coefficients of any number of levels in nats, `(B,)`."""
        self.check_size(pyramid.approx)
        approx, total = pyramid.approx, self.approx.log_prob(pyramid.approx)
        for level, detail in enumerate(pyramid.details):
            centre, scale, _ = self._in_turns(level, approx, detail, _as_given)
            density = -(detail - centre).abs() / scale - (2 * scale).log()
            total = total + density.flatten(1).sum(1)
            approx = self.transform.join(approx, detail)
        return total

    def sample(self, noise: Pyramid, temperature: float = 1.0) -> Pyramid:
        """Coefficients drawn coarse to fine.

        Args:
            noise: Standard normal numbers of all levels.
            temperature: Multiplies all scales; 0 gives the centres.
        """
        start = Pyramid(self.approx.sample(noise.approx, temperature), ())
        return self.extended(start, noise=noise.details, temperature=temperature)

    def extended(
        self,
        pyramid: Pyramid,
        *,
        noise: tuple[Tensor, ...] | None = None,
        temperature: float = 1.0,
        first_level: int = 0,
    ) -> Pyramid:
        """The pyramid with levels that it lacks, down to the finest.

        Args:
            pyramid: Some levels, the coarsest ones.
            noise: Standard normal numbers for as many levels that it lacks; the centres of all of them are taken if
                not given.
            temperature: Multiplies the scales.
            first_level: Place of the level that comes first in `pyramid`: the approximation may be that of a finer
                level than the coarsest.
        """
        approx, details = pyramid.approx, list(pyramid.details)
        for detail in details:
            approx = self.transform.join(approx, detail)
        begin = first_level + len(details)
        end = self.transform.levels if noise is None else begin + len(noise)
        for level in range(begin, end):
            if noise is None:
                own = approx.new_zeros(len(approx), BANDS * self.in_chans, *approx.shape[-2:])
            else:
                own = temperature * laplace_from_normal(noise[level - begin])
            details.append(self._in_turns(level, approx, own, lambda centre, scale, n: centre + scale * n)[2])
            approx = self.transform.join(approx, details[-1])
        return Pyramid(pyramid.approx, tuple(details))

    def posterior_mean(self, observed: Pyramid, noise: Tensor) -> Pyramid:
        """Coefficients given those of an image with white noise, coarse to fine.

        With independent details it is the exact mean. With conditional ones every level takes the coarser levels, and
        the bands before, as they were found, for true.

        Args:
            observed: Coefficients of the noisy image, of all levels, by an orthogonal wavelet.
            noise: Standard deviation of the noise, one number.
        """
        assert isinstance(self.approx, GaussianApproximation)

        def mean(centre: Tensor, scale: Tensor, seen: Tensor) -> Tensor:
            return centre + laplace_posterior_mean(seen - centre, noise, scale)

        self.check_size(observed.approx)
        approx, details = self.approx.posterior_mean(observed.approx, noise), []
        found = approx
        for level, seen in enumerate(observed.details):
            details.append(self._in_turns(level, found, seen, mean)[2])
            found = self.transform.join(found, details[-1])
        return Pyramid(approx, tuple(details))

    def _in_turns(
        self, level: int, approx: Tensor, given: Tensor, value: Callable[[Tensor, Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Centres, scales and values of the details of one level, its bands in their order.

        Args:
            level: Its place, 0 for the coarsest.
            approx: The approximation that the details are added to, `(B, C, H, W)`.
            given: What values are made of, `(B, 3C, H, W)`.
            value: From centres, scales and what is given of some bands to their values, which the next ones see.
        """
        parts, known = list[tuple[Tensor, ...]](), None
        for own in given.chunk(self.details.num_turns, 1):
            centre, scale = self.details(level, approx, self.units.details[level], known)
            parts.append((centre, scale, value(centre, scale, own)))
            known = torch.cat([part[2] for part in parts], 1)
        centres, scales, values = (torch.cat(bands, 1) for bands in zip(*parts, strict=True))
        return centres, scales, values

    def check_size(self, approx: Tensor) -> None:
        """Refuse approximations `(B, C, H', W')` of images of another size.

        Raises:
            ValueError: If they are.
        """
        if tuple(approx.shape[1:]) != self.approx.size:
            height, width = (side << self.transform.levels for side in approx.shape[-2:])
            wanted = f"{self.in_chans}x{self.img_size[0]}x{self.img_size[1]}"
            raise ValueError(f"the prior is one of images of {wanted}, got {approx.shape[1]}x{height}x{width}.")


def _as_given(centre: Tensor, scale: Tensor, given: Tensor) -> Tensor:
    return given
