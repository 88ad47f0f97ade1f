"""Pairs on disk: how they are found, what is left out, crops, windows and the published layouts."""

import pytest
import torch

from subband.data import SampleLoader, build_data
from subband.data.restoration.paired_clips import window_starts
from subband.data.restoration.paired_files import find_pairs
from subband.data.spec import DamagedFileError
from subband.media import read_clip, write_clip
from subband.media.images import write_image


def write_frames(folder, frames, pattern="{:06d}.png", first=0):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        write_image(folder / pattern.format(first + number), frame)


def frames_of(rng, count=6, height=20, width=28):
    """Frames whose sharp version is their negative, so that a mismatch shows."""
    return torch.randint(0, 256, (count, 3, height, width), generator=rng) / 255


@pytest.fixture
def folder(tmp_path, rng):
    """Five clips in `blur/` and `sharp/`."""
    for number in range(5):
        frames = frames_of(rng, 4 + number)
        write_frames(tmp_path / "blur" / f"c{number}", frames)
        write_frames(tmp_path / "sharp" / f"c{number}", 1 - frames, first=7)
    return tmp_path


def negatives(pair, atol=1e-6):
    degraded, sharp = pair
    torch.testing.assert_close(degraded, 1 - sharp, atol=atol, rtol=0)


def test_crops_flips_and_turns_are_those_of_both_clips(folder):
    args = {"path": folder, "frames": 3, "crop": [12, 16], "reverse": True}
    data = build_data("paired_folder", args, 0)
    assert len(data.train) == sum(pair.num_frames for pair in data.train.pairs)
    seen = set()
    for key in range(60):
        pair = data.train[key]
        assert pair[0].shape == (3, 3, 12, 16)
        negatives(pair)
        seen.add(pair[0].numpy().tobytes())
    assert len(seen) > 50
    again = build_data("paired_folder", args, 0).train
    assert torch.equal(again[41][0], data.train[41][0])
    assert not torch.equal(build_data("paired_folder", args, 1).train[41][0], data.train[41][0])
    assert {split.source(0).clip for split in (data.train, data.val, data.test)} <= {
        f"c{number}" for number in range(5)
    }


def test_without_changes_a_crop_is_a_part_of_the_frames(folder):
    args = {"path": folder, "frames": 2, "crop": 12, "flip": False, "transpose": False}
    train = build_data("paired_folder", args, 0).train
    for key in range(len(train)):
        clip, first = train.source(key)
        degraded, _ = train[key]
        whole = read_clip(folder / "blur" / clip, first, 2)
        windows = whole.unfold(2, 12, 1).unfold(3, 12, 1)  # (2, 3, 9, 17, 12, 12)
        assert ((windows - degraded[:, :, None, None]).abs().amax((0, 1, 4, 5)) < 1e-6).any()


def test_a_start_with_too_few_frames_after_it_is_replaced(folder):
    train = build_data("paired_folder", {"path": folder, "frames": 4, "crop": 8}, 0).train
    starts = [train.source(key) for key in range(len(train))]
    lengths = {pair.name: pair.num_frames for pair in train.pairs}
    assert all(first + 4 <= lengths[clip] for clip, first in starts)


def test_evaluation_sees_whole_frames_and_every_frame(folder):
    data = build_data("paired_folder", {"path": folder, "frames": 2, "crop": 8, "eval_frames": 4}, 0)
    for split in (data.val, data.test):
        for index, pair in enumerate(split):
            negatives(pair)
            assert pair[0].shape == (4, 3, 20, 28)
            assert split.source(index).first in window_starts(split.pairs[0].num_frames, 4)
    assert data.val.spec.in_shape == (4, 3, 20, 28)
    long = build_data("paired_folder", {"path": folder, "frames": 2, "crop": 8, "eval_frames": 99}, 0)
    assert long.test[0][0].shape[0] == long.test.pairs[0].num_frames
    context = build_data("paired_folder", {"path": folder, "crop": 8, "frames": 4, "past_frames": 2}, 0)
    assert context.train[0][1].shape[0] == 2
    assert context.test[0][1].shape[0] == context.test.pairs[0].num_frames - 2


