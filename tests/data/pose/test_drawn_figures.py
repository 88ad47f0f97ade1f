"""Drawn people: where their joints are, how they look, and what is the same in every run."""

import numpy as np
import pytest
import torch

from subband.data import build_data
from subband.data.pose.drawn_figures import drawn_video
from subband.data.pose.figures import Figure, Occluder, Swing, draw_figures, figure_joints, head_boxes
from subband.data.pose.heatmaps import decode_heatmaps, heatmap_targets
from subband.joints import POSETRACK

STILL = Swing(0.0, 0.0, 0.0, 0.0)


def joint(joints, name):
    return joints[:, POSETRACK.names.index(name)]


def walker():
    def pair(middle, reach, phase):
        return Swing(middle, reach, 0.5, phase), Swing(middle, reach, 0.5, np.pi - phase)

    return Figure(
        height=64,
        start=(32, 34),
        speed=(0.8, 0),
        lean=Swing(0, 0.1, 0.5, 0),
        upper_arms=pair(0, 0.6, 0),
        forearms=pair(0.5, 0.3, 0),
        thighs=pair(0, 0.5, np.pi),
        shanks=pair(-0.3, 0.3, np.pi),
    )


def test_joints_of_a_known_figure():
    joints = figure_joints(walker(), np.array([0.0, 2.0]))
    known = {
        "nose": [(34.08, 8.048), (33.4914, 7.965)],
        "head_top": [(32, 2.64), None],
        "left_shoulder": [(39.04, 14.8), None],
        "left_wrist": [(43.6425, 34.1048), (54.3945, 25.505)],
        "right_wrist": [(29.5625, 34.1048), None],
        "left_ankle": [(32.7699, 63.4226), None],
        "right_ankle": [None, (42.4274, 61.0812)],
    }
    for name, places in known.items():
        for found, place in zip(joint(joints, name), places, strict=True):
            if place is not None:
                np.testing.assert_allclose(found, place, atol=1e-4)


def test_limbs_keep_their_length_at_all_times():
    joints = figure_joints(walker(), np.linspace(-3, 9, 40))
    for side in ("left", "right"):
        for first, second, length in (
            ("shoulder", "elbow", 0.17),
            ("elbow", "wrist", 0.15),
            ("hip", "knee", 0.24),
            ("knee", "ankle", 0.23),
        ):
            limb = joint(joints, f"{side}_{first}") - joint(joints, f"{side}_{second}")
            np.testing.assert_allclose(np.linalg.norm(limb, axis=1), length * 64, atol=1e-9)


def test_a_head_box_goes_from_chin_to_top():
    boxes = head_boxes(figure_joints(walker(), np.zeros(1)))
    np.testing.assert_allclose(boxes[0, 2:], 0.16 * 64)
    np.testing.assert_allclose(boxes[0, 1], 2.64)


def test_limbs_are_drawn_where_the_joints_are_in_the_colors_of_their_side():
    limbs = dict.fromkeys(("upper_arms", "forearms", "thighs", "shanks"), (STILL, STILL))
    figure = Figure(height=64, start=(32, 34), speed=(0, 0), lean=STILL, **limbs)
    joints = figure_joints(figure, np.zeros(1))
    colors = np.arange(45.0).reshape(15, 3) / 45
    frames = draw_figures(joints, 64, colors, np.zeros((3, 64, 64)))
    limb = POSETRACK.limbs.index((11, 13))  # the left shank, straight down
    x, y = joint(joints, "left_knee")[0]
    pixel = frames[0, :, round(y) + 6, round(x)]
    np.testing.assert_allclose(pixel, colors[limb], atol=1e-6)
    assert frames[0, :, 60, 5].sum() == 0


def test_a_rectangle_hides_what_is_behind_it():
    hider = Occluder((10, 20), (32, 30), (2, 0), (1, 0, 0))
    times = np.array([0.0, 3.0])
    points = np.array([[[41.5, 30.0], [23.0, 34.9], [32.0, 36.0]]]).repeat(2, 0)
    assert hider.hides(points, times).tolist() == [[True, True, False], [True, False, False]]
    frames = draw_figures(np.full((2, 15, 2), -50.0), 64, np.ones((15, 3)), np.zeros((3, 64, 64)), hider, times)
    assert frames[0, :, 30, 23].tolist() == [1, 0, 0]
    assert frames[1, :, 30, 23].tolist() == [0, 0, 0]


