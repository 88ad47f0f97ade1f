"""The containers of coefficients: PyWavelets' list, and a pytree."""

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from subband.transforms import Coeffs, Details, wavedec, wavedec2, wavedec3, wavedecn, waverec2


@pytest.fixture
def coeffs(rng: torch.Generator) -> Coeffs:
    return wavedec2(torch.randn(2, 3, 17, 14, generator=rng, dtype=torch.float64), "db2", "smooth", level=2)


def assert_same(ours: Coeffs, expected: Coeffs) -> None:
    assert (ours.wavelet, ours.mode, ours.axes, ours.sizes) == (
        expected.wavelet,
        expected.mode,
        expected.axes,
        expected.sizes,
    )
    torch.testing.assert_close(pytree.tree_leaves(ours), pytree.tree_leaves(expected))


def test_behaves_as_the_list_of_pywavelets(coeffs: Coeffs) -> None:
    assert len(coeffs) == 3
    assert coeffs.level == 2
    approx, coarse, fine = coeffs
    assert coeffs[0] is approx is coeffs.approx
    assert coeffs[-1] is fine is coeffs.details[1]
    assert coeffs[1:] == (coarse, fine)
    assert [tuple(item.d.shape[-2:]) for item in coeffs.details] == [(6, 5), (10, 8)]


def test_remembers_what_the_inverse_needs(coeffs: Coeffs) -> None:
    assert (coeffs.wavelet, coeffs.mode, coeffs.axes) == ("db2", "smooth", (-2, -1))
    assert coeffs.sizes == ((10, 8), (17, 14))
    other = wavedecn(torch.rand(9, 4, 8), ["db2", "haar"], ("zero", "periodic"), level=1, axes=(-1, 0))
    assert (other.wavelet, other.mode, other.axes) == (("db2", "haar"), ("zero", "periodic"), (-1, -3))
    assert other.sizes == ((8, 9),)


def test_details_of_two_axes_are_a_tuple_and_a_mapping(coeffs: Coeffs) -> None:
    details = coeffs[-1]
    horizontal, vertical, diagonal = details
    assert horizontal is details.h is details["da"] is details[0]
    assert vertical is details.v is details["ad"] is details[1]
    assert diagonal is details.d is details["dd"] is details[-1]
    assert len(details) == 3
    assert list(details.keys()) == ["ad", "da", "dd"]
    assert list(details.values()) == [vertical, horizontal, diagonal]
    assert dict(details.items()).keys() == {**details}.keys() == {"ad", "da", "dd"}
    assert "ad" in details
    assert "aa" not in details


def test_details_of_other_axes_are_a_dictionary(rng: torch.Generator) -> None:
    x = torch.randn(2, 8, 8, 8, generator=rng)
    details = wavedec3(x, level=1)[1]
    assert list(details) == list(details.keys()) == ["aad", "ada", "add", "daa", "dad", "dda", "ddd"]
    assert len(details) == 7
    assert list(wavedecn(x, level=1, axes=1)[1]) == ["d"]
    assert isinstance(wavedec(x, level=1)[1], Tensor)


def test_plain_structures(coeffs: Coeffs, rng: torch.Generator) -> None:
    plain = coeffs.to_list()
    assert [type(item) for item in plain] == [torch.Tensor, tuple, tuple]
    assert plain[1][0] is coeffs[1].h
    x = torch.randn(8, 8, 8, generator=rng)
    assert [type(item) for item in wavedecn(x, level=2).to_list()] == [torch.Tensor, dict, dict]
    assert [type(item) for item in wavedec(x, level=2).to_list()] == [torch.Tensor] * 3


def test_map_changes_the_details_only(coeffs: Coeffs) -> None:
    changed = coeffs.map(lambda band: 2 * band)
    assert changed.approx is coeffs.approx
    for ours, expected in zip(changed.details, coeffs.details, strict=True):
        for key, band in ours.items():
            assert torch.equal(band, 2 * expected[key])
    everything = coeffs.map_all(lambda band: 2 * band)
    torch.testing.assert_close(everything.inverse(), 2 * coeffs.inverse())
    assert torch.equal(wavedec(coeffs.approx, level=1).map(torch.neg)[1], -wavedec(coeffs.approx, level=1)[1])


def test_conversions(coeffs: Coeffs) -> None:
    single = coeffs.to(torch.float32)
    assert {band.dtype for band in pytree.tree_leaves(single)} == {torch.float32}
    assert single.sizes == coeffs.sizes
    assert {band.device.type for band in pytree.tree_leaves(coeffs.to("meta"))} == {"meta"}
    taped = coeffs.map_all(lambda band: band.requires_grad_())
    assert not any(band.requires_grad for band in pytree.tree_leaves(taped.detach()))


def test_stacked(coeffs: Coeffs, rng: torch.Generator) -> None:
    fine = coeffs.stacked(1)
    assert fine.shape == (2, 3, 3, 10, 8)
    for index, key in enumerate(("ad", "da", "dd")):
        assert torch.equal(fine[:, :, index], coeffs[-1][key])
    assert torch.equal(coeffs.stacked(2, stack=1), coeffs.stacked(2).transpose(1, 2))
    signal = wavedec(torch.randn(3, 8, generator=rng), level=2)
    assert torch.equal(signal.stacked(2), signal[1][:, None])
    for level in (0, 3):
        with pytest.raises(ValueError, match=rf"level must lie within 1 and 2, got {level}"):
            coeffs.stacked(level)


def test_repr_shows_shapes(coeffs: Coeffs) -> None:
    text = repr(coeffs.map(lambda band: None))  # type: ignore[arg-type,return-value]
    assert text.startswith("Coeffs((2, 3, 6, 5), {ad: None, da: None, dd: None}")
    assert repr(coeffs).endswith("wavelet='db2', mode='smooth', axes=(-2, -1), sizes=((10, 8), (17, 14)))")


