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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

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


def measure_complexity(model: nn.Module, inputs: Tensor, *, repeats: int = 3) -> Complexity:
    """Measure a network on one batch; the network is left as it was.

    Counts and times are those of evaluation mode, `activation_mb` is that of training mode.

    Args:
        model: Any network that takes one tensor.
        inputs: What `model` takes, on the network's device.
        repeats: Timed passes, after one that is not timed.

    Raises:
        ValueError: If `repeats` is not positive.
    """
    counts = count_macs(model, inputs)
    return Complexity(
        params=count_parameters(model),
        macs=counts.macs,
        fft_macs=counts.fft_macs,
        dwt_macs=counts.dwt_macs,
        activation_mb=activation_mb(model, inputs),
        peak_mb=peak_mb(model, inputs),
        ms=median_ms(model, inputs, repeats=repeats),
        device=torch.cuda.get_device_name(inputs.device) if inputs.is_cuda else str(inputs.device),
        threads=torch.get_num_threads(),
    )


def count_parameters(model: nn.Module) -> int:
    """Number of learnt values; a tensor used in two places counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, inputs: Tensor) -> MacCounts:
    """Count multiply-accumulates of one evaluation pass, by running it.

    Args:
        model: Any network that takes one tensor.
        inputs: What `model` takes.

    Example:
        >>> count_macs(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 10, 10)).macs
        21600.0
    """
    counter = FlopCounterMode(display=False, custom_mapping=_OPERATIONS)
    # The fused attention kernels of CPU and MPS are unknown to FlopCounterMode, the products of the plain form are not.
    with _mode(model, training=False), _norms_apart(model), torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(inputs)
    totals = {name: sum(counts.values()) / 2 for name, counts in counter.get_flop_counts().items()}
    counts = counter.get_flop_counts().get("Global", {})
    fft = sum(counts.get(operator, 0) for operator in _FFT) / 2
    dwt = counts.get(aten.sub, 0) / 2
    root = type(model).__name__
    by_module = {name.removeprefix(root).removeprefix("."): value for name, value in totals.items() if name != "Global"}
    by_module[""] = totals.get("Global", 0.0)
    return MacCounts(macs=by_module[""] - fft - dwt, fft_macs=fft, dwt_macs=dwt, by_module=by_module)


def activation_mb(model: nn.Module, inputs: Tensor) -> float:
    """Size of the tensors that a training pass keeps for the backward pass, weights excepted, in 2^20 bytes.

    A tensor kept by several operations counts once.
    """
    weights = {tensor.untyped_storage() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[torch.UntypedStorage, int] = {}

    def remember(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage not in weights:
            kept[storage] = storage.nbytes()
        return tensor

    running = {name: value.clone() for name, value in model.named_buffers()}  # batch statistics move in training mode
    with _mode(model, training=True), torch.enable_grad():
        with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
            model(inputs)
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(running[name])
    return sum(kept.values()) / MEGABYTE


def peak_mb(model: nn.Module, inputs: Tensor) -> float:
    """Most memory that the tensors of one inference pass hold at one time, in 2^20 bytes.

    On CUDA the allocator's own figure, elsewhere the sum over live tensors. Weights and inputs are not included.
    """
    with _mode(model, training=False), torch.no_grad():
        if inputs.is_cuda:
            before = torch.cuda.memory_allocated(inputs.device)
            torch.cuda.reset_peak_memory_stats(inputs.device)
            model(inputs)
            return (torch.cuda.max_memory_allocated(inputs.device) - before) / MEGABYTE
        with _LiveTensors(known=(inputs, *model.parameters(), *model.buffers())) as live:
            model(inputs)
        return live.peak / MEGABYTE


def median_ms(model: nn.Module, inputs: Tensor, *, repeats: int = 3) -> float:
    """Median wall time of an inference pass in milliseconds, after one pass that is not timed.

    Raises:
        ValueError: If `repeats` is not positive.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}.")
    times = []
    with _mode(model, training=False), torch.inference_mode():
        for _ in range(repeats + 1):
            _synchronize(inputs.device)
            start = time.perf_counter()
            model(inputs)
            _synchronize(inputs.device)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:])


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


def _synchronize(device: torch.device) -> None:
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).synchronize()


class _LiveTensors(TorchDispatchMode):
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


_butterflies._get_raw = True  # type: ignore[attr-defined]  # FlopCounterMode then passes tensors instead of shapes

_FFT = {aten._fft_r2c: _fft_r2c, aten._fft_c2r: _fft_c2r, aten._fft_c2c: _fft_c2c}
_NORM = {
    aten.native_batch_norm: _batch_norm,
    aten._native_batch_norm_legit_no_training: _batch_norm,
    aten.cudnn_batch_norm: _batch_norm,
    aten.native_layer_norm: _layer_or_group_norm,
    aten.native_group_norm: _layer_or_group_norm,
}
_OPERATIONS: dict[Any, Any] = {**_FFT, **_NORM, aten.sub: _butterflies}
