"""VideoPredictor brings frames into the range, size and channels of a network and back."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from subband import create_model, save_model
from subband.media.images import write_image
from subband.media.video import write_clip
from subband.models.protocols.video import VideoModel
from subband.predictors.video_prediction import VideoPredictor, working_size


class Brighten(VideoModel):
    """Adds 0.5 to the last frame, in the network's own range; remembers what it was given."""

    seen: Tensor

    def forward_clip(self, frames: Tensor) -> Tensor:
        self.seen = frames
        return frames[:, -1:].expand_as(frames) + 0.5


def test_frames_are_mapped_to_the_range_of_the_network_and_back() -> None:
    model = Brighten((2, 1, 4, 4))
    predictor = VideoPredictor(model, {"data_range": [-1, 1]})
    prediction = predictor.predict(torch.full((3, 1, 4, 4), 0.25), num_frames=2)
    torch.testing.assert_close(model.seen, torch.full((1, 2, 1, 4, 4), -0.5))
    torch.testing.assert_close(prediction, torch.full((2, 1, 4, 4), 0.5))


def test_prediction_is_clipped() -> None:
    prediction = VideoPredictor(Brighten((2, 1, 4, 4))).predict(torch.full((2, 1, 4, 4), 0.8), num_frames=1)
    torch.testing.assert_close(prediction, torch.ones(1, 1, 4, 4))


def test_only_the_last_frames_count(rng: torch.Generator) -> None:
    frames = torch.rand(7, 1, 6, 5, generator=rng)
    model = Brighten((3, 1, 4, 4))
    VideoPredictor(model).predict(frames, num_frames=2)
    torch.testing.assert_close(model.seen[0], frames[-3:])


def test_gray_network_takes_color_channel_by_channel(rng: torch.Generator) -> None:
    frames = torch.rand(2, 3, 4, 4, generator=rng) / 2
    prediction = VideoPredictor(Brighten((2, 1, 4, 4))).predict(frames, num_frames=5)
    assert prediction.shape == (5, 3, 4, 4)
    torch.testing.assert_close(prediction[0], frames[-1] + 0.5)


def test_large_frames_are_reduced(rng: torch.Generator) -> None:
    frames = torch.rand(10, 1, 40, 60, generator=rng)
    prediction = VideoPredictor(create_model("persistence"), max_side=30).predict(frames, num_frames=1)
    expected = torch.nn.functional.interpolate(frames[-1:], size=(20, 30), mode="bilinear", antialias=True)
    torch.testing.assert_close(prediction, expected)


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [((720, 1280), 256, (144, 256)), ((64, 64), 256, (64, 64)), ((9, 2000), 100, (1, 100)), ((50, 40), None, (50, 40))],
)
def test_working_size(size: tuple[int, int], max_side: int | None, expected: tuple[int, int]) -> None:
    assert working_size(*size, max_side) == expected


def test_compare_holds_the_last_frames_out(rng: torch.Generator) -> None:
    frames = torch.rand(2, 1, 16, 16, generator=rng).repeat_interleave(3, 0) * 0.5
    frames[4:] = frames[3] + 0.5  # what Brighten predicts exactly
    result = VideoPredictor(Brighten((2, 1, 16, 16))).compare(frames, num_frames=2)
    torch.testing.assert_close(result.target, frames[-2:])
    torch.testing.assert_close(result.prediction, result.target)
    torch.testing.assert_close(result.persistence, frames[3:4].expand(2, -1, -1, -1))
    model, persistence = result.per_frame["model"], result.per_frame["persistence"]
    assert max(model["mse"]) == pytest.approx(0, abs=1e-9)
    assert min(model["ssim"]) == pytest.approx(1, abs=1e-5)
    assert persistence["mse"] == pytest.approx([0.25 * 16 * 16] * 2, rel=1e-5)  # summed over the frame
    assert persistence["psnr"] == pytest.approx([10 * math.log10(4)] * 2, rel=1e-5)


