"""Labelled people in images and videos: layouts, crops, augmentation, and labels that are wrong."""

import json

import pytest
import torch

from subband.data import build_data
from subband.data.loader import SampleLoader
from subband.data.pose.augmentation import NO_CHANGE, PoseAugmentation, person_view
from subband.data.pose.preprocessing import PosePreprocessing
from subband.data.pose.samples import PoseSpec
from subband.data.spec import DamagedFileError
from subband.joints import COCO, JHMDB, POSETRACK
from subband.media import write_clip, write_image

NAMES = list(COCO.names)


def person(image_id, number=1, *, x=20.0, names=NAMES, **changes):
    """Joints in two columns, all visible, inside their box."""
    keypoints = [value for place in range(len(names)) for value in (x + place % 2, 10.0 + place, 2)]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "keypoints": keypoints,
        "bbox": [x - 5, 5.0, 20.0, 30.0],
        "area": 200.0,
        "iscrowd": 0,
        **changes,
    }


def write_labels(path, images, people, names=NAMES, **changes):
    contents = {
        "images": images,
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": names, "skeleton": [[1, 2]]}],
        **changes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contents))


def image(number, name, **more):
    return {"id": number, "file_name": name, "height": 48, "width": 64, **more}


def ramp(value=0.5):
    picture = torch.linspace(0, 1, 64).expand(3, 48, 64).clone()
    picture[2] = value
    return picture


@pytest.fixture
def photos(tmp_path):
    """Four images with a person each."""
    for number in range(4):
        write_image(tmp_path / f"{number}.png", ramp())
    write_labels(
        tmp_path / "people.json",
        [image(number, f"{number}.png") for number in range(4)],
        [person(number, number) for number in range(4)],
    )
    return tmp_path


def coco(path, **args):
    return build_data("coco_keypoints", {"path": str(path), "img_size": [64, 48], **args}, 0)


def refused(path, message, error=ValueError, **args):
    with pytest.raises(error, match=message):
        coco(path, test_fraction=1.0, **args)


def relabel(path, people=None, images=None, names=NAMES):
    contents = json.loads((path / "people.json").read_text())
    write_labels(
        path / "people.json", contents["images"] if images is None else images, people or [person(0)], names=names
    )


def test_images_are_dealt_out_and_none_is_in_two_splits(photos):
    data = coco(photos, test_fraction=0.25, val_fraction=0.3, frames=3)
    clips = [{one.clip.name for one in split.people} for split in (data.train, data.val, data.test)]
    assert [len(names) for names in clips] == [2, 1, 1]
    assert len(set().union(*clips)) == 4
    sample = data.train[0]
    assert sample.frames.shape == (3, 3, 64, 48)
    assert torch.equal(sample.frames[0], sample.frames[2])
    assert data.spec.joints is COCO
    assert sample.joints.shape == (17, 2)
    batch = next(iter(SampleLoader(data.train, 2, shuffle=False, drop_last=False, seed=0, collate=list)))
    assert len(batch) == 2


def test_published_folders_name_the_splits(tmp_path):
    for split, count in (("train2017", 3), ("val2017", 2)):
        (tmp_path / split).mkdir()
        for number in range(count):
            write_image(tmp_path / split / f"{number}.png", ramp())
        write_labels(
            tmp_path / "annotations" / f"person_keypoints_{split}.json",
            [image(number, f"{number}.png") for number in range(count)],
            [person(number) for number in range(count)],
        )
    data = coco(tmp_path, val_fraction=0.3)
    assert (len(data.train), len(data.val), len(data.test)) == (2, 1, 2)
    assert {one.clip.files[0].parent.name for one in data.test.people} == {"val2017"}


def test_truth_leads_from_the_crop_back_to_the_image(photos):
    sample = coco(photos, test_fraction=1.0).test[0]
    truth = sample.truth
    back = sample.joints.double() @ truth.to_image[:, :2].mT + truth.to_image[:, 2]
    torch.testing.assert_close(back.float(), truth.joints, atol=1e-4, rtol=0)
    assert truth.box == (15, 5, 20, 30)
    assert truth.area == 200
    assert truth.person == -1
    assert truth.head_box is None