@pytest.mark.parametrize(
    ("count", "length", "starts"), [(7, 3, [0, 3, 4]), (6, 3, [0, 3]), (2, 3, [0]), (3, 3, [0]), (4, 1, [0, 1, 2, 3])]
)
def test_windows_cover_a_clip(count, length, starts):
    assert window_starts(count, length) == starts


def test_larger_sharp_frames(tmp_path, rng):
    for number in range(3):
        small = frames_of(rng, 3, 16, 16)
        write_frames(tmp_path / "lq" / f"{number}", small)
        write_frames(tmp_path / "gt" / f"{number}", small.repeat_interleave(2, 2).repeat_interleave(2, 3))
    data = build_data("paired_folder", {"path": tmp_path, "frames": 2, "crop": 8, "scale": 2}, 0)
    for degraded, sharp in (data.train[0], data.train[7], data.test[0]):
        torch.testing.assert_close(sharp, degraded.repeat_interleave(2, 2).repeat_interleave(2, 3))
    with pytest.raises(ValueError, match="sharp frames of 32 x 32 pixels are not the size of the degraded"):
        build_data("paired_folder", {"path": tmp_path, "frames": 2, "crop": 8}, 0)


def test_what_does_not_match_is_named(folder, rng):
    write_frames(folder / "blur" / "alone", frames_of(rng, 2))
    write_frames(folder / "sharp" / "other", frames_of(rng, 2))
    write_frames(folder / "blur" / "uneven", frames_of(rng, 3))
    write_frames(folder / "sharp" / "uneven", frames_of(rng, 2))
    (folder / "blur" / "empty").mkdir()
    (folder / "sharp" / "empty").mkdir()
    with pytest.warns(UserWarning, match="left out in") as caught:
        pairs = find_pairs(folder, ["blur"], ["sharp"])
    assert [pair.name for pair in pairs] == [f"c{number}" for number in range(5)]
    text = " ".join(str(item.message) for item in caught)
    for part in (
        "alone is in blur/ but not in sharp/",
        "other is in sharp/ but not in blur/",
        "uneven: 3 degraded but 2 sharp frames",
        "empty holds no images",
    ):
        assert part in text


def test_frames_whose_names_contradict_their_order_are_left_out(tmp_path, rng):
    def write(clip, blur, sharp):
        for side, names in (("blur", blur), ("sharp", sharp)):
            for name in names:
                (tmp_path / side / clip).mkdir(parents=True, exist_ok=True)
                write_image(tmp_path / side / clip / name, torch.rand(3, 8, 8))

    write("gap", ["1.png", "2.png", "4.png"], ["1.png", "3.png", "4.png"])
    write("names", ["lake_blur.png", "sea_blur.png"], ["lake_sharp.png", "tree_sharp.png"])
    for clip, blur, sharp in (
        ("same", ["lake.png", "Tree.png"], ["Lake.jpg", "tree.jpg"]),
        ("affixes", ["lake_blur.png", "tree_blur.png"], ["lake-gt.png", "tree-gt.png"]),
        ("numbers", ["blur_09.png", "blur_10.png"], ["gt_9.png", "gt_10.png"]),
        ("one", ["a.png"], ["b.png"]),
    ):
        write(clip, blur, sharp)
    write("shifted", ["0.png", "1.png", "2.png"], ["1.png", "2.png", "3.png"])
    write("others", ["a.png", "b.png"], ["c.png", "d.png"])
    with pytest.warns(UserWarning, match="order") as caught:
        pairs = find_pairs(tmp_path, ["blur"], ["sharp"])
    assert [pair.name for pair in pairs] == ["affixes", "numbers", "one", "others", "same", "shifted"]
    left_out, by_order = (str(item.message) for item in caught if "missing" not in str(item.message))
    assert "gap: names of frames contradict their order, degraded 2.png meets sharp 3.png" in left_out
    assert "names: names of frames contradict their order, degraded sea_blur.png meets sharp tree_sharp.png" in left_out
    assert "others (degraded a.png meets sharp c.png)" in by_order
    assert "shifted (degraded 0.png meets sharp 1.png)" in by_order
    for name in ("same", "affixes", "numbers", "one"):
        assert name not in by_order


