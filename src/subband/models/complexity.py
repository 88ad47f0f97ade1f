"""What a network costs: multiply-accumulates, memory and time of one forward pass.

Conventions, since published figures differ in theirs:

- One multiply-accumulate (MAC) is two operations. The column "FLOPs" of the papers here means MACs of convolutions,
  linear layers and matrix products, plus the rough price of fvcore for normalization: 2 for each value of a batch norm,
  5 of a layer or group norm. `MacCounts.macs` follows this.
- Batch norms count although networks here fold them into convolutions where they can: while counting, they do not.
- A Fourier transform over n points in all its axes is counted as `5 n log2(n)` operations, `2.5 n log2(n)` when one
  side is real, half as many MACs.
- The Haar transform runs as sums and differences of neighbors, one operation per sample and axis (its common scale is
  left out). Other wavelets run as convolutions and are counted as such.
- Activations, elementwise products, pooling and interpolation are not counted. A complex product counts as one MAC.

Against fvcore, which most published tables come from: it also counts pooling, and it passes over Fourier transforms,
fused attention and convolutions with `padding="same"`. For WaST on 10 x 1 x 64 x 64 it gives 21.61 G, but the published
network takes 24.11 G: the frequency mixers are what is left out.
"""

from __future__ import annotations

import math
import statistics
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, shape_wrapper
from torch.utils.module_tracker import ModuleTracker

from subband.models.arguments import Inputs, as_arguments

MEGABYTE = 2**20

aten = torch.ops.aten


@dataclass(frozen=True, kw_only=True)
class MacCounts:
    """Multiply-accumulates of one forward pass.

    Attributes:
        macs: What published tables count: convolutions, linear layers, matrix products, normalization.
        fft_macs: Fourier transforms.
        dwt_macs: Haar transforms that run as sums and differences.
        by_module: Sum of the three for every module that has any, by dotted name; `""` is the whole network.
    """

    macs: float
    fft_macs: float
    dwt_macs: float
    by_module: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """Cost of one forward pass.

    Attributes:
        params: Number of learnt values.
        macs: See `MacCounts`.
        fft_macs: See `MacCounts`.
        dwt_macs: See `MacCounts`.
        activation_mb: Size of what one training pass keeps for its backward pass, without weights, in 2^20 bytes.
        peak_mb: Most bytes that tensors made during one inference pass hold at one time, weights and input not
            included. Work space inside an operator is not seen.
        ms: Median wall time of an inference pass.
        device: Where it ran.
        threads: CPU threads it could use.
    """

    params: int
    macs: float
    fft_macs: float
    dwt_macs: float
    activation_mb: float
    peak_mb: float
    ms: float
    device: str
    threads: int


def measure_complexity(
    model: nn.Module, inputs: Inputs, *, repeats: int = 3, counts: MacCounts | None = None
) -> Complexity:
    """Measure a network on one batch; the network is left as it was.

    Counts and times are those of evaluation mode, `activation_mb` is that of training mode.

    Args:
        model: Any network.
        inputs: What `model` takes, on the network's device.
        repeats: Timed passes, after one that is not timed.
        counts: What `count_macs` gives for them, if that is known already.

    Raises:
        ValueError: If `repeats` is not positive.
    """
    device = as_arguments(inputs)[0].device
    counts = counts or count_macs(model, inputs)
    return Complexity(
        params=count_parameters(model),
        macs=counts.macs,
        fft_macs=counts.fft_macs,
        dwt_macs=counts.dwt_macs,
        activation_mb=activation_mb(model, inputs),
        peak_mb=peak_mb(model, inputs),
        ms=median_ms(model, inputs, repeats=repeats),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        threads=torch.get_num_threads(),
    )


