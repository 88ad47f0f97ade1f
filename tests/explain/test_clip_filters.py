"""The size of the filters of networks for clips, by frequency over time and space."""

import torch

import subband
from subband.explain.clip_filters import clip_filter_amplitudes


def network():
    return subband.create_model("freqpose", num_frames=5, channels=4, groups=2, img_size=(32, 32))


def test_what_a_filter_lets_through_is_found_at_its_frequencies():
    model = network()
    with torch.no_grad():
        weight = model.filters[1].filter.weight  # (2, C, T, rows, columns), zero frequencies first
        weight[:, :, 4] *= 3  # one cycle backwards in the time of the clip
        weight[1, :, :, 0, 0] = weight[0, :, :, 0, 0]  # as large a part that is imaginary
        weight[0, 0, 2, 3, 4] = 5  # at the distance 5 of the middle; 28 entries of the ring in all
    first, second, *others = clip_filter_amplitudes(model)
    assert [one.reduction for one in (first, second, *others)] == [4, 8, 16, 32]
    assert first.values.equal(torch.ones(5, 9))
    ratio = second.values / torch.tensor([1, 3, 1, 1, 1])[:, None]
    torch.testing.assert_close(ratio[:, 0], torch.full((5,), 2**0.5))
    torch.testing.assert_close(ratio[:4, 1:], torch.ones(4, 8))
    assert 1 < second.values[4, 5] < 1.2
    assert second.values[4, [1, 2, 3, 4, 6, 7, 8]].allclose(torch.ones(7))


def test_other_networks_have_none():
    assert clip_filter_amplitudes(torch.nn.Linear(1, 1)) == []
