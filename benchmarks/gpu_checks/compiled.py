"""Compiled transforms, losses and networks against the same uncompiled, outputs and gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gpu_checks.check import DEEP, SUMS, Check, Figure, LeftOutError, Setting, on, relative_error, with_gradients
from gpu_checks.models import SMALL, build_small, inputs_of
from gpu_checks.scores import LOSS_FUNCTIONS, clips
from gpu_checks.transforms import CASES
from subband.models.registry import model_spec

__all__ = ["check_models", "check_restorers", "check_transforms"]

# The most used first: compiling is slow, and what comes last may be left out.
TRANSFORMS = ("dwt2", "Fourier filter", "cosine transforms", "wavedec*", "block_dct2", "dtcwt2", "swt*", "cwt fft")
RESTORATION = "restoration"
LOSSES = ("loss high_focal_frequency", "loss differential_divergence", "subband_focal_loss")


def check_transforms(setting: Setting) -> Iterator[Check]:
    """Transforms and losses."""
    few = 1 if setting.is_quick else None
    for name in TRANSFORMS[:few]:
        case = CASES[name]
        yield Check(name, partial(compare, case.run, case.inputs(), (), setting, 10 * case.limit))
    for name in LOSSES[: 0 if setting.is_quick else None]:
        yield Check(name, partial(compare, LOSS_FUNCTIONS[name], clips(), (), setting, SUMS))


def check_models(setting: Setting) -> Iterator[Check]:
    """A small network of every family for video prediction and classification."""
    return checks_of(lambda task: task != RESTORATION, setting)


def check_restorers(setting: Setting) -> Iterator[Check]:
    """A small network of every family for video restoration."""
    return checks_of(lambda task: task == RESTORATION, setting)


def checks_of(is_wanted: Callable[[str], bool], setting: Setting) -> Iterator[Check]:
    """The families of some tasks."""
    families = [family for family, (name, _) in SMALL.items() if is_wanted(model_spec(name).task)]
    for family in families[: 1 if setting.is_quick else None]:
        yield Check(family, partial(compare_model, family, setting))


def compare_model(family: str, setting: Setting) -> list[Figure]:
    """A small network."""
    model: nn.Module = on(setting.device, build_small(family))
    return compare(model, inputs_of(model, batch=2), tuple(model.parameters()), setting, DEEP)


def compare(
    function: Callable[..., Any],
    inputs: tuple[Tensor, ...],
    weights: tuple[Tensor, ...],
    setting: Setting,
    limit: float,
) -> list[Figure]:
    """A function compiled into one graph.

    Raises:
        LeftOutError: If this machine cannot compile at all.
    """
    from torch._dynamo.exc import BackendCompilerFailed

    inputs = on(setting.device, inputs)
    wanted = with_gradients(function, inputs, weights)
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex operators")
        compiled = torch.compile(function, fullgraph=True, backend=setting.backend)
        try:
            found = with_gradients(compiled, inputs, weights)
        except BackendCompilerFailed as error:
            if (reason := why_nothing_compiles(setting)) is not None:
                raise LeftOutError(reason) from error
            raise
    names = ("", "gradient") if wanted[1] else ("",)
    pairs = zip(names, found, wanted, strict=False)
    return [Figure(relative_error(ours, theirs), limit, name=name) for name, ours, theirs in pairs]


def why_nothing_compiles(setting: Setting) -> str | None:
    """The reason if not even a sum compiles here (no C compiler, no Triton); None if one does."""
    torch.compiler.reset()
    try:
        torch.compile(lambda x: x + 1, backend=setting.backend)(torch.zeros(2, device=setting.device))
    except Exception as error:
        return f"nothing compiles here: {type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return None
