"""Accelerated MRI: images from part of their Fourier coefficients, by zeros, by sparse wavelets, by a trained prior."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.data.images.unlabelled import resized
from subband.extras import names_extra
from subband.models.generation.pyramid import Pyramid, PyramidTransform
from subband.tasks.generation.experiments.applications import COLUMNS, curves, prior_entry, scores_of
from subband.tasks.generation.experiments.experiment import Check, Experiment, Row, Rows, Trained, images_of, mean_of
from subband.tasks.generation.experiments.plan import Plan
from subband.training.comparison import Entry
from subband.transforms import threshold
from subband.visual.experiments import Lines

__all__ = ["MRI", "line_mask", "plug_in_prior", "sampled", "sparse_wavelets", "zero_filled"]

ACCELERATIONS = (4, 8)
KINDS = ("equispaced", "random")
# Data sets with gray images, and the argument that makes them so.
GRAY: dict[str, dict[str, Any]] = {
    "photo_patches": {"gray": True},
    "unlabelled_folder": {"gray": True},
    "gray_folder": {},
    "digit_images": {},
    "rectangle_images": {},
}
TEST_IMAGES = 20
TUNING_IMAGES = 6
CENTER = 0.08  # share of the lines in the middle that are always measured
DECAY = 3.0  # of the probability of random lines with their distance from the middle
PENALTIES = (3e-4, 1e-3, 3e-3, 1e-2)  # of the sparse reconstruction; the best for validation photographs counts
STEPS = 80
WAVELETS, WAVELET_LEVELS = ("haar", "db2"), 3
_STRIDE = 5  # between the columns of two shifts; odd, so that all come
PLUG_IN_STEPS, FIRST_NOISE = 40, 0.5
LAST_NOISES = (0.01, 0.03, 0.1)  # of the prior; likewise
SPARSE = "sparse wavelets"
PHANTOM, PHOTOS = "phantom", "photographs"

Methods = dict[str, Callable[[Tensor], Tensor]]


def line_mask(kind: str, side: int, acceleration: float, generator: torch.Generator) -> Tensor:
    """Which columns of Fourier coefficients are measured.

    Args:
        kind: `equispaced`, or `random`, the more likely the nearer to the middle.
        side: Number of columns W.
        acceleration: One column in so many is measured, those always measured in the middle counted in.
        generator: Where random ones are drawn from, on the CPU.

    Returns:
        `(W,)` of 0 and 1, the zero frequency first.

    Example:
        >>> mask = line_mask("equispaced", 64, 4, torch.Generator().manual_seed(0))
        >>> int(mask.sum()), mask[0].item()
        (16, 1.0)
    """
    wanted = max(round(side / acceleration), 1)
    distance = torch.fft.fftfreq(side).abs() * side  # from the zero frequency, in columns
    middle = min(max(round(CENTER * side), 1), wanted)
    chosen = distance.argsort(stable=True)[:middle]
    mask = torch.zeros(side)
    mask[chosen] = 1
    left = wanted - middle
    free = (mask == 0).nonzero().flatten()
    if left and kind == "equispaced":
        order = free[torch.fft.fftfreq(side)[free].argsort()]
        places = (torch.arange(left) + 0.5) * len(order) / left
        mask[order[places.long()]] = 1
    elif left:
        weights = (1 - distance[free] / (side / 2 + 1)).pow(DECAY)
        mask[free[torch.multinomial(weights, left, generator=generator)]] = 1
    return mask


def sampled(images: Tensor, mask: Tensor) -> Tensor:
    """The Fourier coefficients that are measured, the others 0: `(B, C, H, W)` complex."""
    return torch.fft.fft2(images, norm="ortho") * mask


def zero_filled(measured: Tensor) -> Tensor:
    """Images as if what was not measured were 0."""
    return torch.fft.ifft2(measured, norm="ortho").real


def consistent(images: Tensor, measured: Tensor, mask: Tensor) -> Tensor:
    """Images with the coefficients that were measured in place of their own; their real part."""
    return torch.fft.ifft2(torch.fft.fft2(images, norm="ortho") * (1 - mask) + measured, norm="ortho").real


def sparse_wavelets(measured: Tensor, mask: Tensor, penalty: float, transform: PyramidTransform) -> Tensor:
    """Images with few wavelet coefficients: the squared error of what was measured, halved, and an L1 penalty.

    Every step shifts the images, so that no place is at the border of a block of the transform for long.

    Source: Beck and Teboulle, A Fast Iterative Shrinkage-Thresholding Algorithm, SIAM J. Imaging Sciences 2009; for
    MRI: Lustig, Donoho and Pauly, Sparse MRI, Magnetic Resonance in Medicine 2007.

    Args:
        measured: `(B, C, H, W)`, 0 where nothing was measured.
        mask: `(W,)`, or anything that broadcasts to what was measured.
        penalty: Weight of the magnitudes of the details.
        transform: Orthogonal transform.
    """

    def shrink(images: Tensor) -> Tensor:
        pyramid = transform.analyze(images)
        return transform(Pyramid(pyramid.approx, tuple(threshold(detail, penalty) for detail in pyramid.details)))

    images = ahead = zero_filled(measured)
    momentum = 1.0
    for step in range(STEPS):
        # The measurement is a part of a rotation, so a step of length 1 makes the data fit.
        newest = _shifted(shrink, consistent(ahead, measured, mask), step, transform.levels)
        after = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = newest + (momentum - 1) / after * (newest - images)
        images, momentum = newest, after
    return images


def plug_in_prior(
    measured: Tensor, mask: Tensor, denoise: Callable[[Tensor, float], Tensor], last_noise: float, levels: int
) -> Tensor:
    """Images that are likely and fit what was measured, by turns, with less and less noise assumed.

    Source: Venkatakrishnan, Bouman and Wohlberg, Plug-and-Play Priors for Model Based Reconstruction, GlobalSIP 2013,
    in its form with half-quadratic splitting; the data have no noise, so they are fitted exactly. Every step shifts the
    images, as in `sparse_wavelets`.

    Args:
        measured: `(B, C, H, W)` of images in [-1, 1], 0 where nothing was measured.
        mask: `(W,)`.
        denoise: From images and a standard deviation to likely images.
        last_noise: The standard deviation of the last step; the first is 0.5.
        levels: Levels of the transform of `denoise`.
    """
    images = zero_filled(measured)
    for step, sigma in enumerate(np.geomspace(FIRST_NOISE, last_noise, PLUG_IN_STEPS)):
        likely = _shifted(denoise, images, step, levels, float(sigma))
        images = consistent(likely, measured, mask)
    return images


def _shifted(function: Callable[..., Tensor], images: Tensor, step: int, levels: int, *args: float) -> Tensor:
    """What a function makes of shifted images, shifted back; every step has another shift."""
    period = 2**levels
    shift = step % period, step * _STRIDE % period
    return function(images.roll(shift, (-2, -1)), *args).roll((-shift[0], -shift[1]), (-2, -1))


def _entries(plan: Plan) -> list[Entry]:
    if min(_accelerations(plan)) <= 1:
        raise ValueError(f"--values of mri must be accelerations above 1, got {min(_accelerations(plan)):g}.")
    name = plan.data or "photo_patches"
    if name not in GRAY:
        raise ValueError(f"mri is for gray images: --data {', '.join(GRAY)}, not {name}.")
    data = {"name": name, "args": {**GRAY[name], "img_size": plan.side("elbo", 64)}}
    return [prior_entry(plan, "conditional", {"data": data}, plan.sized("elbo", 64, levels=4))]


def _accelerations(plan: Plan) -> tuple[float, ...]:
    return ACCELERATIONS if plan.values is None else plan.values


def _images(trained: Trained) -> dict[str, Tensor]:
    """What is measured: the phantom, and gray test photographs, `(B, 1, H, W)` in [0, 1]."""
    with names_extra("this image needs"):
        from skimage.data import shepp_logan_phantom

    size = trained.data.spec.height, trained.data.spec.width
    phantom = resized(torch.from_numpy(shepp_logan_phantom()).float()[None], size)
    photos = torch.cat(list(images_of(trained.data.test, TEST_IMAGES)))
    return {PHANTOM: phantom[None], PHOTOS: photos}


def _rows(trained: Trained, methods: Callable[[Tensor], Methods]) -> list[Row]:
    """Scores of methods for every kind of mask, acceleration and set of images.

    Args:
        trained: The network, and the data.
        methods: Given a mask: from measured coefficients of images in [-1, 1] to these images, by name.
    """
    rows: list[Row] = []
    for kind in KINDS:
        for acceleration in _accelerations(trained.plan):
            generator = torch.Generator().manual_seed(0)
            mask = line_mask(kind, trained.data.spec.width, acceleration, generator).to(trained.device)
            named = methods(mask)
            for name, images in _images(trained).items():
                clean = images.to(trained.device)
                measured = sampled(2 * clean - 1, mask)
                for label, method in named.items():
                    found = scores_of((method(measured) + 1) / 2, clean)
                    facts = {"images": name, "mask": kind, "acceleration": acceleration}
                    rows.append({"setting": label, **facts, **found})
    return rows


def _tuned(
    trained: Trained, mask: Tensor, method: Callable[[Tensor, float], Tensor], values: tuple[float, ...]
) -> float:
    """The value of a parameter that is best for validation photographs."""
    clean = 2 * torch.cat(list(images_of(trained.data.val, TUNING_IMAGES))).to(trained.device) - 1
    measured = sampled(clean, mask)
    errors = {value: (method(measured, value) - clean).square().mean().item() for value in values}
    return min(errors, key=errors.__getitem__)


def _prior_rows(trained: Trained) -> list[Row]:
    def methods(mask: Tensor) -> Methods:
        def method(measured: Tensor, last: float) -> Tensor:
            return plug_in_prior(measured, mask, trained.model.denoise, last, trained.model.levels)

        last = _tuned(trained, mask, method, LAST_NOISES)
        return {"Wavelet-VAE prior": lambda measured: method(measured, last)}

    return _rows(trained, methods)


def _reference_rows(trained: Trained) -> list[Row]:
    levels = min(WAVELET_LEVELS, trained.model.levels)

    def sparse(mask: Tensor, wavelet: str) -> Callable[[Tensor], Tensor]:
        transform = PyramidTransform(levels=levels, wavelet=wavelet).to(trained.device)

        def method(measured: Tensor, penalty: float) -> Tensor:
            return sparse_wavelets(measured, mask, penalty, transform)

        penalty = _tuned(trained, mask, method, PENALTIES)
        return lambda measured: method(measured, penalty)

    def methods(mask: Tensor) -> Methods:
        return {"zero-filled": zero_filled, **{f"{SPARSE}, {name}": sparse(mask, name) for name in WAVELETS}}

    return _rows(trained, methods)


def _checks(rows: Rows) -> list[Check]:
    checks = []
    for kind, acceleration in dict.fromkeys((row["mask"], row["acceleration"]) for row in rows):
        where = {"mask": kind, "acceleration": acceleration, "images": PHOTOS}
        zeros, prior, *others = (
            mean_of(rows, "psnr", setting=name, **where)
            for name in ("zero-filled", "Wavelet-VAE prior", *(f"{SPARSE}, {wavelet}" for wavelet in WAVELETS))
        )
        sparse = max(others)
        text = f"{kind} x{acceleration:g}, photographs: the prior beats zeros and {SPARSE}"
        checks.append(Check(f"{text}, {prior:.2f} against {zeros:.2f} and {sparse:.2f} dB", prior > max(zeros, sparse)))
    return checks


def _picture(rows: Rows) -> Lines:
    panels = dict.fromkeys((row["images"], row["mask"]) for row in rows)
    return Lines(
        {
            f"{images}, {mask}": curves([r for r in rows if (r["images"], r["mask"]) == (images, mask)], "acceleration")
            for images, mask in panels
        },
        "acceleration",
        "PSNR, dB",
    )


MRI = Experiment(
    title="Accelerated MRI: zeros, sparse wavelets, and the prior of a Wavelet-VAE",
    entries=_entries,
    columns=COLUMNS,
    picture=_picture,
    measure=_prior_rows,
    reference=_reference_rows,
    checks=_checks,
    grid=True,
    by=("setting", "images", "mask", "acceleration"),
)
