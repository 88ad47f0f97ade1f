"""All experiments of image generation by name."""

from __future__ import annotations

from subband.tasks.generation.experiments.applications import DENOISE, SR
from subband.tasks.generation.experiments.experiment import Experiment
from subband.tasks.generation.experiments.likelihoods import POSTERIOR, PRIORS, RATE_DISTORTION
from subband.tasks.generation.experiments.mri import MRI
from subband.tasks.generation.experiments.pyramids import LEVELS, WAVELETS
from subband.tasks.generation.experiments.shrinkage import LAMBDA, S_ABLATION, TABLE1

__all__ = ["EXPERIMENTS"]

EXPERIMENTS: dict[str, Experiment] = {
    "table1": TABLE1,
    "s_ablation": S_ABLATION,
    "lambda": LAMBDA,
    "levels": LEVELS,
    "wavelets": WAVELETS,
    "priors": PRIORS,
    "posterior": POSTERIOR,
    "rate_distortion": RATE_DISTORTION,
    "denoise": DENOISE,
    "sr": SR,
    "mri": MRI,
}
