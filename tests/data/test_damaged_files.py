"""One bad file costs its samples, not the run: they are left out, counted and named, in worker processes too."""

import warnings

import pytest
import torch

from subband.data import SampleLoader
from subband.data.labelled.folder import image_folder
from subband.data.loader import check_readable
from subband.data.video.folder import VideoClips, find_videos, video_folder
from subband.media.images import write_image


@pytest.fixture
def images(tmp_path):
    """Twelve training and six test images; one of each is cut off, one is a text, one is empty."""
    for split, count in (("train", 12), ("val", 6)):
        for number in range(count):
            folder = tmp_path / "images" / split / ("cat", "dog")[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            write_image(folder / f"{number}.png", torch.rand(3, 20, 24))
    train, val = tmp_path / "images" / "train", tmp_path / "images" / "val"
    for path in (train / "cat" / "4.png", val / "dog" / "3.png"):
        path.write_bytes(path.read_bytes()[:400])
    (train / "dog" / "5.png").write_bytes(b"")
    (val / "cat" / "2.png").write_text("no image")
    return image_folder(path=str(tmp_path / "images"), img_size=8, val_fraction=0.2)


def batches(dataset, **options):
    options = {"shuffle": False, "drop_last": False, "seed": 0} | options
    loader = SampleLoader(dataset, 2, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = list(loader)
    return found, [str(item.message) for item in caught], loader


def test_bad_images_are_left_out_of_a_test_and_stand_ins_keep_training_batches_full(images):
    known = None
    for num_workers in (0, 2):
        found, said, loader = batches(images.test, num_workers=num_workers)
        assert [len(labels) for _, labels in found] == [1, 2, 1]
        assert torch.cat([labels for _, labels in found]).tolist() == [0, 0, 1, 1]
        assert sorted(loader.left_out) == [1, 4]
        assert len(said) == 1
        assert said[0].startswith("left out 2 of 6 samples: ")
        assert "cat/2.png cannot be read as an image" in said[0]
        assert "dog/3.png cannot be read as an image" in said[0]
        found, said, _ = batches(images.train, num_workers=num_workers, shuffle=True, drop_last=True)
        assert all(len(labels) == 2 for _, labels in found)
        assert len(found) == len(images.train) // 2
        assert [message.partition(":")[0] for message in said] == [
            "left out 2 of 10 samples, which others stand in for"
        ]
        inputs = torch.cat([inputs for inputs, _ in found])
        known = inputs if known is None else known
        assert torch.equal(inputs, known)
    # The rest of an epoch is the same after a restart.
    restored = SampleLoader(images.train, 2, shuffle=True, drop_last=True, seed=0)
    restored.load_state_dict({"epoch": 0, "batches": 2})
    with pytest.warns(UserWarning, match="left out"):
        assert torch.equal(torch.cat([inputs for inputs, _ in restored]), known[4:])


def test_data_of_which_nothing_is_left_is_refused(images, tmp_path):
    for path in (tmp_path / "images").rglob("*.png"):
        path.write_bytes(b"\x89PNG nothing")
    for num_workers in (0, 1):
        with pytest.raises(ValueError, match=r"none of 6 samples can be read: .*0.png"):
            batches(images.test, num_workers=num_workers)
        with pytest.raises(ValueError, match=r"too many samples cannot be read, among them: .*png") as refused:
            batches(images.train, num_workers=num_workers, drop_last=True)
        assert "Traceback" not in str(refused.value)


class Wrong:
    def __len__(self):
        return 4

    def __getitem__(self, key):
        raise TypeError("the wrong setting.")


def test_other_errors_of_a_worker_come_without_its_traceback():
    with pytest.raises(TypeError, match=r"^the wrong setting\.$"):
        batches(Wrong(), num_workers=1)


def test_a_frame_of_another_size_costs_the_clips_it_is_in(tmp_path):
    for number in range(3):
        folder = tmp_path / "clips" / f"clip{number}"
        folder.mkdir(parents=True)
        for frame in range(12):
            odd = number == 1 and frame == 7
            write_image(folder / f"{frame:02d}.png", torch.full((3, 16, 20 if odd else 16), frame / 12))
    data = video_folder(path=str(tmp_path / "clips"), in_frames=2, out_frames=2, img_size=8)
    (split,) = [name for name in ("train", "val", "test") if getattr(data, name).videos[0].path.name == "clip1"]
    clips = getattr(data, split)
    if split == "train":
        found, said, _ = batches(clips, drop_last=True)
        assert all(len(inputs) == 2 for inputs, _ in found)
        assert "samples, which others stand in for" in said[0]
    else:
        found, said, _ = batches(clips)
        assert sum(len(inputs) for inputs, _ in found) == 2
        assert said[0].startswith("left out 1 of 3 samples: ")
    assert "07.png is 20 x 16 pixels but the first frame of its folder is 16 x 16" in said[0]
    options = {"stride": 1, "fit": "crop", "clips_per_video": None, "in_memory": True}
    with pytest.warns(UserWarning, match=r"left out 1 of 3 videos: .*07.png is 20 x 16"):
        assert len(VideoClips(find_videos(tmp_path / "clips", 4), data.spec, **options)) == 6


def test_data_of_which_nothing_can_be_read_is_known_before_it_is_needed(images, tmp_path):
    check_readable(images.test, "test")
    for path in (tmp_path / "images" / "val").rglob("*.png"):
        path.write_bytes(b"\x89PNG nothing")
    with pytest.raises(ValueError, match=r"^none of 6 test samples can be read: .*0.png cannot be read as an image"):
        check_readable(images.test, "test")