def count_parameters(model: nn.Module) -> int:
    """Number of learnt values; a tensor used in two places counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, inputs: Inputs) -> MacCounts:
    """Count multiply-accumulates of one evaluation pass, by running it.

    Args:
        model: Any network.
        inputs: What `model` takes.

    Example:
        >>> count_macs(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 10, 10)).macs
        21600.0
    """
    counter = _OperationCounter()
    # The fused attention kernels of CPU and MPS are not in PyTorch's table, the products of the plain form are.
    plainly = sdpa_kernel(SDPBackend.MATH)
    with _mode(model, training=False), _norms_apart(model), torch.no_grad(), plainly, counter.modules, counter:
        model(*as_arguments(inputs))
    totals = {name: sum(counts.values()) / 2 for name, counts in counter.counts.items()}
    counts = counter.counts["Global"]
    fft = sum(counts[operator] for operator in _FFT) / 2
    dwt = counts[aten.sub] / 2
    root = type(model).__name__
    by_module = {name.removeprefix(root).removeprefix("."): value for name, value in totals.items() if name != "Global"}
    by_module[""] = totals.get("Global", 0.0)
    return MacCounts(macs=by_module[""] - fft - dwt, fft_macs=fft, dwt_macs=dwt, by_module=by_module)


def activation_mb(model: nn.Module, inputs: Inputs) -> float:
    """Size of the tensors that a training pass keeps for the backward pass, weights excepted, in 2^20 bytes.

    A tensor kept by several operations counts once. Where one sample alone cannot train, since a batch norm would see a
    single value per channel, the figure is that of larger batches carried on: it grows by the same for every sample.
    """
    try:
        return _kept_bytes(model, inputs) / MEGABYTE
    except ValueError as error:
        if not is_too_few_values(error):
            raise
    two, three = (
        _kept_bytes(model, tuple(torch.cat([tensor] * count) for tensor in as_arguments(inputs))) for count in (2, 3)
    )
    return (2 * two - three) / MEGABYTE


def is_too_few_values(error: Exception) -> bool:
    """Whether it is PyTorch's complaint about a batch norm in training that sees one value per channel."""
    return "Expected more than 1 value per channel when training" in str(error)


