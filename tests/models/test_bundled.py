"""The weights inside the package do what their card says."""

import pytest
import torch

import subband
from subband.config import build_recipe, load_recipe
from subband.data import build_data
from subband.imaging import imresize
from subband.models.detection.boxes import box_iou
from subband.models.model_folder import BUNDLED_FOLDER, bundled_models
from subband.predictors.classification import ImageClassifier
from subband.predictors.detection import DetectionPredictor
from subband.predictors.pose import PosePredictor
from subband.predictors.restoration import VideoRestorer
from subband.tasks.video_prediction import VideoPredictionTask

LARGEST = {
    "wavelet_vae_cells": 6_000_000,  # an autoencoder and a diffusion
    "wsfvit_p0_fasterrcnn_bccd": 10_000_000,  # most of it two linear layers of its heads
}


def test_there_is_a_default_model_of_the_predict_command():
    assert "wast_photos" in bundled_models()


def test_bundled_weights_are_not_hidden_by_a_model_of_their_name():
    assert not set(bundled_models()) & set(subband.list_models())


@pytest.mark.parametrize("name", bundled_models())
def test_bundled_weights_are_small_and_documented(name):
    size = sum(path.stat().st_size for path in (BUNDLED_FOLDER / name).iterdir())
    assert size < LARGEST.get(name, 4 * 2**20)
    metadata = subband.load_model(name).metadata
    assert {"recipe", "training", "scores", "environment"} <= set(metadata)
    assert {"seed", "steps", "train_seconds"} <= set(metadata["training"])
    assert {"date", "hardware", "commit", "command"} <= set(metadata["environment"])


def test_the_digits_classifier_is_as_good_as_its_card_says():
    import yaml

    classifier = ImageClassifier.load("gfnet_digits")
    metadata = classifier.model.metadata
    recipe = build_recipe(yaml.safe_load(metadata["recipe"]))
    test = build_data(recipe.data.name, recipe.data.args, recipe.seed).test
    assert classifier.classes == test.spec.classes
    assert classifier.preprocessing == test.spec.preprocessing
    probabilities = classifier.predict(torch.stack([test[index][0] for index in range(len(test))]))
    right = (probabilities.argmax(1) == torch.tensor(test.labels)).double().mean()
    assert right == pytest.approx(metadata["scores"]["top1"], abs=1.5 / len(test))  # one image may lie on the border
    assert right > 0.97


def predicted(data, num_clips):
    """Mean square errors of the default network of `subband predict` and of repeating the last frame, per clip."""
    inputs, targets = data.test.batch(list(range(num_clips)))
    with torch.inference_mode():
        prediction = subband.load_model("wast_photos").predict(inputs, targets.shape[1])
    return tuple((frames - targets).square().mean((1, 2, 3, 4)) for frames in (prediction, inputs[:, -1:]))


CLIPS = {"in_frames": 4, "out_frames": 8, "img_size": 64, "gray": True, "num_test": 16}


def test_the_default_model_beats_persistence_on_photographs_it_never_saw():
    error, persistence = predicted(build_data("moving_photos", CLIPS, 0), 16)
    assert error.mean() < 0.7 * persistence.mean()


def test_the_default_model_leaves_alone_what_stands_still():
    data = build_data("moving_photos", {**CLIPS, "still_share": 1.0, "noise": 0.005}, 0)
    error, persistence = predicted(data, 16)
    assert (error < 10**0.05 * persistence + 1e-7).all()  # half a dB, the worst of 16 clips, in noise of 47 dB
    assert error.mean() < persistence.mean()


def test_the_network_of_the_demo_draws_digits():
    model = subband.load_model("wast_digits")
    recipe = load_recipe("video_prediction/wast_digits")
    inputs, targets = VideoPredictionTask.build_data(recipe).test.batch(list(range(32)))
    with torch.inference_mode():
        error = (model(inputs) - targets).square().mean()
    persistence = (inputs[:, -1:] - targets).square().mean()
    assert error < 0.25 * persistence
    assert sum(path.stat().st_size for path in (BUNDLED_FOLDER / "wast_digits").iterdir()) < 1_000_000


CAMERA = {"speed": 8, "max_objects": 0, "highlights": 0, "brightness": [1, 1], "noise_share": 0, "jpeg_share": 0}


def psnr_before_and_after(blur, num_clips=12):
    """Mean over the frames of clips of two photographs that were not trained on."""
    args = {"frames": 5, "img_size": 96, "drawn_share": 0.0, "blur": {**CAMERA, **blur}}
    clips = build_data("blurred_photos", args, 0).test
    degraded, sharp = (torch.stack(side) for side in zip(*(clips[key] for key in range(num_clips)), strict=True))
    restorer = VideoRestorer.load("motion_unet_clips", device="cpu")
    restored = torch.stack([restorer.restore(clip) for clip in degraded]).clamp(0, 1)
    errors = [(frames - sharp).square().mean((2, 3, 4)) for frames in (degraded, restored)]
    return [(-10 * error.log10()).mean().item() for error in errors]