def test_a_crop_shows_the_pixels_that_the_truth_says(photos):
    data = coco(photos, test_fraction=1.0)
    sample = data.test[0]
    pixels = data.spec.denormalize(sample.frames)[0]
    x = round(sample.joints[0, 0].item())
    column = sample.truth.to_image[0] @ torch.tensor([x, 30.0, 1.0], dtype=torch.float64)
    assert pixels[0, 30, x].item() == pytest.approx(column.item() / 63, abs=2e-3)


SPEC = PoseSpec(joints=COCO, preprocessing=PosePreprocessing(size=(64, 48), convention="classic"), num_frames=1)
BOX = (10.0, 5.0, 24.0, 36.0)


def labelled():
    return torch.tensor(person(0)["keypoints"]).reshape(-1, 3)


def test_a_mirrored_person_has_left_and_right_exchanged():
    plain = person_view(BOX, labelled(), SPEC, NO_CHANGE, seed=0, key=0).joints(labelled(), COCO.flip_pairs)
    view = person_view(BOX, labelled(), SPEC, PoseAugmentation(flip=1.0), seed=0, key=0)
    mirrored = view.joints(labelled(), COCO.flip_pairs)
    assert view.is_mirrored
    left, right = (NAMES.index(f"{side}_wrist") for side in ("left", "right"))
    torch.testing.assert_close(mirrored[left, :2], torch.stack([47 - plain[right, 0], plain[right, 1]]))
    torch.testing.assert_close(mirrored[0, 0], 47 - plain[0, 0])


def test_sizes_and_angles_are_drawn_within_their_limits():
    augmentation = PoseAugmentation(rotation=20, scale=0.3)
    plain = person_view(BOX, labelled(), SPEC, NO_CHANGE, seed=0, key=0).matrix
    views = [person_view(BOX, labelled(), SPEC, augmentation, seed=0, key=key).matrix for key in range(200)]
    factors = torch.stack([view[:, :2].det().sqrt() / plain[:, :2].det().sqrt() for view in views])
    angles = torch.stack([torch.rad2deg(torch.atan2(view[0, 1], view[0, 0])) for view in views])
    assert factors.min() > 1 / 1.31
    assert factors.max() < 1 / 0.69
    assert factors.std() > 0.1
    assert angles.abs().max() <= 40.01
    assert 0.25 < (angles.abs() < 1e-6).float().mean() < 0.55
    middle = torch.tensor([22.0, 23.0, 1.0], dtype=torch.float64)
    for view in views:
        torch.testing.assert_close(view @ middle, plain @ middle)


def test_half_a_body_fills_the_crop_only_where_enough_is_labelled():
    joints, halved = labelled(), PoseAugmentation(half_body=1.0)
    plain = person_view(BOX, joints, SPEC, NO_CHANGE, seed=0, key=0).matrix
    view = person_view(BOX, joints, SPEC, halved, seed=0, key=0).matrix
    assert view[:, :2].det() > 1.5 * plain[:, :2].det()
    joints[8:, 2] = 0
    assert torch.equal(person_view(BOX, joints, SPEC, halved, seed=0, key=0).matrix, plain)


def test_augmentation_is_a_function_of_seed_and_key_and_the_same_for_all_frames(photos):
    data, again = (coco(photos, test_fraction=0.25, val_fraction=0.3, frames=2) for _ in range(2))
    for key in (0, 3, 8):
        assert torch.equal(data.train[key].frames, again.train[key].frames)
        assert torch.equal(data.train[key].frames[0], data.train[key].frames[1])
    assert not torch.equal(data.train[0].frames, data.train[2].frames)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"flip": 1.5}, "flip must be between 0 and 1, got 1.5"),
        ({"rotation": -1.0}, "rotation must be between 0 and 90"),
        ({"scale": 1.0}, "scale must be between 0 and 0.9"),
        ({"targets": "round"}, "must be 'plain' or 'udp' or 'classic', got 'round'"),
        ({"joints": "mpii"}, "'joints' of data set 'coco_keypoints' must be 'file' or 'coco' or 'posetrack'"),
        ({"test_fraction": 0.0}, "test_fraction must lie between 0 and 1"),
    ],
)
def test_impossible_options_are_refused(args, message, photos):
    with pytest.raises(ValueError, match=message):
        coco(photos, **args)


