"""Modules of the dual-tree transform: they are the functions, and have no state."""

import pytest
import torch

from subband.layers.dtcwt import DTCWT2d, IDTCWT2d
from subband.transforms import dtcwt2


def test_modules_are_the_functions(rng: torch.Generator) -> None:
    x = torch.rand(2, 3, 22, 17, generator=rng)
    analysis = DTCWT2d(2, biort="legall", qshift="qshift_b")
    coeffs, expected = analysis(x), dtcwt2(x, 2, "legall", "qshift_b")
    assert torch.equal(coeffs.low, expected.low)
    assert torch.equal(coeffs.highs[1], expected.highs[1])
    torch.testing.assert_close(IDTCWT2d()(coeffs), x, rtol=0, atol=1e-5)
    assert not analysis.state_dict()
    assert repr(analysis) == "DTCWT2d(levels=2, biort='legall', qshift='qshift_b')"


def test_gradient_passes_through_both(rng: torch.Generator) -> None:
    x = torch.rand(2, 1, 16, 16, generator=rng, dtype=torch.float64).requires_grad_()
    network = torch.nn.Sequential(DTCWT2d(2), IDTCWT2d())
    weight = torch.rand(x.shape, generator=rng, dtype=x.dtype)
    (grad,) = torch.autograd.grad((weight * network(x)).sum(), x)
    torch.testing.assert_close(grad, weight, rtol=0, atol=1e-11)  # perfect reconstruction is the identity


def test_bad_options_are_refused_at_construction() -> None:
    with pytest.raises(ValueError, match=r"levels must be at least 1, got 0"):
        DTCWT2d(0)
    with pytest.raises(ValueError, match=r"biort must be one of .*, got 'haar'"):
        DTCWT2d(biort="haar")
    with pytest.raises(ValueError, match=r"qshift must be one of .*, got 'haar'"):
        DTCWT2d(qshift="haar")
