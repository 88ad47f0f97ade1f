"""`subband deblur`: clips and photographs from file to file, what is compared, what is refused."""

import re

import pytest
import torch

from subband import create_model, save_model
from subband.cli.main import main
from subband.convert import export_published
from subband.media import probe, read_clip, write_clip, write_image
from subband.media.images import read_image
from subband.predictors.restoration import VideoRestorer

SMALL = {"n_features": 2, "n_blocks": 1}


def call(*words) -> int:
    return main(["deblur", *map(str, words)])


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mkv"
    write_clip(path, torch.rand(5, 3, 20, 28), fps=5)
    return path


@pytest.fixture
def estrnn(tmp_path):
    torch.manual_seed(0)
    model = create_model("estrnn", **SMALL).eval()
    torch.save({"state_dict": export_published(model)}, tmp_path / "published.tar")
    save_model(model, tmp_path / "own")
    return model


def test_published_weights_restore_a_folder_of_frames(tmp_path, estrnn):
    frames = (torch.rand(4, 3, 20, 28) * 255).round() / 255
    write_clip(tmp_path / "frames", frames)
    words = ["--model", "estrnn", "--checkpoint", tmp_path / "published.tar"]
    for key, value in SMALL.items():
        words += ["--set", f"{key}={value}"]
    assert call(tmp_path / "frames", tmp_path / "out", *words) == 0
    with torch.inference_mode():
        expected = estrnn.restore(frames[None])[0].clamp(0, 1)
    assert (read_clip(tmp_path / "out") - expected).abs().max() < 0.6 / 255
    assert call(tmp_path / "frames", tmp_path / "again", "--model", tmp_path / "own") == 0
    assert torch.equal(read_clip(tmp_path / "again"), read_clip(tmp_path / "out"))


def test_the_package_has_a_network_for_clips(tmp_path, clip, capsys):
    assert call(clip, tmp_path / "out.mkv", "--compare") == 0
    assert "motion_unet_clips" in (tmp_path / "out_compare.html").read_text("utf-8")
    assert "warning" not in capsys.readouterr().err


def test_part_of_a_clip_beside_its_reference(tmp_path, clip, capsys):
    out = tmp_path / "out.mkv"
    words = ("--model", "identity", "--start", "0.2", "--preview", "0.6s", "--compare", "--reference", clip)
    assert call(clip, out, *words) == 0
    assert (probe(out).num_frames, probe(out).fps) == (3, 5)
    assert "against the reference, 3 frames" in capsys.readouterr().out
    assert probe(tmp_path / "out_compare.mkv").num_frames == 3
    assert 'type="range"' in (tmp_path / "out_compare.html").read_text("utf-8")
    assert call(clip, out, "--model", "identity") == 2
    assert "--overwrite" in capsys.readouterr().err


def test_photographs_keep_depth_opacity_and_gray(tmp_path):
    gray, alpha = torch.rand(1, 17, 9), torch.rand(1, 17, 9)
    write_image(tmp_path / "gray.png", gray, alpha=alpha, bit_depth=16)
    assert call(tmp_path / "gray.png", tmp_path / "out.png", "--model", "identity", "--compare") == 0
    found = read_image(tmp_path / "out.png")
    assert found.info.bit_depth == 16
    assert (found.pixels - gray).abs().max() < 1e-4
    assert (found.alpha - alpha).abs().max() < 1e-4
    assert (tmp_path / "out_compare.html").is_file()
    assert not (tmp_path / "out_compare.mp4").exists()


