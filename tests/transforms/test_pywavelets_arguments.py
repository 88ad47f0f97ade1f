"""Arguments as users of PyWavelets and NumPy give them: names, short modes, integers and arrays of NumPy."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from torch.utils._pytree import tree_leaves

from subband import layers
from subband import transforms as st
from subband.layers import BlockDCT2d, BlockIDCT2d, FourierFilter2d, fourier_filter_kernel, resize_fourier_filter

Case = Callable[..., AbstractContextManager[None]]

SHORT_NAMES = {"zpd": "zero", "cpd": "constant", "sp1": "smooth", "sym": "symmetric", "ppd": "periodic"}
SHORT_NAMES |= {"per": "periodization", "asym": "antisymmetric", "symw": "reflect", "asymw": "antireflect"}
TAPS = pywt.Wavelet("db2").filter_bank


@pytest.fixture
def x(rng: torch.Generator) -> torch.Tensor:
    return torch.randn(3, 4, 16, 16, generator=rng, dtype=torch.float64)


def assert_equal(ours: Any, expected: Any) -> None:
    found, wanted = tree_leaves(ours), tree_leaves(expected)
    assert len(found) == len(wanted)
    assert all(torch.equal(a, b) if isinstance(b, torch.Tensor) else a == b for a, b in zip(found, wanted, strict=True))


def test_names_and_order_are_those_of_pywavelets(case: Case) -> None:
    shared = [name for name in st.__all__ if inspect.isfunction(getattr(pywt, name, None))]
    assert len(shared) >= 27
    for name in shared:
        with case(name):
            ours = inspect.signature(getattr(st, name)).parameters
            theirs = inspect.signature(getattr(pywt, name)).parameters
            places = [p.name for p in ours.values() if p.kind is not inspect.Parameter.KEYWORD_ONLY]
            by_place = [p.name for p in theirs.values() if p.kind is not inspect.Parameter.KEYWORD_ONLY]
            assert places == by_place
            assert set(theirs) <= set(ours)


def test_wavelets_in_any_case_and_modes_by_short_names(x: torch.Tensor, case: Case) -> None:
    assert_equal(st.dwt(data=x, wavelet="Haar"), st.dwt(x, "haar"))
    assert_equal(st.dwt2(x, ("DB2", "Haar")), st.dwt2(x, ("db2", "haar")))
    assert st.wavedec2(x, "DB2", "per").wavelet == "db2"
    assert st.wavedec2(x, ["DB2", np.str_("haar")], "per").mode == "periodization"
    assert st.Wavelet("DB2").filter_bank == st.Wavelet("db2").filter_bank
    assert_equal(layers.LiftingDWT1d("Haar", "per")(x), layers.LiftingDWT1d("haar", "periodization")(x))
    for short, mode in SHORT_NAMES.items():
        with case(short):
            for call in (
                lambda mode: st.dwt(x, "db2", mode),
                lambda mode: st.idwt(x, x, "db2", mode=mode),
                lambda mode: st.wavedec2(x, "db2", (mode, "zero"), 1).inverse(),
                lambda mode: st.fswavedecn(x, "db2", mode, 1).array,
                lambda mode: st.wavelet_packet(x, "db2", mode=mode),
                lambda mode: st.pad(x, 2, mode),
                lambda mode: st.wavedecn_shapes((16, 17), "db2", mode, 2),
                lambda mode: st.dwt_coeff_len(17, 4, mode),
                lambda mode: layers.DWT2d("db2", mode, 2)(x).inverse(),
                lambda mode: layers.WaveletPacket1d("db2", mode)(x),
            ):
                assert_equal(call(short), call(mode))
    with pytest.raises(ValueError, match=r"mode must be one of zero, constant, .* got 2"):
        st.dwt(x, "db2", [2])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"mode must be one name or one per axis \(1\), got \d"):
        st.dwt(x, "db2", pywt.Modes.symmetric)


def test_taps_in_any_container(x: torch.Tensor, case: Case) -> None:
    expected = st.dwt(x, "db2")
    for kind, taps in {
        "tuple of arrays": tuple(map(np.array, TAPS)),
        "single precision": [np.array(t, dtype=np.float64) for t in TAPS],
        "one array": np.array(TAPS),
        "filter bank of arrays": st.FilterBank(*map(np.array, TAPS)),
        "numbers of NumPy": [[np.float64(tap) for tap in t] for t in TAPS],
        "one tensor": torch.tensor(TAPS, dtype=torch.float64),
        "numbers that are tensors": [[torch.tensor(tap, dtype=torch.float64) for tap in t] for t in TAPS],
        "Wavelet": st.Wavelet(filter_bank=TAPS),
        "Wavelet of a Wavelet": st.Wavelet("mine", pywt.Wavelet("db2")),
        "two axes": None,
    }.items():
        with case(kind):
            if taps is not None:
                torch.testing.assert_close(st.dwt(x, taps), expected)
                torch.testing.assert_close(st.idwt(*expected, taps), x)
    torch.testing.assert_close(st.dwt2(x, [np.array(TAPS), "haar"]), st.dwt2(x, ["db2", "haar"]))
    assert_equal(st.dwt2(x, np.array(["db2", "haar"])), st.dwt2(x, ["db2", "haar"]))
    odd = [[1.0, 2.0, 1.0], [1.0, -2.0, 1.0], [1.0, 2.0, 1.0], [1.0, -2.0, 1.0]]
    theirs = pywt.dwt(x.numpy(), pywt.Wavelet("odd", odd))
    torch.testing.assert_close(st.dwt(x, odd), tuple(map(torch.from_numpy, theirs)))
    with pytest.raises(ValueError, match=r"same number of taps, got \[9, 7, 7, 9\]; fill them up"):
        st.dwt(x, ([1.0] * 9, [1.0] * 7, [1.0] * 7, [1.0] * 9))
    with pytest.raises(ValueError, match="four lists of taps"):
        st.Wavelet("m", [["a"]] * 4)


def test_integers_of_any_kind(x: torch.Tensor, case: Case) -> None:
    kinds = {"NumPy": np.int64, "tensor": torch.tensor, "array of one": np.array}
    weight = torch.rand(4, 8, 5, 2)
    calls: dict[str, Callable[[Callable[..., Any]], Any]] = {
        "axis": lambda n: (st.dwt(x, axis=n(2)), st.wavedec(x, axis=n(-1)), st.swt(x, axis=n(1)), st.dct(x, axis=n(2))),
        "axes": lambda n: (st.dwt2(x, axes=(n(0), n(2))), st.dctn(x, axes=[n(1)]), st.rfftn(x, (n(1), n(-1)))),
        "stack": lambda n: (st.dwt2(x, stack=n(1)), st.idwt2(st.dwt2(x, stack=1), stack=n(1))),
        "level": lambda n: (st.wavedec2(x, level=n(2)), st.swt2(x, level=n(1), start_level=n(1)), st.dtcwt2(x, n(2))),
        "levels": lambda n: st.fswavedecn(x, levels=n(2)).array,
        "levels of axes": lambda n: st.fswavedecn(x, levels=[n(1), None], axes=(n(2), 3)).array,
        "packets": lambda n: (st.wavelet_packet(x, level=n(2)), st.packet_paths(n(2), n(1))),
        "size": lambda n: (st.idwt(x, x, size=n(31)), st.idwt2((x, None), size=(n(31), n(32)))),
        "sizes": lambda n: st.waverec2(st.wavedec2(x, level=1), size=(n(15), n(16))),
        "pad": lambda n: (st.pad(x, n(2)), st.pad(x, (n(1), n(2))), st.pad(x, [(n(1), n(2))], axes=n(1))),
        "images": lambda n: (
            st.crop(x, (n(5), n(6))),
            st.pad_to_multiple(x, n(7)),
            st.pad_to_multiple(x, (n(5), n(7))),
        ),
        "blocks": lambda n: (st.block_dct2(x, n(8)), st.block_dct2(x, n(4), layout="channels", keep=[n(0), n(3)])),
        "inverse blocks": lambda n: st.block_idct2(x, n(8), size=(n(15), n(16))),
        "spectra": lambda n: (st.irfft2(st.rfft2(x), (n(16), n(16))), st.spectral_energy(st.rfft2(x), n(16))),
        "rings": lambda n: (
            st.radial_spectrum(x, n(4)),
            st.radial_bins(n(8), n(9), n(3)),
            st.radial_frequency(n(8), n(9)),
        ),
        "lengths": lambda n: (st.dwt_max_level(n(64), n(4)), st.dwt_coeff_len(n(9), n(4)), st.swt_max_level(n(12))),
        "shapes": lambda n: st.wavedecn_shapes((n(16), n(16)), "db2", level=n(1)),
        "order": lambda n: (st.zigzag_order(n(4)), st.block_frequencies(n(4), keep=[n(1)])),
        "stacked": lambda n: st.wavedec2(x, level=2).stacked(n(1)),
        "cwt": lambda n: st.cwt(x, [n(2), n(3)], "morl", axis=n(-1), precision=n(10)),
        "modules": lambda n: (layers.DWT2d(levels=n(2))(x), layers.SWT2d(levels=n(1))(x), layers.DTCWT2d(n(1))(x)),
        "packet modules": lambda n: layers.WaveletPacket2d(levels=n(2))(x),
        "sizes of modules": lambda n: layers.IDWT2d()(layers.DWT2d()(x), size=(n(15), n(16))),
        "block modules": lambda n: (BlockDCT2d(n(8), keep=[n(1), n(2)])(x), BlockIDCT2d(n(2))(x, size=(n(31), n(32)))),
        "filters": lambda n: (FourierFilter2d(n(4), n(16)).size, resize_fourier_filter(weight, (n(5), n(6)))),
        "kernels": lambda n: fourier_filter_kernel(weight, (n(8), n(8))),
    }
    for name, call in calls.items():
        expected = call(int)
        for kind, number in kinds.items():
            with case(name, kind):
                assert_equal(call(number), expected)
    for sequence in (np.array, torch.tensor, list):
        with case(sequence):
            assert_equal(st.dwt2(x, axes=sequence([0, 2])), st.dwt2(x, axes=(0, 2)))
            assert_equal(st.idwt2((x, None), size=sequence([31, 32])), st.idwt2((x, None), size=(31, 32)))
            assert_equal(st.pad(x, sequence([1, 2])), st.pad(x, (1, 2)))
            assert_equal(st.cwt(x, sequence([2, 3]), "morl"), st.cwt(x, [2, 3], "morl"))
            edges = sequence([0.1, 0.25])
            assert_equal(st.spectral_energy(st.rfft2(x), 16, edges), st.spectral_energy(st.rfft2(x), 16, [0.1, 0.25]))


def test_what_is_no_integer_is_named(x: torch.Tensor, case: Case) -> None:
    for name, call in {
        "axis": lambda n: st.dwt(x, axis=n),
        "axes": lambda n: st.dwt2(x, axes=(0, n)),
        "stack": lambda n: st.dwt2(x, stack=n),
        "level": lambda n: st.wavedec(x, level=n),
        "start_level": lambda n: st.swt(x, start_level=n),
        "size": lambda n: st.idwt(x, x, size=n),
        "pad_widths": lambda n: st.pad(x, n),
        "multiple": lambda n: st.pad_to_multiple(x, n),
        "levels": lambda n: layers.DWT1d(levels=n),
        "num_bins": lambda n: st.radial_spectrum(x, n),
    }.items():
        for wrong in (1.5, "1"):
            with case(name, wrong), pytest.raises(TypeError, match=f"{name} must be an integer, got "):
                call(wrong)


def test_two_axes_and_no_others(x: torch.Tensor, case: Case) -> None:
    bands, levels = st.dwt2(x), st.swt2(x, level=1)
    calls = {
        "dwt2": lambda axes: st.dwt2(x, axes=axes),
        "idwt2": lambda axes: st.idwt2(bands, axes=axes),
        "wavedec2": lambda axes: st.wavedec2(x, axes=axes),
        "swt2": lambda axes: st.swt2(x, axes=axes),
        "iswt2": lambda axes: st.iswt2(levels, axes=axes),
        "dct2": lambda axes: st.dct2(x, axes=axes),
        "idct2": lambda axes: st.idct2(x, axes=axes),
        "fourier_filter": lambda axes: st.fourier_filter(x, torch.ones(16, 9, 2), axes=axes),
    }
    for name, call in calls.items():
        for axes in ((0,), (0, 1, 2), None, 0, ()):
            with case(name, axes), pytest.raises(ValueError, match="axes must be two axes, got"):
                call(axes)
        for axes in ((-1, 3), (-1, 9), (-9, 0)):
            with case(name, axes), pytest.raises(ValueError, match=r"axes must (be different|lie within)"):
                call(axes)
    for call in (st.wavedec3, lambda x, axes: st.waverec3([x], axes=axes)):
        with pytest.raises(ValueError, match="axes must be three axes, got"):
            call(x, axes=(0, 1))
    for axis in ((0, 1), None, ()):
        for one in (st.dwt, st.wavedec, st.swt, st.dct, st.idct):
            with case(axis, one), pytest.raises(ValueError, match="axis must be one axis, got"):
                one(x, axis=axis)


def test_wrong_containers(x: torch.Tensor, case: Case) -> None:
    coeffs = st.dtcwt2(x, level=1)
    torch.testing.assert_close(st.idtcwt2((coeffs.low, list(coeffs.highs))), x)
    wrong: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: st.idtcwt2(x), TypeError, "coeffs must be DTCWTCoeffs or a pair of the low-pass image and a list"),
        (lambda: st.idtcwt2((x, x)), TypeError, "coeffs must be DTCWTCoeffs or a pair"),
        (lambda: st.idtcwt2((x, [x])), TypeError, "must be complex.* torch.view_as_complex"),
        (lambda: st.iswt(x), TypeError, r"coeffs must be a list with \(approx, detail\) per level, got Tensor"),
        (lambda: st.iswt2(x), TypeError, r"coeffs must be a list with \(cA, \(cH, cV, cD\)\) per level, got Tensor"),
        (lambda: st.iswt2([(x, (x, x))]), ValueError, "details must be three bands .* got 2 bands"),
        (lambda: st.iswt2([(x, x)]), TypeError, "details must be three bands .* got Tensor"),
        (lambda: st.iswt([(x, x, x)]), ValueError, "got a level that is not a pair"),
        (lambda: st.iswtn(x), TypeError, "coeffs must be a list with a dictionary per level, got Tensor"),
        (lambda: st.iswtn([x, (x, x)]), TypeError, "got a level of tuple"),
        (lambda: st.idwt2((x, (x, x))), ValueError, r"details must be three bands \(cH, cV, cD\) or None, got 2 bands"),
        (lambda: st.idwt2((x, x)), TypeError, "details must be three bands .* got Tensor"),
        (lambda: st.idwt2((x, x, x, x)), ValueError, r"coeffs must be a stacked tensor or \(cA, .*, got 4 parts"),
        (lambda: st.idwt2({"aa": x}), TypeError, "coeffs must be a torch.Tensor, got dict"),
        (lambda: st.idwtn((x, x)), TypeError, "coeffs must be a dictionary from key to band or a tensor, got tuple"),
        (lambda: st.waverec(x), TypeError, "coeffs must be Coeffs or a non-empty list .* got Tensor"),
        (lambda: st.waverec2([x, (x, x)], "haar"), ValueError, "details must be three bands .* got 2 bands"),
        (lambda: st.fswaverecn([x]), TypeError, "fswavedecn_result must be what fswavedecn returns, got list"),
        (lambda: st.to_array(x), TypeError, "coeffs must be Coeffs or a non-empty list"),
        (lambda: st.crop(x, 3), ValueError, "size must be height and width, got 3"),
        (lambda: layers.IDWT2d(layout="split")(x), TypeError, "coeffs must be a pair of the low and the high bands"),
        (lambda: layers.IDWT2d(layout="split")((x,)), TypeError, "got 1 parts"),
        (lambda: layers.ISWT2d(layout="split")(x), TypeError, "coeffs must be a pair of the low and the high bands"),
        (lambda: layers.IDWT2d()((x, x)), TypeError, "coeffs must be a torch.Tensor, got tuple"),
        (lambda: layers.FFC(4, 4, 3)([x]), TypeError, "x must be a tensor or a pair of a local and a global map"),
    ]
    for number, (call, error, message) in enumerate(wrong):
        with case(number, message), pytest.raises(error, match=message):
            call()


def test_nothing_in_place_of_bands_as_in_pywavelets(x: torch.Tensor) -> None:
    array = x.numpy()
    for coeffs in ((None, (x, None, x)), (x, None), (x, (None, None, None))):
        theirs = [None if part is None else part for part in coeffs]
        details = theirs[1] and tuple(None if band is None else array for band in theirs[1])
        expected = pywt.idwt2((None if coeffs[0] is None else array, details or (None,) * 3), "db2")
        torch.testing.assert_close(st.idwt2(coeffs, "db2"), torch.from_numpy(expected))
    torch.testing.assert_close(st.idwt(None, x, "db2"), torch.from_numpy(pywt.idwt(None, array, "db2")))


def test_odd_sides_and_strides() -> None:
    ffc = layers.FFC(16, 32, 3, ratio_in=0.25, ratio_out=0.25, stride=2, padding=1, with_local_unit=False)
    with pytest.raises(ValueError, match="x must have even sides for stride 2, got 9x9"):
        ffc((torch.rand(1, 12, 9, 9), torch.rand(1, 4, 9, 9)))
    assert ffc((torch.rand(1, 12, 8, 8), torch.rand(1, 4, 8, 8)))[0].shape == (1, 24, 4, 4)
    wide = layers.FFC(16, 16, 3, ratio_in=0.5, ratio_out=0.5, with_local_unit=False)
    with pytest.raises(ValueError, match=r"padding must be such that both paths .* got 8x8 and 6x6|got 6x6 and 8x8"):
        wide((torch.rand(1, 8, 8, 8), torch.rand(1, 8, 8, 8)))
