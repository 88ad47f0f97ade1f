"""What a check is, what it finds, and how results of two devices are compared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

__all__ = [
    "AUTOCAST",
    "AUTOCAST_DEEP",
    "DEEP",
    "LINEAR",
    "SUMS",
    "Check",
    "Figure",
    "LeftOutError",
    "Part",
    "Setting",
    "compare_function",
    "compare_module",
    "noise",
    "on",
    "relative_error",
    "with_gradients",
]

# Largest accepted errors, relative to the largest value of the same tensor, or to a thousandth of the largest of all
# tensors compared with it, if that is more.
LINEAR = 1e-5  # transforms and layers in float32, sums of few products
SUMS = 1e-4  # long sums: losses, metrics, spectra
DEEP = 2e-3  # networks in float32 with TF32 off, outputs and gradients
AUTOCAST = 0.06  # small networks in bfloat16 autocast against float32, outputs only
AUTOCAST_DEEP = 0.2  # networks of published size, with random weights


class Setting(NamedTuple):
    """Where and how thoroughly to check.

    Attributes:
        device: Device that is compared with the CPU.
        is_quick: Smallest sizes and few checks, to try the script itself on a CPU.
    """

    device: torch.device
    is_quick: bool

    @property
    def backend(self) -> str:
        """Compiler backend."""
        return "aot_eager" if self.is_quick else "inductor"


@dataclass(frozen=True)
class Figure:
    """A number that a check found; the check fails if it is above its limit, or not a number.

    Attributes:
        value: The number.
        limit: Largest accepted value; None for a measurement that cannot fail.
        unit: `relative` for errors, `ms`, `MiB`.
        name: What it is, where a check finds several numbers.
        remark: Anything else worth knowing.
    """

    value: float
    limit: float | None = None
    unit: str = "relative"
    name: str = ""
    remark: str = ""


class Check(NamedTuple):
    """One check: its name, and what to do; an exception is a failure, `LeftOutError` is none."""

    name: str
    run: Callable[[], Figure | Sequence[Figure]]


class Part(NamedTuple):
    """One subject of the GPU check.

    Attributes:
        name: One word or two.
        seconds: Most time it may take on one card.
        checks: Makes its checks, the most important first.
    """

    name: str
    seconds: float
    checks: Callable[[Setting], Iterable[Check]]


class LeftOutError(Exception):
    """A check cannot be done here; the message says why."""


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Unit noise on the CPU, the same in every run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def on(device: torch.device | str, tree: Any) -> Any:
    """Everything on a device: tensors in any structure, or a copy of a module."""
    if isinstance(tree, nn.Module):
        return copy.deepcopy(tree).to(device)
    return tree_map_only(Tensor, lambda t: t.to(device), tree)


def tensors_of(tree: Any) -> list[Tensor]:
    """The tensors of any structure, in its order."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def with_gradients(
    function: Callable[..., Any], inputs: tuple[Any, ...], weights: Iterable[Tensor] = ()
) -> tuple[list[Tensor], list[Tensor]]:
    """All outputs, and the gradients of floating inputs and of weights for fixed slopes of the outputs."""

    def leaf(tensor: Tensor) -> Tensor:
        is_smooth = tensor.is_floating_point() or tensor.is_complex()
        return tensor.detach().clone().requires_grad_(is_smooth)

    inputs = tree_map_only(Tensor, leaf, inputs)
    outputs = tensors_of(function(*inputs))
    wanted = [tensor for tensor in (*tensors_of(inputs), *weights) if tensor.requires_grad]
    sloped = [tensor for tensor in outputs if tensor.requires_grad]
    grads: Sequence[Tensor] = ()
    if sloped and wanted:
        slopes = [
            noise(*tensor.shape, seed=place, dtype=tensor.dtype).to(tensor.device)
            for place, tensor in enumerate(sloped)
        ]
        grads = torch.autograd.grad(sloped, wanted, slopes, allow_unused=True, materialize_grads=True)
    return [tensor.detach() for tensor in outputs], list(grads)


def relative_error(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """Largest difference of any pair of tensors, relative to the largest value; infinite if one is no number.

    Raises:
        AssertionError: If number, shapes or dtypes differ.
    """
    assert len(found) == len(wanted), f"{len(found)} tensors instead of {len(wanted)}"
    largest = max((_largest(tensor) for tensor in wanted), default=0.0)
    errors = [0.0]
    for place, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        assert ours.shape == theirs.shape, f"tensor {place}: shape {tuple(ours.shape)}, not {tuple(theirs.shape)}"
        assert ours.dtype == theirs.dtype, f"tensor {place}: {ours.dtype}, not {theirs.dtype}"
        if not ours.numel():
            continue
        scale = max(_largest(theirs), 1e-3 * largest) or 1.0
        error = float((_exact(ours) - _exact(theirs)).abs().max()) / scale
        errors.append(error if error == error else float("inf"))
    return max(errors)


def compare_function(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    device: torch.device,
    limit: float,
    *,
    precision: torch.dtype | None = None,
) -> list[Figure]:
    """Outputs and gradients of a function on a device against the CPU.

    Args:
        function: Takes `inputs`.
        inputs: Tensors on the CPU, in any structure.
        device: Device to check.
        limit: Largest relative error.
        precision: Run it on the device in an autocast region of this dtype; the result must be the same.
    """
    wanted = with_gradients(function, inputs)

    def run(*arguments: Any) -> Any:
        with torch.autocast(device.type, precision, enabled=precision is not None):
            return function(*arguments)

    found = with_gradients(run, on(device, inputs))
    return _errors(found, wanted, device, limit)


def compare_module(module: nn.Module, inputs: tuple[Any, ...], device: torch.device, limit: float) -> list[Figure]:
    """Outputs and gradients of inputs and weights of a module on a device against the CPU."""
    wanted = with_gradients(module, inputs, module.parameters())
    moved = on(device, module)
    found = with_gradients(moved, on(device, inputs), moved.parameters())
    return _errors(found, wanted, device, limit)


def _errors(found: Any, wanted: Any, device: torch.device, limit: float) -> list[Figure]:
    figures = []
    for name, ours, theirs in zip(("", "gradient"), found, wanted, strict=True):
        strays = {tensor.device.type for tensor in ours} - {device.type}
        assert not strays, f"{name or 'output'} lies on {', '.join(strays)}"
        if theirs or not name:
            figures.append(Figure(relative_error(ours, theirs), limit, name=name))
    return figures


def _exact(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu().resolve_conj()
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def _largest(tensor: Tensor) -> float:
    return float(_exact(tensor).abs().max()) if tensor.numel() else 0.0
