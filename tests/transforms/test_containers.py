"""Containers of coefficients in the rest of the ecosystem: files, loaders, Lightning, pytrees, replicas."""

import copy
import io
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from lightning.fabric.plugins.precision.amp import MixedPrecision
from lightning.fabric.plugins.precision.half import HalfPrecision
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor
from torch.nn.parallel import scatter_gather
from torch.utils import _pytree as pytree

from subband.transforms import Coeffs, DTCWTCoeffs, SeparableCoeffs, dtcwt2, fswavedecn, wavedec, wavedec2, wavedecn

TAPS = ([0.5, 0.5], [-0.5, 0.5], [1.0, 1.0], [1.0, -1.0])
Case = Callable[..., AbstractContextManager[None]]


def made_of(x: Tensor) -> dict[str, Any]:
    """One container of every kind, of `(B, 4, 8, 9)`."""
    return {
        "wavedec": wavedec(x),
        "wavedec2": wavedec2(x, "haar", level=2),
        "wavedec2 of taps": wavedec2(x, TAPS, ("zero", "per"), level=1),
        "wavedecn": wavedecn(x, axes=(1, 2, 3)),
        "details": wavedec2(x)[1],
        "dtcwt2": dtcwt2(x, level=2),
        "fswavedecn": fswavedecn(x, "haar", axes=(2, 3)),
    }


@pytest.fixture
def x(rng: torch.Generator) -> Tensor:
    return torch.randn(2, 4, 8, 9, generator=rng)


def assert_same(ours: Any, expected: Any) -> None:
    (leaves, spec), (wanted, wanted_spec) = pytree.tree_flatten(ours), pytree.tree_flatten(expected)
    assert type(ours) is type(expected)
    assert spec == wanted_spec
    torch.testing.assert_close(leaves, wanted)


def test_files_copies_and_pickles(x: Tensor, case: Case) -> None:
    for name, container in made_of(x).items():
        with case(name):
            file = io.BytesIO()
            torch.save({"coeffs": container}, file)
            file.seek(0)
            assert_same(torch.load(file)["coeffs"], container)
            for again in (copy.copy(container), copy.deepcopy(container), pickle.loads(pickle.dumps(container))):
                assert_same(again, container)
            assert container == container
            assert container != copy.copy(container)
            assert len({container, copy.copy(container)}) == 2
            assert len(repr(container)) < 400


def test_samples_become_batches(x: Tensor, case: Case) -> None:
    samples = [made_of(sample) for sample in x[:, None]]
    for name, batch in torch.utils.data.default_collate(samples).items():
        with case(name):
            whole = made_of(x)[name]
            leaves = [leaf.squeeze(1) for leaf in pytree.tree_leaves(batch)]
            assert_same(pytree.tree_unflatten(leaves, pytree.tree_structure(batch)), whole)
            pinned = pytree.tree_map_only(Tensor, lambda t: t + 1, whole)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Tensor, "pin_memory", lambda t, *_: t + 1)
                assert_same(torch.utils.data._utils.pin_memory.pin_memory(whole), pinned)
    with pytest.raises(ValueError, match="Coeffs of one batch must agree in wavelet, mode, axes and sizes"):
        torch.utils.data.default_collate([wavedec(x, "haar", level=1), wavedec(x, "db2", level=1)])


def test_conversion_by_itself_and_by_lightning(x: Tensor, case: Case) -> None:
    for name, container in made_of(x).items():
        with case(name):
            leaves = pytree.tree_leaves(container)
            wanted = [torch.complex64 if leaf.is_complex() else torch.bfloat16 for leaf in leaves]
            for half in (container.to(torch.bfloat16), HalfPrecision("bf16-true").convert_input(container)):
                assert [leaf.dtype for leaf in pytree.tree_leaves(half)] == wanted
                assert pytree.tree_structure(half) == pytree.tree_structure(container)
            single = MixedPrecision("bf16-mixed", "cpu").convert_output(half)
            assert [leaf.dtype for leaf in pytree.tree_leaves(single)] == [leaf.dtype for leaf in leaves]
            double = [leaf.dtype for leaf in pytree.tree_leaves(container.to("cpu", torch.float64))]
            assert double == [torch.complex128 if leaf.is_complex() else torch.float64 for leaf in leaves]
            for moved in (container.to("meta"), move_data_to_device(container, torch.device("meta"))):
                assert {leaf.device.type for leaf in pytree.tree_leaves(moved)} == {"meta"}
            taped = pytree.tree_map(lambda leaf: leaf.clone().requires_grad_(), container)
            assert not any(leaf.requires_grad for leaf in pytree.tree_leaves(taped.detach()))


def test_pytrees(x: Tensor, case: Case) -> None:
    for name, container in made_of(x).items():
        with case(name):
            text = pytree.treespec_dumps(pytree.tree_structure(container))
            assert pytree.treespec_loads(text) == pytree.tree_structure(container)
            doubled = torch.func.vmap(lambda one: pytree.tree_map(lambda leaf: 2 * leaf, one))(container)
            value, tangent = torch.func.jvp(lambda one: pytree.tree_map(torch.neg, one), (container,), (doubled,))
            assert_same(tangent, pytree.tree_map(lambda leaf: 2 * leaf, value))
            keys = [pytree.keystr(path) for path, _ in pytree.tree_flatten_with_path(container)[0]]
            assert len(set(keys)) == len(pytree.tree_leaves(container))


def test_replicas_are_gathered(x: Tensor, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    class JoinedOnCPU:
        @staticmethod
        def apply(_: int, dim: int, *tensors: Tensor) -> Tensor:
            return torch.cat(tensors, dim)

    monkeypatch.setattr(scatter_gather, "Gather", JoinedOnCPU)
    for name, whole in made_of(x).items():
        with case(name):
            gathered = scatter_gather.gather([made_of(x[:1])[name], made_of(x[1:])[name]], 0)
            assert_same(gathered, whole)


def test_parts_can_be_unpacked(x: Tensor) -> None:
    low, (fine, coarse) = dtcwt2(x, level=2)
    assert (low.shape[-1], fine.shape[-1], coarse.shape[-1]) == (6, 5, 3)
    first, *others = fswavedecn(x, axes=(2, 3), levels=1)
    assert first.shape == (2, 4, 4, 5)
    assert len(others) == 3
    assert [type(made).__name__ for made in (Coeffs(low), DTCWTCoeffs(low), SeparableCoeffs(low))] == [
        "Coeffs",
        "DTCWTCoeffs",
        "SeparableCoeffs",
    ]
