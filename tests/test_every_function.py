"""Every public function and layer: batches without items, and PyTorch's modes, none of which leaves a trace."""

import ast
import functools
import gc
import importlib.util
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves, tree_map_only

import subband
from subband import imaging, layers, losses, metrics
from subband import transforms as st
from subband.data import ClipSpec

SIZE = (16, 24)
# Functions of numbers, and containers.
WITHOUT_BATCH = {
    "BoundaryMode",
    "Coeffs",
    "DTCWTCoeffs",
    "Details",
    "FilterBank",
    "MODES",
    "SeparableCoeffs",
    "Wavelet",
    "WaveletLike",
    "block_frequencies",
    "central_frequency",
    "dwt_coeff_len",
    "dwt_max_level",
    "dwtn_max_level",
    "frequency2scale",
    "half_spectrum_weights",
    "orthogonal_filter_bank",
    "packet_paths",
    "qmf",
    "radial_bins",
    "radial_frequency",
    "scale2frequency",
    "swt_max_level",
    "wavedecn_shapes",
    "wavedecn_size",
    "zigzag_order",
}
TRANSFORMS: dict[str, Any] = {
    "amplitude": lambda x: st.amplitude(st.rfft2(x)),
    "block_dct2": lambda x: [st.block_dct2(x), st.block_dct2(x, layout="channels")],
    "block_idct2": lambda x: st.block_idct2(st.block_dct2(x)),
    "crop": lambda x: st.crop(x, (5, 4)),
    "cwt": lambda x: [
        st.cwt(x, [2.0, 3.0], name, method=way)[0][0] for name, way in (("morl", "fft"), ("cgau1", "conv"))
    ],
    "dct": st.dct,
    "dct2": st.dct2,
    "dctn": lambda x: st.dctn(x, axes=(1, 3)),
    "downcoef": lambda x: st.downcoef("d", x, "db2"),
    "dtcwt2": st.dtcwt2,
    "dwt": lambda x: st.dwt(x, "db2"),
    "dwt2": lambda x: st.dwt2(x, "db2"),
    "dwtn": lambda x: st.dwtn(x, "db2", axes=(1, 2, 3)),
    "extend": lambda x: st.extend(x, 2, 1, "symmetric", -1),
    "fourier_filter": lambda x: [st.fourier_filter(x, x.new_ones(16, 13, 2), method=way) for way in ("fft", "matrix")],
    "from_amplitude_phase": lambda x: st.from_amplitude_phase(x, x),
    "from_array": lambda x: st.from_array(st.to_array(st.wavedec2(x, level=1)), st.wavedec2(x, level=1)),
    "from_vector": lambda x: st.from_vector(st.to_vector(st.wavedec2(x)), st.wavedec2(x)),
    "fswavedecn": lambda x: st.fswavedecn(x, levels=1, axes=(-2, -1)),
    "fswaverecn": lambda x: st.fswaverecn(st.fswavedecn(x, levels=1, axes=(-2, -1))),
    "idct": st.idct,
    "idct2": st.idct2,
    "idctn": lambda x: st.idctn(x, axes=(1, 3)),
    "idtcwt2": lambda x: st.idtcwt2(st.dtcwt2(x)),
    "idwt": lambda x: st.idwt(*st.dwt(x, "db2"), "db2"),
    "idwt2": lambda x: st.idwt2(st.dwt2(x, "db2"), "db2"),
    "idwtn": lambda x: st.idwtn(st.dwtn(x, "db2", axes=(1, 3)), "db2", axes=(1, 3)),
    "imra": lambda x: st.imra(st.mra(x, "db2", 1)),
    "imra2": lambda x: st.imra2(st.mra2(x, "db2", 1)),
    "imran": lambda x: st.imran(st.mran(x, "db2", 1, (2, 3))),
    "irfft2": lambda x: st.irfft2(st.rfft2(x), SIZE),
    "irfft2_parts": lambda x: st.irfft2_parts(st.rfft2_parts(x), SIZE),
    "irfftn": lambda x: st.irfftn(st.rfftn(x, axes=(1, 3)), (3, 24), axes=(1, 3)),
    "iswt": lambda x: st.iswt(st.swt(x, "db2", 1), "db2"),
    "iswt2": lambda x: st.iswt2(st.swt2(x, "db2", 1), "db2"),
    "iswtn": lambda x: st.iswtn(st.swtn(x, "db2", 1, axes=(2, 3)), "db2", axes=(2, 3)),
    "iwavelet_packet": lambda x: st.iwavelet_packet(st.wavelet_packet(x, "db2", level=2), "db2", size=SIZE),
    "mra": lambda x: st.mra(x, "db2", 1, transform="dwt"),
    "mra2": lambda x: st.mra2(x, "db2", 1),
    "mran": lambda x: st.mran(x, "db2", 1, (2, 3)),
    "pad": lambda x: st.pad(x, 1, axes=(-2, -1)),
    "pad_to_multiple": lambda x: st.pad_to_multiple(x, 5)[0],
    "phase": lambda x: st.phase(st.rfft2(x)),
    "phasor": lambda x: st.phasor(st.rfft2(x)),
    "radial_spectrum": lambda x: [st.radial_spectrum(x), st.radial_spectrum(x, 3)],
    "rfft2": st.rfft2,
    "rfft2_parts": st.rfft2_parts,
    "rfftn": lambda x: st.rfftn(x, axes=(1, 3)),
    "spectral_energy": lambda x: [st.spectral_energy(st.rfft2(x), 24, edges) for edges in (None, [0.1])],
    "swt": lambda x: st.swt(x, "db2", 1),
    "swt2": lambda x: st.swt2(x, "db2", 1),
    "swtn": lambda x: st.swtn(x, "haar", 1, axes=(2, 3)),
    "threshold": lambda x: [st.threshold(x, 0.5, mode) for mode in ("soft", "hard", "garrote", "greater", "less")],
    "threshold_firm": lambda x: st.threshold_firm(x, 0.2, 0.8),
    "to_array": lambda x: st.to_array(st.wavedec2(x)),
    "to_vector": lambda x: st.to_vector(st.wavedec2(x)),
    "upcoef": lambda x: st.upcoef("d", x, "db2"),
    "wavedec": lambda x: st.wavedec(x, "db2"),
    "wavedec2": lambda x: st.wavedec2(x, "db2"),
    "wavedec3": lambda x: st.wavedec3(x, level=1),
    "wavedecn": lambda x: st.wavedecn(x, axes=(3,)),
    "wavelet_packet": lambda x: st.wavelet_packet(x, "db2", level=2),
    "waverec": lambda x: st.waverec(st.wavedec(x, "db2")),
    "waverec2": lambda x: st.waverec2(st.wavedec2(x, "db2")),
    "waverec3": lambda x: st.waverec3(st.wavedec3(x, level=1)),
    "waverecn": lambda x: st.waverecn(st.wavedecn(x, axes=(3,))),
}
IMAGING: dict[str, Any] = {
    "estimate_sigma": imaging.estimate_sigma,
    "denoise_wavelet": lambda x: [imaging.denoise_wavelet(x), imaging.denoise_wavelet(x, 0.1, cycle_spins=2)],
    "denoise_wavelet in color": lambda x: imaging.denoise_wavelet(x, color="ycbcr", cycle_spins=1),
    "fuse": lambda x: [imaging.fuse([x, x], rule=rule) for rule in ("largest", "exposure")],
}


def tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def check(function: Any, full: Any, *weights: Tensor) -> None:
    """The shapes of a full batch but for the number of items, and gradients of the right shapes without NaN."""
    empty = tree_map_only(Tensor, lambda x: x.detach()[:0].clone().requires_grad_(), full)
    outputs = tensors(function(empty))
    assert [tuple(out.shape) for out in outputs] == [(0, *out.shape[1:]) for out in tensors(function(full))]
    inputs = [*tensors(empty), *weights]
    total = sum(out.abs().sum() for out in outputs if out.requires_grad)
    for part, grad in zip(inputs, torch.autograd.grad(total, inputs, materialize_grads=True), strict=True):
        assert grad.shape == part.shape
        assert not grad.isnan().any()


def test_transforms_and_imaging(case) -> None:
    assert set(TRANSFORMS) | WITHOUT_BATCH == set(st.__all__), "a public name is missing above"
    for name, function in {**TRANSFORMS, **IMAGING}.items():
        with case(name):
            check(function, torch.rand(2, 3, *SIZE))


def test_layers(case) -> None:
    """All layers of the compiler's table, which a test there holds complete."""
    path = Path(__file__).parent / "layers" / "test_compile_and_export.py"
    spec = importlib.util.spec_from_file_location("table_of_layers", path)
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    for name, build in table.CASES.items():
        module, x = build()
        for is_training in (False, True):
            with case(name, "training" if is_training else "evaluation"):
                check(module.train(is_training), x, *module.parameters())


