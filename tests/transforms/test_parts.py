"""Checks of real and complex arguments."""

import pytest
import torch

from subband.transforms._parts import check_complex, check_real, on_parts


def test_checks() -> None:
    check_real(torch.zeros(1), "x")
    check_complex(torch.zeros(1, dtype=torch.complex64), "x")
    with pytest.raises(TypeError, match=r"frames must be real, got torch\.complex64"):
        check_real(torch.zeros(1, dtype=torch.complex64), "frames")
    with pytest.raises(TypeError, match=r"convert it with \.float\(\)"):
        check_real(torch.zeros(1, dtype=torch.long), "frames")
    with pytest.raises(TypeError, match=r"z must be complex, got torch\.float32"):
        check_complex(torch.zeros(1), "z")


def test_both_parts_are_mapped(rng: torch.Generator) -> None:
    z = torch.randn(3, generator=rng, dtype=torch.complex128)
    assert torch.equal(on_parts(lambda t: 2 * t, z), 2 * z)
    assert torch.equal(on_parts(lambda t: 2 * t, z.real), 2 * z.real)
