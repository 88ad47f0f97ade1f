import pytest
import torch

from subband.data import PairData, PairSpec
from subband.data.restoration.paired_clips import NoPairs


def test_shapes_and_the_frames_that_count():
    spec = PairSpec(frames=7, height=8, width=12, scale=2, past_frames=2, future_frames=1)
    assert spec.in_shape == (7, 3, 8, 12)
    assert spec.target_shape == (4, 3, 16, 24)
    assert spec.with_targets(torch.arange(7)).tolist() == [2, 3, 4, 5]
    varying = PairSpec(frames=None, height=None, width=8)
    assert varying.target_shape == (None, 3, None, 8)
    assert varying.with_targets(torch.arange(3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": 0}, "frames must be at least 1"),
        ({"scale": 0}, "scale must be at least 1"),
        ({"past_frames": -1}, "must not be negative"),
        ({"past_frames": 3, "future_frames": 2}, "5 frames with 3 past_frames and 2 future_frames leave none"),
    ],
)
def test_impossible_shapes(values, message):
    with pytest.raises(ValueError, match=message):
        PairSpec(**({"frames": 5, "height": 8, "width": 8} | values))


def test_splits_have_one_scale_and_one_context():
    same = PairSpec(frames=5, height=8, width=8)
    other = PairSpec(frames=None, height=None, width=None, past_frames=1)
    with pytest.raises(ValueError, match="pairs of the val split are"):
        PairData(NoPairs(same), NoPairs(other), NoPairs(same), same)
    with pytest.raises(ValueError, match="pairs of the test split are"):
        PairData(NoPairs(other), NoPairs(other), NoPairs(same), other)
    PairData(NoPairs(same), NoPairs(same), NoPairs(other), same)  # of a test clip fewer frames may count


def test_values_beyond_the_range_are_warned_about():
    pairs = NoPairs(PairSpec(frames=1, height=2, width=2))
    with pytest.warns(UserWarning, match=r"degraded frames lie in \[0, 255\]"):
        pairs.check_batch(([torch.tensor([0.0, 255.0])], [torch.zeros(2)]))
    with pytest.raises(ValueError, match="nothing to train on"):
        len(pairs)