def test_is_a_pytree(coeffs: Coeffs) -> None:
    leaves, spec = pytree.tree_flatten(coeffs)
    assert len(leaves) == 7
    assert hash(spec.context) == hash(pytree.tree_flatten(coeffs.map_all(torch.neg))[1].context)
    assert_same(pytree.tree_unflatten(leaves, spec), coeffs)
    assert_same(pytree.tree_map(torch.neg, coeffs), coeffs.map_all(torch.neg))
    paths = [pytree.keystr(path) for path, _ in pytree.tree_flatten_with_path(coeffs)[0]]
    assert paths[:2] == [".approx", ".details[0]['ad']"]
    assert pytree.treespec_loads(pytree.treespec_dumps(spec)) == spec


def test_copies_and_pickles(coeffs: Coeffs) -> None:
    assert_same(copy.deepcopy(coeffs), coeffs)
    assert_same(pickle.loads(pickle.dumps(coeffs)), coeffs)


def test_taps_are_remembered_and_serialized_as_numbers(rng: torch.Generator) -> None:
    s = 0.5**0.5
    taps = ([s, s], [-s, s], [s, s], [s, -s])
    x = torch.randn(5, 8, generator=rng, dtype=torch.float64)
    coeffs = wavedec2(x, taps, level=1)
    torch.testing.assert_close(coeffs.inverse(), x)
    _, spec = pytree.tree_flatten(coeffs)
    again = pytree.treespec_loads(pytree.treespec_dumps(spec))
    assert again == spec
    torch.testing.assert_close(pytree.tree_unflatten(pytree.tree_leaves(coeffs), again).inverse(), x)


def test_learnable_taps_are_not_remembered(rng: torch.Generator) -> None:
    s = 0.5**0.5
    taps = [torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in ([s, s], [-s, s], [s, s], [s, -s])]
    x = torch.randn(5, 7, generator=rng, dtype=torch.float64)
    coeffs = wavedec2(x, taps, level=2)
    assert coeffs.wavelet is None
    assert len(pytree.tree_leaves(coeffs)) == 7
    with pytest.raises(ValueError, match="wavelet must be given"):
        coeffs.inverse()
    y = waverec2(coeffs, taps)
    torch.testing.assert_close(y, x)
    grads = torch.autograd.grad(y.square().sum(), taps)
    assert all(grad.abs().sum() > 0 for grad in grads)


def test_vmap_keeps_sizes_and_axes(rng: torch.Generator) -> None:
    x = torch.randn(3, 9, 4, 7, generator=rng)
    coeffs = torch.vmap(lambda x: wavedec2(x, "db2", level=1, axes=(0, 2)))(x)
    assert_same(coeffs, wavedec2(x, "db2", level=1, axes=(1, 3)))
    assert torch.vmap(lambda coeffs: coeffs.inverse())(coeffs).shape == x.shape


class Halved(nn.Module):
    def forward(self, x: Tensor) -> Coeffs:
        return wavedec2(x, "haar", level=2).map(lambda band: 0.5 * band)


class Inverse(nn.Module):
    def forward(self, coeffs: Coeffs) -> Tensor:
        return coeffs.inverse()


def test_exported_programs_return_and_take_containers(rng: torch.Generator) -> None:
    x = torch.randn(1, 2, 7, 10, generator=rng)
    coeffs = Halved()(x)
    file = io.BytesIO()
    torch.export.save(torch.export.export(Halved(), (x,)), file)
    file.seek(0)
    assert_same(torch.export.load(file).module()(x), coeffs)
    inverse = torch.export.export(Inverse(), (coeffs,))
    torch.testing.assert_close(inverse.module()(coeffs), coeffs.inverse())


def test_exported_programs_do_not_remember_dynamic_sizes(rng: torch.Generator) -> None:
    height = 4 * torch.export.Dim("quarter", min=2, max=64)
    x = torch.randn(1, 2, 16, 10, generator=rng)
    program = torch.export.export(Halved(), (x,), dynamic_shapes=({2: height},)).module()
    other = torch.randn(1, 2, 24, 10, generator=rng)
    coeffs = program(other)
    assert coeffs.sizes == ((None, 5), (None, 10))
    torch.testing.assert_close(coeffs.inverse(), Halved()(other).inverse())


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [None, True])
def test_compiled_functions_return_and_take_containers(dynamic: bool | None, rng: torch.Generator) -> None:
    """Traced in full; what the compiler makes of one level is tested there."""
    torch._dynamo.reset()

    def decompose(x: Tensor) -> tuple[Coeffs, Coeffs]:
        batched = torch.vmap(lambda x: wavedec(x, level=1, axis=0))(x)
        return wavedec2(x, "haar", level=2).map(lambda band: 0.5 * band), batched

    def reconstruct(coeffs: Coeffs) -> Tensor:
        return coeffs.inverse()

    fast, fast_inverse = (
        torch.compile(function, fullgraph=True, dynamic=dynamic, backend="eager")
        for function in (decompose, reconstruct)
    )
    for shape in ((2, 3, 17, 14), (2, 4, 20, 23)):
        x = torch.randn(shape, generator=rng)
        for ours, expected in zip(fast(x), decompose(x), strict=True):
            assert_same(ours, expected)
        torch.testing.assert_close(fast_inverse(decompose(x)[0]), reconstruct(decompose(x)[0]))


def test_details_map() -> None:
    details = Details({"ad": torch.ones(2), "da": torch.ones(2), "dd": torch.ones(2)})
    assert [band.sum().item() for band in details.map(lambda band: 3 * band)] == [6.0, 6.0, 6.0]
