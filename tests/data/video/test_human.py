import numpy as np
import pytest
import torch
from PIL import Image

from subband.data import build_data


@pytest.fixture
def root(tmp_path):
    images = tmp_path / "human" / "images"
    images.mkdir(parents=True)
    for recording, name in enumerate(("S1_Walking.1", "S5_Eating.2", "S9_Posing.3")):
        for number in range(1, 45):
            pixels = np.empty((32, 32, 3), dtype=np.uint8)
            pixels[:] = (200 + recording, 3 * number, 10)
            Image.fromarray(pixels).save(images / f"{name}_{number:06d}.jpg", quality=100, subsampling=0)
    (tmp_path / "human" / "train.txt").write_text("S1_Walking.1,1\nS5_Eating.2,3\nS1_Walking.1,4\n")
    (tmp_path / "human" / "test.txt").write_text("S9_Posing.3,7\n\n")
    return tmp_path


def test_every_fifth_frame_of_the_listed_clips(root):
    data = build_data("human", {"root": str(root), "val_fraction": 0.5}, 0)
    assert [(clip.name[:2], clip.start) for clip in data.train.clips] == [("S1", 1), ("S1", 4)]
    assert [(clip.name[:2], clip.start) for clip in data.val.clips] == [("S5", 3)]
    inputs, targets = data.test[0]
    assert inputs.shape == targets.shape == (4, 3, 256, 256)
    numbers = torch.cat([inputs, targets]).mean((2, 3)) * 255
    torch.testing.assert_close(numbers[:, 1], 3.0 * torch.arange(7, 43, 5), atol=2.5, rtol=0)
    torch.testing.assert_close(numbers[:, 0], torch.full((8,), 202.0), atol=2.5, rtol=0)


def test_blue_green_red(root):
    args = {"root": str(root), "val_fraction": 0.5}
    rgb, bgr = (build_data("human", {**args, "bgr": is_bgr}, 0).test[0][0] for is_bgr in (False, True))
    assert torch.equal(rgb.flip(1), bgr)


def test_bad_lists_are_named(root):
    path = root / "human" / "train.txt"
    path.write_text("S1_Walking.1,1\nS5_Eating.2;3\n")
    with pytest.raises(ValueError, match=r"train\.txt, line 2: expected PREFIX,START, got 'S5_Eating.2;3'"):
        build_data("human", {"root": str(root)}, 0)
    path.write_text("\n")
    with pytest.raises(ValueError, match=r"train\.txt lists no clip"):
        build_data("human", {"root": str(root)}, 0)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"Human3.6M list not found"):
        build_data("human", {"root": str(root)}, 0)