def test_boxes_are_cut_to_their_image_and_those_outside_or_without_area_left_out(photos):
    people = [
        person(0, bbox=[-10.0, -4.0, 40.0, 60.0]),
        person(1, 2, bbox=[70.0, 5.0, 20.0, 20.0]),
        person(2, 3, bbox=[5.0, 5.0, 0.0, 20.0]),
    ]
    relabel(photos, people)
    with pytest.warns(
        UserWarning, match="of 3 people, 0 have no labelled joint and 2 are crowds or have no box inside"
    ):
        data = coco(photos, test_fraction=1.0)
    assert [one.box for one in data.test.people] == [(0, 0, 30, 48)]
    relabel(photos, people[1:])
    refused(photos, r"people\.json: none of 2 people has a labelled joint and a box")


def test_a_missing_box_is_made_up_from_the_joints(photos):
    one = person(0)
    del one["bbox"]
    relabel(photos, [one])
    (found,) = coco(photos, test_fraction=1.0).test.people
    assert found.box == pytest.approx((20 - 0.075, 10 - 1.2, 1.15, 18.4), abs=1e-4)


def test_people_without_labelled_joints_are_left_out(photos):
    nothing = [0] * 51
    relabel(photos, [person(0), person(1, 2, keypoints=nothing), person(2, 3, iscrowd=1)])
    with pytest.warns(UserWarning, match="1 have no labelled joint and 1 are crowds"):
        assert len(coco(photos, test_fraction=1.0).test) == 1
    relabel(photos, [person(0, keypoints=nothing)])
    refused(photos, "none of 1 people has a labelled joint")


def test_joints_that_are_not_labelled_weigh_nothing(photos):
    keypoints = person(0)["keypoints"]
    keypoints[3:6] = [7.0, 7.0, 0]
    keypoints[8] = 1
    relabel(photos, [person(0, keypoints=keypoints)])
    visible = coco(photos, test_fraction=1.0).test[0].visible
    assert visible[:4].tolist() == [2, 0, 1, 2]


def test_labels_that_tell_no_occluded_joints_call_all_of_them_visible(photos):
    keypoints = [1 if place % 3 == 2 else value for place, value in enumerate(person(0)["keypoints"])]
    relabel(photos, [person(0, keypoints=keypoints)])
    assert coco(photos, test_fraction=1.0).test[0].visible.unique().tolist() == [2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1, 2, 2]}, "annotation 1 needs x, y and visibility of 17 joints, got 3 numbers"),
        ({"keypoints": [1, 2, 5] * 17}, "annotation 1 has joints with a visibility other than 0, 1 and 2"),
        ({"keypoints": [float("nan"), 2, 2] * 17}, "places that are no numbers"),
        ({"bbox": [1, 2, 3]}, "annotation 1 needs a bbox"),
        ({"image_id": 99}, "labels image 99, which it does not list"),
    ],
)
def test_damaged_people_are_refused(change, message, photos):
    relabel(photos, [person(0) | change])
    refused(photos, message)


def test_files_without_images_joints_or_sense_are_refused(photos):
    relabel(photos, images=[image(0, "0.png"), image(1, "gone.png")])
    refused(photos, r"names 2 images, of which 1 are missing: gone\.png", FileNotFoundError)
    write_labels(photos / "people.json", [image(0, "0.png")], [person(0)], categories=[{"id": 1, "name": "person"}])
    refused(photos, "no category has keypoints")
    relabel(photos, names=["nose", "nose"], people=[person(0, names=["nose", "nose"])])
    refused(photos, "the joint 'nose' is named twice")
    (photos / "people.json").write_text("{")
    refused(photos, "is no JSON file")
    (photos / "people.json").unlink()
    refused(photos, "holds no labels", FileNotFoundError)


