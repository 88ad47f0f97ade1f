import warnings

import pytest
import torch

from subband.data import ClipSpec, build_data
from subband.data.video.folder import Video, VideoClips, find_videos, read_fitted, split_videos, video_folder
from subband.media.video import write_clip as write_into_folder

ARGS = {"in_frames": 2, "out_frames": 1, "img_size": 8}


def write_clip(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_into_folder(path, frames)


def numbered(num_frames, height=8, width=12, offset=0):
    """Frames that are flat and whose brightness is their number over 100."""
    return ((torch.arange(num_frames) + offset) / 100).view(-1, 1, 1, 1).expand(-1, 3, height, width)


def numbers(clip):
    return (clip.mean((1, 2, 3)) * 100).round().int().tolist()


@pytest.fixture
def folder(tmp_path):
    """Eight frame folders of 9 frames; video k has the brightness 10k + frame number."""
    for index in range(8):
        write_clip(tmp_path / "videos" / f"v{index}", numbered(9, offset=10 * index))
    return tmp_path / "videos"


def test_whole_videos_are_split(folder):
    data = build_data("video_folder", {"path": str(folder), "fractions": [0.5, 0.25, 0.25], **ARGS}, 0)
    names = [{video.path.name for video in split.videos} for split in (data.train, data.val, data.test)]
    assert [len(part) for part in names] == [4, 2, 2]
    assert len(set.union(*names)) == 8
    assert data.spec.in_shape == (2, 3, 8, 8)


def test_split_depends_on_names_only(folder, tmp_path):
    write_clip(tmp_path / "again" / "x", numbered(4))  # made in another order, with other contents
    for index in reversed(range(8)):
        write_clip(tmp_path / "moved" / f"v{index}", numbered(5))
    splits = [split_videos(place, 3) for place in (folder, tmp_path / "moved")]
    for name in ("train", "val", "test"):
        assert [video.path.name for video in splits[0][name]] == [video.path.name for video in splits[1][name]]


def test_named_folders_win(tmp_path):
    for name, count in (("train", 1), ("val", 2), ("test", 3)):
        for index in range(count):
            write_clip(tmp_path / name / f"{name}{index}", numbered(4))
    data = build_data("video_folder", {"path": str(tmp_path), **ARGS}, 0)
    for name in ("train", "val", "test"):
        assert all(video.path.name.startswith(name) for video in getattr(data, name).videos)
    assert [len(data.train), len(data.val), len(data.test)] == [10, 2, 3]


def test_all_three_named_folders_or_none(tmp_path):
    write_clip(tmp_path / "train" / "a", numbered(4))
    with pytest.raises(ValueError, match=r"has the folder train/ but not test, val/; give all three or none"):
        build_data("video_folder", {"path": str(tmp_path), **ARGS}, 0)


@pytest.mark.parametrize("in_memory", [False, True])
def test_training_clips_start_anywhere_and_follow_the_key(folder, in_memory):
    args = {"path": str(folder), "stride": 2, "clips_per_video": 30, "in_memory": in_memory, **ARGS}
    train = build_data("video_folder", args, 0).train
    starts = {}
    for key in range(len(train)):
        clip = numbers(torch.cat(train[key]))
        assert clip == [clip[0], clip[0] + 2, clip[0] + 4]
        starts.setdefault(clip[0] // 10, set()).add(clip[0] % 10)
    assert len(starts) == 6
    assert all(found == {0, 1, 2, 3, 4} for found in starts.values())
    assert torch.equal(train[7][0], train[7][0])
    epochs = [[numbers(train[key + epoch * len(train)][0]) for key in range(30)] for epoch in range(2)]
    assert epochs[0] != epochs[1]
    other = build_data("video_folder", args, 1).train
    assert [numbers(other[key][0]) for key in range(30)] != epochs[0]


@pytest.mark.parametrize("in_memory", [False, True])
def test_varied_clips_are_cut_out_enlarged_mirrored_turned_and_repeated(tmp_path, in_memory):
    frames = torch.zeros(3, 3, 32, 32)
    frames[:, 0] = torch.linspace(0, 1, 32)  # red grows to the right
    frames[:, 1] = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1)  # green with time
    for name in "abc":
        write_clip(tmp_path / name, frames)
    args = {"path": str(tmp_path), "clips_per_video": 60, "augment": True, "in_memory": in_memory, **ARGS}
    data = build_data("video_folder", {**args, "img_size": 16}, 0)
    clips = torch.stack([torch.cat(data.train[key]) for key in range(60)])
    assert clips.shape == (60, 3, 3, 16, 16)
    slopes = clips[:, :, 0].diff(dim=-1).mean((1, 2, 3)) * 31  # of one pixel of the video
    assert {slope > 0 for slope in slopes.tolist()} == {True, False}
    assert 0.95 < slopes.abs().min() < 1.1 < 1.9 < slopes.abs().max() < 2.05
    turned = clips[:, 0, 1, 0, 0] > clips[:, 2, 1, 0, 0]
    assert 10 < turned.sum() < 50
    repeated = (clips[:, 1:] == clips[:, :-1]).flatten(2).all(-1).any(1)
    assert 5 < repeated.sum() < 28
    assert torch.equal(torch.cat(data.train[7]), clips[7])
    scored = torch.cat(data.test[0])
    assert scored[0, 0].diff(dim=-1).mean() > 0
    assert scored[0, 1].mean() < scored[2, 1].mean()


def test_scored_clips_do_not_overlap_and_are_complete(folder):
    data = build_data("video_folder", {"path": str(folder), **ARGS}, 0)
    clips = [numbers(torch.cat(sample)) for sample in data.test]
    tens = clips[0][0] // 10 * 10
    assert clips == [[tens + 3 * index + frame for frame in range(3)] for index in range(3)]


def test_crop_keeps_the_middle_and_stretch_keeps_everything(tmp_path):
    frames = torch.zeros(3, 3, 16, 40)
    frames[..., 12:28] = 1  # the middle square
    write_clip(tmp_path / "v", frames)
    video = Video(tmp_path / "v", 3, 16, 40)
    spec = ClipSpec(in_frames=2, out_frames=1, channels=1, height=16, width=16)
    cropped = read_fitted(video, spec, 0, 3, 1, "crop")
    torch.testing.assert_close(cropped, torch.ones(3, 1, 16, 16))
    stretched = read_fitted(video, spec, 0, 3, 1, "stretch")
    torch.testing.assert_close(stretched.mean(), torch.tensor(16 / 40), atol=0.01, rtol=0)
    small = read_fitted(video, ClipSpec(in_frames=2, out_frames=1, channels=3, height=8, width=4), 0, 3, 1, "crop")
    torch.testing.assert_close(small, torch.ones(3, 3, 8, 4))


def test_long_videos_are_decoded_in_parts(folder, monkeypatch):
    monkeypatch.setattr("subband.data.video.folder._FRAMES_AT_ONCE", 4)
    spec = ClipSpec(in_frames=2, out_frames=1, channels=3, height=8, width=8)
    options = {"stride": 1, "fit": "crop", "clips_per_video": None}
    videos = find_videos(folder, 3)
    kept, read = (VideoClips(videos, spec, in_memory=is_kept, **options) for is_kept in (True, False))
    assert [numbers(torch.cat(kept[key])) for key in range(24)] == [numbers(torch.cat(read[key])) for key in range(24)]


def test_unusable_files_are_named(folder):
    pytest.importorskip("av")
    (folder / "empty.mp4").touch()
    (folder / "fake.avi").write_bytes(b"not a video at all" * 50)
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.mp4").touch()
    write_clip(folder / "short", numbered(2))
    write_clip(folder / "good.mp4", numbered(9, 16, 16))
    whole = (folder / "good.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match="left out 5 of 14") as caught:
        videos = find_videos(folder, 3)
    assert len(videos) == 9
    message = str(caught[0].message)
    for name in ("empty.mp4", "fake.avi", "notes.txt", "short has 2 frames, 3 are needed", "cut.mp4"):
        assert name in message
    assert ".hidden" not in message


def test_nothing_usable_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"holds no usable video$"):
        find_videos(tmp_path, 3)
    write_clip(tmp_path / "short", numbered(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"holds no usable video: .*short has 2 frames"):
            find_videos(tmp_path, 3)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"stride": 0}, ValueError, "stride and clips_per_video"),
        ({"fit": "zoom"}, ValueError, "fit must be 'crop' or 'stretch'"),
        ({"fractions": [0.5, 0.5]}, ValueError, "fractions must be three"),
        ({"fractions": [0.5, 0.6, -0.1]}, ValueError, "fractions must be three"),
        ({"path": "nowhere"}, FileNotFoundError, "video folder not found: nowhere"),
        ({"out_frames": 8}, ValueError, "holds no usable video"),
    ],
)
def test_mistakes_are_named(folder, changes, error, message):
    with pytest.raises(error, match=message):
        video_folder(**{"path": str(folder), **ARGS, **changes})


def test_two_videos_are_too_few(tmp_path):
    for name in ("a", "b"):
        write_clip(tmp_path / name, numbered(4))
    with pytest.raises(ValueError, match="2 usable videos, three splits need at least 3"):
        build_data("video_folder", {"path": str(tmp_path), **ARGS}, 0)