def test_short_and_small_clips_are_named(folder):
    with pytest.warns(UserWarning, match=r"left out \d of 3 train clips: .*c\d has 4 frames, 5 are needed"):
        build_data("paired_folder", {"path": folder, "frames": 5, "crop": 8}, 0)
    with pytest.raises(ValueError, match=r"no clip can be used for train: .* 28 x 20 pixels, 64 x 64 are needed"):
        build_data("paired_folder", {"path": folder, "frames": 2, "crop": 64}, 0)


def test_videos_and_frames_that_lie_there_at_once(tmp_path, rng):
    clip = torch.rand(4, 3, 16, 16, generator=rng)
    for side in ("blur", "sharp"):
        (tmp_path / side).mkdir()
        for name in "abc":
            write_clip(tmp_path / side / f"{name}.gif", clip)
        (tmp_path / side / "notes.txt").write_text("no clip")
    data = build_data("paired_folder", {"path": tmp_path, "frames": 2, "crop": 8}, 0)
    assert torch.equal(*data.train[0])
    write_frames(tmp_path / "one" / "blur", clip)
    write_frames(tmp_path / "one" / "sharp", clip)
    (pair,) = find_pairs(tmp_path / "one", ["blur"], ["sharp"])
    assert pair.name == "one"


def test_a_damaged_frame_costs_its_samples_only(folder):
    args = {"path": folder, "frames": 2, "crop": 8, "eval_frames": 2}
    test = build_data("paired_folder", args, 0).test
    path = folder / "sharp" / test.pairs[0].name / "000007.png"
    path.write_bytes(path.read_bytes()[:100])
    index = next(index for index in range(len(test)) if test.source(index).first == int(path.stem) - 7)
    with pytest.raises(DamagedFileError, match=path.name):
        test[index]
    loader = SampleLoader(test, 1, shuffle=False, drop_last=False, seed=0)
    with pytest.warns(UserWarning, match=r"left out 1 of \d samples: .*png"):
        batches = list(loader)
    assert len(batches) == len(test) - 1


def test_frames_of_another_size_are_named(folder, rng):
    pair = build_data("paired_folder", {"path": folder, "frames": 2, "crop": 8}, 0).test.pairs[0]
    write_image(folder / "blur" / pair.name / "000001.png", torch.rand(3, 8, 8), overwrite=True)
    test = build_data("paired_folder", {"path": folder, "frames": 2, "crop": 8, "eval_frames": 2}, 0).test
    with pytest.raises(DamagedFileError, match=r"000001\.png is 8 x 8 pixels"):
        test[0]


def test_a_test_set_alone_serves_for_scores(tmp_path, rng):
    write_frames(tmp_path / "test" / "blur" / "a", frames_of(rng))
    write_frames(tmp_path / "test" / "sharp" / "a", frames_of(rng))
    for name, args in (("paired_folder", {"path": tmp_path}), ("gopro", {"root": tmp_path})):
        data = build_data(name, args, 0)
        assert data.test[0][0].shape == (6, 3, 20, 28)
        with pytest.raises(ValueError, match="nothing to train on"):
            len(data.train)