def test_joints_of_other_names_keep_their_own_or_become_those_that_are_wanted(photos):
    names = ["tail", "nose", "left_wrist", "right_wrist"]
    relabel(photos, [person(0, names=names)], names=names)
    with pytest.warns(UserWarning, match="nobody has measured the spread of tail, the ankle's stands in"):
        spec = coco(photos, test_fraction=1.0).spec
    assert spec.joints.names == tuple(names)
    assert spec.joints.limbs == ((0, 1),)
    assert spec.joints.sigmas == (0.089, 0.026, 0.062, 0.062)
    assert spec.joints.flip_pairs == ((2, 3),)
    with pytest.warns(UserWarning, match="tail"):
        sample = coco(photos, test_fraction=1.0, joints="posetrack").test[0]
    known = [name for name, value in zip(POSETRACK.names, sample.visible, strict=True) if value]
    assert known == names[1:]
    relabel(photos, [person(0, names=["tail"])], names=["tail"])
    with pytest.warns(UserWarning, match="tail"):
        refused(photos, "has none of the joints nose, .*; it has tail", joints="coco")


def test_an_image_of_another_size_or_damaged_is_the_fault_of_its_file(photos):
    data = coco(photos, test_fraction=1.0)
    write_image(photos / "new.png", torch.rand(3, 20, 20))
    (photos / "new.png").replace(photos / "1.png")
    with pytest.raises(DamagedFileError, match=r"1\.png has 20 x 20 pixels, but its labels are for 64 x 48"):
        data.test[1]
    (photos / "1.png").write_bytes(b"no picture")
    with pytest.raises(DamagedFileError, match=r"1\.png"):
        data.test[1]
    (photos / "1.png").unlink()
    with pytest.raises(FileNotFoundError):
        data.test[1]


def write_frames(folder, count):
    folder.mkdir(parents=True)
    for number in range(count):
        write_image(folder / f"{number:06d}.png", ramp(number / 10))


def shades(sample, spec):
    """The blue of every frame, which numbers it."""
    middle = spec.denormalize(sample.frames)[:, 2, 32, 24]
    return (10 * middle).round().int().tolist()


def test_frames_around_a_labelled_one_need_no_labels_and_ends_are_repeated(tmp_path):
    write_frames(tmp_path / "a", 6)
    people = [person(1, track_id=7), person(2, 2, track_id=7)]
    write_labels(tmp_path / "people.json", [image(1, "a/000000.png"), image(2, "a/000003.png")], people)
    data = build_data("pose_videos", {"path": str(tmp_path), "test_fraction": 1.0, "img_size": [64, 48]}, 0)
    assert [shades(data.test[key], data.spec) for key in range(2)] == [[0, 0, 0, 1, 2], [1, 2, 3, 4, 5]]
    truth = data.test[1].truth
    assert (truth.clip, truth.frame, truth.person) == ("a", 3, 7)
    wide = {"path": str(tmp_path), "test_fraction": 1.0, "img_size": [64, 48], "stride": 2}
    far = build_data("pose_videos", wide, 0)
    assert shades(far.test[1], data.spec) == [0, 1, 3, 5, 5]
    assert (data.spec.stride, far.spec.stride) == (1, 2)
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        build_data("pose_videos", {**wide, "stride": 0}, 0)


def test_folders_of_one_name_are_two_clips(tmp_path):
    for place in ("b/run", "c/run"):
        write_frames(tmp_path / place, 1)
    images = [image(1, "b/run/000000.png"), image(2, "c/run/000000.png")]
    write_labels(tmp_path / "people.json", images, [person(1), person(2, 2)])
    data = build_data("pose_videos", {"path": str(tmp_path), "test_fraction": 1.0, "img_size": [64, 48]}, 0)
    assert [data.test[key].truth.clip for key in range(2)] == ["b/run", "c/run"]
    assert data.test[0].clip != data.test[1].clip


