"""`subband upscale`: clips and photographs of every size and length, beside bicubic ones; what is refused."""

import errno
import os
import signal

import av
import numpy as np
import pytest
import torch

from subband import create_model, save_model
from subband.cli.main import main
from subband.media import VideoWriter, probe, read_clip, write_clip, write_image
from subband.media.images import read_image
from subband.models.bicubic import Bicubic
from subband.predictors.restoration import VideoRestorer

TINY = {"channels": 4, "blocks": 1, "groups": 2, "flow": "classical", "full_channels": 4}
BICUBIC = ("--model", "bicubic")


def call(*words) -> int:
    return main(["upscale", *map(str, words)])


def network(**args):
    torch.manual_seed(0)
    model = create_model("basicvsr_pp_s", **{**TINY, **args}).eval()
    torch.nn.init.normal_(model.upsampling.last.weight, std=0.2)
    return model


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    save_model(network(), folder / "four")
    save_model(network(scale=2), folder / "two")
    save_model(create_model("basicvsr_pp_deblur", channels=4, blocks=1, groups=2), folder / "same")
    return folder


@pytest.mark.parametrize("shape", [(1, 9, 7), (2, 1, 1), (3, 16, 2)])
def test_clips_of_every_size_and_length(tmp_path, own, shape):
    count, height, width = shape
    frames = (torch.rand(count, 3, height, width) * 255).round() / 255
    write_clip(tmp_path / "small", frames)
    assert call(tmp_path / "small", tmp_path / "large", "--model", own / "four") == 0
    with torch.inference_mode():
        expected = network().restore(frames[None])[0].clamp(0, 1)
    found = read_clip(tmp_path / "large")
    assert found.shape == (count, 3, 4 * height, 4 * width)
    assert (found - expected).abs().max() < 0.6 / 255
    with torch.inference_mode():
        bicubic = create_model("bicubic").restore(frames[None])[0].clamp(0, 1)
    assert (found - bicubic).abs().max() > 2 / 255


def test_a_video_is_enlarged_twice_and_keeps_its_times(tmp_path, own):
    write_clip(tmp_path / "small.gif", torch.rand(4, 3, 9, 11), fps=5)
    assert call(tmp_path / "small.gif", tmp_path / "large.mkv", "--model", own / "two", "--scale", 2) == 0
    facts = probe(tmp_path / "large.mkv")
    assert (facts.num_frames, facts.fps, facts.height, facts.width) == (4, 5, 18, 22)


def test_pieces_and_tiles_are_those_of_the_whole(own):
    frames = torch.rand(14, 3, 6, 140)
    model = create_model("bicubic")
    whole = VideoRestorer(model).restore(frames)
    assert (VideoRestorer(model, tile=132).restore(frames) - whole).abs().max() < 1e-6
    model = network()
    frames = frames[..., :8]
    bicubic, (whole, pieces) = whole[..., :32], (VideoRestorer(model, window=n).restore(frames) for n in (None, 12))
    assert 0 < (pieces - whole)[..., :24].abs().mean() < 0.1 * (whole - bicubic)[..., :24].abs().mean()


def test_photographs_keep_depth_opacity_and_gray(tmp_path, own):
    gray, alpha = torch.rand(1, 7, 9), torch.rand(1, 7, 9)
    write_image(tmp_path / "gray.png", gray, alpha=alpha, bit_depth=16)
    assert call(tmp_path / "gray.png", tmp_path / "out.png", "--model", own / "four") == 0
    found = read_image(tmp_path / "out.png")
    assert found.info.bit_depth == 16
    assert found.pixels.shape == found.alpha.shape == (1, 28, 36)
    bicubic = create_model("bicubic").restore(alpha.expand(3, -1, -1)[None, None])[0, 0, :1].clamp(0, 1)
    assert (found.alpha - bicubic).abs().max() < 1e-4


def test_the_page_compares_with_bicubic_frames(tmp_path, capsys):
    true = torch.rand(3, 3, 1, 1).expand(-1, -1, 32, 40)
    write_clip(tmp_path / "small", true[..., ::4, ::4])
    write_clip(tmp_path / "true", true)
    words = (*BICUBIC, "--compare", "--reference", tmp_path / "true", "--preview", "0.2s")
    assert call(tmp_path / "small", tmp_path / "large", *words) == 0
    shown = capsys.readouterr().out
    assert "bicubic" in shown
    assert "against the reference, 2 frames" in shown
    page = (tmp_path / "large_compare.html").read_text("utf-8")
    assert 'type="range"' in page
    assert "bicubic is on the left of it, enlarged on the right" in page


def test_the_package_has_a_network(tmp_path, capsys):
    write_image(tmp_path / "photo.png", torch.rand(3, 6, 5))
    assert call(tmp_path / "photo.png", tmp_path / "large.png", "--compare") == 0
    assert read_image(tmp_path / "large.png").pixels.shape == (3, 24, 20)
    assert "basicvsr_pp_clips" in (tmp_path / "large_compare.html").read_text("utf-8")
    assert call(tmp_path / "photo.png", tmp_path / "two.png", "--scale", "2") == 2
    assert "basicvsr_pp_clips makes frames 4 times as large, but --scale is 2" in capsys.readouterr().err