def _kept_bytes(model: nn.Module, inputs: Inputs) -> int:
    weights = {tensor.untyped_storage() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[torch.UntypedStorage, int] = {}

    def remember(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage not in weights:
            kept[storage] = storage.nbytes()
        return tensor

    running = {name: value.clone() for name, value in model.named_buffers()}  # batch statistics move in training mode
    try:
        hooks = torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor)
        with _mode(model, training=True), torch.enable_grad(), hooks:
            model(*as_arguments(inputs))
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(running[name])
    return sum(kept.values())


def peak_mb(model: nn.Module, inputs: Inputs) -> float:
    """Most memory that the tensors of one inference pass hold at one time, in 2^20 bytes.

    On CUDA the allocator's own figure, elsewhere the sum over live tensors. Weights and inputs are not included.
    """
    with _mode(model, training=False), torch.no_grad():
        device = as_arguments(inputs)[0].device
        if device.type == "cuda":
            before = torch.cuda.memory_allocated(device)
            torch.cuda.reset_peak_memory_stats(device)
            model(*as_arguments(inputs))
            return (torch.cuda.max_memory_allocated(device) - before) / MEGABYTE
        with _LiveTensors(known=(*as_arguments(inputs), *model.parameters(), *model.buffers())) as live:
            model(*as_arguments(inputs))
        return live.peak / MEGABYTE


def median_ms(model: nn.Module, inputs: Inputs, *, repeats: int = 3) -> float:
    """Median wall time of an inference pass in milliseconds, after one pass that is not timed.

    Raises:
        ValueError: If `repeats` is not positive.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    times, device = [], as_arguments(inputs)[0].device
    with _mode(model, training=False), torch.inference_mode():
        for _ in range(repeats + 1):
            synchronize(device)
            start = time.perf_counter()
            model(*as_arguments(inputs))
            synchronize(device)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:])


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all that it was told; the clock says nothing about a GPU before.

    Args:
        device: Any; a CPU is never behind.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextmanager
def _norms_apart(model: nn.Module) -> Iterator[None]:
    """Run batch norms by themselves that would be folded into a convolution; the result is the same.

    In evaluation PyTorch reads the running statistics whatever this flag says; `uses_running_statistics` does not fold
    then.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    folded = [norm for norm in norms if norm.track_running_stats]
    for norm in folded:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in folded:
            norm.track_running_stats = True


@contextmanager
def _mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Training mode, or evaluation mode with frozen weights; afterwards all is as before."""
    before = {module: module.training for module in model.modules()}
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.train(training)
    for parameter in learnt:
        # Views of a weight still ask for gradients under no_grad, which FlopCounterMode does not expect.
        parameter.requires_grad_(training)
    try:
        yield
    finally:
        for parameter in learnt:
            parameter.requires_grad_(True)
        for module, was_training in before.items():
            module.training = was_training


class _Watching(TorchDispatchMode):
    """Looks at every operation. Unlike PyTorch's own modes it does not import the compiler, which takes seconds."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class _OperationCounter(_Watching):
    """Operations of everything inside the context, in `counts` by module and operator; what `FlopCounterMode` does."""

    def __init__(self) -> None:
        super().__init__()
        self.modules = ModuleTracker()
        self.counts: dict[str, dict[Any, float]] = defaultdict(lambda: defaultdict(float))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self:
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        result = func(*args, **kwargs)
        price = _OPERATIONS.get(func._overloadpacket)
        if price is not None:
            operations = price(*args, **kwargs, out_val=result)
            for module in set(self.modules.parents):
                self.counts[module][func._overloadpacket] += operations
        return result


class _LiveTensors(_Watching):
    """Follows the memory of all tensors made inside the context; `peak` is the highest sum in bytes."""

    def __init__(self, known: Sequence[Tensor]) -> None:
        super().__init__()
        self.peak = 0
        self._live = 0
        self._storages = weakref.WeakSet(tensor.untyped_storage() for tensor in known)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and (storage := tensor.untyped_storage()) not in self._storages:
                self._storages.add(storage)
                self._live += storage.nbytes()
                weakref.finalize(storage, self._release, storage.nbytes())
        self.peak = max(self.peak, self._live)
        return result

    def _release(self, size: int) -> None:
        self._live -= size


def _fft_operations(points: Sequence[int], axes: Sequence[int], per_point: float) -> float:
    length = math.prod(points[axis] for axis in axes)
    return per_point * math.prod(points) * math.log2(length)


def _fft_r2c(x: Sequence[int], axes: Sequence[int], *_: Any, **__: Any) -> float:
    return _fft_operations(x, axes, 2.5)


def _fft_c2r(x: Sequence[int], axes: Sequence[int], *_: Any, out_shape: Sequence[int], **__: Any) -> float:
    return _fft_operations(out_shape, axes, 2.5)


def _fft_c2c(x: Sequence[int], axes: Sequence[int], *_: Any, **__: Any) -> float:
    return _fft_operations(x, axes, 5.0)


def _batch_norm(x: Sequence[int], *_: Any, **__: Any) -> int:
    return 2 * 2 * math.prod(x)  # the first factor makes operations of MACs


def _layer_or_group_norm(x: Sequence[int], *_: Any, **__: Any) -> int:
    return 2 * 5 * math.prod(x)


def _butterflies(a: Any, b: Any, *_: Any, out_val: Tensor, out: Tensor | None = None, **__: Any) -> int:
    """Sum and difference of neighboring samples; only the difference is looked for and stands for both."""
    is_synthesis = out is not None
    is_analysis = isinstance(a, Tensor) and isinstance(b, Tensor) and _are_neighbors(a, b)
    return 2 * out_val.numel() if is_synthesis or is_analysis else 0


def _are_neighbors(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are the even and odd samples, or all but the last and all but the first, of one axis."""
    gap = abs(int(a.storage_offset()) - int(b.storage_offset()))
    is_shifted = gap > 0 and a.stride() == b.stride() and any(stride in (gap, 2 * gap) for stride in a.stride())
    return is_shifted and a.untyped_storage() is b.untyped_storage()


_FFT = {aten._fft_r2c: _fft_r2c, aten._fft_c2r: _fft_c2r, aten._fft_c2c: _fft_c2c}
_NORM = {
    aten.native_batch_norm: _batch_norm,
    aten._native_batch_norm_legit_no_training: _batch_norm,
    aten.cudnn_batch_norm: _batch_norm,
    aten.native_layer_norm: _layer_or_group_norm,
    aten.native_group_norm: _layer_or_group_norm,
}
# Prices of operators in operations: PyTorch's table, which has those of products, and ours.
_OPERATIONS: dict[Any, Callable[..., float]] = {
    **flop_registry,
    **{operator: shape_wrapper(price) for operator, price in (_FFT | _NORM).items()},
    aten.sub: _butterflies,
}
