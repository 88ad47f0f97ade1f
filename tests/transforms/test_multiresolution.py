"""Multiresolution analysis against PyWavelets."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from subband.transforms import imra, imra2, imran, mra, mra2, mran


def normal(rng: torch.Generator, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=dtype)


def arrays(parts: Iterable[Any]) -> list[np.ndarray]:
    """All parts in order, of dictionaries by key."""
    found: list[np.ndarray] = []
    for part in parts:
        if isinstance(part, dict):
            found += [np.asarray(part[key]) for key in sorted(part)]
        else:
            found += [np.asarray(item) for item in (part if isinstance(part, tuple) else (part,))]
    return found


def assert_same(ours: list[Any], theirs: list[Any], where: object) -> None:
    first, second = arrays(ours), arrays(theirs)
    assert len(first) == len(second), where
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12, err_msg=str(where))


@pytest.mark.filterwarnings("ignore:norm=True")
def test_equals_pywavelets(rng: torch.Generator) -> None:
    for wavelet in ("haar", "db3", "bior2.2"):
        x = normal(rng, 3, 16)
        assert_same(mra(x, wavelet, 2), pywt.mra(x.numpy(), wavelet, 2), wavelet)
        assert_same(mra(x.mT, wavelet, axis=0), pywt.mra(x.mT.numpy(), wavelet, axis=0), wavelet)
        image = normal(rng, 16, 12)
        assert_same(mra2(image, wavelet), pywt.mra2(image.numpy(), wavelet), wavelet)
        volume = normal(rng, 4, 3, 8)
        ours, theirs = mran(volume, wavelet, 1, (0, 2)), pywt.mran(volume.numpy(), wavelet, 1, (0, 2))
        assert_same(ours, theirs, wavelet)
    for mode, length in (("symmetric", 21), ("periodization", 13), ("zero", 30)):
        x, image = normal(rng, 2, length), normal(rng, length, 19, dtype=torch.complex128)
        options = {"level": 2, "mode": mode}
        assert_same(
            mra(x, "db2", transform="dwt", **options), pywt.mra(x.numpy(), "db2", transform="dwt", **options), mode
        )
        ours, theirs = (
            f(a, "db2", transform="dwt2", **options) for f, a in ((mra2, image), (pywt.mra2, image.numpy()))
        )
        assert_same(ours, theirs, mode)
        ours, theirs = (
            f(a, "db2", transform="dwtn", **options) for f, a in ((mran, image), (pywt.mran, image.numpy()))
        )
        assert_same(ours, theirs, mode)


def test_the_sum_is_the_signal_and_gradients_flow(rng: torch.Generator) -> None:
    x = normal(rng, 2, 8, 8, dtype=torch.float32).requires_grad_()
    for forward, inverse, transform in ((mra, imra, "swt"), (mra2, imra2, "dwt2"), (mran, imran, "swtn")):
        parts = forward(x, "db2", level=1, transform=transform) if forward is not mran else mran(x, "db2", 1, (1, 2))
        assert all(part.shape == x.shape for part in tree_leaves(parts))
        total = inverse(parts)
        torch.testing.assert_close(total, x, rtol=0, atol=1e-5)
        (grad,) = torch.autograd.grad(total.sum(), x)
        torch.testing.assert_close(grad, torch.ones_like(x), rtol=0, atol=1e-5)
    half = mra2(x.detach().bfloat16(), "db2", level=2)
    assert half[0].dtype == torch.bfloat16
    torch.testing.assert_close(half[0], mra2(x.detach().bfloat16().float(), "db2", level=2)[0].bfloat16())
    assert [part is x for part in mra(x, transform="dwt", level=0)] == [True]


def test_errors() -> None:
    x = torch.rand(8, 8)
    for call, message in (
        (lambda: mra(x, transform="swt2"), "transform must be 'swt' or 'dwt'"),
        (lambda: mra2(x, transform="dwt"), "transform must be 'swt2' or 'dwt2'"),
        (lambda: mran(x, mode="zero"), "mode must be 'periodization'"),
        (lambda: mra2(x, axes=(0,)), "axes must be two axes"),
        (lambda: mra(x[:, :7], level=1), "divisible by 2"),
        (lambda: imra([]), "at least one part"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="floating or complex"):
        mra(torch.arange(8))
