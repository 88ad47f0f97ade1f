"""The undecimated Haar stem against its published FFT form and against PyWavelets."""

import math

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor
from torch.autograd import gradcheck

from subband.transforms import undecimated_haar2


def published_form(x: Tensor) -> Tensor:
    """Filter circularly on a zero-padded square power of two and crop, as the published stem does by FFT."""
    height, width = x.shape[-2:]
    side = 2 ** math.ceil(math.log2(max(height, width)))
    padded = torch.zeros(*x.shape[:2], side, side, dtype=x.dtype)
    padded[..., :height, :width] = x

    def pair(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        following = x.roll(-1, axis)
        return (x + following) / math.sqrt(2), (following - x) / math.sqrt(2)

    bands = [band for half in pair(padded, 3) for band in pair(half, 2)]
    return torch.cat(bands, 1)[..., :height, :width]


@pytest.mark.parametrize(
    ("border", "size"), [("periodic", (8, 8)), ("periodic", (16, 16)), ("zero", (7, 12)), ("zero", (6, 5))]
)
def test_equals_the_published_form(border: str, size: tuple[int, int], rng: torch.Generator) -> None:
    x = torch.randn(2, 3, *size, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(undecimated_haar2(x, border), published_form(x), rtol=0, atol=1e-14)


def test_periodic_bands_are_those_of_pywavelets_up_to_shift_and_sign(rng: torch.Generator) -> None:
    x = torch.randn(1, 1, 8, 8, generator=rng, dtype=torch.float64)
    ll, lh, hl, hh = undecimated_haar2(x)[0].numpy()
    (approx, (horizontal, vertical, diagonal)) = pywt.swt2(x[0, 0].numpy(), "haar", level=1)[0]
    np.testing.assert_allclose(ll, approx, atol=1e-12)
    np.testing.assert_allclose(lh, -horizontal, atol=1e-12)
    np.testing.assert_allclose(hl, -vertical, atol=1e-12)
    np.testing.assert_allclose(hh, diagonal, atol=1e-12)


def test_channels_stay_together_within_a_band() -> None:
    x = torch.stack([torch.full((4, 4), float(c)) for c in range(3)])[None]
    bands = undecimated_haar2(x)
    torch.testing.assert_close(bands[0, :, 1, 1], torch.tensor([0.0, 2.0, 4.0] + [0.0] * 9))


@pytest.mark.parametrize("border", ["periodic", "zero"])
def test_gradient(border: str, rng: torch.Generator) -> None:
    x = torch.randn(1, 2, 3, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: undecimated_haar2(x, border), (x,))


def test_bfloat16_and_sizes_the_published_code_breaks_on() -> None:
    assert undecimated_haar2(torch.ones(1, 1, 8, 6, dtype=torch.bfloat16), "zero").dtype == torch.bfloat16
    assert undecimated_haar2(torch.ones(1, 1, 8, 6), "zero").shape == (1, 4, 8, 6)


def test_errors() -> None:
    with pytest.raises(ValueError, match="border must be one of periodic, zero"):
        undecimated_haar2(torch.zeros(1, 1, 4, 4), "symmetric")
    with pytest.raises(ValueError, match=r"\(B, C, H, W\)"):
        undecimated_haar2(torch.zeros(1, 4, 4))
