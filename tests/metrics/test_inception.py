"""FID and KID: formulas by NumPy with features of our own, files by their sums, layers beside the packages'."""

import hashlib
import io
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from subband.metrics import InceptionDistances, InceptionFeatures, frechet_distance, kernel_distance
from subband.metrics import inception as module


class StandIn(nn.Module):
    """Eight features of an image; they are no Inception, whence the name of their distances."""

    suffix = "_none"

    def forward(self, images):
        pooled = F.adaptive_avg_pool2d(images, 2).flatten(1)
        return torch.cat((pooled, pooled.square()), 1)


def kernel_by_numpy(one, other):
    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    first, second, across = kernel(one, one), kernel(other, other), kernel(one, other)
    parts = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (first, second)]
    return parts[0] + parts[1] - 2 * across.mean()


def constant_state(network):
    """A state dict of small numbers of which a file holds one of each tensor, not all."""
    state = {}
    for index, (name, value) in enumerate(network.state_dict().items()):
        number = 1.0 if name.endswith("running_var") else 0.01 * (index % 7 - 2)
        state[name] = torch.full((), number, dtype=value.dtype).expand(value.shape)
    return state


def known_file(monkeypatch, path, network, build, suffix):
    """A file of the weights of `network` whose sum counts as known."""
    torch.save(constant_state(network), path)
    prefix = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(module, "_NETWORKS", {prefix: (build, suffix)})


def test_kernel_distance(rng, monkeypatch):
    one, other = (torch.randn(count, 6, generator=rng, dtype=torch.float64) for count in (30, 21))
    wanted = kernel_by_numpy(one.numpy(), other.numpy() + 0.3)
    monkeypatch.setattr(module, "_ROWS", 8)
    assert kernel_distance(one, other + 0.3).item() == pytest.approx(wanted, rel=1e-12)
    assert kernel_distance(one, other + 2) > kernel_distance(one, other + 1) > kernel_distance(one, other)


@pytest.mark.filterwarnings("ignore:.*images are few")
def test_distances_are_those_of_the_features(rng):
    real, drawn = torch.rand(40, 1, 4, 4, generator=rng), torch.rand(30, 1, 4, 4, generator=rng).square()
    metric, stand_in = InceptionDistances(StandIn()), StandIn()
    for batch in real.split(16):
        metric.update(batch, is_real=True)
    for batch in drawn.split(7):
        metric.update(stand_in(batch), is_real=False)  # features do as well
    found = metric.compute()
    assert set(found) == {"fid_none", "kid_none"}
    one, other = stand_in(real).double(), stand_in(drawn).double()
    covariances = [torch.from_numpy(np.cov(values.numpy().T)) for values in (one, other)]
    wanted = frechet_distance(one.mean(0), covariances[0], other.mean(0), covariances[1]).item()
    assert found["fid_none"] == pytest.approx(wanted, rel=1e-9)
    assert found["kid_none"] == pytest.approx(kernel_by_numpy(one.numpy(), other.numpy()), rel=1e-9)
    metric.reset()
    metric.update(drawn, is_real=False)
    with pytest.raises(ValueError, match="too few real images to compare, 0"):
        metric.compute()
    with pytest.raises(ValueError, match=r"images must be \(B, C, H, W\), or features"):
        metric.update(torch.rand(3), is_real=True)


def test_few_images_are_mentioned(rng):
    metric = InceptionDistances(StandIn())
    for is_real in (True, False):
        metric.update(torch.rand(12, 1, 4, 4, generator=rng), is_real=is_real)
    with pytest.warns(UserWarning, match=r"12 images are few for 8 features; FID is too large.*Give 40"):
        metric.compute()


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="inception_weights: no file"):
        InceptionFeatures(tmp_path / "pt_inception-2015-12-05-6726825d.pth")
    (tmp_path / "pt_inception-2015-12-05-6726825d.pth").write_bytes(b"another")
    with pytest.raises(ValueError, match=r"is neither pt_inception-.* its SHA-256 sum begins with ae448ac8$"):
        InceptionFeatures(tmp_path / "pt_inception-2015-12-05-6726825d.pth")
    assert sorted(module._NETWORKS) == ["0cc3c7bd", "6726825d"]


def test_the_package_that_is_missing_is_named(tmp_path, monkeypatch):
    known_file(monkeypatch, tmp_path / "weights.pth", nn.Linear(1, 1), module._ported_network, "")
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ModuleNotFoundError, match=r"FID needs the package torch-fidelity: pip install 'subband\[fid"):
        InceptionFeatures(tmp_path / "weights.pth")


def test_images_are_rounded_resized_and_shifted(rng, tmp_path, monkeypatch):
    known_file(monkeypatch, tmp_path / "weights.pth", nn.Linear(1, 1), lambda path: nn.Identity(), "")
    images = torch.rand(2, 1, 20, 30, generator=rng)
    found = InceptionFeatures(tmp_path / "weights.pth")(images).view(2, 3, 299, 299)
    bytes_ = (255 * images).round()[:, 0].double().numpy()
    places = [np.clip((np.arange(299) + 0.5) * side / 299 - 0.5, 0, side - 1) for side in (20, 30)]  # by hand
    below = [np.minimum(place.astype(int), side - 2) for place, side in zip(places, (20, 30), strict=True)]
    y, x = places[0] - below[0], places[1] - below[1]
    rows = bytes_[:, below[0]] * (1 - y)[:, None] + bytes_[:, below[0] + 1] * y[:, None]
    wanted = rows[:, :, below[1]] * (1 - x) + rows[:, :, below[1] + 1] * x
    for channel in range(3):
        torch.testing.assert_close(found[:, channel], torch.from_numpy(wanted / 127.5 - 1).float(), rtol=0, atol=2e-5)


def test_the_ported_network(rng, tmp_path, monkeypatch):
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    def network(weights):
        return FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=weights)

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with monkeypatch.context() as patched:
        patched.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        fresh = network(empty)
    # the names and sizes of the published file
    assert {"Conv2d_1a_3x3.conv.weight", "Mixed_7c.branch_pool.bn.running_var"} < set(fresh.state_dict())
    assert fresh.fc.weight.shape == (1008, 2048)
    path = tmp_path / "weights.pth"
    known_file(monkeypatch, path, fresh, module._ported_network, "")
    features = InceptionFeatures(path)
    assert features.suffix == ""
    pixels = torch.randint(0, 256, (1, 3, 299, 299), generator=rng, dtype=torch.uint8)
    # torch-fidelity shifts bytes by (u - 128) / 128, so only its layers can be compared
    (wanted,) = network(path)(pixels)
    torch.testing.assert_close(features.network((pixels.float() - 128) / 128).flatten(1), wanted)
    torch.save({"fc.weight": torch.zeros(1)}, path)
    prefix = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(module, "_NETWORKS", {prefix: (module._ported_network, "")})
    with pytest.raises(RuntimeError, match="Missing key"):
        InceptionFeatures(path)


def test_the_network_of_torchvision_gives_other_names(rng, tmp_path, monkeypatch):
    from torchvision.models import inception_v3

    full = inception_v3(weights=None, init_weights=False)
    known_file(monkeypatch, tmp_path / "weights.pth", full, module._torchvision_network, "_tv")
    features = InceptionFeatures(tmp_path / "weights.pth")
    assert features.suffix == "_tv"
    found = features(torch.rand(1, 3, 40, 40, generator=rng))
    assert found.shape == (1, 2048)
    assert found.isfinite().all()
