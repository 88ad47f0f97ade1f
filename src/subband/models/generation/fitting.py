"""What a Wavelet-VAE learns of a data set outside of training: sizes of coefficients, and a prior after the fact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from subband.models.generation.approximations import GaussianApproximation, MixtureApproximation
from subband.models.generation.distributions import gaussian_mean_magnitude
from subband.models.generation.objectives import BoundObjective
from subband.models.generation.priors import IndependentDetails, PriorKind, PyramidPrior

if TYPE_CHECKING:
    from subband.models.generation.autoencoder import PyramidAutoencoder
    from subband.models.generation.wavelet_vae import WaveletVAE

__all__ = ["calibrate", "fitted_prior", "train_diffusion"]

SMALLEST_UNIT = 1e-3
# Below this ratio of a detail's mean magnitude to the noise of the likelihood a Laplace is nearer to the exact
# posterior than a Gaussian, by quadrature over data drawn from the model.
LAPLACE_BELOW = 0.37


@torch.no_grad()
def calibrate(model: PyramidAutoencoder, loader: Iterable[Tensor]) -> None:
    """Set units, prior and posterior families of a network by the coefficients of a data set.

    Args:
        model: Network of mode `elbo`.
        loader: Batches of images.

    Raises:
        ValueError: If there are no images.
    """
    device, count = model.units.approx.device, 0
    approximations: list[Tensor] = []
    squares = magnitudes = sums = torch.zeros_like(model.units.details[:, 0, :, 0, 0], dtype=torch.float64)
    for images in loader:
        pyramid = model.transform.analyze(images.to(device))
        approximations.append(pyramid.approx)
        bands = [detail.double() for detail in pyramid.details]
        sums = sums + torch.stack([band.mean((0, 2, 3)) for band in bands]) * len(images)
        squares = squares + torch.stack([band.square().mean((0, 2, 3)) for band in bands]) * len(images)
        magnitudes = magnitudes + torch.stack([band.abs().mean((0, 2, 3)) for band in bands]) * len(images)
        count += len(images)
    approx = _joined(approximations)
    spread = (squares / count - (sums / count).square()).clamp(min=0).sqrt()
    size = 2.0**model.levels
    prior = model.prior
    assert prior is not None
    for units in (model.units, prior.units):
        units.set(
            approx.double().std((0, 2, 3), correction=0).clamp(min=SMALLEST_UNIT * size),
            spread.clamp(min=SMALLEST_UNIT),
        )
    assert isinstance(prior.approx, GaussianApproximation)
    prior.approx.fit(approx)
    if isinstance(prior.details, IndependentDetails):
        prior.details.fit(magnitudes / count)
    assert isinstance(model.objective, BoundObjective)
    sigma = model.objective.noise().item()
    model.is_laplace.copy_((magnitudes / count).mean(1) < LAPLACE_BELOW * sigma)


def fitted_prior(
    model: PyramidAutoencoder,
    loader: Iterable[Tensor],
    kind: PriorKind,
    *,
    epochs: int = 1,
    lr: float = 1e-3,
    generator: torch.Generator | None = None,
) -> PyramidPrior:
    """A prior of the coefficients that a network gives of a data set.

    Args:
        model: Network, which stays as it is.
        loader: Batches of images.
        kind: See `PyramidPrior`.
        epochs: How often the data is gone through to train the networks of `conditional`.
        lr: Learning rate of Adam for them.
        generator: On the CPU, where noise and the first means of a mixture are drawn from; the global one by default.

    Raises:
        ValueError: If the kind is unknown or there are no images.
    """
    device = model.units.approx.device
    prior = model.new_prior(kind).to(device)
    approximations: list[Tensor] = []
    magnitudes, count = torch.zeros(model.levels, model.units.details.shape[2], device=device), 0
    with torch.no_grad():
        for images in loader:
            posterior = model.encode(images.to(device))
            approximations.append(posterior.mean.approx)
            for level, (mean, scale) in enumerate(zip(posterior.mean.details, posterior.scale.details, strict=True)):
                band = gaussian_mean_magnitude(mean, scale.clamp(min=1e-12))
                magnitudes[level] += band.mean((0, 2, 3)) * len(images)
            count += len(images)
    approx = _joined(approximations)
    if isinstance(prior.approx, MixtureApproximation):
        prior.approx.fit(approx, generator=generator)
    else:
        prior.approx.fit(approx)
    if isinstance(prior.details, IndependentDetails):
        prior.details.fit(magnitudes / count)
    else:
        prior.units.set(prior.units.approx, (magnitudes / count).clamp(min=SMALLEST_UNIT))
        _train(prior, model, loader, epochs=epochs, lr=lr, generator=generator)
    return prior


def train_diffusion(
    model: WaveletVAE,
    loader: Iterable[Tensor],
    *,
    epochs: int,
    lr: float,
    generator: torch.Generator | None,
) -> None:
    """Train the diffusion of a network on what it codes of a data set; nothing else of it is touched.

    Args:
        model: Network with a diffusion, which has measured the coefficients.
        loader: Batches of images.
        epochs: How often the data is gone through.
        lr: Learning rate of Adam.
        generator: On the CPU, which seeds times and noise; the global one by default.
    """
    diffusion, device = model.diffusion, model.units.approx.device
    assert diffusion is not None
    own = torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    optimizer = torch.optim.Adam(diffusion.parameters(), lr)
    diffusion.train()
    for _ in range(epochs):
        for images in loader:
            loss = model.diffuse(images.to(device), generator=own).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    diffusion.train(model.training)


def _train(
    prior: PyramidPrior,
    model: PyramidAutoencoder,
    loader: Iterable[Tensor],
    *,
    epochs: int,
    lr: float,
    generator: torch.Generator | None,
) -> None:
    """Make the coefficients of a data set likely; the network that gives them is not touched."""
    optimizer = torch.optim.Adam(prior.parameters(), lr)
    for _ in range(epochs):
        for images in loader:
            with torch.no_grad():
                posterior = model.encode(images.to(model.units.approx.device))
                noise = posterior.mean.map(lambda band: torch.randn(band.shape, generator=generator).to(band))
                sample = posterior.sample(noise)
            loss = -prior.log_prob(sample).mean() / sample.to_vector().shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _joined(approximations: list[Tensor]) -> Tensor:
    if not approximations:
        raise ValueError("the loader gave no images.")
    return torch.cat(approximations)
