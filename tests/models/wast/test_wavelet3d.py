"""Learned down- and upsampling around the 3-D Haar transform."""

import itertools

import pytest
import torch

from subband.models.wast.wavelet3d import SubbandGate, WaveletEmbedding, WaveletReconstruction

OPTIONS = list(itertools.product(["LLL+LLH", "LLL"], ["thw", "hwt"]))


def haar3(x: torch.Tensor, axes: tuple[int, int, int]) -> list[torch.Tensor]:
    """Bands of `(B, C, T, H, W)` in the order LLL, LLH, ..., written out."""
    bands = [x]
    for axis in axes:
        pairs = [(part.unfold(axis, 2, 2)[..., 0], part.unfold(axis, 2, 2)[..., 1]) for part in bands]
        bands = [sign for even, odd in pairs for sign in ((even + odd) / 2**0.5, (even - odd) / 2**0.5)]
    return bands


@pytest.mark.parametrize(("carry", "subband_axes"), OPTIONS)
def test_embedding_uses_the_bands_it_names(rng, carry, subband_axes):
    layer = WaveletEmbedding(3, 2, carry=carry, subband_axes=subband_axes).eval()
    x, frames = torch.randn(1, 3, 4, 6, 8, generator=rng), torch.randn(1, 2, 4, 6, 8, generator=rng)
    axes = (2, 3, 4) if subband_axes == "thw" else (3, 4, 2)
    of_x, of_frames = haar3(layer.before(x), axes), haar3(frames, axes)
    carried = 2 if carry == "LLL+LLH" else 1
    embedded = layer(x, frames)
    kept = torch.stack(of_x[carried:], 1).movedim(2, -1)
    torch.testing.assert_close(embedded.kept, kept, rtol=0, atol=1e-5)
    torch.testing.assert_close(embedded.frames, torch.cat(of_frames[:carried], 2), rtol=0, atol=1e-5)
    by_last = torch.cat([torch.cat(of_frames[i::carried], 1) for i in range(carried)], 2)
    low = layer.after(torch.cat(of_x[:carried], 2)) + layer.frames(by_last)
    torch.testing.assert_close(embedded.low, low, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("carry", "subband_axes", "num_frames"),
    [*((*choice, 4) for choice in OPTIONS), ("LLL", "thw", 5), ("LLL", "hwt", 5)],
)
def test_reconstruction_inverts_the_transform(rng, carry, subband_axes, num_frames):
    embedding = WaveletEmbedding(3, 1, carry=carry, subband_axes=subband_axes).eval()
    embedding.before = torch.nn.Identity()
    x = torch.randn(2, 3, num_frames, 4, 6, generator=rng)
    embedded = embedding(x, x[:, :1])
    layer = WaveletReconstruction(3, carry=carry, subband_axes=subband_axes, gate="none")
    low, _ = embedding._split(embedding._analyze(x))
    layer.low = torch.nn.Identity()
    torch.testing.assert_close(layer(low, embedded.kept, num_frames), x, rtol=0, atol=1e-5)


def test_gates(rng):
    bands = torch.randn(2, 6, 3, 4, 4, 5, generator=rng)
    for kind, shape in (("scalar", (6, 1, 1, 1, 1)), ("channel", (6, 1, 1, 1, 5))):
        gate = SubbandGate(5, 6, kind)
        assert gate.factors.shape == shape
        torch.testing.assert_close(gate(bands), bands)
        gate.factors.data.normal_(generator=rng)
        torch.testing.assert_close(gate(bands), bands * gate.factors)
    assert SubbandGate(5, 6, "none")(bands) is bands


def test_convolution_gate_keeps_bands_apart(rng):
    gate = SubbandGate(5, 6, "conv").eval()
    bands = torch.randn(1, 6, 3, 4, 4, 5, generator=rng)
    changed = bands.clone()
    changed[:, 2] += 1
    difference = (gate(changed) - gate(bands)).abs().amax((0, 2, 3, 4, 5))
    assert (difference > 1e-3).tolist() == [False, False, True, False, False, False]
