import numpy as np
import pytest
import torch
from PIL import Image

from subband.data import build_data
from subband.data.video.kth import clip_starts


def write_sequence(root, action, person, numbers):
    folder = root / "kth" / action / f"person{person:02d}_{action}_d1_uncomp"
    folder.mkdir(parents=True)
    for number in numbers:
        value = np.full((120, 160, 3), (person * 5 + number) % 256, dtype=np.uint8)
        value[..., 1:] = 0  # only the first channel counts
        value[:60] //= 2
        Image.fromarray(value).save(folder / f"image_{number:04d}.jpg", quality=100, subsampling=0)


@pytest.fixture
def root(tmp_path):
    for action in ("boxing", "handclapping", "handwaving", "walking", "jogging", "running"):
        for person in (1, 14, 15, 17):
            write_sequence(tmp_path, action, person, range(1, 8))
    return tmp_path


def test_persons_are_split_and_fast_actions_overlap(root):
    data = build_data("kth", {"root": str(root), "in_frames": 2, "out_frames": 2}, 0)
    # 7 frames, clips of 4: one clip of a slow action, two of a fast one; persons 1 and 14, 15, 17.
    assert (len(data.train), len(data.val), len(data.test)) == (16, 8, 8)
    persons = [{int(clip.folder.name[6:8]) for clip in split.clips} for split in (data.train, data.val, data.test)]
    assert persons == [{1, 14}, {15}, {17}]
    assert [clip.start for clip in data.test.clips] == [4] * 4 + [4, 1] * 2


def test_frames_are_the_first_channel_resized(root):
    data = build_data("kth", {"root": str(root), "in_frames": 2, "out_frames": 2}, 0)
    inputs, targets = data.test[0]
    assert inputs.shape == targets.shape == (2, 1, 128, 128)
    bottom = torch.cat([inputs, targets])[:, 0, 100, 50] * 255
    torch.testing.assert_close(bottom, torch.arange(4, 8) + 85.0, atol=2.5, rtol=0)  # JPEG keeps red to about 2
    torch.testing.assert_close(inputs[0, 0, 10, 50] * 255, torch.tensor(44.0), atol=2.5, rtol=0)
    assert torch.equal(data.test[8][0], inputs)


@pytest.mark.parametrize(
    ("numbers", "step", "starts"),
    [
        (range(1, 10), 3, [7, 4, 1]),
        (range(1, 10), 1, [7, 6, 5, 4, 3, 2, 1]),
        ([1, 2, 3, 4, 10, 11, 12], 3, [10, 2]),
        ([1, 2, 10, 11], 3, []),
        ([], 3, []),
    ],
)
def test_clips_have_no_gap(numbers, step, starts):
    assert clip_starts(list(numbers), 3, step) == starts


def test_missing_folders_are_named(root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"KTH folder not found: looked for .*nowhere/kth"):
        build_data("kth", {"root": str(tmp_path / "nowhere")}, 0)
    (root / "kth" / "walking").rename(root / "kth" / "strolling")
    with pytest.raises(FileNotFoundError, match="KTH action 'walking' not found"):
        build_data("kth", {"root": str(root)}, 0)


def test_a_split_without_clips_is_an_error(root):
    with pytest.raises(ValueError, match="holds no clip of 30 frames for the train split"):
        build_data("kth", {"root": str(root)}, 0)


def test_files_that_are_no_images_are_named(root):
    data = build_data("kth", {"root": str(root), "in_frames": 2, "out_frames": 2}, 0)
    path = data.test.clips[0].path(1)
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"image_0005.jpg cannot be read as an image"):
        data.test[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"frame not found: .*image_0005.jpg"):
        data.test[0]