@pytest.mark.parametrize(
    ("name", "place", "pattern", "first"),
    [
        ("gopro", "{split}/{side}/{clip}", "{:06d}.png", 0),
        ("gopro", "{split}/{clip}/{side}", "{:06d}.png", 47),
        ("dvd", "{split}/{side}/{clip}", "{:05d}.jpg", 0),
        ("dvd", "{split}/{clip}/{original}", "{:05d}.jpg", 0),
        ("realblur", "{split}/{side}/{clip}", "{:06d}.png", 0),
        ("bsd", "BSD_2ms16ms/{split}/{clip}/{capital}/RGB", "{:08d}.png", 0),
    ],
)
def test_published_layouts(tmp_path, rng, monkeypatch, name, place, pattern, first):
    monkeypatch.setattr("subband.data.restoration.published_layouts.REAL_BLUR_CROP", (16, 20))
    splits = {"train": 3, "test": 2} | ({"valid": 1} if name == "bsd" else {})
    for split, count in splits.items():
        for number in range(count):
            frames = frames_of(rng, 6)
            for side, values in (("blur", frames), ("sharp", 1 - frames)):
                words = {"split": split, "clip": f"{split}{number}", "side": side, "capital": side.capitalize()}
                words["original"] = {"blur": "input", "sharp": "GT"}[side]
                write_frames(tmp_path / place.format(**words), values, pattern, first)
    data = build_data(name, {"root": tmp_path, "frames": 3, "crop": 12, "eval_frames": 4}, 0)
    assert {data.test.source(key).clip for key in range(len(data.test))} == {"test0", "test1"}
    assert data.val.source(0).clip == ("valid0" if name == "bsd" else "train2")
    assert len(data.train) == (18 if name == "bsd" else 12)
    size = (16, 20) if name == "realblur" else (20, 28)
    assert data.test[0][0].shape == (4, 3, *size)
    for pair in (data.train[0], data.train[11], data.test[1]):
        negatives(pair, atol=0.2 if name == "dvd" else 1e-6)


def test_the_blur_of_gamma(tmp_path, rng):
    for split, clip in (("train", "a"), ("train", "b"), ("test", "c")):
        for side, value in (("blur", 0.2), ("blur_gamma", 0.4), ("sharp", 0.6)):
            write_frames(tmp_path / split / clip / side, torch.full((2, 3, 8, 8), value))
    for blur, value in (("blur", 0.2), ("blur_gamma", 0.4)):
        data = build_data("gopro", {"root": tmp_path, "blur": blur, "frames": 2, "crop": 8}, 0)
        assert data.train[0][0].mean() == pytest.approx(value, abs=0.01)


def test_real_blur_frames_may_differ_in_size(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("subband.data.restoration.published_layouts.REAL_BLUR_CROP", (16, 20))
    for split, clip in (("train", "s1"), ("train", "s2"), ("test", "s3")):
        for number, size in enumerate(((20, 28), (18, 22), (17, 30))):
            frame = frames_of(rng, 1, *size)[0]
            for side, values in (("blur", frame), ("gt", 1 - frame)):
                folder = tmp_path / split / clip / side
                folder.mkdir(parents=True, exist_ok=True)
                write_image(folder / f"{side}_{number + 1}.png", values)
    data = build_data("realblur", {"root": tmp_path, "frames": 3, "crop": [12, 16], "transpose": False}, 0)
    for pair in (data.train[0], data.train[5], data.test[0]):
        negatives(pair)
    assert data.test[0][0].shape == (3, 3, 16, 20)


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("gopro", {"root": "nowhere"}, "GoPro test not found: looked for nowhere/test"),
        ("bsd", {"root": "nowhere"}, "BSD 2ms16ms not found: looked for nowhere/BSD_2ms16ms"),
        ("paired_folder", {"path": "nowhere"}, "folder of pairs not found: nowhere"),
    ],
)
def test_missing_folders_are_named(name, args, message):
    with pytest.raises(FileNotFoundError, match=message):
        build_data(name, args, 0)


def test_a_folder_without_pairs_says_what_is_looked_for(tmp_path):
    (tmp_path / "clip").mkdir()
    with pytest.raises(ValueError, match=r"holds no pairs of clips: neither blur\|.* clip has no blur/ and no sharp/"):
        build_data("paired_folder", {"path": tmp_path}, 0)
