import pytest
import torch

from subband.data import build_data
from subband.media.video import write_clip as write_into_folder

pytest.importorskip("av")

ARGS = {"in_frames": 2, "out_frames": 2, "img_size": 16}


def write_clip(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_into_folder(path, frames)


@pytest.fixture
def root(tmp_path):
    """Each split has two listed videos of twelve frames whose brightness is 20 times their number, and a lost one."""
    annotations = tmp_path / "kinetics400" / "annotations"
    annotations.mkdir(parents=True)
    frames = (torch.arange(12) * 20 / 255).view(-1, 1, 1, 1).expand(-1, 3, 16, 32)
    for split in ("train", "val", "test"):
        rows = [f"running,{split}{index},{index},{index + 10},{split}\n" for index in range(2)]
        (annotations / f"{split}.csv").write_text("label,youtube_id,time_start,time_end,split\n" + "".join(rows))
        for index in range(2):
            write_clip(tmp_path / "kinetics400" / split / f"{split}{index}_{index:06d}_{index + 10:06d}.mp4", frames)
    return tmp_path


def numbers(clip):
    return (clip.mean((1, 2, 3)) * 255 / 20).round().int().tolist()


def test_middle_clips_are_scored_and_random_ones_trained(root):
    data = build_data("kinetics", {"root": str(root), **ARGS}, 0)
    assert [len(data.train), len(data.val), len(data.test)] == [2, 2, 2]
    inputs, targets = data.val[1]
    assert inputs.shape == targets.shape == (2, 3, 16, 16)
    assert numbers(torch.cat([inputs, targets])) == [4, 5, 6, 7]
    starts = {numbers(data.train[key][0])[0] for key in range(60)}
    assert starts == set(range(9))
    assert torch.equal(data.train[5][0], data.train[5][0])


def test_lost_videos_are_counted(root):
    (root / "kinetics400" / "train" / "train1_000001_000011.mp4").unlink()
    with pytest.warns(UserWarning, match=r"1 of the 2 videos of .*train\.csv are not in"):
        data = build_data("kinetics", {"root": str(root), **ARGS}, 0)
    assert len(data.train) == 1
    (root / "kinetics400" / "train" / "train0_000000_000010.mp4").unlink()
    with pytest.raises(FileNotFoundError, match="none of the 2 videos"):
        build_data("kinetics", {"root": str(root), **ARGS}, 0)


def test_mistakes_are_named(root):
    data = build_data("kinetics", {"root": str(root), **ARGS, "stride": 4}, 0)
    with pytest.raises(ValueError, match=r"val0_000000_000010\.mp4 has 12 frames, too few for 4 at this stride"):
        data.val[0]
    with pytest.raises(FileNotFoundError, match=r"Kinetics folder not found: looked for .*kinetics600"):
        build_data("kinetics", {"root": str(root), "version": "600"}, 0)
    (root / "kinetics400" / "annotations" / "val.csv").write_text("id,start\na,1\n")
    with pytest.raises(ValueError, match=r"val\.csv must have the columns youtube_id, time_start, time_end"):
        build_data("kinetics", {"root": str(root), **ARGS}, 0)
