"""Crops of people: normalized after they were cut, with the published numbers as defaults."""

import pytest
import torch

from subband.data.pose.preprocessing import PosePreprocessing


def test_what_lies_outside_is_black_before_it_is_normalized():
    prepare = PosePreprocessing(size=(64, 48))
    crop = prepare(torch.ones(2, 3, 40, 30), (0.0, 0.0, 30.0, 40.0))
    assert crop.shape == (2, 3, 64, 48)
    mean, std = torch.tensor(prepare.mean), torch.tensor(prepare.std)
    torch.testing.assert_close(crop[1, :, 0, 0], -mean / std)
    torch.testing.assert_close(crop[1, :, 32, 24], (1 - mean) / std)


def test_padding_and_convention():
    box = (0.0, 0.0, 30.0, 40.0)
    assert PosePreprocessing(padding=1.0).frame(box).sides == (30.0, 40.0)
    assert PosePreprocessing().frame(box) == ((15.0, 20.0), (37.5, 50.0))
    image = torch.rand(3, 40, 30, generator=torch.Generator().manual_seed(0))
    crops = [PosePreprocessing(size=(64, 48), convention=name)(image, box) for name in ("udp", "classic")]
    assert not crops[0].equal(crops[1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": (0, 48)}, "size must be"),
        ({"padding": 0.0}, "positive"),
        ({"std": (1.0, 0.0, 1.0)}, "positive"),
        ({"convention": "coco"}, "convention must be udp or classic"),
    ],
)
def test_fields_out_of_range(fields, message):
    with pytest.raises(ValueError, match=message):
        PosePreprocessing(**fields)


def test_plain_values_and_back():
    prepare = PosePreprocessing(size=(96, 72), convention="classic", padding=1.1)
    stored = {key: list(value) if isinstance(value, tuple) else value for key, value in prepare.to_dict().items()}
    assert PosePreprocessing.from_dict(stored) == prepare
    with pytest.raises(ValueError, match="x, y, width, height with positive sides"):
        prepare.frame((3.0, 3.0, 3.0, 9.0))