def test_the_network_for_deblurring_makes_clips_sharper():
    before, after = psnr_before_and_after({"exposure": [0.6, 1.0]})
    assert after > before + 0.7


@pytest.mark.parametrize("speed", [0, 8, 16])
def test_the_network_for_deblurring_leaves_alone_what_is_sharp(speed):
    """Sharp frames as files hold them, compressed, against what they were before; at rest and in motion."""
    blur = {"exposure": [0.02, 0.02], "jpeg_share": 1, "jpeg_quality": [80, 95], "speed": speed, "roll": 0}
    before, after = psnr_before_and_after(blur)
    assert after > before - 0.1


def test_the_network_for_super_resolution_beats_bicubic_frames():
    args = {"frames": 3, "img_size": 96, "drawn_share": 0.0, "blur": {**CAMERA, "exposure": [0.02, 0.02]}}
    clips = build_data("blurred_photos", args, 0).test
    sharp = [clips[key][1] for key in range(6)]
    small = [torch.stack([imresize(frame, scale=1 / 4) for frame in clip]).clamp(0, 1) for clip in sharp]
    networks = VideoRestorer.load("basicvsr_pp_clips", device="cpu"), VideoRestorer(subband.create_model("bicubic"))
    errors = [
        torch.stack([(network.restore(clip) - true).square().mean() for clip, true in zip(small, sharp, strict=True)])
        for network in networks
    ]
    gains = -10 * (errors[0] / errors[1]).log10()
    assert gains.min() > 0
    assert gains.mean() > 0.8


def smear():
    """Twelve pink discs, paler inside, on a light ground, and their boxes."""
    generator = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(480.0), torch.arange(640.0), indexing="ij")
    image = torch.tensor([0.86, 0.87, 0.84])[:, None, None].expand(3, 480, 640)
    boxes = []
    for top in (90, 240, 390):
        for left in (90, 245, 400, 555):
            shift_y, shift_x, growth = torch.rand(3, generator=generator).tolist()
            y, x, radius = top + 20 * shift_y, left + 20 * shift_x, 46 + 8 * growth
            distance = ((rows - y) ** 2 + (columns - x) ** 2).sqrt() / radius
            inside, pale = ((1.03 - distance) * radius / 3).clamp(0, 1), (1 - 2 * distance).clamp(0, 1) / 2
            color = torch.tensor([0.75, 0.55, 0.58])[:, None, None] * (1 - pale) + 0.85 * pale
            image = image * (1 - inside) + color * inside
            boxes.append([x - radius, y - radius, x + radius, y + radius])
    return image, torch.tensor(boxes)


def test_the_detector_finds_every_cell_of_a_drawn_smear():
    image, boxes = smear()
    found = DetectionPredictor.load("wsfvit_p0_fasterrcnn_bccd", min_score=0.5, device="cpu").detect([image])[0]
    assert set(found.names) == {"RBC"}
    assert len(boxes) <= len(found) <= len(boxes) + 4
    assert box_iou(boxes, found.boxes).amax(1).min() > 0.6


def test_the_network_for_pose_finds_joints_of_figures_it_never_saw():
    """Frames of drawn test videos, each as a whole one person, against where joints are on average."""
    data = build_data("drawn_figures", {"num_train": 200, "num_test": 16}, 0)
    samples = [data.test[place] for place in range(16)]
    truth = torch.stack([one.joints for one in samples])
    usual = torch.stack([data.train[place].joints for place in range(200)]).mean(0)
    predictor = PosePredictor.load("freqpose_figures", device="cpu")
    assert predictor.joint_set == data.spec.joints
    clips = [data.spec.denormalize(one.frames).clamp(0, 1) for one in samples]
    middle = predictor.num_frames // 2
    found = [predictor.find_in_clip(clip, keep=slice(middle, middle + 1))[0].joints[0] for clip in clips]
    reach = 0.1 * torch.tensor([max(one.truth.box[2:]) for one in samples])[:, None]
    seen = torch.stack([one.visible for one in samples]) > 0
    right, guessed = (
        ((points - truth).norm(dim=-1) <= reach)[seen].double().mean() for points in (torch.stack(found), usual)
    )
    assert right > 0.97
    assert 1 - right < 0.2 * (1 - guessed)


def test_the_network_for_pose_says_what_it_has_not_seen():
    assert any("no real people" in limit for limit in subband.load_model("freqpose_figures").metadata["limits"])
