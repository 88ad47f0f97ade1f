"""The modules of pytorch_wavelets: its numbers and layouts, right gradients, its state dict."""

import copy
import json
import math
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from pytorch_wavelets_cases import CASES, FILE, fingerprint, noise, run
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.utils._pytree import tree_leaves, tree_map_only

from subband.compat import pytorch_wavelets as compat
from subband.compat.pytorch_wavelets import DTCWTForward, DTCWTInverse, DWTForward, DWTInverse

STORED = json.loads(FILE.read_text("utf-8"))
MODES = ("zero", "symmetric", "reflect", "periodic", "periodization")


@pytest.fixture
def double() -> Iterator[None]:
    """Double precision by default, in which the stored numbers were computed."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", CASES)
def test_numbers_are_those_of_the_library(name: str) -> None:
    outputs = run(compat, CASES[name])
    assert len(outputs) == len(STORED[name])
    for output, (shape, sums) in zip(outputs, STORED[name], strict=True):
        found = fingerprint(output)
        assert found[0] == shape
        np.testing.assert_allclose(found[1], sums, rtol=0, atol=1e-11)
        assert output.is_contiguous()


def test_every_case_is_stored() -> None:
    assert list(STORED) == list(CASES)


def flat(result: Any) -> tuple[Tensor, ...]:
    return tuple(leaf for leaf in tree_leaves(result) if leaf.ndim)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_gradients_of_wavelets_are_right(mode: str, size: tuple[int, int]) -> None:
    options = {"wave": "bior2.2", "mode": mode}
    forward, inverse = DWTForward(**options), DWTInverse(**options)
    x = noise(1, 2, *size).requires_grad_()
    low, high = (band.detach().requires_grad_() for band in flat(forward(x)))
    assert gradcheck(lambda x: flat(forward(x)), x, fast_mode=True)
    assert gradcheck(lambda low, high: inverse((low, [high])), (low, high), fast_mode=True)
    assert gradcheck(lambda high: inverse((low.detach(), [high])), high, fast_mode=True)
    lines, back = compat.DWT1DForward(2, **options), compat.DWT1DInverse(**options)
    assert gradcheck(lambda x: back(lines(x)), x[0].detach().requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("mode", ["zero", "symmetric"])
@pytest.mark.parametrize("skip", [False, [True, False]])
def test_gradients_of_dual_trees_are_right(mode: str, skip: bool | list[bool]) -> None:
    forward, inverse = DTCWTForward("near_sym_b", "qshift_c", 2, skip, mode=mode), DTCWTInverse(mode=mode)
    x = noise(1, 1, 7, 6).requires_grad_()
    assert gradcheck(lambda x: flat(forward(x)), x, fast_mode=True)
    low, highs = tree_map_only(Tensor, lambda band: band.detach().requires_grad_(), forward(x))
    assert gradcheck(lambda low, *highs: inverse((low, highs)), (low, *highs), fast_mode=True)


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("mode", ["periodization", "reflect"])
def test_signals_shorter_than_the_filter_have_the_numbers_of_pywavelets(mode: str, length: int) -> None:
    x = noise(1, 1, length)
    if mode == "reflect" and length == 1:
        return
    low, (high,) = compat.DWT1DForward(wave="db4", mode=mode)(x)
    wanted = pywt.dwt(x.numpy(), "db4", mode)
    np.testing.assert_allclose(np.stack((low, high)), np.stack(wanted), rtol=0, atol=1e-12)
    back = compat.DWT1DInverse(wave="db4", mode=mode)((low, [high]))
    np.testing.assert_allclose(back[..., :length], x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("places", list(permutations(range(6), 2)), ids=str)
def test_directions_and_parts_may_be_on_any_axes(places: tuple[int, int]) -> None:
    x = noise(1, 1, 4, 8)
    _, plain = DTCWTForward(J=2)(x)
    low, highs = DTCWTForward(J=2, o_dim=places[0], ri_dim=places[1] - 6)(x)
    for high, expected in zip(highs, plain, strict=True):
        assert torch.equal(high.movedim(places, (2, 5)), expected)
    torch.testing.assert_close(DTCWTInverse(o_dim=places[0], ri_dim=places[1])((low, highs)), x, rtol=0, atol=1e-12)


def test_what_is_missing_is_zero() -> None:
    x = noise(1, 2, 16, 24)
    low, highs = DTCWTForward()(x)
    bands = [*highs[:2], torch.zeros_like(highs[2])]
    expected = DTCWTInverse()((torch.zeros_like(low), bands))
    for nothing in (None, torch.tensor([]), torch.zeros([])):
        torch.testing.assert_close(DTCWTInverse()((nothing, [*highs[:2], nothing])), expected, rtol=0, atol=1e-12)
    for kind, data in (("DWT", x), ("DWT1D", x[0])):
        low, highs = getattr(compat, f"{kind}Forward")(2)(data)
        inverse = getattr(compat, f"{kind}Inverse")()
        expected = inverse((torch.zeros_like(low), [highs[0], torch.zeros_like(highs[1])]))
        torch.testing.assert_close(inverse((None, [highs[0], None])), expected, rtol=0, atol=1e-12)
    for inverse in (DWTInverse(), compat.DWT1DInverse(), DTCWTInverse()):
        with pytest.raises(ValueError, match="coeffs must hold at least one band"):
            inverse((None, [None]))


def test_no_levels() -> None:
    x = noise(1, 2, 5, 6)
    for forward, inverse in ((DWTForward(0), DWTInverse()), (DTCWTForward(J=0), DTCWTInverse())):
        low, highs = forward(x)
        assert low is x
        assert not highs
        assert torch.equal(inverse((low, highs)), x)


ARGUMENTS = {
    "DWTForward": {"wave": "db2"},
    "DWTInverse": {"wave": "bior2.2"},
    "DWT1DForward": {"wave": "db2"},
    "DWT1DInverse": {"wave": "bior2.2"},
    "DTCWTForward": {"biort": "antonini", "qshift": "qshift_c"},
    "DTCWTInverse": {"biort": "near_sym_b", "qshift": "qshift_06"},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_checkpoints_fit_in_both_directions(name: str) -> None:
    from peers.stand_ins import optional

    library = optional("pytorch_wavelets")
    if library is None:
        pytest.skip("pytorch_wavelets is not installed")
    ours, theirs = getattr(compat, name)(**ARGUMENTS[name]), getattr(library, name)(**ARGUMENTS[name])
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=1e-7)
    theirs.load_state_dict(ours.state_dict())
    nn.Sequential(ours).load_state_dict(nn.Sequential(theirs).half().state_dict())


@pytest.mark.parametrize("name", ARGUMENTS)
def test_other_filters_are_refused_and_missing_ones_are_not_missed(name: str) -> None:
    module = nn.Sequential(getattr(compat, name)(**ARGUMENTS[name]))
    before = copy.deepcopy(module.state_dict())
    first, *_ = before
    with pytest.raises(RuntimeError, match=rf"{first} is not the filter that the arguments of {name} name"):
        module.load_state_dict({**before, first: before[first] + 0.01})
    assert torch.equal(module.state_dict()[first], before[first])
    with pytest.raises(RuntimeError, match="size mismatch"):
        module.load_state_dict({**before, first: before[first].flatten()[:-1]})
    assert not module.load_state_dict({}).missing_keys
    with pytest.raises(RuntimeError, match="Unexpected key"):
        module.load_state_dict({"0.other": before[first]})


def test_precision_is_that_of_the_input() -> None:
    x = noise(2, 3, 13, 16)
    for forward, inverse in (
        (DWTForward(2, "db2", "symmetric"), DWTInverse("db2", "symmetric")),
        (DTCWTForward(), DTCWTInverse()),
    ):
        exact = tree_leaves(forward(x))
        torch.testing.assert_close(inverse(forward(x))[..., :13, :], x, rtol=0, atol=1e-12)
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.1), (torch.float16, 0.02)):
            with torch.autocast("cpu", torch.bfloat16):
                result = forward(x.to(dtype))
            for band, expected in zip(tree_leaves(result), exact, strict=True):
                assert band.dtype == dtype
                torch.testing.assert_close(band.double(), expected, rtol=0, atol=tolerance)
            assert inverse(result).dtype == dtype


def test_batches_without_items() -> None:
    empty, full = torch.empty(0, 3, 12, 16), torch.zeros(1, 3, 12, 16)
    for forward, inverse in ((DWTForward(2), DWTInverse()), (DTCWTForward(o_dim=1), DTCWTInverse(o_dim=1))):
        shapes = [(0, *band.shape[1:]) for band in tree_leaves(forward(full))]
        assert [band.shape for band in tree_leaves(forward(empty))] == shapes
        assert inverse(forward(empty)).shape == empty.shape


def test_aliases_and_wavelets() -> None:
    assert compat.DWT is compat.DWT2D is DWTForward
    assert compat.IDWT is compat.IDWT2D is DWTInverse
    assert compat.DWT1D is compat.DWT1DForward
    assert compat.IDWT1D is compat.DWT1DInverse
    assert compat.DTCWT is DTCWTForward
    assert compat.IDTCWT is DTCWTInverse
    x = noise(1, 1, 8, 9)
    wavelet = pywt.Wavelet("bior2.2")
    taps = [np.array(taps) for taps in wavelet.filter_bank]
    named = DWTForward(wave="bior2.2")(x)
    backwards = tuple(np.ascontiguousarray(tap[::-1])[::-1] for tap in taps[:2])
    for wave in (wavelet, tuple(taps[:2]), tuple(taps[:2]) * 2, backwards):
        torch.testing.assert_close(DWTForward(wave=wave)(x), named, rtol=0, atol=1e-14)
    for wave in (wavelet, tuple(taps[2:])):
        torch.testing.assert_close(DWTInverse(wave=wave)(named), DWTInverse(wave="bior2.2")(named), rtol=0, atol=1e-14)
    assert repr(DWTForward(2, "db2")) == "DWTForward(J=2, wave='db2', mode='zero')"
    assert repr(DTCWTForward()).startswith("DTCWTForward(J=3, biort='near_sym_a', qshift='qshift_a', o_dim=2")


def test_a_border_that_means_zero_is_told() -> None:
    with pytest.warns(UserWarning, match=r"mode 'reflect' fills borders with zeros at level 1") as caught:
        module = DTCWTForward(mode="reflect")
    assert caught[0].filename == __file__
    x = noise(1, 1, 8, 8)
    torch.testing.assert_close(module(x), DTCWTForward(mode="zero")(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DWTForward(-1), "J must not be negative, got -1"),
        (lambda: DWTForward(wave="db99"), "wavelet 'db99' is not a discrete wavelet"),
        (lambda: DWTForward(mode="replicate"), "mode must be one of zero, .*, got 'replicate'"),
        (lambda: DWTForward(wave=([1.0, 1.0], [1.0])), "one even number of taps, got 2 and 1"),
        (lambda: DWTForward(wave=([1.0] * 3, [1.0] * 3)), "one even number of taps, got 3 and 3"),
        (lambda: DWTForward(wave=([1.0],) * 3), "wave must be .* two or four lists of taps"),
        (lambda: compat.DWT1DForward(wave=([1.0, 1.0],) * 4), "wave must be .* or two lists of taps"),
        (lambda: DTCWTForward(J=-1), "J must not be negative"),
        (lambda: DTCWTForward("haar"), "biort must be one of antonini"),
        (lambda: DTCWTForward(([1.0, 2.0, 3.0], [1.0])), "filters in biort must be symmetric"),
        (lambda: DTCWTForward(([1.0, 1.0], [1.0])), "filters in biort must be symmetric and have an odd number"),
        (lambda: DTCWTForward(qshift="db2"), "qshift must be one of qshift_06"),
        (lambda: DTCWTForward(qshift=([1.0, 2.0],) * 4), "tree b be tree a in reversed time"),
        (lambda: DTCWTForward(qshift=([1.0, 2.0],) * 2), "qshift must be a name or four lists"),
        (lambda: DTCWTForward(o_dim=5), "o_dim and ri_dim must be two different axes of six, got 5 and -1"),
        (lambda: DTCWTForward(o_dim=6), "two different axes of six, got 6 and -1"),
        (lambda: DTCWTForward(mode="smooth"), "mode must be one of symmetric, zero, .*, got 'smooth'"),
        (lambda: DTCWTForward(skip_hps=[True]), "skip_hps must have an entry for each of the 3 levels, got 1"),
        (lambda: DWTForward()(torch.zeros(3, 4, 4)), r"x must be \(N, C, H, W\), got \(3, 4, 4\)"),
        (lambda: DTCWTForward()(torch.zeros(3, 4, 4)), r"x must be \(N, C, H, W\) .*, got \(3, 4, 4\)"),
        (lambda: DWTInverse()((torch.zeros(1, 1, 2, 2), [torch.zeros(1, 1, 2, 2, 2)])), r"must be \(N, C, 3, h, w\)"),
        (lambda: DWTInverse()((torch.zeros(1, 1, 4, 4), [torch.zeros(1, 1, 3, 2, 2)])), "must agree in shape"),
        (lambda: DTCWTInverse()((torch.zeros(1, 1, 4, 4), [torch.zeros(1, 1, 2, 2, 6)])), "must have six axes"),
        (lambda: DTCWTInverse()((torch.zeros(1, 1, 3, 4), [None, None])), "level 2 must have even sides"),
        (lambda: DTCWTInverse()((torch.zeros(1, 3, 4), [None])), r"yl must be the low-pass image \(N, C, h, w\)"),
    ],
)
def test_bad_arguments_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


class RoundTrip(nn.Module):
    """All coefficients, and the inverse of them times two."""

    def __init__(self, forward: nn.Module, inverse: nn.Module) -> None:
        super().__init__()
        self.analysis, self.synthesis = forward, inverse

    def forward(self, x: Tensor) -> tuple[Any, Tensor]:
        coeffs = self.analysis(x)
        return coeffs, self.synthesis(tree_map_only(Tensor, lambda band: 2 * band, coeffs))


PAIRS = {
    "wavelets": (lambda: RoundTrip(DWTForward(2, "db2", "symmetric"), DWTInverse("db2", "symmetric")), (2, 3, 12, 9)),
    "signals": (lambda: RoundTrip(compat.DWT1DForward(2), compat.DWT1DInverse()), (2, 3, 12)),
    "dual trees": (
        lambda: RoundTrip(
            DTCWTForward(J=2, skip_hps=[False, True], o_dim=1, ri_dim=2), DTCWTInverse(o_dim=1, ri_dim=2)
        ),
        (2, 3, 10, 12),
    ),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PAIRS)
def test_compile_and_export(name: str, check_compiled: Any, check_export: Any) -> None:
    build, shape = PAIRS[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(math.prod(shape)))
    check_compiled(build(), (x,))
    check_export(build(), (x,))
