"""The global path of fast Fourier convolutions against the published graph."""

import pytest
import torch

from published.fourier_convolution import SpectralTransform as Published
from subband.layers import SpectralTransform


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("with_local_unit", [False, True])
def test_published_graph(rng, stride, groups, with_local_unit, compare_layers):
    ours = SpectralTransform(6, 16, stride=stride, groups=groups, with_local_unit=with_local_unit)
    theirs = Published(6, 16, stride, groups, with_local_unit)
    theirs.load_state_dict(ours.state_dict())
    compare_layers(ours, theirs, torch.randn(3, 6, 12, 12, generator=rng))


def test_quarters_of_maps_that_are_not_square(rng):
    layer = SpectralTransform(8, 16).eval()
    x = torch.randn(2, 8, 6, 10, generator=rng)
    seen = []
    layer.lfu.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    assert layer(x).shape == (2, 16, 6, 10)
    part = layer.conv1(x)[:, :2]
    wanted = [part[..., :3, :5], part[..., 3:, :5], part[..., :3, 5:], part[..., 3:, 5:]]
    torch.testing.assert_close(seen[0], torch.cat(wanted, 1))


def test_errors():
    with pytest.raises(ValueError, match="stride must be 1 or 2, got 3"):
        SpectralTransform(4, 8, stride=3)
    with pytest.raises(ValueError, match="out_chans must be a positive multiple of 8, got 12"):
        SpectralTransform(4, 12)
    with pytest.raises(ValueError, match="out_chans must be a positive multiple of 2, got 3"):
        SpectralTransform(4, 3, with_local_unit=False)
    with pytest.raises(ValueError, match="needs maps with even sides, got 6x7"):
        SpectralTransform(4, 8)(torch.zeros(1, 4, 6, 7))
