"""Small and large clips of videos: what shrinks them, where they come from, and a network that is trained on them."""

import pytest
import torch
from torch.nn import functional as F

from subband.cli.main import main
from subband.data import build_data
from subband.data.restoration import downscaling
from subband.data.restoration.downscaling import Downscaling, gaussian_blur
from subband.data.restoration.draws import Draws
from subband.imaging import imresize
from subband.media import write_clip
from subband.media.recompression import h264

OPTIONS = {"frames": 3, "img_size": 8, "num_train": 4, "num_val": 2, "num_test": 2}


@pytest.fixture
def videos(tmp_path, rng):
    """Four folders of frames that pan, 64 x 48 pixels."""
    (tmp_path / "videos").mkdir()
    for number in range(4):
        noise = torch.rand(1, 3, 8, 12, generator=rng)
        picture = F.interpolate(noise, (48, 96), mode="bicubic", align_corners=False)[0].clamp(0, 1)
        clip = torch.stack([picture[..., step : step + 64] for step in range(6)])
        write_clip(tmp_path / "videos" / f"pan{number}", clip)
    return tmp_path / "videos"


def data_of(videos, **options):
    return build_data("downscaled_videos", {"path": str(videos), **OPTIONS, **options}, seed=0)


@pytest.mark.parametrize("scale", [2, 4])
def test_shapes_and_repeatability(videos, scale):
    data = data_of(videos, scale=scale)
    small, large = data.train[1]
    assert small.shape == (3, 3, 8, 8)
    assert large.shape == (3, 3, 8 * scale, 8 * scale)
    for first, second in zip(data.train[1], data_of(videos, scale=scale, in_memory=True).train[1], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(small, data.train[5][0])  # the next epoch
    assert data.train.source(1).clip.startswith("pan")


def test_a_crop_is_one_of_the_whole_small_frame(videos):
    """Kernels see the frame around a crop; rows and columns of both clips belong together."""
    data = data_of(videos, flip=False, scale=4, img_size=(12, 4), frames=1)
    for key in range(4):
        small, large = data.train[key]
        inside = imresize(large, scale=0.25).clamp(0, 1)
        assert (small - inside)[..., 2:-2, :].abs().mean() < 0.02
        assert not torch.allclose(small, inside, atol=1e-3)  # but the border, where a crop alone knows less
        assert torch.equal(small, (small * 255).round() / 255)


def test_the_published_gaussian(rng):
    frame = torch.rand(3, 40, 36, generator=rng, dtype=torch.float64)
    taps = torch.exp(-0.5 * (torch.arange(-6, 7) / 1.6) ** 2).double()
    kernel = (taps[:, None] * taps / taps.sum() ** 2).expand(3, 1, 13, 13)
    padded = F.pad(frame[None], (6, 6, 6, 6), mode="reflect")
    assert torch.allclose(gaussian_blur(frame, 1.6), F.conv2d(padded, kernel, groups=3)[0], atol=1e-12)
    small = Downscaling("gaussian", 4, Draws(0, 0))(frame.float()[None])[0]
    wanted = F.conv2d(padded, kernel, groups=3)[0, :, ::4, ::4]
    assert (small - wanted).abs().max() < 0.6 / 255


def test_a_camera_differs_from_clip_to_clip_and_not_from_run_to_run(videos, rng):
    frame = torch.rand(3, 64, 64, generator=rng)
    found = [Downscaling("camera", 4, Draws(0, key))(frame[None]) for key in (0, 1, 0)]
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
    assert found[0].shape == (1, 3, 16, 16)
    first, second = ([data_of(videos, degradation="camera").val[key][0] for key in (0, 1)] for _ in range(2))
    assert all(map(torch.equal, first, second))


def test_a_camera_stores_clips_as_pictures_or_as_video(rng, monkeypatch):
    """About one half each: what JPEG makes of a frame does not depend on the one before, what H.264 makes does."""
    gray = torch.rand(1, 1, 8, 8, generator=rng).repeat_interleave(4, -1).repeat_interleave(4, -2)
    frame = gray.expand(1, 3, -1, -1)
    monkeypatch.setattr(downscaling, "NOISES", (1e-9, 1e-8))
    depends = []
    for key in range(20):
        plain = imresize(gaussian_blur(frame[0], 0.2 + 0.6 * Draws(0, key).number()), scale=0.5)
        after = [
            Downscaling("camera", 2, Draws(0, key))(torch.cat([first, frame]))[1]
            for first in (frame.roll(1, -1), 1 - frame)
        ]
        assert all(1e-3 < (found - plain).abs().mean() < 0.25 for found in after)
        depends.append(not torch.equal(*after))
    assert 4 <= sum(depends) <= 16


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 16)])
def test_frames_of_every_size_go_through_h264(size, rng):
    frames = (torch.rand(3, *size, 1, generator=rng) * 200).byte().expand(-1, -1, -1, 3).numpy()
    fine, coarse = (h264(frames, crf) for crf in (0, 45))
    assert fine.shape == frames.shape
    assert fine.dtype == frames.dtype
    errors = [abs(found.astype(int) - frames).mean() for found in (fine, coarse)]
    assert errors[0] < 2
    assert errors[1] > 2 * errors[0] or size == (1, 1)
    assert (h264(frames, 45) == coarse).all()
    with pytest.raises(ValueError, match=r"crf must lie in 0..51, got 52"):
        h264(frames, 52)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": 1}, "scale must be at least 2"),
        ({"degradation": "magic"}, "must be 'bicubic' or 'gaussian' or 'camera'"),
        ({"img_size": 20}, "do not fit into any video"),
        ({"num_train": 0}, "length must be positive"),
        ({"frames": 7}, "frames"),
    ],
)
def test_impossible_options_are_refused(videos, options, words):
    with pytest.raises(ValueError, match=words):
        data_of(videos, **options)


@pytest.mark.parametrize("name", ["mfpi_s", "basicvsr_pp_s"])
def test_a_network_is_trained_and_compared_with_bicubic_frames(videos, name, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    args = {"mfpi_s": "channels: 8, blocks: 1, rec_blocks: 1, groups: 2", "basicvsr_pp_s": "channels: 8, blocks: 1"}
    recipe.write_text(
        f"task: restoration\nmodel: {{name: {name}, args: {{{args[name]}, scale: 2}}}}\n"
        f"data: {{name: downscaled_videos, args: {{path: '{videos}', scale: 2, frames: 2, img_size: 8, num_train: 4, "
        "num_val: 2, num_test: 2}, batch_size: 2}\nloss:\n  - {name: charbonnier}\noptim: {lr: 1.0e-3}\n"
        "trainer: {epochs: 1, device: cpu, tensorboard: false}\n"
    )
    assert main(["train", str(recipe), "--out", str(tmp_path / "run")]) == 0
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "report.html")]) == 0
    shown = capsys.readouterr().out
    assert "bicubic" in shown
    assert "bicubic" in (tmp_path / "report.html").read_text("utf-8")
