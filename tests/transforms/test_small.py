"""The way of small tensors against the way of all others."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from subband.transforms import MODES, _filter_bank, _small, dwt, dwt2, dwtn, idwt2, idwtn, wavedec2
from subband.transforms._filter_bank import Axis
from subband.transforms.filters import filter_banks

MIXED = ("bior2.2", "db3", "db2")


def axes_of(wavelets: tuple[str, ...], modes: tuple[str, ...]) -> list[Axis]:
    return [
        Axis(i - len(wavelets), filter_banks(w, 1)[0], m) for i, (w, m) in enumerate(zip(wavelets, modes, strict=True))
    ]


def test_both_ways_give_the_same(rng: torch.Generator, case: Callable) -> None:
    shapes = [((5,), 1), ((1,), 1), ((2, 3, 8), 1), ((7, 6), 2), ((2, 1, 4), 2), ((3, 5, 4, 3), 3)]
    for (shape, num_axes), mode, wavelet in itertools.product(shapes, MODES, ("db5", "mixed")):
        if 1 in shape[-num_axes:] and mode in ("reflect", "antireflect"):
            continue
        wavelets = MIXED[:num_axes] if wavelet == "mixed" else (wavelet,) * num_axes
        x, axes = torch.randn(shape, generator=rng, dtype=torch.float64), axes_of(wavelets, (mode,) * num_axes)
        with case(shape, mode, wavelet):
            expected = _filter_bank.analysis(x, axes, None)
            ours = _small.analysis(x, axes, None)
            torch.testing.assert_close(ours, tuple(expected), rtol=1e-12, atol=1e-11)
            stacked = _small.analysis(x, axes, -x.ndim - 1)
            assert torch.equal(stacked, torch.stack(ours))
            assert stacked.is_contiguous()
            signal = _filter_bank.synthesis(ours, axes)
            for bands, stack in ((ours, None), ((stacked,), -x.ndim - 1), ((torch.stack(ours, x.ndim),), -1)):
                again = _small.synthesis(bands, axes, stack)
                torch.testing.assert_close(again, signal, rtol=1e-12, atol=1e-11)
                assert again.is_contiguous()


class Calls(TorchDispatchMode):
    """Counts the calls of kernels."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def calls(function: Callable[[], object]) -> int:
    with Calls() as counter:
        function()
    return counter.count


@pytest.mark.filterwarnings("ignore:level 1 is so high")
def test_small_pictures_take_few_calls() -> None:
    """Of the time of an 8 x 8 picture these calls are nearly all; the first way took 90."""
    x = torch.rand(8, 8)
    assert calls(lambda: dwt(x, "db4")) <= 16
    assert calls(lambda: dwt2(x, "db4")) <= 10
    assert calls(lambda: dwt2(x, "db4", stack=None)) <= 16
    bands = dwt2(x, "db4")
    assert calls(lambda: idwt2(bands, "db4")) <= 14
    assert calls(lambda: wavedec2(x, "db4", level=1)) <= 16
    assert calls(lambda: dwt2(x, "haar")) <= 30


def test_bands_do_not_share_memory_and_broken_samples_stay_local(rng: torch.Generator) -> None:
    x = torch.randn(8, 8, generator=rng, requires_grad=True)
    bands = dwtn(x, "db2")
    squares = bands["ad"].square()
    bands["aa"].mul_(2)
    squares.sum().backward()
    assert x.grad is not None
    x = x.detach().clone()
    x[0, 0] = float("nan")
    approx, _ = pywt.dwt2(x.numpy(), "db2")
    assert torch.equal(dwt2(x, "db2").isnan(), torch.from_numpy(np.isnan(approx)).expand(4, 5, 5))
    bands = dwt2(torch.randn(8, 8, generator=rng), "db2")
    bands[0, 0, 0] = float("inf")
    assert not idwt2(bands, "db2")[2:].isnan().any()


@pytest.mark.filterwarnings("error")
def test_transformations_of_functions_know_every_step(rng: torch.Generator) -> None:
    x = torch.randn(3, 6, 6, generator=rng, dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        return (
            idwtn(dwtn(x, "db2", "symmetric", (-2, -1), stack=0).tanh(), "db2", axes=(-2, -1), stack=0).square().sum()
        )

    grads = torch.vmap(torch.func.grad(loss))(x)
    torch.testing.assert_close(grads[1], torch.func.grad(loss)(x[1]))
    x.requires_grad_()
    low, _ = dwt(x[0, 0], "db2")
    (rows,) = torch.autograd.grad(low, x, torch.eye(len(low), dtype=x.dtype), is_grads_batched=True)
    assert torch.autograd.gradgradcheck(loss, x[:1].detach().requires_grad_())
    torch.testing.assert_close(rows[:, 0, 0] @ x[0, 0], low)


def test_what_is_kept_is_no_tensor_and_bounded() -> None:
    for length in range(4, 120):
        dwt(torch.rand(length), "db3")
    for kept in (_small._places, _small._analysis_numbers, _small._synthesis_numbers):
        info = kept.cache_info()
        assert info.maxsize is not None
        assert info.currsize <= info.maxsize <= 64
    with torch._subclasses.FakeTensorMode():
        assert dwt2(torch.rand(8, 8), "db2").shape == (4, 5, 5)
    assert type(dwt2(torch.rand(8, 8), "db2")) is Tensor
