import numpy as np
import pytest
import torch

from subband.data import ClipSpec
from subband.data.dataset_files import existing, hold_out_last
from subband.data.video.series import SeriesClips

SPEC = ClipSpec(in_frames=2, out_frames=2, channels=3, height=4, width=5)


def clips(series, starts, **changes):
    options = {"in_offsets": (-3, 0), "out_offsets": (1, 4), "spec": SPEC} | changes
    return SeriesClips(series, np.array(starts), **options)


def test_offsets_choose_the_frames():
    series = np.random.default_rng(0).normal(size=(20, 3, 4, 5)).astype(np.float32)
    data = clips(series, [3, 9, 15])
    inputs, targets = data.batch([2, 3, 1])
    assert torch.equal(inputs, torch.from_numpy(series[[[12, 15], [0, 3], [6, 9]]]))
    assert torch.equal(targets, torch.from_numpy(series[[[16, 19], [4, 7], [10, 13]]]))
    assert torch.equal(data[2][1], targets[0])


def test_bytes_become_fractions_and_channels_turn_round():
    series = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), dtype=np.uint8)
    inputs, _ = clips(series, [3], channels_last=True, reverse_channels=True)[0]
    expected = torch.from_numpy(series[[0, 3]]).float().permute(0, 3, 1, 2).flip(1) / 255
    assert torch.equal(inputs, expected)


@pytest.mark.parametrize("starts", [[2], [16], [3, 16]])
def test_clips_beyond_the_series_are_refused(starts):
    with pytest.raises(ValueError, match="a clip reaches beyond the 20 frames"):
        clips(np.zeros((20, 3, 4, 5), np.float32), starts)


def test_other_shapes_and_empty_series_are_refused():
    with pytest.raises(ValueError, match=r"frames of the series are \(3, 4, 6\), expected \(3, 4, 5\)"):
        clips(np.zeros((20, 3, 4, 6), np.float32), [3])
    with pytest.raises(ValueError, match="5 frames are too few for a clip over 8"):
        clips(np.zeros((5, 3, 4, 5), np.float32), [])


def test_last_items_are_held_out_with_a_gap():
    for gap, num_train in ((0, 18), (3, 15)):
        train, val = hold_out_last(20, 0.1, gap)
        assert range(20)[train] == range(num_train)
        assert range(20)[val] == range(18, 20)
    for fraction in (0.0, 0.01, 1.0):
        with pytest.raises(ValueError, match="val_fraction"):
            hold_out_last(20, fraction)


def test_missing_paths_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"frames not found: looked for .*gone"):
        existing(tmp_path / "gone", "frames")