def test_noise_belongs_to_frames(tmp_path):
    """The same seed gives the same frames, however long the windows are in which they come; another seed others."""
    small = {"num_feat": 8, "propagation_blocks": 1, "num_blocks": (1, 1), "heads": (1, 2), "prior_feat": 4}
    model = create_model("vd_diff", **small)
    torch.nn.init.normal_(model.restorer.head.weight)
    frames = torch.rand(1, 3, 16, 16)
    first, again, other = (VideoRestorer(model, seed=seed).restore(frames) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_half_precision_is_close(tmp_path, estrnn):
    frames = torch.rand(3, 3, 16, 16)
    full, half = (VideoRestorer(estrnn, half=is_half).restore(frames) for is_half in (False, True))
    assert 0 < (full - half).abs().max() < 0.05


def test_every_network_computes_in_half_precision(tmp_path, clip):
    """Also while its memory is measured, where operations arrive whole that autocast looks into elsewhere."""
    for name in ("vd_diff_s", "ftdeblur_s", "residual_unet_s"):
        save_model(create_model(name), tmp_path / name)
        assert call(clip, tmp_path / f"{name}.mkv", "--model", tmp_path / name, "--half", "--preview", "0.3s") == 0


def test_a_photograph_of_any_kind_is_compared(tmp_path):
    write_image(tmp_path / "photo.jpg", torch.rand(3, 16, 24))
    words = ("--model", "identity", "--compare", "--reference", tmp_path / "photo.jpg")
    assert call(tmp_path / "photo.jpg", tmp_path / "out.png", *words) == 0
    assert 'type="range"' in (tmp_path / "out_compare.html").read_text("utf-8")


def test_a_start_that_no_clip_reaches(tmp_path, clip, capsys):
    assert call(clip, tmp_path / "out.mkv", "--model", "identity", "--start", "9" * 25) == 2
    assert "s lies outside" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]


def test_a_row_more_is_named(tmp_path, capsys):
    write_clip(tmp_path / "odd", torch.rand(2, 3, 15, 24))
    assert call(tmp_path / "odd", tmp_path / "out.mp4", "--model", "identity") == 0
    assert "odd is 24 x 15 pixels and out.mp4 needs even sides" in capsys.readouterr().err
    assert call(tmp_path / "odd", tmp_path / "out", "--model", "identity") == 0
    assert "even sides" not in capsys.readouterr().err
    assert read_clip(tmp_path / "out").shape == (2, 3, 15, 24)


def test_a_rate_beside_a_clip_that_has_its_own_is_refused(tmp_path, clip, capsys):
    """Also the usual 10, and beside an animation; nothing is computed before."""
    write_clip(tmp_path / "clip.gif", torch.rand(3, 3, 16, 16), fps=5)
    write_clip(tmp_path / "frames", torch.rand(3, 3, 16, 16))
    write_image(tmp_path / "photo.png", torch.rand(3, 16, 16))
    cases = {
        (clip, "out.mp4", "30"): "--fps is for clips without times, such as folders of frames; {} has its own.",
        (clip, "out", "10"): "--fps is for clips without times, such as folders of frames; {} has its own.",
        (tmp_path / "clip.gif", "out.gif", "10"): "--fps is for clips without times, such as folders of frames; {} has",
        (tmp_path / "photo.png", "out.png", "10"): "--fps is for clips; {} is a photograph.",
        (tmp_path / "frames", "out", "30"): "--fps has no effect: neither frames nor out has times.",
        (tmp_path / "frames", "out.png", "30"): "--fps has no effect: neither frames nor out.png has times.",
        (tmp_path / "frames", "out.mp4", "0"): "fps must be above 0",
        (tmp_path / "frames", "out.mp4", "-3"): "fps must be above 0",
        (tmp_path / "frames", "out.mp4", "1e9"): "fps must be above 0",
    }
    for (source, target, fps), sentence in cases.items():
        assert call(source, tmp_path / target, "--model", "identity", "--fps", fps) == 2, target
        error = capsys.readouterr().err
        assert sentence.format(source) in error, error
        assert len(error.splitlines()) == 1, error
        assert not list(tmp_path.glob("out*"))


def test_the_rate_of_a_folder_of_frames(tmp_path):
    write_clip(tmp_path / "frames", torch.rand(6, 3, 16, 16))
    assert call(tmp_path / "frames", tmp_path / "out.mp4", "--model", "identity", "--fps", "30") == 0
    assert (probe(tmp_path / "out.mp4").fps, probe(tmp_path / "out.mp4").num_frames) == (30, 6)
    assert call(tmp_path / "frames", tmp_path / "part", "--model", "identity", "--fps", "2", "--preview", "1s") == 0
    assert probe(tmp_path / "part").num_frames == 2


