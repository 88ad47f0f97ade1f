"""Joints come out where they are in the image, for both conventions of crops, mirrored, in clips and from files."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import subband
from subband.data.pose.preprocessing import PosePreprocessing
from subband.joints import COCO, POSETRACK, JointSet
from subband.media import read_clip, write_clip
from subband.media.images import write_image
from subband.models.pose.protocol import PoseModel
from subband.predictors.frame_notes import FrameNotes
from subband.predictors.pose import GivenPersons, Persons, PosePredictor, pose_clip
from subband.predictors.pose.joint_names import joint_set_of

SIZE = (256, 192)
DOTS = JointSet(names=("red", "green", "blue"), limbs=((0, 1),), sigmas=(0.1, 0.1, 0.1))
PLAIN: dict[str, Any] = {"size": SIZE, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


class DotFinder(PoseModel):
    """A network whose heatmaps are the three colors of its crops, as UDP or the classic convention places them."""

    input_axes = "B C H W"

    def __init__(self, convention: str = "udp") -> None:
        super().__init__(num_joints=3, img_size=SIZE)
        self.convention = convention
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Smaller crops."""
        if self.convention == "classic":
            return self.scale * x[..., ::4, ::4]
        size = (x.shape[-2] // 4, x.shape[-1] // 4)
        return self.scale * F.interpolate(x, size, mode="bilinear", align_corners=True)


class FrameFinder(PoseModel):
    """A network for clips of three frames, of which each gives the heatmap of one joint."""

    input_axes = "B T C H W"

    def __init__(self) -> None:
        super().__init__(num_joints=3, img_size=SIZE, num_frames=3)
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Smaller frames."""
        return self.scale * F.interpolate(x[:, :, 0], (64, 48), mode="bilinear", align_corners=True)


def dots(points: list[tuple[float, float]], size: tuple[int, int] = (90, 120)) -> Tensor:
    """An image with one dot for each color."""
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in size), indexing="ij")
    return torch.stack([(-((x - a).square() + (y - b).square()) / 32).exp() for a, b in points])


def dot_finder(convention: str = "udp", **options: Any) -> PosePredictor:
    prepare = PosePreprocessing(**PLAIN, convention=convention)  # type: ignore[arg-type]
    return PosePredictor(DotFinder(convention), joint_set=DOTS, preprocessing=prepare, **options)


POINTS = [(30.3, 40.6), (44.0, 61.5), (52.2, 33.9)]


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("convention", ["udp", "classic"])
def test_joints_are_in_pixels_of_the_image(convention, flip_test):
    """An entry of a map is 1.5 pixels; without the shift, mirrored classic maps would be 0.4 of it off."""
    predictor = dot_finder(convention, flip_test=flip_test, refinement="udp")
    (found,) = predictor.find(dots(POINTS), [[[15, 10, 65, 85], [20, 20, 60, 70]]])
    assert (found.joints - torch.tensor(POINTS)).abs().max() < 0.35
    assert found.scores.min() > 0.9
    assert (found.size, found.ids, len(found)) == ((90, 120), None, 2)
    assert found.box_scores.tolist() == [1.0, 1.0]


def test_batches_change_nothing_and_images_may_differ():
    images = [dots(POINTS), (255 * dots(POINTS, (70, 100))).byte(), dots(POINTS).movedim(0, -1).numpy()]
    boxes = [[[15, 10, 65, 85]], [], np.array([[20, 20, 60, 70], [10, 5, 70, 80], [25, 25, 60, 70]])]
    together = dot_finder(batch_size=16).find(images, boxes)
    single = dot_finder(batch_size=1).find(images, boxes)
    assert [len(one) for one in together] == [1, 0, 3]
    assert together[1].joints.shape == (0, 3, 2)
    for one, other in zip(together, single, strict=True):
        torch.testing.assert_close(one.joints, other.joints, atol=1e-3, rtol=0)
    (whole,) = dot_finder().find(dots(POINTS))
    assert whole.boxes.tolist() == [[0.0, 0.0, 120.0, 90.0]]


def test_a_whole_image_gets_no_margin():
    """A network sees the image itself, whatever the margin of boxes; a box of the same size gets one."""
    seen = []
    model = DotFinder()
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    predictor = PosePredictor(model, joint_set=DOTS, preprocessing=PosePreprocessing(**PLAIN), refinement="udp")
    image = dots(POINTS, (120, 90))  # sides like those of a crop
    (found,) = predictor.find(image)
    resized = F.interpolate(image[None], SIZE, mode="bilinear", align_corners=True)
    torch.testing.assert_close(seen[0], resized, atol=0.15, rtol=0)  # a box is a pixel wider than from pixel to pixel
    assert (found.joints - torch.tensor(POINTS)).abs().max() < 0.35
    (boxed,) = predictor.find(image, [[[0, 0, 90, 120]]])
    assert (boxed.joints - torch.tensor(POINTS)).abs().max() < 0.6
    assert (seen[1] - seen[0]).abs().max() > 0.5


def test_scores_of_people():
    persons = Persons(torch.tensor([[15.0, 10.0, 65.0, 85.0]]), torch.tensor([0.5]))
    image = dots(POINTS) * torch.tensor([1.0, 0.8, 0.1])[:, None, None]
    (found,) = dot_finder().find(image, [persons])
    assert float(found.person_scores) == pytest.approx(0.45, abs=0.02), "joints below 0.2 do not count"


def test_a_clip_network_sees_the_frames_around_one():
    xs = [30.0, 36.0, 45.0, 50.0]
    frames = torch.stack([dots([(x, 45.0)] * 3) for x in xs])
    predictor = PosePredictor(FrameFinder(), joint_set=DOTS, preprocessing=PosePreprocessing(**PLAIN))
    boxes = [[[10, 10, 70, 80]]] * 4
    wanted = torch.tensor([[xs[max(i - 1, 0)], xs[i], xs[min(i + 1, 3)]] for i in range(4)])
    found = torch.stack([one.joints[0, :, 0] for one in predictor.find_in_clip(frames, boxes)])
    assert (found - wanted).abs().max() < 0.4
    part = predictor.find_in_clip(frames, boxes[1:3], keep=slice(1, 3))
    assert torch.stack([one.joints[0, :, 0] for one in part]).equal(found[1:3])
    (still,) = predictor.find(frames[2], [boxes[0]])
    assert (still.joints[0, :, 0] - xs[2]).abs().max() < 0.4


def test_frames_are_as_far_apart_as_in_training():
    xs = [30.0, 36.0, 45.0, 50.0, 41.0, 33.0]
    frames = torch.stack([dots([(x, 45.0)] * 3) for x in xs])
    boxes = [[[10, 10, 70, 80]]] * 6
    network = FrameFinder()
    network.metadata = {"stride": 2}
    predictor = PosePredictor(network, joint_set=DOTS, preprocessing=PosePreprocessing(**PLAIN))
    assert (predictor.stride, predictor.margins) == (2, (2, 2))
    found = torch.stack([one.joints[0, :, 0] for one in predictor.find_in_clip(frames, boxes)])
    wanted = torch.tensor([[xs[max(i - 2, 0)], xs[i], xs[min(i + 2, 5)]] for i in range(6)])
    assert (found - wanted).abs().max() < 0.4
    part = predictor.find_in_clip(frames, boxes[2:4], keep=slice(2, 4))
    assert torch.stack([one.joints[0, :, 0] for one in part]).equal(found[2:4])
    near = PosePredictor(network, joint_set=DOTS, preprocessing=PosePreprocessing(**PLAIN), stride=1)
    assert (near.find_in_clip(frames[:3], boxes[:3])[1].joints[0, :, 0] - torch.tensor(xs[:3])).abs().max() < 0.4
    assert dot_finder().stride == 1, "of a network that does not say"
    network.metadata = {"stride": 0}
    with pytest.raises(ValueError, match="stride must be a number from 1 on, got 0"):
        PosePredictor(network, joint_set=DOTS)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[[5, 5, 5, 20]]], "x1 < x2"),
        ([[[5, 20, 15, 10]]], "x1 < x2"),
        ([[[5, 5, float("nan"), 20]]], "x1 < x2"),
        ([[[120, 5, 140, 20]]], "lies outside its image of 120 x 90 pixels"),
        ([[[-30, 5, 0, 20]]], "lies outside its image"),
        ([[[1, 2, 3]]], r"must be \(N, 4\)"),
        ([[], []], "for each of 1 images, got 2"),
    ],
)
def test_boxes_that_do_not_fit(boxes, message):
    with pytest.raises(ValueError, match=message):
        dot_finder().find(dots(POINTS), boxes)


def test_boxes_may_reach_beyond_the_image():
    (found,) = dot_finder().find(dots(POINTS), [[[-20, -30, 90, 130]]])
    assert (found.joints - torch.tensor(POINTS)).abs().max() < 0.5


def test_what_is_stored_beside_the_weights_counts(tmp_path):
    model = subband.create_model("vitpose_s", dim=16, depth=1, num_heads=2, img_size=SIZE, num_joints=3)
    facts = {"joints": ["red", "green", "blue"], "preprocessing": {"padding": 1.0, "convention": "classic"}}
    path = subband.save_model(model, tmp_path / "model", metadata=facts)
    predictor = PosePredictor.load(path)
    assert predictor.joint_set.names == DOTS.names
    assert predictor.preprocessing == PosePreprocessing(size=SIZE, padding=1.0, convention="classic")
    assert predictor.refinement == "quarter"
    assert predictor.find(torch.rand(3, 30, 40))[0].joints.shape == (1, 3, 2)
    assert PosePredictor(model.eval(), half=True).find(torch.rand(3, 30, 40))[0].joints.dtype == torch.float32


def test_names_of_joints():
    assert joint_set_of(None, 17) is joint_set_of(COCO.names, 17) is COCO
    assert joint_set_of(None, 15) is POSETRACK
    assert joint_set_of(None, 2).names == ("joint 0", "joint 1")
    assert joint_set_of(["chin", "left_ear"], 2, [[1, 0]]).limbs == ((1, 0),)
    with pytest.raises(ValueError, match="limbs must be pairs of numbers of joints below 2"):
        joint_set_of(["chin", "left_ear"], 2, [[1, 2]])
    with pytest.raises(ValueError, match="joints must be 3 different names, got nose, nose, chin"):
        joint_set_of(["nose", "nose", "chin"], 3)
    with pytest.raises(ValueError, match="got 17 names for a network of 3 joints"):
        PosePredictor(DotFinder(), joint_set=COCO)
    with pytest.raises(TypeError, match="must be a network for pose, not a Linear"):
        PosePredictor(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        dot_finder(batch_size=0)


def test_files_are_read_in_order_and_broken_ones_named(tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file in files[::2]:
        write_image(file, dots(POINTS).clamp(0, 1))
    files[1].write_bytes(b"nothing")
    inside, outside = [15.0, 10.0, 65.0, 85.0], [500.0, 10.0, 565.0, 85.0]
    persons = GivenPersons({files[2]: Persons(torch.tensor([inside, outside]), torch.ones(2))})
    with pytest.warns(UserWarning, match=r"boxes outside of the 120 x 90 pixels of 2\.png are left out \(1 of 2\)"):
        results = list(dot_finder().find_files(files, persons))
    assert [one.file for one in results] == files
    assert "1.png" in str(results[1].error)
    assert results[1].found is None
    assert [len(one.found) for one in results if one.found is not None] == [0, 1]
    assert (results[2].found.joints - torch.tensor(POINTS)).abs().max() < 0.5  # type: ignore[union-attr]


@pytest.mark.parametrize(("stride", "windows"), [(1, [3, 5, 7]), (2, [4, 7])])
def test_windows_of_a_clip_are_the_clip_as_a_whole(stride, windows, tmp_path, monkeypatch):
    """Two frames at a time, of a network that looks at the frame before and the one after."""
    source = tmp_path / "clip.apng"
    write_clip(source, torch.stack([dots([(30.0 + 3 * step, 45.0)] * 3) for step in range(7)]), fps=5)
    prepare = PosePreprocessing(**PLAIN)
    predictor = PosePredictor(FrameFinder(), joint_set=DOTS, preprocessing=prepare, stride=stride)
    persons = GivenPersons({n: Persons(torch.tensor([[15.0, 10.0, 65.0, 85.0]]), torch.ones(1)) for n in range(7)})
    monkeypatch.setattr("subband.predictors.pose.clip.FRAMES", 2)
    done = []
    frames = pose_clip(
        predictor,
        source,
        tmp_path / "drawn.apng",
        lambda image, found: image + found.ids[0],
        persons=persons,
        progress=lambda now: done.append(now.done),
    )
    assert done == windows, "windows share the frames at their ends"
    pixels = read_clip(source)
    wanted = predictor.find_in_clip(pixels.float() / 255, [persons.by_key[n] for n in range(7)])
    for number, (frame, other) in enumerate(zip(frames, wanted, strict=True)):
        assert (frame.number, frame.seconds) == (number, number / 5)
        torch.testing.assert_close(frame.found.joints, other.joints, atol=1e-4, rtol=0)
        assert frame.found.ids.tolist() == [0]
    assert read_clip(tmp_path / "drawn.apng").equal(pixels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.apng", "drawn.apng"]


def test_notes_survive_a_job_that_was_killed_while_it_wrote(tmp_path):
    notes = FrameNotes(tmp_path / "notes")
    assert notes.read() == []
    notes.add([{"number": 0, "value": 1}, {"number": 1, "value": 2}])
    with (tmp_path / "notes").open("a") as file:
        file.write('{"number": 2, "val')
    notes.add([{"number": 1, "value": 3}])
    assert notes.read() == [{"number": 0, "value": 1}, {"number": 1, "value": 3}]