def test_losses_are_zero(case) -> None:
    for shape in ((0, 4, 3, 16, 16), (2, 4, 0, 16, 16), (2, 0, 3, 16, 16)):
        target = torch.rand(shape)
        for name, loss in {
            **{name: losses.build_loss(name, {}) for name in losses.LOSSES},
            "divergence": losses.DifferentialDivergence(),
            "spectrum": losses.HighFocalFrequencyLoss(),
            "subband": losses.HighFocalFrequencyLoss("subband", include_low=True),
            "subband 3d": losses.HighFocalFrequencyLoss("subband", dims=3)
            if shape[1]
            else losses.HighFocalFrequencyLoss(),
        }.items():
            with case(name, shape):
                pred = torch.rand(shape, requires_grad=True)
                value = loss(pred, target)
                assert value.item() == 0
                if value.requires_grad:
                    assert torch.autograd.grad(value, pred)[0].shape == shape
    assert layers.gate_penalty(torch.rand(0, 12)) == 0


def test_metrics_ignore_nothing(case) -> None:
    clips = torch.rand(0, 3, 1, 16, 16)
    for name in ("psnr", "snr", "ssim", "psnr_legacy_uint8"):
        assert getattr(metrics, name)(clips, clips).shape == (0, 3)
    assert metrics.subband_energy(clips).shape == (0, 3, 1, 4)
    spec = ClipSpec(in_frames=2, out_frames=3, channels=1, height=16, width=16)
    some = torch.rand(2, 2, 3, 1, 16, 16)
    labels = torch.tensor([0, 1])
    for metric, full in (
        (metrics.VideoPredictionMetrics(spec), tuple(some)),
        (metrics.SubbandEnergy(), tuple(some)),
        (metrics.classification_metrics(4), (torch.rand(2, 4), labels)),
        (metrics.PerClassAccuracy(4), (torch.rand(2, 4), labels)),
    ):
        with case(type(metric).__name__):
            metric.update(*full)
            before = metric.compute()
            metric.update(*(part[:0] for part in full))
            torch.testing.assert_close(metric.compute(), before, equal_nan=True)