def test_a_video_is_that_of_its_number_and_blur_noise_and_colors_are_options():
    video, again = (drawn_video(3, range(5), (64, 64)) for _ in range(2))
    assert torch.equal(video.frames, again.frames)
    assert not torch.equal(video.frames, drawn_video(4, range(5), (64, 64)).frames)
    for option in ({"hard": True}, {"occluder": False}, {"blur": False}, {"noise": False}):
        other = drawn_video(3, range(5), (64, 64), **option)
        assert not torch.equal(video.frames, other.frames)
        np.testing.assert_array_equal(video.joints, other.joints)
    assert set(np.unique(drawn_video(3, range(5), (64, 64), occluder=False).visible)) <= {0, 2}


def test_left_is_warm_and_right_is_cool():
    for number in range(8):
        video = drawn_video(number, [0], (64, 64), occluder=False, blur=False, noise=False)
        picture, points = video.frames[0].float(), video.joints[0].round().astype(int)
        for side, sign in (("left", 1), ("right", -1)):
            x, y = points[POSETRACK.names.index(f"{side}_knee")]
            red, _, blue = picture[:, min(y, 63), min(max(x, 0), 63)]
            others = [points[POSETRACK.names.index(f"{'right' if sign > 0 else 'left'}_{name}")] for name in ("knee",)]
            if np.linalg.norm(np.array(others) - (x, y), axis=1).min() > 6:
                assert sign * (red - blue) > 40


def test_samples_are_the_frames_around_the_scored_one():
    args = {"num_train": 3, "num_val": 2, "num_test": 2, "scored_frames": 3}
    data = build_data("drawn_figures", args, 0)
    assert len(data.train) == 3
    assert len(data.test) == 6
    first, second = data.test[0], data.test[1]
    assert torch.equal(first.frames[1:], second.frames[:-1])
    assert (first.truth.clip, first.truth.frame, second.truth.frame) == (second.truth.clip, 2, 3)
    assert data.test[3].truth.clip != first.truth.clip
    assert torch.equal(first.joints, first.truth.joints)
    assert first.truth.to_image[:, :2].eq(torch.eye(2)).all()
    assert data.train[0].truth is None
    assert torch.equal(data.train[0].frames, data.train[3].frames)


def test_a_repeated_frame_is_the_middle_one_and_memory_changes_nothing():
    args = {"num_train": 2, "num_val": 1, "num_test": 1}
    plain, still = (build_data("drawn_figures", {**args, "still": value}, 0) for value in (False, True))
    kept = build_data("drawn_figures", {**args, "in_memory": True}, 0)
    assert torch.equal(still.test[0].frames, plain.test[0].frames[2:3].expand(5, -1, -1, -1))
    for key in (0, 1, 0):
        assert torch.equal(plain.train[key].frames, kept.train[key].frames)


def test_only_training_clips_depend_on_the_seed():
    args = {"num_train": 1, "num_val": 1, "num_test": 1}
    one, other = (build_data("drawn_figures", args, seed) for seed in (0, 1))
    assert not torch.equal(one.train[0].frames, other.train[0].frames)
    for split in ("val", "test"):
        assert torch.equal(getattr(one, split)[0].frames, getattr(other, split)[0].frames)


def test_targets_say_where_joints_are_to_a_fraction_of_a_pixel():
    sample = build_data("drawn_figures", {"num_train": 1, "num_val": 1, "num_test": 1}, 0).test[0]
    maps, weights = heatmap_targets(sample.joints[None], sample.visible[None], (64, 64))
    assert torch.equal(weights[0] > 0, sample.visible > 0)
    inside = (weights[0] > 0) & (sample.joints.sub(32).abs() < 20).all(1)
    found = 4 * decode_heatmaps(maps, "dark").points[0]
    assert (found - sample.joints)[inside].abs().max() < 1.5
    assert maps[0][weights[0] == 0].sum() == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"num_train": 0}, "num_train must be between 1 and 10000, got 0"),
        ({"num_test": 10_001}, "num_test must be between 1 and 10000"),
        ({"scored_frames": 0}, "scored_frames must be at least 1"),
        ({"img_size": 66}, "sides of crops must be multiples of 4, got \\(66, 66\\)"),
        ({"frames": 0}, "num_frames and sigma must be positive"),
        ({"sigma": 0.0}, "num_frames and sigma must be positive"),
    ],
)
def test_impossible_numbers_are_refused(args, message):
    with pytest.raises(ValueError, match=message):
        build_data("drawn_figures", args, 0)
