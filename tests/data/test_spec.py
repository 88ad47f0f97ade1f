import pytest
import torch

from subband.data import ClipSpec, check_range
from subband.data.spec import Clips, image_size


def spec(**changes):
    return ClipSpec(**({"in_frames": 2, "out_frames": 3, "channels": 2, "height": 4, "width": 6} | changes))


def test_shapes():
    assert spec().in_shape == (2, 2, 4, 6)
    assert spec().num_frames == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out_frames": 0}, "out_frames must be at least 1"),
        ({"data_range": (1.0, 0.0)}, "data_range"),
        ({"mean": (0.0, 0.0)}, "mean and std must be given together"),
        ({"mean": (0.0,), "std": (1.0, 1.0)}, "mean must hold one value per channel"),
        ({"mean": (0.0, 0.0), "std": (1.0, 0.0)}, "std must be positive"),
        ({"channel_groups": {"wind": (1, 2)}}, "wind"),
    ],
)
def test_impossible_specs(changes, message):
    with pytest.raises(ValueError, match=message):
        spec(**changes)


@pytest.mark.parametrize("value", [0, (8,), (8, 8, 8), (8, -1), (8.0, 8), "64"])
def test_impossible_image_sizes(value):
    with pytest.raises(ValueError, match="img_size"):
        image_size(value)


def test_range_check_names_the_fix():
    with pytest.warns(UserWarning, match=r"training inputs lie in \[0, 255\].*divide 8-bit frames by 255"):
        check_range(torch.tensor([0.0, 255.0]), spec(), "training inputs")


def test_range_check_accepts_what_was_declared(recwarn):
    check_range(torch.tensor([-0.005, 1.005]), spec(), "frames")
    check_range(torch.tensor([0.0, 255.0]), spec(data_range=(0.0, 255.0)), "frames")
    check_range(torch.tensor([-30.0, 30.0]), spec(data_range=None), "frames")
    assert not recwarn


def test_iteration_over_clips_ends_after_one_epoch():
    class Numbers(Clips):
        def __len__(self):
            return 3

        def __getitem__(self, key):
            return torch.tensor(key), torch.tensor(-key)

    assert [int(inputs) for inputs, _ in Numbers()] == [0, 1, 2]