def test_frames_of_a_video_are_named_by_number(tmp_path):
    frames = torch.stack([ramp(number / 10) for number in range(4)])
    write_clip(tmp_path / "film.apng", frames)
    labels = tmp_path / "people.json"
    write_labels(labels, [image(1, "film.apng", frame_id=1)], [person(1)])
    args = {"path": str(tmp_path), "test_fraction": 1.0, "img_size": [64, 48], "frames": 3}
    data = build_data("pose_videos", args, 0)
    assert shades(data.test[0], data.spec) == [0, 1, 2]
    write_labels(labels, [image(1, "film.apng", frame_id=4)], [person(1)])
    with pytest.raises(ValueError, match=r"frame of .*film\.apng, which has 4: its frame_id must be between 0 and 3"):
        build_data("pose_videos", args, 0)


def test_posetrack_has_fifteen_joints_in_seventeen_places(tmp_path):
    slots = [*POSETRACK.names[:3], "left_ear", "right_ear", *POSETRACK.names[3:]]
    for split, videos in (("train", ("a", "b")), ("val", ("c",))):
        for video in videos:
            write_frames(tmp_path / "images" / split / video, 2)
            one = person(1, names=slots, track_id=3, bbox_head=[18.0, 6.0, 6.0, 8.0])
            one["keypoints"] = [1 if place % 3 == 2 else value for place, value in enumerate(one["keypoints"])]
            listed = [image(1, f"images/{split}/{video}/000001.png")]
            write_labels(tmp_path / "annotations" / split / f"{video}.json", listed, [one], names=slots)
    data = build_data("posetrack", {"root": str(tmp_path), "img_size": [64, 48], "val_fraction": 0.5}, 0)
    assert (len(data.train), len(data.val), len(data.test)) == (1, 1, 1)
    truth = data.test[0].truth
    assert data.spec.joints is POSETRACK
    assert truth.head_box == (18, 6, 6, 8)
    assert truth.person == 3
    assert truth.joints[3].tolist() == [21, 15]
    assert truth.visible.unique().tolist() == [2]
    with pytest.raises(FileNotFoundError, match="PoseTrack not found"):
        build_data("posetrack", {"root": str(tmp_path / "no")}, 0)


def test_sub_jhmdb_counts_pixels_from_one(tmp_path):
    names = list(JHMDB.names)
    for name in ("a", "b", "c"):
        write_frames(tmp_path / "Rename_Images" / "jump" / name, 2)
    for split, videos in (("train", "ab"), ("test", "c")):
        images = [image(number, f"jump/{video}/000000.png") for number, video in enumerate(videos)]
        people = [person(number, names=names) for number in range(len(videos))]
        write_labels(tmp_path / "annotations" / f"Sub1_{split}.json", images, people, names=names)
    data = build_data("sub_jhmdb", {"root": str(tmp_path), "img_size": [64, 48], "val_fraction": 0.5}, 0)
    assert len(data.train) == 1
    assert data.test[0].truth.joints[0].tolist() == [19, 9]
    assert data.test[0].truth.box[:2] == (14, 4)
    with pytest.raises(FileNotFoundError, match="Sub2_train"):
        build_data("sub_jhmdb", {"root": str(tmp_path), "split": 2}, 0)


def test_a_real_image_of_coco(shared_data):
    data = coco(shared_data / "coco_keypoints", test_fraction=1.0, joints="posetrack")
    (one,) = data.test.people
    assert one.clip.name == "000000000785.jpg"
    assert one.area == pytest.approx(27789.11, abs=0.01)
    sample = data.test[0]
    assert (sample.visible > 0).sum() == 13
    assert sample.visible[1:3].tolist() == [0, 0]