class Plain(nn.Module):
    """One function as a module, for exporters."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return tensors(self.function(x))


def run_in_mode(mode: str, function: Any, x: Tensor) -> Any:
    if mode == "fake":
        with FakeTensorMode(allow_non_fake_inputs=True) as fakes:
            return function(fakes.from_tensor(x))
    if mode == "inference":
        with torch.inference_mode():
            return function(x)
    if mode == "default device":
        with torch.device("meta"):
            return function(x)
    if mode == "default dtype":
        torch.set_default_dtype(torch.float64)
        try:
            return function(x)
        finally:
            torch.set_default_dtype(torch.float32)
    return torch.func.vmap(function)(x[None])


def test_networks_take_empty_batches(case) -> None:
    for name in ("simvp_gsta", "simvp_incepu", "tau", "wast", "wsfvit_video"):
        args = {"in_shape": (2, 1, 16, 16), **({} if name == "wast" else {"hid_S": 16, "hid_T": 32, "N_T": 2})}
        model = subband.create_model(name, **args)
        with case(name):
            check(model, torch.rand(2, 2, 1, 16, 16), *model.parameters())


INTEGERS: dict[str, tuple[Any, int]] = {
    "block_dct2": (lambda i: st.block_dct2(torch.ones(16, 16), i), 8),
    "central_frequency": (lambda i: st.central_frequency("morl", i), 10),
    "coefficient_mosaic": (lambda i: imaging.coefficient_mosaic(st.wavedec2(torch.ones(1, 8, 8)), i), 2),
    "cwt": (lambda i: st.cwt(torch.ones(8), i, "morl", precision=i), 10),
    "dct": (lambda i: st.dct(torch.ones(8), n=i), 100),
    "denoise_wavelet": (lambda i: imaging.denoise_wavelet(torch.ones(16, 16), 0.1, level=i, cycle_spins=i), 2),
    "downcoef": (lambda i: st.downcoef("d", torch.ones(100), level=i), 2),
    "dwt_coeff_len": (lambda i: st.dwt_coeff_len(i, i), 100),
    "extend": (lambda i: st.extend(torch.ones(20), i, i, "symmetric", -1), 100),
    "fuse": (lambda i: imaging.fuse([torch.ones(1, 9, 9)] * 2, level=i, window=i), 1),
    "idwt": (lambda i: st.idwt(*st.dwt(torch.ones(99), "db2"), "db2", size=i), 99),
    "mra": (lambda i: st.mra(torch.ones(16), "haar", i), 2),
    "pad": (lambda i: st.pad(torch.ones(20), (i, i)), 100),
    "radial_bins": (lambda i: st.radial_bins(i, i), 100),
    "swt": (lambda i: st.swt(torch.ones(16), "haar", level=1, start_level=i), 1),
    "threshold_firm": (lambda i: st.threshold_firm(torch.ones(4), i, i), 100),
    "upcoef": (lambda i: st.upcoef("d", torch.ones(9), "db2", take=i), 100),
    "wavedecn_shapes": (lambda i: st.wavedecn_shapes((i, i), "db2"), 100),
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_small_integers_do_not_overflow(case) -> None:
    for name, (function, number) in INTEGERS.items():
        for kind in (np.int8, np.uint8, np.uint64, np.array, torch.tensor):
            with case(name, kind.__name__):
                torch.testing.assert_close(tree_leaves(function(kind(number))), tree_leaves(function(number)))


@pytest.mark.slow
def test_every_function_can_be_traced(case) -> None:
    """By `torch.jit.trace`, and wavelets by symbolic `make_fx`; the graph computes other batches too."""
    x, other = torch.rand(2, 3, *SIZE), torch.rand(4, 3, *SIZE)
    for name, function in TRANSFORMS.items():
        module = Plain(function)
        with case(name), warnings.catch_warnings():
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            traced = torch.jit.trace(module, x, check_trace=False)
            torch.testing.assert_close(list(traced(other)), module(other))
            if name in ("dwt", "dwt2", "dwtn", "idwt2", "wavedec2", "waverec2"):  # the others take minutes
                graph = make_fx(module, tracing_mode="symbolic")(x)
                torch.testing.assert_close(graph(other), module(other))


@pytest.mark.slow
def test_modes_leave_no_trace(case) -> None:
    """The first call of a function is made in the mode; the next one outside is a plain one, with a gradient."""
    x = torch.rand(2, 3, *SIZE)
    for mode in ("fake", "inference", "default device", "default dtype", "vmap"):
        for name, function in {**TRANSFORMS, **(IMAGING if mode != "fake" else {})}.items():
            with case(mode, name):
                clear_caches()
                inside = tensors(run_in_mode(mode, function, x))
                leaf = x.clone().requires_grad_()
                outside = tensors(function(leaf))
                sum(part.abs().sum() for part in outside if part.requires_grad).backward()
                for part, other in zip(outside, inside, strict=True):
                    assert type(part) is Tensor
                    assert not part.is_inference()
                    assert (part.device, part.dtype) == (x.device, other.dtype)
                    assert part.shape == other.shape[mode == "vmap" :]
                    if mode != "fake":
                        torch.testing.assert_close(other.reshape(part.shape), part.detach())


def test_exporters_leave_no_trace(case) -> None:
    x = torch.rand(2, 3, *SIZE)
    for name in ("cwt", "radial_spectrum"):
        with case(name):
            function = TRANSFORMS[name]
            before = tensors(function(x))
            clear_caches()
            program = torch.export.export(Plain(function), (x,))
            after = tensors(function(x))
            assert all(type(part) is Tensor for part in after)
            torch.testing.assert_close(after, before)
            torch.testing.assert_close(program.module()(x), before)


def caches() -> list[Any]:
    """The caches of all modules of the package that are loaded."""
    modules = [module for name, module in sys.modules.items() if name.startswith("subband.")]
    found = {id(value): value for module in modules for value in vars(module).values()}
    return [value for value in found.values() if isinstance(value, functools._lru_cache_wrapper)]


def clear_caches() -> None:
    for cache in caches():
        cache.cache_clear()


def test_caches_are_bounded_and_hold_no_tensors() -> None:
    source = Path(st.__file__).parents[1]
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and any("cache" in ast.unparse(item) for item in node.decorator_list):
                words = " ".join(map(ast.unparse, node.decorator_list))
                has_arguments = bool(node.args.args or node.args.kwonlyargs)
                assert not has_arguments or "maxsize=" in words or "cached_property" in words, f"{path}: {node.name}"
    clear_caches()  # of what other tests in this process have left
    x = torch.rand(1, 40)
    for index in range(300):
        st.cwt(x, [2.0 + index / 500], f"cmor{1 + index / 200}-1.0", precision=8)
    st.cwt(x, np.arange(1.0, 500.0), "morl")  # taps of 64 MB
    st.dwt(x, "db2")
    sizes = [cache.cache_info() for cache in caches()]
    assert all(size.maxsize is None or size.currsize <= size.maxsize for size in sizes)
    assert sum(size.currsize for size in sizes) < 300
    kept = [part for cache in caches() for entry in gc.get_referents(cache) for part in deep(entry)]
    assert not [part for part in kept if isinstance(part, Tensor)]
    assert 0 < sum(part.nbytes for part in kept if isinstance(part, np.ndarray)) < 1 << 20


def deep(value: Any) -> list[Any]:
    """What a cache holds, however nested."""
    if isinstance(value, dict):
        return [part for item in value.items() for part in deep(item)]
    return [part for item in value for part in deep(item)] if isinstance(value, (tuple, list)) else [value]
