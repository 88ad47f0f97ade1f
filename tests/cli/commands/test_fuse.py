from pathlib import Path

import pytest
import torch
from skimage import data
from torch.nn import functional as F

from subband.cli.main import main
from subband.media.images import read_image, write_image


@pytest.fixture
def scene() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()[20:116, 170:298].copy()).permute(2, 0, 1) / 255


@pytest.fixture
def foci(scene, tmp_path) -> list[Path]:
    blurred = F.avg_pool2d(scene, 7, 1, 3, count_include_pad=False)
    is_left = (torch.arange(128) < 64).float()
    write_image(tmp_path / "near.png", is_left * scene + (1 - is_left) * blurred)
    write_image(tmp_path / "far.png", is_left * blurred + (1 - is_left) * scene)
    return [tmp_path / "near.png", tmp_path / "far.png"]


def write_exposures(scene: torch.Tensor, folder: Path) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{index}.png" for index in range(3)]
    for path, gain in zip(paths, (0.25, 1, 4), strict=True):
        write_image(path, scene.pow(2.2).mul(gain).clamp(0, 1).pow(1 / 2.2))
    return paths


def test_foci(foci, scene, tmp_path, capsys):
    assert main(["fuse", *map(str, foci)]) == 0
    assert "rule largest" in capsys.readouterr().out
    fused = read_image(tmp_path / "near_fused.png").pixels
    errors = [(image - scene).square().mean() for image in (fused, *(read_image(path).pixels for path in foci))]
    assert errors[0] < 0.2 * min(errors[1:])


def test_exposures_of_a_folder(scene, tmp_path, capsys):
    write_exposures(scene, tmp_path / "bracket")
    assert main(["fuse", str(tmp_path / "bracket")]) == 0
    assert "rule exposure" in capsys.readouterr().out
    assert read_image(tmp_path / "bracket_fused.png").pixels.shape == scene.shape
    assert len(list((tmp_path / "bracket").iterdir())) == 3


def test_a_window_that_exposures_do_not_need_is_said(scene, tmp_path, capsys):
    write_exposures(scene, tmp_path / "bracket")
    assert main(["fuse", str(tmp_path / "bracket"), "--window", "5"]) == 0
    assert "--window has no effect: by their brightness the images are exposures" in capsys.readouterr().err


def test_options_reach_the_function(foci, tmp_path):
    variants = [
        [],
        ["--rule", "exposure"],
        ["--wavelet", "haar"],
        ["--level", "1"],
        ["--window", "7"],
        ["--mode", "zero"],
    ]
    results = []
    for index, options in enumerate(variants):
        out = tmp_path / f"{index}.png"
        assert main(["fuse", *map(str, foci), *options, "--out", str(out)]) == 0
        results.append(out.read_bytes())
    assert len(set(results)) == len(variants)


def test_gray_color_depth_and_transparency_together(foci, scene, tmp_path, capsys):
    gray = tmp_path / "gray.png"
    write_image(gray, scene[:1], bit_depth=16, alpha=torch.ones(1, 96, 128))
    assert main(["fuse", str(foci[0]), str(gray), "--out", str(tmp_path / "out.png")]) == 0
    image = read_image(tmp_path / "out.png")
    assert image.pixels.shape == (3, 96, 128)
    assert image.info.bit_depth == 16
    assert "transparency of the photographs is left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{near}",), "needs at least two photographs"),
        (("{near}", "{folder}/none.png"), "none.png does not exist"),
        (("{near}", "{small}"), "is 10 x 10 pixels but"),
        (("{near}", "{far}", "--rule", "mean"), "rule must be largest or exposure"),
        (("{near}", "{far}", "--window", "2"), "window must be odd"),
        (("{near}", "{far}", "--wavelet", "nowave"), "nowave"),
        (("{near}", "{far}", "--out", "{far}", "--overwrite"), "is one of the photographs"),
        (("{near}", "{far}", "--out", "{small}"), "exists already"),
        (("{near}", "{far}", "--out", "{folder}/a.gif"), "no suffix of an image"),
        (("{near}", "{bad}"), "is not an image"),
    ],
)
def test_wrong_input_is_one_sentence(words, message, foci, tmp_path, capsys):
    small, bad = tmp_path / "small.png", tmp_path / "bad.png"
    write_image(small, torch.rand(3, 10, 10))
    bad.write_text("no image")
    names = {"near": foci[0], "far": foci[1], "small": small, "bad": bad, "folder": tmp_path}
    assert main(["fuse", *(word.format(**names) for word in words)]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert len(list(tmp_path.iterdir())) == 4