def test_options_of_clips_beside_a_photograph(tmp_path, capsys):
    photo = tmp_path / "photo.png"
    write_image(photo, torch.rand(3, 16, 16))
    for words in (("--scene-cuts", "off"), ("--window", "4"), ("--fps", "10")):
        assert call(photo, tmp_path / "out.png", "--model", "identity", *words) == 2
        assert f"{words[0]} is for clips; {photo} is a photograph." in capsys.readouterr().err


def test_a_folder_that_a_video_became_is_compared_at_the_rate_of_the_video(tmp_path, clip):
    assert call(clip, tmp_path / "out", "--model", "identity", "--compare") == 0
    assert probe(tmp_path / "out_compare.mp4").fps == 5


def test_a_reference_in_a_folder_has_the_rate_of_the_clip(tmp_path, capsys):
    frames = torch.arange(10).view(-1, 1, 1, 1).expand(-1, 3, 16, 16) / 10
    write_clip(tmp_path / "clip.mkv", frames, fps=5)
    write_clip(tmp_path / "frames", frames)
    words = ("--start", "1s", "--preview", "0.6s", "--compare", "--reference", tmp_path / "frames")
    assert call(tmp_path / "clip.mkv", tmp_path / "out", "--model", "identity", *words) == 0
    before, after = re.findall(r"(?:before|after) +(inf|\d+\.\d+)", capsys.readouterr().out)
    assert min(float(before), float(after)) > 40


def test_mistakes_are_one_sentence(tmp_path, clip, estrnn, capsys):
    save_model(create_model("gfnet_xs", img_size=32, dims=(16,), depths=(1,)), tmp_path / "classifier")
    photo = tmp_path / "photo.png"
    write_image(photo, torch.rand(3, 16, 16))
    own = ("--model", tmp_path / "own")
    cases = {
        (clip, tmp_path / "out.mkv", "--checkpoint", tmp_path / "published.tar"): "--model is needed",
        (photo, tmp_path / "out.png"): "a photograph needs --model",
        (tmp_path / "none.mp4", tmp_path / "out.mkv", *own): "none.mp4 does not exist",
        (clip, clip, *own, "--overwrite"): "is the clip itself",
        (clip, tmp_path / "out.xyz", *own): "has no known suffix",
        (clip, tmp_path / "out.mkv", "--model", "estrnn"): "has fresh weights",
        (clip, tmp_path / "out.mkv", "--model", tmp_path / "classifier"): "not a network for restoration",
        (clip, tmp_path / "out.mkv", *own, "--reference", clip): "--reference goes with --compare",
        (clip, tmp_path / "out.mkv", *own, "--tile", "some"): "tile must be auto, off or a number",
        (clip, tmp_path / "out.mkv", *own, "--scene-cuts", "some"): "--scene-cuts must be",
        (clip, tmp_path / "out.mkv", *own, "--window", "3"): "window",
        (clip, tmp_path / "out.mkv", *own, "--window", "1"): "window must be above",
        (clip, tmp_path / "out.mkv", *own, "--start", "soon"): "--start must be a time",
        (clip, tmp_path / "out.mkv", *own, "--preview", "1e9"): "--preview must be a time",
        (clip, tmp_path / "out.mkv", *own, "--duration", "0"): "--duration must be above 0 seconds",
        (clip, tmp_path / "out.mkv", *own, "--compare", "--reference", photo): "must have the size of the result",
        (clip, tmp_path / "out.mkv", *own, "--compare", "--reference", tmp_path / "no.mp4"): "no.mp4 does not exist",
        (photo, tmp_path / "out.mp4", *own): "photo.png is one picture, so the result is: out.mp4 has no suffix of an",
        (photo, tmp_path / "out.png", *own, "--start", "2s"): "--start is for clips",
        (photo, tmp_path / "out.png", *own, "--preview", "2s"): "is a photograph",
    }
    for words, sentence in cases.items():
        assert call(*words) == 2, words
        error = capsys.readouterr().err
        assert sentence in error, error
        assert len(error.splitlines()) == 1, error
    assert not list(tmp_path.glob("out*"))
