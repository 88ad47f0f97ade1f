import pytest
import torch

from subband.imaging import coefficient_mosaic, mosaic_layout
from subband.transforms import wavedec2
from subband.visual.mosaic import label_bands


@pytest.mark.parametrize("channels", [1, 3])
def test_names_stand_in_the_corners_and_nowhere_else(channels, rng):
    coeffs = wavedec2(torch.rand(channels, 128, 128, generator=rng), "haar", level=3)
    mosaic, (_, _, boxes) = coefficient_mosaic(coeffs), mosaic_layout(coeffs)
    labelled = label_bands(mosaic, boxes)
    assert labelled.shape == mosaic.shape
    changed = (labelled - mosaic).abs().amax(0) > 1 / 255
    for box in boxes:
        tile = changed[box.top : box.top + box.height, box.left : box.left + box.width]
        if box.level == 3:
            assert not tile.any(), "no room for a name"
        else:
            assert tile[: box.height // 2].any()
            assert not tile[box.height // 2 + 4 :].any()