def test_interlaced_and_transparent_clips_are_named(tmp_path, capsys):
    with av.open(str(tmp_path / "tv.mkv"), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme"})
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode()])
    assert call(tmp_path / "tv.mkv", tmp_path / "large.mkv", *BICUBIC) == 0
    assert "tv.mkv is interlaced" in capsys.readouterr().err
    (tmp_path / "layers").mkdir()
    for number in range(2):
        write_image(tmp_path / "layers" / f"{number}.png", torch.rand(3, 4, 4), alpha=torch.rand(1, 4, 4))
    assert call(tmp_path / "layers", tmp_path / "large", *BICUBIC) == 0
    assert "is transparent in places" in capsys.readouterr().err


@pytest.mark.usefixtures("plain_signals")
@pytest.mark.parametrize(("kind", "target"), [(signal.SIGTERM, "large"), (signal.SIGINT, "large.mkv")])
def test_a_stopped_command_goes_on(tmp_path, monkeypatch, capsys, kind, target):
    write_clip(tmp_path / "small", torch.rand(12, 3, 5, 6))
    words = (tmp_path / "small", tmp_path / target, *BICUBIC, "--window", 2, "--scene-cuts", "off")
    original, calls = Bicubic.forward_clip, []

    def enlarge(self, frames):
        calls.append(len(calls))
        if len(calls) == 4:
            os.kill(os.getpid(), kind)
        return original(self, frames)

    monkeypatch.setattr(Bicubic, "forward_clip", enlarge)
    assert call(*words) == 128 + kind
    assert "large.parts" in capsys.readouterr().err or (tmp_path / f"{target}.parts").is_dir()
    assert not (tmp_path / target).exists()
    monkeypatch.setattr(Bicubic, "forward_clip", original)
    assert call(*words) == 0
    assert call(words[0], tmp_path / f"whole_{target}", *words[2:]) == 0
    assert not (tmp_path / f"{target}.parts").exists()
    found, whole = read_clip(tmp_path / target), read_clip(tmp_path / f"whole_{target}")
    # A video with loss is not the same in the segment of the stop.
    assert torch.equal(found, whole) if target == "large" else (found - whole).abs().mean() < 0.02


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch, capsys):
    write_clip(tmp_path / "small", torch.rand(3, 3, 5, 6))

    def full(*args, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "large.mkv"))

    monkeypatch.setattr(VideoWriter, "write", full)
    assert call(tmp_path / "small", tmp_path / "large.mkv", *BICUBIC) == 2
    *_, error = capsys.readouterr().err.splitlines()  # below the bar
    assert error == f"subband: error: {tmp_path / 'large.mkv'}: No space left on device."
    assert not (tmp_path / "large.mkv").exists()


def test_ten_bits_become_eight(tmp_path, own, capsys):
    with av.open(str(tmp_path / "deep.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 6, 10, "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(np.full((6, 10, 3), 90, np.uint8), format="rgb24")
        container.mux([*stream.encode(frame.reformat(format="yuv420p10le")), *stream.encode()])
    assert call(tmp_path / "deep.mkv", tmp_path / "large.mkv", *BICUBIC) == 0
    assert "deep.mkv has 10 bits per value" in capsys.readouterr().err
    found = read_clip(tmp_path / "large.mkv")
    assert found.shape == (1, 3, 24, 40)
    assert (found - 90 / 255).abs().max() < 4 / 255


def test_mistakes_are_one_sentence(tmp_path, own, capsys):
    small, photo, wide = (tmp_path / name for name in ("small", "photo.png", "wide.png"))
    write_clip(small, torch.rand(2, 3, 8, 8))
    write_image(photo, torch.rand(3, 8, 8))
    write_image(wide, torch.zeros(3, 1100, 2100))
    four, two, same = (("--model", own / name) for name in ("four", "two", "same"))
    cases = {
        (small, tmp_path / "out", *two): "two makes frames 2 times as large, but --scale is 4",
        (small, tmp_path / "out", *four, "--scale", 2): "four makes frames 4 times as large, but --scale is 2",
        (small, tmp_path / "out", *four, "--scale", 1): "--scale must be at least 2, got 1",
        (small, tmp_path / "out", *same): "same keeps the size of frames; `subband deblur` takes it",
        (small, tmp_path / "out", "--model", "basicvsr_pp"): "has fresh weights",
        (wide, tmp_path / "out.png", *four): "would become 8400 x 4400 pixels; a frame may have 8192 x 4320 at most",
        (
            small,
            tmp_path / "out",
            *four,
            "--compare",
            "--reference",
            small,
        ): "a reference must have the size of the res",
        (photo, tmp_path / "out.png", *four, "--preview", "2s"): "--preview is for clips",
        (photo, tmp_path / "out.mp4", *four): "photo.png is one picture, so the result is",
        (tmp_path / "none", tmp_path / "out", *four): "none does not exist",
    }
    for words, sentence in cases.items():
        assert call(*words) == 2, words
        error = capsys.readouterr().err
        assert sentence in error, error
        assert len(error.splitlines()) == 1, error
    assert main(["deblur", str(small), str(tmp_path / "out"), "--model", str(own / "four")]) == 2
    assert "four makes frames 4 times as large; `subband upscale` takes it" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))
