"""Attention over time against its equation, one pixel at a time."""

import pytest
import torch

from subband.models.wast.temporal_attention import TemporalAttention


def reference(layer: TemporalAttention, x: torch.Tensor) -> torch.Tensor:
    num_frames, heads = layer.num_frames, layer.num_heads
    output = torch.empty_like(x)
    for b in range(x.shape[0]):
        for y in range(x.shape[2]):
            for z in range(x.shape[3]):
                tokens = x[b, :, y, z].view(-1, num_frames).T + layer.positions  # (T, D)
                mixed = []
                for q, k, v in zip(*(part.chunk(heads, 1) for part in layer.qkv(tokens).chunk(3, 1)), strict=True):
                    mixed.append((q @ k.T / q.shape[1] ** 0.5).softmax(-1) @ v)
                output[b, :, y, z] = layer.project(torch.cat(mixed, 1)).T.flatten()
    return output


@pytest.mark.parametrize(("dim", "heads"), [(8, 4), (6, 1), (5, 5)])
def test_matches_the_equation(rng, dim, heads):
    layer = TemporalAttention(dim, num_frames=3, num_heads=heads)
    layer.positions.data.normal_(generator=rng)
    x = torch.randn(2, 3 * dim, 2, 3, generator=rng)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), reference(layer, x), rtol=0, atol=1e-5)


def test_time_matters_only_through_positions(rng):
    layer = TemporalAttention(4, num_frames=5, num_heads=2)
    order = torch.randperm(5, generator=rng)
    x = torch.randn(1, 20, 2, 2, generator=rng)
    permuted = x.unflatten(1, (4, 5))[:, :, order].flatten(1, 2)
    expected = layer(x).unflatten(1, (4, 5))[:, :, order].flatten(1, 2)
    assert not torch.allclose(layer(permuted), expected, atol=1e-6)
    layer.positions.data.zero_()
    expected = layer(x).unflatten(1, (4, 5))[:, :, order].flatten(1, 2)
    torch.testing.assert_close(layer(permuted), expected, rtol=0, atol=1e-6)


def test_heads_must_divide():
    with pytest.raises(ValueError, match="num_heads must divide the 6 channels"):
        TemporalAttention(6, num_frames=2)
