"""What every function and module on tensors promises, whatever it computes.

Every public name of the transforms, layers and losses has an example call below, or is listed among those without
tensors, so that a new one cannot be forgotten. Learned convolutions follow autocast as PyTorch's own do; everything
else gives in such a region what it gives outside.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only, tree_unflatten

from subband import layers, losses
from subband import transforms as st

Case = Callable[..., AbstractContextManager[None]]


class Example(NamedTuple):
    """A call, and its tensors in single precision; `is_learned` if it holds convolutions or other learned layers."""

    call: Callable[..., Any]
    inputs: tuple[Any, ...]
    is_learned: bool = False


def rand(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


IMAGE, CLIP, SIGNAL = rand(2, 4, 8, 8), rand(2, 3, 4, 8, 8), rand(2, 3, 16)
SPECTRUM = torch.fft.rfft2(IMAGE, norm="ortho")
PAIR = (rand(2, 8, 8, 8), rand(2, 8, 8, 8) + 0.1)
BANK = st.FilterBank(*torch.tensor([[0.5, 0.5], [-0.5, 0.5], [1.0, 1.0], [1.0, -1.0]]))
THRESHOLDS = ("soft", "hard", "garrote", "greater", "less")
CLIPS = (rand(2, 4, 3, 16, 16), rand(2, 4, 3, 16, 16).square())


def transform_examples() -> dict[str, Example]:
    coeffs, details = st.wavedec2(IMAGE, "db2", level=1), st.dwt2(IMAGE, "db2", stack=None)
    blocks = st.block_dct2(IMAGE, 4, layout="channels")
    filters = rand(4, 8, 5, 2)
    one = {
        "amplitude": (st.amplitude, SPECTRUM),
        "block_dct2": (lambda x: (st.block_dct2(x, 4), st.block_dct2(x, 4, layout="channels")), IMAGE),
        "block_idct2": (lambda x: st.block_idct2(x, 4, layout="channels"), blocks),
        "crop": (lambda x: st.crop(x, (5, 6)), IMAGE),
        "cwt": (lambda x: (st.cwt(x, [1, 2], "morl"), st.cwt(x, [1, 2], "cmor1.5-1.0", method="conv")[0]), SIGNAL),
        "dct": (st.dct, SIGNAL),
        "dct2": (st.dct2, IMAGE),
        "dctn": (st.dctn, IMAGE),
        "downcoef": (lambda x: st.downcoef("d", x, "db2", level=2), SIGNAL),
        "dtcwt2": (st.dtcwt2, IMAGE),
        "dwt": (lambda x: (st.dwt(x), st.dwt(x, "db2", "reflect")), SIGNAL),
        "dwt2": (lambda x: (st.dwt2(x), st.dwt2(x, "db2", "per", stack=None)), IMAGE),
        "dwtn": (lambda x: (st.dwtn(x), st.dwtn(x, "bior2.2", "smooth", (1, 3))), IMAGE),
        "extend": (lambda x: [st.extend(x, 3, 5, mode, -1) for mode in st.MODES], SIGNAL),
        "from_vector": (lambda x: st.from_vector(x, coeffs), st.to_vector(coeffs)),
        "from_array": (lambda x: st.from_array(x, coeffs), st.to_array(coeffs)),
        "fswavedecn": (lambda x: st.fswavedecn(x, "db2", levels=1, axes=(2, 3)), IMAGE),
        "fswaverecn": (st.fswaverecn, st.fswavedecn(IMAGE, "db2", levels=1, axes=(2, 3))),
        "idct": (st.idct, SIGNAL),
        "idct2": (st.idct2, IMAGE),
        "idctn": (st.idctn, IMAGE),
        "idtcwt2": (st.idtcwt2, st.dtcwt2(IMAGE)),
        "idwt2": (lambda c: (st.idwt2(c, "db2"), st.idwt2(c)), details),
        "idwtn": (lambda c: (st.idwtn(c, "db2", axes=(2, 3)), st.idwtn(c, axes=(2, 3))), st.dwtn(IMAGE, axes=(2, 3))),
        "imra": (st.imra, st.mra(SIGNAL, "db2", 1)),
        "imra2": (st.imra2, st.mra2(IMAGE, "db2", 1)),
        "imran": (st.imran, st.mran(CLIP, "db2", 1, (2, 3))),
        "irfft2": (lambda x: st.irfft2(x, (8, 8)), SPECTRUM),
        "irfft2_parts": (lambda x: st.irfft2_parts(x, (8, 8)), st.rfft2_parts(IMAGE)),
        "irfftn": (lambda x: st.irfftn(x, (2, 4, 8, 8)), torch.fft.rfftn(IMAGE, norm="ortho")),
        "iswt": (lambda c: st.iswt(c, "db2"), st.swt(SIGNAL, "db2", 2)),
        "iswt2": (lambda c: st.iswt2(c, "haar"), st.swt2(IMAGE, "haar", 2, trim_approx=True)),
        "iswtn": (lambda c: st.iswtn(c, "db2"), st.swtn(IMAGE, "db2", 1)),
        "iwavelet_packet": (lambda x: st.iwavelet_packet(x, "db2"), st.wavelet_packet(IMAGE, "db2")),
        "mra": (lambda x: [st.mra(x, "db2", 1, transform=transform) for transform in ("swt", "dwt")], SIGNAL),
        "mra2": (lambda x: st.mra2(x, "db2", 1, transform="dwt2"), IMAGE),
        "mran": (lambda x: st.mran(x, "db2", 1, (2, 3)), CLIP),
        "orthogonal_filter_bank": (st.orthogonal_filter_bank, rand(4)),
        "pad": (lambda x: st.pad(x, 2, "antireflect"), IMAGE),
        "pad_to_multiple": (lambda x: st.pad_to_multiple(x, 5), IMAGE),
        "phase": (st.phase, torch.complex(IMAGE, rand(2, 4, 8, 8) + 0.1)),
        "phasor": (st.phasor, SPECTRUM),
        "qmf": (st.qmf, rand(4)),
        "radial_spectrum": (st.radial_spectrum, IMAGE),
        "rfft2": (st.rfft2, IMAGE),
        "rfft2_parts": (st.rfft2_parts, IMAGE),
        "rfftn": (st.rfftn, IMAGE),
        "spectral_energy": (lambda s: (st.spectral_energy(s, 8), st.spectral_energy(s, 8, [0.1, 0.3])), SPECTRUM),
        "swt": (lambda x: st.swt(x, "db2", 2), SIGNAL),
        "swt2": (lambda x: st.swt2(x, "haar", 2), IMAGE),
        "swtn": (lambda x: st.swtn(x, "db2", 1, axes=(1, 2)), IMAGE),
        "threshold": (lambda x: [st.threshold(x, 0.5, mode) for mode in THRESHOLDS], IMAGE),
        "threshold_firm": (lambda x: st.threshold_firm(x, 0.25, 0.75), IMAGE),
        "to_array": (st.to_array, coeffs),
        "to_vector": (st.to_vector, coeffs),
        "upcoef": (lambda x: st.upcoef("d", x, "db2", level=2), SIGNAL),
        "wavedec": (lambda x: st.wavedec(x, "db2", level=2), SIGNAL),
        "wavedec2": (lambda x: st.wavedec2(x, "haar", level=2), IMAGE),
        "wavedec3": (lambda x: st.wavedec3(x, "db2", level=1), CLIP),
        "wavedecn": (lambda x: st.wavedecn(x, "db2", level=1, axes=(1, 3)), CLIP),
        "wavelet_packet": (lambda x: st.wavelet_packet(x, "db2", 1), IMAGE),
        "waverec": (st.waverec, st.wavedec(SIGNAL, "db2", level=2)),
        "waverec2": (lambda c: st.waverec2(c, "db2"), coeffs.to_list()),
        "waverec3": (st.waverec3, st.wavedec3(CLIP, level=2)),
        "waverecn": (st.waverecn, st.wavedecn(CLIP, "db2", level=1)),
    }
    several = {
        "fourier_filter": (lambda x, w: [st.fourier_filter(x, w, method=m) for m in ("fft", "matrix")], IMAGE, filters),
        "from_amplitude_phase": (st.from_amplitude_phase, SPECTRUM.abs(), SPECTRUM.angle()),
        "idwt": (lambda a, d: (st.idwt(a, d), st.idwt(a, d, "db2")), *st.dwt(SIGNAL, "db2")),
    }
    return {name: Example(call, tuple(inputs)) for name, (call, *inputs) in {**one, **several}.items()}


def layer_examples() -> dict[str, Example]:
    torch.manual_seed(0)
    found: dict[str, Example] = {}
    for n, x in ((1, SIGNAL), (2, IMAGE), (3, CLIP)):
        for kind in ("DWT", "SWT", "WaveletPacket"):
            split = {} if kind == "WaveletPacket" else {"levels": 2 - (n == 3), "layout": "split"}
            forward = getattr(layers, f"{kind}{n}d")("db2", **split)
            found[f"{kind}{n}d"] = Example(forward, (x,))
            found[f"I{kind}{n}d"] = Example(getattr(layers, f"I{kind}{n}d")("db2", **split), (forward(x),))
        for kind, wavelet in (("Learnable", "db2"), ("Lifting", "bior4.4")):
            module = getattr(layers, f"{kind}DWT{n}d")(wavelet, layout="split")
            found[f"{kind}DWT{n}d"] = Example(module, (x,))
            found[f"{kind}DWT{n}d.inverse"] = Example(Method(module, "inverse"), (detached(module(x)),))
    dtcwt, jpeg, ffc = layers.DTCWT2d(), layers.JpegDCT2d(24), {"ratio_in": 0.5, "ratio_out": 0.5, "padding": 1}
    weight = rand(4, 8, 5, 2)
    one = {
        "BlockDCT2d": (layers.BlockDCT2d(4), IMAGE),
        "BlockIDCT2d": (layers.BlockIDCT2d(4), layers.BlockDCT2d(4)(IMAGE)),
        "DTCWT2d": (dtcwt, IMAGE),
        "IDTCWT2d": (layers.IDTCWT2d(), dtcwt(IMAGE)),
        "FourierFilter2d": (layers.FourierFilter2d(4, 8), IMAGE),
        "JpegDCT2d": (jpeg, rand(2, 3, 16, 16)),
        "alias_loss": (layers.alias_loss, BANK),
        "reconstruction_loss": (layers.reconstruction_loss, BANK),
        "fourier_filter_kernel": (lambda w: layers.fourier_filter_kernel(w, (8, 8)), weight),
        "fourier_filter_magnitude": (lambda w: layers.fourier_filter_magnitude(w, (8, 8)), weight),
        "gate_penalty": (layers.gate_penalty, rand(2, 4)),
        "jpeg_planes": (layers.jpeg_planes, rand(2, 3, 8, 8)),
        "resize_fourier_filter": (lambda w: layers.resize_fourier_filter(w, (6, 6)), weight),
        "temporal_energy_weights": (
            lambda s: [layers.temporal_energy_weights(s, 8, mode=mode) for mode in ("bin", "channel", "frame")],
            rand(2, 3, 2, 2, 8, 5),
        ),
    }
    learned = {
        "FFC": (layers.FFC(16, 16, 3, **ffc).eval(), PAIR),
        "FFCNormAct": (layers.FFCNormAct(layers.FFC(16, 16, 3, **ffc), 16, 0.5).eval(), PAIR),
        "FFCResidualBlock": (layers.FFCResidualBlock(16, ratio=0.5).eval(), PAIR),
        "FourierUnit": (layers.FourierUnit(4, 6).eval(), IMAGE),
        "FrequencyGate": (layers.FrequencyGate(4).eval(), IMAGE),
        "FrequencySpatialBlock": (lively(layers.FrequencySpatialBlock(4)), IMAGE),
        "SpectralConv2d": (lively(layers.SpectralConv2d(4, remove_mean=True)), IMAGE),
        "TemporalEnergyAggregation": (lively(layers.TemporalEnergyAggregation(4, 3)), rand(2, 3, 4, 8, 8)),
        "SpectralTransform": (layers.SpectralTransform(4, 8, stride=1).eval(), IMAGE),
        "UnbiasedFourierUnit": (layers.UnbiasedFourierUnit(4, size=8).eval(), IMAGE),
    }
    found |= {name: Example(call, (x,)) for name, (call, x) in one.items()}
    other = rand(2, 4, 8, 8).flip(0) + 0.1
    kernels = rand(2, 36, 2, 2)
    several = {
        "PyramidAlignment": (lively(layers.PyramidAlignment(4, levels=2, groups=2)), IMAGE, other),
        "SpectralAlignment": (lively(layers.SpectralAlignment(4, groups=2)), IMAGE, other),
        "SpectrumPrior": (lively(layers.SpectrumPrior(4, 6, 2)), IMAGE, other),
        "deform_conv2d": (layers.deform_conv2d, IMAGE, 0.3 * rand(2, 36, 6, 6), rand(6, 2, 3, 3)),
    }
    found["dynamic_conv2d"] = Example(layers.dynamic_conv2d, (IMAGE, kernels))
    found |= {name: Example(call, tuple(inputs), is_learned=True) for name, (call, *inputs) in several.items()}
    return found | {name: Example(call, (x,), is_learned=True) for name, (call, x) in learned.items()}


def lively(module: nn.Module) -> nn.Module:
    """The same module with small noise where it begins as zeros."""
    for value in module.parameters():
        if not value.any():
            nn.init.normal_(value, std=0.1)
    return module.eval()


def loss_examples() -> dict[str, Example]:
    found = {name: (losses.build_loss(name, {}), *CLIPS) for name in losses.LOSSES}
    found |= {
        "DifferentialDivergence": (losses.DifferentialDivergence(tau=2.0), *CLIPS),
        "HighFocalFrequencyLoss": (losses.HighFocalFrequencyLoss("subband", dims=3), *CLIPS),
        "charbonnier_loss": (lambda a, b: losses.charbonnier_loss(a, b, over_colors=True), *CLIPS),
        "differential_divergence": (losses.differential_divergence, *CLIPS),
        "fft_amplitude_phase_loss": (losses.fft_amplitude_phase_loss, *CLIPS),
        "fft_charbonnier_loss": (losses.fft_charbonnier_loss, *CLIPS),
        "fft_l1_loss": (losses.fft_l1_loss, *CLIPS),
        "fft_modulus_loss": (losses.fft_modulus_loss, *CLIPS),
        "focal_frequency_loss": (lambda a, b: losses.focal_frequency_loss(a, b, patch_factor=2), *CLIPS),
        "harm_loss": (losses.harm_loss, *CLIPS, (CLIPS[0] + CLIPS[1]) / 2),
        "heatmap_fourier_loss": (losses.heatmap_fourier_loss, *CLIPS),
        "heatmap_mse_loss": (losses.heatmap_mse_loss, *CLIPS),
        "high_focal_frequency_loss": (lambda a, b: losses.high_focal_frequency_loss(a, b, level=2), *CLIPS),
        "psnr_loss": (losses.psnr_loss, *CLIPS),
        "subband_focal_loss": (losses.subband_focal_loss, *CLIPS),
    }
    return {name: Example(call, tuple(inputs)) for name, (call, *inputs) in found.items()}


class Method(nn.Module):
    """A method of a module as a module."""

    def __init__(self, module: nn.Module, name: str) -> None:
        super().__init__()
        self.module, self.name = module, name

    def forward(self, *inputs: Any) -> Any:
        return getattr(self.module, self.name)(*inputs)


def detached(tree: Any) -> Any:
    return tree_map_only(Tensor, torch.Tensor.detach, tree)


@cache
def examples() -> dict[str, Example]:
    return {**transform_examples(), **layer_examples(), **loss_examples()}


WITHOUT_TENSORS = {"MODES", "BoundaryMode", "Wavelet", "WaveletLike", "FilterBank"}
WITHOUT_TENSORS |= {"Coeffs", "Details", "DTCWTCoeffs", "SeparableCoeffs"}  # containers, which have tests of their own
WITHOUT_TENSORS |= {"block_frequencies", "central_frequency", "frequency2scale", "scale2frequency", "packet_paths"}
WITHOUT_TENSORS |= {"dwt_coeff_len", "dwt_max_level", "dwtn_max_level", "swt_max_level", "zigzag_order"}
WITHOUT_TENSORS |= {"wavedecn_shapes", "wavedecn_size"}
WITHOUT_TENSORS |= {"half_spectrum_weights", "radial_bins", "radial_frequency"}  # numbers in, tensor out
WITHOUT_TENSORS |= {"EnergyMode", "FilterLayout", "JPEG_SUBSETS", "LOSSES", "Loss", "build_loss", "high_frequency_mask"}


# Forward outside of autocast, too; PyTorch advises against a backward pass within the region.
CONVOLUTIONS_IN_TORCH = {"JpegDCT2d", "jpeg_planes", "reconstruction_loss", "alias_loss"}


def run(example: Example, inputs: Any, *, region: Any = None, backward_inside: bool = False) -> tuple[list, list]:
    """All outputs, and gradients of all inputs for a fixed slope of every output."""
    leaves, spec = tree_flatten(inputs)
    leaves = [leaf.detach().requires_grad_() if leaf.is_leaf else leaf for leaf in leaves]

    def gradients() -> list[Tensor]:
        sloped = [out for out in outputs if out.requires_grad]
        rng = torch.Generator().manual_seed(0)
        slopes = [torch.randn(out.shape, generator=rng, dtype=torch.float64).to(out) for out in sloped]
        return list(torch.autograd.grad(sloped, leaves, slopes, allow_unused=True, materialize_grads=True))

    with torch.autocast("cpu", region, enabled=region is not None):
        outputs = [out for out in tree_leaves(example.call(*tree_unflatten(leaves, spec))) if isinstance(out, Tensor)]
        grads = gradients() if backward_inside else []
    return [out.detach() for out in outputs], grads or gradients()


def close(ours: Any, expected: Any, tolerance: float = 1e-5) -> None:
    for found, wanted in zip(tree_leaves(ours), tree_leaves(expected), strict=True):
        bound = tolerance * max(1.0, float(wanted.abs().max()) if wanted.numel() else 1.0)
        torch.testing.assert_close(found, wanted, rtol=tolerance, atol=bound)


def exact() -> Iterator[tuple[str, Example]]:
    return ((name, example) for name, example in examples().items() if not example.is_learned)


def test_no_public_name_is_forgotten() -> None:
    names = {*st.__all__, *layers.__all__, *losses.__all__}
    assert names - set(examples()) - WITHOUT_TENSORS == set()
    assert names >= WITHOUT_TENSORS
    assert not WITHOUT_TENSORS & set(examples())


def test_autocast_changes_nothing(case: Case) -> None:
    for name, example in examples().items():
        wanted = run(example, example.inputs)
        for region in (torch.bfloat16, torch.float16):
            with case(name, region):
                found = run(example, example.inputs, region=region)
                if example.is_learned:
                    assert all(leaf.isfinite().all() for leaf in tree_leaves(found))
                    assert [leaf.shape for leaf in tree_leaves(found)] == [leaf.shape for leaf in tree_leaves(wanted)]
                else:
                    close(found, wanted, 1e-6)
        if not example.is_learned and name not in CONVOLUTIONS_IN_TORCH:
            with case(name, "backward in the region"):
                close(run(example, example.inputs, region=torch.bfloat16, backward_inside=True), wanted, 1e-6)


def test_shapes_without_memory(case: Case) -> None:
    for name, example in examples().items():
        with case(name):
            wanted = run(example, example.inputs)
            inputs = tree_map_only(Tensor, lambda t: t.to("meta"), example.inputs)
            is_module = isinstance(example.call, nn.Module)
            call = copy.deepcopy(example.call).to("meta") if is_module else example.call
            found = run(example._replace(call=call), inputs)
            assert {leaf.device.type for leaf in tree_leaves(found)} <= {"meta", "cpu"}
            for ours, expected in zip(tree_leaves(found), tree_leaves(wanted), strict=True):
                assert (ours.shape, ours.dtype) == (expected.shape, expected.dtype)


def layouts(tensor: Tensor) -> dict[str, Tensor]:
    """The same numbers in other places."""
    found = {"strided": tensor.detach().repeat_interleave(2, -1)[..., ::2]}
    if tensor.is_complex():
        found["conjugate"] = tensor.detach().conj_physical().conj()
        found["conjugate and negative"] = (-tensor.detach().conj_physical()).conj()._neg_view()
    else:
        found["negative"] = torch._neg_view(-tensor.detach())
        found["imaginary part of a conjugate"] = torch.complex(torch.zeros_like(tensor), -tensor.detach()).conj().imag
    if tensor.ndim >= 2:
        found["transposed"] = tensor.detach().mT.contiguous().mT
    if tensor.ndim == 4:
        found["channels last"] = tensor.detach().contiguous(memory_format=torch.channels_last)
    return found


def test_any_memory(case: Case) -> None:
    for name, example in examples().items():
        wanted = run(example, example.inputs)
        leaves, spec = tree_flatten(example.inputs)
        for kind in layouts(leaves[0]):
            with case(name, kind):
                turned = [layouts(leaf).get(kind, leaf) for leaf in leaves]
                close(run(example, tree_unflatten(turned, spec)), wanted)
        with case(name, "expanded"):
            expanded = [leaf.detach()[:1].expand_as(leaf) for leaf in leaves]
            dense = [leaf.clone() for leaf in expanded]
            close(run(example, tree_unflatten(expanded, spec)), run(example, tree_unflatten(dense, spec)))


def cast(tree: Any, dtype: torch.dtype) -> Any:
    wide = torch.promote_types(dtype, torch.complex64)
    return tree_map_only(Tensor, lambda t: t.to(wide if t.is_complex() else dtype), tree)


def test_precision_follows_the_input(case: Case) -> None:
    for name, example in exact():
        single, _ = run(example, example.inputs)
        with case(name, "double"):
            double, _ = run(example, cast(example.inputs, torch.float64))
            assert [out.dtype for out in double] == [cast(out, torch.float64).dtype for out in single]
            close([out.to(wanted.dtype) for out, wanted in zip(double, single, strict=True)], single)
        for dtype in (torch.bfloat16, torch.float16):
            with case(name, dtype):
                half = cast(example.inputs, dtype)
                found, grads = run(example, half)
                wanted, _ = run(example, cast(half, torch.float32))
                assert all(out.is_complex() or out.dtype in (dtype, torch.float32) for out in found)
                assert all(grad.isfinite().all() for grad in grads)
                close(cast(found, torch.float32), wanted, 2 * torch.finfo(dtype).eps)


def test_dtypes_are_promoted(case: Case) -> None:
    for name, example in exact():
        leaves, spec = tree_flatten(example.inputs)
        if len(leaves) == 1:
            continue
        single, _ = run(example, example.inputs)
        for dtype in (torch.float64, torch.bfloat16):
            for place in range(len(leaves)):
                with case(name, dtype, place):
                    mixed = [cast(leaf, dtype) if i == place else leaf for i, leaf in enumerate(leaves)]
                    found, _ = run(example, tree_unflatten(mixed, spec))
                    close([out.to(wanted.dtype) for out, wanted in zip(found, single, strict=True)], single, 0.02)
                    if dtype == torch.float64 and name not in ("fourier_filter", "to_array", "to_vector"):
                        assert [out.dtype for out in found] == [cast(out, dtype).dtype for out in single]


def test_what_is_no_tensor_of_numbers_is_named(case: Case) -> None:
    for name, example in examples().items():
        leaves, spec = tree_flatten(example.inputs)
        for place, leaf in enumerate(leaves):
            if name in ("qmf", "orthogonal_filter_bank"):
                continue  # numbers in any container are taps
            given = [leaf.detach().numpy(), leaf.tolist()]
            if name not in ("crop", "extend", "pad_to_multiple") and not example.is_learned:
                given.append(leaf.real.int())
            for value, hint in zip(given, ("torch.from_numpy", "torch.tensor", "(float|complex)"), strict=False):
                if isinstance(value, list) and len(leaves) > 1:
                    continue  # a list within a list is another structure
                with case(name, place, type(value).__name__):
                    inputs = tree_unflatten([value if i == place else other for i, other in enumerate(leaves)], spec)
                    with pytest.raises(TypeError, match=rf"\w+.* must be .*{hint}"):
                        example.call(*inputs)