@pytest.mark.parametrize(
    ("factor", "offset", "fix"), [(255, 0, "divide 8-bit values by 255"), (2, -1, r"\(x \+ 1\) / 2")]
)
def test_other_ranges_are_warned_about(rng: torch.Generator, factor: float, offset: float, fix: str) -> None:
    frames = torch.rand(10, 1, 8, 8, generator=rng) * factor + offset
    with pytest.warns(UserWarning, match=fix):
        VideoPredictor(create_model("persistence")).predict(frames, num_frames=1)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (torch.zeros(3, 1, 8, 8), "needs 10 input frames, got 3"),
        (torch.zeros(1, 10, 1, 8, 8), r"frames must be \(T, C, H, W\)"),
        (torch.zeros(10, 1, 8, 8, dtype=torch.int64), r"must be uint8, or floating point in \[0, 1\], got torch.int64"),
        (torch.full((10, 1, 8, 8), math.nan), "not finite"),
    ],
)
def test_wrong_frames(frames: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoPredictor(create_model("persistence")).predict(frames, num_frames=1)


def test_wrong_options() -> None:
    model = create_model("persistence")
    with pytest.raises(ValueError, match="max_side must be at least 1"):
        VideoPredictor(model, max_side=0)
    for metadata in ({"data_range": None}, {"data_range": (0, 1), "mean": (0.5,), "std": (0.2,)}):
        with pytest.raises(ValueError, match="standardized fields"):
            VideoPredictor(model, metadata)
    with pytest.raises(ValueError, match="needs 10 frames to look at and 3 to compare with, got 12 frames"):
        VideoPredictor(model).compare(torch.zeros(12, 1, 8, 8), num_frames=3)
    with pytest.raises(ValueError, match="num_frames must be at least 1"):
        VideoPredictor(model).compare(torch.zeros(12, 1, 8, 8), num_frames=0)


def test_loading(tmp_path, rng: torch.Generator) -> None:
    model = create_model("simvp_gsta", in_shape=(4, 1, 16, 16), hid_S=8, hid_T=16, N_S=2, N_T=2).eval()
    save_model(model, tmp_path / "model", metadata={"data_range": (0, 2)})
    predictor = VideoPredictor.load(tmp_path)
    frames = torch.rand(4, 1, 16, 16, generator=rng)
    with torch.no_grad():
        expected = (model.predict(2 * frames[None], 6)[0] / 2).clamp(0, 1)
    torch.testing.assert_close(predictor.predict(frames, 6), expected)
    assert (predictor.num_context, predictor.high) == (4, 2)
    with pytest.raises(FileNotFoundError, match="no model at"):
        VideoPredictor.load(tmp_path / "nothing")


def test_the_same_frames_in_every_form_give_the_same_prediction(tmp_path, rng: torch.Generator) -> None:
    pixels = torch.randint(0, 128, (3, 3, 8, 8), generator=rng, dtype=torch.uint8)
    arrays = pixels.permute(0, 2, 3, 1).numpy()
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(pixels):
        write_image(tmp_path / "frames" / f"{number}.png", frame / 255)
    files = sorted((tmp_path / "frames").iterdir())
    predictor = VideoPredictor(Brighten((2, 3, 8, 8)), device="cpu")
    expected = predictor.predict(pixels / 255, num_frames=2)
    forms = [pixels, arrays, arrays / np.float32(255), list(arrays), list(pixels), files, tmp_path / "frames"]
    forms += [[Image.fromarray(array) for array in arrays], [files[0], arrays[1], pixels[2] / 255]]
    for frames in forms:
        torch.testing.assert_close(predictor.predict(frames, num_frames=2), expected)


def test_of_a_file_only_the_wanted_frames_are_read(tmp_path, rng: torch.Generator) -> None:
    frames = (torch.rand(9, 1, 12, 16, generator=rng) > 0.5).float()
    write_clip(tmp_path / "clip.gif", frames)
    model = Brighten((3, 3, 12, 16))
    predictor = VideoPredictor(model, max_side=8)
    assert predictor.predict(tmp_path / "clip.gif", num_frames=2).shape == (2, 3, 6, 8)
    assert model.seen.shape == (1, 3, 3, 6, 8)
    result = VideoPredictor(model).compare(str(tmp_path / "clip.gif"), num_frames=2)
    torch.testing.assert_close(result.target, frames[-2:].expand(-1, 3, -1, -1), atol=0.02, rtol=0)
    with pytest.raises(ValueError, match="has 9 frames, but 13 are needed"):
        predictor.compare(tmp_path / "clip.gif", num_frames=10)


def test_facts_stored_with_the_network_count_unless_others_are_given() -> None:
    model = Brighten((2, 1, 4, 4))
    model.metadata = {"data_range": [-1, 1]}  # type: ignore[assignment]
    assert (VideoPredictor(model).low, VideoPredictor(model, {}).low) == (-1, 0)


def test_devices_are_named_as_everywhere() -> None:
    with pytest.raises(ValueError, match="device must be one of auto, cpu, cuda, mps or cuda:INDEX, not 'gpu'"):
        VideoPredictor(Brighten((2, 1, 4, 4)), device="gpu")
